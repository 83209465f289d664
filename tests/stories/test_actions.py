"""What people do about a request beside approving and rejecting it, each from its card, over signed HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from storage.enums import ApprovalState
from storage.projects.tables import Project
from tests.budgets.conftest import days
from tests.conftest import fresh_url
from tests.stories.office import FAY, FRED, OLA, TIM, Office, eventually, opened
from tests.stories.test_road import (
    JANUARY,
    amount,
    ask,
    decide,
    over_budget,
    state,
    texts,
    verified,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """One running mlgov in which Tim has asked for more."""
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path) as running:
        over_budget(running)
        assert ask(running).ok
        yield running


def press(office: Office, user: str, action: str, value: str | None = None) -> Any:
    """A button, or an entry of More, on the newest card in somebody's own messages that has it."""
    seat = office.sandbox.seat(user)
    card = office.card(seat, seat.dm().id, value or action)
    outcome = seat.click(channel_id=seat.dm().id, ts=card.ts, action_id=action, selected=value)
    office.settle()
    return outcome


def more(office: Office, user: str, verb: str, revision: int = 1) -> Any:
    return press(office, user, "approvals.more", f"{verb}:1:{revision}")


def fill(office: Office, user: str, **values: Any) -> Any:
    seat = office.sandbox.seat(user)
    outcome = seat.submit(
        seat.modals()[-1].id,
        {block: {block.split("_")[0]: value} for block, value in values.items()},
    )
    office.settle()
    return outcome


def offered(office: Office, user: str) -> list[str]:
    """The names in the menu of the window that hands over."""
    window = office.sandbox.seat(user).modals()[-1]
    (menu,) = (block["element"] for block in window.blocks if block.get("block_id") == "to")
    return [option["text"]["text"] for option in menu["options"]]


def last(office: Office, user: str) -> str:
    seat = office.sandbox.seat(user)
    return str(seat.messages(seat.dm().id)[-1].blocks)


def test_ask_answer_approve_on_a_condition_and_meet_it(office: Office) -> None:
    more(office, OLA, "ask")
    assert fill(office, OLA, question="Why twice as much?").ok
    assert "asks you before deciding: “Why twice as much?”" in texts(office, TIM)[-1]
    assert "Waiting for the requester" in str(
        office.card(
            office.sandbox.seat(OLA), office.sandbox.seat(OLA).dm().id, "approvals.unask"
        ).blocks
    )
    press(office, TIM, "approvals.answer")
    assert fill(office, TIM, answer="The recall doubled the backlog.").ok
    assert "The recall doubled the backlog." in texts(office, OLA)[-1]
    more(office, OLA, "conditions", revision=3)
    assert fill(office, OLA, text_0="Plan the clean-up", owner_0=TIM, due_0="2026-01-30").ok
    decide(office, FAY)
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(1500))
    assert "An approval depends on you until" in str(texts(office, TIM)[-2:])
    press(office, TIM, "approvals.claim")
    assert fill(office, TIM, proof="It is in ticket 12.").ok
    assert "Tim says that your condition is met" in texts(office, OLA)[-1]
    press(office, OLA, "approvals.confirm")
    assert "✅ met" in last(office, OLA)
    office.move(timedelta(days=10))
    assert state(office) is ApprovalState.APPROVED
    tim = office.sandbox.seat(TIM)
    card = next(m for m in tim.messages("C0TRIAGE") if "✅ met" in str(m.blocks))
    story = str([reply.text for reply in tim.replies("C0TRIAGE", card.ts)])
    for told in ("asks", "answered", "says that the condition is met", "confirmed that"):
        assert told in story
    assert verified(office)


def test_an_unmet_condition_takes_the_money_back(office: Office) -> None:
    more(office, OLA, "conditions")
    assert fill(office, OLA, text_0="Plan the clean-up", owner_0=TIM, due_0="2026-01-30").ok
    decide(office, FAY)
    assert amount(office) == Decimal(1500)
    office.move(timedelta(days=5))
    assert (state(office), amount(office)) == (ApprovalState.LAPSED, Decimal(1000))
    # It's Saturday: nobody is disturbed, and everybody reads one message when they are at work again.
    before = {user: len(texts(office, user)) for user in (OLA, TIM, FAY)}
    assert "is back at 1,000 EUR" not in str([texts(office, user) for user in before])
    office.move(timedelta(days=2, hours=6))
    for user, number in before.items():
        told = texts(office, user)
        assert len(told) == number + 1
        assert "Lapsed" in told[-1]
        assert "is back at 1,000 EUR" in told[-1]
        assert "is back at 1,000 EUR" not in str(told[:-1])
        dm = office.sandbox.seat(user)
        blocks_ = [str(message.blocks) for message in dm.messages(dm.dm().id)]
        assert sum("not met by" in each for each in blocks_) == 1
    assert verified(office)


def test_a_lapse_that_leaves_too_little_is_one_message_for_the_owner(office: Office) -> None:
    with office.db.begin(patient=True) as session:
        session.execute(update(Project).values(channel=None))
    more(office, OLA, "conditions")
    assert fill(office, OLA, text_0="Plan the clean-up", owner_0=TIM, due_0="2026-01-29").ok
    decide(office, FAY)
    office.costs(days(JANUARY, 20, "70"))
    before = len(texts(office, OLA))
    office.move(timedelta(days=4, hours=5))
    assert (state(office), amount(office)) == (ApprovalState.LAPSED, Decimal(1000))
    told = texts(office, OLA)
    assert len(told) == before + 1
    assert "is back at 1,000 EUR, and 1,400 EUR is spent (140 %)" in told[-1]


def test_the_answer_can_be_a_reply_in_the_thread(office: Office) -> None:
    more(office, OLA, "ask")
    fill(office, OLA, question="Why?")
    tim = office.sandbox.seat(TIM)
    question = tim.messages(tim.dm().id)[-1]
    tim.say(tim.dm().id, "Because of the recall", thread_ts=question.ts)
    eventually(lambda: "Because of the recall" in texts(office, OLA)[-1], "the answer is there")


def test_take_back_hand_over_and_nudge(office: Office) -> None:
    decide(office, OLA)
    press(office, OLA, "approvals.take_back")
    office.private(office.sandbox.seat(OLA), "You took your approval back")
    decide(office, OLA)
    more(office, TIM, "nudge", revision=4)
    office.private(office.sandbox.seat(TIM), "2 people were reminded")
    more(office, TIM, "nudge", revision=4)
    office.private(office.sandbox.seat(TIM), "You can again from")
    more(office, FAY, "hand_over", revision=4)
    assert offered(office, FAY) == ["Fred"]
    assert fill(office, FAY, to=FRED, note="You know the vendor").ok
    assert "You handed this over to Fred" in str(
        [m.blocks for m in office.sandbox.seat(FAY).messages(office.sandbox.seat(FAY).dm().id)]
    )
    decide(office, FRED)
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(1500))
    assert verified(office)


def test_where_nobody_can_take_the_place_the_way_out_is_named(office: Office) -> None:
    more(office, OLA, "hand_over")
    ola = office.sandbox.seat(OLA)
    window = ola.modals()[-1]
    assert window.body.get("submit") is None
    told = str(window.blocks)
    assert "Nobody can take your place here: Budget owner asks nobody else" in told
    assert "`/mlgov away`" in told
    assert "Ask an administrator" in told
