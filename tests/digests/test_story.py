"""A week on one screen, in Slack: the owner sends the first ones, a leader reads, decides and looks behind the lines."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.approvals.words import APPROVE
from bot.digests import messages
from sandbox.messages import Message
from sandbox.seat import Seat
from storage.digests.tables import Digest
from storage.enums import DigestState
from tests.budgets.conftest import days
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, OLA, POLICY, TIM, Office, eventually, opened

pytestmark = pytest.mark.slow

SUNDAY = datetime(2026, 1, 25, 20, 0, tzinfo=UTC)
DIGESTS = (
    POLICY.replace("  finance:", f"  leader: [{OLA}, {FAY}]\n  finance:")
    + "digests:\n  weekly: {audience: role:leader, at: Mon 09:00, owner: role:admin}\n"
)


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Sunday evening: Ola (London) and Fay (New York) lead, Ada administers and owns the digest."""
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=DIGESTS, at=SUNDAY) as running:
        running.project("triage", "Ticket triage")
        running.costs(days(date(2026, 1, 1), 25, "30"))
        yield running


def digests(office: Office, slack_id: str) -> list[Message]:
    """The digests that stand in a person's direct message."""
    seat = office.sandbox.seat(slack_id)
    return [
        message
        for message in seat.messages(seat.dm().id)
        if any(block["type"] == "header" for block in message.blocks or ())
    ]


def said(message: Message) -> str:
    return json.dumps(message.blocks, ensure_ascii=False)


def released(office: Office) -> None:
    """Monday 09:00 in London has come, and Ada sends the first ones."""
    office.move(datetime(2026, 1, 26, 9, 1, tzinfo=UTC) - office.now())
    ada = office.sandbox.seat(ADA)
    card = office.card(ada, ada.dm().id, messages.SEND)
    ada.click(channel_id=ada.dm().id, ts=card.ts, action_id=messages.SEND)
    office.settle()


def test_the_owner_reads_a_preview_and_sends_the_first_ones(office: Office) -> None:
    office.move(datetime(2026, 1, 26, 9, 1, tzinfo=UTC) - office.now())
    assert digests(office, OLA) == []
    ada = office.sandbox.seat(ADA)
    card = office.card(ada, ada.dm().id, messages.SEND)
    assert "first weekly digests to the role leader are ready: 2 people" in card.text
    assert "Ticket triage" not in said(card), "Ada sees no project, so her preview has none"
    ola = office.sandbox.seat(OLA)
    ola.say(ola.dm().id, "digest last")
    eventually(lambda: "not got a digest yet" in office.last(ola, ola.dm().id).text, "she is told")
    ada.click(channel_id=ada.dm().id, ts=card.ts, action_id=messages.SEND)
    office.settle()
    assert "Sent" in office.last(ada, ada.dm().id).text
    (hers,) = digests(office, OLA)
    assert hers.text == ("Week 4 was quiet: spend is on plan and nothing waits for you.")
    assert digests(office, FAY) == [], "it is four in the morning in New York"
    office.move(timedelta(hours=6))
    assert len(digests(office, FAY)) == 1
    office.move(timedelta(days=7))
    assert len(digests(office, OLA)) == len(digests(office, FAY)) == 2, (
        "later weeks come by themselves"
    )


def test_only_the_owner_sends_and_only_once(office: Office) -> None:
    office.move(datetime(2026, 1, 26, 9, 1, tzinfo=UTC) - office.now())
    ada, ola = office.sandbox.seat(ADA), office.sandbox.seat(OLA)
    card = office.card(ada, ada.dm().id, messages.SKIP)
    ada.click(channel_id=ada.dm().id, ts=card.ts, action_id=messages.SKIP)
    office.settle()
    assert "Not sent" in office.last(ada, ada.dm().id).text
    office.move(timedelta(hours=8))
    assert digests(office, OLA) == digests(office, FAY) == []
    office.move(timedelta(days=6, hours=16))
    again = office.card(ada, ada.dm().id, messages.SEND)
    assert again.ts != card.ts, "a week later she is asked again"
    with pytest.raises(Exception):  # noqa: B017,PT011 - a stranger to this conversation has nothing to click
        ola.click(channel_id=ada.dm().id, ts=again.ts, action_id=messages.SEND)


def test_a_decision_taken_in_the_digest_shows_its_outcome_there(office: Office) -> None:
    tim, ola = office.sandbox.seat(TIM), office.sandbox.seat(OLA)
    ask(office, tim)
    released(office)
    (before,) = digests(office, OLA)
    assert before.text == ("Week 4: spend is on plan and one decision waits for you.")
    figures = [block for block in before.blocks or () if "money" in str(block.get("block_id"))]
    ola.click(channel_id=ola.dm().id, ts=before.ts, action_id=APPROVE)
    office.settle()
    (after,) = digests(office, OLA)
    assert after.ts == before.ts
    assert after.text == before.text, "words and figures stay as they were sent"
    assert [b for b in after.blocks or () if "money" in str(b.get("block_id"))] == figures
    assert "*You approved*" in said(after)
    assert APPROVE not in said(after)
    fay = office.sandbox.seat(FAY)
    card = office.card(fay, fay.dm().id, APPROVE)
    fay.click(channel_id=fay.dm().id, ts=card.ts, action_id=APPROVE)
    office.settle()
    (final,) = digests(office, OLA)
    assert "✅ Approved" in said(final)
    assert final.text == before.text


