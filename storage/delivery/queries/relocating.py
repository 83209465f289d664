"""Lanes whose place has another name now: what waits there, and every copy that stands there, follows."""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Lane, Message, Outbox
from storage.people.lookups import parts

_outbox, _message = cast(Table, Outbox.__table__), cast(Table, Message.__table__)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def list_keys(session: Session, org_key: str) -> list[str]:
    """The lanes of an organisation's conversations, people and Home tabs."""
    wanted = [f"slack:{org_key}:", f"home:slack:{org_key}:"]
    return [
        key
        for prefix in wanted
        for key in session.execute(
            select(Lane.key).where(Lane.key.startswith(prefix, autoescape=True)).order_by(Lane.key)
        ).scalars()
    ]


def rename(session: Session, keys: Mapping[str, str], *, forgets_channels: bool = False) -> int:
    """Lanes by their keys until now → as they are called from now on; how many there were.

    A sender that holds one finds its fence broken. Where a lane of the new name is there already, both become that one.
    With `forgets_channels` a person's direct message is opened anew.
    """
    insert = _INSERT[session.get_bind().dialect.name](Lane).on_conflict_do_nothing()
    session.flush()
    count = 0
    for part in parts(key for key, new in keys.items() if key != new):
        lanes = session.execute(
            select(Lane).where(Lane.key.in_(part)).order_by(Lane.key).with_for_update()
        ).scalars()
        rows = [
            {column.key: getattr(lane, column.key) for column in Lane.__table__.columns}
            | {"key": keys[lane.key], "lease_owner": None, "lease_until": None}
            | {"epoch": lane.epoch + 1}
            | ({"channel": None} if forgets_channels and is_person(lane.key) else {})
            for lane in lanes
        ]
        if not rows:
            continue
        session.execute(insert, rows)
        moved = [{"old": key, "new": keys[key]} for key in part]
        for table in (_outbox, _message):
            session.connection().execute(
                update(table)
                .where(table.c.lane_key == bindparam("old"))
                .values(lane_key=bindparam("new")),
                moved,
            )
        session.execute(
            delete(Lane).where(Lane.key.in_(part)).execution_options(synchronize_session=False)
        )
        count += len(rows)
    for row in session.identity_map.values():
        if isinstance(row, (Lane, Message, Outbox)):
            session.expire(row)
    return count


def is_person(lane_key: str) -> bool:
    """Whether a lane is somebody's direct message or Home tab."""
    return lane_key.rpartition(":")[2][:1] in {"U", "W"}
