"""When milestones are reminded of, who is told, and who decides that one moves."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from workflows.policy.terms import Duration, Section

Told = Literal["owner", "manager", "sponsor"]


class Milestones(Section):
    """Reminders before, on and after the day, and the gate at which a new date is asked for."""

    remind_before: tuple[Duration, ...] = Field(
        default=(timedelta(days=14), timedelta(days=7), timedelta(days=1), timedelta(0)),
        max_length=12,
    )
    overdue_every: Duration = timedelta(days=7)
    tell: tuple[Told, ...] = Field(default=("owner", "manager", "sponsor"), min_length=1)
    """Who hears of it: the first before and on the day, one more with each reminder while it is overdue."""
    reschedule: Literal["milestone_reschedule"] | None = None
    """The gate that decides a later date; none means that whoever answers for the milestone moves it."""

    @field_validator("remind_before")
    @classmethod
    def _days_before(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if any(item % timedelta(days=1) or item.days > 366 for item in value):
            raise ValueError("reminders come whole days before, at most 366: 14d or 2w")
        return tuple(sorted(set(value), reverse=True))

    @field_validator("overdue_every")
    @classmethod
    def _days_after(cls, value: timedelta) -> timedelta:
        if value % timedelta(days=1) or not 1 <= value.days <= 366:
            raise ValueError("what is overdue is said again after whole days, 1 to 366: 7d")
        return value

    @field_validator("tell")
    @classmethod
    def _each_once(cls, value: tuple[Told, ...]) -> tuple[Told, ...]:
        return tuple(dict.fromkeys(value))

    @property
    def days_before(self) -> tuple[int, ...]:
        """The reminders before and on the day, as days before it, the earliest first."""
        return tuple(item.days for item in self.remind_before)
