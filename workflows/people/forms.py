"""What Slack says about people, user groups and channels, and what a file says about people."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workflows.sources.tables import CLEAR, SomebodyOrNobody, cleared, slack_or_email
from workflows.sources.text import NAME, folded_email

OPEN_END = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of a status that does not clear itself."""


@dataclass(frozen=True, slots=True)
class PersonSeen:
    """A person as Slack just described them. `org_key` is their own organisation's; `email` None means not told."""

    org_key: str
    slack_id: str
    team_id: str | None
    name: str
    email: str | None = None
    title: str = ""
    tz: str | None = None
    is_bot: bool = False
    is_guest: bool = False
    is_stranger: bool = False
    is_deactivated: bool = False
    status_away_until: datetime | None = None
    """Until when their status says that they are away."""
    updated: int | None = None
    """When Slack says that they were changed last, in seconds since 1970."""
    other_ids: frozenset[str] = frozenset()
    """The other ids by which Slack names them: on a Grid that of the whole organisation, and the one it was asked by."""


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A user group as Slack just described it. `members` are Slack ids, None when they were not told."""

    slack_id: str
    handle: str
    name: str
    is_disabled: bool = False
    members: tuple[str, ...] | None = None
    updated: int | None = None
    """As of a person."""


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """A channel as Slack just described it. `has_guests` is None when its members were not looked at."""

    slack_id: str
    name: str
    is_private: bool = False
    is_archived: bool = False
    is_shared_outside: bool = False
    bot_is_member: bool = False
    has_guests: bool | None = None


class PersonRow(BaseModel):
    """One row of a table of people. Empty leaves what is there; `-` empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slack_id: str | None = None
    email: str | None = None
    person: SomebodyOrNobody | None = None
    """A Slack id or an e-mail address, for tables that have one column for both."""
    name: str | None = Field(default=None, max_length=NAME)
    manager: SomebodyOrNobody | None = None
    """The line manager's Slack id or e-mail address."""
    business_unit: str | None = Field(default=None, max_length=NAME)
    persona: str | None = Field(default=None, max_length=NAME)
    country: str | None = Field(default=None, max_length=60)

    @field_validator("slack_id")
    @classmethod
    def _is_slack_id(cls, value: str | None) -> str | None:
        if value is None:
            return None
        known = slack_or_email(value)
        if known is None or "@" in known:
            raise ValueError(
                f"{value!r} is no member id; it looks like U024BE7LH and stands in the person's profile under “Copy member ID”"
            )
        return known

    @field_validator("email")
    @classmethod
    def _is_email(cls, value: str | None) -> str | None:
        if value is None:
            return None
        address = folded_email(value)
        if address is None:
            raise ValueError(f"{value!r} is no e-mail address")
        return address

    @field_validator("name", "person")
    @classmethod
    def _cannot_be_cleared(cls, value: str | None) -> str | None:
        if value is not None and cleared(value):
            raise ValueError(f"this cannot be emptied by {CLEAR!r}; leave the cell out")
        return value

    @field_validator("country")
    @classmethod
    def _country(cls, value: str | None) -> str | None:
        return value.upper() if value is not None and len(value) == 2 else value

    @model_validator(mode="after")
    def _names_a_person(self) -> "PersonRow":
        if not (self.slack_id or self.email or self.person):
            raise ValueError("no member id and no e-mail address; write one of them")
        return self
