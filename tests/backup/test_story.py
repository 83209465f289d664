"""A whole day: a copy in the morning, a request decided after it, the copy back at noon, and everything decided again."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from bot import app
from bot.audit import anchor
from bot.server import WebServer
from storage.enums import ApprovalState
from tests import cli
from tests.budgets.conftest import days
from tests.conftest import KEY, fresh_url
from tests.stories.office import FAY, OLA, TIM, Office, eventually, opened
from tests.stories.test_road import (
    JANUARY,
    amount,
    ask,
    decide,
    over_budget,
    state,
    verified,
)
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


@contextmanager
def stopped(office: Office) -> Iterator[None]:
    """mlgov is stopped for the block, and started anew after it against the same Slack."""
    settings = office.bot.deps.settings
    office.sandbox.deliver_to(None)
    office.bot.stop()
    yield
    office.bot = app.create(settings, made_by="demo")
    server = WebServer(office.bot.web(serve_slack=True), "127.0.0.1", 0)
    server.start()
    SERVERS.append(server)
    office.bot.start()
    office.sandbox.deliver_to(f"{server.url}/slack/events")


def copy(office: Office, work: Path) -> str:
    """Take a copy as the page says: a file, or for PostgreSQL a second database."""
    url = make_url(office.bot.deps.settings.mlgov_database_url.get_secret_value())
    if url.get_backend_name() == "sqlite":
        code, words = cli.run("backup", str(work / "morning.db"), **given(office))
        assert code == 0, words
        return str(work / "morning.db")
    _clone(url.database, f"{url.database}_morning", office)
    return f"{url.database}_morning"


def _clone(source: str | None, target: str, office: Office) -> None:
    url = make_url(office.bot.deps.settings.mlgov_database_url.get_secret_value())
    admin = create_engine(
        url.set(drivername="postgresql+psycopg", database="postgres"),
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (source,),
        )
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        connection.exec_driver_sql(f"CREATE DATABASE {target} TEMPLATE {source}")
    admin.dispose()


def bring_back(office: Office, copied: str) -> str:
    """Put the copy in place; what the operator was told."""
    url = make_url(office.bot.deps.settings.mlgov_database_url.get_secret_value())
    if url.get_backend_name() == "sqlite":
        code, words = cli.run("restore", copied, **given(office))
    else:
        assert url.database is not None
        _clone(copied, url.database, office)
        code, words = cli.run("restore", "--mark", **given(office))
    assert code == 0, words
    return words


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
    assert {key for key in again if key not in before} <= heads_of(office)
    # What is new is said, under a number that was never given.
    second(office)
    assert len(said(office)) > len(again)
    assert state(office, 2001) is ApprovalState.PENDING
    assert verified(office)
    assert [
        one.known > one.seq for one in anchor.read(str(office.anchor)).restorations
    ] == [True]


def heads_of(office: Office) -> set[tuple[str, str]]:
    """Marks of the ledger's heads in the audit channel, which each day and each decision publish."""
    with office.sandbox.world.lock:
        return {
            ("C0AUDIT", str((message.metadata or {})["event_payload"]["k"]))
            for message in office.sandbox.world.channels["C0AUDIT"].messages.values()
            if "Ledger head" in message.text
        }


def test_who_was_erased_since_is_erased_again_with_what_waits_of_theirs(
    office: Office,
) -> None:
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
        lambda: (
            [one.person_id for one in anchor.read(str(office.anchor)).erasures]
            == [tim.id]
        ),
        "the anchor keeps the erasure",
    )
    with stopped(office):
        told = bring_back(office, copied)
    assert "1 person who was erased after the copy" in told
    with office.db.read() as session:
        (again,) = people.records(session, [tim.id]).values()
    assert (again.name, again.slack_id) == ("an erased person", None)
    assert state(office) is ApprovalState.WITHDRAWN
    assert verified(office)
