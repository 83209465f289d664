"""Who acts, by the signed payload, the mirror and Slack's own answer."""

import time

import pytest

from bot.slack.directory import CannotVerify
from sandbox.org import User
from tests.people.directory.conftest import (
    BEN,
    FAY,
    GUS,
    OLA,
    SAM,
    Opened,
    Place,
    grid,
    one_workspace,
)
from workflows import permissions
from workflows.errors import NotAllowed
from workflows.people import service as people

pytestmark = pytest.mark.slow


def who(place: Place, user_id: str, team: str | None = "T0ACME"):
    return place.directory.actor(user_id, team_id=team, enterprise_id=None)


def test_a_member_is_known_from_the_mirror_without_asking(acme: Place) -> None:
    acme.sandbox.inspector.clear()
    ola, again = who(acme, OLA), who(acme, OLA)
    assert ola == again
    assert ola.is_member
    assert (ola.name, ola.slack_id) == ("Ola", OLA)
    assert ola.id.startswith("p_")
    assert OLA.casefold() not in ola.id
    assert who(acme, FAY).tz == "Asia/Tokyo"
    assert acme.sandbox.inspector.since() == []


@pytest.mark.parametrize(
    ("user_id", "team", "why"),
    [
        (GUS, "T0ACME", "guest"),
        (BEN, "T0ACME", "deactivated"),
        (SAM, "T0ELSE", "stranger"),
        ("U0BOT", "T0ACME", "bot"),
    ],
)
def test_who_is_no_member_is_told_apart(acme: Place, user_id: str, team: str, why: str) -> None:
    actor = who(acme, user_id, team)
    assert not actor.is_member
    with pytest.raises(NotAllowed) as refused:
        permissions.require_member(actor, "test")
    assert refused.value.audit is not None
    assert refused.value.audit.facts == {"why": why}


def test_a_stranger_stays_one_person_and_is_asked_about_once(acme: Place) -> None:
    first = who(acme, SAM, "T0ELSE")
    acme.sandbox.inspector.clear()
    assert who(acme, SAM, "T0ELSE") == first
    assert acme.asked("users.info") == 0


def test_a_stranger_with_the_id_of_a_member_is_not_that_member(acme: Place) -> None:
    ola, other = who(acme, OLA), who(acme, OLA, "T0ELSE")
    assert other.is_stranger
    assert other.id != ola.id
    assert who(acme, OLA) == ola


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_stranger_is_refused_even_when_slack_is_silent(open_place: Opened) -> None:
    place = open_place(one_workspace())
    place.sandbox.faults.rate_limit("users.info")
    assert who(place, SAM, "T0ELSE").is_stranger


def test_a_newcomer_is_asked_about_on_their_first_click(acme: Place) -> None:
    acme.world.add_user(User("U0NEW", "T0ACME", "nia", "Nia"))
    assert who(acme, "U0NEW").name == "Nia"
    acme.sandbox.inspector.clear()
    assert who(acme, "U0NEW").is_member
    assert acme.asked("users.info") == 0


@pytest.mark.parametrize("how", ["limited", "slow", "broken"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_cannot_be_asked_about_is_not_waved_through(
    acme: Place, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.directory.PATIENCE", 0.4)
    faults = acme.sandbox.faults
    acme.world.add_user(User("U0NEW", "T0ACME", "nia", "Nia"))
    if how == "limited":
        faults.rate_limit("users.info", retry_after=30)
    elif how == "slow":
        faults.slow("users.info", seconds=2.5)
    elif how == "broken":
        faults.fail_before("users.info")
    began = time.monotonic()
    with pytest.raises(CannotVerify, match="try again in a minute"):
        who(acme, "U0NEW")
    assert time.monotonic() - began < 2.2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whom_slack_does_not_know_is_nobody(acme: Place) -> None:
    with pytest.raises(NotAllowed, match="Slack doesn't know your account"):
        who(acme, "U0NOBODY")
    with acme.db.read() as session:
        assert people.find_by_slack_id(session, "T0ACME", "U0NOBODY") is None


def test_without_a_mirror_people_are_met_one_by_one(open_place: Opened) -> None:
    place = open_place(one_workspace())
    assert who(place, OLA).is_member
    assert who(place, GUS).is_guest
    assert who(place, BEN).is_deactivated
    assert who(place, SAM, None).is_stranger


def test_on_a_grid_a_person_is_the_same_in_every_workspace(open_place: Opened) -> None:
    place = open_place(grid())
    place.read()
    one = place.directory.actor("W0BOTH", team_id="T0ONE", enterprise_id="E0ACME")
    two = place.directory.actor("W0BOTH", team_id="T0TWO", enterprise_id="E0ACME")
    assert one.id == two.id
    assert one.is_member
    assert two.is_member


def test_on_a_grid_a_person_of_another_workspace_is_one_of_ours(open_place: Opened) -> None:
    place = open_place(grid())
    actor = place.directory.actor("W0TWO", team_id="T0TWO", enterprise_id="E0ACME")
    assert actor.is_member


def test_on_a_grid_our_enterprise_in_the_payload_makes_nobody_one_of_ours(
    open_place: Opened,
) -> None:
    place = open_place(grid())
    place.read()
    for _ in range(2):
        actor = place.directory.actor(SAM, team_id="T0ELSE", enterprise_id="E0ACME")
        assert actor.is_stranger
    stolen = place.directory.actor("W0BOTH", team_id="T0ELSE", enterprise_id="E0ACME")
    assert stolen.is_stranger


def test_a_name_that_wants_to_be_more_than_a_name_is_kept_as_text(acme: Place) -> None:
    name = "<!channel> & \u202eevil\u0000\ud800 😀 " + "x" * 5000
    acme.world.update_user(OLA, real_name=name.replace("\ud800", ""))
    acme.read()
    kept = who(acme, OLA).name
    assert kept.startswith("<!channel> & evil")
    assert "\u0000" not in kept
    assert len(kept) <= 200
