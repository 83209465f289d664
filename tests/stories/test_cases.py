"""A business case through Slack: from an idea in a channel to an approved project, its budget and its rank."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.cases import fund, words
from bot.slack.interactions import Request
from bot.slack.requests import Click
from sandbox.seat import Seat
from storage.budgets.tables import Budget
from storage.cases.tables import BusinessCase, CaseRevision, RankOverride
from storage.projects.tables import Project
from tests.conftest import fresh_url
from tests.sight.world import actor as actor_of
from tests.stories.office import ADA, FAY, OLA, POLICY, TIM, Office, opened, organisation
from workflows.errors import GovernanceError

GATED = (
    POLICY.replace("  finance:", "  leader: [U0ADA]\n  finance:")
    + """\
  business_case:
    stages:
      - {name: Sponsor, approvers: [subject.sponsor]}
      - {name: Finance, when: case.costs > 50000.0, approvers: [role:finance]}
    expires_after: 14d
"""
)


@pytest.fixture(params=["sqlite-http", "postgres-http", "sqlite-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Tim proposes, Ola sponsors, Fay is finance, Ada leads; it is Monday, 26 January, ten to nine."""
    backend, over = request.param.split("-")
    people = organisation()
    people["channels"].append({"id": "C0NEW", "name": "brand-new", "members": [TIM]})
    with opened(
        fresh_url(backend, request, tmp_path), tmp_path, over=over, policy=GATED, world=people
    ) as running:
        yield running
        running.record_holds()


def top(seat: Seat) -> Any:
    return seat.modals()[-1]


def send(seat: Seat, **values: Any) -> Any:
    return seat.submit(top(seat).id, {name: {name: value} for name, value in values.items()})


def press(seat: Seat, action_id: str, **more: Any) -> Any:
    outcome = seat.click(view_id=top(seat).id, action_id=action_id, **more)
    assert outcome.ok
    return outcome


def choose(seat: Seat, action_id: str, word: str) -> None:
    """Pick the option of a menu in the window whose value holds a word."""
    for block in top(seat).body["blocks"]:
        for element in [*block.get("elements", ()), block.get("accessory") or {}]:
            if element.get("action_id") == action_id:
                value = next(
                    option["value"] for option in element["options"] if word in option["value"]
                )
                press(seat, action_id, block_id=block["block_id"], selected=value)
                return
    raise AssertionError(f"no {action_id} in the window")


def said(seat: Seat) -> str:
    return str(top(seat).body["blocks"])


def from_idea(office: Office) -> Seat:
    """Tim uses the shortcut on Ola's idea and goes on to the third step."""
    idea = office.sandbox.seat(OLA).say(
        "C0TRIAGE", "We could route tickets by themselves. Half of them go to the wrong team."
    )
    tim = office.sandbox.seat(TIM)
    assert tim.shortcut(words.FROM_MESSAGE, "C0TRIAGE", idea.ts).ok
    view = top(tim).body
    assert view["blocks"][1]["element"]["initial_value"] == "We could route tickets by themselves"
    assert "wrong team" in view["blocks"][2]["element"]["initial_value"]
    outcome = send(tim, title="Ticket routing", problem="Half of the tickets go to the wrong team.")
    assert outcome.ok, outcome
    assert "Step 2 of 8" in said(tim)
    send(tim, owner=TIM, sponsor=OLA, business_unit="Care", category="optimization")
    assert "Step 3 of 8" in said(tim)
    return tim


def finished(office: Office, tim: Seat) -> Seat:
    """The remaining steps, to the last one."""
    send(tim, metric="Minutes to route a ticket", baseline="12", target="4")
    send(tim, starts="2026-03-09", months="24", currency="EUR")
    assert "Step 5 of 8" in said(tim)
    choose(tim, words.ADD_LINE, "time_saved")
    wrong = send(tim, uses="8,000", minutes="3", acceptance="150 %", rate="45").errors
    assert set(wrong) == {"acceptance"}
    send(tim, uses="6,000 / 8,000 / 9,000", minutes="3", acceptance="60 %", rate="45")
    assert "259,200 EUR in all" in said(tim)
    assert "*So far* it brings 259,200 EUR, costs 0 EUR" in said(tim)
    send(tim)
    assert "Step 6 of 8" in said(tim)
    choose(tim, words.ADD_LINE, "compute")
    send(tim, amount="4,000")
    assert "costs 96,000 EUR (2.7x)" in said(tim)
    send(tim)
    send(tim, confidence="70 %", feasibility="90 %", tier="3")
    assert "Step 8 of 8" in said(tim)
    return tim


