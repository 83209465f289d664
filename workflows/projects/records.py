"""Projects as other parts of mlgov see them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PersonRef:
    """Somebody with a part in a project. `name` is unescaped; an erased person has no Slack id."""

    id: str
    slack_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A project as it stands. Texts are unescaped; `channel` is a Slack id."""

    id: int
    key: str
    name: str
    status: str
    owner: PersonRef | None
    sponsor: PersonRef | None
    manager: PersonRef | None
    business_unit: str | None
    category: str | None
    channel: str | None
    accounts: tuple[str, ...] = ()
