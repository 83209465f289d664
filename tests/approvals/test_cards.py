"""Every state of a card, for every reader, with text that wants to do harm, within Slack's limits."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.approvals import activity, messages, windows, words
from bot.delivery.rendering import Rendered, Scene
from sandbox.blocks import layout
from storage.enums import ApprovalState, Ask, Verdict
from tests.approvals.conftest import POLICY, START
from workflows import policy
from workflows.approvable import Words
from workflows.approvals.notices import (
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalReceipt,
    ApprovalStory,
)
from workflows.approvals.records import Card, Line, Reader, Round, Someone

HARM = "<!channel> & <https://evil.example|bank> <@U0OLA> \u202e*b* _i_ `c` ~s~ :tada: 🚀"
TEXTS = ["Ticket triage", HARM, "x" * 5000, "\u202e\u2066\u200f", "", "🚀" * 5000]
SCENE = Scene(now=START, policy=policy.parse(POLICY).policy)
OPEN = replace(SCENE, is_closed=False)
STATES = list(ApprovalState)
ASKED = [(Ask.CHANNEL, 1), (Ask.DM, 1), (Ask.QUIET, 0)]


def line(id_: int, text: str, position: int, verdict: Verdict = Verdict.APPROVE) -> Line:
    return Line(
        id_,
        Someone(f"p{id_}", text, "U0FAY" if id_ % 2 else None),
        position,
        verdict,
        text,
        START + timedelta(hours=id_),
        "role:finance",
        text,
        START,
    )


def card(
    state: ApprovalState = ApprovalState.PENDING,
    text: str = "Ticket triage",
    *,
    stage: int = 1,
    ask: Ask = Ask.CHANNEL,
    reader: Reader | None = None,
    rounds: int = 2,
) -> Card:
    last = stage if state is ApprovalState.PENDING else rounds - 1
    lines = [line(number + 1, text, number) for number in range(last)]
    if state is ApprovalState.REJECTED:
        lines.append(line(98, text, last, Verdict.REJECT))
    if state is ApprovalState.APPROVED:
        lines += [line(98, text, last), line(99, text, last)]
    return Card(
        id=12,
        gate="budget_increase",
        subject_type="budget",
        state=state,
        revision=3,
        stage=last,
        words=Words(
            text,
            f"raise {text}: 40,000 → 52,000 EUR (+30 %)",
            f"the budget {text} stays",
            f"January's budget for {text} is now 52,000 EUR",
            tuple((text, text) for _ in range(25)),
        ),
        reason=text,
        requester=Someone("p-tim", text, "U0TIM"),
        rounds=tuple(
            Round(
                number,
                text[:60] or "Stage",
                2,
                ask,
                (text, "Finance partners", text, "Eve", "Ada"),
                sum(item.position == number and item.verdict is Verdict.APPROVE for item in lines),
            )
            for number in range(rounds)
        ),
        lines=tuple(lines),
        created_at=START,
        expires_at=START + timedelta(days=7),
        decided_at=None if state is ApprovalState.PENDING else START,
        policy_id=1,
        reader=reader,
    )


def readers(text: str) -> list[Reader | None]:
    return [
        None,
        Reader("p-fay", f"you are in {text}", None, False),
        Reader("p-fay", "", None, False),
        Reader("p-fay", "", line(1, text, 0), False),
        Reader("p-tim", "", None, True),
    ]


def all_messages(record: Card) -> Iterator[Rendered]:
    for scene in (SCENE, OPEN):
        yield messages.card(record, ApprovalCard(12), scene)
    yield messages.receipt(record, ApprovalReceipt(12), SCENE)
    for position in (0, 1):
        yield messages.asked(record, ApprovalAsked(12, "p-fay", position), SCENE)
    for item in (*record.lines, None):
        notice = ApprovalStory(12, item.id if item else 0)
        yield messages.story(record, notice, SCENE)
    if not record.is_pending:
        yield messages.ended(record, ApprovalEnded(12), SCENE)


def mrkdwn(value: Any) -> Iterator[str]:
    """Every text that Slack would interpret."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        for inner in value.values():
            yield from mrkdwn(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from mrkdwn(inner)


def harmless(texts: list[str]) -> None:
    for text in texts:
        for bad in ("<!ch", "<@U0OLA", "<https", "*b*", "`c`", "\u202e", "\u2066"):
            assert bad not in text, (bad, text[:200])


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_every_message_is_one_that_slack_takes(state: ApprovalState, text: str) -> None:
    for reader, (ask, stage) in itertools.product(readers(text), ASKED):
        for shown in all_messages(card(state, text, ask=ask, stage=stage, reader=reader)):
            layout.message_blocks(shown.blocks)
            assert 0 < len(shown.text) <= 3000
            harmless([shown.text, *mrkdwn(shown.blocks)])


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_every_view_is_one_that_slack_takes(state: ApprovalState, text: str) -> None:
    for reader in readers(text):
        many = card(state, text, reader=reader, rounds=10)
        made = windows.details_window(many, now=START)
        layout.view(made, "modal")
        harmless(list(mrkdwn(made)))
        layout.view(windows.reject_window(many, metadata="12:3:C0LANE:1.1"), "modal")
        for count in (0, 1, 30):
            told, shown = windows.build_answer(
                [many] * min(count, 12)
                if count < 30
                else [replace(many, id=number) for number in range(30)],
                [replace(many, id=100 + number) for number in range(count)],
            )
            layout.message_blocks(shown)
            assert len(shown) <= 50
            harmless([told, *mrkdwn(shown)])
            home = [
                block
                for number in range(min(count, 5))
                for block in (
                    *windows.waiting_row(replace(many, id=number)),
                    windows.asked_row(replace(many, id=100 + number)),
                )
            ]
            layout.view({"type": "home", "blocks": home or shown}, "home")


def test_outsiders_read_neither_amounts_nor_names_and_can_press_nothing() -> None:
    for state in STATES:
        shown = messages.card(card(state, "Secret plan"), ApprovalCard(12), OPEN)
        told = json.dumps([shown.text, shown.blocks])
        for secret in ("Secret", "52,000", "EUR", "Finance", "Eve", "approvals."):
            assert secret not in told
        assert "request for approval" in shown.text


def test_a_finished_card_is_one_line_without_buttons_and_never_changes_again() -> None:
    for state in STATES[1:]:
        for shown in (
            messages.card(card(state), ApprovalCard(12), SCENE),
            messages.asked(card(state), ApprovalAsked(12, "p-fay", 1), SCENE),
            messages.receipt(card(state), ApprovalReceipt(12), SCENE),
        ):
            assert len(shown.blocks) == 1
            assert "approvals." not in json.dumps(shown.blocks)
            assert state.value.capitalize() in shown.text
            assert shown.is_final


def test_the_question_stands_in_the_first_300_characters() -> None:
    reader = Reader("p-fay", "you are in Finance partners", None, False)
    shown = messages.asked(card(reader=reader), ApprovalAsked(12, "p-fay", 1), SCENE)
    first = "".join(mrkdwn(shown.blocks))[:300]
    for part in ("Ticket triage asks to raise", "40,000 → 52,000 EUR (+30 %)", "asked by"):
        assert part in first
    assert shown.text == (
        "Ticket triage asks to raise Ticket triage: 40,000 → 52,000 EUR (+30 %) · "
        "Ticket triage: 0 of 2 approved · decide by Mon 2 Feb 08:50 GMT"
    )
    told = "\n".join(mrkdwn(shown.blocks))
    assert "You are asked because you are in Finance partners · step 2 of 2" in told
    assert "If nobody decides by" in told
    *buttons, more = shown.blocks[-1]["elements"]
    assert [item["text"]["text"] for item in buttons] == ["Approve", "Reject", "Details"]
    assert more["type"] == "overflow"
    assert [item.get("style") for item in buttons] == ["primary", None, None]
    assert {item["value"] for item in buttons} == {"12:3"}


def test_buttons_vanish_where_they_would_do_nothing() -> None:
    def actions(shown: Rendered) -> set[str]:
        told = json.dumps(shown.blocks)
        return {
            action
            for action in (words.APPROVE, words.REJECT, words.WITHDRAW, words.DETAILS)
            if f'"{action}"' in told
        }

    decided, left = readers("x")[3], readers("x")[2]
    asked = ApprovalAsked(12, "p-fay", 1)
    assert actions(messages.asked(card(reader=decided), asked, SCENE)) == {words.DETAILS}
    assert actions(messages.asked(card(reader=left), asked, SCENE)) == {words.DETAILS}
    able = readers("x")[1]
    earlier = ApprovalAsked(12, "p-fay", 0)
    assert actions(messages.asked(card(reader=able), earlier, SCENE)) == {words.DETAILS}
    private = messages.card(card(ask=Ask.DM), ApprovalCard(12), SCENE)
    assert actions(private) == {words.DETAILS}
    receipt = messages.receipt(card(), ApprovalReceipt(12), SCENE)
    assert actions(receipt) == {words.DETAILS, words.WITHDRAW}


def test_nobody_is_mentioned_on_a_card() -> None:
    for state in STATES:
        shown = messages.card(card(state), ApprovalCard(12), SCENE)
        assert "<@" not in json.dumps(shown.blocks)
        assert "<!" not in json.dumps(shown.blocks).replace("<!date^", "")


def test_the_thread_says_who_when_why_and_what_next() -> None:
    record = card(ApprovalState.APPROVED)
    told = [
        messages.story(record, ApprovalStory(12, item.id), SCENE).blocks[0]["text"]["text"]
        for item in record.lines
    ]
    assert told[0].startswith("*<@U0FAY> approved this* · Ticket triage, 1 of 2 · <!date^")
    assert "“Ticket triage”" in told[0]
    assert "Approved: January's budget" in told[-1]
    rejected = card(ApprovalState.REJECTED)
    last = messages.story(rejected, ApprovalStory(12, 98), SCENE)
    assert "rejected this" in last.text
    assert "the budget Ticket triage stays" in str(last.blocks)


def test_a_thread_that_outsiders_read_stays_empty() -> None:
    (story,) = [renderer for renderer in activity.RENDERERS if renderer.notice is ApprovalStory]
    assert story.render(None, ApprovalStory(12, 1), OPEN) is None  # type: ignore[arg-type]


def test_the_empty_state_is_useful() -> None:
    text, _ = windows.build_answer([], [card(), card()])
    assert text.startswith("Nothing waits for you. 2 requests of yours are with others")
    assert "Nothing waits for you, and nothing" in windows.build_answer([], [])[0]
