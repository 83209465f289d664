"""What falls due happens once, all or nothing, in whatever replica; what fails is tried again and given up in the end."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bot import failpoints
from bot.scheduler import Scheduler
from storage.db import Database
from storage.people.tables import Person
from tests.delivery import workplace
from tests.delivery.workplace import CHANNELS, Word, channel
from workflows import clock, outbox, timers
from workflows.context import Context
from workflows.job_runner import DueSlot, Lock, Registry, Runner
from workflows.outbox import Subject
from workflows.timers import DueTimer

ANA = Subject("person", "p-U0ANA")


def lock(session: Session, person_id: str) -> Lock:
    """Lock a person, or say who holds them."""
    wanted = select(Person.id).where(Person.id == person_id)
    if session.execute(wanted.with_for_update(skip_locked=True)).first() is not None:
        return Lock.TAKEN
    return Lock.GONE if session.execute(wanted).first() is None else Lock.HELD


def remind(ctx: Context, timer: DueTimer) -> None:
    """Say it, count it, and start the next one, up to three."""
    person = ctx.session.get(Person, timer.subject.id)
    assert person is not None
    person.title += "!"
    key = f"remind:{timer.subject.id}:{timer.seq}"
    outbox.post(ctx.session, Word(key), to=channel(CHANNELS[0]), dedupe_key=key, now=ctx.now)
    if timer.seq < 2:
        timers.start(ctx.session, timer.subject, "remind", ctx.now, seq=timer.seq + 1)


def break_down(ctx: Context, timer: DueTimer) -> None:
    """A handler with a fault, after it has changed something."""
    person = ctx.session.get(Person, timer.subject.id)
    assert person is not None
    person.title = "half done"
    ctx.session.flush()
    raise RuntimeError("a fault")


REGISTRY = Registry(timers={"remind": remind, "break": break_down}, locks={"person": lock})


def runner(database: Database, registry: Registry = REGISTRY) -> Runner:
    """Runs what is due."""
    return Runner(
        database,
        registry,
        policy=lambda: (workplace.policy(), 1),
        org_key=workplace.ORG,
        probe=failpoints.hit,
    )


@pytest.fixture
def people(database: Database) -> Database:
    """A database with three people."""
    with database.begin() as session:
        now = clock.now(session)
    workplace.add_people(database, now)
    return database


def begin(database: Database, kind: str, subject: Subject = ANA) -> None:
    """Start a timer that is due."""
    with database.begin() as session:
        timers.start(session, subject, kind, clock.now(session) - timedelta(seconds=1))


def title(database: Database) -> str:
    """Ana's title."""
    with database.read() as session:
        return session.execute(select(Person.title).where(Person.id == "p-U0ANA")).scalar_one()


def found(database: Database, sql: str) -> list[tuple[object, ...]]:
    """Rows."""
    with database.read() as session:
        return [tuple(row) for row in session.execute(text(sql))]


def test_each_timer_runs_once_and_starts_the_next(people: Database) -> None:
    begin(people, "remind")
    ran = [runner(people).run() for _ in range(5)]
    assert ran == [1, 1, 1, 0, 0]
    assert title(people) == "first!!!"
    assert found(people, "SELECT seq, state FROM timer ORDER BY seq") == [
        (n, "done") for n in range(3)
    ]


def test_many_replicas_run_each_timer_once(people: Database) -> None:
    for person in workplace.PEOPLE:
        begin(people, "remind", Subject("person", f"p-{person}"))
    total: list[int] = []

    def work() -> None:
        mine = runner(people)
        total.extend(mine.run() for _ in range(12))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while runner(people).run():
        total.append(1)
    assert sum(total) >= 9
    keys = found(people, "SELECT dedupe_key FROM outbox")
    assert len(keys) == 9
    assert found(people, "SELECT DISTINCT title FROM person") == [("first!!!",)]


def test_a_timer_of_a_subject_that_is_gone_is_cancelled(people: Database) -> None:
    begin(people, "remind", Subject("person", "p-GONE"))
    assert runner(people).run() == 0
    assert found(people, "SELECT state FROM timer") == [("cancelled",)]


def test_a_timer_that_was_cancelled_meanwhile_does_nothing(people: Database) -> None:
    begin(people, "remind")
    with people.begin() as session:
        timers.cancel(session, ANA)
    assert runner(people).run() == 0
    assert title(people) == "first"


def test_a_kind_of_a_newer_release_is_left_for_it(people: Database) -> None:
    begin(people, "tomorrow")
    assert runner(people).run() == 0
    assert found(people, "SELECT state, attempts FROM timer") == [("due", 0)]


def test_a_handler_that_fails_changes_nothing_and_is_given_up_in_the_end(people: Database) -> None:
    told: list[str] = []
    registry = replace(REGISTRY, died=lambda ctx, timer, why: told.append(why))
    begin(people, "break")
    begin(people, "remind", Subject("person", "p-U0BEN"))
    mine = runner(people, registry)
    assert mine.run() == 1, "a broken timer held up the next one"
    assert mine.run() == 1
    assert found(people, "SELECT attempts FROM timer WHERE kind = 'break'") == [(1,)], "no back-off"
    for _ in range(timers.MAX_ATTEMPTS):
        with people.begin() as session:
            session.execute(text("UPDATE timer SET retry_at = NULL"))
        mine.run()
    assert title(people) == "first"
    assert found(people, "SELECT state, attempts, last_error FROM timer WHERE kind = 'break'") == [
        ("dead", 8, "RuntimeError: a fault")
    ]
    assert told == ["RuntimeError: a fault"]
    assert found(people, "SELECT action FROM audit_entry") == [("timer.dead",)]


