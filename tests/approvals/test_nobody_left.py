"""Who could decide may leave while a request waits: the fallback is asked, or it's told at once that nobody is left."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.approvals import activity
from bot.delivery.rendering import Scene
from storage.audit.tables import AuditEntry
from storage.db import Database
from tests.approvals.conftest import ORG, House, populated
from tests.contexts import make_context
from workflows import resting, timers
from workflows.approvals.notices import ApprovalNote
from workflows.people import mirror
from workflows.people.forms import GroupSeen, PersonSeen

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
roles: {admin: [U0EVE], lead: [U0NED], finance: ["@finance"]}
gates:
  budget_increase:
    stages:
      - {name: Owner, approvers: [subject.owner]}
      - {name: Finance, approvers: [role:finance]FINANCE}
    expires_after: 7d
"""


def house(database: Database, more: str = "") -> House:
    found = populated(database, POLICY.replace("FINANCE", more))
    for name in ("ola", "tim", "fay", "fred", "eve", "ned"):
        found.flag(name, team_id=ORG)
    return found


def seen(house: House, name: str, **flags: bool) -> None:
    """Slack says something of a person, as a reading or an event brings it."""
    person = PersonSeen(ORG, f"U0{name.upper()}", ORG, name.title(), tz="Europe/London", **flags)
    with house.db.begin() as session:
        mirror.upsert_people(make_context(session, now=house.now), [person], read_at=house.now)
    house.until(house.now)


def finance(house: House, *members: str, is_disabled: bool = False) -> None:
    group = GroupSeen(
        "S0FINANCE",
        "finance",
        "Finance partners",
        is_disabled=is_disabled,
        members=tuple(f"U0{name.upper()}" for name in members),
    )
    with house.db.begin() as session:
        mirror.upsert_groups(
            make_context(session, org=ORG, now=house.now), [group], read_at=house.now
        )
    house.until(house.now)


def notes(house: House) -> list[str]:
    """Who was told that nobody is left."""
    return sorted(
        row.notice["person_id"]
        for row in house.sent("approval.note")
        if row.notice["what"] == "stuck"
    )


def actions(house: House, action: str) -> int:
    with house.db.read() as session:
        found = select(AuditEntry).where(AuditEntry.action == action)
        return len(session.execute(found).all())


def test_the_only_approver_leaves(database: Database) -> None:
    there = house(database)
    id_ = there.submit("tim", there.project())
    seen(there, "ola", is_deactivated=True)
    assert notes(there) == ["p-eve", "p-tim"]
    assert actions(there, "approval.stuck") == 1
    with there.db.begin() as session:
        resting.recheck_all(session, at=there.now)
    there.until(there.now + timedelta(hours=1))
    assert notes(there) == ["p-eve", "p-tim"]  # once
    assert there.card(id_).is_pending


def test_a_stage_to_come_is_looked_at_too(database: Database) -> None:
    there = house(database)
    there.submit("tim", there.project())
    finance(there, "fay")
    assert notes(there) == []
    finance(there, "tim")  # who asks never decides
    assert notes(there) == ["p-eve", "p-tim"]


def test_a_group_that_is_disabled_decides_nothing(database: Database) -> None:
    there = house(database)
    there.submit("tim", there.project())
    finance(there, "fay", "fred", is_disabled=True)
    assert notes(there) == ["p-eve", "p-tim"]


def test_who_is_left_is_enough(database: Database) -> None:
    there = house(database)
    id_ = there.submit("tim", there.project())
    there.decide("ola", id_)
    seen(there, "ola", is_deactivated=True)  # has decided; that stands
    finance(there, "fred")
    assert notes(there) == []
    there.decide("fred", id_)
    assert not there.card(id_).is_pending
    seen(there, "fred", is_deactivated=True)
    assert notes(there) == []


def test_approvals_that_are_given_need_nobody_any_more(database: Database) -> None:
    there = house(database, ", quorum: 2")
    id_ = there.submit("tim", there.project())
    there.decide("ola", id_)
    there.decide("fay", id_)
    finance(there, "fred")  # one place is filled, one person is left for the other
    assert notes(there) == []
    finance(there, "fay")
    assert notes(there) == ["p-eve", "p-tim"]


@pytest.mark.parametrize("is_first", [True, False])
def test_the_fallback_is_asked(database: Database, is_first: bool) -> None:
    there = house(database, ", nobody: {fallback: [role:lead]}")
    id_ = there.submit("tim", there.project())
    if is_first:
        there.decide("ola", id_)
    finance(there)
    assert notes(there) == []
    assert actions(there, "approval.fallback") == 1
    if not is_first:
        there.decide("ola", id_)
    asked = [row.notice["person_id"] for row in there.sent("approval.asked")]
    assert asked.count("p-ned") == 1
    there.decide("ned", id_)
    assert there.card(id_).state.value == "approved"
    there.ledger_holds()


def test_a_fallback_that_reaches_nobody_is_told(database: Database) -> None:
    there = house(database, ", nobody: {fallback: [role:lead]}")
    id_ = there.submit("tim", there.project())
    there.decide("ola", id_)
    finance(there)
    seen(there, "ned", is_deactivated=True)
    assert notes(there) == ["p-eve", "p-tim"]
    assert actions(there, "approval.fallback") == 1


def test_what_changes_nothing_looks_at_nothing(database: Database) -> None:
    there = house(database)
    there.submit("tim", there.project())
    with there.db.read() as session:
        before = timers.next_due(session, there.now - timedelta(days=400))
    seen(there, "fay")
    finance(there, "fay", "fred", "gus", "sam", "bob", "lea")
    with there.db.read() as session:
        assert timers.next_due(session, there.now - timedelta(days=400)) == before


def test_the_message_says_what_can_be_done(database: Database) -> None:
    there = house(database)
    id_ = there.submit("tim", there.project())
    seen(there, "ola", is_deactivated=True)
    scene = Scene(now=there.now, policy=there.policy)
    notice = ApprovalNote(id_, "p-tim", "stuck", 0)
    shown = activity.note(there.card(id_), notice, scene)
    assert shown.text.startswith("Too few people are left to decide: ")
    assert "p-" not in str(shown.blocks)
    assert "Owner can't be passed any more" in str(shown.blocks)
    there.withdraw("tim", id_)
    assert activity.note(there.card(id_), notice, scene).is_final
