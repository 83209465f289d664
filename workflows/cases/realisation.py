"""What came of projects, held against what was planned: spans of days, plans cut to them, spreads over projects. Pure.

Plans are amounts by month. A part of a month has its share by days, so that a plan is the same however it is cut.
"""

from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar

from workflows.cases.amounts import Flow, expand
from workflows.cases.rules import shift_month

_DAY = timedelta(days=1)
FULL_YEAR = 365
"""Days in a row that have to be attested before a project counts in a figure over several."""
FEWEST = 5
"""Projects, or estimators, below which no figure over them is given."""

T = TypeVar("T")


# --- Spans of days


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days in a row, both ends included. `ends` is never before `starts`."""

    starts: date
    ends: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.ends - self.starts).days + 1

    def overlaps(self, other: "Span") -> bool:
        """Whether some day is in both."""
        return self.starts <= other.ends and other.starts <= self.ends


def merge(spans: Iterable[Span]) -> list[Span]:
    """The same days in as few spans as possible, the earliest first."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.starts <= merged[-1].ends + _DAY:
            merged[-1] = Span(merged[-1].starts, max(merged[-1].ends, span.ends))
        else:
            merged.append(span)
    return merged


def find_gaps(span: Span, covered: Iterable[Span]) -> list[Span]:
    """The days of a span that none of the others has, the earliest first."""
    gaps, day = [], span.starts
    for other in merge(covered):
        if not other.overlaps(span):
            continue
        if day < other.starts:
            gaps.append(Span(day, other.starts - _DAY))
        day = max(day, other.ends + _DAY)
    if day <= span.ends:
        gaps.append(Span(day, span.ends))
    return gaps


def has_full_year(spans: Iterable[Span]) -> bool:
    """Whether a year in a row is covered."""
    return any(span.days >= FULL_YEAR for span in merge(spans))


# --- Plans


def plan(flow: Flow, starts: date, spans: Iterable[Span]) -> Decimal:
    """What a plan by month, whose first month begins on `starts`, says of some days. Not rounded; spans may not overlap.

    A part of a month counts by its share of the month's days.
    """
    amounts = list(expand(flow))
    return sum(
        (
            amounts[month] * days / monthrange(first.year, first.month)[1]
            for span in spans
            for month, first, days in _split(span, starts)
            if 0 <= month < len(amounts)
        ),
        Decimal(0),
    )


def _split(span: Span, starts: date) -> Iterator[tuple[int, date, int]]:
    """(months after the plan's first one, first day of the month, days of the span in it), month by month."""
    first = span.starts.replace(day=1)
    while first <= span.ends:
        following = shift_month(first, 1)
        days = (min(span.ends + _DAY, following) - max(span.starts, first)).days
        yield (first.year - starts.year) * 12 + first.month - starts.month, first, days
        first = following


# --- When owners are asked


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When owners are asked, in days (`cases.returns` of the policy)."""

    first_after: int = 90
    every: int = 90
    silent_after: int = 180
    sponsor_after: int = 14


def find_due(
    live_on: date, last_due: date | None, last_end: date | None, today: date, rhythm: Rhythm
) -> tuple[date, Span] | None:
    """The day on which an asking fell due, and what it asks about; None while none is due.

    It asks about every whole month since what was asked about last, so that what came while nothing ran is one question
    and no day is asked about twice. `last_due` and `last_end` are of the last asking, None before the first one.
    """
    due = (
        live_on + timedelta(rhythm.first_after)
        if last_due is None
        else last_due + timedelta(rhythm.every)
    )
    if due > today:
        return None
    due += timedelta((today - due).days // rhythm.every * rhythm.every)
    starts = live_on if last_end is None else last_end + _DAY
    ends = today.replace(day=1) - _DAY
    return (due, Span(starts, ends)) if starts <= ends else None


def find_silence(
    live_on: date, covered: Iterable[Span], today: date, rhythm: Rhythm
) -> Span | None:
    """The days since the last one that was measured, where they are so many that the owner is asked about them."""
    since = max([live_on - _DAY, *(span.ends for span in covered if span.ends < today)]) + _DAY
    is_silent = (today - since).days >= rhythm.silent_after
    return Span(since, today) if is_silent else None


# --- Spreads over projects


@dataclass(frozen=True, slots=True)
class Spread:
    """Number, quartiles and median of some figures."""

    number: int
    low: Decimal
    median: Decimal
    high: Decimal


def spread(values: Collection[Decimal]) -> Spread:
    """Quartiles by linear interpolation between the figures (type 7 of Hyndman and Fan, 1996). Raises ValueError for
    none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no figures have a spread")
    return Spread(len(ordered), *(_quantile(ordered, quarter) for quarter in (1, 2, 3)))


def _quantile(ordered: Sequence[Decimal], quarter: int) -> Decimal:
    place = Decimal((len(ordered) - 1) * quarter) / 4
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def select_tellable(figures: Mapping[T, Decimal], in_sight: Collection[T]) -> list[Decimal]:
    """The figures over which a reader may be given a spread; none where they are too few.

    All of them, where whatever is out of their sight is nothing or at least `FEWEST`: else a reader who knows the others
    could tell what the rest is, so only those in their sight count.
    """
    hidden = figures.keys() - set(in_sight)
    kept = (
        list(figures.values())
        if not hidden or len(hidden) >= FEWEST
        else [figure for name, figure in figures.items() if name not in hidden]
    )
    return kept if len(kept) >= FEWEST else []


def spread_by_person(ratios: Iterable[tuple[str, Decimal]]) -> Spread | None:
    """The spread over people, each with the median of their own figures, so that nobody counts twice; None for fewer than
    `FEWEST` of them. `ratios` are (who estimated, realised for each unit of what was planned)."""
    by_person: dict[str, list[Decimal]] = {}
    for person, ratio in ratios:
        by_person.setdefault(person, []).append(ratio)
    if len(by_person) < FEWEST:
        return None
    return spread([spread(own).median for own in by_person.values()])


# --- In words


def describe_span(span: Span) -> str:
    """`Jan to Mar 2026` for whole months, `15 Jan to 31 Mar 2026` for other days."""
    first, last = span.starts, span.ends
    is_whole = first.day == 1 and (last + _DAY).day == 1
    if is_whole and (first.year, first.month) == (last.year, last.month):
        return f"{first:%b %Y}"
    year = "" if first.year == last.year else f" {first.year}"
    if is_whole:
        return f"{first:%b}{year} to {last:%b %Y}"
    if first == last:
        return f"{last.day} {last:%b %Y}"
    return f"{first.day} {first:%b}{year} to {last.day} {last:%b %Y}"
