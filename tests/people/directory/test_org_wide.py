"""Installed on a whole Grid, mlgov has to name a workspace wherever Slack is asked what there is in one."""

from typing import Any

import pytest
from slack_sdk import WebClient
from sqlalchemy import select

from bot.doctor import Workspace
from storage.people.tables import Channel
from tests.people.directory.conftest import Opened, Place, grid, until


def everywhere() -> dict[str, Any]:
    """Two workspaces, a channel of both and one of the second alone."""
    world = grid()
    world["app"]["org_wide"] = True
    world["channels"].append(
        {
            "id": "C0TWO",
            "name": "of-the-second",
            "teams": ["T0TWO"],
            "members": ["W0TWO"],
            "app": True,
        }
    )
    return world


@pytest.fixture
def place(open_place: Opened) -> Place:
    made = open_place(everywhere())
    made.read()
    return made


def has_guests(place: Place, channel_id: str) -> bool | None:
    with place.db.read() as session:
        return session.execute(
            select(Channel.has_guests).where(
                Channel.slack_id == channel_id, Channel.refreshed_at.is_not(None)
            )
        ).scalar_one_or_none()


def test_who_becomes_a_guest_opens_their_channels_and_no_others(place: Place) -> None:
    assert has_guests(place, "C0ORG") is has_guests(place, "C0TWO") is False
    with place.hearing():
        place.world.update_user("W0BOTH", is_restricted=True)
        until(lambda: has_guests(place, "C0ORG") is True)
    assert has_guests(place, "C0TWO") is False


def test_doctor_sees_the_channels_of_every_workspace(place: Place) -> None:
    slack = WebClient(
        token=place.sandbox.bot_token, base_url=place.sandbox.api_url, retry_handlers=[]
    )
    slack.proxy = None
    assert Workspace(slack, place.team).own_channels() == {
        "C0ORG": "org-shared",
        "C0TWO": "of-the-second",
    }
