"""What operators look at and change, what metrics count, and what is emptied after a while."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from storage.delivery.tables import Lane, Message, Outbox
from storage.enums import Op, OutboxState
from storage.people.lookups import BY_SLACK_ID

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
# Word by word the conditions of the partial indices; the values are ours.
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
    """A row and the conversation that its lane was resolved to."""
    row = session.execute(_ONE.where(Outbox.id == row_id)).first()
    return None if row is None else (row[0], row[1])


def list_rows(
    session: Session, states: Sequence[OutboxState], *, most: int
) -> Sequence[tuple[Outbox, str | None]]:
    """The newest rows in these states."""
    result = session.execute(
        _ONE.where(Outbox.state.in_(states)).order_by(Outbox.id.desc()).limit(most)
    )
    return [(row, channel) for row, channel in result]


def lock(session: Session, row_id: int) -> Outbox | None:
    """The row, locked."""
    return session.execute(_LOCKED, {"row_id": row_id}).scalar_one_or_none()


def list_dead(session: Session, lane: str) -> Sequence[Outbox]:
    """The dead letters of a destination, oldest first."""
    return session.execute(_OF_LANE, {"lane": lane}).scalars().all()


def edit_waits(session: Session, message_id: int) -> bool:
    """Whether an edit of that copy waits."""
    return session.execute(_EDIT_WAITS, {"message": message_id}).first() is not None


def count_states(session: Session) -> dict[str, int]:
    """How many rows wait, are being sent, and are dead."""
    return {row[0]: row[1] for row in session.execute(_COUNTS)}


def find_oldest_due(session: Session, *, now: datetime) -> datetime | None:
    """When the oldest row that is due and not settled fell due."""
    ages = [
        session.execute(statement, {"now": now}).scalar_one_or_none()
        for statement in (_OLDEST_PENDING, _OLDEST_SENDING)
    ]
    return min((age for age in ages if age is not None), default=None)


def list_daily_heads(session: Session) -> Sequence[tuple[str, str, datetime, datetime | None]]:
    """The latest daily publications of the ledger's head: key, state, when it was written, and when it was settled."""
    return [
        (key, state, created_at, settled_at)
        for key, state, created_at, settled_at in session.execute(_HEADS)
    ]


def find_person_id(session: Session, org_key: str, slack_id: str) -> str | None:
    """The person one of whose Slack ids this is."""
    return session.execute(BY_SLACK_ID, {"org": org_key, "slack": slack_id}).scalar_one_or_none()


def purge(session: Session, before: datetime, *, most: int) -> int:
    """Empty what was settled before then, oldest first; returns how many rows were changed or removed, 0 at the end.

    Dedupe keys stay for ever, and so do the ts of cards, for their threads. Copies go only when their record can no
    longer change or when they are gone from Slack.
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
