"""Changing what one asks, asking again, deciding for somebody who is away, and breaking the glass, over signed HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storage.enums import ApprovalState
from storage.people import queries
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, FRED, OLA, POLICY, TIM, Office, eventually, opened
from tests.stories.test_actions import fill, last, press
from tests.stories.test_road import amount, ask, decide, over_budget, state, texts, verified

GLASS = POLICY.replace(
    "    expires_after: 7d",
    "    break_glass: {by: [role:admin], review_within: 2d}\n    expires_after: 7d",
)


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """One running mlgov in which Tim has asked for more."""
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, policy=GLASS) as running:
        over_budget(running)
        assert ask(running).ok
        yield running


def changed(office: Office, amount_: str, reason: str, action: str = "budget.change") -> Any:
    press(office, TIM, action)
    tim = office.sandbox.seat(TIM)
    state_ = {"amount": {"amount": amount_}, "reason": {"reason": reason}}
    outcome = tim.submit(tim.modals()[-1].id, state_)
    office.settle()
    return outcome


def told(office: Office) -> str:
    """What the window says once it was sent; it is closed then."""
    tim = office.sandbox.seat(TIM)
    window = tim.modals()[-1]
    said = str(window.blocks)
    tim.close(window.id)
    return said


def thread(office: Office) -> str:
    tim = office.sandbox.seat(TIM)
    card = next(m for m in tim.messages("C0TRIAGE") if tim.replies("C0TRIAGE", m.ts))
    return str([reply.text for reply in tim.replies("C0TRIAGE", card.ts)])


def test_other_words_ask_nobody_anew_and_another_amount_does(office: Office) -> None:
    decide(office, OLA)
    cards = len(texts(office, OLA))
    assert changed(office, "1500", "Two more weeks of labelling").ok
    assert "nobody is asked anew" in told(office)
    assert "Two more weeks of labelling" in last(office, FAY)
    assert "Reworded" in last(office, FAY)
    assert len(texts(office, OLA)) == cards
    assert "reworded this" in thread(office)

    assert changed(office, "1300", "Two more weeks of labelling").ok
    assert "Budget owner is asked anew" in told(office)
    assert "1,000 → 1,300 EUR" in texts(office, OLA)[-1]
    assert "1,000 → 1,500 EUR" in last(office, OLA)
    assert "changed what is asked" in thread(office)
    assert "1 decision no longer counts" in thread(office)
    decide(office, OLA)
    decide(office, FAY)
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(1300))
    assert verified(office)


def test_a_wrong_change_is_said_under_its_field_and_changes_nothing(office: Office) -> None:
    refused = changed(office, "a lot", "Two more weeks of labelling")
    assert "isn't an amount" in refused.errors["amount"]
    tim = office.sandbox.seat(TIM)
    again = tim.submit(
        tim.modals()[-1].id, {"amount": {"amount": "900"}, "reason": {"reason": "Two more weeks"}}
    )
    assert "not more than the 1,000 EUR" in again.errors["amount"]
    assert "1,000 → 1,500 EUR" in texts(office, OLA)[-1]


def test_what_was_rejected_is_asked_again_from_its_message(office: Office) -> None:
    press(office, OLA, "approvals.reject")
    assert fill(office, OLA, reason="Too much at once").ok
    assert "Rejected" in texts(office, TIM)[-1]
    assert changed(office, "1200", "Only what is needed", "budget.again").ok
    assert "1,000 → 1,200 EUR" in texts(office, OLA)[-1]
    press(office, OLA, "approvals.approve")
    press(office, FAY, "approvals.approve")
    assert state(office, 2) is ApprovalState.APPROVED
    assert amount(office) == Decimal(1200)


def test_somebody_decides_for_one_who_is_away(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    ola.slash("/mlgov", "away", ola.dm().id)
    today = office.now().date()
    planned = ola.submit(
        ola.modals()[-1].id,
        {
            "stand_in": {"stand_in": FRED},
            "since": {"since": today.isoformat()},
            "until": {"until": (today + timedelta(days=3)).isoformat()},
        },
    )
    office.settle()
    assert planned.ok
    assert "Ola asks you to decide in their place" in texts(office, FRED)[-2]
    assert "Ticket triage asks to raise" in texts(office, FRED)[-1]
    assert changed(office, "1400", "Two more weeks of labelling").ok
    assert "Ticket triage asks to raise" in texts(office, FRED)[-1]
    press(office, FRED, "approvals.approve")
    assert "approved this for Ola, who is away" in thread(office)
    press(office, FAY, "approvals.approve")
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(1400))
    assert verified(office)


def test_glass_is_broken_told_and_reviewed(office: Office) -> None:
    ada = office.sandbox.seat(ADA)
    tim = office.sandbox.seat(TIM)
    shown = office.card(tim, "C0TRIAGE", "approvals.details")
    assert ada.click(channel_id="C0TRIAGE", ts=shown.ts, action_id="approvals.details").ok
    assert ada.click(view_id=ada.modals()[-1].id, action_id="approvals.break_glass").ok
    assert fill(office, ADA, reason="The recall floods the queue").ok
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(1500))
    told = texts(office, ADA, "C0GOV")[-1]
    assert "Ada broke the glass: Ticket triage asks to raise" in told
    fay = office.sandbox.seat(FAY)
    message = office.card(fay, "C0GOV", "approvals.review_right")
    assert fay.click(channel_id="C0GOV", ts=message.ts, action_id="approvals.review_right").ok
    office.settle()
    assert "was right" in str(office.sandbox.seat(ADA).messages("C0GOV")[-1].blocks)
    assert verified(office)


def test_a_status_that_says_away_offers_a_stand_in(office: Office) -> None:
    friday = int((office.now() + timedelta(days=4)).timestamp())
    office.sandbox.world.update_user(
        OLA, status_emoji=":palm_tree:", status_text="In the hills", status_expiration=friday
    )
    eventually(lambda: _is_away(office), "the mirror knows")
    assert changed(office, "1400", "Two more weeks of labelling").ok
    ola = office.sandbox.seat(OLA)
    offer = office.card(ola, ola.dm().id, "approvals.away")
    assert "your status says that you are away until Fri 30 Jan" in offer.text
    assert ola.click(channel_id=ola.dm().id, ts=offer.ts, action_id="approvals.away").ok
    shown = str(ola.modals()[-1].as_json())
    assert "2026-01-26" in shown
    assert "2026-01-30" in shown
    assert ola.submit(ola.modals()[-1].id, {"stand_in": {"stand_in": FRED}}).ok
    office.settle()
    now = next(m for m in ola.messages(ola.dm().id) if m.ts == offer.ts)
    assert "Somebody decides for you while you are away" in now.text
    press(office, FRED, "approvals.approve")
    assert "approved this for Ola, who is away" in thread(office)


def _is_away(office: Office) -> bool:
    with office.db.read() as session:
        found = queries.find_by_slack_id(session, "T0ACME", OLA)
        return found is not None and found.status_away_until is not None
