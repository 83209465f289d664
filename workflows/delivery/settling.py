"""How an attempt can end, and writing it down: one transaction, fenced by the epoch of the claim."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.delivery import claims
from storage.delivery import outbox as delivery_outbox
from storage.enums import Op, OutboxState
from workflows import clock, outbox, rollout
from workflows.audit.service import write_entry
from workflows.context import SYSTEM
from workflows.delivery import dead_letters
from workflows.delivery.pace import RATES, Pace, gate_key
from workflows.delivery.records import Address, Errand

# --- How an attempt ended, as the sender saw it
#
# What matters is whether Slack surely took it, surely didn't, or nobody knows: only what surely
# wasn't taken may be sent again without a look-up.


@dataclass(frozen=True, slots=True)
class Done:
    """Slack took it. `began` (real time) is when sending started, from which the lane's pace is counted."""

    began: datetime
    channel: str | None = None
    ts: str | None = None
    digest: str = ""
    is_final: bool = False
    was_found: bool = False
    """A look-up found it. What it shows is unknown then, so the next edit is made without comparing digests."""
    says: str = ""
    """Its text in Slack, when a look-up found it."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The copy shows this already, by its digest; no call was made."""

    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """There is nothing to send any more: the record is gone, or it expired."""

    why: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The copy that was to be edited is gone from Slack."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Slack will never take this message, by its error code: a dead letter at once."""

    why: str


@dataclass(frozen=True, slots=True)
class Limited:
    """HTTP 429: surely not taken, and no attempt. `closes` says that the limit is the workspace's, not the channel's."""

    method: str
    retry_after: timedelta
    closes: bool


@dataclass(frozen=True, slots=True)
class Locked:
    """The token or a scope was refused: surely not taken, and nothing else by this method would be, so its gate closes."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not taken, for a reason that may pass. `counts` is False when no attempt was made."""

    why: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether Slack took it: time-out, connection lost, 5xx. It is looked up before it is sent again."""

    why: str


@dataclass(frozen=True, slots=True)
class TooEarly:
    """A look-up found nothing, but proves nothing yet: Slack may still publish the message for `wait`."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class NotThere:
    """A look-up found nothing, at least `Pace.late_accept` after the attempt: it may be sent again."""


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """The look-up itself failed. `never`: it can't succeed later either, since a scope is missing."""

    why: str
    never: bool = False


Outcome = (
    Done
    | Unchanged
    | Dropped
    | Gone
    | Refused
    | Limited
    | Locked
    | NotSent
    | Unknown
    | TooEarly
    | NotThere
    | LookupFailed
)


# --- Writing it down

LONGEST_BACKOFF = 900
"""Seconds. With 12 attempts (`Pace.attempts`) the waits add up to 47 minutes at most, 24 on average."""
KEPT = timedelta(days=60)
"""How long settled rows keep their notice, and final copies their row. As long as messages are looked up after a restore
(`holding.LOOKS_FOR`)."""


Admin = Callable[[Session], str | None]
"""Finds the Slack id of the channel where administrators read of dead letters, None where there is none; called only
when a letter dies."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written. `is_ours` is False when the lane was leased to another process: then nothing was."""

    is_ours: bool
    is_dead: bool = False
    ready_in: timedelta = timedelta(0)
    """How long until the lane may send again."""


def backoff(attempts: int, pace: Pace) -> timedelta:
    """A random wait between zero and `min(2 ** attempts, 900)` times `pace.backoff` seconds.

    Full jitter, so that messages which failed together in one outage don't come back together.
    """
    ceiling = min(2**attempts, LONGEST_BACKOFF) * pace.backoff
    return timedelta(seconds=random.uniform(0, ceiling))  # noqa: S311 - spreads load, no secret


def write(
    session: Session,
    errand: Errand,
    outcome: Outcome,
    *,
    pace: Pace,
    org_key: str,
    admin: Admin,
    opened: str | None = None,
) -> Settled:
    """Settle an errand in the caller's transaction; call it again when the answer to COMMIT was lost.

    `opened` is the conversation that was opened for it, None for none.
    """
    return _Settlement(session, errand, pace, org_key, admin, opened).settle(outcome)


