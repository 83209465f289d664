"""Slack's older words never overwrite newer ones: readings that began before an event was heard, and events that come late."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.db import Database
from storage.people.tables import Channel, Person, UserGroup, UserGroupMember
from tests.contexts import make_context
from workflows import clock
from workflows.people import service as people
from workflows.people.forms import ChannelSeen, GroupSeen, PersonSeen

ORG = "T0ACME"
JOINED = datetime(2026, 1, 26, 9, tzinfo=UTC)
LATER = JOINED + timedelta(days=3)
"""Governed times."""
MINUTE = timedelta(minutes=1)


@pytest.fixture
def before(database: Database) -> datetime:
    """Real time: a reading that begins now is older than every event of the test."""
    with database.read() as session:
        return clock.real_now(session) - MINUTE


def group(*members: str, updated: int | None = None) -> GroupSeen:
    return GroupSeen("S0FIN", "finance", "Finance", False, members, updated)


def read(db: Database, at: datetime, *groups: GroupSeen, everything: bool = False) -> None:
    with db.begin() as session:
        people.upsert_groups(
            make_context(session, org=ORG, now=LATER), groups, read_at=at, is_everything=everything
        )


def hear(
    db: Database, *added: str, removed: tuple[str, ...] = (), updated: int | None = None
) -> None:
    with db.begin() as session:
        people.change_members(
            make_context(session, org=ORG, now=JOINED),
            "S0FIN",
            added=added,
            removed=removed,
            updated=updated,
        )


def since(db: Database) -> dict[str, datetime]:
    with db.read() as session:
        rows = session.execute(
            select(Person.slack_id, UserGroupMember.since).join(
                UserGroupMember, UserGroupMember.person_id == Person.id
            )
        )
        return {str(row.slack_id): row.since for row in rows}


def read_at(db: Database) -> datetime | None:
    with db.read() as session:
        return session.execute(select(UserGroup.refreshed_at)).scalar_one()


@pytest.mark.parametrize("everything", [False, True])
def test_a_reading_that_began_before_an_event_changes_nothing(
    database: Database, before: datetime, everything: bool
) -> None:
    read(database, before - MINUTE, group("U0FAY"))
    hear(database, "U0MAL", removed=("U0FAY",))
    read(database, before, group("U0FAY"), everything=everything)
    assert since(database) == {"U0MAL": JOINED}
    assert read_at(database) is None, "it would count as read since the event"
    read(database, before + 2 * MINUTE, group("U0MAL"), everything=everything)
    assert since(database) == {"U0MAL": JOINED}
    assert read_at(database) == before + 2 * MINUTE


def test_one_group_is_not_read_back_either(database: Database, before: datetime) -> None:
    read(database, before - MINUTE, group("U0FAY"))
    hear(database, removed=("U0FAY",))
    with database.begin() as session:
        people.refresh_members(
            make_context(session, org=ORG, now=LATER), "S0FIN", ["U0FAY"], read_at=before
        )
    assert since(database) == {}


def test_a_group_that_an_event_told_of_meanwhile_is_not_disabled(
    database: Database, before: datetime
) -> None:
    read(database, before - MINUTE, GroupSeen("S0OLD", "old", "Old", members=()))
    with database.begin() as session:
        people.upsert_groups(
            make_context(session, org=ORG, now=JOINED), [group("U0FAY")], read_at=None
        )
    read(database, before, everything=True)
    with database.read() as session:
        flags = session.execute(select(UserGroup.slack_id, UserGroup.is_disabled)).all()
    assert {tuple(row) for row in flags} == {("S0OLD", True), ("S0FIN", False)}


def test_of_two_readings_the_one_that_began_later_stands(
    database: Database, before: datetime
) -> None:
    read(database, before, group("U0FRED"))
    read(database, before - MINUTE, group("U0FAY"))
    assert set(since(database)) == {"U0FRED"}
    assert read_at(database) == before


def test_an_event_that_comes_late_starts_no_membership_anew(
    database: Database, before: datetime
) -> None:
    """Fay left and came back: both stand in the reading, and then Slack's event of her leaving comes."""
    read(database, before - MINUTE, group(updated=100))
    hear(database, "U0FAY", updated=200)
    read(database, before + 2 * MINUTE, group("U0FAY", updated=400))
    hear(database, removed=("U0FAY",), updated=300)
    assert since(database) == {"U0FAY": JOINED}
    hear(database, removed=("U0FAY",), updated=500)
    assert since(database) == {}


def test_who_was_deactivated_is_not_brought_back_by_an_older_page(
    database: Database, before: datetime
) -> None:
    fay = PersonSeen(ORG, "U0FAY", "T0ACME", "Fay", updated=100)
    gone = PersonSeen(ORG, "U0FAY", "T0ACME", "Fay", is_deactivated=True, updated=200)
    for seen, at in ((fay, before - MINUTE), (gone, None), (fay, before), (fay, None)):
        with database.begin() as session:
            people.upsert_from_slack(make_context(session, now=JOINED), [seen], read_at=at)
    with database.read() as session:
        row = session.execute(select(Person)).scalar_one()
        assert row.is_deactivated
        assert row.refreshed_at is None
    with database.begin() as session:
        people.upsert_from_slack(
            make_context(session, now=JOINED), [fay], read_at=before + 2 * MINUTE
        )
    with database.read() as session:
        assert not session.execute(select(Person)).scalar_one().is_deactivated


def test_a_channel_is_not_closed_by_a_look_from_before_somebody_joined(
    database: Database, before: datetime
) -> None:
    seen = ChannelSeen("C0GOV", "gov", bot_is_member=True, has_guests=False)

    def write(at: datetime) -> None:
        with database.begin() as session:
            people.upsert_channels(make_context(session, org=ORG, now=JOINED), [seen], read_at=at)

    def look(at: datetime) -> None:
        with database.begin() as session:
            people.set_audience(session, "C0GOV", False, org_key=ORG, read_at=at)

    write(before - MINUTE)
    with database.begin() as session:
        people.forget_channels(session, ORG, ["C0GOV"])
    for late in (write, look):
        late(before)
        with database.read() as session:
            assert session.execute(select(Channel.refreshed_at)).scalar_one() is None
    look(before + 2 * MINUTE)
    with database.read() as session:
        assert session.execute(select(Channel.refreshed_at)).scalar_one() is not None
