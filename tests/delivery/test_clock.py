"""The clock is set back, or jumps ahead, while messages go out: nothing is held up, nothing goes out twice, and it is told.

On SQLite it is this machine's clock, on PostgreSQL the server's, which a function of the same name stands in for.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import create_engine, make_url, select, text

from bot import settings
from bot.delivery.loop import Delivery
from bot.doctor import Record
from sandbox.server import Sandbox
from storage import runtime
from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.people.tables import Channel
from storage.runtime import SteadyClock
from tests.conftest import BACKENDS, fresh_url
from tests.delivery import workplace
from tests.delivery.workplace import ADMIN, CHANNELS, ORG, PACE, Card, Word, channel
from workflows import clock, outbox, timers
from workflows.delivery import holding
from workflows.delivery.claiming import Claimer
from workflows.delivery.pace import Pace
from workflows.job_runner import Registry, Runner
from workflows.outbox import Subject
from workflows.policy import parse
from workflows.timers import DueTimer

TEN_MINUTES = timedelta(minutes=10)
POLICY = parse('version: 1\norganisation: {name: Acme}\nchannels: {admin: "#admin"}\n').policy

Set = Callable[[timedelta], None]


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """A database whose clock can be set."""
    url = fresh_url(request.param, request, tmp_path)  # type: ignore[arg-type]
    if request.param == "postgres":
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in (
                "CREATE TABLE set_clock AS SELECT interval '0' AS by",
                "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
                " AS 'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM public.set_clock)'",
                f'ALTER DATABASE "{make_url(url).database}" SET search_path = public, pg_catalog',
            ):
                connection.execute(text(statement))
        engine.dispose()
    return url


@pytest.fixture
def set_clock(database: Database) -> Iterator[Set]:
    """Sets the clock, by this much from where it really stands."""
    with ExitStack() as stack:

        def move(by: timedelta) -> None:
            if database.is_sqlite:
                stack.close()
                stack.enter_context(time_machine.travel(time.time() + by.total_seconds()))
                return
            with database.engine.begin() as connection:
                connection.execute(text("UPDATE set_clock SET by = :by"), {"by": by})

        yield move


def say(database: Database, word: str, to: str = CHANNELS[0]) -> None:
    with database.begin() as session:
        outbox.post(session, Word(word), to=channel(to), dedupe_key=word, now=clock.now(session))


def tick(database: Database, registry: Registry = holding.PART) -> int:
    """What every replica does every few seconds."""
    return Runner(database, registry, policy=lambda: (POLICY, 1), org_key=ORG).run()


@pytest.mark.slow
def test_set_back_under_delivery_nothing_is_held_up(
    database: Database, slack: Sandbox, make: Callable[..., Delivery], set_clock: Set
) -> None:
    delivery = make()
    for number in range(3):
        say(database, f"before {number}")
    with database.begin() as session:
        outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(CHANNELS[1]),
            dedupe_key="card",
            now=clock.now(session),
            subject=Subject("person", "p-U0ANA"),
        )
    assert delivery.drain(20)
    tick(database)
    set_clock(-TEN_MINUTES)
    for number in range(3):
        say(database, f"after {number}")
    with database.begin() as session:
        workplace.retitle(session, "p-U0ANA", "changed", clock.now(session))
    assert delivery.drain(20)
    room = workplace.texts(slack, CHANNELS[0])
    assert sorted(room) == sorted(
        f"{when} {number}" for when in ("before", "after") for number in range(3)
    )
    assert workplace.texts(slack, CHANNELS[1]) == ["p-U0ANA: changed"]


@pytest.mark.slow
def test_what_waited_when_it_was_set_back_goes_out(
    database: Database, slack: Sandbox, make: Callable[..., Delivery], set_clock: Set
) -> None:
    tick(database)
    say(database, "waits")
    set_clock(-TEN_MINUTES)
    delivery = make()
    assert tick(database) == 1
    assert delivery.drain(20)
    assert workplace.texts(slack, CHANNELS[0]) == ["waits"]


@pytest.mark.slow
@pytest.mark.parametrize("by", [-TEN_MINUTES, TEN_MINUTES], ids=["back", "ahead"])
def test_an_answer_lost_before_is_looked_up_and_not_repeated(
    database: Database, slack: Sandbox, make: Callable[..., Delivery], set_clock: Set, by: timedelta
) -> None:
    slack.faults.lose_answer("chat.postMessage", count=1)
    # Looked up only after the clock was set.
    pace = replace(PACE, backoff=0.2, late_accept=0.5)
    delivery = make(pace=pace)
    say(database, "once")
    end = time.monotonic() + 20
    while time.monotonic() < end and not slack.inspector.calls("chat.postMessage"):
        time.sleep(0.01)
    set_clock(by)
    say(database, "after")
    tick(database)
    assert delivery.drain(30)
    assert sorted(workplace.texts(slack, CHANNELS[0])) == ["after", "once"]
    assert slack.inspector.calls("conversations.history")


@pytest.mark.parametrize("by", [-TEN_MINUTES, TEN_MINUTES], ids=["back", "ahead"])
def test_a_lease_lasts_as_long_as_it_was_taken_for(
    database: Database, set_clock: Set, by: timedelta
) -> None:
    """Neither ten minutes longer nor, when the clock jumps, shorter: its holder may be sending at this moment."""
    replica = Database(database.url)
    pace = Pace(lease=2.0)
    try:
        holder, other = Claimer(ORG, "a", pace), Claimer(ORG, "b", pace)
        with database.begin() as session:
            holder.prepare(session)
        say(database, "one")
        with replica.read() as session:
            clock.real_now(session)
        taken_at = time.monotonic()
        with database.begin() as session:
            assert len(holder.claim(session, 5).errands) == 1
        set_clock(by)
        tick(replica)
        taken = []
        while not taken and time.monotonic() < taken_at + 30:
            with replica.begin() as session:
                taken = list(other.claim(session, 5).errands)
            time.sleep(0.05)
        assert 2.0 <= time.monotonic() - taken_at < 30, "not before its time, and soon"
        assert taken[0].is_unknown
    finally:
        replica.close()


def test_a_gate_opens_when_it_was_to(database: Database, set_clock: Set) -> None:
    claimer = Claimer(ORG, "a", Pace())
    with database.begin() as session:
        claimer.prepare(session)
        real = clock.real_now(session)
        session.execute(
            text("UPDATE gate SET not_before = :until"),
            {"until": runtime.real_now(session)}
            if not database.is_sqlite
            else {"until": int(real.timestamp() * 1e6)},
        )
    say(database, "one")
    set_clock(-TEN_MINUTES)
    tick(database)
    with database.begin() as session:
        assert len(claimer.claim(session, 5).errands) == 1


def test_a_failed_timer_is_tried_again_when_it_was_to(database: Database, set_clock: Set) -> None:
    ran: list[str] = []

    def fails_once(ctx: object, timer: DueTimer) -> None:
        ran.append(timer.kind)
        if len(ran) == 1:
            raise RuntimeError("a fault")

    registry = Registry.of(holding.PART, Registry(timers={"x": fails_once}))
    with database.begin() as session:
        timers.start(session, Subject("thing", "1"), "x", clock.now(session))
    tick(database, registry)
    set_clock(-TEN_MINUTES)
    end = time.monotonic() + 30
    while len(ran) < 2 and time.monotonic() < end:
        tick(database, registry)
        time.sleep(0.1)
    assert ran == ["x", "x"]


def test_a_timer_of_later_is_not_brought_forward(database: Database, set_clock: Set) -> None:
    ran: list[str] = []
    registry = Registry.of(holding.PART, Registry(timers={"x": lambda ctx, timer: ran.append("x")}))
    tick(database, registry)
    with database.begin() as session:
        now = clock.now(session)
        for number, minutes in enumerate((5, -5, -0.5)):
            at = now + timedelta(minutes=minutes)
            timers.start(session, Subject("thing", str(number)), "x", at)
    set_clock(-TEN_MINUTES)
    for _ in range(3):
        tick(database, registry)
    assert ran == ["x"], "only what had fallen due a moment before"


def test_set_back_while_nothing_ran(database: Database, set_clock: Set) -> None:
    tick(database)
    with database.read() as session:
        before = clock.real_now(session)
    set_clock(-TEN_MINUTES)
    started = Database(database.url)
    try:
        with started.read() as session:
            real, governed = clock.both(session)
        assert real > before - timedelta(seconds=runtime.KEEP_EVERY)
        assert governed < before - timedelta(minutes=9)
    finally:
        started.close()


def test_it_is_told_once_by_log_ledger_card_and_doctor(
    database: Database, set_clock: Set, caplog: pytest.LogCaptureFixture
) -> None:
    with database.begin() as session:
        session.add(Channel(org_key=ORG, slack_id=ADMIN, name="admin", bot_is_member=True))
    replica = Database(database.url)
    try:
        for each in (database, replica):
            tick(each)
        set_clock(-TEN_MINUTES)
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                for each in (database, replica):
                    tick(each)
        told = [one.message for one in caplog.records if "went back" in one.message]
        assert len(told) == 1
        assert "600 s" in told[0] or "599 s" in told[0]
        with database.read() as session:
            entries = session.execute(
                select(AuditEntry.body).where(AuditEntry.action == "clock.set_back")
            ).scalars()
            assert len(list(entries)) == 1
        assert len([key for key in workplace.states(database) if "clock:" in key]) == 1
        read = settings.read(
            {}, mlgov_database_url=database.url.render_as_string(hide_password=False)
        )
        record = Record(read)
        assert record.database().ok
        check = record.set_back()
        assert check is not None
        assert check.ok, "it is a warning: nothing is held up"
        assert "time synchronisation" in check.words
        set_clock(-2 * TEN_MINUTES)
        tick(replica)
        tick(database)
        with database.read() as session:
            found = runtime.last_set_back(session)
            assert found is not None
            assert abs(found.by - TEN_MINUTES) < timedelta(seconds=30)
    finally:
        replica.close()


def test_a_clock_that_is_right_is_never_told(database: Database, set_clock: Set) -> None:
    tick(database)
    set_clock(TEN_MINUTES)
    assert tick(database) == 0
    with database.read() as session:
        assert runtime.last_set_back(session) is None
        assert clock.lead(session) == timedelta(0)


class Machine:
    """A machine's clock and its uptime."""

    def __init__(self) -> None:
        self.uptime = 1000.0
        self.wall = datetime(2026, 1, 26, 9, tzinfo=UTC)

    def passes(self, seconds: float) -> None:
        self.uptime += seconds
        self.wall += timedelta(seconds=seconds)

    def read(self, steady: SteadyClock) -> datetime:
        return steady.read(self.wall, self.uptime)


