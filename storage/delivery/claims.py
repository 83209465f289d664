"""The SQL of delivery: rate limits, claiming lanes and rows, settling attempts, uploaded pictures.

Locks are taken in one order everywhere, so that a claim, a click and a timer never deadlock: the subject's row, its
timers, lanes and outbox rows sorted by key, rate limits, and last the head of the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    String,
    TextClause,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TextualSelect

from storage.base import UTCDateTime
from storage.delivery.tables import Gate, Lane, Message, Outbox, Upload
from storage.enums import OutboxState, UploadState

# --- Rate limits of the workspace: one row per API method, a leaky bucket kept in one timestamp (GCRA)
#
# `gate.not_before` is when the next call would be due at an even pace. Each call moves it one interval ahead; a call
# may be made while it lies at most `tolerance`, (burst - 1) intervals, after now. One timestamp is enough for pace,
# burst and closures, and moving it under the row's lock makes all replicas share it.

_MAKE: dict[str, Any] = {
    "sqlite": sqlite.insert(Gate).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(Gate).on_conflict_do_nothing(index_elements=["key"]),
}
_ALL = select(Gate.key, Gate.not_before)
_LOCKED = select(Gate.not_before).where(Gate.key == bindparam("gate_key")).with_for_update()
_MOVE = (
    update(Gate)
    .where(Gate.key == bindparam("gate_key"))
    .values(not_before=bindparam("until"))
    .execution_options(synchronize_session=False)
)


def make(session: Session, keys: list[str], never: datetime) -> None:
    """Insert the gates that are missing, with `never` (long ago) as their `not_before`, so that they are open."""
    for key in sorted(keys):  # replicas that start together insert in one order, and don't deadlock
        session.execute(_MAKE[session.get_bind().dialect.name], {"key": key, "not_before": never})


def open_all(session: Session, since: datetime) -> None:
    """Set every gate back to `since` (real time) at the latest: closures end, and every burst is whole again."""
    session.execute(update(Gate).where(Gate.not_before > since).values(not_before=since))


def read(session: Session) -> dict[str, datetime]:
    """`not_before` of all gates by key, without a lock; a claim reads them only to skip what is closed."""
    return {row.key: row.not_before for row in session.execute(_ALL)}


def take(
    session: Session, key: str, *, real_now: datetime, interval: timedelta, tolerance: timedelta
) -> timedelta:
    """Count one call and return zero; when it may not be made yet, count nothing and return how long to wait.

    `interval` is the time between two calls at an even pace, `tolerance` how far calls may run ahead of it.
    """
    due: datetime = session.execute(_LOCKED, {"gate_key": key}).scalar_one()
    due = max(due, real_now)
    if due - real_now > tolerance:
        return due - real_now - tolerance
    session.execute(_MOVE, {"gate_key": key, "until": due + interval})
    return timedelta(0)


def close(session: Session, key: str, until: datetime) -> None:
    """Move the gate's `not_before` to `until`; one that lies later stays, so closures never shorten each other."""
    due: datetime = session.execute(_LOCKED, {"gate_key": key}).scalar_one()
    if due < until:
        session.execute(_MOVE, {"gate_key": key, "until": until})


# --- Which lane may send now, what is first in it, and when the next one will be
#
# The SQL is the same on both databases but for the last line: PostgreSQL skips what others
# hold, while SQLite has one writer at a time anyway. Lanes are locked FOR NO KEY UPDATE, so
# that producers, whose foreign keys take KEY SHARE locks on them, neither wait nor make us
# wait. States are literals: a partial index is not found by bind parameters.
#
# Lanes are claimed and not rows: SKIP LOCKED on rows would let a reply overtake its card, and
# two replicas post to one channel within the same second.
#
# `due_now` is governed time, `real_now` real time. `lease_now` is real time less what the clock
# has just jumped ahead, so that such a jump doesn't end a lease whose holder is still sending.

