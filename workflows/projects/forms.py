"""What a file says about projects."""

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from storage.enums import ProjectCategory, ProjectStatus
from workflows.sources.accounts import is_rounded
from workflows.sources.tables import CLEAR, SomebodyOrNobody, chosen, cleared, listed, words_of
from workflows.sources.text import NAME, unmixed, visible

MAX_ACCOUNTS = 500
_KEY = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")
_CHANNEL_ID = re.compile(r"^[CG][A-Z0-9]{2,31}$")
_CHANNEL_LINK = re.compile(r"^<#([CG][A-Z0-9]{2,31})(?:\|[^>]*)?>$")

_CATEGORIES = {
    "optimisation": ProjectCategory.OPTIMIZATION,
    "efficiency": ProjectCategory.OPTIMIZATION,
    "automation": ProjectCategory.OPTIMIZATION,
    "cost saving": ProjectCategory.OPTIMIZATION,
    "2x": ProjectCategory.OPTIMIZATION,
    "decisions": ProjectCategory.DECISION,
    "decision support": ProjectCategory.DECISION,
    "decision making": ProjectCategory.DECISION,
    "10x": ProjectCategory.DECISION,
    "innovative": ProjectCategory.INNOVATION,
    "new product": ProjectCategory.INNOVATION,
    "100x": ProjectCategory.INNOVATION,
}
_STATUSES = {
    "idea": ProjectStatus.DRAFT,
    "planned": ProjectStatus.DRAFT,
    "proposed": ProjectStatus.SUBMITTED,
    "in review": ProjectStatus.UNDER_REVIEW,
    "review": ProjectStatus.UNDER_REVIEW,
    "active": ProjectStatus.IN_PROGRESS,
    "ongoing": ProjectStatus.IN_PROGRESS,
    "running": ProjectStatus.IN_PROGRESS,
    "development": ProjectStatus.IN_PROGRESS,
    "paused": ProjectStatus.ON_HOLD,
    "hold": ProjectStatus.ON_HOLD,
    "production": ProjectStatus.LIVE,
    "in production": ProjectStatus.LIVE,
    "done": ProjectStatus.CLOSED,
    "finished": ProjectStatus.CLOSED,
    "completed": ProjectStatus.CLOSED,
    "canceled": ProjectStatus.CANCELLED,
    "stopped": ProjectStatus.CANCELLED,
}


_CATEGORY_WORDS = words_of(ProjectCategory, _CATEGORIES)
_STATUS_WORDS = words_of(ProjectStatus, _STATUSES)


class ProjectRow(BaseModel):
    """One row of a table of projects. Empty leaves what is there; `-` empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    name: str | None = Field(default=None, max_length=NAME)
    owner: SomebodyOrNobody | None = None
    sponsor: SomebodyOrNobody | None = None
    manager: SomebodyOrNobody | None = None
    business_unit: str | None = Field(default=None, max_length=NAME)
    category: str | None = None
    status: str | None = None
    channel: str | None = None
    accounts: tuple[str, ...] | None = None
    """Cloud sub-accounts, ids or names, folded. Together they replace what was there; none at all empties it."""

    @field_validator("key", mode="before")
    @classmethod
    def _is_key(cls, value: object) -> object:
        key = str(value or "").strip().casefold()
        if not _KEY.match(key):
            raise ValueError(
                f"{str(value)[:60]!r} is no key; write 1 to 64 of a-z, 0-9, dot, dash and underscore, like ticket-triage"
            )
        return key

    @field_validator("name")
    @classmethod
    def _has_a_name(cls, value: str | None) -> str | None:
        if value is not None and cleared(value):
            raise ValueError(f"a name cannot be emptied by {CLEAR!r}")
        return None if value is None else unmixed(visible(value))

    @field_validator("category")
    @classmethod
    def _category(cls, value: str | None) -> str | None:
        return value if value is None or cleared(value) else chosen(value, _CATEGORY_WORDS).value

    @field_validator("status")
    @classmethod
    def _status(cls, value: str | None) -> str | None:
        return None if value is None else chosen(value, _STATUS_WORDS).value

    @field_validator("channel")
    @classmethod
    def _channel(cls, value: str | None) -> str | None:
        if value is None or cleared(value):
            return value
        text = value.strip()
        if match := _CHANNEL_LINK.match(text):
            return match[1]
        if _CHANNEL_ID.match(text):
            return text
        name = text.removeprefix("#").casefold()
        if not name or len(name) > 80 or re.search(r"[\s<>@!,;]", name):
            raise ValueError(
                f"{value[:90]!r} is no channel; write its id (C…) or its name, like #ticket-triage"
            )
        return f"#{name}"

    @field_validator("accounts", mode="before")
    @classmethod
    def _accounts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if cleared(value):
            return ()
        accounts = tuple(dict.fromkeys(one.casefold() for one in listed(value)))
        if rounded := next((one for one in accounts if is_rounded(one)), None):
            raise ValueError(
                f"{rounded!r} is a long id that a spreadsheet program has rounded; format the cells as text and enter the ids anew"
            )
        if len(accounts) > MAX_ACCOUNTS:
            raise ValueError(
                f"{len(accounts):,} accounts; at most {MAX_ACCOUNTS} belong to one project"
            )
        if any(len(account) > NAME for account in accounts):
            raise ValueError(f"an account has more than {NAME} characters; separate accounts by ;")
        return accounts
