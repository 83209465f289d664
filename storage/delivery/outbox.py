"""The SQL of those who write to the outbox: rows, edits, copies of a subject, holds, and what operators see and change.

A transaction that changes a record locks the record's row first, then touches lanes and outbox rows sorted by key, and
ends at the head of the ledger. Claims keep to the same order, so the two never deadlock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    Table,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.base import from_microseconds
from storage.delivery.tables import Hold, Lane, Message, Outbox, Schedule, Timer
from storage.enums import Op, OutboxState, TimerState
from storage.people.lookups import BY_SLACK_ID, parts

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
    """INSERT of an edit. Where one waits for the same copy already, that one stays, with the more urgent priority.

    An edit is rendered when it is sent, so one that waits shows every change until then. Updating the row locks it too:
    no claim renders the record before the change that asks for the edit is committed.
    """
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
# One row at least, for whether anything waits, and one for each copy.
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
    """Insert the lane unless it is there, unpaced: a row of the outbox refers to it."""
    session.execute(_LANE[session.get_bind().dialect.name], {"lane_key": key})


def add_lanes(session: Session, keys: Sequence[str]) -> None:
    """As `add_lane`, for several; `keys` are sorted, so that producers insert in one order and don't deadlock."""
    if keys:
        session.connection().execute(
            _LANE[session.get_bind().dialect.name], [{"lane_key": key} for key in keys]
        )


def add_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert several rows; raises IntegrityError for a dedupe key that is there already."""
    if rows:
        session.connection().execute(_ADD, list(rows))


def add_row(session: Session, values: dict[str, Any]) -> int | None:
    """Insert a row and return its id; None when its dedupe key, the fact that it announces, is there already."""
    row_id: int | None = session.execute(
        _POST[session.get_bind().dialect.name], values
    ).scalar_one_or_none()
    return row_id


def add_edits(session: Session, edits: list[dict[str, Any]]) -> None:
    """Insert edits of copies in this order; a copy for which one waits already keeps that one, locked (see `_edit`)."""
    session.execute(_EDIT[session.get_bind().dialect.name], edits)


def mark_stale(session: Session, subject_type: str, subject_id: str) -> None:
    """Mark the subject's messages that wait or are being sent as stale, because their record changes now.

    One that is being sent may show the record as it was, so settling it queues an edit. Marking one that waits locks it:
    it isn't claimed, and rendered too early, before this transaction ends.
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
    """As `mark_stale`, for several subjects of one type."""
    session.execute(_MARK_ALL_STALE, {"s_type": subject_type, "s_ids": list(subject_ids)})


class Copy(NamedTuple):
    """A message in Slack that shows a record, and the notice it shows."""

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
    """The copies in Slack of several subjects of one type, sorted by lane."""
    wanted = {"s_type": subject_type, "s_ids": list(subject_ids)}
    return [Copy(*row) for row in session.execute(_COPIES_OF_ALL, wanted)]


def list_copies(session: Session, subject_type: str, subject_id: str) -> list[Copy]:
    """Every copy of the subject in Slack, sorted by lane."""
    wanted = {"s_type": subject_type, "s_id": subject_id}
    return [Copy(*row) for row in session.execute(_COPIES, wanted)]


def mark_and_list_copies(session: Session, subject_type: str, subject_id: str) -> list[Copy]:
    """`mark_stale` and `list_copies` in one: mostly nothing about a subject waits, and then one query answers both."""
    values = {"s_type": subject_type, "s_id": subject_id}
    rows = session.execute(_SHOWN, values).all()
    if rows[0].waits:
        # A row may have been sent, and become a copy, between that query and the mark.
        mark_stale(session, subject_type, subject_id)
        return list_copies(session, subject_type, subject_id)
    return [Copy(*row[1:]) for row in rows if row.id is not None]


def lock_waiting(session: Session, lanes: Sequence[str]) -> dict[str, datetime]:
    """Lane → when its waiting row is due, for those of `lanes` that have one; locked, so that none is claimed meanwhile.

    For lanes with at most one waiting row, like those of Home tabs; `lanes` are sorted.
    """
    return {
        lane: due_at for lane, due_at in session.execute(_WAITING_IN_LANES, {"lanes": list(lanes)})
    }


