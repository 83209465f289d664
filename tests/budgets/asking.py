"""Asking for more and deciding it, through the door that everyone uses."""

from datetime import timedelta

from sqlalchemy import update

from storage.approvals.tables import Approval
from storage.enums import ApprovalState, Verdict
from storage.people.tables import Person
from tests.budgets.conftest import OLA, ORG, TIM, Money
from tests.contexts import make_context
from workflows import clock, policy
from workflows.approvals import actions, service, submission
from workflows.approvals.forms import AskAgain, Decide, SubmitRequest
from workflows.audit import service as audit
from workflows.budgets.forms import IncreaseBudget
from workflows.budgets.increase import BUDGET_INCREASE
from workflows.context import SYSTEM
from workflows.policies import service as policies

POLICY = """\
version: 1
organisation: {name: Acme}
gates:
  budget_increase:
    stages:
      - {name: Owner, approvers: [subject.owner]}
"""


def ask(
    money: Money, amount: str = "1500", scope: str = "period", revision: int = 1, **more: object
) -> int:
    """Tim asks for more; the request's id. From now on the policy has the gate for it."""
    text = policy.parse(POLICY)
    money.policy = text.policy
    with money.db.begin() as session:
        session.execute(update(Person).values(refreshed_at=clock.real_now(session), team_id=ORG))
        version = policies.adopt(make_context(session, actor=SYSTEM, now=money.now), text)
        return submission.submit_request(
            make_context(
                session, actor=TIM, policy=money.policy, policy_id=version, now=money.now, org=ORG
            ),
            SubmitRequest(
                gate="budget_increase",
                subject_type="budget",
                form=IncreaseBudget.model_validate(
                    {"budget_id": 1, "revision": revision, "amount": amount, "scope": scope} | more
                ),
                reason="More labels",
                request_key=f"view:{money.now.isoformat()}:{amount}",
            ),
        )


def decide(money: Money, approval_id: int, verdict: Verdict = Verdict.APPROVE) -> None:
    """Ola, who owns the budget, decides on what the card shows now."""
    with money.db.begin() as session:
        revision = session.get_one(Approval, approval_id).revision
        actions.perform_act(
            make_context(
                session,
                actor=OLA,
                policy=money.policy,
                now=money.now + timedelta(minutes=1),
                org=ORG,
            ),
            Decide(approval_id=approval_id, revision=revision, verdict=verdict, reason="-"),
        )


def look(money: Money, approval_id: int) -> str | None:
    """What the clock does after the budget changed; how the requester was told that it stands."""
    with money.db.begin() as session:
        service.recheck(
            make_context(session, policy=money.policy, now=money.now, org=ORG), approval_id
        )
    with money.db.read() as session:
        return session.get_one(Approval, approval_id).moved


def ask_again(money: Money, approval_id: int, stands: str | None = None) -> None:
    """Tim asks for the same change to what there is now, as he was shown it."""
    known = stands or look(money, approval_id) or "-"
    with money.db.begin() as session:
        actions.perform_act(
            make_context(
                session, actor=TIM, policy=money.policy, policy_id=1, now=money.now, org=ORG
            ),
            AskAgain(
                approval_id=approval_id,
                revision=session.get_one(Approval, approval_id).revision,
                stands=known,
            ),
        )


def approve(money: Money, amount: str, scope: str = "onwards", revision: int = 1) -> None:
    """Asked and approved."""
    decide(money, ask(money, amount, scope, revision))


def lapse(money: Money, approval_id: int) -> None:
    """A condition of the approval was not met in time."""
    with money.db.begin() as session:
        row = session.get_one(Approval, approval_id)
        session.execute(
            update(Approval)
            .where(Approval.id == approval_id)
            .values(state=ApprovalState.LAPSED.value)
        )
        audit.record(
            make_context(session, actor=SYSTEM, now=money.now),
            "approval.lapsed",
            ("approval", approval_id),
        )
        BUDGET_INCREASE.lapse(
            make_context(session, actor=SYSTEM, policy=money.policy, now=money.now),
            approval_id,
            row.subject_id,
            row.facts,
        )
