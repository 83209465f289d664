"""An event that is delivered again changes nothing; old ones are forgotten."""

from datetime import timedelta

from sqlalchemy import func, select, update

from storage.db import Database
from storage.delivery.tables import Inbox
from workflows import clock, inbox


def test_an_event_is_new_once(database: Database) -> None:
    with database.begin() as session:
        assert inbox.first_seen(session, "event:Ev1")
    with database.begin() as session:
        assert not inbox.first_seen(session, "event:Ev1")
        assert inbox.first_seen(session, "event:Ev2")


def test_only_what_cannot_come_again_is_forgotten(database: Database) -> None:
    with database.begin() as session:
        inbox.first_seen(session, "old")
        inbox.first_seen(session, "new")
        past = clock.real_now(session) - inbox.KEPT - timedelta(hours=1)
        session.execute(
            update(Inbox).where(Inbox.event_key == "old").values(received_at=past)
        )
        inbox.purge(session)
        assert (
            session.execute(select(func.count()).select_from(Inbox)).scalar_one() == 1
        )
