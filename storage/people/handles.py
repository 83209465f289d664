"""User groups by the handle that a policy gives them: who has it in Slack, and which group it means."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.people.tables import PolicyGroup, UserGroup

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_HAVING = (
    select(UserGroup.handle, UserGroup.slack_id)
    .where(
        UserGroup.org_key == bindparam("org"),
        UserGroup.handle.in_(bindparam("handles", expanding=True)),
        UserGroup.is_disabled.is_(False),
    )
    .order_by(UserGroup.id)
)
_MEANT = select(PolicyGroup.handle, PolicyGroup.group_id).where(
    PolicyGroup.org_key == bindparam("org"),
    PolicyGroup.handle.in_(bindparam("handles", expanding=True)),
    PolicyGroup.group_id.is_not(None),
)


def list_having(
    session: Session, org_key: str, handles: Collection[str]
) -> Sequence[tuple[str, str]]:
    """(handle, Slack id) of every enabled user group that has one of these handles now."""
    if not handles:
        return []
    rows = session.execute(_HAVING, {"org": org_key, "handles": sorted(set(handles))})
    return [(row.handle, row.slack_id) for row in rows]


def list_meant(session: Session, org_key: str, handles: Collection[str]) -> dict[str, str]:
    """Handle → Slack id of the group that it was taken to mean, for those that were ever taken to mean one."""
    if not handles:
        return {}
    rows = session.execute(_MEANT, {"org": org_key, "handles": sorted(set(handles))})
    return {row.handle: row.group_id for row in rows}


def find(session: Session, org_key: str, handle: str) -> PolicyGroup | None:
    """What is kept of a handle; None for one that no policy named."""
    return session.get(PolicyGroup, (org_key, handle))


def lock(session: Session, org_key: str, handles: Collection[str]) -> Sequence[PolicyGroup]:
    """What is kept of these handles, made where there is nothing yet; nobody else changes it meanwhile."""
    if not handles:
        return []
    wanted = sorted(set(handles))
    session.execute(
        _INSERT[session.get_bind().dialect.name](PolicyGroup).on_conflict_do_nothing(),
        [{"org_key": org_key, "handle": handle, "others": [], "times": 0} for handle in wanted],
    )
    return (
        session.execute(
            select(PolicyGroup)
            .where(PolicyGroup.org_key == org_key, PolicyGroup.handle.in_(wanted))
            .order_by(PolicyGroup.handle)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )


def list_kept(session: Session, org_key: str) -> Sequence[PolicyGroup]:
    """What is kept of every handle that a policy ever named."""
    return (
        session.execute(
            select(PolicyGroup).where(PolicyGroup.org_key == org_key).order_by(PolicyGroup.handle)
        )
        .scalars()
        .all()
    )
