"""Reading all of Slack's people, user groups and channels: at the start, every hour, and when it is asked for.

One process reads for all of them, under a lease; the others wait for it, and take over when it dies. Where there is a
mirror already, it serves meanwhile.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot.people.asking import SlackSilent
from bot.people.refreshing import PeopleRead, Progress, Refresher
from bot.turns import Turn
from storage.db import Database, DatabaseAway, DatabaseBusy
from storage.people import readings
from storage.people.readings import KINDS, WORDS, Standing
from storage.runtime import governed_now, real_now
from workflows.errors import GovernanceError
from workflows.wording import counted

log = logging.getLogger("mlgov")

LEASE = "mirror"
EVERY = timedelta(hours=1)
JUST_NOW = timedelta(minutes=1)
"""A start reads anew what was read longer ago than this: events may have been missed while nothing ran."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
"""Between readings that fail: doubled each time."""
LOOK, LOOK_SOON = 20.0, 0.5
"""Seconds between looks whether a reading is due: usually, and while something waits for one."""
FIRST_AUDIENCES = 50
"""Channels whose members are looked at before the reading counts as done, those that matter first; the rest follows."""
AUDIENCE_PAUSE = 0.75
"""Seconds between those that follow: Slack allows 100 such calls a minute, and clicks need some of them."""
TELL_EVERY = 10.0
"""Seconds between lines of progress."""

Finish = Callable[[Session, datetime], bool]
"""What follows from reading all people, at a governed instant; called again, with the same, while it says that there is
more."""


class Interrupted(Exception):
    """The reading ended before its end: mlgov stops, or somebody else has the turn."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a reading read, by kind, and Slack's word for why others could not be read."""

    entries: Mapping[str, int]
    failures: Mapping[str, str]
    seconds: float
    left: int = 0
    """People who have left, as Slack lists them no more."""
    kept: int = 0
    """People whom Slack lists no more and who are kept, because they are so many."""

    @property
    def words(self) -> str:
        """What was read, in words."""
        parts = [
            counted(self.entries[kind], _ONE[kind], WORDS[kind])
            for kind in KINDS
            if kind in self.entries
        ]
        return f"{', '.join(parts)} in {self.seconds:.0f} s"


_ONE = {"people": "person", "groups": "user group", "channels": "channel"}


