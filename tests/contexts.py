"""The world as a test has an action find it."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from workflows.context import SYSTEM, Actor, Context
from workflows.policy import Policy

POLICY = Policy.model_validate({"version": 1, "organisation": {"name": "Acme"}})
ORG = "T0ACME"
NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)


def make_context(
    session: Session,
    actor: Actor = SYSTEM,
    *,
    policy: Policy = POLICY,
    org: str = ORG,
    now: datetime = NOW,
    policy_id: int = 0,
    card: tuple[str, str] | None = None,
    fresh_since: datetime | None = None,
    asked: frozenset[str] = frozenset(),
) -> Context:
    """As the edge would make it; what an action does not look at need not be said."""
    return Context(session, actor, policy, org, now, policy_id, card, fresh_since, asked)
