"""Killed at every named place, killed at random, frozen: nothing is lost, nothing stands twice, nothing changes places."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from bot import failpoints
from sandbox.server import Sandbox
from storage.db import Database
from tests.delivery import workplace
from tests.delivery.worker import CRASH_PACE, Crew, Orders, crew, is_frozen
from tests.delivery.workplace import CHANNELS, Card, Drawn, Word, channel, retitle
from workflows import clock, outbox
from workflows.outbox import Subject

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and starts a fork server"),
]

MESSAGES = int(os.environ.get("MLGOV_CRASH_MESSAGES", "80"))
SEED = int(os.environ.get("MLGOV_CRASH_SEED", "7"))
POINTS = sorted(
    name
    for name in failpoints.NAMES
    if not name.startswith(
        ("timer", "schedule", "backup", "restore", "costs", "budgets", "event", "imports")
    )
)


@pytest.fixture
def workers() -> Iterator[Crew]:
    """Replicas."""
    with crew() as hired:
        yield hired


@pytest.fixture
def orders(database_url: str, slack: Sandbox, database: Database) -> Orders:
    """What every replica connects to."""
    with database.begin() as session:
        now = clock.now(session)
    workplace.add_people(database, now)
    return Orders(database_url, slack.api_url, slack.bot_token)


def left(database: Database) -> int:
    """How many rows wait."""
    with database.read() as session:
        return outbox.count_waiting(session, now=clock.now(session))


def wait_until_idle(database: Database, seconds: float) -> None:
    """Return when everything was delivered."""
    end = time.monotonic() + seconds
    while left(database):
        assert time.monotonic() < end, workplace.rows(database)
        time.sleep(0.02)


def story(database: Database) -> None:
    """A card with a reply, a direct message, a Home, and a change of the record."""
    with database.begin() as session:
        now = clock.now(session)
        subject = Subject("person", "p-U0ANA")
        card = outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(CHANNELS[0]),
            dedupe_key="card",
            now=now,
            subject=subject,
        )
        outbox.post(
            session,
            Word("reply"),
            to=channel(CHANNELS[0]),
            dedupe_key="reply",
            now=now,
            thread_of=card,
        )
        outbox.post(session, Word("letter"), to=channel("U0BEN"), dedupe_key="letter", now=now)
        outbox.post(
            session,
            Drawn("p-U0ANA"),
            to=channel(CHANNELS[1]),
            dedupe_key="drawn",
            now=now,
            subject=subject,
        )
        outbox.publish_home(session, "p-U0ANA", to=channel("U0ANA"), now=now)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_place(
    database: Database, slack: Sandbox, workers: Crew, orders: Orders, point: str
) -> None:
    in_lookup = point.startswith("lookup")
    if point.startswith("upload"):
        # What does not fit into the lease goes out without its picture, and on a busy machine uploads take a while.
        pace = replace(CRASH_PACE, lease=3.0, http_timeout=1.0)
        orders = replace(orders, pace=pace)
    story(database)
    if in_lookup:
        slack.faults.lose_answer("chat.postMessage", count=1)
    first = workers.hire(replace(orders, failpoint=point))
    first.join(20)
    assert first.exitcode == failpoints.STATUS, "the failpoint was not reached"
    with database.begin() as session:
        retitle(session, "p-U0ANA", "second", clock.now(session))
    second = workers.hire(replace(orders, failpoint=point, skip=1))
    while second.is_alive() and left(database):
        second.join(0.02)
    workers.hire(orders)
    wait_until_idle(database, 20)
    assert workplace.everything(slack) == Counter(
        {"p-U0ANA: second": 1, "reply": 1, "letter": 1, "drawn: second": 1}
    )
    # On a busy machine the picture may miss its time: then its words stand there, never an older picture.
    assert workplace.pictured(slack, CHANNELS[1]) in (["It is second"], [])
    assert len(slack.inspector.calls("files.completeUploadExternal")) <= 4 + 2
    view = slack.seat("U0ANA").home()
    assert view is not None
    assert view.blocks[0]["text"]["text"] in {"first", "second"}
    assert set(workplace.states(database).values()) == {"sent"}


def letters(database: Database, messages: int) -> None:
    """Many messages to ten rooms, in an order that can be checked."""
    for start in range(0, messages, 20):
        with database.begin() as session:
            now = clock.now(session)
            for number in range(start, min(start + 20, messages)):
                room = CHANNELS[number % len(CHANNELS)]
                outbox.post(
                    session,
                    Word(f"{number:05}"),
                    to=channel(room),
                    dedupe_key=f"word:{number}",
                    now=now,
                )


def kill_at_random(
    database: Database, workers: Crew, orders: Orders, replicas: int, luck: random.Random
) -> int:
    """Kill replicas until all is delivered; how often."""
    crewed = [workers.hire(orders) for _ in range(replicas)]
    kills = 0
    end = time.monotonic() + 60 + MESSAGES / 3
    while before := left(database):
        assert time.monotonic() < end, workplace.rows(database)
        # Somebody gets something done between two kills, however busy the machine is; the instant is random.
        patience = time.monotonic() + 2
        while left(database) == before and time.monotonic() < patience:
            time.sleep(0.01)
        time.sleep(luck.uniform(0.0, 0.2))
        victim = luck.randrange(replicas)
        crewed[victim].kill()
        crewed[victim].join()
        kills += 1
        crewed[victim] = workers.hire(orders)
    return kills


def judge(slack: Sandbox, messages: int) -> tuple[int, int, int]:
    """What was lost, what stands more than once, and what changed places in its room."""
    found = workplace.everything(slack)
    lost = sum(1 for number in range(messages) if not found[f"{number:05}"])
    repeated = sum(count - 1 for count in found.values())
    inversions = 0
    for room in CHANNELS:
        words = workplace.texts(slack, room)
        firsts = list(dict.fromkeys(words))
        inversions += sum(1 for a, b in pairwise(firsts) if a > b)
    return lost, repeated, inversions


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_killed_at_random(
    database: Database,
    slack: Sandbox,
    workers: Crew,
    orders: Orders,
    replicas: int,
    record_property: Callable[[str, object], None],
) -> None:
    if database.is_sqlite and replicas == 3:
        pytest.skip("two processes on one file are tried; three are for PostgreSQL")
    if replicas == 3:
        slack.faults.lose_answer("chat.postMessage", probability=0.05)
    letters(database, MESSAGES)
    kills = kill_at_random(database, workers, orders, replicas, random.Random(SEED))
    record_property("kills", kills)
    assert kills >= 3
    assert judge(slack, MESSAGES) == (0, 0, 0)


def test_the_control_that_sends_again_when_the_lease_expired_must_fail(
    database: Database,
    slack: Sandbox,
    workers: Crew,
    orders: Orders,
    record_property: Callable[[str, object], None],
) -> None:
    """If this finds no repeat, the tests above cannot see one."""
    letters(database, MESSAGES)
    # Answers take a moment, as they do in life, so that a kill finds messages that Slack has and we do not know of.
    slack.faults.slow("chat.postMessage", seconds=0.02)
    naive = replace(orders, is_naive=True)
    kills = kill_at_random(database, workers, naive, 2, random.Random(SEED))
    lost, repeated, _ = judge(slack, MESSAGES)
    record_property("kills", kills)
    record_property("repeated", repeated)
    assert lost == 0
    assert repeated > 0


@pytest.mark.parametrize(("guards", "copies"), [(True, 1), (False, 2)])
def test_frozen_for_longer_than_its_lease(
    database: Database, slack: Sandbox, workers: Crew, orders: Orders, guards: bool, copies: int
) -> None:
    """A process that wakes after its lease does not send, because it looks at its watch; without that it does."""
    with database.begin() as session:
        outbox.post(
            session,
            Word("once"),
            to=channel(CHANNELS[0]),
            dedupe_key="once",
            now=clock.now(session),
        )
    frozen = workers.hire(
        replace(orders, failpoint="claim.after_commit", freezes=True, guards=guards)
    )
    assert frozen.pid is not None
    end = time.monotonic() + 20
    while not is_frozen(frozen.pid):
        assert time.monotonic() < end
        time.sleep(0.01)
    workers.hire(orders)
    wait_until_idle(database, 20)
    assert workplace.texts(slack, CHANNELS[0]) == ["once"]
    os.kill(frozen.pid, 18)
    end = time.monotonic() + (1.0 if guards else 10.0)
    while time.monotonic() < end and len(workplace.texts(slack, CHANNELS[0])) < 2:
        time.sleep(0.02)
    assert workplace.texts(slack, CHANNELS[0]) == ["once"] * copies
    assert workplace.states(database) == {"once": "sent"}


def test_replicas_whose_clocks_are_ten_minutes_apart(
    database: Database, slack: Sandbox, workers: Crew, orders: Orders
) -> None:
    if database.is_sqlite:
        pytest.skip("the processes on one SQLite file share its machine's clock")
    letters(database, 60)
    workers.hire(replace(orders, skew_minutes=5))
    workers.hire(replace(orders, skew_minutes=-5))
    wait_until_idle(database, 30)
    assert judge(slack, 60) == (0, 0, 0)


def test_connections_that_are_cut_in_the_middle(
    database: Database, slack: Sandbox, workers: Crew, orders: Orders, tmp_path: Path
) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no connections to cut")
    letters(database, 60)
    workers.hire(orders)
    workers.hire(orders)
    luck = random.Random(SEED)
    end = time.monotonic() + 60
    cuts = 0
    while left(database):
        assert time.monotonic() < end
        with database.engine.begin() as connection:
            cuts += len(
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                ).all()
            )
        time.sleep(luck.uniform(0.05, 0.3))
    assert cuts > 3
    assert judge(slack, 60) == (0, 0, 0)
