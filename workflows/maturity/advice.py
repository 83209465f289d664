"""A calm word where somebody plans what mature organisations carry best, while the last check-in found a low level."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import Level, ProjectCategory, ProjectStatus
from workflows.actors import Actor
from workflows.maturity import results, sight
from workflows.maturity.records import CycleResult
from workflows.policy import Policy

NO_PLAN = {
    ProjectStatus.REJECTED,
    ProjectStatus.LIVE,
    ProjectStatus.CLOSED,
    ProjectStatus.CANCELLED,
}
"""Projects in these states plan nothing any more."""


def find_caution(
    session: Session,
    category: str | None,
    *,
    policy: Policy,
    now: datetime,
    status: str = ProjectStatus.DRAFT,
) -> CycleResult | None:
    """The latest result of the organisation, when it is low and business-model innovation is planned."""
    if category != ProjectCategory.INNOVATION or status in NO_PLAN:
        return None
    result = results.find_latest(session, policy=policy, now=now)
    return result if result is not None and result.overall is Level.LOW else None


def find_caution_for(
    session: Session,
    actor: Actor,
    category: str | None,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    status: str,
) -> CycleResult | None:
    """The same, for somebody who may see that result."""
    result = find_caution(session, category, policy=policy, now=now, status=status)
    if result is None or not sight.may_see(
        session, actor, result.cycle_id, policy=policy, org_key=org_key
    ):
        return None
    return result


def describe_caution(result: CycleResult, projects: Sequence[str] = ()) -> str:
    """That level beside the plan, and the way on, in plain text. Without `projects` it stands beside one of them."""
    lowest = ", ".join(dimension.name for dimension in result.weakest[:3])
    who = (
        "This plans"
        if not projects
        else f"{_listed(projects)} {'plans' if len(projects) == 1 else 'plan'}"
    )
    return (
        f"{who} business-model innovation, which mature organisations carry best; the check-in of {result.label} found low "
        f"maturity overall, held back by {lowest}. Start with an optimisation or a better decision, or see what is missing."
    )


def _listed(projects: Sequence[str]) -> str:
    names = ", ".join(projects[:3])
    return f"{names} and {len(projects) - 3} more" if len(projects) > 3 else names