def steady(machine: Machine) -> SteadyClock:
    made = SteadyClock(lambda: machine.uptime)
    made.load(timedelta(0), None, machine.wall)
    return made


def test_real_time_goes_on_whatever_is_done_to_the_clock() -> None:
    machine = Machine()
    clock_ = steady(machine)
    last = machine.read(clock_)
    for step in (-600, 0.2, -1e8, 5, -0.4, 3600, -3600, -1.5):
        machine.passes(2)
        machine.wall += timedelta(seconds=step)
        real = machine.read(clock_)
        passed = (real - last).total_seconds()
        assert passed == pytest.approx(2 + (step if step > -1 else 0), abs=0.01)
        last = real


def test_what_many_notice_is_made_up_for_once() -> None:
    machine = Machine()
    first, second = steady(machine), steady(machine)
    for each in (first, second):
        machine.read(each)
    machine.passes(1)
    machine.wall -= TEN_MINUTES
    assert machine.read(first) == machine.read(second)
    second.kept(first.lead)
    assert second.lead == first.lead == TEN_MINUTES


def test_a_jump_ahead_is_followed_and_remembered_for_a_while() -> None:
    machine = Machine()
    clock_ = steady(machine)
    machine.read(clock_)
    machine.passes(10)
    machine.wall += TEN_MINUTES
    assert machine.read(clock_) == machine.wall
    assert clock_.jumped(60) == TEN_MINUTES
    machine.passes(61)
    assert clock_.jumped(60) == timedelta(0)


def test_a_slow_answer_is_no_step() -> None:
    """The clock was read at some moment between the question and the answer."""
    machine = Machine()
    clock_ = steady(machine)
    machine.read(clock_)
    asked, read = machine.uptime, machine.wall
    machine.passes(30)
    assert clock_.read(read + timedelta(seconds=1), asked) is not None
    assert machine.read(clock_) == machine.wall
    assert clock_.lead == timedelta(0)
    assert clock_.jumped(1000) == timedelta(0)
