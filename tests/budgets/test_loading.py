"""Bills are counted exactly, replaced as a whole, and never half written."""

import os
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from storage.budgets.tables import CostEntry, CostLoad, CostMonth
from storage.enums import CostBasis
from tests.budgets.conftest import Charge, Money, days
from tests.contexts import make_context
from workflows.budgets import cost_loading, costs, service
from workflows.budgets.costs import reallocate
from workflows.budgets.forms import SummaryForm

pytestmark = pytest.mark.slow

JANUARY = date(2026, 1, 1)


def totals(
    money: Money, by: str = "project", basis: CostBasis = CostBasis.BILLED
) -> dict[str | None, Decimal]:
    with money.db.read() as session:
        found = costs.summarise_costs(
            session, SummaryForm.model_validate({"by": by, "basis": basis})
        )
    return {line.label: line.amount for line in found.lines}


def shared() -> Path:
    found = (
        Path(os.environ.get("MLGOV_SHARED", Path(__file__).parents[3] / "shared"))
        / "data"
        / "focus"
    )
    if not found.is_dir():
        pytest.skip("the shared sample bills are not on this machine")
    return found


def test_the_real_bill_is_counted_to_the_last_digit(money: Money) -> None:
    report = money.files([shared() / "aws_focus_1.0_942_rows.csv"])
    assert report.refused == ()
    with money.db.read() as session:
        found = costs.summarise_costs(session, SummaryForm(by="service", basis=CostBasis.BILLED))
        rolled_up = session.execute(select(func.money_sum(CostMonth.billed))).scalar_one()
    assert found.totals == (("USD", Decimal("18.00663861840")),)
    assert rolled_up == Decimal("18.00663861840")


def test_the_same_bill_again_changes_nothing(money: Money) -> None:
    first = money.costs(days(JANUARY, 10, "1.5"))
    again = money.costs(list(reversed(days(JANUARY, 10, "1.5"))))
    assert [period.what for period in first.periods] == ["new"]
    assert [period.what for period in again.periods] == ["unchanged"]
    assert totals(money) == {"triage": Decimal("15.0")}


def test_a_changed_period_is_replaced_and_others_stay(money: Money) -> None:
    money.costs([*days(date(2025, 12, 1), 31, "2"), *days(JANUARY, 10, "1")])
    report = money.costs(days(JANUARY, 12, "3"))
    assert [period.what for period in report.periods] == ["replaced"]
    assert totals(money) == {"triage": Decimal(62 + 36)}
    cost_loading.remove_for(money.db)
    assert totals(money) == {"triage": Decimal(62 + 36)}
    with money.db.read() as session:
        assert session.execute(select(func.money_sum(CostMonth.billed))).scalar_one() == Decimal(98)


@pytest.mark.parametrize(
    ("charges", "words"),
    [
        (days(JANUARY, 4, "10"), "rows would become"),
        (days(JANUARY, 10, "0.7"), "would become"),
        (days(JANUARY, 10, "-1"), "less than nothing"),
    ],
)
def test_a_load_that_drops_much_is_refused_unless_it_is_meant(
    money: Money, charges: list[Charge], words: str
) -> None:
    money.costs(days(JANUARY, 10, "1"))
    report = money.costs(charges)
    assert words in report.refused[0]
    assert totals(money) == {"triage": Decimal(10)}
    assert money.costs(charges, replace_period=True).refused == ()
    assert totals(money) == {"triage": sum(Decimal(charge.cost) for charge in charges)}


def test_one_bad_row_writes_nothing_unless_it_is_skipped(money: Money) -> None:
    bad = [*days(JANUARY, 3, "1"), Charge(JANUARY, "a lot")]
    report = money.costs(bad)
    assert report.bad_row_count == 1
    assert "line 5" in report.bad_rows[0]
    assert totals(money) == {}
    assert money.costs(bad, skip_bad_rows=True).refused == ()
    assert totals(money) == {"triage": Decimal(3)}


def test_what_belongs_to_nobody_is_shown(money: Money) -> None:
    report = money.costs([*days(JANUARY, 2, "1"), *days(JANUARY, 2, "4", account="Nobody")])
    assert report.unallocated == (("EUR", Decimal(8)),)
    assert totals(money) == {"triage": Decimal(2), None: Decimal(8)}