def test_from_an_idea_in_a_channel_to_a_project_with_a_budget_and_a_rank(office: Office) -> None:
    tim = finished(office, from_idea(office))
    assert "Decided by: Sponsor (Ola), then if `case.costs &gt; 50000.0`, Finance" in said(tim)
    assert "Would be the only project ranked that you see" in said(tim)
    assert send(tim, reason="   ").errors == {
        "reason": "Say why, in a sentence; those who decide read this first."
    }
    refused = send(tim, reason="The queue doubled.", channel="C0NEW").errors
    assert set(refused) == {"channel"}
    send(tim, reason="The queue doubled.", channel="C0TRIAGE")
    office.settle()
    ola = office.sandbox.seat(OLA)
    card = office.card(ola, ola.dm().id, "approvals.approve")
    assert "begin: it costs 96,000 EUR and brings 259,200 EUR in 24 months (2.7x)" in str(
        card.blocks
    )
    assert ola.click(channel_id=ola.dm().id, ts=card.ts, action_id="approvals.approve").ok
    office.settle()
    fay = office.sandbox.seat(FAY)
    card = office.card(fay, fay.dm().id, "approvals.approve")
    assert fay.click(channel_id=fay.dm().id, ts=card.ts, action_id="approvals.approve").ok
    office.settle()
    with office.db.read() as session:
        (project,) = session.execute(select(Project)).scalars()
        (budget,) = session.execute(select(Budget)).scalars()
        assert (project.key, project.status, project.category) == (
            "ticket-routing",
            "approved",
            "optimization",
        )
        assert project.channel == "C0TRIAGE"
        assert budget.project_id == project.id

    ada = office.sandbox.seat(ADA)
    ada.slash("/mlgov", "portfolio", "C0GOV")
    answer = ada.ephemerals()[-1]
    assert "1 project: Ticket routing is worth most" in answer.text
    assert "*1. Ticket routing*" in str(answer.blocks)
    ada.click(ephemeral_id=answer.id, action_id=words.WHY)
    assert "70 % × 90 % ×" in said(ada)
    press(ada, words.PUT)
    assert set(send(ada, place="first", until="2026-06-30", reason="Law.").errors) == {"place"}
    send(ada, place="1", until="2026-06-30", reason="The regulator asks for it.")
    assert "“The regulator asks for it.”" in said(ada)
    press(ada, words.PUT_BACK)
    assert "regulator" not in said(ada)
    with office.db.read() as session:
        (put,) = session.execute(select(RankOverride)).scalars()
        assert put.ended_at is not None
    ada.slash("/mlgov", "portfolio fund 200,000", "C0GOV")
    answer = ada.ephemerals()[-1]
    assert "200,000 EUR buys 1 of 1 project, worth" in answer.text
    assert "(proved best)" in answer.text
    ada.click(ephemeral_id=answer.id, action_id=fund.OPEN)
    assert set(send(ada, money="lots", currency="EUR").errors) == {"money"}
    send(ada, money="20,000", currency="EUR")
    assert "20,000 EUR buys 0 of 1 project" in said(ada)
    assert "*The next 100,000 EUR* would buy Ticket routing" in said(ada)
    fay.slash("/mlgov", "portfolio", "C0TRIAGE")
    assert "You see no project" in fay.ephemerals()[-1].text


