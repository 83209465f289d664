"""What becomes of ideas, through Slack: when they arrive, a case that no longer holds, a project that stops."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.cases import checks, ending
from storage.cases.tables import CaseCheck, ProjectOutcome
from storage.projects.tables import Project, ProjectAccount
from tests.budgets.conftest import Charge
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, OLA, Office, opened
from tests.stories.test_cases import GATED, finished, from_idea, said, send


@pytest.fixture(params=["sqlite-http", "postgres-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Tim proposes and owns, Ola sponsors, Ada leads; it is Monday, 26 January, ten to nine."""
    backend, over = request.param.split("-")
    with opened(
        fresh_url(backend, request, tmp_path), tmp_path, over=over, policy=GATED
    ) as running:
        yield running
        running.record_holds()


def approve(office: Office, who: str) -> None:
    seat = office.sandbox.seat(who)
    card = office.card(seat, seat.dm().id, "approvals.approve")
    assert seat.click(channel_id=seat.dm().id, ts=card.ts, action_id="approvals.approve").ok
    office.settle()


def bill(office: Office, *costs: str) -> None:
    """Bills of whole months from March on."""
    office.costs(
        Charge(date(2026, 3 + month, 28), cost, account="Acme Routing")
        for month, cost in enumerate(costs)
    )


def test_a_case_that_breaks_goes_on_and_breaks_more_and_stops(office: Office) -> None:
    tim = finished(office, from_idea(office))
    send(tim, reason="The queue doubled.")
    office.settle()
    approve(office, OLA)
    approve(office, FAY)
    with office.db.begin(patient=True) as session:
        (project,) = session.execute(select(Project)).scalars()
        session.add(ProjectAccount(account="acme routing", project_id=project.id))
    ola = office.sandbox.seat(OLA)
    # 4,000 a month are planned.
    office.move(timedelta(days=130))
    bill(office, "5000", "5000", "5000", "1")
    office.move(timedelta(days=31))
    card = office.card(ola, ola.dm().id, checks.GO_ON)
    assert card.text == (
        "The case of Ticket routing no longer holds: "
        "Cost is 15,000 EUR, 25 % more than the 12,000 EUR planned."
    )
    assert ola.click(channel_id=ola.dm().id, ts=card.ts, action_id=checks.GO_ON).ok
    assert "reason" in send(ola, reason=" ").errors
    send(ola, reason="A backlog, which is over.")
    office.settle()
    shown = next(each for each in ola.messages(ola.dm().id) if each.ts == card.ts)
    assert "A backlog, which is over." in str(shown.blocks)
    assert checks.GO_ON not in str(shown.blocks)

    bill(office, "5000", "5000", "5000", "9000", "1")
    office.move(timedelta(days=31))
    card = office.card(ola, ola.dm().id, ending.END)
    assert "24,000 EUR, 50 % more" in card.text
    assert ola.click(channel_id=ola.dm().id, ts=card.ts, action_id=ending.END).ok
    assert "Spent 24,001 EUR by the bills" in said(ola)
    assert "learnt" in send(ola, reason="Too dear.", learnt=" ").errors
    send(ola, reason="Too dear.", learnt="Ask what the vendor asks first.")
    office.settle()
    with office.db.read() as session:
        (project,) = session.execute(select(Project)).scalars()
        (outcome,) = session.execute(select(ProjectOutcome)).scalars()
        answers = session.execute(select(CaseCheck.answer).order_by(CaseCheck.id)).scalars().all()
        assert (project.status, outcome.kind, list(answers)) == (
            "cancelled",
            "stopped",
            ["go_on", "stop"],
        )
    shown = next(each for each in ola.messages(ola.dm().id) if each.ts == card.ts)
    assert shown.text == "Ticket routing was stopped or finished"

    tim.slash("/mlgov", "portfolio arrival", "C0TRIAGE")
    mine = tim.ephemerals()[-1]
    assert "*Ticket routing*: proposed Mon 26 Jan" in str(mine.blocks)
    assert "before it was in use" in str(mine.blocks)
    assert "Gartner" not in str(mine.blocks)
    ada = office.sandbox.seat(ADA)
    ada.slash("/mlgov", "portfolio arrival", "C0GOV")
    answer = str(ada.ephemerals()[-1].blocks)
    assert "This needs 5 projects in use with 5 different people" in answer
    assert "This needs 10 proposed projects" in answer
    assert "Gartner" in answer
    assert "Ticket routing" not in answer


def test_another_estimate_is_asked_of_the_owner(office: Office) -> None:
    tim = finished(office, from_idea(office))
    send(tim, reason="The queue doubled.")
    office.settle()
    approve(office, OLA)
    approve(office, FAY)
    with office.db.begin(patient=True) as session:
        (project,) = session.execute(select(Project)).scalars()
        session.add(ProjectAccount(account="acme routing", project_id=project.id))
    office.move(timedelta(days=130))
    bill(office, "5000", "5000", "5000", "1")
    office.move(timedelta(days=31))
    ola = office.sandbox.seat(OLA)
    card = office.card(ola, ola.dm().id, checks.ASK_ESTIMATE)
    assert ola.click(channel_id=ola.dm().id, ts=card.ts, action_id=checks.ASK_ESTIMATE).ok
    office.private(ola, "is asked for another estimate")
    office.settle()
    office.move(timedelta(hours=12))
    asked = office.card(tim, tim.dm().id, "cases.open")
    assert asked.text == "Ola asks for another estimate of Ticket routing"
    assert tim.click(channel_id=tim.dm().id, ts=asked.ts, action_id="cases.open").ok
    assert "Step 5 of 8" in said(tim)
    with office.db.read() as session:
        assert session.execute(select(CaseCheck.answer)).scalars().all() == ["reestimate"]