def bring_forward(session: Session, lanes: Sequence[tuple[str, datetime]]) -> None:
    """Let what waits in each of these lanes be due at the time beside it, unless it is due earlier."""
    if lanes:
        session.connection().execute(
            _HASTEN, [{"late_lane": lane, "sooner": due_at} for lane, due_at in lanes]
        )


# --- Times in which nothing is sent

_STANDING = (
    select(
        Hold.id,
        Hold.released_at,
        Hold.looks,
        Hold.look_from,
        Hold.look_until,
        Hold.governed_from,
        Hold.governed_until,
    )
    .where(
        or_(Hold.released_at.is_(None), Hold.looks.is_(True) & (Hold.held_at > bindparam("since")))
    )
    .order_by(Hold.id)
)
_IS_HELD = select(Hold.id).where(Hold.released_at.is_(None)).limit(1)
_CURRENT = select(Hold).where(Hold.released_at.is_(None)).order_by(Hold.id.desc()).limit(1)
_ALL = select(Hold).order_by(Hold.id)
_TO_REVIEW = (
    select(Outbox)
    .where(Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING]))
    .order_by(Outbox.id)
)


class HoldSpan(NamedTuple):
    """What a claim reads of a hold: `look_…` are real time, `governed_…` the same span in governed time."""

    id: int
    released_at: datetime | None
    looks: bool
    look_from: datetime
    look_until: datetime
    governed_from: datetime
    governed_until: datetime


def list_in_force(session: Session, since: datetime) -> list[HoldSpan]:
    """Holds in force, and those since `since` (real time) whose span makes messages be looked up before they are sent."""
    return [HoldSpan(*row) for row in session.execute(_STANDING, {"since": since})]


def is_held(session: Session) -> bool:
    """Whether a hold is in force, so that nothing may be sent."""
    return session.execute(_IS_HELD).first() is not None


def find_current(session: Session) -> Hold | None:
    """The latest hold in force; None when there is none."""
    return session.execute(_CURRENT).scalar_one_or_none()


def list_holds(session: Session) -> Sequence[Hold]:
    """All holds, ended ones too, oldest first."""
    return session.execute(_ALL).scalars().all()


def list_waiting(session: Session) -> Sequence[Outbox]:
    """The rows that wait or are being sent, oldest first."""
    return session.execute(_TO_REVIEW).scalars().all()


def open_copies(session: Session) -> Sequence[Message]:
    """Every copy in Slack whose record can still change, with its digest emptied, sorted by lane.

    After a restore it is unknown what they show. No digest equals the empty one, so the next edit of each is made.
    """
    copies = (
        session.execute(
            select(Message)
            .where(Message.live.is_(True), Message.is_final.is_(False))
            .order_by(Message.lane_key, Message.id)
        )
        .scalars()
        .all()
    )
    for copy in copies:
        copy.shown_hash = ""
    session.flush()
    return copies


def count_due_timers(session: Session, now: datetime) -> Mapping[str, int]:
    """How many timers have fallen due, by kind."""
    rows = session.execute(
        select(Timer.kind, func.count())
        .where(Timer.state == TimerState.DUE, Timer.due_at <= now)
        .group_by(Timer.kind)
        .order_by(Timer.kind)
    )
    return {row[0]: row[1] for row in rows}


def count_due_schedules(session: Session, now: datetime) -> Mapping[str, int]:
    """How many schedules have fallen due, by kind."""
    rows = session.execute(
        select(Schedule.kind, func.count())
        .where(Schedule.is_enabled.is_(True), Schedule.next_at <= now)
        .group_by(Schedule.kind)
        .order_by(Schedule.kind)
    )
    return {row[0]: row[1] for row in rows}


# --- What operators see and change, what metrics count, and what is purged

