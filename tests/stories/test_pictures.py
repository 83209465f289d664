"""Pictures in windows and private answers: the words at once, the picture when Slack has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.charts.drawing import Picture
from bot.slack import blocks
from bot.slack.replies import Private, Reply, Show
from bot.slack.requests import Click, Command, Router
from tests.delivery.workplace import picture_of
from tests.stories.office import OLA, TIM, Office, eventually, opened
from tests.stories.test_road import over_budget


@pytest.fixture
def office(sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    """An office over signed HTTP."""
    with opened(f"sqlite:///{tmp_path / 'pictures.db'}", tmp_path) as running:
        yield running


def answer(word: str) -> Private:
    """A private answer with a picture of a word."""
    shown: Picture = picture_of(word)
    return Private(f"About {word}.", [blocks.section(f"*{word}*"), shown.block()], (shown,))


def kinds(shown: list[dict[str, Any]]) -> list[str]:
    """The types of blocks."""
    return [block["type"] for block in shown]


def is_shown(office: Office, shown: list[dict[str, Any]]) -> bool:
    """Whether a picture that Slack can show stands among the blocks."""
    files = office.sandbox.world.files
    return any(one["type"] == "image" and files.shows(one["slack_file"]) for one in shown)


def break_down(office: Office) -> None:
    """Tim opens the window of the alert."""
    tim = office.sandbox.seat(TIM)
    alert = office.last(tim, "C0TRIAGE")
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.break_down")


def test_the_window_opens_with_words_and_gets_its_picture(office: Office) -> None:
    office.sandbox.faults.file_lag = 0.3
    over_budget(office)
    break_down(office)
    tim = office.sandbox.seat(TIM)
    (window,) = tim.modals()
    assert kinds(window.blocks)[:3] == ["section", "context", "context"]
    assert "used 90 % of January's budget by Tue 20 Jan" in str(window.blocks[2])
    eventually(lambda: is_shown(office, tim.modals()[0].blocks), "the picture came")
    shown = tim.modals()[0].blocks[2]
    assert shown["title"]["text"].endswith("used 90 % of January's budget by Tue 20 Jan")
    assert "Tue 20 Jan 900 EUR" in shown["alt_text"]
    # The next time it is there at once.
    tim.close(tim.modals()[0].id)
    break_down(office)
    assert is_shown(office, tim.modals()[0].blocks)
    # Deleted by somebody: the window opens all the same, and the picture comes again.
    office.sandbox.world.files.delete_all()
    tim.close(tim.modals()[0].id)
    break_down(office)
    assert "image" not in kinds(tim.modals()[0].blocks)
    eventually(lambda: is_shown(office, tim.modals()[0].blocks), "the picture came anew", 10)


def test_without_the_scope_the_window_says_it_in_words(office: Office) -> None:
    office.sandbox.faults.withhold_scope("files:write")
    over_budget(office)
    break_down(office)
    (window,) = office.sandbox.seat(TIM).modals()
    assert "used 90 % of January's budget" in str(window.blocks[2])
    assert "image" not in kinds(window.blocks)


def asking(router: Router) -> None:
    """Words that only these tests know."""

    def draw(command: Command) -> Reply:
        return answer(command.words[0])

    router.word("draw", "draw WORD", "for tests", draw)


def test_a_command_is_answered_at_once_and_its_picture_follows(office: Office) -> None:
    asking(office.bot.edge.router)
    ola = office.sandbox.seat(OLA)
    assert "About tea." in str(ola.slash("/mlgov", "draw tea", "C0TRIAGE").body)
    eventually(lambda: len(ola.ephemerals("C0TRIAGE")) == 2, "the picture follows")
    words, picture = ola.ephemerals("C0TRIAGE")
    assert kinds(words.blocks) == ["section"]
    assert is_shown(office, picture.blocks)
    assert picture.text == "It is tea"


def test_a_picture_that_fails_is_said_in_words(office: Office) -> None:
    asking(office.bot.edge.router)
    office.sandbox.faults.fail_before("upload")
    ola = office.sandbox.seat(OLA)
    ola.slash("/mlgov", "draw tea", "C0TRIAGE")
    eventually(lambda: len(ola.ephemerals("C0TRIAGE")) == 2, "its words follow")
    _, instead = ola.ephemerals("C0TRIAGE")
    assert kinds(instead.blocks) == ["context"]
    assert "The title is tea" in str(instead.blocks)


def test_in_a_direct_message_the_picture_joins_its_words(office: Office) -> None:
    asking(office.bot.edge.router)
    ola = office.sandbox.seat(OLA)
    ola.say(ola.dm().id, "draw tea")
    eventually(
        lambda: any(is_shown(office, one.blocks) for one in ola.messages(ola.dm().id)),
        "the picture came",
        10,
    )
    answers = [one for one in ola.messages(ola.dm().id) if one.bot_id]
    assert len(answers) == 1
    assert kinds(answers[0].blocks) == ["section", "image"]


def test_a_click_shows_a_picture_in_private_or_in_its_window(office: Office) -> None:
    def whisper(click: Click) -> Reply:
        return answer("tea")

    def inside(click: Click) -> Reply:
        shown = picture_of("cake")
        view = blocks.modal("Cake", [shown.block()], callback_id="notice")
        return Show(view, (shown,))

    router = office.bot.edge.router
    over_budget(office)
    tim = office.sandbox.seat(TIM)
    alert = office.last(tim, "C0TRIAGE")
    router.actions["budgets.acknowledge"] = whisper
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.acknowledge")
    eventually(
        lambda: any(is_shown(office, one.blocks) for one in tim.ephemerals()),
        "the picture follows",
        10,
    )
    assert [one.text for one in tim.ephemerals()] == ["About tea.", "It is tea"]

    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase")
    window = tim.modals()[-1]
    router.submissions["budgets.ask"] = inside
    tim.submit(window.id, {"amount": {"amount": "2000"}, "reason": {"reason": "more"}})
    eventually(lambda: is_shown(office, tim.modals()[-1].blocks), "the picture came", 10)