_WAITING = "state IN ('pending','sending')"
_DUE = """o.state IN ('pending','sending') AND o.due_at <= :due_now AND (o.thread_of IS NULL OR NOT EXISTS (
      SELECT 1 FROM outbox p WHERE p.id = o.thread_of AND p.state IN ('pending','sending')))"""
"""Due, and no reply to a card that is not settled: it needs the card's ts, or is cancelled with it."""
_FREE = "(l.lease_until IS NULL OR l.lease_until < :lease_now)"
_POSTS = (
    "o.op NOT IN ('update','delete') AND (o.op <> 'post' OR :may_post = 1)"
    " AND (:held = 0 OR o.op = 'anchor')"
)
"""Everything but edits. Without `may_post` (chat.postMessage is closed) no messages; during a hold only lines for the
anchor, which must know of erasures and heads whatever this database knows of Slack."""

_LANES_THAT_WAIT = f"""
WITH RECURSIVE waiting(key) AS (
  SELECT min(lane_key) FROM outbox WHERE {_WAITING}
  UNION ALL
  SELECT (SELECT min(lane_key) FROM outbox WHERE {_WAITING} AND lane_key > waiting.key)
  FROM waiting WHERE waiting.key IS NOT NULL
)"""  # noqa: S608 - only constants are put together here
"""A skip scan: walks the partial index from lane to lane, so that its cost grows with the number of lanes that wait and
not with the length of their queues.

For the same reason each lane is asked by a scalar subquery: PostgreSQL turns EXISTS into a join over all that waits.
"""

_POST_LANES = f"""{_LANES_THAT_WAIT}
SELECT l.key, l.epoch, l.channel, l.not_before FROM lane l JOIN waiting w ON w.key = l.key
WHERE l.not_before <= :real_now AND {_FREE}
  AND (SELECT 1 FROM outbox o WHERE o.lane_key = l.key AND {_POSTS} AND {_DUE} LIMIT 1) = 1
ORDER BY l.not_before, l.key LIMIT :most"""  # noqa: S608

_EDIT_LANES = f"""
SELECT l.key, l.epoch, l.channel, o.id AS head, o.priority FROM outbox o JOIN lane l ON l.key = o.lane_key
WHERE o.state IN ('pending','sending') AND o.op IN ('update','delete')
  AND o.due_at <= :due_now AND l.edit_not_before <= :real_now AND {_FREE}
ORDER BY o.priority, o.id DESC LIMIT :most"""  # noqa: S608
"""Cards that somebody has just clicked (priority 0) go first, then the newest changes: edits are paced by workspace, and
after a mass change the cards people look at now should not wait for hundreds of old ones. Counts rows, not lanes."""

_SKIP = "\nFOR NO KEY UPDATE OF l SKIP LOCKED"

_HEAD = f"""
SELECT o.id FROM outbox o WHERE o.lane_key = :lane AND {_POSTS} AND {_DUE}
ORDER BY CASE o.state WHEN 'sending' THEN 0 ELSE 1 END, o.priority, o.id LIMIT 1"""  # noqa: S608
"""A message whose outcome is unknown goes first: anything sent before it is looked up would overtake it."""

_NEXT = f"""{_LANES_THAT_WAIT}
SELECT l.not_before, l.edit_not_before, l.lease_until,
  (SELECT 1 FROM outbox o WHERE o.lane_key = l.key AND {_POSTS} AND {_DUE} LIMIT 1) AS posts,
  (SELECT min(o.priority) FROM outbox o WHERE o.lane_key = l.key AND o.op IN ('update','delete') AND {_DUE}) AS edits
FROM lane l JOIN waiting w ON w.key = l.key"""  # noqa: S608

_NEXT_DUE = """
SELECT min(o.due_at) AS due_at FROM outbox o WHERE o.state = 'pending' AND o.due_at > :due_now"""

_LEFT = f"""SELECT count(*) AS n FROM outbox o WHERE {_DUE}"""  # noqa: S608


