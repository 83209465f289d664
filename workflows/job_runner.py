"""Running what fell due: one transaction for each timer and each schedule, all or nothing, in every replica.

Which kinds there are and what each does is told by a `Registry`; `jobs` holds the one of mlgov. Nobody leads: what two
replicas see at once, one of them gets.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from storage import leases
from storage.db import Database, DatabaseAway, DatabaseBusy
from storage.delivery import outbox
from workflows import clock, timers
from workflows.audit.service import write_entry
from workflows.context import SYSTEM, Context, Occasion
from workflows.policy import Policy
from workflows.timers import DueTimer

log = logging.getLogger(__name__)

PREPARING_FOR = 60.0
"""Seconds that one statement of what is prepared beforehand may take."""
LONG_WORK_FOR = 1.0
"""Seconds of one tick for which long work goes on."""
LONGEST_PAUSE = 900.0
"""Seconds between two tries of a schedule that fails."""


class Lock(StrEnum):
    """How locking a subject went."""

    TAKEN = "taken"
    HELD = "held"
    """Somebody else is changing it at this moment; the timer waits for the next tick."""
    GONE = "gone"
    """There is no such subject any more; its timer is cancelled."""


class Overtaken(Exception):
    """What was prepared beforehand does not fit any more."""


@dataclass(frozen=True, slots=True)
class DueSlot:
    """One run of a schedule; `date` is the local date that it is for, or the ISO week, and makes it unique.

    `at` is the instant for which it was planned; `skipped` are the slots before it in which nothing ran.
    """

    owner: str
    kind: str
    date: str
    at: datetime
    skipped: tuple[str, ...] = ()


TimerHandler = Callable[[Context, DueTimer], None]
Prepare = Callable[[Context, DueTimer], object]
ScheduleHandler = Callable[[Context, DueSlot], None]
LockSubject = Callable[[Session, str], Lock]
Died = Callable[[Context, DueTimer, str], None]
Trouble = Callable[[Context, DueTimer, str, bool], None]
"""Told of a failed run: the timer, why, and whether it was given up with it."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """What is looked after at every tick. `has_news` only reads, and takes no lock; `run` gets the real time as well."""

    has_news: Callable[[Session], bool]
    run: Callable[[Context, datetime], object]


@dataclass(frozen=True, slots=True)
class LongWork:
    """Work of many short transactions that goes on where it stopped. It is asked at every tick, after the watchers.

    `has_news` only reads; `run` makes its own transactions, and stops between two of them after so many seconds.
    """

    has_news: Callable[[Session], bool]
    run: Callable[[Database, Occasion, float], object]


def in_batches(name: str, deal: Callable[[Context, int], int | None]) -> LongWork:
    """Work over rows by their ids, begun with `leases.begin`: `deal` is given the last id that was dealt with, deals with
    a batch of those after it, and returns the last one's id, or None at the end. Each batch is a transaction of its own."""

    def is_left(session: Session) -> bool:
        return leases.read_position(session, name) is not None

    def run(database: Database, occasion: Occasion, seconds: float) -> None:
        end = time.monotonic() + seconds

        def step(session: Session) -> bool:
            after = leases.lock(session, name)
            if after is None:
                return False
            last = deal(occasion.context(session), after)
            if last is None:
                leases.end(session, name)
            else:
                leases.move(session, name, last)
            return last is not None

        while database.in_turn(step) and time.monotonic() < end:
            pass

    return LongWork(is_left, run)


