"""Who is who in Slack: keeps the mirror of people, user groups and channels fresh, and names who acts."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slack_sdk import WebClient
from sqlalchemy.orm import Session

from storage.db import Database
from workflows.actors import Actor
from workflows.errors import GovernanceError

if TYPE_CHECKING:
    from bot.context import Team


class CannotVerify(GovernanceError):
    """Slack could not be asked in time who somebody is or which groups they are in; nothing was decided."""


class Directory:
    """The mirror of Slack's people, groups and channels, as the edge uses it."""

    def __init__(self, slack: WebClient, db: Database, team: "Team") -> None:
        self._slack = slack
        self._db = db
        self._team = team

    def actor(
        self, user_id: str, *, team_id: str | None, enterprise_id: str | None
    ) -> Actor:
        """The person behind a signed payload."""
        raise NotImplementedError

    def confirm(
        self,
        user_id: str,
        approver_rules: Collection[str],
        *,
        max_age: timedelta,
        roles: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Refresh what is older than `max_age` about a person and the groups that the rules name; at most 1.5 s.

        `roles` expands `role:…` rules. Call it before the transaction. Raises CannotVerify.
        """
        raise NotImplementedError

    def audience_is_closed(self, session: Session | None, channel_id: str) -> bool:
        """Whether only full members of this organisation read the channel.

        Inside a transaction (`session` given) only the mirror is read, and what it does not know counts as open.
        With None, Slack is asked when the mirror is old.
        """
        raise NotImplementedError

    def channel_id(self, name_or_id: str) -> str | None:
        """The id of `#name`, `name` or `C…`; None when the bot knows no such channel."""
        raise NotImplementedError

    def refresh_all(self) -> None:
        """Mirror everything anew: at start and hourly."""
        raise NotImplementedError

    def handle_event(self, event: dict[str, Any]) -> None:
        """Follow user_change, team_join, subteam and membership events."""
        raise NotImplementedError