def _typed(sql: str) -> TextClause:
    clause = text(sql)
    for name in ("due_now", "real_now", "lease_now"):
        if f":{name}" in sql:
            clause = clause.bindparams(bindparam(name, type_=UTCDateTime()))
    return clause


def _by_dialect(sql: str) -> dict[str, TextClause]:
    return {"sqlite": _typed(sql), "postgresql": _typed(sql + _SKIP)}


_POST_LANES_BY = {
    name: clause.columns(
        column("key"), column("epoch"), column("channel"), column("not_before", UTCDateTime())
    )
    for name, clause in _by_dialect(_POST_LANES).items()
}
_EDIT_LANES_BY = _by_dialect(_EDIT_LANES)
_HEAD_ID = _typed(_HEAD)
_NEXT_TIMES: TextualSelect = _typed(_NEXT).columns(
    column("not_before", UTCDateTime()),
    column("edit_not_before", UTCDateTime()),
    column("lease_until", UTCDateTime()),
    column("posts"),
    column("edits"),
)
_NEXT_DUE_AT: TextualSelect = _typed(_NEXT_DUE).columns(column("due_at", UTCDateTime()))
_LEFT_DUE = _typed(_LEFT)

_LOCK_ROW = (
    select(Outbox)
    .where(Outbox.id == bindparam("row_id"), Outbox.state.in_(bindparam("waiting", expanding=True)))
    # Locked by a change that concerns the row, or by an operator who settles it: rendering it now would show the
    # record as it was before that change, with no edit to follow. The lane rests and is claimed again afterwards.
    .with_for_update(skip_locked=True, of=Outbox)
)
_PARENT = select(Outbox.state, Outbox.ts).where(Outbox.id == bindparam("row_id"))
_COPY = select(Message).where(Message.id == bindparam("message_id"))
_LEASE = (
    # Needs no fence: this transaction holds the lane's row lock since the SELECT that found it free.
    update(Lane)
    .where(Lane.key == bindparam("lane"))
    .values(lease_owner=bindparam("me"), lease_until=bindparam("until"), epoch=Lane.epoch + 1)
    .execution_options(synchronize_session=False)
)
_PUT_OFF_POSTS = (
    update(Lane)
    .where(Lane.key == bindparam("lane"))
    .values(not_before=bindparam("until"))
    .execution_options(synchronize_session=False)
)
_PUT_OFF_EDITS = (
    update(Lane)
    .where(Lane.key == bindparam("lane"))
    .values(edit_not_before=bindparam("until"))
    .execution_options(synchronize_session=False)
)
_BEGIN_ATTEMPT = (
    update(Outbox)
    .where(Outbox.id == bindparam("row_id"))
    .values(
        state=OutboxState.SENDING,
        # Counted before the call, so that a message that kills its process is given up after `Pace.attempts`.
        attempts=Outbox.attempts + 1,
        attempt_at=bindparam("real_now"),
        attempt_governed_at=bindparam("due_now"),
        stale=False,
    )
    .execution_options(synchronize_session=False)
)
_BEGIN_LOOK = (
    update(Outbox)
    .where(Outbox.id == bindparam("row_id"))
    .values(
        state=OutboxState.SENDING,
        attempt_at=bindparam("real_from"),
        attempt_governed_at=bindparam("governed_from"),
        lookups=0,
    )
    .execution_options(synchronize_session=False)
)
_WAITING_STATES = [OutboxState.PENDING.value, OutboxState.SENDING.value]


@dataclass(frozen=True, slots=True)
class FreeLane:
    """A lane that may be leased; its row is locked until the transaction ends.

    `channel` is None until the conversation was opened. `head` (the id of the row to send) and `priority` are set for
    edits only, `not_before` (real time from which the lane may send) for anything else only.
    """

    key: str
    epoch: int
    channel: str | None
    head: int | None = None
    priority: int | None = None
    not_before: datetime | None = None


