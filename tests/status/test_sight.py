"""Nothing in anybody's Home or status is outside what they may see: random organisations, and a second opinion."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.status import messages, windows
from storage.db import Database
from storage.people.tables import Person
from storage.projects.tables import Project
from tests.approvals.conftest import ORG, START
from tests.conftest import fresh_url
from tests.contexts import make_context
from workflows import policy, status
from workflows.errors import NotAllowed, NotFound
from workflows.people import service as people

MOST_PEOPLE, MOST_PROJECTS = 6, 8
part = st.none() | st.integers(0, MOST_PEOPLE - 1)
organisations = st.fixed_dictionaries(
    {
        "managers": st.lists(part, min_size=MOST_PEOPLE, max_size=MOST_PEOPLE),
        "projects": st.lists(st.tuples(part, part, part), max_size=MOST_PROJECTS),
        "leaders": st.sets(st.integers(0, MOST_PEOPLE - 1), max_size=2),
        "guests": st.sets(st.integers(0, MOST_PEOPLE - 1), max_size=2),
    }
)
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One database for all examples: what earlier ones left is out of everybody's sight too."""
    path: Path = tmp_path_factory.mktemp("sight")
    database = Database(fresh_url(request.param, request, path))
    yield database
    database.close()


def in_sight(org: dict, who: int) -> set[int]:
    """Who sees what, worked out by hand."""
    below = {who}
    while True:
        more = {
            person for person, manager in enumerate(org["managers"]) if manager in below
        } - below
        if not more:
            break
        below |= more
    return {place for place, parts in enumerate(org["projects"]) if below & set(parts)}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(org=organisations)
@pytest.mark.slow
def test_nobody_sees_more_than_they_may(shared: Database, org: dict) -> None:
    run = next(_numbers)
    slack = [f"U{run}X{who}" for who in range(MOST_PEOPLE)]
    ids = [f"p-{run}-{who}" for who in range(MOST_PEOPLE)]
    names = [f"Plan{run}q{place}z" for place in range(len(org["projects"]))]
    leaders = ", ".join(slack[who] for who in sorted(org["leaders"])) or "UNOBODY"
    rules = policy.parse(
        f"version: 1\norganisation: {{name: Acme}}\nroles: {{leader: [{leaders}]}}\n"
    ).policy
    with shared.begin() as session:
        session.add_all(
            Person(
                id=ids[who],
                org_key=ORG,
                slack_id=slack[who],
                team_id=ORG,
                name=f"Person {who}",
                is_guest=who in org["guests"],
            )
            for who in range(MOST_PEOPLE)
        )
        session.flush()
        for who, manager in enumerate(org["managers"]):
            if manager is not None:
                session.get_one(Person, ids[who]).manager_id = ids[manager]
        for place, parts in enumerate(org["projects"]):
            owner, sponsor, manager = (None if one is None else ids[one] for one in parts)
            session.add(
                Project(
                    key=f"k{run}-{place}",
                    name=names[place],
                    owner_id=owner,
                    sponsor_id=sponsor,
                    manager_id=manager,
                    status="live",
                    created_at=START,
                )
            )
    with shared.read() as session:
        for who in range(MOST_PEOPLE):
            actor = people.actor(session, ids[who])
            assert actor is not None
            if who in org["guests"]:
                with pytest.raises(NotAllowed, match="guest"):
                    status.load_home(
                        make_context(session, actor=actor, policy=rules, org=ORG, now=START)
                    )
                with pytest.raises(NotAllowed, match="guest"):
                    status.load_project(
                        make_context(session, actor=actor, policy=rules, now=START), f"k{run}-0"
                    )
                continue
            shown = str(
                windows.home(
                    status.load_home(
                        make_context(session, actor=actor, policy=rules, org=ORG, now=START)
                    )
                )
            )
            number = 0
            while True:
                found = status.load_portfolio(
                    make_context(session, actor=actor, policy=rules, org=ORG, now=START),
                    number=number,
                    everything=True,
                )
                shown += str(messages.portfolio(found).blocks)
                number += 1
                if not found.lines.has_next or number > 50:
                    break
            leads = who in org["leaders"]
            allowed = set(range(len(names))) if leads else in_sight(org, who)
            for place, name in enumerate(names):
                if place not in allowed:
                    assert name not in shown
                    with pytest.raises(NotFound):
                        status.load_project(
                            make_context(session, actor=actor, policy=rules, now=START),
                            f"k{run}-{place}",
                        )
                elif not leads:
                    assert name in shown
                    status.load_project(
                        make_context(session, actor=actor, policy=rules, now=START), name
                    )
            if not leads:
                assert all(f"Plan{before}q" not in shown for before in range(run))
