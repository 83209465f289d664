"""One bill is counted once, whatever it's called; what can't be told apart is refused or asked about."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from storage.budgets import costs as queries
from storage.projects.tables import ProjectAccount
from tests.budgets.conftest import ORG, Money
from tests.sources.bill import row, write
from workflows.budgets import costs, imports
from workflows.budgets.cost_loading import Choice
from workflows.budgets.forms import BudgetRow, SummaryForm
from workflows.budgets.records import CostReport
from workflows.context import OPERATOR, Occasion
from workflows.errors import InvalidInput
from workflows.projects.forms import ProjectRow
from workflows.sources import focus
from workflows.sources.focus import HeldRead, ReadOptions

AZURE = "/providers/Microsoft.Billing/billingAccounts/ABCD-1"


def load(
    money: Money,
    tmp_path: Path,
    *rows: dict[str, str],
    answer: Choice | None = None,
    held: bool = False,
) -> CostReport:
    """One delivery; `held` as one that came over HTTP."""
    bill = write(tmp_path / "bill.csv", list(rows))
    options = ReadOptions(tag_keys=money.policy.costs.tag_keys)
    with focus.read([bill], options=options) as read:
        return imports.take_costs(
            money.db,
            Occasion(money.policy, ORG, money.now, actor=OPERATOR),
            HeldRead.of(read) if held else read,
            replace_period=True,
            answer=answer,
        )


def total(money: Money) -> Decimal:
    with money.db.read() as session:
        found = costs.summarise_costs(session, SummaryForm.model_validate({"basis": "billed"}))
    return sum((amount for _, amount in found.totals), Decimal(0))


SPELLINGS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"BillingAccountId": AZURE}, {"BillingAccountId": AZURE.lower()}),
    ({"BillingAccountId": AZURE + "7"}, {"BillingAccountId": "ABCD-17"}),
    ({"ProviderName": "AWS"}, {"ProviderName": "Amazon Web Services, Inc."}),
    ({"ProviderName": "AWS"}, {"ProviderName": "aws "}),
    ({"ProviderName": ""}, {"ProviderName": "AWS"}),
    ({"ProviderName": "AWS"}, {"ProviderName": ""}),
    ({"BillingAccountId": "0042"}, {"BillingAccountId": "42.0"}),
]


def test_a_restated_month_is_replaced_in_another_spelling(money: Money, tmp_path: Path) -> None:
    for number, (before, after) in enumerate(SPELLINGS):
        own = {"BillingAccountId": f"1{number}", "SubAccountId": f"s{number}"}
        first = load(money, tmp_path, row(**own | before | {"BilledCost": "100"}))
        again = load(money, tmp_path, row(**own | after | {"BilledCost": "120"}))
        assert again.refused == ()
        assert [one.source for one in again.periods] == [first.periods[0].source]
        assert any("in another spelling" in remark for remark in again.remarks)
        assert total(money) == 120 * (number + 1)
    same = load(money, tmp_path, row(**own | after | {"BilledCost": "120"}))
    assert [one.what for one in same.periods] == ["unchanged"]


def test_a_mended_provider_is_asked_about(money: Money, tmp_path: Path) -> None:
    """Of two names on one bill one is mended later: the old one's rows would stay for ever."""
    load(money, tmp_path, row(ProviderName="Amazom", BilledCost="70"), row(BilledCost="30"))
    rows = [row(BilledCost="30"), row(BilledCost="70")]
    asked = load(money, tmp_path, *rows)
    assert asked.refused == (
        "“AWS/42” would count beside “Amazom/42”, which has 70 USD for 2024-09 of the same billing account. If it takes that "
        "one's place, give --instead-of 'Amazom/42'; if both are right, give --separate.",
    )
    assert total(money) == 100
    mended = load(money, tmp_path, *rows, answer=Choice(instead_of=("Amazom/42",)))
    assert [(one.source, one.what) for one in mended.periods] == [
        ("AWS/42", "replaced"),
        ("Amazom/42", "dropped"),
    ]
    assert total(money) == 100
    assert load(money, tmp_path, *rows).refused == ()