def test_a_subject_that_somebody_is_changing_is_left_for_the_next_tick(people: Database) -> None:
    if people.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    begin(people, "remind")
    with people.begin() as session:
        assert lock(session, "p-U0ANA") is Lock.TAKEN
        assert runner(people).run() == 0
    assert runner(people).run() == 1


def test_clicks_and_timers_at_the_same_time_do_not_deadlock(people: Database) -> None:
    """Both lock the subject first; the click changes the timers after that."""
    errors: list[BaseException] = []
    over = threading.Event()

    def clicks() -> None:
        try:
            for number in range(40):
                with people.begin() as session:
                    person = session.execute(
                        select(Person).where(Person.id == "p-U0ANA").with_for_update()
                    ).scalar_one()
                    person.name = str(number)
                    timers.cancel(session, ANA)
                    timers.start(session, ANA, "remind", clock.now(session), seq=100 + number)
        except BaseException as error:
            errors.append(error)
        finally:
            over.set()

    def ticks() -> None:
        try:
            mine = runner(people)
            while not over.is_set():
                mine.run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for work in (clicks, ticks, ticks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner(people).run()
    assert errors == []
    assert found(people, "SELECT count(*) FROM timer WHERE state = 'due' OR attempts > 0") == [(0,)]
    (announced,) = found(people, "SELECT count(*) FROM outbox")[0]
    (done,) = found(people, "SELECT count(*) FROM timer WHERE state = 'done'")[0]
    assert announced == done


def tick_and_die(database_url: str, point: str) -> None:
    """A replica that is killed at a named place."""
    failpoints.arm(point)
    runner(Database(database_url), replace(REGISTRY, schedules={"digest": digest})).run()


def digest(ctx: Context, slot: DueSlot) -> None:
    """Say it."""
    key = f"digest:{slot.owner}:{slot.date}"
    outbox.post(ctx.session, Word(key), to=channel(CHANNELS[0]), dedupe_key=key, now=ctx.now)


@pytest.mark.crash
@pytest.mark.parametrize(
    "point", sorted(name for name in failpoints.NAMES if name.startswith(("timer", "schedule")))
)
def test_killed_while_something_fell_due(people: Database, database_url: str, point: str) -> None:
    begin(people, "remind")
    with people.begin() as session:
        now = clock.now(session)
        timers.schedule(session, "org", "digest", "09:00", "UTC", now=now - timedelta(days=3))
    process = multiprocessing.get_context("forkserver").Process(
        target=tick_and_die, args=(database_url, point)
    )
    process.start()
    process.join(20)
    assert process.exitcode == failpoints.STATUS
    mine = runner(people, replace(REGISTRY, schedules={"digest": digest}))
    while mine.run():
        pass
    assert title(people) == "first!!!"
    assert len(found(people, "SELECT id FROM outbox")) == 4
    assert found(people, "SELECT count(*) FROM timer WHERE state = 'done'") == [(3,)]


def test_a_schedule_that_fails_is_tried_again_but_not_at_once(people: Database) -> None:
    tries: list[str] = []

    def fail(ctx: Context, slot: DueSlot) -> None:
        tries.append(slot.date)
        raise RuntimeError("a fault")

    with people.begin() as session:
        now = clock.now(session)
        timers.schedule(session, "org", "digest", "09:00", "UTC", now=now - timedelta(days=3))
    mine = runner(people, replace(REGISTRY, schedules={"digest": fail}))
    assert [mine.run(), mine.run()] == [0, 0]
    assert len(tries) == 1
    assert runner(people, replace(REGISTRY, schedules={"digest": digest})).run() == 1


@pytest.fixture
def hand(people: Database, request: pytest.FixtureRequest) -> Callable[..., Scheduler]:
    """Builds schedulers, and stops them."""

    def build(registry: Registry = REGISTRY) -> Scheduler:
        made = Scheduler(
            people,
            registry,
            policy=lambda: (workplace.policy(), 1),
            org_key=workplace.ORG,
            tick_seconds=0.05,
        )
        request.addfinalizer(made.stop)
        return made

    return build


def test_the_clock_hand_ticks_by_itself(people: Database, hand: Callable[..., Scheduler]) -> None:
    begin(people, "remind")
    ticking = hand()
    ticking.start()
    end = time.monotonic() + 5
    while title(people) != "first!!!" and time.monotonic() < end:
        time.sleep(0.02)
    assert title(people) == "first!!!"
    assert ticking.age() < 1


def test_a_clock_hand_whose_ticks_fail_grows_old(
    people: Database, hand: Callable[..., Scheduler]
) -> None:
    ticking = hand()
    with people.begin() as session:
        session.execute(text("ALTER TABLE timer RENAME TO timer_away"))
    ticking.start()
    time.sleep(0.4)
    assert ticking.age() >= 0.4
    with people.begin() as session:
        session.execute(text("ALTER TABLE timer_away RENAME TO timer"))
    end = time.monotonic() + 10
    while ticking.age() >= 0.3:
        assert time.monotonic() < end, "it never ticked again"
        time.sleep(0.02)
