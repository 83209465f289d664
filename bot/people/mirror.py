"""From Slack's answers to the mirror: ask first, then write in a transaction of its own."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot.background import Turn
from bot.people import lookup
from bot.people.lookup import SlackReads, SlackSilent, Workspaces
from storage.db import Database, DatabaseAway, DatabaseBusy
from storage.people import readings
from storage.people.lookups import parts
from storage.people.readings import KINDS, WORDS, Standing
from storage.runtime import governed_now, real_now
from workflows import clock
from workflows.context import Context
from workflows.errors import GovernanceError
from workflows.people import mirror
from workflows.people import service as people
from workflows.people.forms import ChannelSeen, GroupSeen
from workflows.people.records import GroupChange
from workflows.wording import counted

log = logging.getLogger("mlgov")

MOST_ASKED = 50
"""People whom Slack lists no more who are asked about one by one; of more of them the list is believed."""
MOST_MEMBERS = 2_000
"""Members of user groups that one transaction writes; a larger group has one of its own."""
MOST_UNKNOWN = 50
"""Members of one channel whom Slack is asked about one by one; with more of them the channel counts as open."""

World = Callable[[Session], Context]
"""The world of a transaction that follows Slack, acted on by mlgov itself."""
WatchGroups = Callable[[Context, Sequence[GroupChange]], None]
"""Told, in the transaction of the change, who joined and who left which user group."""
Progress = Callable[[str, int], None]
"""Told how many of a kind were read so far. It may raise, which ends the reading."""


@dataclass(frozen=True, slots=True)
class PeopleRead:
    """How many people a reading listed, how many have left by it, and how many are kept although it left them out."""

    listed: int
    left: int = 0
    kept: int = 0


class Refresher:
    """Refreshes parts of the mirror, or all of it."""

    def __init__(
        self,
        reads: SlackReads,
        db: Database,
        workspaces: Workspaces,
        world: World,
        watch: WatchGroups,
    ) -> None:
        self._reads = reads
        self._db = db
        self._ours = workspaces.ours
        self._workspaces = workspaces
        self._world = world
        self._watch = watch

    def team_ids(self) -> list[str | None]:
        """The workspaces to ask about: None stands for the bot's own, which needs no naming."""
        if not self._workspaces.is_org_wide:
            return [None]
        teams = self._reads.teams()
        self._workspaces.learn(teams)
        return list(teams)

    # --- parts

    def refresh_person(self, user_id: str) -> None:
        """One person of ours. Raises SlackSilent; whom Slack does not know any more has left."""
        read_at = self._real_now()
        described = self._reads.user(user_id)
        if described is not None:
            self._write_people([described], read_at, asked=user_id)
        else:
            self.forget_person(user_id, read_at)

    def forget_person(self, user_id: str, read_at: datetime) -> None:
        """Slack was asked at `read_at` (real time) and knows nobody by that id: whoever had it has left."""
        self._write_left([user_id], read_at, mirror.UNKNOWN)

    def refresh_group(self, group_id: str) -> None:
        """The members of one user group. Raises SlackSilent."""
        read_at = self._real_now()
        members = self._reads.group_members(group_id, self._workspaces.of_group(group_id))

        def work(session: Session) -> None:
            ctx = self._world(session)
            changes = people.refresh_members(ctx, group_id, members, read_at=read_at)
            self._watch(ctx, changes)

        self._db.run(work)

    def refresh_groups(self) -> int:
        """All user groups with their members; how many there are. Raises SlackSilent."""
        read_at = self._real_now()
        described: list[dict[str, Any]] = []
        for team_id in self.team_ids():
            described += self._reads.groups(team_id)
        for subteam in described:
            self._workspaces.learn_group(subteam)
        groups = [lookup.group(subteam) for subteam in described]
        with self._db.read() as session:
            is_first = not people.has_groups(session, self._ours.org_key)

        def write(part: Sequence[GroupSeen], *, is_everything: bool = False) -> None:
            def work(session: Session) -> None:
                ctx = self._world(session)
                changes = people.upsert_groups(
                    ctx, part, read_at=read_at, is_everything=is_everything, is_first=is_first
                )
                self._watch(ctx, changes)

            self._db.run(work, patient=True)

        # A handle that moved from one group to another has moved at once; who is in which group can be many rows.
        write([replace(group, members=None) for group in groups], is_everything=True)
        for part in _few_members(groups):
            write(part)
        return len(groups)

    def refresh_channel(self, channel_id: str) -> None:
        """One channel and whether guests read it. Raises SlackSilent."""
        read_at = self._real_now()
        described = self._reads.channel(channel_id)
        if described is None:
            self._forget([channel_id])
            return
        self._write_channels([self._looked_at(described)], read_at)

    # --- everything

    def read_people(self, progress: Progress, *, accept: bool = False) -> PeopleRead:
        """Everybody; who is listed no more has left, but for so many at once that it takes `accept`. Raises SlackSilent."""
        count = 0
        listed: set[str] = set()
        began = self._real_now()
        teams = self.team_ids()
        for team_id in teams:
            read_at = self._real_now()
            for page in self._reads.users(team_id):
                self._write_people(page, read_at)
                count += len(page)
                listed |= {str(one["id"]) for one in page}
                progress("people", count)
                read_at = self._real_now()
        left, kept = self._without(
            listed, [one or self._ours.team_id for one in teams], began, progress, accept
        )
        return PeopleRead(count, left, kept)

    def _without(
        self,
        listed: Collection[str],
        team_ids: Sequence[str],
        began: datetime,
        progress: Progress,
        accept: bool,
    ) -> tuple[int, int]:
        """Whom a whole reading left out: how many have left by it, and how many are kept."""
        with self._db.read() as session:
            absent = mirror.find_absent(
                self._world(session), listed, team_ids=team_ids, began=began, accept=accept
            )
        self._db.run(
            lambda session: mirror.keep(self._world(session), listed, absent.kept), patient=True
        )
        left = 0
        if len(absent.gone) > MOST_ASKED:
            for part in parts(absent.gone):
                progress("people", len(listed))
                left += self._write_left(part, began, mirror.UNLISTED)
            return left, len(absent.kept)
        # A list can leave somebody out who has only moved to another workspace: a few are asked about.
        for user_id in absent.gone:
            progress("people", len(listed))
            try:
                read_at = self._real_now()
                described = self._reads.user(user_id)
            except SlackSilent as error:
                log.warning(
                    "somebody is listed no more and could not be asked about: %s", error.code
                )
                break
            if described is None:
                left += self._write_left([user_id], read_at, mirror.UNLISTED)
            else:
                self._write_people([described], read_at)
        return left, len(absent.kept)

    def read_groups(self, progress: Progress) -> int:
        """All user groups with their members; how many there are. Raises SlackSilent."""
        count = self.refresh_groups()
        progress("groups", count)
        return count

    def read_channels(self, progress: Progress) -> int:
        """All channels that mlgov is in, without who reads them; how many there are. Raises SlackSilent."""
        began = self._real_now()
        kept: set[str] = set()
        for team_id in self.team_ids():
            for page in self._reads.channels(team_id):
                seen = [lookup.channel({**one, "is_member": True}, has_guests=None) for one in page]
                self._write_channels(seen, began)
                kept |= {one.slack_id for one in seen}
                progress("channels", len(kept))
        self._db.run(
            lambda session: people.leave_other_channels(
                session, kept, org_key=self._ours.org_key, began=began
            ),
            patient=True,
        )
        return len(kept)

    def audiences_to_read(self, names: Sequence[str], since: datetime) -> list[tuple[str, bool]]:
        """(Slack id, shared outside) of the channels whose members were not looked at since, the important ones first."""
        with self._db.read() as session:
            return people.list_audiences_to_read(session, self._ours.org_key, names, since=since)

    def read_audience(self, channel_id: str, is_shared_outside: bool) -> None:
        """Who reads one channel that mlgov is in. Raises SlackSilent."""
        read_at = self._real_now()
        has_guests = is_shared_outside or self._has_guests(channel_id)
        self._db.run(
            lambda session: people.set_audience(
                session, channel_id, has_guests, org_key=self._ours.org_key, read_at=read_at
            )
        )

    # --- channels and who reads them

    def _looked_at(self, described: Mapping[str, Any]) -> ChannelSeen:
        bare = lookup.channel(described, has_guests=None)
        if bare.is_shared_outside:
            return lookup.channel(described, has_guests=True)
        return lookup.channel(described, has_guests=self._has_guests(bare.slack_id))

    def _has_guests(self, channel_id: str) -> bool:
        for page in self._reads.channel_members(channel_id):
            with self._db.read() as session:
                unknown, outsider = people.find_outsiders(session, self._ours.org_key, page)
            if outsider or len(unknown) > MOST_UNKNOWN:
                return True
            for user_id in unknown:
                read_at = self._real_now()
                described = self._reads.user(user_id)
                if described is None:
                    return True
                self._write_people([described], read_at, asked=user_id)
                seen = lookup.person(described, self._ours)
                if seen.is_stranger or seen.is_guest:
                    return True
        return False

    def _forget(self, channel_ids: Sequence[str]) -> None:
        self._db.run(
            lambda session: people.forget_channels(session, self._ours.org_key, channel_ids)
        )

    # --- writing

    def _write_people(
        self, described: Iterable[Mapping[str, Any]], read_at: datetime, *, asked: str | None = None
    ) -> None:
        described = list(described)
        for user in described:
            if lookup.is_own(user, self._ours):
                self._workspaces.learn_from(user)
        seen = [lookup.person(user, self._ours, asked=asked) for user in described]

        def work(session: Session) -> None:
            people.upsert_from_slack(self._world(session), seen, read_at=read_at)

        self._db.run(work, patient=len(seen) > 1)

    def _write_left(self, user_ids: Collection[str], read_at: datetime, why: str) -> int:
        def work(session: Session) -> int:
            return mirror.leave(self._world(session), user_ids, read_at=read_at, why=why)

        return self._db.run(work, patient=len(user_ids) > 1)

    def _write_channels(self, seen: Sequence[ChannelSeen], read_at: datetime) -> None:
        def work(session: Session) -> None:
            people.upsert_channels(self._world(session), seen, read_at=read_at)

        self._db.run(work, patient=len(seen) > 1)

    def _real_now(self) -> datetime:
        with self._db.read() as session:
            return clock.real_now(session)


def _few_members(groups: Iterable[GroupSeen]) -> Iterator[list[GroupSeen]]:
    """The groups in parts of no more than `MOST_MEMBERS` members, but for a group that has more."""
    part: list[GroupSeen] = []
    count = 0
    for group in groups:
        size = len(group.members or ())
        if part and count + size > MOST_MEMBERS:
            yield part
            part, count = [], 0
        part.append(group)
        count += size
    if part:
        yield part


# --- Reading all of Slack's people, user groups and channels
#
# at the start, every hour, and when it is asked for. One process reads for all of them, under a
# lease; the others wait for it, and take over when it dies. Where there is a mirror already, it
# serves meanwhile.

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

Finish = Callable[[Context], bool]
"""What follows from reading all people; called again, with the same, while it says that there is
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
        world: World,
        *,
        finish: Finish,
        names: Callable[[], Sequence[str]],
        after: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._db = db
        self._refresher = refresher
        self._world = world
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
            while self._db.run(
                lambda session: self._finish(replace(self._world(session), now=now)), patient=True
            ):
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
