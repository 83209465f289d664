"""Who is who in Slack: keeps the mirror of people, user groups and channels fresh, and names who acts.

Slack is asked outside every transaction. What is asked on a click is asked once, together, and never longer than
`PATIENCE`; a rate limit or a slow answer refuses the click instead of waving it through.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache
from slack_sdk import WebClient
from sqlalchemy.orm import Session

from bot import logs
from bot.people import lookup
from bot.people.events import Events
from bot.people.lookup import Organisation, SlackReads, SlackSilent, Workspaces
from bot.people.mirror import Finish, Reader, Refresher, WatchGroups
from storage.db import Database
from storage.people.lookups import find_channel
from workflows import clock, freshness
from workflows.context import SYSTEM, Actor, ActorKind, Context
from workflows.errors import GovernanceError, NotAllowed
from workflows.people import service as people
from workflows.people.erasure import ErasureKeyMissing
from workflows.people.records import MirrorAge
from workflows.policy import Policy

if TYPE_CHECKING:
    from bot.deps import Team

log = logging.getLogger("mlgov")

PATIENCE = 1.5
"""Seconds that a click may wait for Slack in all; Slack itself gives three for the answer."""
ASKED_AUDIENCE_AGE = timedelta(minutes=10)
"""How old a read of a channel may be where Slack can be asked again."""
ALTOGETHER = 2.0
"""Seconds that one act may wait so, however often it has to ask."""
RECENT = 3.0
"""Seconds for which who acts is remembered between two clicks. A decision reads the mirror itself, in its transaction."""
_UNVERIFIED = "Slack could not confirm {what} just now. Nothing was changed; try again in a minute."


UNKNOWN = "Slack doesn't know your account in this organisation, so mlgov can't act for you. Nothing was changed."
OTHERS = "other:"
"""Before the Slack id of somebody else whom Slack is asked about."""


def _what(asked: str) -> str:
    if asked == "account":
        return "your account"
    return "the people this rests on" if asked.startswith(OTHERS) else "your groups"


class CannotVerify(GovernanceError):
    """Slack could not be asked in time who somebody is or which groups they are in; nothing was decided."""


def _deadline() -> float:
    """Until when Slack may be waited for, in what is answered here."""
    act = logs.current()
    left = PATIENCE if act is None else min(PATIENCE, ALTOGETHER - act.waited)
    return time.monotonic() + left


def _waited(began: float) -> None:
    if (act := logs.current()) is not None:
        act.waited += time.monotonic() - began


def _without_key(error: ErasureKeyMissing, what: str) -> CannotVerify:
    """For whoever operates mlgov in the log; who clicked can do nothing about it."""
    log.error("nobody could be looked up: %s", error.sentence)
    return CannotVerify(_UNVERIFIED.format(what=_what(what)))


class Directory:
    """The mirror of Slack's people, groups and channels, as the edge uses it. Safe to call from many threads."""

    def __init__(
        self,
        slack: WebClient,
        db: Database,
        team: "Team",
        policy: Callable[[], Policy],
        watch: WatchGroups = lambda ctx, changes: None,
        *,
        finish: Finish = lambda ctx: False,
        names: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`watch` is told of changes in user groups, `finish` does what follows from reading everybody, `names` are
        channels that matter."""
        self._db = db
        self._ours = Organisation(team.org_key, team.team_id, team.enterprise_id)
        self._quick = SlackReads(slack, timeout=PATIENCE)
        self._stop = threading.Event()

        def world(session: Session) -> Context:
            return Context(session, SYSTEM, policy(), team.org_key, clock.now(session))

        self._world = world
        self._workspaces = Workspaces(self._ours)
        self.reader = Reader(
            db,
            Refresher(
                SlackReads(slack, timeout=10, stop=self._stop), db, self._workspaces, world, watch
            ),
            world,
            finish=finish,
            names=names,
            after=self._forget_recent,
            stop=self._stop,
        )
        self._quick_refresher = Refresher(self._quick, db, self._workspaces, world, watch)
        self._asking = ThreadPoolExecutor(max_workers=16, thread_name_prefix="directory")
        self._events = Events(
            db,
            self._workspaces,
            team.bot_user_id,
            self._quick,
            self._quick_refresher,
            later=self._asking.submit,
            world=world,
            watch=watch,
        )
        self._flights: dict[str, Future[None]] = {}
        self._recent: TTLCache[tuple[str | None, ...], Actor] = TTLCache(maxsize=4096, ttl=RECENT)
        self._lock = threading.Lock()
        self._groups_asked = float("-inf")

    def close(self) -> None:
        """Stop asking; what is being asked is finished first."""
        self._stop.set()
        self.reader.join(15)
        self._asking.shutdown(wait=True, cancel_futures=True)

    # --- who acts

    def actor(self, user_id: str, *, team_id: str | None, enterprise_id: str | None) -> Actor:
        """The person behind a signed payload, whose workspace is `team_id`.

        Who is of another organisation comes back as a stranger. Slack is asked only about people whom the mirror has
        never met. Raises CannotVerify when it does not answer.
        """
        key = (user_id, team_id, enterprise_id)
        with self._lock:
            if (met := self._recent.get(key)) is not None:
                return met
        actor = self._actor(user_id, team_id, enterprise_id)
        with self._lock:
            self._recent[key] = actor
        return actor

    def _actor(self, user_id: str, team_id: str | None, enterprise_id: str | None) -> Actor:
        is_ours = self._workspaces.is_own(team_id)
        with self._db.read() as session:
            if is_ours is not False and (
                known := people.actor_by_slack_id(session, self._ours.org_key, user_id)
            ):
                actor, home_team, _ = known
                if home_team is not None and (is_ours or team_id is None or home_team == team_id):
                    return actor
            if is_ours is not True:
                stranger = people.find_stranger(session, user_id, team_id)
                if stranger is not None:
                    return stranger
        return self._meet(user_id, team_id, enterprise_id, is_ours=is_ours)

    def _meet(
        self, user_id: str, team_id: str | None, enterprise_id: str | None, *, is_ours: bool | None
    ) -> Actor:
        read_at = self._real_now()
        try:
            described = self._within_patience(lambda: self._quick.user(user_id))
        except SlackSilent as error:
            if is_ours is not False:
                log.warning("somebody could not be looked up: %s", error.code)
                raise CannotVerify(_UNVERIFIED.format(what=_what("account"))) from None
            described = None
        if described is None:
            if is_ours:
                # Who had a place here, by a file or a group, has left; of anybody else nothing is known.
                self._quick_refresher.forget_person(user_id, read_at)
                raise NotAllowed(UNKNOWN)
            seen = lookup.stranger(user_id, team_id, enterprise_id, self._ours)
        else:
            seen = lookup.person(described, self._ours, asked=user_id)
            is_another = (
                team_id is not None
                and is_ours is not True
                and team_id not in lookup.teams_of(described)
            )
            if is_another and not seen.is_stranger:
                seen = lookup.stranger(user_id, team_id, enterprise_id, self._ours)
            elif not seen.is_stranger:
                self._workspaces.learn_from(described)

        def work(session: Session) -> Actor:
            met = people.upsert_from_slack(self._world(session), [seen], read_at=read_at)
            actor = people.actor(session, met.ids[(seen.org_key, seen.slack_id)])
            if actor is None:
                raise RuntimeError("a person who was just mirrored is not there")
            return actor

        try:
            return self._db.run(work)
        except ErasureKeyMissing as error:
            raise _without_key(error, "account") from None

    # --- before an act

    def stands(
        self,
        actor: Actor,
        *,
        words: Collection[str],
        max_age: timedelta,
        named: Collection[str] = (),
        named_age: timedelta | None = None,
    ) -> Actor:
        """Somebody as Slack has them, once it was asked about what its last word on is older than `max_age`: about them,
        and those of their user groups that the policy's `words` mean. `named` are others, by Slack id.

        Nothing is asked while all of it is fresh. Programs and people of other organisations come back as they are. Takes at most
        `PATIENCE` seconds. Raises CannotVerify when Slack cannot be asked in that time.
        """
        is_person = actor.kind is ActorKind.PERSON and not actor.is_stranger
        if not is_person and not named:
            return actor
        with self._db.read() as session:
            now = clock.real_now(session)
            known = (
                freshness.read_freshness(session, actor.id, words, now - max_age)
                if is_person
                else None
            )
            others = freshness.list_unread(
                session, self._ours.org_key, named, now - (named_age or max_age)
            )
        flights: dict[str, Future[None]] = {}
        if known is not None and known.actor.slack_id is not None:
            if known.is_unread:
                flights["account"] = self._person_flight(known.actor.slack_id)
            for group_id in known.unread_groups:
                flights[group_id] = self._flight(f"group:{group_id}", self._group_refresh(group_id))
        for other in others:
            if other != actor.slack_id:
                flights[f"{OTHERS}{other}"] = self._person_flight(other)
        if not flights:
            return actor if known is None else known.actor
        self._await(flights, _deadline())
        with self._db.read() as session:
            latest = people.actor(session, actor.id)
        self._forget_recent()
        return latest or actor

    def _person_flight(self, user_id: str) -> "Future[None]":
        return self._flight(
            f"user:{user_id}", functools.partial(self._quick_refresher.refresh_person, user_id)
        )

    def confirm(
        self,
        user_id: str,
        approver_rules: Collection[str],
        *,
        max_age: timedelta,
        roles: Mapping[str, Collection[str]] | None = None,
        others: Collection[str] = (),
    ) -> Actor:
        """Refresh what is older than `max_age` about a person of ours, `others`, and the groups that the rules name.

        Call it before the transaction that decides; it returns the person as they are now. `roles` expands `role:…`
        rules. Takes at most `PATIENCE` seconds. Raises CannotVerify when Slack cannot be asked in that time.
        """
        deadline = _deadline()
        age, oldest = self._age(user_id, approver_rules, roles, max_age)
        if age.unknown_groups and self._listing_is_old(max_age):
            self._await({"groups": self._flight("groups", self._refresh_groups)}, deadline)
            age, oldest = self._age(user_id, approver_rules, roles, max_age)
        flights: dict[str, Future[None]] = {}
        if age.person is None or age.person < oldest:
            flights["account"] = self._person_flight(user_id)
        for other in sorted(set(others) - {user_id}):
            if self._is_unread(other, oldest):
                flights[f"{OTHERS}{other}"] = self._person_flight(other)
        for group_id, read_at in age.groups.items():
            if read_at is None or read_at < oldest:
                flights[group_id] = self._flight(f"group:{group_id}", self._group_refresh(group_id))
        self._await(flights, deadline)
        with self._db.read() as session:
            known = people.actor_by_slack_id(session, self._ours.org_key, user_id)
        if known is None or known[2] is None:
            raise CannotVerify(_UNVERIFIED.format(what=_what("account")))
        return known[0]

    def _is_unread(self, user_id: str, oldest: datetime) -> bool:
        with self._db.read() as session:
            known = people.actor_by_slack_id(session, self._ours.org_key, user_id)
        return known is None or known[2] is None or known[2] < oldest

    def _age(
        self,
        user_id: str,
        rules: Collection[str],
        roles: Mapping[str, Collection[str]] | None,
        max_age: timedelta,
    ) -> tuple[MirrorAge, datetime]:
        with self._db.read() as session:
            age = people.read_mirror_age(
                session, self._ours.org_key, user_id, rules, roles=roles or {}
            )
            return age, clock.real_now(session) - max_age

    def _listing_is_old(self, max_age: timedelta) -> bool:
        return time.monotonic() - self._groups_asked > max_age.total_seconds()

    def _refresh_groups(self) -> None:
        self._quick_refresher.refresh_groups()
        self._groups_asked = time.monotonic()

    def _group_refresh(self, group_id: str) -> Callable[[], None]:
        return lambda: self._quick_refresher.refresh_group(group_id)

    def _flight(self, key: str, ask: Callable[[], None]) -> "Future[None]":
        """Ask in the background; clicks that need the same answer at the same time share one question."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight
            flight = self._flights[key] = self._asking.submit(ask)
        # Outside the lock: the callback runs at once, in this thread, when the answer is there already.
        flight.add_done_callback(lambda _: self._landed(key))
        return flight

    def _landed(self, key: str) -> None:
        with self._lock:
            self._flights.pop(key, None)

    def _await(self, flights: Mapping[str, "Future[None]"], deadline: float) -> None:
        began = time.monotonic()
        wait(flights.values(), timeout=max(0.0, deadline - began))
        _waited(began)
        for what, flight in flights.items():
            words = _UNVERIFIED.format(what=_what(what))
            if not flight.done():
                raise CannotVerify(words)
            error = flight.exception()
            if isinstance(error, SlackSilent):
                log.warning("a decision could not be verified: %s", error.code)
                raise CannotVerify(words)
            if isinstance(error, ErasureKeyMissing):
                raise _without_key(error, what)
            if error is not None:
                raise error

    def _within_patience(self, ask: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
        asked, began = self._asking.submit(ask), time.monotonic()
        try:
            return asked.result(timeout=max(0.0, _deadline() - began))
        except TimeoutError:
            raise SlackSilent("no answer in time") from None
        finally:
            _waited(began)

    def _real_now(self) -> datetime:
        with self._db.read() as session:
            return clock.real_now(session)

    # --- channels

    def audience_is_closed(self, session: Session | None, channel_id: str) -> bool:
        """Whether only full members of this organisation read the channel.

        Inside a transaction (`session` given) only the mirror is read, and what it does not know counts as open. With
        None, Slack is asked where the mirror is older than ten minutes.
        """
        if session is not None:
            return self._mirrored_audience(session, channel_id) is True
        with self._db.read() as reading:
            known = self._mirrored_audience(reading, channel_id, ASKED_AUDIENCE_AGE)
        if known is not None:
            return known
        flight = self._flight(
            f"channel:{channel_id}", lambda: self._quick_refresher.refresh_channel(channel_id)
        )
        wait([flight], timeout=PATIENCE)
        if not flight.done() or flight.exception() is not None:
            return False
        with self._db.read() as reading:
            return self._mirrored_audience(reading, channel_id, ASKED_AUDIENCE_AGE) is True

    def _mirrored_audience(
        self, session: Session, channel_id: str, max_age: timedelta = people.AUDIENCE_AGE
    ) -> bool | None:
        return people.audience_is_closed(
            session,
            self._ours.org_key,
            channel_id,
            real_now=clock.real_now(session),
            max_age=max_age,
        )

    def channel_id(self, name_or_id: str) -> str | None:
        """The id of `#name`, `name` or `C…` by the mirror; None when it knows no such channel."""
        with self._db.read() as session:
            return find_channel(session, self._ours.org_key, name_or_id)

    # --- keeping fresh

    def handle_event(self, event: dict[str, Any]) -> None:
        """Follow user_change, team_join, subteam and membership events.

        What the event says is written at once; what it leaves open is asked afterwards, so that it is acknowledged soon.
        """
        self._events.handle(event)
        self._forget_recent()

    def _forget_recent(self) -> None:
        with self._lock:
            self._recent.clear()
