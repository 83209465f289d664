"""Several requests decided in one window: each on its own, and what could not be decided says why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.enums import ApprovalState
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, OLA, POLICY, TIM, Office, eventually, opened
from tests.stories.test_road import state, texts, verified
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.budgets.forms import IncreaseBudget
from workflows.people import service as people

COMMENTED = POLICY.replace(
    "approvers: [role:finance]}", "approvers: [role:finance], comment: required, confirm: true}"
)


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """One running mlgov in which Tim has asked for more in three projects."""
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=COMMENTED) as running:
        for number in (1, 2, 3):
            running.project(f"p{number}", f"Project {number}")
            asked(running, number)
        running.settle()
        yield running


def asked(office: Office, number: int) -> None:
    deps = office.bot.deps
    with office.db.begin(patient=True) as session:
        found = people.find_by_slack_id(session, deps.team.org_key, TIM)
        actor = people.actor(session, found.id)
        assert actor is not None
        submission.submit_request(
            make_context(
                session,
                actor=actor,
                policy=deps.policy,
                policy_id=deps.holder.version_id,
                now=office.now(),
                org=deps.team.org_key,
            ),
            SubmitRequest(
                gate="budget_increase",
                subject_type="budget",
                form=IncreaseBudget(budget_id=number, revision=1, amount="1500", scope="period"),
                reason=f"Two more weeks, {number}",
                request_key=f"key-{number}",
            ),
        )


def window(office: Office, user: str) -> Any:
    seat = office.sandbox.seat(user)
    seat.open_home()
    office.settle()
    eventually(lambda: seat.home() is not None, "the Home tab is published")
    eventually(lambda: "approvals.several" in str(seat.home().as_json()), "it offers several")
    assert seat.click(view_id=seat.home().id, action_id="approvals.several").ok
    return seat


def send(
    office: Office, seat: Any, verdict: str, reason: str, *numbers: int, revision: int = 1
) -> Any:
    values: dict[str, Any] = {f"pick:{number}:{revision}": {"pick": ["yes"]} for number in numbers}
    values |= {"verdict": {"verdict": verdict}, "reason": {"reason": reason}}
    outcome = seat.submit(seat.modals()[-1].id, values)
    office.settle()
    return outcome


def test_those_that_are_ticked_are_decided_and_the_others_wait(office: Office) -> None:
    ola = window(office, OLA)
    shown = str(ola.modals()[-1].as_json())
    assert "Project 2 asks to raise January's budget: 1,000 → 1,500 EUR (+50 %)" in shown
    assert "By Mon 2 Feb 08:50 GMT. Tim: “Two more weeks, 2”" in shown
    assert "ticking it says so" not in shown
    assert "Tick at least one" in str(send(office, ola, "approve", "").errors)
    unticked = send(office, ola, "reject", "").errors
    assert "Tick at least one" in str(unticked)
    assert "Say in a sentence why you reject" in unticked["reason"]
    assert send(office, ola, "approve", "", 1, 3).ok
    assert "2 requests approved" in str(ola.modals()[-1].as_json())
    assert "Project 2" in str(ola.home().as_json())
    eventually(lambda: "Project 1 asks" not in str(ola.home().as_json()), "Home follows")
    fay = window(office, FAY)
    assert "It asks for a comment. It asks you to be sure: ticking it says so. Tim: “" in str(
        fay.modals()[-1].as_json()
    )
    missing = send(office, fay, "approve", "", 1, 3, revision=2)
    assert "a request that you ticked asks for it" in missing.errors["reason"]
    assert send(office, fay, "approve", "The money is there", 1, 3, revision=2).ok
    assert [state(office, number) for number in (1, 2, 3)] == [
        ApprovalState.APPROVED,
        ApprovalState.PENDING,
        ApprovalState.APPROVED,
    ]
    assert "“The money is there”" in str(
        [m.blocks for m in office.sandbox.seat(TIM).messages(office.sandbox.seat(TIM).dm().id)]
    )
    assert verified(office)


def test_one_that_changed_meanwhile_holds_up_no_other(office: Office) -> None:
    ola = window(office, OLA)
    other = office.card(ola, ola.dm().id, "approvals.approve")
    assert "Project 3" in other.text
    ola.click(channel_id=ola.dm().id, ts=other.ts, action_id="approvals.approve")
    office.settle()
    assert send(office, ola, "approve", "", 1, 2, 3).ok
    said = str(ola.modals()[-1].as_json())
    assert "2 requests approved, 1 not decided" in said
    assert "Not decided: " in said
    assert len([text for text in texts(office, FAY) if "asks to raise" in text]) == 3


def test_rejecting_needs_one_reason_that_everybody_reads(office: Office) -> None:
    ola = window(office, OLA)
    refused = send(office, ola, "reject", "", 1, 2, 3)
    assert "why you reject" in refused.errors["reason"]
    assert send(office, ola, "reject", "Not in this quarter", 1, 2, 3).ok
    assert ola.modals() == []
    assert {state(office, number) for number in (1, 2, 3)} == {ApprovalState.REJECTED}
    told = [text for text in texts(office, TIM) if "Rejected" in text]
    assert len(told) >= 3
    assert verified(office)


def test_the_command_offers_it_too(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    ola.slash("/mlgov", "approvals", ola.dm().id)
    eventually(lambda: bool(ola.ephemerals()), "it is answered")
    answer = ola.ephemerals()[-1]
    assert ola.click(ephemeral_id=answer.id, action_id="approvals.several").ok
    assert send(office, ola, "approve", "", 2).ok
    assert "1 request approved" in str(ola.modals()[-1].as_json())