def test_left_half_way_and_taken_up_days_later(office: Office) -> None:
    tim = from_idea(office)
    tim.close(top(tim).id)
    office.move(timedelta(days=9))
    tim.slash("/mlgov", "propose", "C0TRIAGE")
    answer = tim.ephemerals()[-1]
    assert "1 business case of yours" in answer.text
    assert "saved up to step 2 of 8" in str(answer.blocks)
    tim.click(ephemeral_id=answer.id, action_id=words.OPEN)
    assert "Step 3 of 8" in said(tim)
    press(tim, words.BACK)
    assert "Step 2 of 8" in said(tim)
    assert "'initial_option': {'text': {'type': 'plain_text', 'text': 'Optimisation'" in said(tim)
    # Whoever looks at a case that isn't complete sees what is missing, and gets there.
    for _ in range(2):
        send(tim)
    with office.db.read() as session:
        (case,) = session.execute(select(BusinessCase)).scalars()
        assert case.title == "Ticket routing"


def test_two_people_write_the_same_step_and_nothing_is_lost(office: Office) -> None:
    tim = from_idea(office)
    send(tim, metric="Minutes", baseline="12", target="4")
    tim.slash("/mlgov", "propose", "C0TRIAGE")
    with office.db.begin(patient=True) as session:
        (case,) = session.execute(select(BusinessCase)).scalars()
        ola = session.execute(select(Project.id)).first()
        assert ola is None
        case.owner_id = case.sponsor_id
    other = office.sandbox.seat(OLA)
    other.slash("/mlgov", "propose", "C0TRIAGE")
    other.click(ephemeral_id=other.ephemerals()[-1].id, action_id=words.OPEN)
    press(other, words.BACK)
    press(tim, words.BACK)
    send(other, metric="Hours", baseline="1", target="0.5")
    send(tim, metric="Seconds", baseline="700", target="200")
    assert "Ola has changed this step since it was shown to you" in said(tim)
    values = {
        block["block_id"]: block["element"].get("initial_value")
        for block in top(tim).body["blocks"]
        if block["type"] == "input"
    }
    assert values["metric"] == "Seconds"
    send(tim)
    assert "Step 4 of 8" in said(tim)


def test_a_request_that_is_taken_back_leads_back_to_its_case(office: Office) -> None:
    tim = finished(office, from_idea(office))
    send(tim, reason="The queue doubled.")
    office.settle()
    tim.slash("/mlgov", "propose", "C0TRIAGE")
    answer = tim.ephemerals()[-1]
    assert "Waiting" in str(answer.blocks)
    tim.click(ephemeral_id=answer.id, action_id=words.SHOW)
    assert "Estimate 1" in said(tim)
    receipt = office.card(tim, tim.dm().id, "approvals.")
    assert "Ticket routing" in str(receipt.blocks)


def test_a_click_of_somebody_else_reaches_nothing(office: Office) -> None:
    tim = from_idea(office)
    with office.db.read() as session:
        assert session.execute(select(BusinessCase.title)).scalar_one() == "Ticket routing"
    fay = office.sandbox.seat(FAY)
    fay.slash("/mlgov", "propose", "C0TRIAGE")
    assert "You have no business case yet" in fay.ephemerals()[-1].text
    # The message that the case began from leads nobody else there.
    idea = next(
        each
        for each in office.sandbox.seat(OLA).messages("C0TRIAGE")
        if "route tickets" in each.text
    )
    assert fay.shortcut(words.FROM_MESSAGE, "C0TRIAGE", idea.ts).ok
    office.private(fay, "There is no such business case here")
    assert tim.modals()
    with office.db.read() as session:
        assert session.execute(select(CaseRevision)).first() is None


@pytest.mark.parametrize("action_id", ["budget.again", "budget.change", "milestone.again"])
def test_a_button_of_another_kind_of_request_is_refused_in_words(
    office: Office, action_id: str
) -> None:
    tim = finished(office, from_idea(office))
    send(tim, reason="The queue doubled.", channel="C0TRIAGE")
    office.settle()
    router = office.bot.edge.router
    request = Request(1, 1)
    click = Click(
        office.bot.deps,
        actor_of(office, TIM),
        action_id,
        request.text,
        None,
        None,
        None,
        "1.2.3",
        {},
    )
    with pytest.raises(GovernanceError):
        router.actions[action_id](click)
