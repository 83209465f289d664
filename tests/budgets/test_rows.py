"""Budgets from a file: again changes nothing, never takes back what was decided, and counts no cost twice."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from storage.budgets.tables import Budget, BudgetRevision
from storage.people.tables import Person
from tests.budgets.asking import approve, ask, decide
from tests.budgets.conftest import NOW, Money, RowOutcome, days
from tests.contexts import make_context
from workflows.approvable import SubjectMoved
from workflows.budgets import service
from workflows.budgets.records import Burn

ROW = {"project": "triage", "starts": "2026-01-01", "amount": "1000", "currency": "EUR"}


def apply(money: Money, *rows: dict[str, object]) -> list[RowOutcome]:
    return money.rows(*(ROW | row for row in rows))


def burns(money: Money) -> list[Burn]:
    with money.db.read() as session:
        found = service.burns_by_project(
            make_context(session, policy=money.policy, now=money.now), [1, 2]
        )
    return [burn for of_project in found.values() for burn in of_project]


def test_the_same_file_again_changes_nothing(money: Money) -> None:
    assert [o.what for o in apply(money, {}, {"project": "VISION "})] == ["created"] * 2
    assert [o.what for o in apply(money, {}, {"project": "vision"})] == ["unchanged"] * 2
    with money.db.read() as session:
        assert len(session.execute(select(BudgetRevision)).all()) == 2


def test_a_changed_row_is_a_new_revision_from_the_open_round_on(money: Money) -> None:
    apply(money, {})
    (outcome,) = apply(money, {"amount": "1,500", "thresholds": "90"})
    assert outcome.what == "updated"
    assert outcome.changes["amount"] == ("1000", "1500")
    (burn,) = burns(money)
    assert (burn.revision, burn.amount) == (2, 1500)


def test_the_same_file_again_does_not_take_back_an_approved_increase(money: Money) -> None:
    apply(money, {})
    approve(money, "1500")
    assert [o.what for o in apply(money, {})] == ["unchanged"]
    (burn,) = burns(money)
    assert burn.amount == 1500


def test_a_changed_amount_in_a_file_goes_over_an_approved_increase(money: Money) -> None:
    apply(money, {})
    approve(money, "1500")
    assert [o.what for o in apply(money, {"amount": "2000"})] == ["updated"]
    (burn,) = burns(money)
    assert burn.amount == 2000


def test_an_approval_never_lowers_a_budget_that_grew_meanwhile(money: Money) -> None:
    apply(money, {})
    waiting = ask(money, "1500", "onwards")
    apply(money, {"amount": "2000"})
    with pytest.raises(SubjectMoved, match=r"is 2,000 EUR now; it was 1,000 EUR"):
        decide(money, waiting)
    (burn,) = burns(money)
    assert burn.amount == 2000


def test_an_increase_for_this_period_ends_with_it(money: Money) -> None:
    apply(money, {})
    approve(money, "1500", scope="period")
    assert [burn.amount for burn in burns(money)] == [1500]
    later = replace(money, now=NOW.replace(month=2))
    assert [burn.amount for burn in burns(later)] == [1000]


def test_a_later_start_follows_on_so_that_no_cost_counts_twice(money: Money) -> None:
    rows = [{"starts": f"2026-{month:02}-01", "amount": str(1000 + month)} for month in (1, 2, 3)]
    assert [o.what for o in apply(money, *rows)] == ["created"] * 3
    assert [o.what for o in apply(money, *rows)] == ["unchanged"] * 3
    by_month = {
        month: [burn.amount for burn in burns(replace(money, now=NOW.replace(month=month)))]
        for month in (1, 2, 3, 4)
    }
    assert by_month == {1: [1001], 2: [1002], 3: [1003], 4: [1003]}


def test_a_bad_row_is_named_and_leaves_the_others_be(money: Money) -> None:
    outcomes = apply(
        money, {}, {"project": "nobody"}, {"project": "vision", "owner": "U0NONE"}, {"amount": "7"}
    )
    assert [o.what for o in outcomes] == ["created", "refused", "refused", "refused"]
    assert [o.line for o in outcomes] == [2, 3, 4, 5]
    assert "no project 'nobody'" in (outcomes[1].error or "")
    assert "nobody here is 'U0NONE'" in (outcomes[2].error or "")
    assert "line 2" in (outcomes[3].error or "")


def test_an_address_is_compared_letter_by_letter(money: Money) -> None:
    with money.db.begin() as session:
        session.execute(update(Person).where(Person.id == "p_tim").values(email="tom@acme.test"))
    outcomes = apply(money, {"owner": "t_m@acme.test"}, {"owner": "%", "project": "vision"})
    assert [o.what for o in outcomes] == ["refused", "refused"]
    (outcome,) = apply(money, {"owner": " TOM@acme.test "})
    assert outcome.what == "created"
    with money.db.read() as session:
        assert session.execute(select(Budget.owner_id)).scalar_one() == "p_tim"


def test_whoever_left_cannot_own_a_budget(money: Money) -> None:
    with money.db.begin() as session:
        session.execute(update(Person).where(Person.id == "p_tim").values(is_deactivated=True))
    (outcome,) = apply(money, {"owner": "U0TIM"})
    assert outcome.what == "refused"


def test_budgets_of_another_basis_or_currency_stand_beside_each_other(money: Money) -> None:
    apply(money, {}, {"basis": "billed"}, {"currency": "USD"})
    money.costs(days(date(2026, 1, 1), 5, "10"))
    assert [(b.currency, b.basis.value, b.spent) for b in burns(money)] == [
        ("EUR", "effective", Decimal(50)),
        ("EUR", "billed", Decimal(50)),
        ("USD", "effective", Decimal(0)),
    ]
