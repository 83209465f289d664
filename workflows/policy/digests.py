"""Who gets which digest, when, and who answers for it."""

import re
from dataclasses import dataclass
from datetime import time
from typing import Annotated

from pydantic import BeforeValidator, Field

from workflows.policy.terms import Section

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AT = re.compile(r"^(mon|tue|wed|thu|fri|sat|sun) (\d{2}:\d{2})$")
_READER = re.compile(
    r"^(?:[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*|role:[a-z][a-z0-9_]*)$"
)


@dataclass(frozen=True, slots=True)
class WeeklyTime:
    """A weekday (0 is Monday) and a wall time, in each reader's own zone."""

    weekday: int
    wall: time

    @property
    def words(self) -> str:
        """`Mon 09:00`."""
        return f"{_DAYS[self.weekday].title()} {self.wall:%H:%M}"


def parse_weekly(value: object) -> object:
    """`Mon 09:00` as WeeklyTime; ValueError for anything else."""
    if isinstance(value, WeeklyTime):
        return value
    match = _AT.match(value.casefold()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a weekly time is written like Mon 09:00")
    try:
        return WeeklyTime(_DAYS.index(match[1]), time.fromisoformat(match[2]))
    except ValueError:
        raise ValueError(f"{value!r} has no such time of day") from None


def _reader(value: object) -> object:
    if not isinstance(value, str) or not _READER.match(value):
        raise ValueError(f"{value!r} names nobody; write role:name, @group or an id (U…, W…, S…)")
    return value


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Reader = Annotated[str, BeforeValidator(_reader)]


class Digest(Section):
    """One kind of digest: its readers, each told at their own local time over what they may see, and its owner."""

    audience: Annotated[tuple[Reader, ...], BeforeValidator(_several)] = Field(
        default=("role:leader",), min_length=1, max_length=20
    )
    at: Annotated[WeeklyTime, BeforeValidator(parse_weekly)] = Field(
        default=WeeklyTime(0, time(9)), json_schema_extra={"type": "string"}
    )
    owner: Reader = "role:admin"
    """Who sends the first one to a new audience, and hears when one cannot be built or was missed."""


class Digests(Section):
    """The digests that are sent; one that is not named here is not."""

    weekly: Digest | None = None

    @property
    def named(self) -> dict[str, Digest]:
        """Every digest that the policy sends, by its kind."""
        return {} if self.weekly is None else {"weekly": self.weekly}
