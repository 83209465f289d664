"""What people read of returns, and what the buttons and windows carry."""

from datetime import date, timedelta
from typing import Any

import pytest

from bot.app import RENDERERS
from bot.cases import return_messages as messages
from bot.cases import windows
from bot.cases.returns import list_results
from bot.delivery.rendering import Rendered, Scene
from bot.slack.interactions import AskingWindow, ReturnWindow
from storage.db import Database
from storage.delivery.tables import Outbox
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, SPO
from tests.cases.returning import MAX, Works, begin
from tests.cases.test_returns import attested_year
from workflows.cases import realised
from workflows.cases.forms import REVIEW
from workflows.outbox import rebuild

LIVE = date(2026, 3, 1)
FIRST = date(2026, 6, 1)
MAY = date(2026, 5, 31)


@pytest.fixture
def works(database: Database) -> Works:
    return begin(database)


def read(works: Works, row: Outbox, reader: str) -> Rendered:
    """A message as its reader sees it now."""
    renderer = next(each for each in RENDERERS if each.notice.kind == row.kind)
    scene = Scene(works.now, works.policy, f"p-{reader}", org="T0ACME")
    with works.db.read() as session:
        rendered = renderer.render(session, rebuild(renderer.notice, row.notice), scene)
    assert rendered is not None
    return rendered


def words_of(blocks: list[dict[str, Any]]) -> str:
    texts = [block.get("text", {}).get("text", "") for block in blocks]
    texts += [
        each["text"]
        for block in blocks
        for each in block.get("elements", ())
        if each["type"] == "mrkdwn"
    ]
    return "\n".join(texts)


def buttons_of(blocks: list[dict[str, Any]]) -> list[str]:
    return [
        element["action_id"]
        for block in blocks
        for element in (
            *block.get("elements", ()),
            *([block["accessory"]] if "accessory" in block else []),
        )
        if element.get("type") == "button"
    ]


def posts(works: Works, kind: str) -> list[Outbox]:
    return [row for row in works.sent(kind) if row.op == "post"]


def test_the_question_says_what_was_planned_and_who_answers(works: Works) -> None:
    works.in_use()
    works.wake_up(FIRST)
    (row,) = posts(works, "returns.asked")
    message = read(works, row, OLA)
    assert message.text == "Ticket routing: planned 60,000 EUR for Mar to May 2026; what came?"
    assert buttons_of(message.blocks) == [messages.ENTER, messages.SKIP]
    assert "because you own this project" in words_of(message.blocks)
    assert "because you answer for this project" in words_of(read(works, row, MAX).blocks)
    # Once it is somebody else's, whoever got it is asked nothing any more.
    assert buttons_of(read(works, row, NED).blocks) == []