@dataclass(frozen=True, slots=True)
class Run:
    """How something that was due went. `kind` names it; `about` is its subject or slot, by ids alone."""

    kind: str
    about: str
    went_well: bool
    seconds: float
    reference: str
    """Finds the traceback of a failed run in the log."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What happens when something falls due.

    A handler only uses the session; it looks at its subject again, since it may have changed since the timer was
    started, and does nothing when there is nothing to do. `locks` lock a subject by its id, by type of subject; a
    type without one is not locked. What takes long to find out is prepared before, by kind of timer, in a read
    transaction, and handed to the handler as `timer.prepared`; it raises Overtaken where that fits no more. `died` is told when a timer was given up, in the transaction that says so;
    `troubles`, by kind of timer, of every failed run of it. `daily` says at which wall time in the organisation's zone
    a schedule runs once a day, `weekly` the weekday (0 is Monday) as well. `watchers` are asked at every tick, after
    what was due, and then `long` work.
    """

    timers: Mapping[str, TimerHandler] = field(default_factory=dict)
    prepare: Mapping[str, Prepare] = field(default_factory=dict)
    schedules: Mapping[str, ScheduleHandler] = field(default_factory=dict)
    locks: Mapping[str, LockSubject] = field(default_factory=dict)
    died: Died | None = None
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    daily: Mapping[str, str] = field(default_factory=dict)
    weekly: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    watchers: Mapping[str, Watcher] = field(default_factory=dict)
    long: Mapping[str, LongWork] = field(default_factory=dict)

    @classmethod
    def of(cls, *parts: "Registry") -> "Registry":
        """All of these in one. A kind that stands in two of them is a mistake of ours and raises ValueError."""

        def joined(name: str) -> dict[str, Any]:
            handlers: dict[str, Any] = {}
            for part in parts:
                for key, value in getattr(part, name).items():
                    if key in handlers:
                        raise ValueError(f"{key} stands twice among the {name}")
                    handlers[key] = value
            return handlers

        return cls(
            timers=joined("timers"),
            prepare=joined("prepare"),
            schedules=joined("schedules"),
            locks=joined("locks"),
            died=next((part.died for part in parts if part.died), None),
            troubles=joined("troubles"),
            daily=joined("daily"),
            weekly=joined("weekly"),
            watchers=joined("watchers"),
            long=joined("long"),
        )


def _nobody(run: Run) -> None:
    return None


def _nothing() -> None:
    return None


