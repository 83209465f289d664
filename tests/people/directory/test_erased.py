"""An erased person, and everything by which Slack tells of them: readings, events, clicks."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.slack.directory import CannotVerify
from storage.people.tables import Person
from tests.contexts import make_context
from tests.people.directory.conftest import FAY, FRED, Place, until
from tests.people.test_erasure import everything
from workflows import clock
from workflows.context import OPERATOR
from workflows.people import service as people
from workflows.people.erasure import ErasureKeyMissing

pytestmark = pytest.mark.slow
ORG = "T0ACME"
AGE = timedelta(seconds=60)


def erase(place: Place, slack_id: str) -> str:
    """Erase somebody, as an operator does; their opaque id."""
    with place.db.begin() as session:
        found = people.find_by_slack_id(session, ORG, slack_id)
        assert found is not None
        people.erase(make_context(session, actor=OPERATOR, now=clock.now(session)), found.id)
    return found.id


def is_known(place: Place, slack_id: str) -> bool:
    with place.db.read() as session:
        return people.find_by_slack_id(session, ORG, slack_id) is not None


def leave(place: Place, slack_id: str, *, has_left: bool = True) -> None:
    place.world.update_user(slack_id, deleted=has_left)


def click(place: Place, slack_id: str):
    return place.directory.actor(slack_id, team_id=ORG, enterprise_id=None)


def test_a_leaver_stays_away_whatever_slack_tells(acme: Place) -> None:
    with acme.hearing():
        leave(acme, FAY)
        erased_id = erase(acme, FAY)
        acme.read()
        acme.world.set_usergroup_members("S0FIN", [FRED, FAY])
        acme.world.update_user(FAY, real_name="Fay Again")
        acme.read()
        until(lambda: acme.asked("usergroups.users.list") > 1)
        actor = click(acme, FAY)
        assert actor.id == erased_id
        assert not actor.is_member
        with pytest.raises(CannotVerify):
            acme.directory.confirm(FAY, ["@finance"], max_age=AGE)
    with acme.db.read() as session:
        text = everything(session)
    assert FAY not in text
    assert "Fay" not in text


def test_who_clicks_and_is_active_is_who_they_were(acme: Place) -> None:
    erased_id = erase(acme, FAY)
    actor = click(acme, FAY)
    assert (actor.id, actor.name, actor.is_member) == (erased_id, "Fay", True)
    # The groups were read without her: they are asked again before she decides by one.
    assert acme.directory.confirm(FAY, ["@finance"], max_age=AGE).id == erased_id
    with acme.db.read() as session:
        eligible = people.resolve_approvers(session, ["@finance"], ORG, {}, roles={})
    assert erased_id in eligible


def test_an_event_asks_slack_before_it_brings_anybody_back(acme: Place) -> None:
    with acme.hearing():
        leave(acme, FAY)
        until(lambda: is_deactivated(acme, FAY))
        erased_id = erase(acme, FAY)
        leave(acme, FAY, has_left=False)
        until(lambda: is_known(acme, FAY))
    assert click(acme, FAY).id == erased_id


def is_deactivated(place: Place, slack_id: str) -> bool:
    with place.db.read() as session:
        return bool(
            session.execute(
                select(Person.is_deactivated).where(Person.slack_id == slack_id)
            ).scalar_one_or_none()
        )


def test_a_reading_without_the_key_writes_nothing(
    acme: Place, caplog: pytest.LogCaptureFixture
) -> None:
    erase(acme, FAY)
    acme.db.keep_erasure_key(None)
    with pytest.raises(CannotVerify):
        click(acme, FAY)
    with pytest.raises(CannotVerify):
        acme.directory.confirm(FAY, ["@finance"], max_age=AGE)
    assert "1 person was erased from this database under a key" in caplog.text
    with pytest.raises(ErasureKeyMissing):
        acme.read()
    assert not is_known(acme, FAY)
