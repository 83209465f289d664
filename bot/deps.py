"""Which refusals belong on the ledger now: each once in a while, so that whoever tries again and again cannot flood it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from slack_sdk import WebClient
from sqlalchemy.orm import Session

from bot.background import Readers
from bot.settings import Settings
from bot.slack.directory import Directory
from storage.db import Database
from workflows import clock
from workflows.context import SYSTEM, Actor, Context, Occasion, Place
from workflows.policy import Policy, PolicyText

P = ParamSpec("P")
T = TypeVar("T")

EVERY = 600.0
"""Seconds in which one refusal of one person or token goes on the ledger once."""
OF_ONE = 20
"""Different refusals of one person or token within that time; beyond it the rest is only counted."""
MOST = 2000
"""Different refusals of everybody that are told apart within that time."""


@dataclass(slots=True)
class _Told:
    at: float
    kept_back: int = 0


class Refusals:
    """Remembers what was put on the ledger lately. One for each door of a process; safe to call from many threads."""

    def __init__(self, *, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], _Told] = {}

    def is_due(self, who: str, what: str) -> tuple[bool, int]:
        """Whether this refusal goes on the ledger now, and how many of its kind were kept back since its last entry.

        `who` is a person's opaque id or a token's prefix, `what` a name for the refusal.
        """
        now, key = self._clock(), (who, what)
        with self._lock:
            last = self._told.get(key)
            if last is not None and now - last.at < EVERY:
                last.kept_back += 1
                return False, 0
            if last is None and not self._has_room(who, now):
                return False, 0
            self._told[key] = _Told(now)
            return True, last.kept_back if last is not None else 0

    def _has_room(self, who: str, now: float) -> bool:
        """Whether another refusal can be told apart; what is over is forgotten where there is none."""
        if len(self._told) >= self._most:
            self._told = {key: last for key, last in self._told.items() if now - last.at < EVERY}
        recent = Counter(key[0] for key, last in self._told.items() if now - last.at < EVERY)
        return len(self._told) < self._most and recent[who] < OF_ONE


# --- What every listener needs, built once by `bot.app`, and the policy that is in force


class PolicyHolder:
    """The policy in force and the id of its stored version; swapped whole, so that a reader never sees half of one."""

    def __init__(self, text: PolicyText, version_id: int) -> None:
        self._lock = threading.Lock()
        self._now = (text, version_id)

    @property
    def in_force(self) -> tuple[Policy, int]:
        """The policy in force and the id of its version, read together: two reads could be of two versions."""
        text, version_id = self._now
        return text.policy, version_id

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._now[0].policy

    @property
    def version_id(self) -> int:
        """The stored version that is in force."""
        return self._now[1]

    def swap(self, text: PolicyText, version_id: int) -> None:
        """Put another version in force."""
        with self._lock:
            self._now = (text, version_id)


@dataclass(frozen=True, slots=True)
class Team:
    """The installation, as `auth.test` tells it. `org_key` is the enterprise id on a Grid, else the team id."""

    org_key: str
    team_id: str
    enterprise_id: str | None
    bot_user_id: str
    name: str
    scopes: frozenset[str] = frozenset()
    """What the token may do, as Slack said at the start."""


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything a listener may use."""

    settings: Settings
    db: Database
    holder: PolicyHolder
    slack: WebClient
    directory: Directory
    team: Team
    readers: Readers = field(default_factory=Readers)
    """The processes that read what is sent."""
    refusals: Refusals = field(default_factory=Refusals)
    """Which refusals of people were put on the ledger lately."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.holder.policy

    @property
    def in_force(self) -> tuple[Policy, int]:
        """The policy in force and the id of its version, for what is bound to one."""
        return self.holder.in_force

    def now(self, session: Session) -> datetime:
        """Governed time."""
        return clock.now(session)

    def occasion(self, actor: Actor = SYSTEM) -> Occasion:
        """The world as it is now, for work that makes transactions of its own."""
        with self.begin_read(actor) as ctx:
            return Occasion(ctx.policy, ctx.org, ctx.now, ctx.policy_id, actor)

    def context(
        self,
        session: Session,
        actor: Actor = SYSTEM,
        *,
        card: Place = None,
        now: datetime | None = None,
        in_force: tuple[Policy, int] | None = None,
        fresh_since: datetime | None = None,
        asked: frozenset[str] = frozenset(),
    ) -> Context:
        """The world of one transaction as somebody acts in it; for a read nobody need be named.

        `now` and `in_force` are given where the transaction has read them already.
        """
        policy, policy_id = in_force or self.in_force
        now = now or self.now(session)
        org = self.team.org_key
        return Context(session, actor, policy, org, now, policy_id, card, fresh_since, asked)

    @contextmanager
    def begin_read(self, actor: Actor = SYSTEM, card: Place = None) -> Iterator[Context]:
        """A look at the record as somebody sees it, for several reads that must agree."""
        with self.db.read() as session:
            yield self.context(session, actor, card=card)

    def read(
        self,
        actor: Actor,
        verb: Callable[Concatenate[Context, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What `verb(ctx, …)` reads for somebody. Raises what it raises."""
        with self.begin_read(actor) as ctx:
            return verb(ctx, *args, **kwargs)

    def act(
        self,
        actor: Actor,
        verb: Callable[Concatenate[Context, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do `verb(ctx, …)` as somebody in one transaction, committed when it returns and repeated where another came
        between. Raises what it raises, and DatabaseBusy."""
        return self.act_on(None, actor, verb, *args, **kwargs)

    def act_on(
        self,
        card: Place,
        actor: Actor,
        verb: Callable[Concatenate[Context, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """The same, with the card that was clicked: its copy is redrawn before all others."""
        return self.db.run(
            lambda session: verb(self.context(session, actor, card=card), *args, **kwargs)
        )
