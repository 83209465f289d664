"""Asking for more: one at a time, never for less, and the new amount stands for exactly what was asked."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from storage.approvals.tables import Approval, ApprovalStage
from storage.budgets.tables import BudgetAlert, BudgetRevision
from storage.delivery.tables import Outbox
from storage.enums import Verdict
from storage.people.tables import Person
from tests.budgets import asking
from tests.budgets.asking import approve, ask, decide
from tests.budgets.conftest import ORG, Money, days
from tests.contexts import make_context
from workflows.budgets.increase import BUDGET_INCREASE
from workflows.errors import GovernanceError
from workflows.policy.conditions import FACTS

JANUARY = date(2026, 1, 1)


def crossings(money: Money) -> list[tuple[int, int, bool]]:
    with money.db.read() as session:
        rows = session.execute(
            select(BudgetAlert.revision, BudgetAlert.threshold, BudgetAlert.told).order_by(
                BudgetAlert.id
            )
        )
        return [tuple(row) for row in rows]


def alarms(money: Money) -> int:
    with money.db.read() as session:
        return len(
            session.execute(
                select(Outbox.id).where(Outbox.kind == "budgets.threshold_crossed")
            ).all()
        )


@pytest.mark.parametrize(
    ("amount", "revision", "words"),
    [
        ("1000", 1, "not more than the 1,000 EUR"),
        ("1", 1, "not more than the 1,000 EUR"),
        ("1500", 9, "changed since it was shown"),
    ],
)
def test_what_is_no_increase_is_refused_at_the_amount(
    money: Money, amount: str, revision: int, words: str
) -> None:
    money.budget()
    with pytest.raises(GovernanceError, match=words) as refused:
        ask(money, amount, revision=revision)
    assert refused.value.field == "amount"


def test_a_second_request_names_the_first(money: Money) -> None:
    money.budget()
    first = ask(money, "1500")
    with pytest.raises(GovernanceError, match=f"Tim .* 1,500 EUR; request #{first}"):
        ask(money, "1600")
    decide(money, first, Verdict.REJECT)
    assert ask(money, "1600") > first


def test_nobody_is_alarmed_about_what_was_just_approved(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 24, "45"))
    assert crossings(money) == [(1, 50, False), (1, 80, False), (1, 100, True)]
    approve(money, "1200")
    assert crossings(money)[3:] == [(2, 50, False), (2, 80, False)]
    assert alarms(money) == 1


def test_the_next_threshold_of_the_new_amount_is_told(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 24, "45"))
    approve(money, "1100")
    money.costs(days(JANUARY, 25, "45"))
    assert crossings(money)[-1] == (2, 100, True)


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.REJECT])
def test_a_revision_is_made_by_an_approval_only(money: Money, verdict: Verdict) -> None:
    money.budget()
    approval_id = ask(money, "1500", "period")
    decide(money, approval_id, verdict)
    with money.db.read() as session:
        revisions = session.execute(
            select(BudgetRevision).order_by(BudgetRevision.revision)
        ).scalars()
        found = [(r.amount, r.valid_from, r.valid_until, r.approval_id) for r in revisions]
    made = [(1500, JANUARY, date(2026, 1, 31), approval_id)]
    assert found[1:] == (made if verdict is Verdict.APPROVE else [])


def test_the_words_say_from_what_to_what_for_how_long(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    facts = {
        "old": "1000",
        "new": "1250",
        "currency": "EUR",
        "basis": "effective",
        "scope": "onwards",
        "period": "January",
        "period_start": "2026-01-01",
        "period_end": "2026-01-31",
        "budget_id": 1,
        "from_revision": 1,
    }
    with money.db.read() as session:
        words = BUDGET_INCREASE.words(
            make_context(session, policy=money.policy, now=money.now + timedelta(days=1)), 1, facts
        )
    assert words.project == "Ticket triage"
    assert words.asks == ("raise January's budget, and from then on: 1,000 → 1,250 EUR (+25 %)")
    assert words.stays == "the budget stays at 1,000 EUR"
    assert ("Spent so far", "900 EUR effective cost") in words.facts
    assert ("Data through", "Tue 20 Jan") in words.facts


def test_conditions_are_told_exactly_the_facts_that_the_policy_knows(money: Money) -> None:
    money.budget()
    approval_id = ask(money, "1500")
    with money.db.read() as session:
        bound = session.get_one(Approval, approval_id).bound
    assert bound is not None
    facts = bound["facts"]
    assert facts.keys() == FACTS["budget"].keys()
    assert (facts["increase.percent"], facts["increase.amount"]) == (50.0, 500.0)


def test_a_budget_that_shrank_while_it_was_asked_about_asks_more_people(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On what there is by now another stage is asked: by the question that whoever asked puts anew."""
    far = "{name: Finance, when: increase.percent > 60.0, approvers: [U0FAY]}"
    monkeypatch.setattr(asking, "POLICY", f"{asking.POLICY}      - {far}\n")
    money.budget()
    with money.db.begin() as session:
        session.add(Person(id="p_fay", org_key=ORG, slack_id="U0FAY", name="Fay"))
    approval_id = ask(money, "1500")
    money.budget(amount="800")
    with pytest.raises(GovernanceError, match="is 800 EUR now"):
        decide(money, approval_id)
    asking.ask_again(money, approval_id)
    with money.db.read() as session:
        stages = session.execute(
            select(ApprovalStage.name).order_by(ApprovalStage.position)
        ).scalars()
        row = session.get_one(Approval, approval_id)
        assert (list(stages), row.state, row.stage) == (["Owner", "Finance"], "pending", 0)
        assert row.facts["new"] == "1300"
        assert row.bound is not None
        assert row.bound["facts"]["increase.percent"] == 62.5