@pytest.mark.parametrize("held", [False, True])
def test_a_second_source_with_the_same_days_is_asked_about_once(
    money: Money, tmp_path: Path, held: bool
) -> None:
    load(money, tmp_path, row(BilledCost="100"))
    other = row(BillingAccountId="reseller-7", ProviderName="Cloudy", BilledCost="104")
    asked = load(money, tmp_path, other, held=held)
    assert "of the same sub-accounts and days" in asked.refused[0]
    assert total(money) == 100
    assert load(money, tmp_path, other, answer=Choice(separate=True), held=held).refused == ()
    october = {
        "BillingPeriodStart": "2024-10-01T00:00:00Z",
        "ChargePeriodStart": "2024-10-03T00:00:00Z",
    }
    assert load(money, tmp_path, row(**october)).refused == ()
    assert load(money, tmp_path, other | october).refused == ()
    assert total(money) == Decimal(100 + 104 + 104) + Decimal("1.5")


def test_other_days_or_accounts_are_no_second_source(money: Money, tmp_path: Path) -> None:
    load(money, tmp_path, row())
    other = {"BillingAccountId": "7", "ProviderName": "Cloudy"}
    assert load(money, tmp_path, row(**other, SubAccountId="a-2")).refused == ()
    other["ProviderName"] = "Stormy"
    later = row(**other, ChargePeriodStart="2024-09-19T00:00:00Z")
    assert load(money, tmp_path, later, answer=Choice(separate=True)).refused == ()
    other["BillingAccountId"] = "8"
    nobody = row(**other, SubAccountId="")
    assert load(money, tmp_path, nobody).refused == ()


def test_a_place_can_be_taken_only_of_what_is_there(money: Money, tmp_path: Path) -> None:
    load(money, tmp_path, row())
    for source in ("gone", "AWS/42"):
        with pytest.raises(InvalidInput):
            load(money, tmp_path, row(), answer=Choice(instead_of=(source,)))


def test_an_account_is_found_in_another_spelling(money: Money, tmp_path: Path) -> None:
    with money.db.begin() as session:
        triage = queries.project_ids(session)["triage"]
        session.add(ProjectAccount(project_id=triage, account="12345678901"))
    spellings = ("012345678901", "12345678901.0", "0123-4567-8901")
    load(money, tmp_path, *(row(SubAccountId=one, BilledCost="3") for one in spellings))
    with money.db.read() as session:
        found = costs.summarise_costs(session, SummaryForm.model_validate({"basis": "billed"}))
    assert [(line.label, line.amount) for line in found.lines] == [("triage", 9)]


@pytest.mark.parametrize(
    ("cell", "accounts"),
    [
        ("444455556666,111111111111", ("444455556666", "111111111111")),
        ("444455556666 , 111111111111;", ("444455556666 , 111111111111",)),
        ("444455556666\n333333333333", ("444455556666", "333333333333")),
        ("444455556666\r\n333333333333;", ("444455556666", "333333333333")),
        ("Acme, Inc.;", ("acme, inc.",)),
        ("Acme Triage; Lane", ("acme triage", "lane")),
        ("-", ()),
    ],
)
def test_several_accounts_in_a_cell(cell: str, accounts: tuple[str, ...]) -> None:
    assert ProjectRow.model_validate({"key": "a", "accounts": cell}).accounts == accounts


@pytest.mark.parametrize("cell", ["4.44456E+11", "1; 4,44456E+11", "Acme, Inc."])
def test_accounts_that_can_mean_several(cell: str) -> None:
    with pytest.raises(ValueError, match=r"spreadsheet program has rounded|comma"):
        ProjectRow.model_validate({"key": "a", "accounts": cell})


@pytest.mark.parametrize("day", [date(206, 11, 1), date(9999, 1, 1), date(1999, 12, 1)])
def test_a_year_that_is_a_slip(day: date) -> None:
    row = {"project": "a", "starts": day.isoformat(), "amount": "5", "currency": "USD"}
    with pytest.raises(ValueError, match="lies outside 2000 to 2099"):
        BudgetRow.model_validate(row)
    with pytest.raises(ValueError, match="lies outside 2000 to 2099"):
        BudgetRow.model_validate(
            row | {"period": "fixed", "starts": "2001-01-01", "ends": "9999-12-31"}
        )
