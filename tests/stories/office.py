"""A whole mlgov for stories: the sandbox as Slack, a bot built by the composition root, and files that people import."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot import app, installed, settings
from bot.serving import SocketMode
from bot.web.server import WebServer
from sandbox.messages import Message
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.world import GovernedClock, World
from storage import migrate, runtime
from storage.db import Database
from storage.people import queries
from storage.projects.tables import Project, ProjectAccount
from tests.budgets.conftest import Charge, bill
from tests.conftest import KEY
from tests.contexts import make_context
from tests.stories import buttons
from workflows import clock, rollout
from workflows.budgets import imports
from workflows.budgets.forms import BudgetRow
from workflows.context import OPERATOR, Occasion
from workflows.people import service as people
from workflows.record.scanning import Look
from workflows.sources import focus

OPENS = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
channels: {governance: "#ml-governance", audit: "#ml-audit", admin: "#mlgov-admin"}
roles:
  admin: ["@mlgov-admins"]
  finance: ["@finance"]
gates:
  budget_increase:
    stages:
      - {name: Budget owner, approvers: [subject.owner]}
      - {name: Finance, approvers: [role:finance]}
    expires_after: 7d
"""

OLA = "U0OLA"
TIM = "U0TIM"
FAY = "U0FAY"
FRED = "U0FRED"
GUS = "U0GUS"
SAM = "U0SAM"
ADA = "U0ADA"


def organisation() -> dict[str, Any]:
    """Ola owns the budget, Tim asks, Fay and Fred are finance, Gus is a guest, Sam a stranger, Ada administers."""
    members = [OLA, TIM, FAY, FRED, ADA]
    return {
        "teams": [
            {"id": "T0ACME", "name": "Acme", "domain": "acme"},
            {"id": "T0ELSE", "name": "Elsewhere", "domain": "elsewhere", "foreign": True},
        ],
        "app": {
            "id": "A0MLGOV",
            "name": "mlgov",
            "bot_user_id": "U0MLGOV",
            "bot_id": "B0MLGOV",
            "team": "T0ACME",
        },
        "users": [
            *(
                {
                    "id": id_,
                    "name": name.casefold(),
                    "real_name": name,
                    "email": f"{name.casefold()}@acme.test",
                    "tz": zone,
                    "team": "T0ACME",
                }
                for id_, name, zone in [
                    (OLA, "Ola", "Europe/London"),
                    (TIM, "Tim", "Europe/London"),
                    (FAY, "Fay", "America/New_York"),
                    (FRED, "Fred", "Asia/Tokyo"),
                    (ADA, "Ada", "Europe/London"),
                ]
            ),
            {
                "id": GUS,
                "name": "gus",
                "real_name": "Gus",
                "tz": "Europe/London",
                "team": "T0ACME",
                "is_restricted": True,
            },
            {"id": SAM, "name": "sam", "real_name": "Sam", "tz": "Europe/London", "team": "T0ELSE"},
        ],
        "channels": [
            {"id": "C0GOV", "name": "ml-governance", "members": members, "app": True},
            {"id": "C0AUDIT", "name": "ml-audit", "members": [ADA], "app": True},
            {"id": "C0ADMIN", "name": "mlgov-admin", "members": [ADA], "app": True},
            {"id": "C0TRIAGE", "name": "ticket-triage", "members": [OLA, TIM, FAY], "app": True},
            {
                "id": "C0SHARED",
                "name": "with-elsewhere",
                "members": [OLA, TIM, GUS, SAM],
                "teams": ["T0ACME", "T0ELSE"],
                "app": True,
            },
        ],
        "usergroups": [
            {"id": "S0FIN", "handle": "finance", "name": "Finance", "users": [FAY, FRED]},
            {"id": "S0ADM", "handle": "mlgov-admins", "name": "Admins", "users": [ADA]},
        ],
    }


