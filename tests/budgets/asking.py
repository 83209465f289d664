"""Asking for more and deciding it, through the door that everyone uses."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from storage.enums import Verdict
from storage.people.tables import Person
from tests.budgets.conftest import OLA, ORG, TIM, Money
from workflows import clock, decisions, policy
from workflows.actors import SYSTEM
from workflows.approvals.forms import Decide, SubmitRequest
from workflows.budgets.forms import IncreaseBudget
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
    money: Money, amount: str = "1500", scope: str = "period", revision: int = 1
) -> int:
    """Tim asks for more; the request's id. From now on the policy has the gate for it."""
    text = policy.parse(POLICY)
    money.policy = text.policy
    with money.db.begin() as session:
        session.execute(
            update(Person).values(refreshed_at=clock.real_now(session), team_id=ORG)
        )
        version = policies.adopt(session, SYSTEM, text, now=money.now)
        return decisions.submit(
            session,
            TIM,
            SubmitRequest(
                gate="budget_increase",
                subject_type="budget",
                form=IncreaseBudget.model_validate(
                    {
                        "budget_id": 1,
                        "revision": revision,
                        "amount": amount,
                        "scope": scope,
                    }
                ),
                reason="More labels",
                request_key=f"view:{money.now.isoformat()}:{amount}",
            ),
            policy=money.policy,
            policy_id=version,
            now=money.now,
            org_key=ORG,
        )


def decide(money: Money, approval_id: int, verdict: Verdict = Verdict.APPROVE) -> None:
    """Ola, who owns the budget, decides on what her card shows, once mlgov has looked at what changed."""
    around: dict[str, Any] = {"policy": money.policy, "org_key": ORG}
    now = money.now + timedelta(minutes=1)
    with money.db.begin() as session:
        decisions.look_again(session, approval_id, now=now, **around)
        card = decisions.card(session, approval_id, policy=money.policy, now=now)
        form = Decide(
            approval_id=approval_id,
            revision=card.revision,
            verdict=verdict,
            reason="-",
        )
        decisions.act(session, OLA, form, now=now, **around)


def approve(
    money: Money, amount: str, scope: str = "onwards", revision: int = 1
) -> None:
    """Asked and approved."""
    decide(money, ask(money, amount, scope, revision))
