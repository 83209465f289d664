"""What was asked about changes while it waits: a file says another amount, and whoever asked says what they want now."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from storage.enums import ApprovalState
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, OLA, TIM, Office, opened
from tests.stories.test_actions import last, press
from tests.stories.test_front import open_home
from tests.stories.test_road import amount, ask, decide, over_budget, state, texts, verified
from workflows.budgets import imports
from workflows.budgets.forms import BudgetRow
from workflows.context import OPERATOR

pytestmark = pytest.mark.slow


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """One running mlgov in which Tim has asked for 1,500 instead of 1,000."""
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path) as running:
        over_budget(running)
        assert ask(running).ok
        yield running


def load(office: Office, said: str, *, are_meant: bool = False) -> None:
    """Somebody imports a table in which January's budget is another one."""
    row = BudgetRow.model_validate(
        {"project": "triage", "starts": "2026-01-01", "amount": said, "currency": "EUR"}
    )
    with office.db.begin(patient=True) as session:
        deps = office.bot.deps
        table = imports.BudgetTable(are_meant=are_meant)
        table.take_rows(
            make_context(
                session, OPERATOR, policy=deps.policy, org=deps.team.org_key, now=office.now()
            ),
            [(2, row)],
        )


def test_a_file_changes_what_was_asked_about(office: Office) -> None:
    load(office, "2000")
    # The card in Slack still has its button; the click counts for nothing, and the card tells why.
    decide(office, OLA)
    assert amount(office) == Decimal(2000)
    assert "is 2,000 EUR now; it was 1,000 EUR when this was asked" in last(office, OLA)
    assert "Nobody can approve this before Tim says" in last(office, OLA)
    assert '"Approve"' not in last(office, OLA).replace("'", '"')
    note = last(office, TIM)
    for told in ("Ask for 2,500 EUR", "Keep 2,000 EUR", "2,000 → 2,500 EUR (+25 %)"):
        assert told in note
    assert "If you don't say so by" in note
    assert "If Tim doesn't say so by" in last(office, OLA)
    assert "before you say what to ask for now" in str(open_home(office, TIM).blocks)
    asked = len(texts(office, OLA))
    press(office, TIM, "approvals.ask_again")
    assert len(texts(office, OLA)) == asked + 1
    assert "2,000 → 2,500 EUR" in last(office, OLA)
    decide(office, OLA)
    decide(office, FAY)
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(2500))
    assert verified(office)


def test_whoever_asked_keeps_what_there_is(office: Office) -> None:
    decide(office, OLA)
    load(office, "2000")
    office.move(timedelta(minutes=1))
    assert "is 2,000 EUR now" in last(office, FAY)
    press(office, TIM, "approvals.keep")
    assert (state(office), amount(office)) == (ApprovalState.WITHDRAWN, Decimal(2000))
    assert "the budget stays at 2,000 EUR" in last(office, FAY)
    assert verified(office)


def test_who_is_asked_after_a_stage_that_is_asked_anew_hears_that_it_comes_back(
    office: Office,
) -> None:
    decide(office, OLA)
    load(office, "2000")
    office.move(timedelta(minutes=1))
    press(office, TIM, "approvals.ask_again")
    told = last(office, FAY)
    assert "It goes back to Budget owner first." in told
    assert "You'll be asked again when it's your turn." in told
    decide(office, OLA)
    decide(office, FAY)
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(2500))
