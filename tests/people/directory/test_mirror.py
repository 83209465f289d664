"""Keeping the mirror: everything at start, events afterwards, and who reads a channel."""

import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest

from sandbox.faults import RateLimits
from sandbox.org import User, UserGroup
from storage.people import queries
from storage.people.tables import Person
from tests.people.directory.conftest import (
    FAY,
    FRED,
    GUS,
    OLA,
    SAM,
    Opened,
    Place,
    grid,
    one_workspace,
    until,
)
from workflows.context import Context
from workflows.people import service as people
from workflows.people.records import GroupChange

pytestmark = pytest.mark.slow


def closed(place: Place, channel_id: str) -> bool:
    with place.db.read() as session:
        return place.directory.audience_is_closed(session, channel_id)


def members(place: Place, rule: str) -> set[str]:
    with place.db.read() as session:
        found = people.resolve_approvers(session, [rule], place.team.org_key, {}, roles={})
    return {one.slack_id for one in found.values()}


def test_everything_is_mirrored_page_by_page(
    open_place: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.people.lookup.PAGE", 2)
    place = open_place(one_workspace())
    place.read()
    assert place.asked("users.list") >= 3
    assert place.asked("users.conversations") == 2
    assert members(place, "@finance") == {FAY, FRED}
    with place.db.read() as session:
        ola = people.find_by_slack_id(session, "T0ACME", OLA)
        assert ola is not None
        assert ola.email == "ola@acme.test"
        assert people.find_by_email(session, "T0ACME", "OLA@acme.TEST") == ola


def test_groups_are_written_in_parts_and_their_handles_at_once(
    open_place: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.people.mirror.MOST_MEMBERS", 2)
    writes: list[tuple[set[str], int]] = []

    def watch(ctx: Context, changes: Sequence[GroupChange]) -> None:
        having = queries.list_having(ctx.session, "T0ACME", ["finance"])
        writes.append(({group_id for _, group_id in having}, len(changes)))

    office = one_workspace()
    office["usergroups"].append(
        {"id": "S0OPS", "handle": "ops", "users": [OLA, FAY], "team": "T0ACME"}
    )
    place = open_place(office, watch=watch)
    place.read()
    assert writes == [({"S0FIN"}, 0)] * 3, "whoever is there at first is no news"
    assert members(place, "@finance") == {FAY, FRED}
    assert members(place, "@ops") == {OLA, FAY}
    writes.clear()
    place.world.update_usergroup("S0FIN", handle="money")
    place.world.update_usergroup("S0OPS", handle="finance")
    place.world.set_usergroup_members("S0OPS", [OLA])
    place.read()
    assert writes == [({"S0OPS"}, 0), ({"S0OPS"}, 0), ({"S0OPS"}, 1)]
    assert members(place, "@finance") == {OLA}


def test_refreshing_again_changes_no_identity(acme: Place) -> None:
    before = acme.directory.actor(OLA, team_id="T0ACME", enterprise_id=None)
    acme.world.update_user(OLA, real_name="Ola Nord")
    acme.read()
    after = acme.directory.actor(OLA, team_id="T0ACME", enterprise_id=None)
    assert after.id == before.id
    assert after.name == "Ola Nord"


def test_only_members_read_a_closed_channel(acme: Place) -> None:
    assert closed(acme, "C0GOV")
    assert not closed(acme, "C0GUEST")
    assert not closed(acme, "C0SHARED")
    assert not closed(acme, "C0ALONE")
    assert not closed(acme, "C0NOWHERE")


def test_a_channel_that_two_workspaces_of_a_grid_share_is_closed(open_place: Opened) -> None:
    place = open_place(grid())
    place.read()
    assert closed(place, "C0ORG")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_outside_a_transaction_slack_is_asked_about_a_channel(open_place: Opened) -> None:
    place = open_place(one_workspace())
    assert not closed(place, "C0GOV")
    assert place.directory.audience_is_closed(None, "C0GOV")
    assert closed(place, "C0GOV")
    assert not place.directory.audience_is_closed(None, "C0GUEST")
    assert not place.directory.audience_is_closed(None, "C0NOWHERE")
    place.sandbox.faults.slow("conversations.info", seconds=2)
    assert place.directory.audience_is_closed(None, "C0GOV")
    assert not place.directory.audience_is_closed(None, "C0SHARED")


def test_what_was_read_long_ago_is_not_closed(acme: Place) -> None:
    with acme.db.read() as session:
        told = people.audience_is_closed(
            session, "T0ACME", "C0GOV", real_now=acme.sandbox.clock.now() + timedelta(hours=3)
        )
    assert told is None


def test_channels_are_found_by_name_and_id(acme: Place) -> None:
    for name in ("#ml-governance", "ml-governance", "C0GOV"):
        assert acme.directory.channel_id(name) == "C0GOV"
    assert acme.directory.channel_id("#nowhere") is None


@pytest.mark.parametrize("part", ["users.list", "usergroups.list", "users.conversations"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_part_that_fails_leaves_the_others_alone(
    open_place: Opened, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = open_place(one_workspace())
    place.sandbox.faults.refuse(part, error="missing_scope")
    with caplog.at_level(logging.WARNING):
        place.read()
    assert "missing_scope" in caplog.text
    found = place.directory.actor(OLA, team_id="T0ACME", enterprise_id=None)
    assert found.is_member
    assert closed(place, "C0GOV") == (part != "users.conversations")
    described = {"users.list": {FAY}, "usergroups.list": set()}
    assert members(place, "S0FIN") == described.get(part, {FAY, FRED})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_refresh_waits_out_rate_limits(open_place: Opened) -> None:
    place = open_place(one_workspace(), RateLimits(scale=0.01))
    place.sandbox.faults.rate_limit("users.list", retry_after=1, count=1)
    place.read()
    assert members(place, "@finance") == {FAY, FRED}


# --- events


def test_somebody_who_leaves_or_changes_is_followed(acme: Place) -> None:
    with acme.hearing():
        acme.world.update_user(FAY, deleted=True)
        until(lambda: members(acme, "@finance") == {FRED})
        acme.world.update_user(OLA, real_name="Ola Nord")
        until(
            lambda: (
                acme.directory.actor(OLA, team_id="T0ACME", enterprise_id=None).name == "Ola Nord"
            )
        )


def test_an_event_is_never_fresh_enough_to_decide_by(acme: Place) -> None:
    """Events can come late and out of order: what they say has to be asked again before a decision."""
    acme.directory.handle_event(
        {
            "type": "subteam_members_changed",
            "subteam_id": "S0FIN",
            "added_users": [OLA],
            "removed_users": [],
        }
    )
    acme.directory.confirm(OLA, ["@finance"], max_age=timedelta(hours=1))
    assert members(acme, "@finance") == {FAY, FRED}


def test_a_stale_event_brings_nobody_back(acme: Place) -> None:
    acme.world.update_user(FAY, deleted=True)
    acme.read()
    acme.directory.handle_event(
        {
            "type": "user_change",
            "user": {"id": FAY, "team_id": "T0ACME", "name": "fay", "profile": {}},
        }
    )
    actor = acme.directory.confirm(FAY, [], max_age=timedelta(hours=1))
    assert actor.is_deactivated


def test_members_of_a_group_are_followed(acme: Place) -> None:
    with acme.hearing():
        acme.world.set_usergroup_members("S0FIN", [OLA])
        until(lambda: members(acme, "@finance") == {OLA})
        acme.world.add_usergroup(UserGroup("S0NEW", "T0ACME", "risk", "Risk", user_ids=[FRED]))
        until(lambda: members(acme, "@risk") == {FRED})
        acme.world.update_usergroup("S0NEW", date_delete=1)
        until(lambda: members(acme, "@risk") == set())


def test_a_guest_who_joins_opens_a_channel_and_leaving_closes_it(acme: Place) -> None:
    with acme.hearing():
        acme.world.join("C0GOV", GUS)
        until(lambda: not closed(acme, "C0GOV"))
        acme.world.leave("C0GOV", GUS)
        until(lambda: closed(acme, "C0GOV"))


def test_a_member_who_becomes_a_guest_opens_their_channels(acme: Place) -> None:
    with acme.hearing():
        acme.world.update_user(FAY, is_restricted=True)
        until(lambda: not closed(acme, "C0GOV"))
        assert acme.directory.actor(FAY, team_id="T0ACME", enterprise_id=None).is_guest


def test_the_bot_learns_of_a_channel_it_is_invited_to(acme: Place) -> None:
    with acme.hearing():
        acme.world.join("C0ALONE", "U0BOT")
        until(lambda: closed(acme, "C0ALONE"))


def test_events_about_strangers_we_never_met_write_nothing(acme: Place) -> None:
    acme.directory.handle_event(
        {
            "type": "user_change",
            "user": {"id": "U0FAR", "team_id": "T0FAR", "profile": {}, "is_stranger": True},
        }
    )
    with acme.db.read() as session:
        assert session.query(Person).filter_by(slack_id="U0FAR").count() == 0
    assert acme.directory.actor(SAM, team_id="T0ELSE", enterprise_id=None).is_stranger


@pytest.mark.parametrize(
    "event",
    [
        {"type": "user_change"},
        {"type": "user_change", "user": "U0OLA"},
        {"type": "subteam_updated", "subteam": None},
        {"type": "subteam_members_changed", "subteam_id": "S0NOWHERE", "added_users": ["U0OLA"]},
        {"type": "member_joined_channel", "channel": "C0NOWHERE", "user": "U0NOBODY"},
        {"type": "something_else"},
        {},
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_odd_events_break_nothing(acme: Place, event: dict[str, object]) -> None:
    acme.directory.handle_event(event)
    assert closed(acme, "C0GOV")


def test_a_newcomer_is_mirrored(acme: Place) -> None:
    acme.world.add_user(User("U0NEW", "T0ACME", "nia", "Nia"))
    acme.directory.handle_event(
        {
            "type": "team_join",
            "user": {
                "id": "U0NEW",
                "team_id": "T0ACME",
                "name": "nia",
                "profile": {"real_name": "Nia"},
            },
        }
    )
    with acme.db.read() as session:
        nia = people.find_by_slack_id(session, "T0ACME", "U0NEW")
    assert nia is not None
    assert nia.name == "Nia"
