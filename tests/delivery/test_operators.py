"""What a person can do about a message that could not be sent, and what is emptied after a while."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.orm import Session

from bot.delivery.loop import Delivery
from sandbox.server import Sandbox
from storage.db import Database
from storage.delivery import outbox as delivery_outbox
from storage.delivery.tables import Outbox
from storage.enums import OutboxState
from tests.contexts import make_context
from tests.delivery import workplace
from tests.delivery.workplace import ADMIN, CHANNELS, Card, Word, channel, retitle
from workflows import clock, outbox
from workflows.context import OPERATOR
from workflows.delivery import dead_letters, reads, settling
from workflows.errors import InvalidInput, NotFound
from workflows.outbox import Subject

Make = Callable[..., Delivery]
ROOM = CHANNELS[0]


def card(database: Database, to: str = ROOM) -> int:
    """Ana's card."""
    with database.begin() as session:
        row = outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(to),
            dedupe_key=f"card:{to}",
            now=clock.now(session),
            subject=Subject("person", "p-U0ANA"),
        )
    assert row is not None
    return row


def actions(database: Database) -> list[str]:
    """What the ledger says."""
    with database.read() as session:
        return list(session.execute(text("SELECT action FROM audit_entry ORDER BY seq")).scalars())


def test_retrying_sends_it_and_clears_the_alert(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    row = card(database, "C0ALONE")
    assert delivery.drain(30)
    with database.read() as session:
        (listed,) = [item for item in dead_letters.list_rows(session) if item.id == row]
        assert (listed.state, listed.last_error) == ("dead", "not_in_channel")
        assert listed.as_json()["lane_key"] == "slack:T0ACME:C0ALONE"
        assert reads.measure(session).by_state["dead"] == 1
    slack.world.join("C0ALONE", slack.world.app.bot_user_id)
    with database.begin() as session:
        shown = dead_letters.retry(
            make_context(session, actor=OPERATOR, now=clock.now(session)), row
        )
        assert (shown.state, shown.attempts) == ("pending", 0)
    assert delivery.drain(30)
    assert workplace.texts(slack, "C0ALONE") == ["p-U0ANA: first"]
    (alert,) = workplace.texts(slack, ADMIN)
    assert "have been dealt with" in alert
    assert actions(database) == ["outbox.dead", "outbox.retried"]


def test_a_message_that_is_sent_again_has_another_client_msg_id(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.withhold_scope("channels:history")
    slack.faults.lose_answer("chat.postMessage", count=1)
    delivery = make()
    row = card(database)
    assert delivery.drain(30)
    with database.begin() as session:
        dead_letters.retry(make_context(session, actor=OPERATOR, now=clock.now(session)), row)
    assert delivery.drain(30)
    with slack.world.lock:
        ids = {m.client_msg_id for m in slack.world.channels[ROOM].messages.values()}
    assert len(ids) == 2


def test_marking_as_sent_lets_the_copy_follow_its_record(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.withhold_scope("channels:history")
    slack.faults.lose_answer("chat.postMessage", count=1)
    delivery = make()
    row = card(database)
    assert delivery.drain(30)
    with slack.world.lock:
        (message,) = slack.world.channels[ROOM].messages.values()
    with database.begin() as session:
        with pytest.raises(InvalidInput, match="no message timestamp"):
            dead_letters.mark_sent(
                make_context(session, actor=OPERATOR, now=clock.now(session)), row, ts="p17"
            )
        dead_letters.mark_sent(
            make_context(session, actor=OPERATOR, now=clock.now(session)), row, ts=message.ts
        )
        retitle(session, "p-U0ANA", "second", clock.now(session))
    assert delivery.drain(30)
    assert workplace.texts(slack, ROOM) == ["p-U0ANA: second"]
    assert actions(database) == ["outbox.dead", "outbox.marked_sent"]


def test_cancelling_what_waits(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make(start=False)
    row = card(database)
    with database.begin() as session:
        dead_letters.cancel(make_context(session, actor=OPERATOR, now=clock.now(session)), row)
        with pytest.raises(InvalidInput, match="is cancelled"):
            dead_letters.cancel(make_context(session, actor=OPERATOR, now=clock.now(session)), row)
        with pytest.raises(InvalidInput, match="only a dead one"):
            dead_letters.retry(make_context(session, actor=OPERATOR, now=clock.now(session)), row)
        with pytest.raises(NotFound):
            dead_letters.show(session, 4711)
        with pytest.raises(InvalidInput, match="choose one of"):
            dead_letters.list_rows(session, state="lost")
    delivery.start()
    assert delivery.drain(5)
    assert workplace.texts(slack, ROOM) == []
    assert actions(database) == ["outbox.cancelled"]


def test_retrying_an_edit_that_was_overtaken_is_not_needed(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    card(database)
    assert delivery.drain(5)
    slack.faults.refuse("chat.update", error="cant_update_message", count=1)
    with database.begin() as session:
        retitle(session, "p-U0ANA", "second", clock.now(session))
    assert delivery.drain(5)
    assert delivery.stop(5)
    with database.begin() as session:
        retitle(session, "p-U0ANA", "third", clock.now(session))
        (dead,) = dead_letters.list_rows(session, state="dead")
        assert (
            dead_letters.retry(
                make_context(session, actor=OPERATOR, now=clock.now(session)), dead.id
            ).state
            == "cancelled"
        )


def test_old_rows_are_emptied_but_announce_nothing_twice(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    card(database)
    assert delivery.drain(5)
    with database.begin() as session:
        now = clock.now(session)
        retitle(session, "p-U0ANA", "second", now)
        outbox.post(session, Word("secret"), to=channel(ROOM), dedupe_key="fact", now=now)
    assert delivery.drain(5)
    later = now + timedelta(days=61)
    with database.begin() as session:
        assert settling.purge(session, now=now) == 0
        assert settling.purge(session, now=later) == 3
        assert settling.purge(session, now=later) == 0
        assert (
            outbox.post(session, Word("secret"), to=channel(ROOM), dedupe_key="fact", now=later)
            is None
        )
        retitle(session, "p-U0ANA", "third", now)
    assert delivery.drain(5)
    assert workplace.texts(slack, ROOM) == ["p-U0ANA: third", "secret"]
    with database.read() as session:
        assert "secret" not in str(session.execute(text("SELECT notice FROM outbox")).all())


def test_copies_that_can_not_change_are_forgotten_in_the_end(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    card(database)
    assert delivery.drain(5)
    with database.begin() as session:
        now = clock.now(session)
        retitle(session, "p-U0ANA", "final", now)
    assert delivery.drain(5)
    with database.begin() as session:
        retitle(session, "p-U0ANA", "erased", now)
    assert delivery.drain(5)
    assert workplace.texts(slack, ROOM) == ["p-U0ANA: erased"], "a final copy can still be edited"
    with database.begin() as session:
        retitle(session, "p-U0ANA", "final", now)
    assert delivery.drain(5)
    with database.begin() as session:
        settling.purge(session, now=now + timedelta(days=61))
        assert session.execute(text("SELECT count(*) FROM message")).scalar() == 0


def test_what_is_old_is_found_by_index_and_goes_in_batches(database: Database) -> None:
    with database.begin() as session:
        now = clock.now(session)
        for number in range(5):
            outbox.post(session, Word("x"), to=channel(ROOM), dedupe_key=f"{number}", now=now)
        session.execute(update(Outbox).values(state=OutboxState.SENT, settled_at=now))
    later = now + timedelta(days=61)
    with database.begin() as session:
        gone = [settling.purge(session, now=later, most=2) for _ in range(4)]
        assert gone == [2, 2, 1, 0]
        if not database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
        plans = [
            _plan(database, session, statement)
            for statement in (delivery_outbox._SETTLED, delivery_outbox._ENDED_COPIES)
        ]
    assert "ix_outbox_settled" in plans[0]
    assert "ix_message_ended" in plans[1]


def _plan(database: Database, session: Session, statement: Any) -> str:
    """How the database finds the rows, for the statement as it is sent: its conditions literal, its values bound."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, sql: str, values: Any, _x: Any, _m: bool) -> None:
        asked.append((sql, values))

    connection = session.connection()
    event.listen(database.engine, "before_cursor_execute", note)
    session.execute(statement, {"before": clock.now(session), "most": 5})
    event.remove(database.engine, "before_cursor_execute", note)
    sql, values = next(each for each in reversed(asked) if "LIMIT" in each[0])
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    return str(connection.exec_driver_sql(f"{explain} {sql}", values).all())
