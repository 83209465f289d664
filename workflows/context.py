"""Who acts, and what an action may know of the world, handed on as one thing."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Only for the reader of types: commands name an actor before they load the policy or the database.
    from sqlalchemy.orm import Session

    from workflows.policy import Policy

# --- Who acts
#
# the value that every action takes, built by an edge from a signed request and never from a
# name.


class ActorKind(StrEnum):
    """A person, mlgov itself (timers), whoever operates the machine it runs on (the command line), or a program."""

    PERSON = "person"
    SYSTEM = "system"
    OPERATOR = "operator"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who asks for something. `id` is the opaque id that the ledger keeps."""

    id: str
    kind: ActorKind
    name: str
    slack_id: str | None = None
    tz: str | None = None
    is_guest: bool = False
    is_stranger: bool = False
    is_bot: bool = False
    is_deactivated: bool = False

    @property
    def is_member(self) -> bool:
        """A full, active member of the organisation: neither guest, stranger, bot nor leaver."""
        return self.kind is ActorKind.PERSON and not (
            self.is_guest or self.is_stranger or self.is_bot or self.is_deactivated
        )


SYSTEM = Actor(id="system", kind=ActorKind.SYSTEM, name="mlgov")
OPERATOR = Actor(id="operator", kind=ActorKind.OPERATOR, name="the operator")


# --- What an action may know of the world, handed on as one thing

Place = tuple[str, str] | None
"""Where a message of ours stands that was acted on, as its channel and its time stamp; None for no message."""


@dataclass(frozen=True, slots=True)
class Context:
    """One transaction as an action finds it: whose, by which policy, in which organisation, and when.

    The edge makes it, once per transaction, and every action takes it as `verb(ctx, form)`: from Slack, the API, the
    command line and jobs alike. For a read nobody in particular acts, and `actor` is mlgov itself.
    """

    session: "Session"
    """The caller's transaction."""
    actor: Actor
    policy: "Policy"
    """The version in force."""
    org: str
    """The organisation's key: the enterprise id on a Grid, else the team id."""
    now: datetime
    """Governed time, UTC; read once per transaction."""
    policy_id: int = 0
    """The stored version that `policy` is, to which what is opened or changed is bound."""
    card: Place = None
    """The message that was acted on: its copy is redrawn before all others."""
    fresh_since: datetime | None = None
    """Real time: whoever's standing the act rests on must have been read from Slack after it. None takes the mirror as
    it is, as jobs do."""
    asked: frozenset[str] = frozenset()
    """People and groups whom the workspace was asked about for this act: who is still unread then is not known to it."""

    def as_system(self) -> "Context":
        """The same world, acted on by mlgov itself, for what follows by itself or falls due."""
        return replace(self, actor=SYSTEM)


@dataclass(frozen=True, slots=True)
class Occasion:
    """The world as long work finds it, which makes transactions of its own."""

    policy: "Policy"
    org: str
    now: datetime
    """Governed time, read as the work began."""
    policy_id: int = 0
    actor: Actor = SYSTEM

    def context(self, session: "Session") -> Context:
        """The world of one of its transactions."""
        return Context(session, self.actor, self.policy, self.org, self.now, self.policy_id)
