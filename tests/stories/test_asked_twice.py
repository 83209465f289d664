"""An amount that looks like a slip is asked again in the window, and nothing that was typed is lost."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from storage.enums import ApprovalState
from tests.conftest import fresh_url
from tests.stories.office import FAY, OLA, TIM, Office, opened
from tests.stories.test_actions import last, press
from tests.stories.test_changing import changed
from tests.stories.test_moved_on import load
from tests.stories.test_road import ONLY, amount, ask, decide, over_budget, state, texts, verified

pytestmark = pytest.mark.slow

REASON = "More GPUs for the backlog"


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path) as running:
        over_budget(running)
        yield running


def entered(said: str, *ticked: str) -> dict[str, object]:
    """What the window holds when it is sent, with the box for an amount ticked."""
    values: dict[str, object] = {
        "amount": {"amount": said},
        "scope": {"scope": ONLY},
        "reason": {"reason": REASON},
    }
    for each in ticked:
        option = {
            "text": {"type": "plain_text", "text": f"Yes, {Decimal(each):,} EUR", "emoji": True},
            "value": each,
        }
        values[f"meant-{each}"] = {"meant": {"type": "checkboxes", "selected_options": [option]}}
    return values


def test_much_more_is_asked_again_in_the_window(office: Office) -> None:
    tim = office.sandbox.seat(TIM)
    assert ask(office, amount="9000").ok
    window = tim.modals()[-1]
    assert "This is 9 times the present 1,000 EUR. Is that right?" in str(window.blocks)
    assert REASON in str(window.blocks)
    assert "9,000" in str(window.blocks)
    assert "asks to raise" not in str(texts(office, OLA))

    unticked = tim.submit(window.id, entered("9000"))
    assert "Tick this if you mean it" in unticked.errors["meant-9000"]
    assert tim.submit(window.id, entered("30000", "9000")).ok
    window = tim.modals()[-1]
    assert "This is 30 times the present 1,000 EUR" in str(window.blocks)
    assert tim.submit(window.id, entered("30000", "30000")).ok
    office.settle()
    assert not tim.modals()
    assert "1,000 → 30,000 EUR" in texts(office, OLA)[-1]

    # Other words about the same amount ask nothing, another odd amount does.
    assert changed(office, "30000", "Two more weeks of labelling").ok
    tim.close(tim.modals()[-1].id)
    assert changed(office, "40000", "Two more weeks of labelling").ok
    window = tim.modals()[-1]
    assert "This is 40 times the present 1,000 EUR" in str(window.blocks)
    assert tim.submit(window.id, entered("40000", "40000")).ok
    office.settle()
    assert "1,000 → 40,000 EUR" in last(office, OLA)
    press(office, OLA, "approvals.approve")
    press(office, FAY, "approvals.approve")
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(40000))
    assert verified(office)


def test_less_than_is_spent_is_asked_again_and_mended_in_place(office: Office) -> None:
    load(office, "500", are_meant=True)
    tim = office.sandbox.seat(TIM)
    assert ask(office, amount="800").ok
    window = tim.modals()[-1]
    assert "900 EUR is spent in January already. Is that right?" in str(window.blocks)
    assert tim.submit(window.id, entered("1400")).ok
    office.settle()
    assert not tim.modals()
    assert "500 → 1,400 EUR" in texts(office, OLA)[-1]


def test_the_button_that_asks_again_asks_first(office: Office) -> None:
    assert ask(office, amount="2900").ok
    load(office, "300", are_meant=True)
    decide(office, OLA)
    note = last(office, TIM)
    assert "Ask for 2,200 EUR" in note
    assert "This is 7.3 times the present 300 EUR" in note
    press(office, TIM, "approvals.ask_again")
    assert "300 → 2,200 EUR" in last(office, OLA)
