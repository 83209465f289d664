"""After an old copy came back nothing is sent twice, nothing is lost, and nothing is sent before somebody has looked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from bot.delivery.loop import Delivery
from bot.delivery.reviewing import Review, review
from bot.delivery.sender import client
from sandbox.server import Sandbox
from storage import backup
from storage.db import Database
from storage.enums import HoldReason, Op
from tests.contexts import make_context
from tests.delivery import workplace
from tests.delivery.workplace import ADMIN, CHANNELS, ORG, Card, Word
from workflows import clock, job_runner, outbox, timers
from workflows.audit import service as audit
from workflows.context import OPERATOR, Context
from workflows.delivery import dead_letters, holding
from workflows.errors import InvalidInput
from workflows.outbox import Destination, Subject

ROOM = CHANNELS[0]


@pytest.fixture
def slack() -> Iterator[Sandbox]:
    running = workplace.sandbox(limits=False)
    with running:
        yield running


@contextmanager
def delivering(database: Database, slack: Sandbox) -> Iterator[Delivery]:
    delivery = Delivery(
        database,
        lambda: client(slack.bot_token, base_url=slack.api_url, timeout=10.0),
        workplace.RENDERERS,
        org_key=ORG,
        policy=workplace.policy,
        audience=lambda session, channel: True,
        home=workplace.home,
        admin=lambda session: ADMIN,
        pace=workplace.PACE,
        stamps="governed",
    )
    delivery.start()
    try:
        yield delivery
    finally:
        delivery.stop(10)


def copy_of(database: Database, work: Path) -> Database:
    """What was kept of the database at this moment."""
    if database.is_sqlite:
        assert database.url.database is not None
        target = work / f"copy-{time.monotonic_ns()}.db"
        backup.write(Path(database.url.database), target)
        return Database(f"sqlite:///{target}")
    name = f"{database.url.database}_copy"
    database.engine.dispose()
    admin = create_engine(
        make_url(database.url).set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {database.url.database}"))
    admin.dispose()
    return Database(database.url.set(database=name))


def say(
    database: Database, word: str, *, to: str = ROOM, thread_of: int | None = None
) -> int | None:
    with database.begin(patient=True) as session:
        now = clock.now(session)
        return outbox.post(
            session,
            Word(word),
            to=workplace.channel(to),
            dedupe_key=f"word:{word}",
            now=now,
            thread_of=thread_of,
        )


def card(database: Database, person: str, fact: str) -> None:
    with database.begin(patient=True) as session:
        outbox.post(
            session,
            Card(f"p-{person}"),
            to=Destination.person(ORG, person),
            dedupe_key=f"card:{person}:{fact}",
            now=clock.now(session),
            subject=Subject("person", f"p-{person}"),
        )


def live(database: Database) -> None:
    """A database with a past: people, an entry on the ledger, and a message that is out."""
    with database.begin(patient=True) as session:
        now = clock.now(session)
        audit.record(
            make_context(session, actor=OPERATOR, now=now), "policy.applied", ("policy", 1)
        )
    workplace.add_people(database, now)


def restored(database: Database) -> None:
    with database.begin(patient=True) as session:
        holding.begin(
            make_context(session, actor=OPERATOR, now=clock.now(session)),
            HoldReason.RESTORED,
            known_seq=9,
        )


def release(database: Database, *, looks: bool = True) -> None:
    with database.begin(patient=True) as session:
        holding.release(make_context(session, actor=OPERATOR, now=clock.now(session)), looks=looks)


def looked(database: Database, slack: Sandbox) -> Review:
    found = review(
        database,
        client(slack.bot_token, base_url=slack.api_url, timeout=10.0),
        stamps="governed",
        pause=lambda seconds: None,
    )
    assert found is not None
    return found


@pytest.fixture
def copy(
    database: Database, slack: Sandbox, tmp_path: Path
) -> Iterator[tuple[Database, Callable[[str], None]]]:
    """An old copy, after an hour in which mlgov went on; and a way to do in it once more what happened meanwhile.

    In the copy a word and a thread wait, which were sent meanwhile. Meanwhile Ana got a new title, and two more cards.
    """
    live(database)
    with delivering(database, slack) as delivery:
        first = say(database, "first")
        card(database, "U0ANA", "hello")
        assert delivery.drain()
    say(database, "waits in the copy")
    say(database, "a reply that waits", thread_of=first)
    old = copy_of(database, tmp_path)

    def act(title: str) -> None:
        """What people do in the hour after the copy, and once more after it came back."""
        with old_or_new[0].begin(patient=True) as session:
            workplace.retitle(session, "p-U0ANA", title, clock.now(session))
        card(old_or_new[0], "U0ANA", "decided")
        say(old_or_new[0], "decided")

    old_or_new = [database]
    with delivering(database, slack) as delivery:
        act("second")
        assert delivery.drain()
    database.close()
    old_or_new[0] = old
    yield old, act
    old.close()


def dm(slack: Sandbox, person: str) -> list[str]:
    with slack.world.lock:
        (id_,) = [
            one.id
            for one in slack.world.channels.values()
            if one.kind == "im" and person in one.members
        ]
    return workplace.texts(slack, id_)


def test_without_any_of_this_everything_is_said_twice(
    copy: tuple[Database, Callable[[str], None]], slack: Sandbox
) -> None:
    """The control: it shows that the tests below can see a repeat."""
    old, act = copy
    with delivering(old, slack) as delivery:
        act("third")
        assert delivery.drain()
    said = workplace.texts(slack, ROOM)
    assert said.count("waits in the copy") == said.count("decided") == 2


def test_nothing_is_sent_twice_and_nothing_is_lost(
    copy: tuple[Database, Callable[[str], None]], slack: Sandbox
) -> None:
    old, act = copy
    before = workplace.everything(slack)
    restored(old)
    with delivering(old, slack) as delivery:
        act("third")
        say(old, "new")
        assert not delivery.drain(0.5)
        assert workplace.everything(slack) == before  # held
        release(old)
        assert delivery.drain()
    assert workplace.texts(slack, ROOM).count("new") == 1
    assert sorted(workplace.texts(slack, ROOM)) == sorted(
        ["first", "waits in the copy", "a reply that waits", "decided", "new"]
    )
    # The cards that were sent meanwhile were found, and follow their record again.
    assert dm(slack, "U0ANA") == ["p-U0ANA: third"] * 2


def test_what_was_said_otherwise_is_corrected_in_its_place(
    copy: tuple[Database, Callable[[str], None]], slack: Sandbox
) -> None:
    """The same fact, decided otherwise the second time: one message, and it says what is true."""
    old, _act = copy
    restored(old)
    with old.begin(patient=True) as session:
        outbox.post(
            session,
            Word("decided otherwise"),
            to=workplace.channel(ROOM),
            dedupe_key="word:decided",
            now=clock.now(session),
        )
    release(old)
    with delivering(old, slack) as delivery:
        assert delivery.drain()
    said = workplace.texts(slack, ROOM)
    assert (said.count("decided"), said.count("decided otherwise")) == (0, 1)


def test_a_review_says_what_stands_there_and_marks_it(
    copy: tuple[Database, Callable[[str], None]], slack: Sandbox
) -> None:
    old, act = copy
    restored(old)
    act("third")
    say(old, "new")
    slack.inspector.clear()
    found = looked(old, slack)
    standing = {one.row.dedupe_key: one.ts for one in found.messages}
    assert standing.pop("word:new") is None
    assert set(standing) == {
        "word:waits in the copy",
        "word:a reply that waits",
        "word:decided",
        "card:U0ANA:decided",
    }
    assert all(standing.values())
    assert found.waits.others == {Op.UPDATE: 1}
    assert found.hold.known_seq == 9
    # A look at each conversation and not at each row, and nothing but looks.
    assert len(slack.inspector.calls("conversations.history")) == 2
    assert not slack.inspector.calls("chat.postMessage")

    with old.begin(patient=True) as session:
        for one in found.messages:
            if one.ts:
                dead_letters.mark_sent(
                    make_context(session, actor=OPERATOR, now=clock.now(session)),
                    one.row.id,
                    ts=one.ts,
                    channel=one.channel,
                )
    release(old)
    with delivering(old, slack) as delivery:
        assert delivery.drain()
    assert workplace.texts(slack, ROOM).count("decided") == 1
    assert dm(slack, "U0ANA") == ["p-U0ANA: third"] * 2


def test_row_by_row_a_person_cancels_or_sends_once_more(
    copy: tuple[Database, Callable[[str], None]], slack: Sandbox
) -> None:
    old, act = copy
    restored(old)
    act("third")
    ids = {one.row.dedupe_key: one.row.id for one in looked(old, slack).messages}
    with old.begin(patient=True) as session:
        now = clock.now(session)
        dead_letters.cancel(make_context(session, actor=OPERATOR, now=now), ids["word:decided"])
        dead_letters.retry(
            make_context(session, actor=OPERATOR, now=now), ids["word:waits in the copy"]
        )
    release(old)
    with delivering(old, slack) as delivery:
        assert delivery.drain()
    assert workplace.states(old)["word:decided"] == "cancelled"
    said = workplace.texts(slack, ROOM)
    assert said.count("waits in the copy") == 2  # a person said so
    with pytest.raises(InvalidInput, match="only a dead one"), old.begin(patient=True) as session:
        dead_letters.mark_sent(make_context(session, actor=OPERATOR, now=now), ids["word:decided"])


def test_what_cannot_be_looked_up_is_left_to_a_person(database: Database) -> None:
    with workplace.sandbox(limits=False) as slack:
        live(database)
        say(database, "who knows")
        restored(database)
        slack.faults.withhold_scope("channels:history")
        (seen,) = looked(database, slack).messages
        assert seen.trouble == "missing_scope"
        release(database)
        with delivering(database, slack) as delivery:
            assert delivery.drain()
        assert workplace.states(database)["word:who knows"] == "dead"
        assert "who knows" not in workplace.texts(slack, ROOM)


def test_without_looking_it_is_sent_at_once(database: Database, slack: Sandbox) -> None:
    live(database)
    restored(database)
    say(database, "plain")
    release(database, looks=False)
    with delivering(database, slack) as delivery:
        assert delivery.drain()
    assert not slack.inspector.calls("conversations.history")
    assert workplace.texts(slack, ROOM) == ["plain"]


def test_while_held_nothing_falls_due(database: Database) -> None:
    live(database)
    ran: list[str] = []

    def ring(ctx: Context, timer: timers.DueTimer) -> None:
        ran.append(timer.kind)

    runner = job_runner.Runner(
        database,
        job_runner.Registry(timers={"test.ring": ring}),
        policy=lambda: (workplace.policy(), 1),
        org_key=ORG,
    )
    with database.begin(patient=True) as session:
        now: datetime = clock.now(session)
        timers.start(session, Subject("thing", "1"), "test.ring", now)
    restored(database)
    assert runner.run() == 0
    with database.read() as session:
        waits = holding.count_waits(session, now=clock.now(session))
    assert waits.timers == {"test.ring": 1}
    release(database)
    assert (runner.run(), ran) == (1, ["test.ring"])


def test_releasing_what_is_not_held_is_refused(database: Database) -> None:
    live(database)
    with pytest.raises(InvalidInput, match="Nothing is held"):
        release(database)


def test_an_operator_who_asks_twice_has_one_hold(database: Database) -> None:
    live(database)
    restored(database)
    with database.begin(patient=True) as session:
        again = holding.begin(
            make_context(session, actor=OPERATOR, now=clock.now(session)), HoldReason.ASKED
        )
        assert again.why is HoldReason.RESTORED
        assert len(holding.list_holds(session)) == 1
