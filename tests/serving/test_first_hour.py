"""The first hour by the letter of docs/connecting.md: an empty database, a workspace that is years old, and processes.

Nothing here does what mlgov should do by itself: an administrator types commands in a shell, people use Slack.
"""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, make_url, text

from sandbox.faults import Faults
from sandbox.messages import Message
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.world import World
from tests.budgets.conftest import Charge, bill
from tests.serving.test_run import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 180.0
"""Seconds that something may take on a machine that does much else."""
OLA, TIM, FAY, FRED, ADA, GUS = "U0OLA", "U0TIM", "U0FAY", "U0FRED", "U0ADA", "U0GUS"
PEOPLE = """\
email,manager,business_unit,persona,country
ola@acme.test,ada@acme.test,Support,leader,GB
tim@acme.test,ola@acme.test,Support,ml engineer,GB
fay@acme.test,,Finance,finance,US
fred@acme.test,,Finance,finance,JP
ada@acme.test,,IT,leader,GB
"""
PROJECTS = """\
key,name,owner,manager,status,channel,accounts
triage,Ticket triage,ola@acme.test,tim@acme.test,live,#ticket-triage,Acme Triage
"""
ONLY = {
    "type": "radio_buttons",
    "selected_option": {
        "text": {"type": "plain_text", "text": "-", "emoji": True},
        "value": "period",
    },
}


def workspace(*, is_in_the_projects_channel: bool) -> dict[str, Any]:
    """A workspace as it stands for years: people, user groups and channels, with mlgov in those of the policy."""
    everybody = [OLA, TIM, FAY, FRED, ADA]
    names = {OLA: "ola", TIM: "tim", FAY: "fay", FRED: "fred", ADA: "ada"}
    return {
        "teams": [{"id": "T0ACME", "name": "Acme", "domain": "acme"}],
        "app": {"name": "mlgov", "bot_user_id": "U0MLGOV", "team": "T0ACME"},
        "users": [
            *(
                {
                    "id": id_,
                    "name": name,
                    "real_name": name.title(),
                    "email": f"{name.title()}@Acme.test",
                    "tz": "Europe/London",
                }
                for id_, name in names.items()
            ),
            {"id": GUS, "name": "gus", "real_name": "Gus", "is_restricted": True},
        ],
        "channels": [
            {"id": "C0GOV", "name": "ml-governance", "members": everybody, "app": True},
            {"id": "C0AUDIT", "name": "ml-audit", "members": [ADA], "app": True},
            {"id": "C0ADMIN", "name": "mlgov-admin", "members": [ADA], "app": True},
            {
                "id": "C0TRIAGE",
                "name": "ticket-triage",
                "members": [OLA, TIM, ADA],
                "app": is_in_the_projects_channel,
            },
        ],
        "usergroups": [
            {"id": "S0ADM", "handle": "mlgov-admins", "name": "Admins", "users": [ADA]},
            {"id": "S0FIN", "handle": "finance-partners", "name": "Finance", "users": [FAY, FRED]},
            {"id": "S0LEAD", "handle": "ml-leaders", "name": "Leaders", "users": [OLA]},
        ],
    }


