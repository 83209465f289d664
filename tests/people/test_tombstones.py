"""Whoever was erased stays away for as long as they have left, and is who they were once they are active again."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from storage import ledger
from storage.db import Database, DatabaseBusy
from storage.people import erasure as stored
from storage.people.tables import Person, Tombstone, UserGroup, UserGroupMember
from storage.runtime import real_now
from tests.conftest import with_key
from tests.contexts import make_context
from tests.people.test_erasure import everything
from workflows import policy
from workflows.context import OPERATOR, Actor, ActorKind
from workflows.errors import InvalidInput
from workflows.people import erasure, imports
from workflows.people import service as people
from workflows.people.erasure import ErasureKeyMissing
from workflows.people.forms import GroupSeen, PersonRow, PersonSeen
from workflows.people.records import Upserted
from workflows.record.scanning import Look
from workflows.sources.rows import Outcome
from workflows.tokens import service as tokens

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG, ANA, BO = "T0ACME", "U0ANA", "U0BO"
EMAIL = "ana@acme.test"


def seen(slack_id: str = ANA, *, has_left: bool = False, org: str = ORG) -> PersonSeen:
    return PersonSeen(
        org, slack_id, ORG, "Ana Costa", EMAIL, "Chief", "UTC", is_deactivated=has_left
    )


def read(session: Session, *described: PersonSeen, ago: timedelta = timedelta(0)) -> Upserted:
    """Slack was asked about these people just now, or some time ago."""
    asked_at = real_now(session) - ago
    return people.upsert_from_slack(make_context(session, now=NOW), described, read_at=asked_at)


def erased(database: Database) -> str:
    """Ana was met and erased; her opaque id."""
    with database.begin() as session:
        person_id = read(session, seen()).ids[(ORG, ANA)]
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    return person_id


def traces(database: Database) -> list[str]:
    with database.read() as session:
        text = everything(session)
    return [trace for trace in ("Ana Costa", EMAIL, ANA, "Chief") if trace in text]


def test_a_leaver_is_not_brought_back_by_the_next_reading(database: Database) -> None:
    person_id = erased(database)
    assert traces(database) == []
    with database.begin() as session:
        done = read(session, seen(has_left=True), seen(BO))
    assert done.ids[(ORG, ANA)] == person_id
    assert done.stay_away == (ANA,)
    with database.read() as session:
        assert people.find_by_slack_id(session, ORG, ANA) is None
        assert people.find_by_slack_id(session, ORG, BO) is not None
        row = session.get_one(Person, person_id)
        assert (row.name, row.slack_id, row.email) == ("an erased person", None, None)


def test_whoever_is_active_is_who_they_were(database: Database) -> None:
    person_id = erased(database)
    with database.begin() as session:
        assert read(session, seen()).ids == {(ORG, ANA): person_id}
    with database.read() as session:
        back = people.find_by_slack_id(session, ORG, ANA)
        assert back is not None
        assert (back.id, back.name, back.can_decide) == (person_id, "Ana Costa", True)
        assert session.execute(select(Tombstone)).all() == []
        assert ledger.verify(session) is None
        said = ledger.find_last_about(session, erasure.RETURNED, "person", person_id)
        assert said is not None
        assert Look().all(session, NOW).faults == []
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    with database.begin() as session:
        read(session, seen(has_left=True))
    assert traces(database) == []


def test_tokens_that_went_with_an_erasure_are_no_fault_when_somebody_is_back(
    database: Database,
) -> None:
    with database.begin() as session:
        person_id = read(session, seen()).ids[(ORG, ANA)]
    with database.begin() as session:
        ana = Actor(person_id, ActorKind.PERSON, "Ana Costa", slack_id=ANA)
        tokens.create_personal(make_context(session, actor=ana, now=NOW), lasts=timedelta(days=1))
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    with database.begin() as session:
        read(session, seen())
    with database.read() as session:
        assert Look().all(session, NOW).faults == []


@pytest.mark.parametrize("asked", ["before the erasure", "never: an event told it"])
def test_what_slack_said_before_brings_nobody_back(database: Database, asked: str) -> None:
    erased(database)
    with database.begin() as session:
        if asked == "before the erasure":
            read(session, seen(), ago=timedelta(minutes=1))
        else:
            people.upsert_from_slack(make_context(session, now=NOW), [seen()], read_at=None)
    assert traces(database) == []


def test_groups_bring_no_leaver_back(database: Database) -> None:
    person_id = erased(database)
    group = GroupSeen("S0FIN", "finance", "Finance", members=(ANA, BO))
    with database.begin() as session:
        asked_at = real_now(session)
        for _ in range(2):
            people.upsert_groups(make_context(session, org=ORG, now=NOW), [group], read_at=asked_at)
        people.change_members(
            make_context(session, org=ORG, now=NOW), "S0FIN", added=[ANA], removed=[]
        )
        people.change_members(
            make_context(session, org=ORG, now=NOW), "S0FIN", added=[], removed=[ANA]
        )
    assert traces(database) == []
    with database.begin() as session:
        asked_at = real_now(session)
        people.upsert_groups(make_context(session, org=ORG, now=NOW), [group], read_at=asked_at)
        assert session.execute(select(UserGroup.refreshed_at)).scalar_one() is not None
        read(session, seen())
        # The group was read without her: it is asked again before she can act by it.
        assert session.execute(select(UserGroup.refreshed_at)).scalar_one() is None
        people.upsert_groups(make_context(session, org=ORG, now=NOW), [group], read_at=asked_at)
        members = session.execute(select(UserGroupMember.person_id)).scalars().all()
        assert person_id in members


def bring(session: Session, row: PersonRow) -> Outcome:
    acme = policy.parse("version: 1\norganisation: {name: Acme}\n").policy
    return imports.PeopleTable().take_rows(
        make_context(session, OPERATOR, policy=acme, org=ORG, now=NOW), [(2, row)]
    )


@pytest.mark.parametrize(
    "row",
    [
        PersonRow(slack_id=ANA, name="Ana Costa"),
        PersonRow(email=EMAIL, name="Ana Costa"),
        PersonRow(person=EMAIL),
        PersonRow(slack_id=BO, manager=ANA),
        PersonRow(slack_id=BO, manager=EMAIL),
    ],
    ids=["Slack id", "address", "either", "manager's id", "manager's address"],
)
def test_a_file_brings_no_leaver_back(database: Database, row: PersonRow) -> None:
    erased(database)
    with database.begin() as session:
        read(session, PersonSeen(ORG, BO, ORG, "Bo"))
        done = bring(session, row)
    (fault,) = done.faults
    assert "was erased here" in fault.sentence
    assert traces(database) == []


def test_an_address_that_somebody_else_has_now_is_theirs(database: Database) -> None:
    erased(database)
    with database.begin() as session:
        read(session, PersonSeen(ORG, "U0NEW", ORG, "Another Ana", EMAIL))
        row = PersonRow(email=EMAIL, business_unit="Labelling")
        done = bring(session, row)
        assert not done.faults
        found = people.find_by_slack_id(session, ORG, "U0NEW")
        assert found is not None
        assert found.business_unit == "Labelling"


def test_who_was_only_in_a_file_stays_away_too(database: Database) -> None:
    row = PersonRow(email=EMAIL, name="Ana Costa")
    with database.begin() as session:
        bring(session, row)
        person_id = people.look_up(session, EMAIL).id
        people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    with database.begin() as session:
        done = bring(session, row)
        assert len(done.faults) == 1
    assert traces(database) == []


def test_tombstones_are_keyed_and_of_one_organisation(database: Database) -> None:
    erased(database)
    with database.begin() as session:
        read(session, seen(org="T0ELSE"))
        assert people.find_by_slack_id(session, "T0ELSE", ANA) is not None
        marks = session.execute(select(Tombstone.mark)).scalars().all()
    assert len(marks) == 2
    guesses = {
        stored._digest(key, kind, ORG, name)
        for key in (b"", b"another key that is long enough, too")
        for kind, name in ((stored.SLACK, ANA), (stored.EMAIL, EMAIL))
    }
    assert guesses.isdisjoint(marks)


@pytest.mark.parametrize("key", [None, b"another key that is long enough, too"])
def test_without_the_key_nothing_is_read_of_people(database: Database, key: bytes | None) -> None:
    erased(database)
    database.keep_erasure_key(key)
    group = GroupSeen("S0FIN", "finance", "Finance", members=(BO,))
    with pytest.raises(ErasureKeyMissing, match="1 person was erased"):
        database.run(lambda session: read(session, seen(BO)))
    with pytest.raises(ErasureKeyMissing), database.begin() as session:
        people.upsert_groups(
            make_context(session, org=ORG, now=NOW), [group], read_at=real_now(session)
        )
    for row in (PersonRow(slack_id=BO), PersonRow(email="bo@acme.test")):
        with pytest.raises(ErasureKeyMissing), database.begin() as session:
            bring(session, row)
    with pytest.raises(ErasureKeyMissing), database.begin() as session:
        erasure.start_with(session, key)
    with database.read() as session:
        assert people.find_by_slack_id(session, ORG, BO) is None


def test_nobody_is_erased_without_a_key(database: Database) -> None:
    with database.begin() as session:
        person_id = read(session, seen()).ids[(ORG, ANA)]
        stored.set_check(session, None)
    database.keep_erasure_key(None)
    with pytest.raises(InvalidInput, match="MLGOV_ERASURE_KEY"):
        database.run(
            lambda session: people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
        )
    with_key(database)
    database.keep_erasure_key(b"what another replica was started with")
    with pytest.raises(InvalidInput, match="Another mlgov on this database"):
        database.run(
            lambda session: people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
        )
    assert "Ana Costa" in traces(database)


def test_a_lost_key_can_be_given_up(database: Database) -> None:
    person_id = erased(database)
    new = b"a key that was made after the other was lost"
    with database.begin() as session:
        assert erasure.start_anew(make_context(session, actor=OPERATOR, now=NOW), new) == 1
    database.keep_erasure_key(new)
    with database.begin() as session:
        assert read(session, seen()).ids[(ORG, ANA)] != person_id
        assert ledger.verify(session) is None


def test_a_key_may_change_until_somebody_is_erased(database: Database) -> None:
    new = b"a key that was set before anybody was erased"
    with database.begin() as session:
        erasure.start_with(session, new)
        assert stored.read_standing(session).is_of(new)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_reading_and_an_erasure_at_once_leave_nothing(database: Database) -> None:
    """The erasure comes between what the reading looked at and what it writes: SQLite has one transaction at a time."""
    with database.begin() as session:
        person_id = read(session, seen()).ids[(ORG, ANA)]
    changed = PersonSeen(ORG, ANA, ORG, "Ana Costa-Lima", EMAIL, "Chief", "UTC")
    waited: list[bool] = []

    def erase(*_: object) -> None:
        if waited:
            return
        waited.append(False)
        try:
            with database.begin() as erasing:
                people.erase(make_context(erasing, actor=OPERATOR, now=NOW), person_id)
        except DatabaseBusy:
            waited[0] = True

    with database.begin() as reading:
        event.listen(reading, "before_flush", erase)
        people.upsert_from_slack(
            make_context(reading, now=NOW), [changed], read_at=real_now(reading)
        )
    assert waited, "the erasure did not come between"
    if waited[0]:
        with database.begin() as session:
            people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    assert traces(database) == []


def test_an_entry_of_a_file_with_the_same_address_is_told(database: Database) -> None:
    """Nobody has joined it with whom Slack knows, so it may be somebody else."""
    with database.begin() as session:
        row = PersonRow(email=EMAIL, name="Ana C.")
        bring(session, row)
        entry = people.look_up(session, EMAIL).id
        person_id = read(session, seen()).ids[(ORG, ANA)]
        report = people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    assert report.same_address == (entry,)