class Runner:
    """Runs what is due. `policy` gives the policy in force and the id of its version.

    `report` is called with every run, `beat` is called between two of them. `probe` is called with `timer.before_commit`, `timer.after_commit` and the same for `schedule`, for tests.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        policy: Callable[[], tuple[Policy, int]],
        org_key: str,
        probe: Callable[[str], None] = lambda name: None,
        report: Callable[[Run], None] = _nobody,
        beat: Callable[[], None] = _nothing,
    ) -> None:
        self._report = report
        self._beat = beat
        self._database = database
        self._registry = registry
        self._policy = policy
        self._org_key = org_key
        self._probe = probe
        self._pauses: dict[int, tuple[int, float]] = {}

    @property
    def names(self) -> list[str]:
        """Every kind of timer, schedule, watcher and long work that may run."""
        known = self._registry
        return sorted({*known.timers, *known.schedules, *known.watchers, *known.long})

    def run(self, *, most: int = 200) -> int:
        """Run what is due now, at most `most` timers; how many timers, schedules and watchers ran.

        Raises DatabaseAway when the database cannot be reached: the rest waits for the next call.
        Nothing falls due while nothing may be sent.
        """
        with self._database.read() as session:
            if outbox.is_held(session):
                return 0
            real, due = clock.both(session)
            due_timers = timers.list_due(
                session, due_now=due, real_now=real, most=most, kinds=list(self._registry.timers)
            )
            slots = timers.list_due_schedules(
                session, now=due, kinds=list(self._registry.schedules)
            )
        ran = sum(self._timer(timer) for timer in due_timers)
        ran += sum(self._schedule(schedule_id) for schedule_id in slots)
        ran += sum(self._watch(name) for name in self._registry.watchers)
        return ran + sum(self._go_on(name) for name in self._registry.long)

    def _ended(self, kind: str, about: str, began: float, *, broke: str | None = None) -> None:
        seconds = time.monotonic() - began
        reference = broke or secrets.token_hex(3)
        self._report(Run(kind, about, broke is None, seconds, reference))

    def _occasion(self, now: datetime) -> Occasion:
        policy, version = self._policy()
        return Occasion(policy, self._org_key, now, version)

    def _context(self, session: Session, now: datetime) -> Context:
        return self._occasion(now).context(session)

    def _timer(self, timer: DueTimer) -> bool:
        self._beat()
        began = time.monotonic()
        about = f"{timer.subject.type} {timer.subject.id}"
        handler = self._registry.timers[timer.kind]
        lock = self._registry.locks.get(timer.subject.type)
        prepare = self._registry.prepare.get(timer.kind)
        prepared: object = None

        def work(session: Session) -> bool:
            # The subject before the timer, as a click does: the other order deadlocks with one.
            state = Lock.TAKEN if lock is None else lock(session, timer.subject.id)
            if state is Lock.HELD:
                return False
            now = clock.now(session)
            if not timers.take_timer(session, timer.id, due_now=now):
                return False
            if state is Lock.GONE:
                timers.cancel_one(session, timer.id)
                return False
            handler(self._context(session, now), replace(timer, prepared=prepared))
            session.flush()
            self._probe("timer.before_commit")
            return True

        try:
            if prepare is not None:
                with self._database.read(within=PREPARING_FOR) as session:
                    prepared = prepare(self._context(session, clock.now(session)), timer)
            ran = self._database.run(work)
        except Overtaken:
            return False  # it is due still, and prepared anew at the next tick
        except DatabaseAway:
            raise
        except DatabaseBusy:
            return False
        except Exception as error:
            reference = secrets.token_hex(3)
            log.exception("timer %s of %s failed (ref %s)", timer.kind, about, reference)
            self._ended(timer.kind, about, began, broke=reference)
            self._failed(timer, error)
            return False
        if ran:
            self._ended(timer.kind, about, began)
        self._probe("timer.after_commit")
        return ran

    def _failed(self, timer: DueTimer, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"

        def work(session: Session) -> None:
            real, now = clock.both(session)
            is_dead = timers.count_failure(session, timer.id, why, real_now=real)
            trouble = self._registry.troubles.get(timer.kind)
            if trouble is not None:
                trouble(self._context(session, now), timer, why, is_dead)
            if not is_dead:
                return
            subject = (timer.subject.type, timer.subject.id)
            write_entry(session, SYSTEM, "timer.dead", subject, now=now, kind=timer.kind)
            if self._registry.died is not None:
                self._registry.died(self._context(session, now), timer, why)

        self._database.run(work)

    def _watch(self, name: str) -> bool:
        watcher = self._registry.watchers[name]

        def work(session: Session) -> None:
            real, now = clock.both(session)
            watcher.run(self._context(session, now), real)

        return self._look_after(name, watcher.has_news, lambda: self._database.run(work))

    def _go_on(self, name: str) -> bool:
        long = self._registry.long[name]

        def run() -> None:
            with self._database.read() as session:
                now = clock.now(session)
            long.run(self._database, self._occasion(now), LONG_WORK_FOR)

        return self._look_after(name, long.has_news, run)

    def _look_after(
        self, name: str, has_news: Callable[[Session], bool], run: Callable[[], object]
    ) -> bool:
        self._beat()
        began = time.monotonic()
        try:
            with self._database.read() as session:
                if not has_news(session):
                    return False
            run()
        except DatabaseAway:
            raise
        except DatabaseBusy:
            return False
        except Exception:
            reference = secrets.token_hex(3)
            log.exception("%s failed; the next tick tries again (ref %s)", name, reference)
            self._ended(name, "", began, broke=reference)
            return False
        self._ended(name, "", began)
        return True

    def _schedule(self, schedule_id: int) -> bool:
        tries, until = self._pauses.get(schedule_id, (0, 0.0))
        if time.monotonic() < until:
            return False
        self._beat()
        began = time.monotonic()
        name, about = "schedule", str(schedule_id)

        def work(session: Session) -> bool:
            nonlocal name, about
            now = clock.now(session)
            taken = timers.take_schedule(session, schedule_id, now=now)
            if taken is None:
                return False
            slot = DueSlot(taken.owner, taken.kind, taken.slot, taken.at, taken.skipped)
            name, about = slot.kind, slot.date
            self._registry.schedules[slot.kind](self._context(session, now), slot)
            session.flush()
            self._probe("schedule.before_commit")
            return True

        try:
            ran = self._database.run(work)
        except DatabaseAway:
            raise
        except DatabaseBusy:
            return False
        except Exception:
            reference = secrets.token_hex(3)
            log.exception(
                "schedule %s (%s) failed; it will be tried again (ref %s)", name, about, reference
            )
            self._ended(name, about, began, broke=reference)
            pause = min(2.0 ** (tries + 1), LONGEST_PAUSE)
            self._pauses[schedule_id] = (tries + 1, time.monotonic() + pause)
            return False
        self._pauses.pop(schedule_id, None)
        if ran:
            self._ended(name, about, began)
        self._probe("schedule.after_commit")
        return ran
