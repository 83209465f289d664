"""Who sees which project: by role, by their own part in it, and by who reports to them."""

from datetime import UTC, datetime

import pytest

from storage.db import Database
from storage.people.tables import Person, UserGroup, UserGroupMember
from storage.projects.tables import Project
from tests.contexts import make_context
from workflows import permissions, policy

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG = "T0ACME"
POLICY = policy.parse(
    "version: 1\norganisation: {name: Acme}\nroles: {leader: ['@leaders', U0LEO], pilot: [S0LEADERS]}\n"
).policy


@pytest.fixture
def db(database: Database) -> Database:
    """Lea leads by group, Leo by name; Max manages Ann, Ann manages Bo; Gus is a guest among the leaders."""
    with database.begin() as session:
        for name, manager, flags in [
            ("lea", None, {}),
            ("leo", None, {}),
            ("max", None, {}),
            ("ann", "p-max", {}),
            ("bo", "p-ann", {}),
            ("gus", None, {"is_guest": True}),
            ("xia", None, {"is_deactivated": True}),
        ]:
            session.add(
                Person(
                    id=f"p-{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    name=name,
                    manager_id=manager,
                    **flags,
                )
            )
            session.flush()
        group = UserGroup(org_key=ORG, slack_id="S0LEADERS", handle="leaders", name="Leaders")
        session.add(group)
        session.flush()
        session.add_all(
            UserGroupMember(group_id=group.id, person_id=f"p-{name}", since=NOW)
            for name in ("lea", "gus", "xia")
        )
        for key, part in [
            ("of-bo", {"owner_id": "p-bo"}),
            ("of-ann", {"manager_id": "p-ann"}),
            ("of-max", {"sponsor_id": "p-max"}),
            ("of-gus", {"owner_id": "p-gus"}),
            ("of-none", {}),
        ]:
            session.add(Project(key=key, name=key, status="live", created_at=NOW, **part))
            session.flush()
    return database


def seen(db: Database, name: str) -> set[str] | None:
    """Keys of the projects in sight; None for all."""
    with db.read() as session:
        found = permissions.sight(session, f"p-{name}", policy=POLICY)
        keys = {row.id: row.key for row in session.query(Project)}
    if found.sees_all:
        assert all(found.holds(id_) for id_ in keys)
        return None
    assert {key for id_, key in keys.items() if found.holds(id_)} == {
        keys[id_] for id_ in found.project_ids
    }
    return {keys[id_] for id_ in found.project_ids}


def test_leaders_see_all_and_others_their_own_and_their_reports(db: Database) -> None:
    assert seen(db, "lea") is None
    assert seen(db, "leo") is None
    assert seen(db, "max") == {"of-max", "of-ann", "of-bo"}
    assert seen(db, "ann") == {"of-ann", "of-bo"}
    assert seen(db, "bo") == {"of-bo"}


def test_who_is_no_member_sees_nothing(db: Database) -> None:
    assert seen(db, "gus") == set()
    assert seen(db, "xia") == set()
    assert seen(db, "nobody") == set()


def test_people_who_manage_each_other_end_the_search(db: Database) -> None:
    with db.begin() as session:
        session.get_one(Person, "p-max").manager_id = "p-bo"
    assert seen(db, "bo") == {"of-max", "of-ann", "of-bo"}


def test_roles_and_who_holds_them(db: Database) -> None:
    with db.read() as session:
        assert permissions.list_roles(session, "p-lea", policy=POLICY) == {"leader", "pilot"}
        assert permissions.list_roles(session, "p-leo", policy=POLICY) == {"leader"}
        assert permissions.list_roles(session, "p-gus", policy=POLICY) == frozenset()
        found = permissions.list_holders(make_context(session, policy=POLICY, org=ORG), "leader")
    assert found == {"p-lea": "U0LEA", "p-leo": "U0LEO"}
