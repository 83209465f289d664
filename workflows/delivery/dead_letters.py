"""Dead letters, which are not sent unless a person decides so: telling administrators, and what they can do."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.delivery import claims
from storage.delivery import outbox as delivery_outbox
from storage.delivery.tables import Outbox
from storage.enums import Op, OutboxState
from workflows import outbox
from workflows.audit.service import write_entry
from workflows.context import SYSTEM, Context
from workflows.delivery import holding
from workflows.delivery.notices import LettersDied
from workflows.delivery.records import Address, DeadLetters, OutboxRow
from workflows.errors import InvalidInput, NotFound
from workflows.outbox import Destination, Subject

UNKNOWN = "unknown: "
"""Prefix of the error of a letter of which nobody knows whether it stands in Slack."""

_STATES = {
    None: (OutboxState.DEAD, OutboxState.SENDING, OutboxState.PENDING),
    "all": tuple(OutboxState),
} | {state.value: (state,) for state in OutboxState}


def subject_of(lane: str) -> Subject:
    """The subject that the alert about a lane shows."""
    return Subject("outbox_lane", lane)


def bury(
    session: Session,
    *,
    row_id: int,
    lane: str,
    kind: str,
    why: str,
    now: datetime,
    org_key: str,
    admin: str | None,
) -> None:
    """Settle a row as dead, record it, and alert the administrators' channel once a day and lane.

    `admin` is the Slack id of that channel, None when there is none. Later letters of the same lane edit the day's alert:
    an archived channel with 500 messages must not flood the administrators. An alert that dies isn't alerted itself.
    """
    claims.end(session, row_id, OutboxState.DEAD, why, now=now)
    write_entry(
        session, SYSTEM, "outbox.dead", ("outbox", row_id), now=now, kind=kind, why=why[:200]
    )
    if kind == LettersDied.kind:
        return
    if admin is not None:
        outbox.post(
            session,
            LettersDied(lane),
            to=Destination.channel(org_key, admin),
            dedupe_key=f"dead:{lane}:{now.date().isoformat()}",
            now=now,
            subject=subject_of(lane),
        )
    outbox.refresh_copies(session, subject_of(lane), now=now)


def list_of_lane(session: Session, lane: str) -> DeadLetters:
    """The dead letters of a lane, oldest first."""
    records = tuple(_to_record(row, None) for row in delivery_outbox.list_dead(session, lane))
    try:
        address = Address.of(lane)
    except ValueError:
        return DeadLetters(lane, None, False, records)
    return DeadLetters(lane, address.slack_id, address.is_person, records)


def list_rows(session: Session, *, state: str | None = None, most: int = 100) -> list[OutboxRow]:
    """At most `most` rows in a state, newest first; None is what is dead, in doubt or waiting, "all" is all.

    Raises InvalidInput for a state that doesn't exist.
    """
    states = _STATES.get(state)
    if states is None:
        raise InvalidInput(
            f"There is no state {state!r}; choose one of {', '.join(name for name in _STATES if name)}.",
            field="state",
        )
    return [
        _to_record(row, channel)
        for row, channel in delivery_outbox.list_rows(session, states, most=most)
    ]


def show(session: Session, row_id: int) -> OutboxRow:
    """One row. Raises NotFound."""
    letter = delivery_outbox.find(session, row_id)
    if letter is None:
        raise NotFound(f"There is no message {row_id} in the outbox.")
    return _to_record(*letter)


def retry(ctx: Context, row_id: int) -> OutboxRow:
    """Send a dead letter again without a look-up: the person who decides so has looked, or accepts a second message.

    Attempts start anew; an edit for which a newer one waits is cancelled instead. Raises NotFound, and InvalidInput for
    a row that isn't dead.
    """
    row = _lock_dead(ctx.session, row_id, "sent again")
    if row.message_id is not None and delivery_outbox.edit_waits(ctx.session, row.message_id):
        return _settle(ctx, row, OutboxState.CANCELLED, "a newer edit waits")
    row.state = OutboxState.PENDING
    row.attempts, row.lookups = 0, 0
    row.generation += 1
    row.last_error, row.settled_at = None, None
    row.due_at = min(row.due_at, ctx.now)
    if row.expires_at is not None and row.expires_at <= ctx.now:
        row.expires_at = None
    write_entry(
        ctx.session, ctx.actor, "outbox.retried", ("outbox", row.id), now=ctx.now, kind=row.kind
    )
    ctx.session.flush()
    outbox.refresh(ctx, subject_of(row.lane_key))
    return show(ctx.session, row_id)


def mark_sent(
    ctx: Context, row_id: int, *, ts: str | None = None, channel: str | None = None
) -> OutboxRow:
    """Settle a dead letter that does stand in Slack. With its `ts` it follows its record again.

    `channel` is the conversation it stands in, needed for a direct message that delivery never opened. Raises NotFound,
    and InvalidInput for a row that isn't dead or a malformed `ts`.
    """
    row = _lock_dead(ctx.session, row_id, "marked as sent")
    letter = delivery_outbox.find(ctx.session, row_id)
    channel = channel or (letter[1] if letter else None)
    channel = channel or _find_conversation(row.lane_key)
    if ts is not None:
        _check_ts(ts)
        if row.op == Op.POST and row.subject_type and channel:
            copy = claims.add_copy(
                ctx.session, copy_values(row, channel=channel, ts=ts, now=ctx.now)
            )
            if copy is not None:
                outbox.queue_update(ctx.session, copy, now=ctx.now)
        row.ts = ts
    return _settle(ctx, row, OutboxState.SENT, None)


def cancel(ctx: Context, row_id: int) -> OutboxRow:
    """Cancel a dead letter, or a row that still waits.

    Raises NotFound, and InvalidInput for a row that is settled or being sent.
    """
    row = delivery_outbox.lock(ctx.session, row_id)
    if row is None:
        raise NotFound(f"There is no message {row_id} in the outbox.")
    if row.state not in (OutboxState.DEAD, OutboxState.PENDING) and not holding.waits_for_review(
        row.state, ctx.session
    ):
        raise InvalidInput(
            f"Message {row_id} is {row.state}; only one that waits or is dead can be cancelled."
        )
    return _settle(ctx, row, OutboxState.CANCELLED, f"cancelled by {ctx.actor.id}")


def copy_values(
    row: Outbox, *, channel: str, ts: str, now: datetime, digest: str = ""
) -> dict[str, object]:
    """The columns of `message` for a post that stands in Slack. An empty `digest` lets its next edit always be made."""
    return {
        "outbox_id": row.id,
        "subject_type": row.subject_type,
        "subject_id": row.subject_id,
        "kind": row.kind,
        "notice": row.notice,
        "notice_version": row.notice_version,
        "lane_key": row.lane_key,
        "channel": channel,
        "ts": ts,
        "shown_hash": digest,
        "shown_at": now,
        "live": True,
        "is_final": False,
    }


def _lock_dead(session: Session, row_id: int, verb: str) -> Outbox:
    """The row, locked, that a person may settle: a dead one, or during a hold one that waits.

    `verb` completes the refusal's sentence. Raises NotFound or InvalidInput.
    """
    row = delivery_outbox.lock(session, row_id)
    if row is None:
        raise NotFound(f"There is no message {row_id} in the outbox.")
    if row.state != OutboxState.DEAD and not holding.waits_for_review(row.state, session):
        raise InvalidInput(f"Message {row_id} is {row.state}; only a dead one can be {verb}.")
    return row


def _settle(ctx: Context, row: Outbox, state: OutboxState, why: str | None) -> OutboxRow:
    row.state, row.last_error, row.settled_at = state, why, ctx.now
    action = {OutboxState.SENT: "outbox.marked_sent", OutboxState.CANCELLED: "outbox.cancelled"}
    write_entry(
        ctx.session, ctx.actor, action[state], ("outbox", row.id), now=ctx.now, kind=row.kind
    )
    ctx.session.flush()
    outbox.refresh(ctx, subject_of(row.lane_key))
    return show(ctx.session, row.id)


def _find_conversation(lane: str) -> str | None:
    """The channel that a lane's key names; None for a person, whose direct message has an id of its own."""
    try:
        address = Address.of(lane)
    except ValueError:
        return None
    return None if address.is_person else address.slack_id


def _check_ts(ts: str) -> None:
    seconds, dot, micros = ts.partition(".")
    if not (dot and seconds.isdigit() and micros.isdigit() and len(micros) == 6):
        raise InvalidInput(
            f"{ts!r} is no message timestamp; in a message's link p1700000000123456 it is 1700000000.123456.",
            field="ts",
        )


def _to_record(row: Outbox, channel: str | None) -> OutboxRow:
    return OutboxRow(
        id=row.id,
        state=OutboxState(row.state),
        op=Op(row.op),
        kind=row.kind,
        lane_key=row.lane_key,
        channel=channel,
        subject=(row.subject_type, row.subject_id or "") if row.subject_type else None,
        thread_of=row.thread_of,
        notice=row.notice,
        dedupe_key=row.dedupe_key,
        due_at=row.due_at,
        expires_at=row.expires_at,
        attempts=row.attempts,
        attempt_at=row.attempt_at,
        ts=row.ts,
        last_error=row.last_error,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
