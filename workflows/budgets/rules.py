"""Budgets as arithmetic: periods, thresholds, what is likely by the end. Values in, values out."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from storage.enums import Period
from storage.money import exact_sum

FORECAST_FROM_DAY = 3
"""A period's cost is not extrapolated from less than this many days of data."""


@dataclass(frozen=True, slots=True)
class Span:
    """One round of a budget: its first and last day, both counted, in UTC."""

    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Whether cost of that day counts here."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Amount:
    """One revision of a budget: what may be spent in periods that start within its validity."""

    revision: int
    amount: Decimal
    valid_from: date
    valid_until: date | None
    approval_id: int | None = None
    """The approval that made it; None where a file said so."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rounds in a row, from `first` to `last` (None: from then on), each of which has the same amount."""

    first: date
    last: date | None
    amount: Decimal


def _months_on(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def span_on(
    period: Period, starts: date, ends: date | None, day: date, *, fiscal_month: int
) -> Span | None:
    """The round of a budget in which `day` lies, or None before it starts and after it ends.

    Months are calendar months; quarters and years follow the organisation's fiscal year, which starts with
    `fiscal_month` (1 to 12). A recurring budget that `ends` leaves the round of that day to the one that takes over.
    """
    if period is Period.FIXED:
        last = ends or starts
        return Span(starts, last) if starts <= day <= last else None
    length = _length(period)
    back = (day.month - fiscal_month) % 12 % length if length > 1 else 0
    first = _months_on(day.replace(day=1), -back)
    span = Span(first, _months_on(first, length) - timedelta(days=1))
    if span.last < starts or (ends is not None and span.last > ends):
        return None
    return span


def span_words(period: Period, span: Span) -> str:
    """A round in words: `January`, `Q2 2026`, `the fiscal year from April 2026`, `1 Jan to 31 Mar 2026`."""
    if period is Period.MONTH:
        return f"{span.first:%B}"
    if period is Period.QUARTER:
        return f"the quarter from {span.first:%B %Y}"
    if period is Period.FISCAL_YEAR:
        return f"the fiscal year from {span.first:%B %Y}"
    return f"{span.first.day} {span.first:%b} to {span.last.day} {span.last:%b %Y}"


def middle(span: Span) -> date:
    """The first day of a round's middle month."""
    months = _months_between(span.first, span.last) + 1
    return _months_on(span.first.replace(day=1), months // 2)


def _months_between(earlier: date, later: date) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def counts(amount: Amount, span: Span) -> bool:
    """Whether a revision is one of those that say what a round has.

    One without an end counts from the round in which it starts. One for a single round has that round's first day;
    where the fiscal year was moved since, so that there is no such round any more, it counts in the one round whose
    middle month it covers, and never in two.
    """
    if amount.valid_until is None:
        return amount.valid_from <= span.last
    return (
        amount.valid_from == span.first or amount.valid_from <= middle(span) <= amount.valid_until
    )


def amount_in(amounts: Iterable[Amount], span: Span) -> Amount | None:
    """The newest revision that counts in a round; None where there is none."""
    counting = [amount for amount in amounts if counts(amount, span)]
    return max(counting, key=lambda amount: amount.revision, default=None)


def rounds_from(
    amounts: Collection[Amount], period: Period, span: Span, ends: date | None
) -> Iterator[Span]:
    """The rounds from `span` on, in its own rhythm and not in that of today's fiscal year, until all that follow have
    what the last has. A budget that `ends` has none after that day."""
    yield span
    if period is Period.FIXED:
        return
    days = [span.last, *(amount.valid_from for amount in amounts)]
    days += [amount.valid_until for amount in amounts if amount.valid_until is not None]
    current = span
    while current.first <= max(days):
        first = _months_on(current.first, _length(period))
        current = Span(first, _months_on(first, _length(period)) - timedelta(days=1))
        if ends is not None and current.last > ends:
            return
        yield current


def _last_day(period: Period, span: Span, ends: date | None) -> date | None:
    """The last day of the last round of a budget, in the rhythm of `span`; None where it goes on."""
    if ends is None:
        return None
    length = _length(period)
    rounds = _months_between(span.first, ends + timedelta(days=1)) // length
    return _months_on(span.first, max(rounds, 1) * length) - timedelta(days=1)


def pieces(
    amounts: Collection[Amount], period: Period, span: Span, *, onwards: bool, ends: date | None
) -> tuple[Piece, ...]:
    """What a budget has in one round, or from it on; empty where it has nothing there."""
    return _stretched(
        {
            round_: counting.amount
            for round_ in _covered(amounts, period, span, onwards, ends)
            if (counting := amount_in(amounts, round_)) is not None
        },
        period,
        span,
        onwards,
        ends,
    )


def _covered(
    amounts: Collection[Amount], period: Period, span: Span, onwards: bool, ends: date | None
) -> list[Span]:
    return list(rounds_from(amounts, period, span, ends)) if onwards else [span]


def _stretched(
    by_round: Mapping[Span, Decimal], period: Period, span: Span, onwards: bool, ends: date | None
) -> tuple[Piece, ...]:
    """Rounds in a row with one amount as one piece; the last round stands for all that follow it."""
    joined: list[Piece] = []
    for round_, amount in by_round.items():
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.last is not None
            and before.amount == amount
            and before.last + timedelta(days=1) == round_.first
        ):
            joined[-1] = replace(before, last=round_.last)
        else:
            joined.append(Piece(round_.first, round_.last, amount))
    if joined and onwards and period is not Period.FIXED:
        joined[-1] = replace(joined[-1], last=_last_day(period, span, ends))
    return tuple(joined)


def without(
    amounts: Collection[Amount],
    approval_id: int,
    period: Period,
    span: Span,
    *,
    onwards: bool,
    ends: date | None,
) -> tuple[Piece, ...]:
    """What the rounds of an approval have once its own change is taken back, where that still stands in them.

    It doesn't in rounds for which a file has said an amount since. What other approvals changed stays.
    """
    own = [amount for amount in amounts if amount.approval_id == approval_id]
    if not own:
        return ()
    begun = min(amount.revision for amount in own)
    earlier = [amount for amount in amounts if amount.revision < begun]
    said_since = [
        amount for amount in amounts if amount.approval_id is None and amount.revision > begun
    ]
    left: list[dict[Span, Decimal]] = [{}]
    for round_ in _covered(amounts, period, span, onwards, ends):
        raised, before = amount_in(own, round_), amount_in(earlier, round_)
        current = amount_in(amounts, round_)
        if (
            raised is None
            or before is None
            or current is None
            or any(counts(amount, round_) for amount in said_since)
        ):
            left.append({})
        else:
            left[-1][round_] = current.amount - (raised.amount - before.amount)
    # Only rounds after which nothing differs stand for all that follow; the others are for themselves.
    return tuple(
        piece
        for place, by_round in enumerate(left)
        for piece in _stretched(by_round, period, span, onwards and place == len(left) - 1, ends)
    )


def first_difference(
    before_pieces: Sequence[Piece], now: Sequence[Piece]
) -> tuple[date, Decimal | None, Decimal | None] | None:
    """From which day on two lists of pieces differ, and what each has from there; None when they are the same."""
    days = {piece.first for piece in (*before_pieces, *now)}
    days |= {
        piece.last + timedelta(days=1) for piece in (*before_pieces, *now) if piece.last is not None
    }
    return next(
        (
            (day, before, after)
            for day in sorted(days)
            if (before := _on(before_pieces, day)) != (after := _on(now, day))
        ),
        None,
    )


def _on(given: Sequence[Piece], day: date) -> Decimal | None:
    return next(
        (
            piece.amount
            for piece in given
            if piece.first <= day and (piece.last is None or day <= piece.last)
        ),
        None,
    )


def crossed(thresholds: Sequence[int], spent: Decimal, amount: Decimal) -> tuple[int, ...]:
    """The thresholds (per cent of the amount) that `spent` has reached, ascending."""
    return tuple(item for item in sorted(thresholds) if spent * 100 >= amount * item and spent > 0)


def crossed_on(
    days: Sequence[tuple[date, Decimal]], threshold: int, amount: Decimal
) -> date | None:
    """The first day after which the running total stayed at the threshold or above; `days` ascending."""
    total, since = Decimal(0), None
    # A credit can take the total below again; what counts is the last time that it rose above for good.
    for day, cost in days:
        total += cost
        if total * 100 < amount * threshold:
            since = None
        elif since is None:
            since = day
    return since


@dataclass(frozen=True, slots=True)
class Likely:
    """A range for a round's end, never a promise: the least and the most of three simple estimates."""

    low: Decimal
    high: Decimal


def likely(days: Sequence[tuple[date, Decimal]], span: Span, through: date) -> Likely | None:
    """What the round's cost is likely to be when it ends.

    Three estimates: the run rate of the round, and what was spent plus the rest of the days at the mean and at the
    median of the last seven days with data. On steady cost these beat seasonal models, and the median notices a jump
    soonest. None with less than three days of data, and when the round is over.
    """
    known = (through - span.first).days + 1
    left = (span.last - through).days
    if known < FORECAST_FROM_DAY or left <= 0:
        return None
    by_day = {day: cost for day, cost in days if span.holds(day)}
    spent = exact_sum(by_day.values())
    last = [by_day.get(through - timedelta(days=back), Decimal(0)) for back in range(min(7, known))]
    estimates = (
        spent * (known + left) / known,
        spent + exact_sum(last) / len(last) * left,
        spent + median(last) * left,
    )
    return Likely(min(estimates), max(estimates))


def _length(period: Period) -> int:
    """Months of a round. Raises ValueError for a period without rounds."""
    match period:
        case Period.MONTH:
            return 1
        case Period.QUARTER:
            return 3
        case Period.FISCAL_YEAR:
            return 12
        case Period.FIXED:
            raise ValueError("a fixed period has no rounds")
