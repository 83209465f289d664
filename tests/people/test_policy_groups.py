"""A handle of the policy means one user group, and never silently another: pinned, refused when unclear, and told."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.delivery.tables import Outbox
from storage.people import readings
from storage.people.tables import Person
from tests.contexts import make_context
from workflows import clock, handles, permissions, policy
from workflows.context import OPERATOR
from workflows.handles import Fault
from workflows.maturity import invitations
from workflows.people import service as people
from workflows.people.forms import GroupSeen
from workflows.policy import root

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG = "E0ACME"
POLICY = policy.parse(
    """\
version: 1
organisation: {name: Acme}
roles: {admin: [U0ADA, "@admins"], leader: ["@finance"]}
gates:
  budget_increase:
    stages: [{name: Finance, approvers: ["@finance"]}]
maturity: {leaders: ["@finance"]}
"""
).policy


def see(database: Database, *groups: GroupSeen, everything: bool = False) -> None:
    """As a running mlgov takes what Slack tells of groups."""
    with database.begin() as session:
        changes = people.upsert_groups(
            make_context(session, org=ORG, now=NOW),
            groups,
            read_at=clock.real_now(session) if everything else None,
            is_everything=everything,
            is_first=everything,
        )
        people.settle_handles(make_context(session, policy=POLICY, org=ORG, now=NOW))
        people.announce_groups(make_context(session, policy=POLICY, org=ORG, now=NOW), changes)


def group(slack_id: str, handle: str, *members: str, gone: bool = False) -> GroupSeen:
    return GroupSeen(slack_id, handle, f"Group {slack_id}", gone, members)


FINANCE = group("S0FIN", "finance", "U0FAY", "U0FRED")
ADMINS = group("S0ADM", "admins", "U0ADA")


@pytest.fixture
def db(database: Database) -> Database:
    """An organisation whose groups were read: finance and the administrators."""
    with database.begin() as session:
        readings.record(session, dict.fromkeys(readings.KINDS, 1), NOW)
        for name in ("ADA", "FAY", "FRED", "MAL"):
            session.add(
                Person(
                    id=f"p-{name.lower()}",
                    org_key=ORG,
                    slack_id=f"U0{name}",
                    team_id="T0ACME",
                    name=name,
                    refreshed_at=NOW,
                )
            )
    see(database, FINANCE, ADMINS, everything=True)
    return database


def fault(database: Database, word: str = "@finance") -> Fault | None:
    with database.read() as session:
        unclear = handles.resolve(session, ORG, [word]).unclear.get(word)
    return unclear.fault if unclear is not None else None


def everybody_by_it(database: Database) -> list[set[str]]:
    """Whom `@finance` reaches by each way in which mlgov asks: decisions, roles, sight, check-ins."""
    with database.read() as session:
        deciders = people.resolve_approvers(session, ["@finance"], ORG, {}, roles={})
        holders = permissions.list_holders(make_context(session, policy=POLICY, org=ORG), "leader")
        seeing = {
            row.id
            for row in session.execute(select(Person)).scalars()
            if permissions.sight(session, row.id, policy=POLICY).sees_all
        }
        reached = {
            row.id
            for row in session.execute(select(Person)).scalars()
            if permissions.find_reaching_word(session, row.id, ["@finance"], policy=POLICY)
        }
        invited = {
            row.id
            for row, _ in invitations.list_invitees(
                make_context(session, policy=POLICY, org=ORG), business_unit=None
            )
        }
    return [set(deciders), set(holders), seeing, reached, invited]


def told(database: Database) -> list[tuple[str, str]]:
    """Kind and lane of every message about handles."""
    with database.read() as session:
        rows = session.execute(
            select(Outbox.kind, Outbox.lane_key)
            .where(Outbox.kind.like("people.handle%"), Outbox.op == "post")
            .order_by(Outbox.id)
        ).all()
    return [(row.kind, row.lane_key.rpartition(":")[2]) for row in rows]


def test_every_way_of_asking_means_the_same_group(db: Database) -> None:
    assert everybody_by_it(db) == [{"p-fay", "p-fred"}] * 5
    assert told(db) == []


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([group("S0MAL", "finance", "U0MAL")], Fault.SHARED),
        (
            [group("S0FIN", "money", "U0FAY", "U0FRED"), group("S0MAL", "finance", "U0MAL")],
            Fault.MOVED,
        ),
        ([group("S0FIN", "finance", gone=True), group("S0MAL", "finance", "U0MAL")], Fault.MOVED),
        ([group("S0FIN", "money", "U0FAY", "U0FRED")], Fault.GONE),
        ([group("S0FIN", "finance", gone=True)], Fault.GONE),
    ],
)
def test_a_handle_that_another_group_takes_or_nobody_has_names_nobody(
    db: Database, events: list[GroupSeen], why: Fault
) -> None:
    for event in events:
        see(db, event)
    assert fault(db) is why
    assert everybody_by_it(db) == [set()] * 5


def test_administrators_are_told_once_and_once_more_when_it_is_well(db: Database) -> None:
    for _ in range(3):
        see(db, group("S0MAL", "finance", "U0MAL"))
    see(db, ADMINS)
    assert told(db) == [("people.handle_unclear", "U0ADA")]
    see(db, group("S0MAL", "finance", gone=True))
    see(db, FINANCE)
    assert told(db)[1:] == [("people.handle_clear", "U0ADA")]
    see(db, group("S0MAL", "finance", "U0MAL"))
    assert told(db)[2:] == [("people.handle_unclear", "U0ADA")]
    with db.read() as session:
        actions = session.execute(
            select(AuditEntry.action)
            .where(AuditEntry.action.like("policy.handle%"))
            .order_by(AuditEntry.seq)
        ).scalars()
        assert list(actions)[2:] == [
            "policy.handle_unclear",
            "policy.handle_clear",
            "policy.handle_unclear",
        ]


def test_the_administrators_whose_own_handle_is_unclear_are_told_and_hold_no_right(
    db: Database,
) -> None:
    alone = POLICY.model_copy(update={"roles": {**POLICY.roles, "admin": ("@admins",)}})
    with db.begin() as session:
        people.upsert_groups(
            make_context(session, org=ORG, now=NOW),
            [group("S0MAL", "admins", "U0MAL")],
            read_at=None,
        )
        people.settle_handles(make_context(session, policy=alone, org=ORG, now=NOW))
        assert permissions.list_holders(make_context(session, policy=alone, org=ORG), "admin") == {}
    assert told(db) == [("people.handle_unclear", "U0ADA")]


def test_another_meaning_is_taken_when_an_administrator_puts_the_policy_in_force(
    db: Database,
) -> None:
    see(db, group("S0FIN", "money", "U0FAY", "U0FRED"))
    see(db, group("S0NEW", "finance", "U0MAL"))
    with db.begin() as session:
        sentences = people.confirm_handles(
            make_context(session, actor=OPERATOR, policy=POLICY, org=ORG, now=NOW)
        )
    assert sentences == [
        "@finance means Group S0NEW (S0NEW) from now on; until now it meant Group S0FIN (S0FIN). "
        "Open requests stay with whom they asked."
    ]
    assert everybody_by_it(db) == [{"p-mal"}] * 5
    assert told(db)[-1] == ("people.handle_clear", "U0ADA")
    with db.begin() as session:
        assert (
            people.confirm_handles(
                make_context(session, actor=OPERATOR, policy=POLICY, org=ORG, now=NOW)
            )
            == []
        )


def test_putting_the_policy_in_force_tells_what_is_still_unclear(db: Database) -> None:
    see(db, group("S0MAL", "finance", "U0MAL"))
    with db.begin() as session:
        (sentence,) = people.confirm_handles(
            make_context(session, actor=OPERATOR, policy=POLICY, org=ORG, now=NOW)
        )
    assert sentence == (
        "@finance names nobody: 2 user groups have the handle @finance. "
        "Next: write the id of the right one in the policy instead (S0FIN or S0MAL), "
        "or give the others another handle."
    )
    assert everybody_by_it(db) == [set()] * 5


def test_a_handle_that_nobody_had_means_the_first_group_that_has_it(database: Database) -> None:
    with database.begin() as session:
        readings.record(session, dict.fromkeys(readings.KINDS, 1), NOW)
    see(database, ADMINS, group("S0ODD", "lunch"), everything=True)
    assert fault(database) is Fault.UNKNOWN
    see(database, FINANCE)
    assert fault(database) is None
    see(database, group("S0FIN", "money"), group("S0MAL", "finance", "U0MAL"))
    assert fault(database) is Fault.MOVED


def test_an_id_in_the_policy_is_no_matter_of_handles(db: Database) -> None:
    see(db, group("S0MAL", "finance", "U0MAL"))
    with db.read() as session:
        found = people.resolve_approvers(session, ["S0FIN"], ORG, {}, roles={})
    assert set(found) == {"p-fay", "p-fred"}


def test_before_the_groups_were_read_nothing_is_told_or_kept(database: Database) -> None:
    see(database, group("S0MAL", "finance", "U0MAL"))
    assert told(database) == []
    see(database, FINANCE, ADMINS, everything=True)
    with database.begin() as session:
        readings.record(session, {"groups": 2}, NOW + timedelta(minutes=1))
    see(database, ADMINS)
    with database.read() as session:
        assert handles.resolve(session, ORG, ["@finance"]).who(["@finance"]) == ("S0FIN",)


def test_places_are_told_in_words() -> None:
    assert root.places(POLICY, "@finance") == (
        "the role leader",
        "the gate budget_increase",
        "check-ins",
    )
