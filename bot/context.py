"""What every listener needs, built once by `bot.app`, and the policy that is in force."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

from slack_sdk import WebClient
from sqlalchemy.orm import Session

from bot.directory import Directory
from bot.readers import Readers
from bot.refusals import Refusals
from bot.settings import Settings
from storage.db import Database
from workflows import clock
from workflows.policy import Policy, PolicyText


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
        """Governed time, asked once per transaction."""
        return clock.now(session)
