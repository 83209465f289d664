"""What producers of messages look up and change: marks on rows that wait, and the copies of a subject."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, case, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Lane, Message, Outbox
from storage.enums import Op, OutboxState
from storage.types import from_microseconds

NEVER_WAITED = from_microseconds(0)
"""The `not_before` of a lane or gate that was never paced."""

_LANES, _ROWS = cast(Table, Lane.__table__), cast(Table, Outbox.__table__)
"""Tables and not classes: every click writes through these, and SQLAlchemy writes through a class at twice the cost."""
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_LANE: dict[str, Any] = {
    name: make(_LANES)
    .values(
        key=bindparam("lane_key"), not_before=NEVER_WAITED, edit_not_before=NEVER_WAITED, epoch=0
    )
    .on_conflict_do_nothing(index_elements=["key"])
    for name, make in _INSERT.items()
}
_POST: dict[str, Any] = {
    name: make(_ROWS).on_conflict_do_nothing(index_elements=["dedupe_key"]).returning(_ROWS.c.id)
    for name, make in _INSERT.items()
}


def _edit(make: Any) -> Any:
    statement = make(_ROWS)
    return statement.on_conflict_do_update(
        index_elements=["message_id"],
        index_where=text("state = 'pending' AND message_id IS NOT NULL"),
        set_={
            "priority": case(
                (statement.excluded.priority < _ROWS.c.priority, statement.excluded.priority),
                else_=_ROWS.c.priority,
            )
        },
    )


_EDIT: dict[str, Any] = {name: _edit(make) for name, make in _INSERT.items()}
_ADD = insert(_ROWS)
_MARK_STALE = (
    update(_ROWS)
    .where(
        _ROWS.c.subject_type == bindparam("s_type"),
        _ROWS.c.subject_id == bindparam("s_id"),
        _ROWS.c.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
        _ROWS.c.op == Op.POST,
    )
    .values(stale=True)
)
_messages = cast(Table, Message.__table__)
_LIVE_COPIES = (
    select(
        _messages.c.id,
        _messages.c.lane_key,
        _messages.c.channel,
        _messages.c.ts,
        _messages.c.kind,
        _messages.c.notice,
        _messages.c.notice_version,
        _messages.c.subject_type,
        _messages.c.subject_id,
    )
    .where(_messages.c.subject_type == bindparam("s_type"), _messages.c.live.is_(True))
    .order_by(_messages.c.lane_key, _messages.c.id)
)
_COPIES = _LIVE_COPIES.where(_messages.c.subject_id == bindparam("s_id"))
_HERE = select(literal(1).label("here")).subquery()
_SHOWN = (
    select(
        select(_ROWS.c.id)
        .where(
            _ROWS.c.subject_type == bindparam("s_type"),
            _ROWS.c.subject_id == bindparam("s_id"),
            _ROWS.c.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
            _ROWS.c.op == Op.POST,
        )
        .exists()
        .label("waits"),
        *_LIVE_COPIES.selected_columns,
    )
    .select_from(
        _HERE.outerjoin(
            _messages,
            (_messages.c.subject_type == bindparam("s_type"))
            & (_messages.c.subject_id == bindparam("s_id"))
            & _messages.c.live.is_(True),
        )
    )
    .order_by(_messages.c.lane_key, _messages.c.id)
)
_COPIES_OF_ALL = _LIVE_COPIES.where(_messages.c.subject_id.in_(bindparam("s_ids", expanding=True)))
_WAITING_IN_LANES = (
    select(_ROWS.c.lane_key, _ROWS.c.due_at)
    .where(_ROWS.c.lane_key.in_(bindparam("lanes", expanding=True)), text("state = 'pending'"))
    .order_by(_ROWS.c.lane_key)
    .with_for_update()
)
_HASTEN = (
    update(_ROWS)
    .where(
        _ROWS.c.lane_key == bindparam("late_lane"),
        _ROWS.c.state == OutboxState.PENDING,
        _ROWS.c.due_at > bindparam("sooner"),
    )
    .values(due_at=bindparam("sooner"))
)


def add_lane(session: Session, key: str) -> None:
    """See to it that the destination exists."""
    session.execute(_LANE[session.get_bind().dialect.name], {"lane_key": key})


def add_lanes(session: Session, keys: Sequence[str]) -> None:
    """See to it that these destinations exist."""
    if keys:
        session.connection().execute(
            _LANE[session.get_bind().dialect.name], [{"lane_key": key} for key in keys]
        )


def add_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write several rows whose dedupe keys are new."""
    if rows:
        session.connection().execute(_ADD, list(rows))