@dataclass(slots=True)
class Shell:
    """What an administrator types."""

    env: dict[str, str]
    cwd: Path

    def __call__(self, *words: str, code: int = 0) -> str:
        """`mlgov words` in a process of its own; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "bot.cli.main", *words],
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def file(self, name: str, content: str) -> str:
        """A file that somebody has."""
        (self.cwd / name).write_text(content, encoding="utf-8")
        return name


@contextmanager
def nothing_yet(backend: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database in which there is nothing, not even a table."""
    if backend == "sqlite":
        yield "sqlite:///mlgov.db"
        return
    uri = make_url(request.getfixturevalue("postgres_server")).set(drivername="postgresql+psycopg")
    admin = create_engine(uri, isolation_level="AUTOCOMMIT")
    name = f"first_{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield uri.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def until(found: Any, what: str) -> Any:
    """Wait for something to be found."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"did not happen in time: {what}")


def message(seat: Seat, channel_id: str, words: str) -> Message:
    """Wait until somebody reads these words there."""
    return until(
        lambda: next(
            (
                one
                for one in reversed(seat.messages(channel_id))
                if words in one.text or words in str(one.blocks)
            ),
            None,
        ),
        f"{words!r} in {channel_id}: {[one.text for one in seat.messages(channel_id)]}",
    )


def spent(work: Path) -> str:
    """A bill of this month by which 900 of 1,000 EUR are gone."""
    today = datetime.now(UTC).date()
    costs = [900 // today.day] * today.day
    costs[-1] += 900 - sum(costs)
    charges = [
        Charge(date(today.year, today.month, day), str(cost)) for day, cost in enumerate(costs, 1)
    ]
    return bill(work / "bill.csv", charges).name


@pytest.mark.parametrize(
    ("backend", "over", "people_first"),
    [
        ("sqlite", "socket", True),
        ("postgres", "http", False),
        pytest.param("sqlite", "http", True, marks=pytest.mark.heavy),
        pytest.param("postgres", "socket", False, marks=pytest.mark.heavy),
    ],
)
def test_from_an_empty_database_to_a_decided_approval(
    backend: str, over: str, people_first: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with nothing_yet(backend, request) as url:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("SLACK_", "MLGOV_"))
        }
        shell = Shell(clean | {"PYTHONPATH": str(Path.cwd())}, tmp_path)
        made = shell(
            "manifest", *(["--http", "https://mlgov.example.com"] if over == "http" else [])
        )
        shell.file("governance.yml", shell("policy", "example"))
        world = World.from_dict(workspace(is_in_the_projects_channel=not people_first))
        with Sandbox(
            world, yaml.safe_load(made), faults=Faults(), ack_seconds=60, trigger_seconds=60
        ) as slack:
            shell.env |= {
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_API_URL": slack.api_url,
                "MLGOV_DATABASE_URL": url,
                "MLGOV_ANCHOR": str(tmp_path / "heads.jsonl"),
                **(
                    {"SLACK_SIGNING_SECRET": slack.signing_secret}
                    if over == "http"
                    else {"SLACK_APP_TOKEN": slack.app_token}
                ),
            }
            live(shell, slack, over=over, people_first=people_first)


def live(shell: Shell, slack: Sandbox, *, over: str, people_first: bool) -> None:
    """An administrator's first hour, and what people do in it."""
    assert "BAD" not in shell("doctor")
    shell.file("people.csv", PEOPLE)
    if people_first:
        assert "5 added" in shell("import", "people", "people.csv")
        looked = shell("policy", "check")
        assert "hasn't read them from Slack yet" in looked, looked
    with running(shell.env, shell.cwd, *(["--http"] if over == "http" else [])) as (_process, url):
        if over == "http":
            slack.deliver_to(f"{url}/slack/events")
            assert slack.verify_url().ok
        assert "people and groups are known" in shell("policy", "check")
        bring(shell, slack, people_first=people_first)
        decide(slack)
        told = shell("doctor")
        assert "BAD" not in told
        assert "mirror: people (7, " in told
        assert "Read from Slack: 7 people, 3 user groups, 4 channels" in shell("sync")
    assert "The ledger holds" in shell("audit", "verify")


def bring(shell: Shell, slack: Sandbox, *, people_first: bool) -> None:
    """What an organisation has comes in, and the project's channel hears that its budget is nearly gone."""
    ada = slack.seat(ADA)
    if people_first:
        message(ada, "C0ADMIN", "mlgov found 5 people in Slack")
    said = shell("import", "people", "people.csv")
    assert ("5 as they were" if people_first else "5 changed") in said, said
    shell.file("projects.csv", PROJECTS)
    said = shell("import", "projects", "projects.csv")
    assert ("not in these channels" in said) == people_first, said
    if people_first:
        assert ada.slash("/invite", "@mlgov", "C0TRIAGE").ok
    first = datetime.now(UTC).date().replace(day=1)
    shell.file("budgets.csv", f"project,starts,amount,currency\ntriage,{first},1000,EUR\n")
    shell("import", "budgets", "budgets.csv")
    if people_first:
        # mlgov hears of the invitation by itself; a person waits a moment before the bill comes.
        until(
            lambda: "not in these channels" not in shell("import", "projects", "projects.csv"),
            "mlgov is in the project's channel",
        )
    shell("import", "costs", spent(shell.cwd))
    assert "rollout" in str(ada.slash("/mlgov", "rollout", "C0ADMIN").body).casefold()
    assert "Ticket triage" in str(slack.seat(TIM).slash("/mlgov", "status triage", "C0TRIAGE").body)


def decide(slack: Sandbox) -> None:
    """Tim asks for more from the alert; the budget's owner and two of finance approve; everybody reads of it."""
    tim = slack.seat(TIM)
    alert = message(tim, "C0TRIAGE", "Ticket triage has used 90 %")
    assert "900 of 1,000 EUR" in alert.text, "only members read the channel"
    assert tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase").ok
    window = until(tim.modals, "the window opens")[-1]
    asked = tim.submit(
        window.id,
        {
            "amount": {"amount": "1500"},
            "scope": {"scope": ONLY},
            "reason": {"reason": "The backlog doubled"},
        },
    )
    assert asked.ok, asked
    for user_id in (OLA, FAY, FRED):
        seat = slack.seat(user_id)
        card = message(seat, seat.dm().id, "approvals.approve")
        assert seat.click(channel_id=seat.dm().id, ts=card.ts, action_id="approvals.approve").ok
    message(tim, "C0TRIAGE", "is now 1,500 EUR")
    message(slack.seat(ADA), "C0AUDIT", "Ledger head")
