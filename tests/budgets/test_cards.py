"""What people read about budgets follows the record, and text from files is only text."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bot.budgets import messages
from bot.budgets import windows as budget_windows
from bot.delivery.rendering import Rendered, Scene
from bot.status import words as project_messages
from storage.budgets.tables import BudgetAlert
from storage.delivery.tables import Message, Outbox
from storage.people.tables import Channel
from storage.projects.tables import Project
from tests.budgets.asking import ask
from tests.budgets.conftest import NOW, OLA, ORG, Charge, Money, days
from tests.conftest import fresh_url
from tests.contexts import make_context
from workflows.approvals import service as approval_service
from workflows.budgets import alerts, service
from workflows.budgets.increase import BUDGET_INCREASE
from workflows.budgets.notices import ThresholdCrossed
from workflows.outbox import rebuild

JANUARY = date(2026, 1, 1)
HOSTILE = (
    "<!channel> & <https://evil.example|click> *bold* `x` \u202eabc\u2066 "
    + "😀" * 50
    + "&<>" * 1500
)


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Rendering reads no database by itself, so one kind is enough here."""
    return fresh_url(request.param, request, tmp_path)


def told(money: Money) -> list[int]:
    with money.db.read() as session:
        return list(
            session.execute(
                select(BudgetAlert.id).where(BudgetAlert.told.is_(True)).order_by(BudgetAlert.id)
            ).scalars()
        )


def scene(money: Money, *, closed: bool = True) -> Scene:
    return Scene(now=money.now, policy=money.policy, is_closed=closed)


def shown(money: Money, alert_id: int, *, closed: bool = True) -> Rendered:
    with money.db.read() as session:
        (made,) = (
            r.render(session, ThresholdCrossed(alert_id), scene(money, closed=closed))
            for r in messages.RENDERERS
            if r.notice is ThresholdCrossed
        )
    assert made is not None
    return made


def deliver(money: Money) -> list[str]:
    """Settle what waits as delivery would: every post becomes a copy, every update is done. What was done."""
    done = []
    with money.db.begin() as session:
        for row in session.execute(select(Outbox).order_by(Outbox.id)).scalars():
            done.append(f"{row.op} {row.kind}")
            if row.op == "post" and row.subject_id is not None:
                session.execute(insert(Message), copy_of(row))
        session.execute(delete(Outbox))
    return done


def copy_of(row: Outbox) -> dict[str, Any]:
    values: dict[str, Any] = {
        "outbox_id": row.id,
        "lane_key": row.lane_key,
        "channel": row.lane_key.rsplit(":", 1)[-1],
        "ts": row.dedupe_key,
        "kind": row.kind,
        "notice": row.notice,
        "notice_version": row.notice_version,
        "subject_type": row.subject_type,
        "subject_id": row.subject_id,
        "shown_hash": "",
        "shown_at": row.due_at,
    }
    return values


