"""An event that is delivered again changes nothing; old ones are forgotten."""

from datetime import timedelta

from sqlalchemy import func, select, update

from storage.db import Database
from storage.delivery.tables import Inbox
from workflows import clock, inbox
from workflows.inbox import Turn


def test_an_event_is_new_once(database: Database) -> None:
    with database.begin() as session:
        assert inbox.note_first_seen(session, "event:Ev1")
    with database.begin() as session:
        assert not inbox.note_first_seen(session, "event:Ev1")
        assert inbox.note_first_seen(session, "event:Ev2")


def test_an_event_that_somebody_died_of_is_handled_by_whoever_is_asked_later(
    database: Database,
) -> None:
    def begin() -> Turn:
        return database.run(lambda session: inbox.begin(session, "event:Ev1"))

    assert begin() is Turn.MINE
    assert begin() is Turn.UNDER_WAY, "somebody handles it at this moment"
    with database.begin() as session:
        past = clock.real_now(session) - inbox.PATIENCE
        session.execute(update(Inbox).values(received_at=past))
    assert begin() is Turn.MINE
    assert begin() is Turn.UNDER_WAY
    database.run(lambda session: inbox.mark_done(session, "event:Ev1"))
    assert begin() is Turn.DONE
    with database.begin() as session:
        past = clock.real_now(session) - inbox.PATIENCE
        session.execute(update(Inbox).values(received_at=past))
    assert begin() is Turn.DONE
    with database.begin() as session:
        assert not inbox.note_first_seen(session, "event:Ev1")
        assert inbox.note_first_seen(session, "event:Ev2")
    assert database.run(lambda session: inbox.begin(session, "event:Ev2")) is Turn.DONE


def test_only_what_cannot_come_again_is_forgotten(database: Database) -> None:
    with database.begin() as session:
        inbox.note_first_seen(session, "old")
        inbox.note_first_seen(session, "new")
        past = clock.real_now(session) - inbox.KEPT - timedelta(hours=1)
        session.execute(update(Inbox).where(Inbox.event_key == "old").values(received_at=past))
        inbox.purge(session, most=10)
        assert session.execute(select(func.count()).select_from(Inbox)).scalar_one() == 1
