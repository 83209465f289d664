"""A message shortcut from the message to the bot and back, over signed HTTP and Socket Mode."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import installed
from bot.slack import blocks
from bot.slack.replies import Open, Private, Reply
from bot.slack.requests import Shortcut
from tests.stories.office import GUS, OLA, SAM, TIM, Office, opened
from workflows.errors import GovernanceError


def offering(*callback_ids: str) -> dict[str, Any]:
    """The manifest with these shortcuts besides its own."""
    data = installed.load_manifest()
    own = data["features"].get("shortcuts", [])
    more = [
        {"name": one, "type": "message", "callback_id": one, "description": "a test's"}
        for one in callback_ids
    ]
    data["features"]["shortcuts"] = [*own, *more]
    return data


@pytest.fixture(params=["http", "socket"])
def office(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path
) -> Iterator[Office]:
    """An office whose bot answers shortcuts that only this test registers."""
    offered = offering("test.open", "test.refuse", "test.say", "test.gone")
    with opened(
        f"sqlite:///{tmp_path / 'shortcuts.db'}", tmp_path, over=request.param, app_manifest=offered
    ) as running:
        yield running


def test_a_shortcut_is_answered_with_a_modal_or_in_private(office: Office) -> None:
    heard: list[Shortcut] = []
    router = office.bot.edge.router

    def open_(used: Shortcut) -> Reply:
        heard.append(used)
        said = blocks.section(blocks.escape(used.text))
        return Open(blocks.modal("Kept", [said], callback_id="test.modal"))

    def refuse(used: Shortcut) -> Reply:
        raise GovernanceError("That message promises nothing; use it on one that does.")

    router.shortcut("test.open", open_)
    router.shortcut("test.refuse", refuse)
    router.shortcut("test.say", lambda used: Private(f"{used.actor.name} keeps it."))
    with pytest.raises(ValueError, match="twice"):
        router.shortcut("test.open", open_)

    ola, tim = office.sandbox.seat(OLA), office.sandbox.seat(TIM)
    said = tim.say("C0TRIAGE", "The report is done by <Friday>")
    assert ola.shortcut("test.open", "C0TRIAGE", said.ts).ok
    (used,) = heard
    assert (used.actor.slack_id, used.author) == (OLA, TIM)
    assert (used.channel, used.ts, used.text) == ("C0TRIAGE", said.ts, said.text)
    (modal,) = ola.modals()
    assert modal.body["title"]["text"] == "Kept"

    assert ola.shortcut("test.refuse", "C0TRIAGE", said.ts).ok
    office.private(ola, "That message promises nothing")
    assert ola.shortcut("test.say", "C0TRIAGE", said.ts).ok
    office.private(ola, "Ola keeps it.")
    assert ola.shortcut("test.gone", "C0TRIAGE", said.ts).ok
    office.private(ola, "no longer has that shortcut")


def test_guests_and_strangers_are_refused_in_private(office: Office) -> None:
    office.bot.edge.router.shortcut("test.say", lambda used: Private("never"))
    said = office.sandbox.seat(TIM).say("C0SHARED", "by Friday")
    for who, words in ((GUS, "You are a guest"), (SAM, "another organisation")):
        seat = office.sandbox.seat(who)
        assert seat.shortcut("test.say", "C0SHARED", said.ts).ok
        office.private(seat, words)