_ONE = select(Outbox, Lane.channel).join(Lane, Lane.key == Outbox.lane_key)
_LOCKED = select(Outbox).where(Outbox.id == bindparam("row_id")).with_for_update()
_OF_LANE = (
    select(Outbox)
    .where(Outbox.lane_key == bindparam("lane"), Outbox.state == OutboxState.DEAD)
    .order_by(Outbox.id)
)
_COUNTS = (
    select(Outbox.state, func.count())
    .where(text("outbox.state IN ('pending','sending','dead')"))
    .group_by(Outbox.state)
)
# Literals: a partial index is not found by a bind parameter, and SQLite wants its condition word by word.
_OLDEST_PENDING = select(func.min(Outbox.due_at)).where(
    text("outbox.state = 'pending'"), Outbox.due_at <= bindparam("now")
)
_OLDEST_SENDING = select(func.min(Outbox.due_at)).where(
    text("outbox.state IN ('pending','sending','dead') AND outbox.state = 'sending'"),
    Outbox.due_at <= bindparam("now"),
)
_HEADS = (
    select(Outbox.dedupe_key, Outbox.state, Outbox.created_at, Outbox.settled_at)
    .where(
        Outbox.dedupe_key >= "head:daily:2000-01-01", Outbox.dedupe_key <= "head:daily:2999-12-31:z"
    )
    .order_by(Outbox.dedupe_key.desc())
    .limit(60)
)
_EDIT_WAITS = select(Outbox.id).where(
    Outbox.message_id == bindparam("message"), Outbox.state == OutboxState.PENDING
)
# Literals again: word by word the conditions of the partial indices.
_SETTLED = (
    select(Outbox.id, Outbox.op)
    .where(
        text("outbox.state IN ('sent','cancelled') AND outbox.notice_version > 0"),
        Outbox.settled_at < bindparam("before"),
    )
    .order_by(Outbox.settled_at)
    .limit(bindparam("most"))
)
_FORGET_EDITS = (
    delete(Outbox)
    .where(Outbox.id.in_(bindparam("ids", expanding=True)))
    .execution_options(synchronize_session=False)
)
_EMPTY_ROWS = (
    update(Outbox)
    .where(Outbox.id.in_(bindparam("ids", expanding=True)))
    .values(notice={}, notice_version=0, last_error=None)
    .execution_options(synchronize_session=False)
)
_ENDED_COPIES = (
    select(Message.id)
    .where(
        text("(message.is_final OR NOT message.live)"),
        Message.shown_at < bindparam("before"),
        ~exists().where(Outbox.message_id == Message.id),
    )
    .order_by(Message.shown_at)
    .limit(bindparam("most"))
)
_FORGET_COPIES = (
    delete(Message)
    .where(Message.id.in_(bindparam("ids", expanding=True)))
    .execution_options(synchronize_session=False)
)


def find(session: Session, row_id: int) -> tuple[Outbox, str | None] | None:
    """A row and the conversation that its lane was resolved to (None: not yet); None when there is no such row."""
    row = session.execute(_ONE.where(Outbox.id == row_id)).first()
    return None if row is None else (row[0], row[1])


def list_rows(
    session: Session, states: Sequence[OutboxState], *, most: int
) -> Sequence[tuple[Outbox, str | None]]:
    """At most `most` rows in these states, newest first, each with its lane's conversation (None: not yet)."""
    result = session.execute(
        _ONE.where(Outbox.state.in_(states)).order_by(Outbox.id.desc()).limit(most)
    )
    return [(row, channel) for row, channel in result]


def lock(session: Session, row_id: int) -> Outbox | None:
    """The row, locked; None when there is none."""
    return session.execute(_LOCKED, {"row_id": row_id}).scalar_one_or_none()


def list_dead(session: Session, lane: str) -> Sequence[Outbox]:
    """The dead letters of a lane, oldest first."""
    return session.execute(_OF_LANE, {"lane": lane}).scalars().all()


def edit_waits(session: Session, message_id: int) -> bool:
    """Whether an edit of that copy waits; at most one may."""
    return session.execute(_EDIT_WAITS, {"message": message_id}).first() is not None


def count_states(session: Session) -> dict[str, int]:
    """Number of rows by state: pending, sending, dead. A state without rows is left out."""
    return {row[0]: row[1] for row in session.execute(_COUNTS)}


