"""The whole road: a bill, an alert, a request, two decisions, a raised budget, and the proof."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from bot import anchor
from storage.enums import ApprovalState
from tests.budgets.conftest import days
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, GUS, OLA, TIM, Office, eventually
from workflows.approvals import reads
from workflows.audit import heads
from workflows.budgets import service as budgets
from workflows.delivery import dead_letters

JANUARY = date(2026, 1, 1)
ONLY = {
    "type": "radio_buttons",
    "selected_option": {
        "text": {"type": "plain_text", "text": "January only", "emoji": True},
        "value": "period",
    },
}


def ask(office: Office, amount: str = "1500", reason: str = "More GPUs for the backlog") -> Any:
    """Tim asks for more, from the alert in the channel."""
    tim = office.sandbox.seat(TIM)
    alert = office.card(tim, "C0TRIAGE", "budgets.increase")
    assert tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase").ok
    outcome = tim.submit(
        tim.modals()[-1].id,
        {"amount": {"amount": amount}, "scope": {"scope": ONLY}, "reason": {"reason": reason}},
    )
    office.settle()
    return outcome


def decide(office: Office, user_id: str, action_id: str = "approvals.approve") -> Any:
    """Somebody clicks on the card in their direct message."""
    seat = office.sandbox.seat(user_id)
    card = office.card(seat, seat.dm().id, action_id)
    outcome = seat.click(channel_id=seat.dm().id, ts=card.ts, action_id=action_id)
    office.settle()
    return outcome


def over_budget(office: Office) -> None:
    office.project("triage", "Ticket triage")
    office.costs(days(JANUARY, 20, "45"))


def state(office: Office, number: int = 1) -> ApprovalState:
    with office.db.read() as session:
        return reads.card(
            make_context(session, policy=office.bot.deps.policy, now=office.now()), number
        ).state


def amount(office: Office) -> Decimal:
    with office.db.read() as session:
        (burn,) = budgets.burns_by_project(
            make_context(session, policy=office.bot.deps.policy, now=office.now()), [1]
        )[1]
    return burn.amount


def verified(office: Office) -> bool:
    kept = anchor.read_heads(str(office.anchor)) if office.anchor.exists() else []
    with office.db.read() as session:
        return heads.verify(session, kept).holds


def texts(office: Office, user_id: str, channel_id: str | None = None) -> list[str]:
    seat = office.sandbox.seat(user_id)
    return [message.text for message in seat.messages(channel_id or seat.dm().id)]


def test_from_a_bill_to_a_decided_approval(office: Office) -> None:
    over_budget(office)
    assert texts(office, TIM, "C0TRIAGE") == [
        "Ticket triage has used 90 % of January's budget (900 of 1,000 EUR effective cost), data through Tue 20 Jan"
    ]
    assert ask(office).ok
    assert "asks to raise January's budget: 1,000 → 1,500 EUR (+50 %)" in texts(office, OLA)[-1]
    assert decide(office, OLA).ok
    assert amount(office) == Decimal(1000)
    assert decide(office, FAY).ok
    assert state(office) is ApprovalState.APPROVED
    assert amount(office) == Decimal(1500)
    done = "Approved: January's budget for Ticket triage is now 1,500 EUR"
    for user_id in (OLA, FAY, FRED):
        assert texts(office, user_id)[-1] == done
    assert "is now 1,500 EUR" in texts(office, TIM)[-1]
    tim = office.sandbox.seat(TIM)
    card = next(m for m in tim.messages("C0TRIAGE") if m.text == done)
    assert "approvals.approve" not in str(card.blocks)
    replies = [reply.text for reply in tim.replies("C0TRIAGE", card.ts)]
    assert len(replies) >= 2
    assert "approved this (Budget owner, 1 of 1)" in str(replies)
    assert "approved this (Finance, 1 of 1)" in str(replies)
    assert "Ledger head" in texts(office, ADA, "C0AUDIT")[-1]
    assert verified(office)


def test_a_wrong_amount_is_said_under_its_field_and_nothing_is_lost(office: Office) -> None:
    over_budget(office)
    assert ask(office, amount="a lot").errors == {
        "amount": "'a lot' isn't an amount; write it like 40000 or 40,000.50."
    }
    tim = office.sandbox.seat(TIM)
    again = tim.submit(
        tim.modals()[-1].id,
        {"amount": {"amount": "900"}, "scope": {"scope": ONLY}, "reason": {"reason": "More"}},
    )
    assert again.errors == {"amount": "That is not more than the 1,000 EUR there is now."}
    assert len(tim.modals()) == 1


def test_a_second_request_names_the_first(office: Office) -> None:
    over_budget(office)
    tim = office.sandbox.seat(TIM)
    alert = office.card(tim, "C0TRIAGE", "budgets.increase")
    stale = tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase")
    assert stale.ok
    view = tim.modals()[-1].id
    values = {"amount": {"amount": "1500"}, "scope": {"scope": ONLY}, "reason": {"reason": "More"}}
    other = office.sandbox.seat(FAY)
    assert other.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase").ok
    assert other.submit(other.modals()[-1].id, values).ok
    assert "Fay has already asked" in tim.submit(view, values).errors["amount"]


def test_rejecting_asks_why_and_the_requester_reads_it(office: Office) -> None:
    over_budget(office)
    ask(office)
    ola = office.sandbox.seat(OLA)
    decide(office, OLA, "approvals.reject")
    assert ola.submit(ola.modals()[-1].id, {"reason": {"reason": "Wait for *March* <!channel>"}}).ok
    office.settle()
    assert state(office) is ApprovalState.REJECTED
    assert amount(office) == Decimal(1000)
    tim = office.sandbox.seat(TIM)
    shown = str(office.last(tim, tim.dm().id).blocks)
    assert "Wait for" in shown
    assert "<!channel>" not in shown
    assert "approvals.approve" not in str(tim.messages("C0TRIAGE"))
    assert verified(office)


def test_a_click_that_does_not_count_is_answered_in_private(office: Office) -> None:
    over_budget(office)
    ask(office)
    tim, fay, ola = (office.sandbox.seat(user) for user in (TIM, FAY, OLA))
    card = office.card(tim, "C0TRIAGE", "approvals.approve")
    for seat, words in ((tim, "You asked for this"), (fay, "not your turn yet")):
        assert seat.click(channel_id="C0TRIAGE", ts=card.ts, action_id="approvals.approve").ok
        office.private(seat, words)
    ola.click(channel_id="C0TRIAGE", ts=card.ts, action_id="approvals.approve")
    ola.click(channel_id="C0TRIAGE", ts=card.ts, action_id="approvals.approve", message=card)
    office.private(ola, "already")
    office.settle()
    assert state(office) is ApprovalState.PENDING
    assert verified(office)


def test_guests_are_refused_and_a_shared_channel_shows_no_amounts(office: Office) -> None:
    office.project("shared", "Shared work", channel="C0SHARED")
    office.costs(days(JANUARY, 20, "45", account="Acme shared"))
    gus = office.sandbox.seat(GUS)
    shown = str([(one.text, one.blocks) for one in gus.messages("C0SHARED")])
    assert "reached a threshold" in shown
    assert "900 of" not in shown
    assert "900 EUR" not in shown
    told = str(seat_messages(office, OLA))
    assert "People from outside read" in told
    assert "900 of 1,000 EUR" in told
    assert "guests can't use mlgov" in str(gus.slash("/mlgov", "status", "C0SHARED").body)


def test_somebody_who_left_the_group_decides_nothing(office: Office) -> None:
    over_budget(office)
    ask(office)
    decide(office, OLA)
    fay = office.sandbox.seat(FAY)
    card = office.card(fay, fay.dm().id, "approvals.approve")
    office.sandbox.world.set_usergroup_members("S0FIN", [FRED])
    eventually(lambda: not _in_finance(office, FAY), "the mirror follows the group")
    fay.click(channel_id=fay.dm().id, ts=card.ts, action_id="approvals.approve", message=card)
    office.private(fay, "You are not among those who decide this")
    office.settle()
    assert state(office) is ApprovalState.PENDING


def _in_finance(office: Office, slack_id: str) -> bool:
    with office.db.read() as session:
        return bool(
            session.execute(
                text(
                    "SELECT count(*) FROM user_group_member m JOIN person p ON p.id = m.person_id "
                    "JOIN user_group g ON g.id = m.group_id WHERE g.handle = 'finance' AND p.slack_id = :id"
                ),
                {"id": slack_id},
            ).scalar_one()
        )


def test_nobody_decides_in_time(office: Office) -> None:
    over_budget(office)
    ask(office)
    office.move(timedelta(days=8))
    assert state(office) is ApprovalState.EXPIRED
    assert "xpired" in texts(office, TIM)[-1]
    assert "approvals.approve" not in str(
        office.sandbox.seat(OLA).messages(office.sandbox.seat(OLA).dm().id)
    )
    assert verified(office)


def test_the_requester_takes_it_back(office: Office) -> None:
    over_budget(office)
    ask(office)
    assert decide(office, TIM, "approvals.withdraw").ok
    assert state(office) is ApprovalState.WITHDRAWN
    assert "approvals.approve" not in str(office.sandbox.seat(TIM).messages("C0TRIAGE"))


def test_an_alert_is_acknowledged_and_broken_down(office: Office) -> None:
    over_budget(office)
    tim = office.sandbox.seat(TIM)
    alert = office.last(tim, "C0TRIAGE")
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.acknowledge")
    office.settle()
    now = office.last(tim, "C0TRIAGE")
    assert f"Acknowledged by <@{TIM}>" in str(now.blocks)
    assert "budgets.acknowledge" not in str(now.blocks)
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.break_down")
    shown = str(tim.modals()[-1].as_json())
    assert "GPU: 900 EUR (100 %)" in shown
    assert "Tue 20 Jan: 45 EUR" in shown


def test_the_words_of_the_command(office: Office) -> None:
    over_budget(office)
    ask(office)
    ola = office.sandbox.seat(OLA)

    def said(words: str) -> str:
        return str(ola.slash("/mlgov", words, "C0TRIAGE").body)

    assert "1 decision waits for you" in said("")
    assert "90 % of January" in said("status")
    assert "request #1" in said("status triage")
    assert "Request increase" not in said("budget triage")
    assert "approvals.approve" in said("approvals")
    assert "/mlgov budget [project]" in said("help")
    assert "Did you mean `status`?" in said("statsu")
    assert "triage" in said("status triag")
    ola.say(ola.dm().id, "approvals")
    eventually(
        lambda: "decision waits" in texts(office, OLA)[-1],
        "the same words work in a direct message",
    )


def test_the_home_tab_decides_and_follows(office: Office) -> None:
    over_budget(office)
    ask(office)
    ola = office.sandbox.seat(OLA)
    ola.open_home()
    eventually(lambda: ola.home() is not None, "the Home tab is published")
    view = ola.home()
    assert view is not None
    assert "Ticket triage asks to raise" in str(view.as_json())
    assert ola.click(view_id=view.id, action_id="approvals.approve").ok
    office.settle()
    eventually(lambda: "Nothing waits for you" in str(ola.home().as_json()), "the Home tab follows")  # type: ignore[union-attr]


def test_hostile_names_neither_ping_nor_break_a_card(office: Office) -> None:
    name = "<!channel> & <https://evil.example|bank> \u202e*bold* 🚀 " + "x" * 5000
    office.project("triage", name)
    office.costs(days(JANUARY, 20, "45", service="<!here> `rm` " + "y" * 5000))
    assert ask(office, reason="<@U0OLA> \u2066 " + "z" * 900).ok
    decide(office, OLA)
    decide(office, FAY)
    everything = str([seat_messages(office, user) for user in (OLA, TIM, FAY, ADA)])
    assert "<!channel>" not in everything
    assert "<!here>" not in everything
    assert "<https://evil" not in everything
    assert state(office) is ApprovalState.APPROVED
    with office.db.read() as session:
        assert dead_letters.list_rows(session, state="dead") == []


def seat_messages(office: Office, user_id: str) -> list[Any]:
    seat = office.sandbox.seat(user_id)
    return [(m.text, m.blocks) for channel in seat.channels() for m in seat.messages(channel.id)]
