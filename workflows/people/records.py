"""People as other parts of mlgov see them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person in the mirror. `name` is unescaped; an erased person has no Slack id and a name that says so."""

    id: str
    slack_id: str | None
    name: str
    email: str | None
    tz: str | None
    manager_id: str | None
    business_unit: str | None
    persona: str | None
    country: str | None
    is_bot: bool
    is_guest: bool
    is_stranger: bool
    is_deactivated: bool
    home_opened_at: datetime | None
    erased_at: datetime | None

    @property
    def can_decide(self) -> bool:
        """A full, active member of the organisation who is known to Slack."""
        return self.slack_id is not None and not (
            self.is_bot or self.is_guest or self.is_stranger or self.is_deactivated
        )


@dataclass(frozen=True, slots=True)
class Eligible:
    """Why somebody may decide: the rule in the policy's words, and when the mirror entry behind it was read."""

    person_id: str
    slack_id: str
    rule: str
    group: str | None
    """The user group's Slack id, for rules that name one."""
    membership_read_at: datetime | None
    """None when Slack never told: such an entry is no ground for a decision before it is refreshed."""


@dataclass(frozen=True, slots=True)
class Upserted:
    """What a read of the mirror changed: opaque ids by (organisation, Slack id), and who has become a guest."""

    ids: dict[tuple[str, str], str]
    became_guests: tuple[str, ...] = ()
    stay_away: tuple[str, ...] = ()
    """Slack ids of people who were erased, and of whom nothing was written."""


@dataclass(frozen=True, slots=True)
class MirrorAge:
    """When Slack last told of a person and of the groups that rules name (real time); None means never."""

    person: datetime | None
    groups: dict[str, datetime | None]
    """By Slack id."""
    unknown_groups: tuple[str, ...]
    """Handles and group ids that the mirror does not know."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What erasing a person removed, and what still names their opaque id and wants somebody else."""

    person_id: str
    texts: int
    memberships: int
    messages: int
    """Direct messages and deliveries that no longer lead to them."""
    owned_projects: tuple[str, ...]
    """Keys of projects that they own, sponsor or manage."""
    named_in_policy: bool
    """The policy file, or an older version of it, still holds their Slack id."""
    same_address: tuple[str, ...] = ()
    """Opaque ids of others with the same e-mail address: entries of files that nobody has joined with them."""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Who joined and who left a user group, by opaque id. `added` of a group that is new to mlgov are all its members."""

    group_id: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
