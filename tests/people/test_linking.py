"""Whom a file named by e-mail and Slack shows: joined once, by a whole reading, with nobody else."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from bot.delivery.rendering import Scene
from bot.people import messages
from storage import ledger
from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.delivery.tables import Outbox
from storage.inventory.tables import Model
from storage.milestones.tables import Milestone
from storage.people import identities
from storage.people.tables import Person
from storage.projects.tables import Project
from tests.contexts import make_context
from tests.imports.conftest import NOW, ORG, Desk, fill, said
from workflows import outbox, policy
from workflows.audit import service as audit
from workflows.context import Actor, ActorKind
from workflows.people import identities as people_identities
from workflows.people import service as people
from workflows.people.forms import ChannelSeen, PersonSeen
from workflows.people.identities import PeopleJoined, PeopleNotJoined

POLICY = """
version: 1
organisation: {name: Acme}
channels: {admin: "#triage"}
"""
CY = PersonSeen(ORG, "U0CY", ORG, "Cy", "cy@acme.test")
FILE = "email,manager,country\ncy@acme.test,ana@acme.test,pt\n"


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    fill(database)
    return Desk(database, tmp_path)


def read(desk: Desk, *seen: PersonSeen, text: str = POLICY, after: int = 0) -> int:
    """A reading of everybody, with what follows; how many were joined."""
    now = NOW + timedelta(hours=after)
    rules = policy.parse(text).policy

    def upsert(session: Any) -> None:
        people.upsert_from_slack(make_context(session, now=now), seen, read_at=now)

    desk.db.run(upsert)
    joined = 0
    while True:
        done = desk.db.run(
            lambda session: people.join(make_context(session, policy=rules, org=ORG, now=now))
        )
        joined += done.joined
        if not done.has_more:
            return joined


def everybody(desk: Desk, email: str) -> Sequence[Person]:
    with desk.db.read() as session:
        statement = select(Person).where(Person.email == email)
        found = list(session.execute(statement).scalars())
        session.expunge_all()
    return sorted(found, key=lambda row: row.slack_id or "")


def notices(desk: Desk) -> list[Outbox]:
    with desk.db.read() as session:
        found = list(session.execute(select(Outbox).order_by(Outbox.id)).scalars())
        session.expunge_all()
    return [row for row in found if row.op == "post"]


def test_whom_a_file_named_is_joined_once_with_everything_that_names_them(desk: Desk) -> None:
    desk.bring("people", FILE)
    (entry,) = everybody(desk, "cy@acme.test")
    desk.bring("people", "email,manager\nbo@acme.test,cy@acme.test\n")
    desk.bring("projects", "key,name,owner,sponsor\nlane,Lane,cy@acme.test,U0ANA\n")
    desk.bring(
        "milestones", "project,title,owner,forecast\nlane,Data sheet,cy@acme.test,2026-03-01\n"
    )
    models = desk.bring("models", "key,name,owner,purpose\nranker,Ranker,cy@acme.test,Ranks\n")
    assert not models.refused, said(models)
    assert read(desk, CY) == 1
    (cy,) = everybody(desk, "cy@acme.test")
    (ana,) = everybody(desk, "ana@acme.test")
    assert (cy.slack_id, cy.country, cy.manager_id) == ("U0CY", "PT", ana.id)
    with desk.db.read() as session:
        assert session.execute(select(Project.owner_id)).scalar_one() == cy.id
        assert session.execute(select(Milestone.owner_id)).scalar_one() == cy.id
        assert session.execute(select(Model.owner_id)).scalar_one() == cy.id
        below = select(Person.slack_id).where(Person.manager_id == cy.id)
        assert session.execute(below).scalar_one() == "U0BO"
        assert session.get(Person, entry.id) is None
        kept = select(AuditEntry.body).where(AuditEntry.action == "person.linked")
        (body,) = session.execute(kept).scalars()
        assert f'"was":"{entry.id}"' in body
        assert '"by":"email"' in body
        assert ledger.verify(session) is None
    assert [row.kind for row in notices(desk)][-1:] == ["people.joined"]
    assert read(desk, CY, after=1) == 0, "once"
    assert sum(row.kind == "people.joined" for row in notices(desk)) == 1


def test_every_column_that_names_a_person_is_moved(database: Database) -> None:
    named = {(column.table.name, column.name) for column in identities.list_references()}
    assert ("model", "owner_id") in named
    assert ("milestone", "owner_id") in named
    with database.read() as session:
        if database.is_sqlite:
            rows = session.execute(
                text(
                    'SELECT m.name, f."from" FROM sqlite_master m, pragma_foreign_key_list(m.name) f'
                    " WHERE m.type = 'table' AND f.\"table\" = 'person'"
                )
            )
        else:
            rows = session.execute(
                text(
                    "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c JOIN pg_attribute a"
                    " ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)"
                    " WHERE c.contype = 'f' AND c.confrelid = 'person'::regclass"
                )
            )
        assert named == {(table, column) for table, column in rows}


def test_where_both_stand_the_one_from_slack_stays(desk: Desk) -> None:
    desk.bring("people", FILE)
    (entry,) = everybody(desk, "cy@acme.test")
    read(desk, CY, text=POLICY + "people: {link_by_email: false}\n")
    with desk.db.begin() as session:
        slack = people.find_by_slack_id(session, ORG, "U0CY")
        assert slack is not None
        group = text(
            "INSERT INTO user_group (org_key, slack_id, handle, name, is_disabled)"
            " VALUES (:org, 'S0', 'g', 'G', false)"
        )
        session.execute(group, {"org": ORG})
        for person_id in (entry.id, slack.id):
            session.execute(
                text(
                    "INSERT INTO user_group_member (group_id, person_id, since) SELECT id, :p, '2026-01-26 09:00:00+00:00' FROM user_group"
                ),
                {"p": person_id},
            )
    assert read(desk, CY, after=1) == 1
    with desk.db.read() as session:
        left = session.execute(text("SELECT person_id FROM user_group_member"))
        assert left.scalars().all() == [slack.id]


@pytest.mark.parametrize(
    "flags",
    [
        {"is_guest": True},
        {"is_bot": True},
        {"is_deactivated": True},
        {"is_stranger": True},
        {"team_id": None},
        {"org_key": "T0ELSE"},
    ],
)
def test_nobody_but_an_active_full_member_is_joined(desk: Desk, flags: dict[str, Any]) -> None:
    desk.bring("people", FILE)
    fields = {
        "org_key": ORG,
        "slack_id": "U0CY",
        "team_id": ORG,
        "name": "Cy",
        "email": "cy@acme.test",
    }
    assert read(desk, PersonSeen(**(fields | flags))) == 0
    assert len(everybody(desk, "cy@acme.test")) == 2
    assert notices(desk) == []


def test_a_left_twin_does_not_hinder(desk: Desk) -> None:
    desk.bring("people", FILE)
    gone = PersonSeen(ORG, "U0OLD", ORG, "Cy", "cy@acme.test", is_deactivated=True)
    assert read(desk, gone, CY) == 1
    joined = {row.slack_id: row.country for row in everybody(desk, "cy@acme.test")}
    assert joined == {"U0OLD": None, "U0CY": "PT"}


def test_two_members_with_one_address_join_nobody_and_that_is_told_once(desk: Desk) -> None:
    desk.bring("people", FILE)
    twin = PersonSeen(ORG, "U0CY2", ORG, "Cy", "cy@acme.test")
    for hour in range(3):
        assert read(desk, CY, twin, after=hour) == 0
    assert [row.kind for row in notices(desk)] == ["people.not_joined"]
    assert "1 imported entry, 2 members with this address" in shown(desk)


def test_two_imported_rows_join_nobody(desk: Desk) -> None:
    desk.bring("people", FILE)
    with desk.db.begin() as session:
        session.add(Person(id="p_two", org_key=ORG, name="cy", email="cy@acme.test", title=""))
    assert read(desk, CY) == 0
    assert "2 imported entries, 1 member with this address" in shown(desk)


def test_who_was_joined_takes_nobody_else_over_with_another_address(desk: Desk) -> None:
    desk.bring("people", FILE)
    assert read(desk, CY) == 1
    desk.bring("people", "email,country\nboss@acme.test,gb\n")
    moved = PersonSeen(ORG, "U0CY", ORG, "Cy", "boss@acme.test")
    assert read(desk, moved, after=1) == 0
    boss, cy = everybody(desk, "boss@acme.test")
    assert (boss.slack_id, cy.slack_id) == (None, "U0CY")
    assert (boss.country, cy.country) == ("GB", "PT")
    assert "one with an earlier imported entry already" in shown(desk)


def test_who_has_acted_is_nobody_elses(desk: Desk) -> None:
    desk.bring("people", FILE)
    (entry,) = everybody(desk, "cy@acme.test")
    with desk.db.begin() as session:
        acts = Actor(entry.id, ActorKind.PERSON, "Cy", None)
        audit.record(make_context(session, actor=acts, now=NOW), "thing.done", ("thing", 1))
    assert read(desk, CY) == 0
    assert len(everybody(desk, "cy@acme.test")) == 2


def test_the_policy_can_leave_it_to_the_next_import(desk: Desk) -> None:
    desk.bring("people", FILE)
    assert read(desk, CY, text=POLICY + "people: {link_by_email: false}\n") == 0
    assert len(everybody(desk, "cy@acme.test")) == 2
    desk.bring("people", FILE)
    (cy,) = everybody(desk, "cy@acme.test")
    assert (cy.slack_id, cy.country) == ("U0CY", "PT")


def test_joining_makes_no_circle_of_managers(desk: Desk) -> None:
    desk.bring("people", "email,manager\ncy@acme.test,U0BO\nbo@acme.test,\n")
    with desk.db.begin() as session:
        people.upsert_from_slack(make_context(session, now=NOW), [CY], read_at=NOW)
    desk.bring("people", "slack_id,manager\nU0BO,U0CY\n")
    assert read(desk, CY) == 1
    (cy,) = everybody(desk, "cy@acme.test")
    (bo,) = everybody(desk, "bo@acme.test")
    assert (bo.manager_id, cy.manager_id) == (cy.id, None)


def test_many_are_joined_in_parts_and_told_in_one_message(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_identities, "MOST", 3)
    rows = "\n".join(f"n{n}@acme.test,gb" for n in range(8))
    desk.bring("people", f"email,country\n{rows}\n")
    seen = [PersonSeen(ORG, f"U0N{n}", ORG, f"N{n}", f"n{n}@acme.test") for n in range(8)]
    assert read(desk, *seen) == 8
    (row,) = notices(desk)
    assert "mlgov found 8 people in Slack" in shown(desk)
    assert row.kind == "people.joined"
    with desk.db.read() as session:
        assert ledger.verify(session) is None


def shown(desk: Desk) -> str:
    """The newest message, as the administrators read it."""
    row = notices(desk)[-1]
    scene = Scene(NOW, policy.parse(POLICY).policy)
    with desk.db.read() as session:
        if row.kind == PeopleJoined.kind:
            joined = outbox.rebuild(PeopleJoined, row.notice)
            assert isinstance(joined, PeopleJoined)
            told = messages.joined(people_identities.read_joined(session, joined), joined, scene)
        else:
            other = outbox.rebuild(PeopleNotJoined, row.notice)
            assert isinstance(other, PeopleNotJoined)
            told = messages.not_joined(
                people_identities.read_not_joined(session, other), other, scene
            )
    return str(told.blocks)


def test_a_channel_that_was_only_named_is_found_when_mlgov_is_in_it(desk: Desk) -> None:
    report = desk.bring("projects", "key,name,channel\nlane,Lane,#night-shift\n")
    assert "hasn't read yet which channels it is in" in said(report)

    def channel() -> str | None:
        with desk.db.read() as session:
            return session.execute(select(Project.channel)).scalar_one()

    def see(is_in: bool) -> None:
        with desk.db.begin() as session:
            seen = ChannelSeen("C0NIGHT", "night-shift", bot_is_member=is_in)
            people.upsert_channels(make_context(session, org=ORG, now=NOW), [seen], read_at=NOW)

    assert channel() is None
    see(is_in=False)
    assert channel() is None
    see(is_in=True)
    assert channel() == "C0NIGHT"
    assert desk.bring("projects", "key,name,channel\nlane,Lane,#night-shift\n").unchanged == 1
    with desk.db.read() as session:
        assert ledger.verify(session) is None