@dataclass(slots=True)
class Office:
    """The sandbox and the bot, running."""

    sandbox: Sandbox
    bot: app.Bot
    anchor: Path
    work: Path
    base_url: str | None

    @property
    def db(self) -> Database:
        """The bot's database."""
        return self.bot.deps.db

    def settle(self) -> None:
        """Until nothing that is due waits."""
        self.bot.settle()

    def move(self, by: timedelta) -> None:
        """Move governed time on both sides, and let what falls due happen."""
        with self.db.begin(patient=True) as session:
            clock.move(session, by)
        self.sandbox.clock.advance(by)
        self.settle()

    def record_holds(self) -> None:
        """The record is what the ledger proves: whatever a story did, the night would call nothing a tampering."""
        with self.db.read() as session:
            compared = Look().all(session, clock.now(session)).compared
        # No story waits for the heads of the ledger, which are due by the day.
        assert not [fault for fault in compared.faults if fault.what != "heads_late"]

    def now(self) -> datetime:
        """Governed time."""
        return self.sandbox.clock.now()

    def project(
        self, key: str, name: str, *, amount: str = "1000", channel: str | None = "C0TRIAGE"
    ) -> None:
        """A project of Ola's that Tim manages, with a budget for January."""
        org_key = self.bot.deps.team.org_key
        with self.db.begin(patient=True) as session:
            who = {}
            for slack_id in (OLA, TIM):
                found = people.find_by_slack_id(session, org_key, slack_id)
                assert found is not None
                who[slack_id] = found.id
            project = Project(
                key=key,
                name=name,
                owner_id=who[OLA],
                manager_id=who[TIM],
                status="live",
                channel=channel,
                created_at=self.now(),
            )
            session.add(project)
            session.flush()
            session.add(ProjectAccount(account=f"acme {key}", project_id=project.id))
        row = BudgetRow.model_validate(
            {"project": key, "starts": "2026-01-01", "amount": amount, "currency": "EUR"}
        )
        with self.db.begin(patient=True) as session:
            table = imports.BudgetTable()
            assert (
                table.take_rows(
                    make_context(
                        session, OPERATOR, policy=self.bot.deps.policy, org=org_key, now=self.now()
                    ),
                    [(2, row)],
                ).faults
                == []
            )

    def costs(self, charges: Iterable[Charge]) -> None:
        """Import a bill and let what follows be sent."""
        path = bill(self.work / "bill.csv", charges)
        with focus.read([path], options=focus.ReadOptions()) as read:
            report = imports.take_costs(
                self.bot.deps.db,
                Occasion(
                    self.bot.deps.policy, self.bot.deps.team.org_key, self.now(), actor=OPERATOR
                ),
                read,
            )
        assert report.refused == ()
        self.settle()

    def last(self, seat: Seat, channel_id: str) -> Message:
        """The newest message of a conversation."""
        return seat.messages(channel_id)[-1]

    def card(self, seat: Seat, channel_id: str, action_id: str) -> Message:
        """The newest message there with that button; AssertionError when there is none."""
        for message in reversed(seat.messages(channel_id)):
            if action_id in str(message.blocks):
                return message
        raise AssertionError(f"{seat.user_id} sees no {action_id} in {channel_id}")

    def private(self, seat: Seat, text: str) -> None:
        """Wait until this person was told something in private."""
        eventually(
            lambda: any(text in item.text for item in seat.ephemerals()),
            f"{seat.user_id} reads {text!r}; they read {[item.text for item in seat.ephemerals()]}",
        )

    def file(self, name: str, text: str) -> Path:
        """A file that somebody wants to import."""
        path = self.work / name
        path.write_text(text, encoding="utf-8")
        return path


def _introduce(bot: app.Bot) -> None:
    with bot.deps.db.begin(patient=True) as session:
        for person in queries.list_organisation(session, bot.deps.team.org_key):
            rollout.record_meeting(session, person.id, "command", now=clock.now(session))


def eventually(true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until something holds; AssertionError when it does not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.01)
    raise AssertionError(f"did not happen within {seconds} s: {what}")


@contextmanager
def opened(
    database_url: str,
    work: Path,
    *,
    over: str = "http",
    world: dict[str, Any] | None = None,
    policy: str = POLICY,
    app_manifest: dict[str, Any] | None = None,
    at: datetime = OPENS,
    limits: Any = False,
    scale: float = 0.02,
    has_met: bool = True,
    **more: Any,
) -> Iterator[Office]:
    """Run a sandbox and a bot against each other, over `http` or `socket`.

    Everybody knows mlgov already when `has_met`, so that it introduces itself to nobody.
    """
    governed = GovernedClock(at)
    database = Database(database_url)
    migrate.upgrade(database)
    with database.begin() as session:
        runtime.set_made_by(session, "demo")
        runtime.set_offset(session, governed.offset)
    database.close()
    policy_file = work / "governance.yml"
    policy_file.write_text(policy, encoding="utf-8")
    sandbox = Sandbox(
        World.from_dict(world or organisation(), governed),
        app_manifest or installed.load_manifest(),
        limits=limits,
        # What these stories tell is no matter of three seconds, which a busy machine takes for a slow statement.
        ack_seconds=20.0,
        trigger_seconds=20.0,
    )
    with sandbox:
        read = settings.read(
            {},
            slack_bot_token=sandbox.bot_token,
            slack_app_token=sandbox.app_token,
            slack_signing_secret=sandbox.signing_secret,
            slack_api_url=sandbox.api_url,
            mlgov_database_url=database_url,
            mlgov_policy=policy_file,
            mlgov_anchor=str(work / "anchor.jsonl"),
            mlgov_time_scale=scale,
            mlgov_lease_seconds=60 / scale if scale < 1 else 60,
            **{
                "mlgov_http_timeout_seconds": 10 / scale if scale < 1 else 10,
                "mlgov_erasure_key": KEY.decode(),
            }
            | more,
        )
        bot = app.create(read, made_by="demo")
        server = WebServer(bot.web(serve_slack=over == "http"), "127.0.0.1", 0)
        socket_mode = SocketMode(bot) if over == "socket" else None
        try:
            server.start()
            bot.start()
            if has_met:
                _introduce(bot)
            if socket_mode is not None:
                socket_mode.start()
            else:
                sandbox.deliver_to(f"{server.url}/slack/events")
            yield Office(sandbox, bot, work / "anchor.jsonl", work, server.url)
            exchanges = sandbox.inspector.since(0, 1000)
            assert not buttons.unanswered(exchanges, app.build_router())
        finally:
            if socket_mode is not None:
                socket_mode.stop()
            sandbox.deliver_to(None)
            server.stop()
            bot.stop()