def test_a_tag_names_its_project_before_the_account_does(money: Money) -> None:
    money.costs(days(JANUARY, 2, "1", tags='{" Project": "VISION"}'))
    assert totals(money) == {"vision": Decimal(2)}


def test_a_rule_goes_first_and_a_changed_rule_needs_no_second_import(money: Money) -> None:
    from workflows import policy

    money.costs(days(JANUARY, 2, "1", tags='{"project": "vision"}'))
    changed = policy.parse(
        "version: 1\norganisation: {name: Acme}\ncosts: {allocate: [{sub_account: ACME TRIAGE, project: triage}]}\n"
    ).policy
    with money.db.begin() as session:
        assert reallocate(session, changed) == 1
        assert reallocate(session, changed) == 0
    assert totals(money) == {"triage": Decimal(2)}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    charges=st.lists(
        st.builds(
            Charge,
            day=st.dates(date(2025, 11, 1), date(2026, 1, 26)),
            cost=st.decimals(min_value=-(10**9), max_value=10**9, places=11).map(
                lambda value: format(value, "f")
            ),
            account=st.sampled_from(["Acme Triage", "acme vision", "=SUM(A1)", "<!channel>", ""]),
            currency=st.sampled_from(["EUR", "USD", "JPY"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_totals_are_exact_whatever_the_rows(money: Money, charges: list[Charge]) -> None:
    with money.db.begin() as session:
        for table in (CostEntry, CostMonth, CostLoad):
            session.execute(delete(table))
    report = money.costs(charges)
    assert report.refused == ()
    expected: dict[str, Fraction] = {}
    for charge in charges:
        expected[charge.currency] = expected.get(charge.currency, Fraction(0)) + Fraction(
            charge.cost
        )
    for by in ("project", "service", "day"):
        with money.db.read() as session:
            found = costs.summarise_costs(
                session, SummaryForm.model_validate({"by": by, "basis": "billed"})
            )
        assert {currency: Fraction(amount) for currency, amount in found.totals} == expected
    with money.db.read() as session:
        rows = session.execute(
            select(CostMonth.currency, func.money_sum(CostMonth.billed)).group_by(
                CostMonth.currency
            )
        )
        assert {currency: Fraction(amount) for currency, amount in rows} == expected


def test_a_changed_rule_counts_from_the_next_load_on(money: Money) -> None:
    from workflows import policy

    money.costs(days(JANUARY, 2, "1"))
    money.policy = policy.parse(
        "version: 1\norganisation: {name: Acme}\ncosts: {allocate: [{sub_account: ACME TRIAGE, project: vision}]}\n"
    ).policy
    assert [period.what for period in money.costs(days(JANUARY, 2, "1")).periods] == ["unchanged"]
    assert totals(money) == {"vision": Decimal(2)}


def test_a_project_that_stopped_spending_is_not_without_data(money: Money) -> None:
    money.budget()
    money.costs([*days(JANUARY, 5, "10"), *days(JANUARY, 20, "1", account="Acme Vision")])
    with money.db.read() as session:
        (burn,) = service.burns_by_project(
            make_context(session, policy=money.policy, now=money.now), [1]
        )[1]
        detail = service.load_detail(make_context(session, policy=money.policy, now=money.now), 1)
    assert burn.data_through == JANUARY + timedelta(days=19)
    assert detail.likely is not None
    assert (detail.likely.low, detail.likely.high) == (Decimal(50), Decimal("77.5"))


def test_data_of_days_to_come_is_not_there_yet(money: Money) -> None:
    money.budget()
    money.costs([*days(JANUARY, 10, "1"), Charge(date(2026, 1, 31), "5")])
    with money.db.read() as session:
        (burn,) = service.burns_by_project(
            make_context(session, policy=money.policy, now=money.now), [1]
        )[1]
    assert (burn.spent, burn.data_through) == (Decimal(10), date(2026, 1, 10))


def test_days_outside_are_left_out_of_a_summary(money: Money) -> None:
    money.costs(days(JANUARY, 10, "1"))
    with money.db.read() as session:
        found = costs.summarise_costs(
            session,
            SummaryForm(
                by="day", first=JANUARY + timedelta(days=2), last=JANUARY + timedelta(days=4)
            ),
        )
    assert [line.label for line in found.lines] == ["2026-01-03", "2026-01-04", "2026-01-05"]