def add_row(session: Session, values: dict[str, Any]) -> int | None:
    """Write a row to the outbox; None when its dedupe key is there already."""
    row_id: int | None = session.execute(
        _POST[session.get_bind().dialect.name], values
    ).scalar_one_or_none()
    return row_id


def add_edits(session: Session, edits: list[dict[str, Any]]) -> None:
    """Write edits of copies in this order, or meet those that wait for them already.

    Those are locked until this transaction ends, so that none is claimed and rendered before the change that asks for
    it is visible.
    """
    session.execute(_EDIT[session.get_bind().dialect.name], edits)


def mark_stale(session: Session, subject_type: str, subject_id: str) -> None:
    """What is about to be sent about this subject may be rendered from what it was: settling asks for an edit then.

    Rows that still wait are marked as well, which locks them: they are not claimed before this transaction ends.
    """
    session.execute(_MARK_STALE, {"s_type": subject_type, "s_id": subject_id})


_MARK_ALL_STALE = (
    update(_ROWS)
    .where(
        _ROWS.c.subject_type == bindparam("s_type"),
        _ROWS.c.subject_id.in_(bindparam("s_ids", expanding=True)),
        _ROWS.c.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
        _ROWS.c.op == Op.POST,
    )
    .values(stale=True)
)


def mark_all_stale(session: Session, subject_type: str, subject_ids: Sequence[str]) -> None:
    """The same of several subjects of one type."""
    session.execute(_MARK_ALL_STALE, {"s_type": subject_type, "s_ids": list(subject_ids)})


class Copy(NamedTuple):
    """A message that shows its subject in Slack."""

    id: int
    lane_key: str
    channel: str
    ts: str
    kind: str
    notice: dict[str, Any]
    notice_version: int
    subject_type: str
    subject_id: str


def list_copies_of_all(
    session: Session, subject_type: str, subject_ids: Sequence[str]
) -> list[Copy]:
    """The copies of several subjects of one type, by lane."""
    wanted = {"s_type": subject_type, "s_ids": list(subject_ids)}
    return [Copy(*row) for row in session.execute(_COPIES_OF_ALL, wanted)]


def list_copies(session: Session, subject_type: str, subject_id: str) -> list[Copy]:
    """Every copy of the subject that stands in Slack, by lane."""
    wanted = {"s_type": subject_type, "s_id": subject_id}
    return [Copy(*row) for row in session.execute(_COPIES, wanted)]


def mark_and_list_copies(session: Session, subject_type: str, subject_id: str) -> list[Copy]:
    """`mark_stale`, and every copy of the subject that stands in Slack, by lane.

    Mostly nothing about it waits to be sent, and then one look tells both: what is sent by then stands among the copies.
    """
    values = {"s_type": subject_type, "s_id": subject_id}
    rows = session.execute(_SHOWN, values).all()
    if rows[0].waits:
        # What waited may be sent between that look and the mark: the copies are read once more, after it.
        mark_stale(session, subject_type, subject_id)
        return list_copies(session, subject_type, subject_id)
    return [Copy(*row[1:]) for row in rows if row.id is not None]


def lock_waiting(session: Session, lanes: Sequence[str]) -> dict[str, datetime]:
    """Of these lanes, those in which something waits, and since when it is due; none of it is claimed before this ends."""
    return {
        lane: due_at for lane, due_at in session.execute(_WAITING_IN_LANES, {"lanes": list(lanes)})
    }


def bring_forward(session: Session, lanes: Sequence[tuple[str, datetime]]) -> None:
    """What waits in these lanes is due at this earlier time."""
    if lanes:
        session.connection().execute(
            _HASTEN, [{"late_lane": lane, "sooner": due_at} for lane, due_at in lanes]
        )
