"""Deciding from Slack: what the buttons do, as people meet them, over signed HTTP."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.enums import ApprovalState
from tests.budgets.conftest import days
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, FRED, OLA, POLICY, TIM, Office, eventually, opened
from workflows import clock
from workflows.approvals import reads
from workflows.approvals.records import Card

pytestmark = pytest.mark.slow

ONLY = {
    "type": "radio_buttons",
    "selected_option": {
        "text": {"type": "plain_text", "text": "January only", "emoji": True},
        "value": "period",
    },
}
TWO = POLICY.replace("approvers: [role:finance]", "approvers: [role:finance], quorum: 2")


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """One running mlgov in which Tim has asked for more."""
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path, policy=TWO) as running:
        running.project("triage", "Ticket triage")
        running.costs(days(date(2026, 1, 1), 20, "45"))
        tim = running.sandbox.seat(TIM)
        alert = running.card(tim, "C0TRIAGE", "budgets.increase")
        tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase")
        assert tim.submit(
            tim.modals()[-1].id,
            {
                "amount": {"amount": "1500"},
                "scope": {"scope": ONLY},
                "reason": {"reason": "More GPUs"},
            },
        ).ok
        running.settle()
        yield running


def card(office: Office) -> Card:
    with office.db.read() as session:
        return reads.card(
            make_context(session, policy=office.bot.deps.policy, now=clock.now(session)), 1
        )


def press(office: Office, user: str, action: str, *, shown: Any = None, settle: bool = True) -> Any:
    """Press a button on the newest card in this person's own messages."""
    seat = office.sandbox.seat(user)
    message = shown or office.card(seat, seat.dm().id, action)
    outcome = seat.click(channel_id=seat.dm().id, ts=message.ts, action_id=action, message=message)
    assert outcome.ok, outcome
    if settle:
        office.settle()
    return message


def test_two_who_see_the_same_card_both_count(office: Office) -> None:
    press(office, OLA, "approvals.approve")
    fay, fred = (office.sandbox.seat(user) for user in (FAY, FRED))
    seen = office.card(fred, fred.dm().id, "approvals.approve")
    press(office, FAY, "approvals.approve")
    assert "1 of 2 approved" in str(fred.messages(fred.dm().id)[-1].blocks)
    press(office, FRED, "approvals.approve", shown=seen)
    assert card(office).state is ApprovalState.APPROVED
    assert "*✅ Approved*" in str(fay.messages(fay.dm().id)[-1].blocks)


def test_a_forwarded_card_of_an_earlier_stage_decides_nothing(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    old = office.card(ola, ola.dm().id, "approvals.approve")
    press(office, OLA, "approvals.approve")
    press(office, OLA, "approvals.approve", shown=old)
    office.private(ola, "You approved this on Mon 26 Jan")
    assert card(office).round.approved == 0


def test_a_click_after_the_end_ends_it_even_before_the_timer_has_run(office: Office) -> None:
    office.bot.scheduler.stop()
    with office.db.begin() as session:
        clock.move(session, timedelta(days=7))
    office.sandbox.clock.advance(timedelta(days=7))
    ola = office.sandbox.seat(OLA)
    press(office, OLA, "approvals.approve", settle=False)
    office.private(ola, "so it can't be decided any more")
    assert card(office).state is ApprovalState.EXPIRED
    office.bot.delivery.drain(30)
    eventually(lambda: "Expired" in ola.messages(ola.dm().id)[-1].text, "the card shows it")


def test_rejecting_by_those_who_may_not_opens_no_window(office: Office) -> None:
    tim, fay = office.sandbox.seat(TIM), office.sandbox.seat(FAY)
    shared = office.card(tim, "C0TRIAGE", "approvals.reject")
    for seat, told in ((tim, "You asked for this"), (fay, "not your turn yet")):
        before = len(seat.modals())
        seat.click(channel_id="C0TRIAGE", ts=shared.ts, action_id="approvals.reject")
        office.private(seat, told)
        assert len(seat.modals()) == before


def test_a_window_that_waited_too_long_says_so_and_changes_nothing(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    press(office, OLA, "approvals.reject")
    view = ola.modals()[-1].id
    tim = office.sandbox.seat(TIM)
    press(office, TIM, "approvals.withdraw")
    outcome = ola.submit(view, {"reason": {"reason": "Too late"}})
    assert outcome.errors is not None
    assert "Tim withdrew this on Mon 26 Jan" in outcome.errors["reason"]
    assert card(office).lines == ()
    assert "Withdrawn" in tim.messages(tim.dm().id)[-1].text


def test_details_tell_everything_and_let_the_requester_withdraw(office: Office) -> None:
    press(office, OLA, "approvals.approve")
    tim = office.sandbox.seat(TIM)
    press(office, TIM, "approvals.details")
    view = tim.modals()[-1]
    told = str(view.body)
    for part in ("1,000 → 1,500 EUR", "More GPUs", "Ola approved", "subject.owner"):
        assert part in told
    assert tim.click(view_id=view.id, action_id="approvals.withdraw").ok
    office.settle()
    assert card(office).state is ApprovalState.WITHDRAWN
    eventually(lambda: "Withdrawn" in str(tim.modals()[-1].body), "the window follows")


def test_what_waits_can_be_decided_where_it_is_listed(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    ola.slash("/mlgov", "approvals", "C0TRIAGE")
    office.private(ola, "1 decision waits for you")
    listed = ola.ephemerals()[-1]
    assert ola.click(ephemeral_id=listed.id, action_id="approvals.approve").ok
    office.private(ola, "You approved: Ticket triage asks to raise")
    assert card(office).stage == 1
    tim = office.sandbox.seat(TIM)
    tim.slash("/mlgov", "approvals", "C0TRIAGE")
    office.private(tim, "Nothing waits for you. 1 request of yours is with others")


def test_a_button_from_elsewhere_is_answered_in_words(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    message = office.card(ola, ola.dm().id, "approvals.approve")
    for value in ("x", "1", "1:x", "99999999999999:1", "-1:1", ""):
        for block in message.blocks:
            for element in block.get("elements", []):
                if element.get("action_id") == "approvals.approve":
                    element["value"] = value
        ola.click(
            channel_id=ola.dm().id, ts=message.ts, action_id="approvals.approve", message=message
        )
    eventually(lambda: len(ola.ephemerals()) >= 6, "each was answered")
    from_elsewhere, unmarked = sorted({item.text for item in ola.ephemerals()}, key=len)
    assert from_elsewhere.startswith("This button is from another release of mlgov.")
    assert unmarked.startswith("This is from before mlgov was updated")
    assert "the card shows how it stands now" in unmarked
    assert card(office).lines == ()
