"""How many milestones are late, project by project, in one statement."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from storage.milestones.tables import Milestone

_LATE = (
    select(Milestone.project_id, func.count().label("n"))
    .where(
        Milestone.actual.is_(None),
        Milestone.dropped_at.is_(None),
        Milestone.forecast < bindparam("today"),
    )
    .group_by(Milestone.project_id)
)
_OF_PROJECTS = _LATE.where(Milestone.project_id.in_(bindparam("ids", expanding=True)))


def count_by_project(
    session: Session, project_ids: Collection[int] | None, today: date
) -> dict[int, int]:
    """How many open milestones of each of these projects, or of all, were due before today; those with none are left out."""
    if project_ids is None:
        rows = session.execute(_LATE, {"today": today})
    else:
        rows = session.execute(_OF_PROJECTS, {"today": today, "ids": sorted(project_ids)})
    return {project: number for project, number in rows}
