"""From Slack's answers to the mirror: ask first, then write in a transaction of its own."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.people import payloads
from bot.people.asking import SlackReads, SlackSilent
from bot.people.workspaces import Workspaces
from storage.db import Database
from storage.people.lookups import parts
from workflows import clock
from workflows.people import leaving
from workflows.people import service as people
from workflows.people.forms import ChannelSeen, GroupSeen
from workflows.people.records import GroupChange

log = logging.getLogger("mlgov")

MOST_ASKED = 50
"""People whom Slack lists no more who are asked about one by one; of more of them the list is believed."""
MOST_MEMBERS = 2_000
"""Members of user groups that one transaction writes; a larger group has one of its own."""
MOST_UNKNOWN = 50
"""Members of one channel whom Slack is asked about one by one; with more of them the channel counts as open."""

WatchGroups = Callable[[Session, Sequence[GroupChange], datetime], None]
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
        self, reads: SlackReads, db: Database, workspaces: Workspaces, watch: WatchGroups
    ) -> None:
        self._reads = reads
        self._db = db
        self._ours = workspaces.ours
        self._workspaces = workspaces
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
        self._write_left([user_id], read_at, leaving.UNKNOWN)

    def refresh_group(self, group_id: str) -> None:
        """The members of one user group. Raises SlackSilent."""
        read_at = self._real_now()
        members = self._reads.group_members(group_id, self._workspaces.of_group(group_id))

        def work(session: Session) -> None:
            now = clock.now(session)
            changes = people.refresh_members(
                session, group_id, members, org_key=self._ours.org_key, read_at=read_at, now=now
            )
            self._watch(session, changes, now)

        self._db.run(work)

    def refresh_groups(self) -> int:
        """All user groups with their members; how many there are. Raises SlackSilent."""
        read_at = self._real_now()
        described: list[dict[str, Any]] = []
        for team_id in self.team_ids():
            described += self._reads.groups(team_id)
        for subteam in described:
            self._workspaces.learn_group(subteam)
        groups = [payloads.group(subteam) for subteam in described]
        with self._db.read() as session:
            is_first = not people.has_groups(session, self._ours.org_key)

        def write(part: Sequence[GroupSeen], *, is_everything: bool = False) -> None:
            def work(session: Session) -> None:
                now = clock.now(session)
                changes = people.upsert_groups(
                    session,
                    part,
                    org_key=self._ours.org_key,
                    read_at=read_at,
                    now=now,
                    is_everything=is_everything,
                    is_first=is_first,
                )
                self._watch(session, changes, now)

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
        org_key = self._ours.org_key
        with self._db.read() as session:
            absent = leaving.find_absent(
                session,
                listed,
                org_key=org_key,
                team_ids=team_ids,
                began=began,
                now=clock.now(session),
                accept=accept,
            )
        self._db.run(
            lambda session: leaving.keep(
                session, listed, absent.kept, org_key=org_key, now=clock.now(session)
            ),
            patient=True,
        )
        left = 0
        if len(absent.gone) > MOST_ASKED:
            for part in parts(absent.gone):
                progress("people", len(listed))
                left += self._write_left(part, began, leaving.UNLISTED)
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
                left += self._write_left([user_id], read_at, leaving.UNLISTED)
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
                seen = [
                    payloads.channel({**one, "is_member": True}, has_guests=None) for one in page
                ]
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
        bare = payloads.channel(described, has_guests=None)
        if bare.is_shared_outside:
            return payloads.channel(described, has_guests=True)
        return payloads.channel(described, has_guests=self._has_guests(bare.slack_id))

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
                seen = payloads.person(described, self._ours)
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
            if payloads.is_own(user, self._ours):
                self._workspaces.learn_from(user)
        seen = [payloads.person(user, self._ours, asked=asked) for user in described]

        def work(session: Session) -> None:
            people.upsert_from_slack(session, seen, read_at=read_at, now=clock.now(session))

        self._db.run(work, patient=len(seen) > 1)

    def _write_left(self, user_ids: Collection[str], read_at: datetime, why: str) -> int:
        def work(session: Session) -> int:
            return leaving.leave(
                session,
                user_ids,
                org_key=self._ours.org_key,
                read_at=read_at,
                now=clock.now(session),
                why=why,
            )

        return self._db.run(work, patient=len(user_ids) > 1)

    def _write_channels(self, seen: Sequence[ChannelSeen], read_at: datetime) -> None:
        def work(session: Session) -> None:
            people.upsert_channels(
                session, seen, org_key=self._ours.org_key, read_at=read_at, now=clock.now(session)
            )

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
