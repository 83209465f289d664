"""The rules of a gate as people meet them in Slack: the way beforehand, comments, reminders, passing by rule."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.enums import ApprovalState
from tests.approvals.test_slack import ONLY, card, press
from tests.budgets.conftest import days
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, OLA, POLICY, TIM, Office, eventually, opened
from workflows import policy
from workflows.context import OPERATOR
from workflows.policies import service as policies

pytestmark = pytest.mark.slow

RULES = POLICY.replace(
    "      - {name: Budget owner, approvers: [subject.owner]}\n"
    "      - {name: Finance, approvers: [role:finance]}\n",
    "      - {name: Budget owner, approvers: [subject.owner], confirm: true}\n"
    "      - {name: Finance, when: increase.percent > 20.0, approvers: [role:finance], quorum: 2, comment: required}\n",
).replace(
    "expires_after: 7d",
    "expires_after: 7d\n    remind_after: [1d, 3d]\n    auto_approve: increase.percent < 5.0\n"
    '    escalate: {after: 2d, add: ["@mlgov-admins"]}',
)


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path, policy=RULES) as running:
        running.project("triage", "Ticket triage")
        running.costs(days(date(2026, 1, 1), 20, "45"))
        yield running


def ask(office: Office, amount: str) -> dict[str, Any]:
    """Tim asks for this much; the window as it was before it was sent."""
    tim = office.sandbox.seat(TIM)
    alert = office.card(tim, "C0TRIAGE", "budgets.increase")
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase")
    window = tim.modals()[-1]
    assert tim.submit(
        window.id,
        {"amount": {"amount": amount}, "scope": {"scope": ONLY}, "reason": {"reason": "More GPUs"}},
    ).ok
    office.settle()
    return dict(window.body)


def test_the_way_is_shown_and_a_comment_is_asked_for(office: Office) -> None:
    window = str(ask(office, "1500"))
    assert "Decided by: Budget owner (Ola), then if `increase.percent" in window
    assert "`, Finance (2 of 2 people)" in window
    assert "At most 3 people get a message" in window
    asked = office.card(
        office.sandbox.seat(OLA), office.sandbox.seat(OLA).dm().id, "approvals.approve"
    )
    assert "Approve this?" in str(asked.blocks)
    press(office, OLA, "approvals.approve")
    fay = office.sandbox.seat(FAY)
    press(office, FAY, "approvals.approve_with")
    window_id = fay.modals()[-1].id
    assert fay.submit(window_id, {"reason": {"reason": "The backlog is real."}}).ok
    office.settle()
    assert card(office).lines[-1].reason == "The backlog is real."
    assert "1 of 2 approved" in str(fay.messages(fay.dm().id)[-1].blocks)


def test_what_is_small_passes_by_rule_and_a_stage_is_left_out(office: Office) -> None:
    ask(office, "1040")
    assert card(office).state is ApprovalState.APPROVED
    tim = office.sandbox.seat(TIM)
    assert "Approved* by rule" in str(tim.messages("C0TRIAGE")[-1].blocks)
    assert "by rule" in tim.messages(tim.dm().id)[-1].text


def test_reminders_and_escalation_reach_people_and_follow(office: Office) -> None:
    ask(office, "1500")
    press(office, OLA, "approvals.approve")
    office.move(timedelta(days=1, hours=20))  # early afternoon for Fred
    fred = office.sandbox.seat(FRED)
    eventually(
        lambda: "Still waiting for you" in fred.messages(fred.dm().id)[-1].text, "a reminder came"
    )
    reminder = fred.messages(fred.dm().id)[-1]
    assert "You will be reminded again" in str(reminder.blocks)
    press(office, FRED, "approvals.approve_with", shown=reminder)
    assert fred.submit(fred.modals()[-1].id, {"reason": {"reason": "Yes, do."}}).ok
    office.settle()
    after = next(one for one in fred.messages(fred.dm().id) if one.ts == reminder.ts)
    assert "Nothing of this waits for you" in str(after.blocks)
    office.move(timedelta(days=1))
    ada = office.sandbox.seat(ADA)
    eventually(lambda: "asks to raise" in ada.messages(ada.dm().id)[-1].text, "Ada is asked")


def test_a_running_bot_takes_up_a_policy_that_was_applied(office: Office) -> None:
    new = policy.parse(RULES.replace("increase.percent < 5.0", "increase.percent < 60.0"))
    with office.db.begin() as session:
        version = policies.adopt(make_context(session, actor=OPERATOR, now=office.now()), new)
    office.settle()
    assert office.bot.deps.holder.version_id == version
    ask(office, "1500")
    assert card(office).by_rule == "increase.percent < 60.0"
