"""Importing budgets, through the same door."""

from decimal import Decimal

from sqlalchemy import select

from storage.budgets.tables import Budget, BudgetRevision
from tests.imports.conftest import Desk, said

PROJECTS = "key,name,owner\ntriage,Ticket triage,U0ANA\n"
FILE = """\
Project,Period,Starts,Amount,Currency,Basis,Owner,Thresholds
triage,month,2026-01-01,"40,000.50",EUR,effective,bo@acme.test,50; 80; 100
"""


def test_budgets_are_added_once_and_changed(desk: Desk) -> None:
    desk.bring("projects", PROJECTS)
    assert desk.bring("budgets", FILE).added == 1
    assert desk.bring("budgets", FILE).unchanged == 1
    report = desk.bring("budgets", FILE.replace("40,000.50", "52000"))
    assert report.changed == 1
    assert "amount 40000.5" in said(report)
    with desk.db.read() as session:
        assert session.execute(select(Budget.thresholds)).scalar_one() == [50, 80, 100]
        amounts = session.execute(
            select(BudgetRevision.amount).order_by(BudgetRevision.revision)
        ).scalars()
        assert list(amounts) == [Decimal("40000.5"), Decimal(52000)]


def test_bad_rows_are_named_by_line_and_field(desk: Desk) -> None:
    desk.bring("projects", PROJECTS)
    bad = """\
none,month,2026-01-01,1,EUR,,,
triage,month,31.01.2026,1,EUR,,,
triage,month,2026-01-01,lots,EURO,,,
triage,month,2026-01-01,,EUR,,,
"""
    report = desk.bring("budgets", FILE + bad)
    text = said(report)
    assert report.refused
    for part in (
        "line 3, project: there is no project 'none'",
        "line 4, starts: '31.01.2026' is no day; write it like 2026-01-31",
        "line 5, amount: 'lots' isn't an amount",
        "line 5, currency: a currency is three letters",
        "line 6, amount: is empty; every row needs it",
    ):
        assert part in text
    with desk.db.read() as session:
        assert session.execute(select(Budget)).first() is None


def test_headings_of_others_are_understood(desk: Desk) -> None:
    desk.bring("projects", PROJECTS)
    report = desk.bring("budgets", "Project key;Start date;Limit;CCY\ntriage;2026-01-01;5;eur\n")
    assert report.added == 1
