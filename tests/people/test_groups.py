"""Who may approve changes with a user group: it is said, and it stands on the ledger."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.delivery.tables import Outbox
from storage.people.tables import Channel, UserGroupMember
from tests.contexts import make_context
from workflows import policy
from workflows.people import service as people
from workflows.people.forms import GroupSeen
from workflows.people.records import GroupChange

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG = "T0ACME"
POLICY = policy.parse(
    """\
version: 1
organisation: {name: Acme}
channels: {governance: "#gov"}
roles: {finance: ["@finance"]}
gates:
  budget_increase:
    stages: [{name: Finance, approvers: [role:finance]}]
"""
).policy


def see(
    database: Database, handle: str, *members: str, everything: bool = False
) -> tuple[GroupChange, ...]:
    seen = GroupSeen(
        f"S0{handle.upper()}", handle, handle.title(), is_disabled=False, members=members
    )
    with database.begin() as session:
        changes = people.upsert_groups(
            make_context(session, org=ORG, now=NOW),
            [seen],
            read_at=NOW,
            is_everything=everything,
            is_first=everything,
        )
        people.announce_groups(make_context(session, policy=POLICY, org=ORG, now=NOW), changes)
    return changes


@pytest.fixture(autouse=True)
def channel(database: Database) -> None:
    with database.begin() as session:
        session.add(Channel(org_key=ORG, slack_id="C0GOV", name="gov"))


def told(database: Database) -> list[dict[str, object]]:
    with database.read() as session:
        found = session.execute(
            select(Outbox).where(Outbox.kind == "people.approvers_changed")
        ).scalars()
        return [dict(row.notice) for row in found]


def test_whoever_is_there_at_the_very_first_look_was_always_there(database: Database) -> None:
    assert see(database, "finance", "U0FAY", everything=True) == ()
    with database.read() as session:
        (since,) = session.execute(select(UserGroupMember.since)).scalars()
    assert since < NOW - timedelta(days=300)
    assert told(database) == []


def test_joining_and_leaving_a_group_that_approves_is_announced_once(database: Database) -> None:
    see(database, "finance", "U0FAY", everything=True)
    for _ in range(2):
        see(database, "finance", "U0FRED")
    (notice,) = told(database)
    assert len(notice["added"]) == len(notice["removed"]) == 1  # type: ignore[arg-type]
    assert notice["gates"] == ["budget_increase"]
    with database.read() as session:
        entries = session.execute(
            select(AuditEntry.body).where(AuditEntry.action == "approvers.changed")
        ).scalars()
        (body,) = entries.all()
    assert "U0F" not in body


def test_a_group_that_decides_nothing_is_nobodys_news(database: Database) -> None:
    see(database, "finance", "U0FAY", everything=True)
    see(database, "lunch", "U0FAY", "U0FRED")
    assert told(database) == []


def test_a_new_group_that_the_policy_names_is_announced(database: Database) -> None:
    see(database, "lunch", "U0FAY", everything=True)
    see(database, "finance", "U0FAY")
    assert len(told(database)) == 1


def test_an_event_announces_only_what_it_changes(database: Database) -> None:
    see(database, "finance", "U0FAY", everything=True)
    with database.begin() as session:
        changes = people.change_members(
            make_context(session, org=ORG, now=NOW),
            "S0FINANCE",
            added=["U0FAY", "U0NED"],
            removed=["U0LEA"],
        )
    ((joined, left),) = [(one.added, one.removed) for one in changes]
    assert (len(joined), left) == (1, ())
