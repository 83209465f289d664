"""Writing down how an attempt ended: one transaction, fenced by the epoch of the claim."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.delivery import claims
from storage.delivery import outbox as delivery_outbox
from storage.enums import Op, OutboxState
from workflows import clock, outbox, rollout
from workflows.actors import SYSTEM
from workflows.audit.service import write_entry
from workflows.delivery import dead_letters
from workflows.delivery.pace import RATES, Pace, gate_key
from workflows.delivery.records import Address, Errand

# --- How an attempt ended, as the sender saw it
#
# `settling` writes it down.


@dataclass(frozen=True, slots=True)
class Done:
    """Slack took it. `began` is when the sending started, in real time; posts are paced from there."""

    began: datetime
    channel: str | None = None
    ts: str | None = None
    digest: str = ""
    is_final: bool = False
    was_found: bool = False
    """A look-up found it, so that what it shows is not known: the next edit is made, whatever it shows."""
    says: str = ""
    """What it says there, when a look-up found it."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The copy shows this already; no call was made."""

    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """There is nothing to send any more: the record is gone, or it expired."""

    why: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The copy that was to be edited does not stand in Slack any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Slack will never take this one."""

    why: str


@dataclass(frozen=True, slots=True)
class Limited:
    """HTTP 429: surely not done. `closes` means that the limit is the workspace's, not the channel's."""

    method: str
    retry_after: timedelta
    closes: bool


@dataclass(frozen=True, slots=True)
class Locked:
    """The token, or a scope of it, was refused: surely not done, and nothing else by this method would be."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not done, for a reason that may pass. `counts` is False when no attempt was made at all."""

    why: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether Slack took it."""

    why: str


@dataclass(frozen=True, slots=True)
class TooEarly:
    """A look-up found nothing, but Slack may still publish it for so long."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class NotThere:
    """A look-up found nothing, long enough after the attempt: it may be sent again."""


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """The look-up itself failed. `never` means that it will not succeed either: a scope is missing."""

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


# --- Writing down how an attempt ended
#
# one transaction, fenced by the epoch of the claim.

LONGEST_BACKOFF = 900
"""Seconds."""
KEPT = timedelta(days=60)
"""How long settled rows keep what was sent."""


Admin = Callable[[Session], str | None]
"""The Slack id of the channel that hears of dead letters, None when there is none; asked only when there is one."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written. `is_ours` is False when the lane had been taken from us: then nothing was."""

    is_ours: bool
    is_dead: bool = False
    ready_in: timedelta = timedelta(0)
    """When the lane may send again."""


def backoff(attempts: int, pace: Pace) -> timedelta:
    """A wait that doubles with every attempt, up to a quarter of an hour, with full jitter."""
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
    """Settle an errand. `opened` is the conversation that was opened for it; `admin` names who hears of dead letters."""
    return _Settling(session, errand, pace, org_key, admin, opened).settle(outcome)


class _Settling:
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
        wait = self._wait(outcome)
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
        is_dead = self._end(outcome)
        ready = until - self.real if until else timedelta(0)
        return Settled(is_ours=True, is_dead=is_dead, ready_in=max(ready, timedelta(0)))

    def _wait(self, outcome: Outcome) -> timedelta:
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

    def _end(self, outcome: Outcome) -> bool:
        """Settle the row where the attempt ended it, else say what becomes of it next; whether it died."""
        match outcome:
            case Done():
                self._done(outcome)
            case Unchanged(is_final=is_final):
                self._sent(None)
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
                return self._retry(outcome)
        return False

    def _retry(
        self, outcome: Limited | Locked | NotSent | Unknown | TooEarly | NotThere | LookupFailed
    ) -> bool:
        """Let the row have another attempt, or die of this one; whether it died."""
        match outcome:
            case Limited(method=method, retry_after=retry_after, closes=closes):
                if closes:
                    self._close(method, retry_after)
                self._again("ratelimited", counts=False)
            case Locked(method=method, why=why):
                self._close(method, timedelta(seconds=self.pace.auth_pause))
                self._again(why, counts=False)
            case NotSent(why=why, counts=counts):
                if counts and self.errand.attempts >= self.pace.attempts:
                    return self._bury(why)
                self._again(why, counts=counts)
            case Unknown(why=why):
                if self.errand.attempts >= self.pace.attempts:
                    return self._bury(dead_letters.UNKNOWN + why)
                self._keep(OutboxState.SENDING, why)
            case TooEarly():
                self._keep(OutboxState.SENDING, "not found yet")
            case NotThere():
                return self._not_there()
            case LookupFailed(why=why, never=never):
                if never or self.errand.lookups + 1 >= self.pace.lookups:
                    return self._bury(f"{dead_letters.UNKNOWN}could not look it up ({why})")
                self._keep(OutboxState.SENDING, why, lookups=self.errand.lookups + 1)
        return False

    def _done(self, outcome: Done) -> None:
        errand = self.errand
        stale = self._sent(outcome.ts)
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
        is_old = outcome.was_found and errand.window is not None
        if (stale or is_old) and copy is not None:
            outbox.queue_update(self.session, copy, now=self.now)

    def _not_there(self) -> bool:
        if self.errand.is_expired:
            self._cancel("expired before it could be sent")
            return False
        if self.errand.attempts >= self.pace.attempts:
            return self._bury("it was not taken")
        self._keep(OutboxState.PENDING, "not found where it goes", lookups=0)
        if self.errand.window is not None:
            claims.mark_looked_for(self.session, self.errand.id, real_now=self.real)
        return False

    def _sent(self, ts: str | None) -> bool:
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

    def _again(self, why: str, *, counts: bool) -> None:
        # An edit stays `sending`: it may be repeated at any time, and another edit of the copy may wait as `pending`.
        errand = self.errand
        in_doubt = errand.is_unknown or errand.is_edit
        attempts = errand.attempts
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

    def _keep(self, state: OutboxState, why: str, *, lookups: int | None = None) -> None:
        claims.reschedule(
            self.session,
            self.errand.id,
            state,
            why,
            attempts=self.errand.attempts,
            lookups=self.errand.lookups if lookups is None else lookups,
        )

    def _close(self, method: str, pause: timedelta) -> None:
        ahead = self.pace.rate(method).tolerance(first=True) if method in RATES else timedelta(0)
        claims.close(self.session, gate_key(self.org_key, method), self.real + pause + ahead)


def purge(session: Session, *, now: datetime, most: int = 500) -> int:
    """Empty what was settled long ago, but for dedupe keys, and forget old pictures.

    Returns how many rows it touched, at most `most` of each kind; 0 when none is left.
    """
    pictures = claims.purge(session, clock.real_now(session) - KEPT, most=most)
    return pictures + delivery_outbox.purge(session, now - KEPT, most=most)