def ask(office: Office, seat: Seat) -> None:
    """Tim asks for more, by the command and the window."""
    from bot.budgets import messages as budget_words
    from bot.budgets import windows as budget_views

    channel = "C0TRIAGE"
    seat.slash("/mlgov", "budget triage", channel)
    answer = seat.ephemerals()[-1]
    seat.click(ephemeral_id=answer.id, action_id=budget_words.INCREASE)
    eventually(lambda: bool(seat.modals()), "the window opens")
    choice = {
        "text": {"type": "plain_text", "text": "January only", "emoji": True},
        "value": "period",
    }
    outcome = seat.submit(
        seat.modals()[-1].id,
        {
            budget_views.AMOUNT: {budget_views.AMOUNT: "1500"},
            budget_views.SCOPE: {
                budget_views.SCOPE: {"type": "radio_buttons", "selected_option": choice}
            },
            budget_views.REASON: {budget_views.REASON: "Two more weeks of GPU."},
        },
    )
    assert outcome.ok, outcome
    office.settle()


def test_every_line_opens_its_detail_and_a_way_on(office: Office) -> None:
    released(office)
    ola = office.sandbox.seat(OLA)
    (message,) = digests(office, OLA)
    ola.click(
        channel_id=ola.dm().id, ts=message.ts, action_id=messages.OPEN, block_id="digest:1:money"
    )
    eventually(lambda: bool(ola.modals()), "the window opens")
    shown = json.dumps(ola.modals()[-1].blocks, ensure_ascii=False)
    assert "Ticket triage: 750 of 1,000 EUR (75 %), on plan" in shown
    ola.click(view_id=ola.modals()[-1].id, action_id="budgets.break_down")
    eventually(lambda: len(ola.modals()) == 2, "the budget's own window opens on top")
    assert "GPU" in json.dumps(ola.modals()[-1].blocks)


def test_people_say_whether_they_want_it(office: Office) -> None:
    tim = office.sandbox.seat(TIM)

    def answer(what: str) -> Any:
        return tim.slash("/mlgov", f"digest {what}".strip(), tim.dm().id).body

    assert "You get no weekly digest" in str(answer(""))
    assert "Week 4" in str(answer("preview"))
    assert "over the 1 project you may see" in str(answer("preview")), "he manages it"
    assert "because you subscribed" in str(answer("subscribe"))
    ola = office.sandbox.seat(OLA)
    body = str(ola.slash("/mlgov", "digest unsubscribe", ola.dm().id).body)
    assert "You get no weekly digest" in body
    office.move(datetime(2026, 1, 26, 9, 1, tzinfo=UTC) - office.now())
    assert len(digests(office, TIM)) == 1, "who asked for it needs nobody's word"
    office.move(timedelta(days=7))
    assert len(digests(office, TIM)) == 2
    assert digests(office, OLA) == []
    assert "Week 5" in str(answer("last"))
    assert "no word `nonsense`" in str(answer("nonsense"))


def test_one_that_cannot_be_built_is_told_to_its_owner_and_tried_again(office: Office) -> None:
    """A zone that nobody knows stands in one digest; the others go out, and its reader hears nothing of it."""
    office.move(datetime(2026, 1, 26, 9, 1, tzinfo=UTC) - office.now())
    with office.db.begin(patient=True) as session:
        session.execute(
            text(
                "UPDATE digest SET tz = 'Nowhere/Land' WHERE person_id IN (SELECT id FROM person WHERE slack_id = 'U0OLA')"
            )
        )
    ada = office.sandbox.seat(ADA)
    card = office.card(ada, ada.dm().id, messages.SEND)
    ada.click(channel_id=ada.dm().id, ts=card.ts, action_id=messages.SEND)
    office.settle()
    told = office.last(ada, ada.dm().id)
    assert told.text == "Weekly digests, week 5 of 2026: 1 could not be built yet"
    assert "Nowhere/Land" in said(told)
    assert digests(office, OLA) == []
    with office.db.begin(patient=True) as session:
        session.execute(text("UPDATE digest SET tz = 'Europe/London'"))
        session.execute(text("UPDATE timer SET retry_at = NULL"))
    office.settle()
    assert len(digests(office, OLA)) == 1
    assert office.last(ada, ada.dm().id).text.endswith("all well again")


def test_after_a_week_of_downtime_it_is_missed_and_its_owner_told(office: Office) -> None:
    released(office)
    office.move(timedelta(days=12))
    states = {}
    with office.db.read() as session:
        for row in session.query(Digest):
            states.setdefault(row.week, []).append(DigestState(row.state))
    assert states["2026-W06"] == [DigestState.MISSED] * 2
    ada = office.sandbox.seat(ADA)
    told = [message.text for message in ada.messages(ada.dm().id)]
    assert "Weekly digests, week 6 of 2026: 2 missed" in told
