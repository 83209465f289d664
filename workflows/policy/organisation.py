"""Who is governed, in which calendar, and where the bot speaks to those who govern."""

import re
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, field_validator

from workflows.policy.terms import Section

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
Month = Literal[
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip


Rollout = Literal["me", "pilot", "all"]
"""Who is ever messaged unasked: administrators only, the people of role `pilot` too, or everyone."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(
    r"^(mon|tue|wed|thu|fri|sat|sun)-(mon|tue|wed|thu|fri|sat|sun) (\d{2}:\d{2})-(\d{2}:\d{2})$"
)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The working days of a week (0 is Monday) and the wall times between which people are at work."""

    weekdays: frozenset[int]
    opens: time
    closes: time


def parse_hours(value: object) -> object:
    """`Mon-Fri 09:00-17:30` as WorkingHours; ValueError for anything else. A week may wrap: `Sun-Thu 08:00-16:00`."""
    if isinstance(value, WorkingHours):
        return value
    match = _HOURS.match(value.casefold()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("working hours are written like Mon-Fri 09:00-17:30")
    first, last = _DAYS.index(match[1]), _DAYS.index(match[2])
    length = (last - first) % 7 + 1
    try:
        opens, closes = time.fromisoformat(match[3]), time.fromisoformat(match[4])
    except ValueError:
        raise ValueError(f"{value!r} has no such time of day") from None
    if opens >= closes:
        raise ValueError("work must end after it starts, on the same day")
    return WorkingHours(frozenset((first + step) % 7 for step in range(length)), opens, closes)


class Organisation(Section):
    """Who is governed, and the calendar that holds where a person has none of their own."""

    name: str = Field(min_length=1, max_length=80)
    timezone: str = "UTC"
    fiscal_year_starts: Month = "january"
    working_hours: Annotated[WorkingHours, BeforeValidator(parse_hours)] = Field(
        default=WorkingHours(frozenset(range(5)), time(9), time(17, 30)),
        json_schema_extra={"type": "string"},
    )
    country: str | None = None
    """Whose public holidays hold for people whose country is unknown: an ISO code like GB."""
    days_off: tuple[date, ...] = ()
    """Days on which nobody of the organisation is at work, beside public holidays."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone; write one like Europe/London")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's own time zone."""
        return ZoneInfo(self.timezone)

    @property
    def fiscal_month(self) -> int:
        """The month (1 to 12) in which a fiscal year starts."""
        return MONTHS.index(self.fiscal_year_starts) + 1


class Channels(Section):
    """Where the bot speaks to those who govern: names with # or Slack ids."""

    governance: str | None = None
    audit: str | None = None
    admin: str | None = None


class People(Section):
    """How people whom files name are found in Slack."""

    link_by_email: bool = True
    """Whether a reading of Slack joins whom an import named by address with the one active full member who has it;
    else that is left to the next import."""
