"""How much waits, and for whom: counts and ids for lists that show a page at a time."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, case, func, or_, select, text
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.enums import ApprovalState

_PENDING = Approval.state == ApprovalState.PENDING.value
_WAITING = select(
    func.count(),
    func.min(Approval.created_at),
    func.count(case((Approval.expires_at <= bindparam("now"), 1))),
).where(text("approval.state = 'pending'"))
"""A literal: the partial index is not found by a bind parameter."""
_ASKED = (
    select(Approval.id, Approval.state, Approval.expires_at)
    .where(
        Approval.requester_id == bindparam("person"),
        or_(_PENDING, Approval.decided_at > bindparam("since")),
    )
    .order_by(
        case((_PENDING, 0), else_=1),
        func.coalesce(Approval.decided_at, Approval.created_at).desc(),
        Approval.id.desc(),
    )
)
_BY_PROJECT = (
    select(Approval.project_id, func.count().label("n"))
    .where(_PENDING)
    .group_by(Approval.project_id)
)
_OF_PROJECTS = _BY_PROJECT.where(Approval.project_id.in_(bindparam("ids", expanding=True)))


def count_waiting(session: Session, *, now: datetime) -> tuple[int, datetime | None, int]:
    """How many requests wait, since when the oldest does, and how many of them should have expired by now."""
    number, oldest, overdue = session.execute(_WAITING, {"now": now}).one()
    return number, oldest, overdue


def list_asked(
    session: Session, person_id: str, *, since: datetime
) -> list[tuple[int, ApprovalState, datetime]]:
    """(id, state, expires_at) of a person's own requests: pending ones, then those that ended after `since`."""
    rows = session.execute(_ASKED, {"person": person_id, "since": since})
    return [(id_, ApprovalState(state), expires) for id_, state, expires in rows]


def count_by_project(session: Session, project_ids: Collection[int] | None) -> dict[int, int]:
    """How many requests of each of these projects, or of all, wait for somebody; projects without one are left out."""
    if project_ids is None:
        rows = session.execute(_BY_PROJECT)
    else:
        rows = session.execute(_OF_PROJECTS, {"ids": sorted(project_ids)})
    return {project: number for project, number in rows}


_BY_KEY = select(Approval.id, Approval.requester_id).where(Approval.request_key == bindparam("key"))


def find_by_key(session: Session, request_key: str) -> tuple[int, str] | None:
    """Id and requester of the request that this asking opened already."""
    row = session.execute(_BY_KEY, {"key": request_key}).first()
    return None if row is None else (row.id, row.requester_id)
