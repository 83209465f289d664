"""Digests as decisions over values: which days, how late, what counts as ahead, and what fits on one screen."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from workflows.calendar import WorkingCalendar
from workflows.digests.records import Line

WEEK = timedelta(days=7)
ON_TIME = timedelta(hours=1)
"""How much after its time a digest is still the one that was expected then."""
GRACE = timedelta(hours=12)
"""How late a digest may be that is planned after the reader's last working day, or in a week without one."""
MEASURED = timedelta(days=28)
"""How far back decisions are looked at to say how long they take."""
ENOUGH_PEOPLE = 5
"""Fewer deciders than this, and how long they took would tell somebody's own pace."""
AHEAD = Decimal("0.10")
"""How much further than its time a budget's money is spent before the digest says so: ten points of a hundred."""
AHEAD_FROM_DAYS = 3

MOST_LINES, MOST_CHARACTERS = 12, 1500
"""Of what stands before "more", the headline and the footer included."""
DECISIONS_SHOWN = 2
DECISION_LINES, DECISION_CHARACTERS = 2, 330
"""What one decision takes at most."""
PICTURES = 3


def first_day(planned: date) -> date:
    """The first of the seven days that a digest of this day tells of: the week that ended yesterday."""
    return planned - WEEK


def send_day(planned: date, calendar: WorkingCalendar) -> date:
    """The day on which it is sent: the planned one, or the next working day of that ISO week when that is a day off.

    A planned weekend is meant; a week without any further working day keeps the planned day.
    """
    if planned.weekday() not in calendar.weekdays or calendar.is_working_day(planned):
        return planned
    later_days = (planned + timedelta(days=step) for step in range(1, 7 - planned.weekday()))
    return next((day for day in later_days if calendar.is_working_day(day)), planned)


def deadline(planned_at: datetime, calendar: WorkingCalendar) -> datetime:
    """Until when it may come late: the end of the reader's last working day of that ISO week."""
    last = calendar.last_of_week(calendar.day(planned_at))
    closes = calendar.closing(last) if last is not None else planned_at
    return closes if closes > planned_at else planned_at + GRACE


def sent_at(
    planned_at: datetime, late_at: datetime, now: datetime, calendar: WorkingCalendar
) -> datetime:
    """When it is sent: as planned, or, where nothing ran then, once its reader is at work again, while it may come."""
    if now < planned_at + ON_TIME:
        return planned_at
    opens = calendar.next_open(now)
    return opens if opens < late_at else now


def is_ahead(
    spent: Decimal, amount: Decimal, first: date, last: date, through: date | None
) -> bool:
    """Whether a round's money goes faster than its time, by more than ten points; never of what is over already."""
    if through is None or through < first or spent > amount or not amount:
        return False
    days = (min(through, last) - first).days + 1
    if days < AHEAD_FROM_DAYS:
        return False
    return spent / amount > Decimal(days) / ((last - first).days + 1) + AHEAD


def fitting(
    lines: Sequence[tuple[int, Line]], *, used_lines: int, used_characters: int
) -> tuple[Line, ...]:
    """As many lines as one screen still takes, the most important (lowest number) first, in their own order."""
    room, letters = MOST_LINES - used_lines, MOST_CHARACTERS - used_characters
    kept: set[int] = set()
    for index in sorted(range(len(lines)), key=lambda index: (lines[index][0], index)):
        line = lines[index][1]
        size = len(line.label) + len(line.text) + 3
        if room >= 1 and size <= letters:
            kept.add(index)
            room, letters = room - 1, letters - size
    return tuple(line for index, (_, line) in enumerate(lines) if index in kept)


def listed(names: Sequence[str], most: int = 2) -> str:
    """`A`, `A and B`, `A, B and 4 more`."""
    first_names = list(names[:most])
    if len(names) > most:
        return f"{', '.join(first_names)} and {len(names) - most} more"
    return joined(first_names)


def joined(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b, and c`."""
    all_parts = list(parts)
    if len(all_parts) <= 2:
        return " and ".join(all_parts)
    return f"{', '.join(all_parts[:-1])}, and {all_parts[-1]}"


_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def numbered(number: int, noun: str, plural: str | None = None) -> str:
    """`one launch`, `two launches`, `12 launches`."""
    word = _SMALL[number] if number < len(_SMALL) else f"{number:,}"
    return f"{word} {noun if number == 1 else plural or noun + 's'}"
