"""A crossing is told once, in the right place, and never when nobody could have acted."""

import threading
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from storage.budgets.tables import BudgetAlert
from storage.delivery.tables import Outbox
from tests.budgets.asking import ask, decide, lapse
from tests.budgets.conftest import NOW, OLA, ORG, Charge, Money, days
from tests.contexts import make_context
from workflows.budgets import alerts, imports, service
from workflows.budgets.forms import BudgetRow
from workflows.context import OPERATOR

JANUARY = date(2026, 1, 1)


def posted(money: Money) -> list[str]:
    with money.db.read() as session:
        return list(
            session.execute(
                select(Outbox.lane_key).where(Outbox.kind == "budgets.threshold_crossed")
            ).scalars()
        )


def recorded(money: Money) -> list[tuple[int, int, bool]]:
    with money.db.read() as session:
        rows = session.execute(
            select(BudgetAlert.revision, BudgetAlert.threshold, BudgetAlert.told).order_by(
                BudgetAlert.id
            )
        )
        return [tuple(row) for row in rows]


def evaluate(money: Money, moved: timedelta) -> int:
    with money.db.begin() as session:
        return len(
            alerts.evaluate(make_context(session, policy=money.policy, now=NOW + moved, org=ORG))
        )


def test_several_thresholds_at_once_make_one_message_for_the_highest(money: Money) -> None:
    money.budget()
    report = money.costs(days(JANUARY, 20, "45"))
    assert posted(money) == [f"slack:{ORG}:C0TRIAGE"]
    assert recorded(money) == [(1, 50, False), (1, 80, True)]
    assert [(c.threshold, c.told) for c in report.crossings] == [(80, True)]


def test_it_is_told_once_however_often_one_looks(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    for hours in range(5):
        assert evaluate(money, timedelta(hours=hours)) == 0
    money.costs(days(JANUARY, 20, "45"))
    assert len(posted(money)) == 1


def test_the_next_threshold_is_the_next_message(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    money.costs(days(JANUARY, 25, "45"))
    assert recorded(money) == [(1, 50, False), (1, 80, True), (1, 100, True)]
    assert len(posted(money)) == 2


def test_charges_of_days_to_come_count_when_their_day_comes(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 31, "30"))
    assert recorded(money) == [(1, 50, True)]
    assert evaluate(money, timedelta(days=1)) == 1
    assert recorded(money)[-1] == (1, 80, True)


def test_history_that_was_over_already_alarms_nobody_and_is_reported_once(money: Money) -> None:
    money.budget()
    report = money.costs(days(date(2025, 11, 1), 85, "50"))
    assert posted(money) == []
    assert [(c.threshold, c.told) for c in report.crossings] == [(100, False)]
    assert evaluate(money, timedelta(hours=1)) == 0


def test_a_budget_that_is_over_when_it_is_imported_is_only_reported(money: Money) -> None:
    money.costs(days(JANUARY, 25, "50"))
    crossings = money.budget()
    assert [(c.threshold, c.told) for c in crossings] == [(100, False)]
    assert posted(money) == []


def test_closed_rounds_never_speak(money: Money) -> None:
    money.budget(starts="2025-12-01")
    money.costs(days(date(2025, 12, 1), 31, "500"))
    assert posted(money) == []
    assert recorded(money) == []


def test_without_a_channel_the_owner_is_told(money: Money) -> None:
    money.budget(project="vision")
    money.costs(days(JANUARY, 20, "45", account="Acme Vision"))
    assert posted(money) == [f"slack:{ORG}:U0OLA"]


def test_another_currency_is_shown_beside_and_never_compared(money: Money) -> None:
    money.budget()
    money.costs([*days(JANUARY, 20, "10"), Charge(date(2026, 1, 5), "100000", currency="USD")])
    assert posted(money) == []
    with money.db.read() as session:
        (burn,) = service.burns_by_project(
            make_context(session, policy=money.policy, now=NOW), [1]
        )[1]
    assert (burn.spent, burn.others) == (Decimal(200), (("USD", Decimal(100000)),))


@pytest.mark.slow
def test_two_hundred_projects_and_two_years_alarm_nobody(money: Money) -> None:
    from storage.projects.tables import Project, ProjectAccount

    with money.db.begin() as session:
        for n in range(200):
            project = Project(
                key=f"p{n}", name=f"P {n}", status="live", channel=f"C{n}", created_at=NOW
            )
            session.add(project)
            session.flush()
            session.add(ProjectAccount(account=f"account {n}", project_id=project.id))
    rows = [
        BudgetRow.model_validate(
            {"project": f"p{n}", "starts": "2024-02-01", "amount": "10", "currency": "EUR"}
        )
        for n in range(200)
    ]
    with money.db.begin(patient=True) as session:
        table = imports.BudgetTable()
        table.take_rows(
            make_context(session, OPERATOR, policy=money.policy, org=ORG, now=NOW),
            list(enumerate(rows, 2)),
        )
    start = date(2024, 2, 1)
    money.costs(
        [
            Charge(start + timedelta(days=30 * month), "50", account=f"Account {n}")
            for n in range(200)
            for month in range(25)
            if start + timedelta(days=30 * month) <= NOW.date()
        ]
    )
    assert posted(money) == []


def test_an_alert_is_acknowledged_by_the_first_and_its_card_follows(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    with money.db.read() as session:
        (alert_id,) = session.execute(
            select(BudgetAlert.id).where(BudgetAlert.told.is_(True))
        ).scalars()
    for actor in (OLA, replace(OLA, id="p_tim", name="Tim")):
        with money.db.begin() as session:
            service.acknowledge_alert(
                make_context(session, actor=actor, policy=money.policy, now=NOW), alert_id
            )
    with money.db.read() as session:
        card = service.load_alert_card(
            make_context(session, policy=money.policy, now=NOW), alert_id
        )
    assert card is not None
    assert card.acknowledged_by == ("U0OLA", "Ola")
    assert card.is_open
    assert card.burn.spent == Decimal(900)


def test_two_that_look_at_once_tell_once(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 31, "30"))
    second: list[int] = []
    other = threading.Thread(target=lambda: second.append(evaluate(money, timedelta(days=1))))
    with money.db.begin() as session:
        first = alerts.evaluate(
            make_context(session, policy=money.policy, now=NOW + timedelta(days=1), org=ORG)
        )
        session.flush()
        other.start()
        other.join(0.5)
        assert other.is_alive(), "the other has to wait for what this one recorded"
    other.join()
    assert (len(first), second) == (1, [0])
    assert len(posted(money)) == 2


def test_what_is_over_the_amount_that_holds_again_is_told(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "60"))
    before = posted(money)
    approval_id = ask(money, "2000")
    decide(money, approval_id)
    assert posted(money) == before, "a raise tells of no threshold"
    lapse(money, approval_id)
    assert len(posted(money)) == len(before) + 1, "1,200 of 1,000 is over again"