def find_oldest_due(session: Session, *, now: datetime) -> datetime | None:
    """The earliest `due_at`, up to `now` (governed time), of rows that are not settled; None when none is due."""
    ages = [
        session.execute(statement, {"now": now}).scalar_one_or_none()
        for statement in (_OLDEST_PENDING, _OLDEST_SENDING)
    ]
    return min((age for age in ages if age is not None), default=None)


def list_daily_heads(session: Session) -> Sequence[tuple[str, str, datetime, datetime | None]]:
    """The latest 60 daily publications of the ledger's head, newest first: dedupe key, state, created at, settled at."""
    return [
        (key, state, created_at, settled_at)
        for key, state, created_at, settled_at in session.execute(_HEADS)
    ]


def find_person_id(session: Session, org_key: str, slack_id: str) -> str | None:
    """The opaque id of the person with this Slack id, a former one too; None for nobody known."""
    return session.execute(BY_SLACK_ID, {"org": org_key, "slack": slack_id}).scalar_one_or_none()


def purge(session: Session, before: datetime, *, most: int) -> int:
    """Empty at most `most` rows settled before `before`, oldest first; how many were changed or removed, 0 at the end.

    Posts and lines for the anchor lose their notice and keep their dedupe key, for a fact is announced once, and their
    ts, for threads. Rows of all other operations are deleted. Copies are deleted only when their record can no longer
    change or when they are gone from Slack.
    """
    bound: dict[str, Any] = {"before": before, "most": most}
    kept = {Op.POST, Op.ANCHOR}
    settled = session.execute(_SETTLED, bound).all()
    if edits := [row_id for row_id, op in settled if op not in kept]:
        session.execute(_FORGET_EDITS, {"ids": edits})
    if rest := [row_id for row_id, op in settled if op in kept]:
        session.execute(_EMPTY_ROWS, {"ids": rest})
    if len(settled) >= most:
        return len(settled)
    bound["most"] = most - len(settled)
    copies = session.execute(_ENDED_COPIES, bound).scalars().all()
    if copies:
        session.execute(_FORGET_COPIES, {"ids": list(copies)})
    return len(settled) + len(copies)


# --- After the clock was set back: what had just fallen due stays due


def stay_due(session: Session, *, now: datetime, was: datetime, within: timedelta) -> None:
    """Let rows that had fallen due just before the clock was set back from `was` to `now` (governed time) be due now.

    Timers: those that fell due in the last `within` before `was`; what fell due earlier between the two moments waits
    until that moment comes again. Messages: the same, and all that were to go out as soon as they were written.
    """
    session.execute(
        update(Timer)
        .where(
            Timer.state == TimerState.DUE,
            Timer.due_at > max(now, was - within),
            Timer.due_at <= was,
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Outbox)
        .where(
            Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
            Outbox.due_at > now,
            or_(
                Outbox.due_at <= Outbox.created_at,
                (Outbox.due_at > was - within) & (Outbox.due_at <= was),
            ),
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )


# --- Renaming lanes, when the organisation moves into a Grid: rows that wait and copies follow

_outbox, _message = cast(Table, Outbox.__table__), cast(Table, Message.__table__)


def list_keys(session: Session, org_key: str) -> list[str]:
    """The keys of all lanes of an organisation: conversations, direct messages and Home tabs."""
    wanted = [f"slack:{org_key}:", f"home:slack:{org_key}:"]
    return [
        key
        for prefix in wanted
        for key in session.execute(
            select(Lane.key).where(Lane.key.startswith(prefix, autoescape=True)).order_by(Lane.key)
        ).scalars()
    ]


def rename(session: Session, keys: Mapping[str, str], *, forgets_channels: bool = False) -> int:
    """Give lanes new keys (`keys` is old → new); how many were renamed.

    Their epochs rise, so a sender that holds one settles nothing. A lane whose new key is there already is joined to it.
    With `forgets_channels` people's direct messages are opened anew, since their Slack ids changed.
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
    """Whether a lane is somebody's direct message or Home tab: its Slack id begins with U or W."""
    return lane_key.rpartition(":")[2][:1] in {"U", "W"}
