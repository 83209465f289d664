"""Reading projects: by key, by name, by part; and what is said when there is none."""

from datetime import UTC, datetime

import pytest

from bot import errors
from storage.db import Database
from storage.projects.tables import Project, ProjectAccount
from tests.contexts import make_context
from workflows.context import OPERATOR, Actor, ActorKind
from workflows.errors import NotAllowed, NotFound
from workflows.people import service as people
from workflows.people.forms import PersonSeen
from workflows.projects import reads as projects

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)


@pytest.fixture
def ana(database: Database) -> Actor:
    with database.begin() as session:
        seen = PersonSeen("T0", "U0ANA", "T0", "Ana")
        ids = people.upsert_from_slack(make_context(session, now=NOW), [seen], read_at=NOW).ids
        ana = people.actor(session, ids[("T0", "U0ANA")])
        assert ana is not None
        rows = [
            Project(key=key, name=name, status="live", created_at=NOW, **parts)
            for key, name, parts in [
                ("ticket-triage", "Ticket triage", {"owner_id": ana.id, "manager_id": ana.id}),
                ("lane-vision", "Lane vision", {"sponsor_id": ana.id}),
                ("atlas", "Straße & <b>", {}),
            ]
        ]
        session.add_all(rows)
        session.flush()
        session.add(ProjectAccount(account="1234", project_id=rows[0].id))
    return ana


def test_mine_are_those_i_have_a_part_in(database: Database, ana: Actor) -> None:
    with database.read() as session:
        lane, ticket = projects.list_for(session, ana)
        assert [one.key for one in projects.list_all(session, ana)] == [
            "lane-vision",
            "atlas",
            "ticket-triage",
        ]
    assert (lane.key, ticket.key) == ("lane-vision", "ticket-triage")
    assert ticket.owner is not None
    assert (ticket.owner.slack_id, ticket.owner.name) == ("U0ANA", "Ana")
    assert ticket.sponsor is None
    assert ticket.accounts == ("1234",)


@pytest.mark.parametrize(
    "word", ["ticket-triage", "TICKET-Triage", " ticket-triage ", "Ticket Triage"]
)
def test_a_project_is_found_by_key_or_name(database: Database, ana: Actor, word: str) -> None:
    with database.read() as session:
        assert projects.get_by_key(session, word, ana).key == "ticket-triage"


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("tiket-triage", "Did you mean `ticket-triage`?"),
        ("lane visoin", "Did you mean `lane-vision`?"),
        ("zzzz", "`/mlgov status` lists yours"),
        ("x" * 5000, "There is no project"),
        ("", "There is no project"),
        ("a\x00b\ud800", "There is no project"),
    ],
)
def test_an_unknown_key_gets_the_nearest_right_one(
    database: Database, ana: Actor, word: str, words: str
) -> None:
    with database.read() as session, pytest.raises(NotFound) as refused:
        projects.get_by_key(session, word, ana)
    assert words in errors.add_hint(refused.value)
    assert len(refused.value.sentence) < 300


def test_before_the_first_import_it_says_what_to_do(database: Database) -> None:
    with database.read() as session, pytest.raises(NotFound, match="mlgov import projects"):
        projects.get_by_key(session, "x", OPERATOR)


def test_who_is_no_member_sees_none(database: Database, ana: Actor) -> None:
    guest = Actor(ana.id, ActorKind.PERSON, "Gus", is_guest=True)
    with database.read() as session:
        for read in (
            lambda: projects.list_for(session, guest),
            lambda: projects.list_all(session, guest),
            lambda: projects.get_by_key(session, "atlas", guest),
        ):
            with pytest.raises(NotAllowed):
                read()