class Reader:
    """Reads everything when that is due. `start()` it, or `read()` once."""

    def __init__(
        self,
        db: Database,
        refresher: Refresher,
        *,
        finish: Finish,
        names: Callable[[], Sequence[str]],
        after: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._db = db
        self._refresher = refresher
        self._finish = finish
        self._names = names
        self._after = after
        self._stop = stop
        self._is_there = threading.Event()
        self._since: datetime | None = None
        self._waits = "It is starting."
        self._told_at = 0.0
        self._thread = threading.Thread(target=self._loop, name="mirror", daemon=True)

    # --- in the background

    def start(self) -> None:
        """Begin to read when it is due, which it mostly is at a start."""
        with self._db.read() as session:
            self._since = real_now(session) - JUST_NOW
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end, once `stop` was set."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def wait(self, timeout: float) -> bool:
        """Wait until there is a mirror to work with, from now or from before."""
        return self._is_there.wait(timeout)

    def waits_for(self) -> str | None:
        """What has to happen before there is a mirror, in words; None when there is one."""
        return None if self._is_there.is_set() else self._waits

    def _loop(self) -> None:
        pause, failures = 0.0, 0
        while not self._stop.wait(pause):
            try:
                pause, failures = self._round(), 0
            except DatabaseAway:  # told where it was noticed
                failures += 1
                pause = _pause(failures).total_seconds()
            except (DatabaseBusy, SQLAlchemyError) as error:
                failures += 1
                pause = _pause(failures).total_seconds()
                log.warning(
                    "Reading Slack waits for the database (%s); it tries again in %.0f s.",
                    type(error).__name__,
                    pause,
                )
            except GovernanceError as error:
                failures += 1
                pause = _pause(failures).total_seconds()
                self._waits = error.sentence
                log.error("Reading Slack: %s", error.sentence)
            except Exception:
                failures += 1
                pause = _pause(failures).total_seconds()
                log.exception("Reading Slack failed; it is tried in %.0f s", pause)

    def _round(self) -> float:
        if not self._due():
            return LOOK if self._is_there.is_set() else LOOK_SOON
        turn = Turn(self._db, LEASE)
        if not turn.take():
            self._waits = (
                "Another replica of mlgov is reading Slack's people, user groups and channels."
            )
            return LOOK_SOON if not self._is_there.is_set() else LOOK
        try:
            with turn:
                # Whoever had the turn until now may just have read it all.
                if due := self._due():
                    self._read(turn, due)
        except Interrupted:
            log.info("Reading Slack was interrupted; it is read again.")
        return LOOK_SOON

    def _due(self) -> tuple[str, ...]:
        """The parts to read now."""
        with self._db.read() as session:
            standing, now = readings.read_standing(session), real_now(session)
        read = [row.read_at for row in standing.values() if row.read_at is not None]
        if len(read) == len(KINDS):
            self._is_there.set()
            if self._since is not None and min(read) >= self._since:
                self._since = None
        return tuple(kind for kind, row in standing.items() if self._is_due(row, now))

    def _is_due(self, row: Standing, now: datetime) -> bool:
        if row.failed_at is not None and (
            row.failed_at <= now < row.failed_at + _pause(row.failures)
        ):
            return False
        return (
            row.read_at is None
            or row.read_at <= now - EVERY
            or row.read_at > now + JUST_NOW  # the clock was set back
            or (self._since is not None and row.read_at < self._since)
        )

    # --- once

    def read(
        self, patience: float, report: Callable[[str], None], *, accept: bool = False
    ) -> Result | None:
        """Read everything now, in this thread; None when another process reads all the while. `report` hears of a wait.

        Who reads the channels that matter less is left to the next reading of a running mlgov. With `accept`, whoever
        is listed no more has left, however many they are.
        """
        deadline, has_told = time.monotonic() + patience, False
        while True:
            turn = Turn(self._db, LEASE)
            if turn.take():
                try:
                    with turn:
                        return self._read(turn, KINDS, and_on=False, accept=accept)
                except Interrupted:
                    return None
            if time.monotonic() > deadline or self._stop.wait(1):
                return None
            if not has_told:
                report("Another process is reading Slack at this moment; waiting for it.")
                has_told = True

    def _read(
        self, turn: Turn, kinds: Sequence[str], *, and_on: bool = True, accept: bool = False
    ) -> Result:
        """One reading of these parts, what follows from them, then who reads the channels."""
        began = time.monotonic()
        with self._db.read() as session:
            began_at = real_now(session)
        self._say_first()
        self._told_at = began

        def progress(kind: str, count: int) -> None:
            self._check(turn)
            self._tell(kind, count)

        entries: dict[str, int] = {}
        failures: dict[str, str] = {}
        everybody = PeopleRead(0)

        def people(progress: Progress) -> int:
            nonlocal everybody
            everybody = self._refresher.read_people(progress, accept=accept)
            return everybody.listed

        parts = {
            "people": people,
            "groups": self._refresher.read_groups,
            "channels": self._refresher.read_channels,
        }
        for kind in kinds:
            self._check(turn)
            try:
                entries[kind] = parts[kind](progress)
            except SlackSilent as error:
                failures[kind] = error.code
        self._check(turn)
        waiting = []
        if "channels" in entries:
            waiting = self._refresher.audiences_to_read(self._names(), began_at)
            self._audiences(waiting[:FIRST_AUDIENCES], turn, pause=0)
        if "people" in entries:
            with self._db.read() as session:
                now = governed_now(session)
            while self._db.run(lambda session: self._finish(session, now), patient=True):
                self._check(turn)
        self._db.run(lambda session: _record(session, entries, failures, began_at))
        self._due()
        self._after()
        result = Result(entries, failures, time.monotonic() - began, everybody.left, everybody.kept)
        self._say(result)
        if and_on:
            self._audiences(waiting[FIRST_AUDIENCES:], turn, pause=AUDIENCE_PAUSE)
        return result

    def _check(self, turn: Turn) -> None:
        if self._stop.is_set() or turn.is_lost:
            raise Interrupted

    def _audiences(self, channels: Sequence[tuple[str, bool]], turn: Turn, *, pause: float) -> None:
        for number, (channel_id, is_shared_outside) in enumerate(channels, 1):
            self._check(turn)
            try:
                self._refresher.read_audience(channel_id, is_shared_outside)
            except SlackSilent as error:
                log.warning(
                    "who reads some channels could not be looked up (%s); no amounts are shown there until it was",
                    error.code,
                )
                return
            self._tell("audiences", number)
            if pause and not is_shared_outside:
                self._stop.wait(pause)

    # --- what is said

    def _say_first(self) -> None:
        if self._is_there.is_set():
            return
        self._waits = (
            "mlgov is reading Slack's people, user groups and channels for the first time."
        )
        log.info("Reading Slack's people, user groups and channels.")

    def _tell(self, kind: str, count: int) -> None:
        words = (
            f"who reads the channels, {count:,} of them"
            if kind == "audiences"
            else counted(count, _ONE[kind], WORDS[kind])
        )
        if not self._is_there.is_set():
            self._waits = f"mlgov is reading Slack for the first time: {words} so far."
        if time.monotonic() - self._told_at >= TELL_EVERY:
            self._told_at = time.monotonic()
            log.info("Reading Slack: %s so far.", words)

    def _say(self, result: Result) -> None:
        if result.kept:
            log.warning(
                "Slack lists %s no more. They are kept; administrators are told, and `mlgov sync --accept` takes them for gone.",
                counted(result.kept, "person", "people"),
            )
        if not result.failures:
            log.info("Read from Slack: %s.", result.words)
            return
        why = "; ".join(f"{WORDS[kind]}: {code}" for kind, code in result.failures.items())
        self._waits = f"Slack does not tell mlgov who is there ({why}). mlgov keeps trying."
        rest = (
            "What was read before serves meanwhile."
            if self._is_there.is_set()
            else "mlgov is not ready before it could."
        )
        log.warning("Slack could not be read (%s). It is tried again. %s", why, rest)


def _pause(failures: int) -> timedelta:
    """How long Slack is left alone after so many failures in a row."""
    times: int = 2 ** min(failures - 1, 10)
    return min(FIRST_PAUSE * times, LONGEST_PAUSE)


def _record(
    session: Session, entries: Mapping[str, int], failures: Mapping[str, str], began_at: datetime
) -> None:
    readings.record(session, entries, began_at)
    readings.record_failures(session, failures, real_now(session))
