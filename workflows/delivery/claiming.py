"""Claiming what is due: one transaction that leases lanes and writes down the intent to send, before anything is sent."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.delivery import claims, outbox
from storage.delivery.claims import FreeLane
from storage.delivery.tables import Outbox
from storage.enums import Op, OutboxState
from workflows import clock
from workflows.audit.service import write_entry
from workflows.context import SYSTEM
from workflows.delivery import dead_letters, holding
from workflows.delivery.holding import Standing
from workflows.delivery.pace import EVERYTHING, PLAIN_GATES, RATES, Pace, gate_key
from workflows.delivery.records import Address, Claimed, Copy, Errand, Window
from workflows.outbox import FIRST, LAST

_BUSY = timedelta(milliseconds=250)
"""How long a lane rests whose first row another transaction has locked. Without a rest the next claim would take the
same lane again, until that transaction commits."""


class Claimer:
    """Claims for one process, `me`, and one organisation."""

    def __init__(
        self,
        org_key: str,
        me: str,
        pace: Pace,
        *,
        admin: Callable[[Session], str | None] = lambda _session: None,
    ) -> None:
        """`admin` finds the Slack id of the channel where administrators read of dead letters, None where there is none."""
        self.org_key = org_key
        self.me = me
        self.pace = pace
        self._admin = admin

    def prepare(self, session: Session) -> None:
        """Insert the gates that are missing; once, before the first claim."""
        keys = [gate_key(self.org_key, method) for method in (*RATES, *PLAIN_GATES)]
        claims.make(session, keys, outbox.NEVER_WAITED)

    def claim(self, session: Session, most: int) -> Claimed:
        """Lease at most `most` lanes, each with the row that goes first in it, written down as `sending`.

        Edits first, then everything else: a decision's cards change before new messages go out. What can't be sent yet
        puts its lane off; what will never be sent (expired, its card gone, unreadable) is settled here.
        """
        real, due = clock.both(session)
        # A lease that was running when the clock jumped ahead ends that much later: its holder may still be sending.
        free = real - self._jumped(session)
        closed = claims.read(session)
        standing = holding.read_state(session, real)
        if self._closure(closed, EVERYTHING, real) is not None:
            return Claimed((), False)
        taken: dict[str, Errand] = {}
        claimed = 0
        if not standing.is_held and self._closure(closed, "chat.update", real, first=True) is None:
            # The limit counts edits, of which several may belong to one lane.
            lanes = claims.list_edit_lanes(
                session, due_now=due, real_now=real, lease_now=free, most=4 * most
            )
            claimed += len(lanes)
            for lane in lanes[:most]:
                waits = self._count_call(session, "chat.update", real, first=lane.priority == FIRST)
                if waits:
                    break
                if (errand := self._claim_edit(session, lane, real, due)) is not None:
                    taken[lane.key] = errand
        may_post = self._closure(closed, "chat.postMessage", real) is None
        if len(taken) < most:
            lanes = claims.list_post_lanes(
                session,
                due_now=due,
                real_now=real,
                lease_now=free,
                may_post=may_post,
                is_held=standing.is_held,
                most=most,
            )
            claimed += len(lanes)
            for lane in lanes:
                if lane.key in taken or len(taken) >= most:
                    continue
                if (
                    errand := self._claim_new(session, lane, real, due, may_post, standing)
                ) is not None:
                    taken[lane.key] = errand
        return Claimed(tuple(taken.values()), claimed >= most)

    def sleeps(self, session: Session) -> timedelta:
        """How long nothing can be sent, as far as this database knows: zero when something can be now, an hour at most."""
        real, due = clock.both(session)
        closed = claims.read(session)
        is_held = holding.is_held(session)
        opens = {
            method: self._closure(closed, method, real)
            for method in (EVERYTHING, "chat.postMessage", "chat.update")
        }
        moments, due_at = claims.find_next_times(
            session,
            due_now=due,
            leases_last=self._jumped(session),
            may_post=opens["chat.postMessage"] is None,
            is_held=is_held,
            edits_up_to=-1 if is_held else self._edits_up_to(closed, real),
        )
        waits = [moment - real for moment in moments]
        if due_at is not None:
            waits.append(due_at - due)
        if (everything := opens[EVERYTHING]) is not None:
            return everything
        waits += [wait for wait in opens.values() if wait is not None]
        return max(min(waits, default=timedelta(hours=1)), timedelta(0))

    def _jumped(self, session: Session) -> timedelta:
        """How far the clock jumped ahead in the last lease's length, which may have cut a running lease short."""
        return clock.jumped(session, within=self.pace.lease)

    def _edits_up_to(self, closed: Mapping[str, datetime], real: datetime) -> int:
        """The highest priority number of edits that may be sent now; -1 when none may."""
        if self._closure(closed, "chat.update", real) is None:
            return LAST
        waits = self._closure(closed, "chat.update", real, first=True)
        return FIRST if waits is None else FIRST - 1

    def _closure(
        self, closed: Mapping[str, datetime], method: str, real: datetime, *, first: bool = False
    ) -> timedelta | None:
        """How long the gate of a method stays closed; None when it is open.

        `first` asks for the card of somebody who has just clicked, for which a part of the burst is kept.
        """
        until = closed.get(gate_key(self.org_key, method), real)
        ahead = until - real
        if method in RATES:
            ahead -= self.pace.rate(method).tolerance(first=first)
        return ahead if ahead > timedelta(0) else None

    def _count_call(
        self, session: Session, method: str, real: datetime, *, first: bool = False
    ) -> timedelta:
        """As `claims.take`, at this method's pace."""
        rate = self.pace.rate(method)
        return claims.take(
            session,
            gate_key(self.org_key, method),
            real_now=real,
            interval=rate.interval,
            tolerance=rate.tolerance(first=first),
        )

    def _claim_edit(
        self, session: Session, lane: FreeLane, real: datetime, due: datetime
    ) -> Errand | None:
        """Claim the edit that goes first in a lane; None when it can't be made now or needn't be."""
        row = claims.lock_row(session, lane.head or 0)
        if row is None:
            claims.put_off(session, lane.key, real + _BUSY, edits=True)
            return None
        if self._is_unreadable(session, lane, row, due):
            return None
        copy = claims.find_copy(session, row.message_id or 0)
        if copy is None or not copy.live:
            claims.end(session, row.id, OutboxState.CANCELLED, "its message is gone", now=due)
            return None
        was_unknown = row.state == OutboxState.SENDING
        claims.begin_attempt(session, row.id, due_now=due, real_now=real)
        standing = Copy(copy.id, copy.channel, copy.ts, copy.shown_hash)
        return self._lease_lane(
            session, lane, row, real, due, copy=standing, is_unknown=was_unknown, counts=True
        )

    def _claim_new(
        self,
        session: Session,
        lane: FreeLane,
        real: datetime,
        due: datetime,
        may_post: bool,
        standing: Standing,
    ) -> Errand | None:
        """Claim what goes first in a lane, edits aside; None when it can't be sent now or never will be."""
        head = claims.find_head(
            session, lane.key, due_now=due, may_post=may_post, is_held=standing.is_held
        )
        row = claims.lock_row(session, head) if head is not None else None
        if row is None:
            claims.put_off(session, lane.key, real + _BUSY)
            return None
        if self._is_unreadable(session, lane, row, due):
            return None
        thread_ts = None
        if row.thread_of is not None:
            state, thread_ts = claims.find_parent(session, row.thread_of)
            if thread_ts is None or state != OutboxState.SENT:
                self._cancel(session, row, "the message that it belongs to was not sent", due)
                return None
        is_expired = row.expires_at is not None and row.expires_at <= due
        was_unknown = row.state == OutboxState.SENDING
        if (
            is_expired and not was_unknown
        ):  # one whose outcome is unknown may stand in Slack: look first
            self._cancel(session, row, "expired before it could be sent", due)
            return None
        window = _window_to_search(row, standing.window)
        is_unknown = was_unknown or window is not None
        for method in self._paced_calls(lane, row, thread_ts, is_unknown):
            if waits := self._count_call(session, method, real):
                claims.put_off(session, lane.key, real + waits)
                return None
        looks_up = is_unknown and row.op == Op.POST
        if window is not None and not was_unknown:
            claims.begin_look(
                session, row.id, real_from=window.real_from, governed_from=window.governed_from
            )
        if not looks_up:
            claims.begin_attempt(session, row.id, due_now=due, real_now=real)
        return self._lease_lane(
            session,
            lane,
            row,
            real,
            due,
            thread_ts=thread_ts,
            is_unknown=is_unknown,
            is_expired=is_expired,
            counts=not looks_up,
            window=window,
        )

    def _is_unreadable(self, session: Session, lane: FreeLane, row: Outbox, due: datetime) -> bool:
        """Whether the row's operation or destination can't be read. It is buried then, so that its lane goes on."""
        try:
            kind = Op(row.op)
            if kind in {Op.POST, Op.HOME}:
                Address.of(lane.key)
        except ValueError:
            dead_letters.bury(
                session,
                row_id=row.id,
                lane=lane.key,
                kind=row.kind,
                why="its destination cannot be read",
                now=due,
                org_key=self.org_key,
                admin=self._admin(session),
            )
            return True
        return False

    def _paced_calls(
        self, lane: FreeLane, row: Outbox, thread_ts: str | None, was_unknown: bool
    ) -> list[str]:
        """The API methods with a pace of their own that sending this row will call; chat.postMessage has none."""
        if row.op == Op.HOME:
            return ["views.publish"]
        if row.op != Op.POST:
            return []
        calls = []
        if lane.channel is None and Address.of(lane.key).is_person:
            calls.append("conversations.open")
        if was_unknown:
            calls.append("conversations.replies" if thread_ts else "conversations.history")
        return calls

    def _lease_lane(
        self,
        session: Session,
        lane: FreeLane,
        row: Outbox,
        real: datetime,
        due: datetime,
        *,
        counts: bool,
        is_unknown: bool,
        is_expired: bool = False,
        copy: Copy | None = None,
        thread_ts: str | None = None,
        window: Window | None = None,
    ) -> Errand:
        claims.lease(session, lane.key, me=self.me, until=real + timedelta(seconds=self.pace.lease))
        return Errand(
            id=row.id,
            op=Op(row.op),
            kind=row.kind,
            notice=row.notice,
            notice_version=row.notice_version,
            dedupe_key=row.dedupe_key,
            generation=row.generation,
            subject=(row.subject_type, row.subject_id or "") if row.subject_type else None,
            lane=lane.key,
            epoch=lane.epoch + 1,
            channel=lane.channel,
            copy=copy,
            thread_ts=thread_ts,
            is_unknown=is_unknown,
            is_expired=is_expired,
            attempts=row.attempts + int(counts),
            lookups=row.lookups,
            attempt_at=real if counts else _attempt_at(row, window) or real,
            attempt_governed_at=due if counts else _attempt_governed_at(row, window) or due,
            real_now=real,
            due_now=due,
            slot=lane.not_before,
            window=window,
            lead=clock.lead(session),
            jumped=clock.jumped(session, within=max(self.pace.lease, self.pace.late_accept)),
        )

    def _cancel(self, session: Session, row: Outbox, why: str, due: datetime) -> None:
        claims.end(session, row.id, OutboxState.CANCELLED, why, now=due)
        write_entry(
            session, SYSTEM, "outbox.cancelled", ("outbox", row.id), now=due, kind=row.kind, why=why
        )


def _window_to_search(row: Outbox, window: Window | None) -> Window | None:
    """The span of a hold in which the row may have been sent, unknown to this database; None when it needs no look-up.

    It needs none when it isn't a message, was attempted after the span, or was sent again by a person's decision.
    """
    if window is None or row.op != Op.POST or row.generation:
        return None
    is_old = row.attempt_at is None or row.attempt_at < window.real_until
    return window if is_old else None


def _attempt_at(row: Outbox, window: Window | None) -> datetime | None:
    if window is None:
        return row.attempt_at
    return min(row.attempt_at or window.real_from, window.real_from)


def _attempt_governed_at(row: Outbox, window: Window | None) -> datetime | None:
    if window is None:
        return row.attempt_governed_at
    return min(row.attempt_governed_at or window.governed_from, window.governed_from)
