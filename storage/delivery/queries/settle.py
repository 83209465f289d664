"""Writing down how an attempt ended. Everything is fenced: the lane's epoch must still be the one of the claim."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, func, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from storage.delivery.tables import Lane, Message, Outbox
from storage.enums import OutboxState
from storage.types import UTCDateTime

_GIVE_BACK = (
    update(Lane)
    .where(
        Lane.key == bindparam("lane"),
        Lane.epoch == bindparam("held_epoch"),
        Lane.lease_until.is_not(None),  # so that settling twice, after a lost COMMIT, does it once
    )
    .values(
        lease_owner=None,
        lease_until=None,
        not_before=func.coalesce(bindparam("posts_from", type_=UTCDateTime()), Lane.not_before),
        edit_not_before=func.coalesce(
            bindparam("edits_from", type_=UTCDateTime()), Lane.edit_not_before
        ),
        channel=func.coalesce(bindparam("opened", type_=String()), Lane.channel),
    )
    .execution_options(synchronize_session=False)
)
_SENT = (
    update(Outbox)
    .where(Outbox.id == bindparam("row_id"))
    .values(
        state=OutboxState.SENT,
        ts=bindparam("posted_ts"),
        last_error=None,
        settled_at=bindparam("now"),
    )
    .returning(
        Outbox.stale
    )  # its record changed while it was being sent: the copy is edited at once
    .execution_options(synchronize_session=False)
)
_END = (
    update(Outbox)
    .where(Outbox.id == bindparam("row_id"))
    .values(state=bindparam("new_state"), last_error=bindparam("why"), settled_at=bindparam("now"))
    .execution_options(synchronize_session=False)
)
_AGAIN = (
    update(Outbox)
    .where(Outbox.id == bindparam("row_id"))
    .values(
        state=bindparam("new_state"),
        last_error=bindparam("why"),
        attempts=bindparam("attempts_now"),
        lookups=bindparam("lookups_now"),
    )
    .execution_options(synchronize_session=False)
)
_LOOKED = (
    update(Outbox)
    .where(Outbox.id == bindparam("row_id"))
    # From here on it counts as attempted: what is older than the span in question is not looked for again.
    .values(attempt_at=bindparam("looked_at"))
    .execution_options(synchronize_session=False)
)
_SHOWN = (
    update(Message)
    .where(Message.id == bindparam("copy_id"))
    .values(shown_hash=bindparam("digest"), shown_at=bindparam("now"), is_final=bindparam("final"))
    .execution_options(synchronize_session=False)
)
_GONE = (
    update(Message)
    .where(Message.id == bindparam("copy_id"))
    .values(live=False)
    .execution_options(synchronize_session=False)
)
_CANCEL_EDITS = (
    update(Outbox)
    .where(Outbox.message_id == bindparam("copy_id"), Outbox.state == OutboxState.PENDING)
    .values(state=OutboxState.CANCELLED, last_error=bindparam("why"), settled_at=bindparam("now"))
    .execution_options(synchronize_session=False)
)
_KNOWN_COPY = select(Message.id).where(
    Message.channel == bindparam("c"), Message.ts == bindparam("t")
)
_COPY = insert(Message).returning(Message)


_COPY_AT = select(
    Message.kind, Message.notice, Message.subject_type, Message.subject_id, Message.lane_key
).where(Message.channel == bindparam("c"), Message.ts == bindparam("t"))


class ShownCopy(NamedTuple):
    """What one of our messages shows, and the key of its lane."""

    kind: str
    notice: dict[str, Any]
    subject_type: str
    subject_id: str
    lane_key: str


def find_copy(session: Session, channel: str, ts: str) -> ShownCopy | None:
    """The message of ours that stands there; None for one that is not ours."""
    row = session.execute(_COPY_AT, {"c": channel, "t": ts}).first()
    return None if row is None else ShownCopy(*row)


def give_back(
    session: Session,
    lane: str,
    epoch: int,
    *,
    posts_from: datetime | None = None,
    edits_from: datetime | None = None,
    opened: str | None = None,
) -> bool:
    """End the lease, and say from when on the lane may send; False when it is no longer ours: then change nothing."""
    result = session.execute(
        _GIVE_BACK,
        {
            "lane": lane,
            "held_epoch": epoch,
            "posts_from": posts_from,
            "edits_from": edits_from,
            "opened": opened,
        },
    )
    assert isinstance(result, CursorResult)  # noqa: S101 - an UPDATE always returns a cursor
    return bool(result.rowcount)


def mark_sent(session: Session, row_id: int, *, ts: str | None, now: datetime) -> bool:
    """It is out; True when its record changed meanwhile."""
    stale: bool = session.execute(
        _SENT, {"row_id": row_id, "posted_ts": ts, "now": now}
    ).scalar_one()
    return stale


def end(session: Session, row_id: int, state: OutboxState, why: str, *, now: datetime) -> None:
    """It will not be sent: dead or cancelled."""
    session.execute(_END, {"row_id": row_id, "new_state": state, "why": why[:500], "now": now})


def reschedule(
    session: Session, row_id: int, state: OutboxState, why: str, *, attempts: int, lookups: int
) -> None:
    """It waits for its next turn, as `pending` or, with an unknown outcome, as `sending`."""
    session.execute(
        _AGAIN,
        {
            "row_id": row_id,
            "new_state": state,
            "why": why[:500],
            "attempts_now": attempts,
            "lookups_now": lookups,
        },
    )


def mark_looked_for(session: Session, row_id: int, *, real_now: datetime) -> None:
    """It was looked for now, and is not in Slack: the next time it is sent."""
    session.execute(_LOOKED, {"row_id": row_id, "looked_at": real_now})


def add_copy(session: Session, values: dict[str, Any]) -> Message | None:
    """Remember a copy that stands in Slack now; None when it was known."""
    known = session.execute(_KNOWN_COPY, {"c": values["channel"], "t": values["ts"]}).first()
    if known is not None:
        return None
    return session.execute(_COPY, values).scalar_one()


def mark_copy_shown(
    session: Session, copy_id: int, *, digest: str, final: bool, now: datetime
) -> None:
    """A copy shows something else now."""
    session.execute(_SHOWN, {"copy_id": copy_id, "digest": digest, "final": final, "now": now})


def mark_copy_gone(session: Session, copy_id: int, why: str, *, now: datetime) -> None:
    """A copy does not stand in Slack any more; what waits for it is cancelled."""
    session.execute(_GONE, {"copy_id": copy_id})
    session.execute(_CANCEL_EDITS, {"copy_id": copy_id, "why": why, "now": now})