def list_post_lanes(
    session: Session,
    *,
    due_now: datetime,
    real_now: datetime,
    lease_now: datetime,
    may_post: bool,
    is_held: bool = False,
    most: int,
) -> list[FreeLane]:
    """At most `most` free lanes with anything but an edit to send, locked; the one that may send for longest first.

    `due_now` is governed time; `real_now` and `lease_now` are real time, and leases that end before `lease_now` have run
    out. `may_post` is False while chat.postMessage is closed; while `is_held`, only the anchor's lane is listed.
    """
    rows = session.execute(
        _POST_LANES_BY[session.get_bind().dialect.name],
        {
            "due_now": due_now,
            "real_now": real_now,
            "lease_now": lease_now,
            "may_post": int(may_post),
            "held": int(is_held),
            "most": most,
        },
    )
    return [
        FreeLane(key, epoch, channel, not_before=not_before)
        for key, epoch, channel, not_before in rows
    ]


def list_edit_lanes(
    session: Session, *, due_now: datetime, real_now: datetime, lease_now: datetime, most: int
) -> list[FreeLane]:
    """Free lanes with an edit to make, locked, each once, with the edit that goes first.

    `most` counts edits, of which several may belong to one lane; the times are those of `list_post_lanes`.
    """
    rows = session.execute(
        _EDIT_LANES_BY[session.get_bind().dialect.name],
        {"due_now": due_now, "real_now": real_now, "lease_now": lease_now, "most": most},
    )
    lanes: dict[str, FreeLane] = {}
    for key, epoch, channel, head, priority in rows:
        lanes.setdefault(key, FreeLane(key, epoch, channel, head, priority))
    return list(lanes.values())


def find_head(
    session: Session, lane: str, *, due_now: datetime, may_post: bool, is_held: bool = False
) -> int | None:
    """The id of the row, edits aside, that goes first in a lane; None when nothing is due.

    One whose outcome is unknown goes first, then by priority and age.
    """
    return session.execute(
        _HEAD_ID,
        {"lane": lane, "due_now": due_now, "may_post": int(may_post), "held": int(is_held)},
    ).scalar_one_or_none()


def lock_row(session: Session, row_id: int) -> Outbox | None:
    """The row, locked; None when another transaction holds it, or when it is settled."""
    return session.execute(
        _LOCK_ROW, {"row_id": row_id, "waiting": _WAITING_STATES}
    ).scalar_one_or_none()


def find_parent(session: Session, row_id: int) -> tuple[str, str | None]:
    """State and ts of the row `row_id`, the card of a thread; ts is None for one that was never sent."""
    state, ts = session.execute(_PARENT, {"row_id": row_id}).one()
    return state, ts


def find_copy(session: Session, message_id: int) -> Message | None:
    """The copy that an edit is about; None when it was purged."""
    return session.execute(_COPY, {"message_id": message_id}).scalar_one_or_none()


def lease(session: Session, lane: str, *, me: str, until: datetime) -> None:
    """Lease the lane to the process `me` until `until` (real time).

    Its epoch rises by one, so that an earlier holder, whose lease ran out, can settle nothing any more.
    """
    session.execute(_LEASE, {"lane": lane, "me": me, "until": until})


def put_off(session: Session, lane: str, until: datetime, *, edits: bool = False) -> None:
    """Let the lane send no posts, or with `edits` no edits, before `until` (real time)."""
    session.execute(_PUT_OFF_EDITS if edits else _PUT_OFF_POSTS, {"lane": lane, "until": until})


def begin_attempt(session: Session, row_id: int, *, due_now: datetime, real_now: datetime) -> None:
    """Mark the row as `sending` and count the attempt, before the call: whoever finds it so later looks it up first."""
    session.execute(_BEGIN_ATTEMPT, {"row_id": row_id, "due_now": due_now, "real_now": real_now})