def test_a_card_says_what_how_much_since_when_and_through_which_day(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    (alert_id,) = told(money)
    made = shown(money, alert_id)
    assert made.text.startswith("Ticket triage has used 90 % of January's budget")
    assert "900 of 1,000 EUR effective cost" in made.text
    assert "data through Tue 20 Jan" in made.text
    words = json.dumps(made.blocks)
    assert "Crossed 80 % on Sun 18 Jan" in words
    assert [b["text"]["text"] for b in made.blocks[-1]["elements"]] == [
        "Acknowledge",
        "Request increase",
        "Break down",
    ]


def test_the_card_follows_when_more_cost_comes_in(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    assert deliver(money) == ["post budgets.threshold_crossed"]
    money.costs(days(JANUARY, 21, "45"))
    assert "update budgets.threshold_crossed" in deliver(money)


def test_the_card_follows_when_its_round_ends(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    deliver(money)
    money.now = NOW + timedelta(days=7)
    with money.db.begin() as session:
        alerts.evaluate(make_context(session, policy=money.policy, now=money.now, org=ORG))
    assert "update budgets.threshold_crossed" in deliver(money)
    (alert_id,) = told(money)
    assert "actions" not in {block["type"] for block in shown(money, alert_id).blocks}


def test_the_card_follows_when_an_increase_is_asked(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    deliver(money)
    ask(money)
    assert "update budgets.threshold_crossed" in deliver(money)
    (alert_id,) = told(money)
    words = json.dumps(shown(money, alert_id).blocks)
    assert "Waiting: <@U0TIM> asked for 1,500 EUR" in words
    assert "Request increase" not in words


def test_the_card_follows_when_a_file_changes_the_amount(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    deliver(money)
    money.budget(amount="5000")
    assert "update budgets.threshold_crossed" in deliver(money)


def test_a_card_of_february_does_not_tell_of_a_request_for_january(money: Money) -> None:
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    approval_id = ask(money)
    money.now = NOW + timedelta(days=20)
    with money.db.begin() as session:
        approval_service.expire(
            make_context(session, policy=money.policy, now=money.now, org=ORG), approval_id
        )
    money.costs(days(date(2026, 2, 1), 10, "90"))
    _, february = told(money)
    assert "Expired" not in json.dumps(shown(money, february).blocks)


def test_outsiders_see_no_figure_and_the_owner_is_told_once(money: Money) -> None:
    with money.db.begin() as session:
        session.add(
            Channel(
                org_key=ORG, slack_id="C0TRIAGE", name="triage", has_guests=True, refreshed_at=NOW
            )
        )
    money.budget()
    money.costs(days(JANUARY, 20, "45"))
    money.costs(days(JANUARY, 25, "45"))
    for alert_id in told(money):
        made = shown(money, alert_id, closed=False)
        words = made.text + json.dumps(made.blocks)
        assert not any(part in words for part in ("900", "1,000", "90 %", "EUR", "Ticket triage"))
        assert "actions" not in {block["type"] for block in made.blocks}
    with money.db.read() as session:
        lanes = session.execute(
            select(Outbox.lane_key).where(Outbox.kind == "budgets.channel_not_closed")
        ).scalars()
        assert list(lanes) == [f"slack:{ORG}:U0OLA"]


def test_nothing_is_called_told_that_nobody_could_be_told(money: Money) -> None:
    with money.db.begin() as session:
        session.execute(update(Project).values(channel=None, owner_id=None))
    money.budget()
    report = money.costs(days(JANUARY, 20, "45"))
    assert [crossing.told for crossing in report.crossings] == [False]
    assert told(money) == []


def test_names_from_files_are_only_text_and_stay_within_limits(money: Money) -> None:
    with money.db.begin() as session:
        session.execute(update(Project).where(Project.key == "triage").values(name=HOSTILE))
    money.budget()
    charges = [
        Charge(JANUARY + timedelta(days=n % 20), "45", service=f"{n} {HOSTILE}"[:4000])
        for n in range(20)
    ]
    money.costs(charges)
    (alert_id,) = told(money)
    made = shown(money, alert_id)
    with money.db.read() as session:
        found = service.load_breakdown(
            make_context(session, actor=OLA, policy=money.policy, now=NOW), 1
        )
    answer = budget_windows.budget(found.detail)
    windows = (
        budget_windows.break_down(found),
        budget_windows.increase(found.detail, "Decided by: x"),
    )
    for text in (made.text, json.dumps([made.blocks, answer, windows])):
        assert "<!channel>" not in text
        assert "<https" not in text
        assert "\u202e" not in text
    assert len(made.text) <= 3000
    for window in windows:
        assert len(json.dumps(window)) < 250_000
    for block in [*made.blocks, *answer, *windows[0]["blocks"], *windows[1]["blocks"]]:
        if "text" in block:
            assert len(block["text"]["text"]) <= 3000


def test_a_break_down_adds_up_to_the_last_digit(money: Money) -> None:
    money.budget()
    money.costs(
        [Charge(JANUARY, "1234.567", service="A"), Charge(JANUARY, "0.0000000001", service="B")]
    )
    with money.db.read() as session:
        found = service.load_breakdown(
            make_context(session, actor=OLA, policy=money.policy, now=NOW), 1
        )
    words = json.dumps(budget_windows.break_down(found), ensure_ascii=False)
    assert "1,234.567 EUR" in words
    assert "0.0000000001 EUR" in words


def test_every_service_and_day_is_shown_or_counted(money: Money) -> None:
    money.budget(period="fiscal_year", amount="100000")
    money.now = NOW.replace(month=3)
    money.costs([Charge(JANUARY + timedelta(days=n), "1", service=f"S{n}") for n in range(60)])
    with money.db.read() as session:
        found = service.load_breakdown(
            make_context(session, actor=OLA, policy=money.policy, now=money.now), 1
        )
    words = json.dumps(budget_windows.break_down(found), ensure_ascii=False)
    assert "45 more services together: 45 EUR" in words
    assert "29 earlier days together: 29 EUR" in words


def test_the_window_names_the_amount_that_must_be_passed(money: Money) -> None:
    money.budget(amount="40000")
    with money.db.read() as session:
        detail = service.load_detail(make_context(session, policy=money.policy, now=NOW), 1)
    view = budget_windows.increase(detail, "Decided by: Owner")
    (amount,) = [b for b in view["blocks"] if b.get("block_id") == budget_windows.AMOUNT]
    assert amount["element"]["placeholder"]["text"] == "More than 40,000"


def test_a_refused_load_names_its_own_period_to_the_owner(money: Money) -> None:
    money.budget()
    both = [*days(date(2025, 12, 1), 31, "2"), *days(JANUARY, 10, "1")]
    money.costs(both)
    deliver(money)
    report = money.costs([*days(date(2025, 12, 1), 31, "2"), *days(JANUARY, 2, "1")])
    assert len(report.refused) == 1
    with money.db.read() as session:
        (row,) = session.execute(
            select(Outbox).where(Outbox.kind == "budgets.load_refused")
        ).scalars()
        assert row.notice["billing_period"] == "2026-01-01"
        made = messages.load_refused(_refused(session, row), _refused(session, row), scene(money))
    assert "10 rows would become 2" in made.text


def _refused(session: Session, row: Outbox) -> Any:
    notice_type = next(r.notice for r in messages.RENDERERS if r.notice.kind == row.kind)
    return rebuild(notice_type, row.notice)


def test_a_day_of_another_year_names_the_year_wherever_it_is_written(money: Money) -> None:
    """Data that ended two years ago is not taken for last autumn's."""
    money.budget()
    money.costs(days(date(2024, 9, 1), 30, "45"))
    with money.db.read() as session:
        found = service.burns_by_project(
            make_context(session, policy=money.policy, now=money.now), [1]
        )
        ((burn,),) = found.values()
        asks = {"old": "1000", "new": "1500", "currency": "EUR", "period": "January"}
        asked = BUDGET_INCREASE.words(
            make_context(session, policy=money.policy, now=money.now),
            burn.budget_id,
            asks
            | {"scope": "period", "basis": "effective"}
            | {"period_start": "2026-01-01", "period_end": "2026-01-31"},
        )
    says = "data through Mon 30 Sep 2024"
    assert messages.through(burn) == says
    assert project_messages.data_words(burn) == says
    assert project_messages.shared_day([(burn,)]) == says
    assert ("Data through", "Mon 30 Sep 2024") in asked.facts