class _Settlement:
    """One errand being settled. Each outcome gives the lane back first, which is the fence, and then changes the row."""

    def __init__(
        self,
        session: Session,
        errand: Errand,
        pace: Pace,
        org_key: str,
        admin: Admin,
        opened: str | None,
    ) -> None:
        self.session = session
        self.errand = errand
        self.pace = pace
        self.org_key = org_key
        self.admin = admin
        self.opened = opened
        self.real, self.now = clock.both(session)

    def settle(self, outcome: Outcome) -> Settled:
        wait = self._rest_after(outcome)
        until = self.real + wait if wait else None
        if isinstance(outcome, Done) and self.errand.op == Op.POST and not outcome.was_found:
            until = self.pace.next_slot(self.errand.slot, outcome.began)
        is_given_back = claims.give_back(
            self.session,
            self.errand.lane,
            self.errand.epoch,
            posts_from=None if self.errand.is_edit else until,
            edits_from=until if self.errand.is_edit else None,
            opened=self.opened,
        )
        if not is_given_back:
            return Settled(is_ours=False)
        is_dead = self._settle_row(outcome)
        ready = until - self.real if until else timedelta(0)
        return Settled(is_ours=True, is_dead=is_dead, ready_in=max(ready, timedelta(0)))

    def _rest_after(self, outcome: Outcome) -> timedelta:
        """How long the lane rests after this outcome, its even pace aside; zero for not at all."""
        match outcome:
            case Limited(retry_after=retry_after):
                return retry_after
            case Unknown() | NotSent(counts=True):
                return backoff(self.errand.attempts, self.pace)
            case LookupFailed():
                return backoff(self.errand.lookups + 1, self.pace)
            case TooEarly(wait=wait):
                return wait
            case _:
                return timedelta(0)

    def _settle_row(self, outcome: Outcome) -> bool:
        """Settle the row where this outcome is final, else reschedule it; whether it is dead now."""
        match outcome:
            case Done():
                self._record_success(outcome)
            case Unchanged(is_final=is_final):
                self._mark_sent(None)
                if (copy := self.errand.copy) is not None:
                    claims.mark_copy_shown(
                        self.session, copy.id, digest=copy.shown_hash, final=is_final, now=self.now
                    )
            case Dropped(why=why):
                self._cancel(why)
            case Gone(why=why):
                claims.end(self.session, self.errand.id, OutboxState.CANCELLED, why, now=self.now)
                if (copy := self.errand.copy) is not None:
                    claims.mark_copy_gone(self.session, copy.id, why, now=self.now)
            case Refused(why=why):
                return self._bury(why)
            case _:
                return self._retry_or_bury(outcome)
        return False

    def _retry_or_bury(
        self, outcome: Limited | Locked | NotSent | Unknown | TooEarly | NotThere | LookupFailed
    ) -> bool:
        """Reschedule the row, or bury it when its attempts are used up; whether it is dead now."""
        match outcome:
            case Limited(method=method, retry_after=retry_after, closes=closes):
                if closes:
                    self._close_gate(method, retry_after)
                self._reschedule_refused("ratelimited", counts=False)
            case Locked(method=method, why=why):
                self._close_gate(method, timedelta(seconds=self.pace.auth_pause))
                self._reschedule_refused(why, counts=False)
            case NotSent(why=why, counts=counts):
                if counts and self.errand.attempts >= self.pace.attempts:
                    return self._bury(why)
                self._reschedule_refused(why, counts=counts)
            case Unknown(why=why):
                if self.errand.attempts >= self.pace.attempts:
                    return self._bury(dead_letters.UNKNOWN + why)
                self._reschedule(OutboxState.SENDING, why)
            case TooEarly():
                self._reschedule(OutboxState.SENDING, "not found yet")
            case NotThere():
                return self._send_again()
            case LookupFailed(why=why, never=never):
                if never or self.errand.lookups + 1 >= self.pace.lookups:
                    return self._bury(f"{dead_letters.UNKNOWN}could not look it up ({why})")
                self._reschedule(OutboxState.SENDING, why, lookups=self.errand.lookups + 1)
        return False

    def _record_success(self, outcome: Done) -> None:
        errand = self.errand
        stale = self._mark_sent(outcome.ts)
        if errand.copy is not None:
            claims.mark_copy_shown(
                self.session,
                errand.copy.id,
                digest=outcome.digest,
                final=outcome.is_final,
                now=self.now,
            )
        if errand.op != Op.POST or outcome.ts is None:
            return
        address = Address.of(errand.lane)
        if address.is_person and errand.kind != rollout.Introduction.kind:
            rollout.introduce_after_card(
                self.session, address.org_key, address.slack_id, now=self.now
            )
        if errand.subject is None:
            return
        copy = claims.add_copy(
            self.session,
            {
                "outbox_id": errand.id,
                "subject_type": errand.subject[0],
                "subject_id": errand.subject[1],
                "kind": errand.kind,
                "notice": errand.notice,
                "notice_version": errand.notice_version,
                "lane_key": errand.lane,
                "channel": outcome.channel,
                "ts": outcome.ts,
                "shown_hash": outcome.digest,
                "shown_at": self.now,
                "live": True,
                "is_final": outcome.is_final,
            },
        )
        # Found after a restore: what it shows was rendered from a record that this database may not know.
        is_old = outcome.was_found and errand.window is not None
        if (stale or is_old) and copy is not None:
            outbox.queue_update(self.session, copy, now=self.now)

    def _send_again(self) -> bool:
        """Reschedule what a look-up surely didn't find, unless it expired or its attempts are used up; whether it died."""
        if self.errand.is_expired:
            self._cancel("expired before it could be sent")
            return False
        if self.errand.attempts >= self.pace.attempts:
            return self._bury("it was not taken")
        self._reschedule(OutboxState.PENDING, "not found where it goes", lookups=0)
        if self.errand.window is not None:
            claims.mark_looked_for(self.session, self.errand.id, real_now=self.real)
        return False

    def _mark_sent(self, ts: str | None) -> bool:
        known = self.errand.copy.ts if self.errand.copy else None
        return claims.mark_sent(self.session, self.errand.id, ts=ts or known, now=self.now)

    def _cancel(self, why: str) -> None:
        errand = self.errand
        claims.end(self.session, errand.id, OutboxState.CANCELLED, why, now=self.now)
        if errand.op == Op.POST:
            subject = ("outbox", errand.id)
            write_entry(
                self.session,
                SYSTEM,
                "outbox.cancelled",
                subject,
                now=self.now,
                kind=errand.kind,
                why=why,
            )

    def _bury(self, why: str) -> bool:
        dead_letters.bury(
            self.session,
            row_id=self.errand.id,
            lane=self.errand.lane,
            kind=self.errand.kind,
            why=why,
            now=self.now,
            org_key=self.org_key,
            admin=self.admin(self.session),
        )
        return True

    def _reschedule_refused(self, why: str, *, counts: bool) -> None:
        """Let what Slack surely didn't take wait for its next turn; without `counts` it costs no attempt."""
        # An edit stays `sending`: it may be repeated without a look-up, and as `pending` it would collide with the one
        # edit of the copy that may wait (`uq_outbox_one_update`).
        errand = self.errand
        in_doubt = errand.is_unknown or errand.is_edit
        attempts = errand.attempts
        # A look-up was refused: the claim counted no attempt for it, so there is none to give back.
        if not counts and not (errand.is_unknown and errand.op == Op.POST):
            attempts -= 1
        claims.reschedule(
            self.session,
            errand.id,
            OutboxState.SENDING if in_doubt else OutboxState.PENDING,
            why,
            attempts=max(attempts, 0),
            lookups=errand.lookups,
        )

    def _reschedule(self, state: OutboxState, why: str, *, lookups: int | None = None) -> None:
        claims.reschedule(
            self.session,
            self.errand.id,
            state,
            why,
            attempts=self.errand.attempts,
            lookups=self.errand.lookups if lookups is None else lookups,
        )

    def _close_gate(self, method: str, pause: timedelta) -> None:
        # A gate may be run ahead of by its burst: it is closed by so much longer that the pause holds for everything.
        ahead = self.pace.rate(method).tolerance(first=True) if method in RATES else timedelta(0)
        claims.close(self.session, gate_key(self.org_key, method), self.real + pause + ahead)


def purge(session: Session, *, now: datetime, most: int = 500) -> int:
    """Empty rows settled more than 60 days ago, and delete copies and pictures as old (`outbox.purge`, `claims.purge`).

    How many rows were touched, at most `most` of each kind; 0 when none is left.
    """
    pictures = claims.purge(session, clock.real_now(session) - KEPT, most=most)
    return pictures + delivery_outbox.purge(session, now - KEPT, most=most)