def begin_look(
    session: Session, row_id: int, *, real_from: datetime, governed_from: datetime
) -> None:
    """Mark the row as `sending` without counting an attempt, so that it is looked up in Slack before it is sent.

    The look-up begins at `real_from` (real time) and `governed_from` (governed time): after a restore, the end of the
    copy.
    """
    session.execute(
        _BEGIN_LOOK, {"row_id": row_id, "real_from": real_from, "governed_from": governed_from}
    )


def find_next_times(
    session: Session,
    *,
    due_now: datetime,
    leases_last: timedelta,
    may_post: bool,
    is_held: bool = False,
    edits_up_to: int,
) -> tuple[Sequence[datetime], datetime | None]:
    """When lanes with something due may send (real time), and when the next row falls due (governed time, None: none).

    Only edits of a priority of at most `edits_up_to` count. `leases_last` is added to the end of leases: how far the
    clock has just jumped ahead.
    """
    moments: list[datetime] = []
    parameters: dict[str, Any] = {
        "due_now": due_now,
        "may_post": int(may_post),
        "held": int(is_held),
    }
    for posts_at, edits_at, lease_until, posts, edits in session.execute(_NEXT_TIMES, parameters):
        opens = [posts_at] if posts else []
        if edits is not None and edits <= edits_up_to:
            opens.append(edits_at)
        if opens:
            moments.append(
                max(min(opens), lease_until + leases_last) if lease_until else min(opens)
            )
    due = session.execute(_NEXT_DUE_AT, {"due_now": due_now}).scalar_one()
    return moments, due


def count_due(session: Session, *, due_now: datetime) -> int:
    """How many rows are due and not settled."""
    count: int = session.execute(_LEFT_DUE, {"due_now": due_now}).scalar_one()
    return count


# --- Writing down how an attempt ended
#
# Everything is fenced: `_GIVE_BACK` comes first and changes a row only while the lane's epoch is
# that of the claim; where it changes none, the lane was leased to somebody else meanwhile, and
# nothing of the attempt is written. Its row lock also orders this after any claim of the lane.