def test_an_answered_question_says_what_came_and_who_attested(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    works.deliver()
    return_id = works.report(project, "48,000", LIVE, MAY, note="By *hand* <!channel>.")
    (row,) = posts(works, "returns.asked")
    # Every copy is drawn anew.
    assert [each.kind for each in works.sent() if each.op == "update"] == ["returns.asked"]
    message = read(works, row, OLA)
    assert buttons_of(message.blocks) == []
    assert "48,000 of 60,000 EUR planned (80 %)" in words_of(message.blocks)
    assert "not attested" in words_of(message.blocks)
    assert "<!channel>" not in words_of(message.blocks)
    works.attest(return_id)
    assert "attested by <@U0SPO>" in words_of(read(works, row, OLA).blocks)


def test_a_skipped_question_keeps_its_reason(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    (asking,) = works.askings(project)
    works.skip(asking.id, OLA, "The counters broke.")
    message = read(works, posts(works, "returns.asked")[0], OLA)
    assert buttons_of(message.blocks) == []
    assert "Skipped by <@U0OLA>: “The counters broke.”" in words_of(message.blocks)


def test_the_sponsor_attests_from_the_message(works: Works) -> None:
    project = works.in_use()
    works.until(works.now + timedelta(days=200))
    return_id = works.report(project, "48,000", LIVE, MAY, note="From the ticket system.")
    (row,) = posts(works, "returns.reported")
    message = read(works, row, SPO)
    assert message.text == (
        "Ticket routing: 48,000 of 60,000 EUR planned (80 %) for Mar to May 2026; is that right?"
    )
    assert buttons_of(message.blocks) == [messages.ATTEST]
    works.attest(return_id)
    assert buttons_of(read(works, row, SPO).blocks) == []
    works.report(project, "50,000", LIVE, MAY, replaces=return_id)
    assert "corrected or taken back" in read(works, row, SPO).text
    assert read(works, row, SPO).is_final


def test_the_sponsor_reads_what_was_planned_and_what_the_owner_says(works: Works) -> None:
    project = works.in_use()
    works.wake_up(LIVE + timedelta(days=180))
    works.deliver()
    works.skip(works.askings(project)[0].id, OLA, "Nobody counts it.")
    works.wake_up(LIVE + timedelta(days=194))
    row = posts(works, "returns.asked")[-1]
    message = read(works, row, SPO)
    assert message.text == "Ticket routing is in use, and nothing was measured since Sun 1 Mar 2026"
    assert "says: “Nobody counts it.”" in words_of(message.blocks)
    assert buttons_of(message.blocks) == []
    works.report(project, "1", LIVE, MAY)
    assert "measured again" in read(works, row, SPO).text


def test_a_question_after_a_long_silence_says_so(works: Works) -> None:
    works.in_use()
    works.wake_up(LIVE + timedelta(days=180))
    message = read(works, posts(works, "returns.asked")[0], OLA)
    assert "Nothing was measured since Sun 1 Mar 2026" in words_of(message.blocks)
    assert "within 14 days, its sponsor is shown that" in words_of(message.blocks)


# --- The list and the windows


def test_the_list_says_what_is_not_attested_and_not_measured(works: Works) -> None:
    project = works.in_use()
    works.in_use("Lane vision")
    works.until(works.now + timedelta(days=262))
    works.report(project, "48,000", LIVE, MAY)
    answer = messages.overview(works.overview(OLA))
    assert answer.text == "2 projects in use"
    text = words_of(answer.blocks or [])
    assert "*Ticket routing* · 48,000 of 60,000 EUR planned (80 %) for Mar to May 2026" in text
    assert "*Not attested*: 48,000 EUR of it" in text
    assert "Not measured: Jun to Sep 2026 (planned 80,000 EUR)" in text
    assert "*Lane vision* · nothing measured yet" in text
    assert "Too few projects have results to hold beside 2x, 10x, 100x" in text
    assert "1 figure waits for you" in messages.overview(works.overview(FIN)).text
    assert "so nothing has come back yet" in messages.overview(works.overview(NED)).text


def test_a_long_list_has_pages(works: Works) -> None:
    for number in range(12):
        works.standing(
            f"project-{number}", name=f"Project {number:02}", status="live", live_on=LIVE
        )
    first, second, beyond = (
        messages.overview(works.overview(OLA, page=page)) for page in (0, 1, 99)
    )
    assert messages.PAGE[1] in buttons_of(first.blocks or [])
    assert buttons_of(second.blocks or []).count(messages.SHOW) == 2
    assert beyond.blocks == second.blocks


@pytest.mark.parametrize(
    ("who", "buttons"),
    [
        (OLA, [messages.CORRECT, messages.WITHDRAW, messages.REPORT]),
        (SPO, [messages.ATTEST]),
        (FIN, [messages.ATTEST]),
        (LEA, []),
    ],
)
def test_a_project_shows_everybody_what_they_may_do(
    works: Works, who: str, buttons: list[str]
) -> None:
    project = works.in_use()
    works.until(works.now + timedelta(days=200))
    works.report(project, "48,000", LIVE, MAY)
    view = messages.details(works.returns_of(project, who))
    assert buttons_of(view["blocks"]) == buttons


def test_windows_carry_what_they_are_about(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    (asking,) = works.askings(project)
    card = ("D0OLA", "1.0001")
    with works.db.read() as session:
        record = realised.require_asking(works.context(session, OLA), asking.id)
    view = messages.skip(record, card)
    assert AskingWindow.read(view["private_metadata"]) == AskingWindow(asking.id, card)
    view = messages.enter(works.returns_of(project), record.missing[0], card)
    assert ReturnWindow.read(view["private_metadata"]) == ReturnWindow(project, None, card)
    initial = {
        block["block_id"]: block["element"].get("initial_date")
        for block in view["blocks"]
        if block["type"] == "input"
    }
    assert (initial["starts"], initial["ends"]) == ("2026-03-01", "2026-05-31")
    return_id = works.report(project, "-48,000.5", LIVE, MAY)
    line = works.returns_of(project).lines[0]
    view = messages.enter(works.returns_of(project), line.span, None, line)
    assert ReturnWindow.read(view["private_metadata"]).replaces == return_id
    amount = next(each for each in view["blocks"] if each.get("block_id") == "amount")
    assert amount["element"]["initial_value"] == "-48000.5"


def test_an_estimate_is_shown_beside_what_came_of_earlier_ones(works: Works) -> None:
    for number, who in enumerate((PIA, OLA, MAX, LEA, NED), 1):
        attested_year(works, number, "120,000", by=who)
    record = works.record(works.complete("A new one"))
    with works.db.read() as session:
        lines = list_results(works.context(session, PIA), record)
    assert lines == [
        "Optimisation 2x: here 2.0x so far (median of 5, middle half 2.0x to 2.0x)",
        "Of what was estimated, 50 % came in the middle case of 5 people's estimates; for half of them 50 % to 50 %. "
        "At that rate this would bring 240,000 EUR; your estimate stays as you wrote it.",
    ]
    view = windows.step(record, REVIEW, windows.Facts(results=lines))
    assert lines[1] in words_of(view["blocks"])
