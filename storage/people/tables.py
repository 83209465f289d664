"""People, user groups and channels as Slack knows them, mirrored so that a decision never has to ask Slack."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Person(Base):
    """Someone who was seen in Slack or imported.

    `id` is opaque, and the only one in the ledger. `org_key` is the enterprise id on a Grid, else the team id. A person is
    identified by `org_key` with `slack_id`, the id in Slack's latest answer, or with an alias. Erasure empties every
    column that could identify them.
    """

    __tablename__ = "person"
    __table_args__ = (
        UniqueConstraint("org_key", "slack_id"),
        Index("ix_person_email", "email"),
        Index("ix_person_home_opened_at", "home_opened_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_key: Mapped[str]
    slack_id: Mapped[str | None]
    team_id: Mapped[str | None]
    name: Mapped[str]
    email: Mapped[str | None]
    title: Mapped[str] = mapped_column(default="")
    tz: Mapped[str | None]
    manager_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    business_unit: Mapped[str | None]
    persona: Mapped[str | None]
    country: Mapped[str | None]
    is_bot: Mapped[bool] = mapped_column(default=False)
    is_guest: Mapped[bool] = mapped_column(default=False)
    is_stranger: Mapped[bool] = mapped_column(default=False)
    is_deactivated: Mapped[bool] = mapped_column(default=False)
    refreshed_at: Mapped[datetime | None]
    """When the latest answer of Slack about them was asked for (real time); decides whether it is fresh enough."""
    heard_at: Mapped[datetime | None]
    """When the latest event about them came (real time): an answer that was asked for earlier may be older than it."""
    slack_updated: Mapped[int | None] = mapped_column(BigInteger)
    """Slack's own time (`updated`) of the latest change, in seconds since 1970: events come late, and older ones are
    ignored."""
    home_opened_at: Mapped[datetime | None]
    status_away_until: Mapped[datetime | None]
    """Until when they are away by their Slack status; None when it doesn't say so."""
    status_times: Mapped[int] = mapped_column(default=0)
    """How many times their status has changed to "away": tells one absence without an end from the next."""

    @property
    def is_member(self) -> bool:
        """Whether this is a full, active member of the organisation who is known to Slack."""
        return self.slack_id is not None and not (
            self.is_bot or self.is_guest or self.is_stranger or self.is_deactivated
        )

    away_until: Mapped[datetime | None]
    """The end of the last absence for which they named a stand-in; None or past for nearly everybody."""
    stands_in_until: Mapped[datetime | None]
    """The end of the last absence in which they stand in for somebody."""
    linked_at: Mapped[datetime | None]
    """When an entry of a file with their address was joined to them (governed time); happens once per person."""
    missing_since: Mapped[datetime | None]
    """Since when Slack's list lacks them (governed time), while they are kept because many are missing at once."""
    erased_at: Mapped[datetime | None]


class SlackAlias(Base):
    """Another Slack id of a person: who was in a workspace before it joined a Grid has two.

    An id is either here or in one `person.slack_id`, never in both.
    """

    __tablename__ = "slack_alias"

    org_key: Mapped[str] = mapped_column(primary_key=True)
    slack_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)


class Tombstone(Base):
    """How an erased person is recognised when Slack or a file names them again (`storage.people.erasure`)."""

    __tablename__ = "tombstone"

    mark: Mapped[str] = mapped_column(primary_key=True)
    """HMAC-SHA256 of organisation and Slack id, or e-mail address, in hexadecimal digits."""
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    made_at: Mapped[datetime]
    """Real time."""


class UserGroup(Base):
    """A Slack user group; `handle` is without the at sign."""

    __tablename__ = "user_group"
    __table_args__ = (UniqueConstraint("org_key", "slack_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    org_key: Mapped[str]
    slack_id: Mapped[str]
    handle: Mapped[str]
    name: Mapped[str]
    is_disabled: Mapped[bool] = mapped_column(default=False)
    refreshed_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    """As of a person."""
    slack_updated: Mapped[int | None] = mapped_column(BigInteger)
    """As of a person."""


class PolicyGroup(Base):
    """Which user group a handle of the policy means: the one that had it when an administrator last put a policy in
    force, or the first to have it since. A handle can be given to another group in Slack, which must move no rights."""

    __tablename__ = "policy_group"

    org_key: Mapped[str] = mapped_column(primary_key=True)
    handle: Mapped[str] = mapped_column(primary_key=True)
    """Without the at sign."""
    group_id: Mapped[str | None]
    """The group's Slack id; None until one group alone has had the handle."""
    meant_at: Mapped[datetime | None]
    """Since when it means that group (governed time)."""
    fault: Mapped[str | None]
    """The fault that administrators were told of, a value of `workflows.handles.Fault`; None while there is none."""
    others: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Slack ids of the groups that had the handle then."""
    fault_at: Mapped[datetime | None]
    """Since when (governed time)."""
    times: Mapped[int] = mapped_column(default=0)
    """How many messages there were about this handle: tells one from the next."""


class UserGroupMember(Base):
    """A membership as read from Slack; `since` is when mlgov first saw it (governed time)."""

    __tablename__ = "user_group_member"

    group_id: Mapped[int] = mapped_column(ForeignKey("user_group.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    since: Mapped[datetime]


class Channel(Base):
    """A conversation the bot knows, with what decides who would read a card there."""

    __tablename__ = "channel"
    __table_args__ = (UniqueConstraint("org_key", "slack_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    org_key: Mapped[str]
    slack_id: Mapped[str]
    name: Mapped[str]
    is_private: Mapped[bool] = mapped_column(default=False)
    is_archived: Mapped[bool] = mapped_column(default=False)
    is_shared_outside: Mapped[bool] = mapped_column(default=False)
    """Shared with another organisation (Slack Connect)."""
    has_guests: Mapped[bool] = mapped_column(default=False)
    bot_is_member: Mapped[bool] = mapped_column(default=False)
    refreshed_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    """When an event last said that who reads it may have changed (real time)."""


class MirrorReading(Base):
    """The latest reading of one part of the mirror: `people`, `groups` or `channels`. All times are real time."""

    __tablename__ = "mirror_reading"

    kind: Mapped[str] = mapped_column(primary_key=True)
    read_at: Mapped[datetime | None]
    """When the last successful reading of all of it began; None when there was never one."""
    entries: Mapped[int] = mapped_column(default=0)
    """How many there were then."""
    failed_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    """Readings that failed since the last successful one."""
    failure: Mapped[str | None]
    """Slack's error code of the last failure."""