_GIVE_BACK = (
    update(Lane)
    .where(
        Lane.key == bindparam("lane"),
        Lane.epoch == bindparam("held_epoch"),
        # The answer to a COMMIT may be lost. Settling is then repeated, and finds the lease given back already.
        Lane.lease_until.is_not(None),
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
    .returning(Outbox.stale)
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
    # A row attempted after the restore was not sent by anybody unknown (`claiming`), so it is not looked for again.
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
_SETTLED_COPY = insert(Message).returning(Message)


_COPY_AT = select(
    Message.kind, Message.notice, Message.subject_type, Message.subject_id, Message.lane_key
).where(Message.channel == bindparam("c"), Message.ts == bindparam("t"))


class ShownCopy(NamedTuple):
    """The notice that a message of ours shows, its subject, and the key of its lane."""

    kind: str
    notice: dict[str, Any]
    subject_type: str
    subject_id: str
    lane_key: str


def find_settled_copy(session: Session, channel: str, ts: str) -> ShownCopy | None:
    """Our message with this `ts` in a channel; None for anybody else's."""
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
    """End the lease; False when the lane is no longer ours, and then the caller must change nothing.

    `posts_from` and `edits_from` (real time) are when the lane may send again, None for no change. `opened` is the
    conversation that was opened for the lane, None for none.
    """
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
    """Settle the row as sent at `now` (governed time), with its `ts` for a message.

    True when its record changed while it was being sent: then the copy that stands in Slack needs an edit.
    """
    stale: bool = session.execute(
        _SENT, {"row_id": row_id, "posted_ts": ts, "now": now}
    ).scalar_one()
    return stale


def end(session: Session, row_id: int, state: OutboxState, why: str, *, now: datetime) -> None:
    """Settle the row as not to be sent: `state` is dead or cancelled. Of `why` 500 characters are kept."""
    session.execute(_END, {"row_id": row_id, "new_state": state, "why": why[:500], "now": now})


def reschedule(
    session: Session, row_id: int, state: OutboxState, why: str, *, attempts: int, lookups: int
) -> None:
    """Let the row wait for its next turn: `pending`, or `sending` while its outcome is unknown."""
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
    """Note that a look-up at `real_now` did not find the row in Slack: the next time it is sent."""
    session.execute(_LOOKED, {"row_id": row_id, "looked_at": real_now})


def add_copy(session: Session, values: dict[str, Any]) -> Message | None:
    """Insert a copy that stands in Slack now, by the columns in `values`; None when that channel and ts are known."""
    known = session.execute(_KNOWN_COPY, {"c": values["channel"], "t": values["ts"]}).first()
    if known is not None:
        return None
    return session.execute(_SETTLED_COPY, values).scalar_one()


def mark_copy_shown(
    session: Session, copy_id: int, *, digest: str, final: bool, now: datetime
) -> None:
    """Write down what a copy shows since `now` (governed time): the digest, and whether its record is final."""
    session.execute(_SHOWN, {"copy_id": copy_id, "digest": digest, "final": final, "now": now})


def mark_copy_gone(session: Session, copy_id: int, why: str, *, now: datetime) -> None:
    """Mark a copy as gone from Slack, and cancel the edit that waits for it."""
    session.execute(_GONE, {"copy_id": copy_id})
    session.execute(_CANCEL_EDITS, {"copy_id": copy_id, "why": why, "now": now})


# --- Pictures that were uploaded to Slack, by the digest of what they show

_ADD: dict[str, Any] = {
    "sqlite": sqlite.insert(Upload).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(Upload).on_conflict_do_nothing(index_elements=["key"]),
}
_FIND = select(Upload.key, Upload.file_id, Upload.state).where(
    Upload.key.in_(bindparam("keys", expanding=True))
)
_READY = (
    update(Upload)
    .where(Upload.key.in_(bindparam("keys", expanding=True)))
    .values(state=UploadState.READY)
    .execution_options(synchronize_session=False)
)
_FORGET = (
    delete(Upload)
    .where(Upload.key == bindparam("upload_key"), Upload.file_id == bindparam("upload_id"))
    .execution_options(synchronize_session=False)
)
_OLD = (
    select(Upload.key)
    .where(Upload.uploaded_at < bindparam("before"))
    .order_by(Upload.uploaded_at)
    .limit(bindparam("most"))
)
_PURGE = (
    delete(Upload)
    .where(Upload.key.in_(bindparam("keys", expanding=True)))
    .execution_options(synchronize_session=False)
)


def find(session: Session, keys: Sequence[str]) -> dict[str, tuple[str, UploadState]]:
    """The Slack files of these pictures, those that were uploaded: key → file id and state."""
    rows = session.execute(_FIND, {"keys": list(keys)})
    return {row.key: (row.file_id, UploadState(row.state)) for row in rows}


def add(session: Session, key: str, file_id: str, *, now: datetime) -> None:
    """Keep the file of an uploaded picture; when another replica was first, its file stays and this one is unused."""
    row = {"key": key, "file_id": file_id, "state": UploadState.UPLOADED, "uploaded_at": now}
    session.execute(_ADD[session.get_bind().dialect.name], row)


def mark_ready(session: Session, keys: Sequence[str]) -> None:
    """Note that Slack can show the files of these pictures now."""
    session.execute(_READY, {"keys": list(keys)})


def forget(session: Session, key: str, file_id: str) -> None:
    """Delete the row of a file that Slack can't show; the picture is uploaded anew when it is needed again.

    A file that another replica uploaded meanwhile, of another id, stays.
    """
    session.execute(_FORGET, {"upload_key": key, "upload_id": file_id})


def purge(session: Session, before: datetime, *, most: int) -> int:
    """Delete at most `most` rows uploaded before `before` (real time), oldest first; how many went.

    The files stay in Slack, for the messages that show them.
    """
    keys = session.execute(_OLD, {"before": before, "most": most}).scalars().all()
    if keys:
        session.execute(_PURGE, {"keys": list(keys)})
    return len(keys)
