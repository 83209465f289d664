"""What several benchmarks need: the stand-in for Slack, a deployment's settings, and the bot in a process of its own."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from bot import installed
from sandbox.faults import RateLimits
from sandbox.server import Sandbox
from sandbox.world import World

TEAM = "T0ACME"
ADMIN = "U0ADMIN"
APPROVERS = tuple(f"U0APPR{number:02}" for number in range(16))
REQUESTERS = tuple(f"U0REQ{number:02}" for number in range(16))
POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
channels: {governance: "#ml-governance", audit: "#ml-audit", admin: "#mlgov-admin"}
roles:
  admin: [U0ADMIN]
  finance: ["@finance"]
gates:
  budget_increase:
    stages:
      - {name: Finance, approvers: [role:finance], quorum: 15}
    expires_after: 7d
"""
"""One stage that needs so many that every approval in a benchmark leaves its request open: each click does the same."""


def room(number: int) -> str:
    """The Slack id of one of the projects' channels."""
    return f"C0ROOM{number:03}"


def organisation(rooms: int) -> dict[str, Any]:
    """An administrator, 16 approvers in one user group, 16 who ask, and `rooms` channels of projects."""
    people = (ADMIN, *APPROVERS, *REQUESTERS)
    channels = [("C0GOV", "ml-governance"), ("C0AUDIT", "ml-audit"), ("C0ADMIN", "mlgov-admin")]
    channels += [(room(number), f"room-{number:03}") for number in range(rooms)]
    return {
        "teams": [{"id": TEAM, "name": "Acme", "domain": "acme"}],
        "app": {
            "id": "A0MLGOV",
            "name": "mlgov",
            "bot_user_id": "U0MLGOV",
            "bot_id": "B0MLGOV",
            "team": TEAM,
        },
        "users": [
            {"id": id_, "name": id_.lower(), "real_name": f"Person {id_}", "team": TEAM}
            for id_ in people
        ],
        "channels": [
            {"id": id_, "name": name, "members": list(people), "app": True}
            for id_, name in channels
        ],
        "usergroups": [
            {"id": "S0FINANCE", "handle": "finance", "name": "Finance", "users": list(APPROVERS)}
        ],
    }


class CountedLimits(RateLimits):
    """Slack's own limits, from when they are switched on; what they refused is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.refused: Counter[str] = Counter()

    def refusal(self, method: str, team_id: str, channel_id: str | None = None) -> int | None:
        """As Slack would answer."""
        if not self.is_on:
            return None
        limited = super().refusal(method, team_id, channel_id)
        if limited is not None:
            self.refused[method] += 1
        return limited


@dataclass(frozen=True, slots=True)
class Slack:
    """The stand-in, running."""

    sandbox: Sandbox

    def settings(self, database_url: str, folder: Path, **more: str) -> dict[str, str]:
        """The environment of a bot that is installed in it."""
        policy = folder / "governance.yml"
        policy.write_text(POLICY, encoding="utf-8")
        return {
            "SLACK_BOT_TOKEN": self.sandbox.bot_token,
            "SLACK_SIGNING_SECRET": self.sandbox.signing_secret,
            "SLACK_API_URL": self.sandbox.api_url,
            "MLGOV_DATABASE_URL": database_url,
            "MLGOV_POLICY": str(policy),
            "MLGOV_LOG": "warning",
        } | more


@contextmanager
def slack(*, rooms: int = 4, limits: RateLimits | bool = False) -> Iterator[Slack]:
    """A stand-in for Slack in this process: no process that is measured shares its interpreter."""
    world = World.from_dict(organisation(rooms))
    with Sandbox(world, installed.load_manifest(), limits=limits) as sandbox:
        yield Slack(sandbox)


@contextmanager
def bot(given: dict[str, str]) -> Iterator[processes.Server]:
    """`mlgov run --http` in a process of its own; its last line names the address."""
    command = (*processes.MLGOV, "run", "--http", "--port", "0")
    with processes.serving(command, given, says="mlgov governs") as server:
        yield server
