"""On a Grid whoever was in a workspace before it joined has two Slack ids: whichever Slack uses, it is one person."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.people.lookup import JoinedGrid
from sandbox.org import Enterprise
from storage.people import identities, queries
from storage.people.tables import Person, SlackAlias, UserGroupMember
from tests.contexts import make_context
from tests.people.directory.conftest import FAY, FRED, OLA, Opened, Place, one_workspace, until

ACME = Enterprise("E0ACME", "Acme", "acme")
GLOBAL = {OLA: "W0OLA", FAY: "W0FAY", FRED: "W0FRED"}
NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)


def joined() -> dict[str, Any]:
    """The workspace after it joined a Grid: Ola, Fay and Fred were there before."""
    world = one_workspace()
    world["enterprise"] = {"id": ACME.id, "name": ACME.name, "domain": ACME.domain}
    for user in world["users"]:
        if user["id"] in GLOBAL:
            user["global_id"] = GLOBAL[user["id"]]
    return world


@pytest.fixture
def grid(open_place: Opened) -> Place:
    """Read with the translation layer on, as Slack has it for an app that was there before."""
    place = open_place(joined())
    place.read()
    return place


def who(place: Place, slack_id: str) -> str:
    return place.directory.actor(slack_id, team_id="T0ACME", enterprise_id="E0ACME").id


def people(place: Place) -> int:
    with place.db.read() as session:
        return session.execute(
            select(func.count()).select_from(Person).where(Person.org_key == "E0ACME")
        ).scalar_one()


def names_of(place: Place, person_id: str) -> set[str]:
    with place.db.read() as session:
        return identities.list_slack_ids(session, person_id)


def test_either_id_is_the_same_person(grid: Place) -> None:
    count = people(grid)
    for own, shared in GLOBAL.items():
        assert who(grid, own) == who(grid, shared)
    assert people(grid) == count
    assert names_of(grid, who(grid, OLA)) == {OLA, "W0OLA"}


def test_the_mirror_asks_slack_no_more_for_the_second_id(grid: Place) -> None:
    asked = grid.asked("users.info")
    assert who(grid, "W0OLA") == who(grid, OLA)
    assert grid.asked("users.info") == asked


def test_when_the_translation_layer_is_turned_off_everybody_stays_who_they_are(grid: Place) -> None:
    before = {own: who(grid, own) for own in GLOBAL}
    with grid.db.read() as session:
        members = set(session.execute(select(UserGroupMember.person_id)).scalars())
    grid.world.app.translates_ids = False
    grid.read()
    for own, shared in GLOBAL.items():
        assert who(grid, shared) == before[own] == who(grid, own)
    with grid.db.read() as session:
        assert members == set(session.execute(select(UserGroupMember.person_id)).scalars())
        row = queries.find_by_slack_id(session, "E0ACME", OLA)
        assert row is not None
        # Slack is called by the id that it uses itself.
        assert row.slack_id == "W0OLA"


def test_a_group_that_names_the_other_id_holds_the_same_person(grid: Place) -> None:
    fay = who(grid, FAY)
    with grid.db.begin() as session:
        from workflows.people import service

        changes = service.change_members(
            make_context(session, org="E0ACME", now=NOW),
            "S0FIN",
            added=["W0OLA", "W0FAY"],
            removed=[],
        )
    assert [change.added for change in changes] == [(who(grid, OLA),)]
    assert who(grid, "W0FAY") == fay


def test_an_event_with_the_other_id_changes_who_it_is_about(grid: Place) -> None:
    fay = who(grid, FAY)
    grid.world.app.translates_ids = False
    with grid.hearing():
        grid.world.update_user(FAY, title="Controller")
        until(lambda: title(grid, fay) == "Controller")
    assert names_of(grid, fay) == {FAY, "W0FAY"}


def title(place: Place, person_id: str) -> str:
    with place.db.read() as session:
        row = queries.find_person(session, person_id)
        return row.title if row is not None else ""


def test_a_workspace_that_joins_while_mlgov_runs_makes_nobody_anew(acme: Place) -> None:
    before = who(acme, OLA)
    acme.world.join_grid(ACME, GLOBAL, translates_ids=False)
    with pytest.raises(JoinedGrid, match="has joined the Enterprise Grid E0ACME"):
        who(acme, "W0OLA")
    with pytest.raises(JoinedGrid):
        acme.read()
    with acme.hearing():
        acme.world.update_user(OLA, title="Owner")
        assert acme.sandbox.wait_idle()
    with acme.db.read() as session:
        assert queries.find_by_slack_id(session, "T0ACME", "W0OLA") is None
    assert who(acme, OLA) == before


def test_an_old_event_does_not_change_by_which_id_slack_is_called(grid: Place) -> None:
    """Only an answer of Slack's does."""
    grid.world.app.translates_ids = False
    with grid.hearing():
        grid.world.update_user(OLA, title="Owner")
        until(lambda: title(grid, who(grid, OLA)) == "Owner")
    with grid.db.read() as session:
        row = queries.find_by_slack_id(session, "E0ACME", OLA)
        assert row is not None
        assert row.slack_id == OLA


def test_a_place_that_a_group_made_becomes_the_person_whom_slack_describes(
    open_place: Opened,
) -> None:
    """A group can name somebody by an id of which nothing is known yet."""
    place = open_place(joined())
    place.world.app.translates_ids = False
    place.directory.reader._refresher.refresh_groups()
    place.world.app.translates_ids = True
    with place.db.begin() as session:
        queries.insert_people(
            session,
            [
                {
                    "id": "p_fay",
                    "org_key": "E0ACME",
                    "slack_id": FAY,
                    "team_id": "T0ACME",
                    "name": "Fay",
                    "title": "",
                    "is_bot": False,
                    "is_guest": False,
                    "is_stranger": False,
                    "is_deactivated": False,
                }
            ],
        )
    place.read()
    assert who(place, FAY) == who(place, "W0FAY") == "p_fay"
    with place.db.read() as session:
        assert "p_fay" in session.execute(select(UserGroupMember.person_id)).scalars()
        assert not session.execute(
            select(SlackAlias)
            .join(Person, Person.id == SlackAlias.person_id)
            .where(Person.slack_id == SlackAlias.slack_id)
        ).first()
