"""Amounts by month as people write them: one number, a line, or a small table; each low, likely and high. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import TypeVar

from storage.money import money_text
from workflows.sources.tables import MOST, read_number

Flow = tuple[tuple[int, Decimal], ...]
"""Amounts of consecutive months from a case's first one, as runs: so many months, each with this amount. Months after
the last run have nothing."""

MOST_MONTHS = 120
"""The longest horizon: ten years."""
WAYS = ("low", "likely", "high")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate: by month, at least, most likely, at most. Amounts in the case's currency."""

    low: Flow = ()
    likely: Flow = ()
    high: Flow = ()

    def __add__(self, other: "Range") -> "Range":
        return Range(*(add((mine, its)) for mine, its in zip(self.flows, other.flows, strict=True)))

    @property
    def flows(self) -> tuple[Flow, Flow, Flow]:
        """Low, likely and high."""
        return self.low, self.likely, self.high

    def stored(self) -> dict[str, list[list[object]]]:
        """As the record keeps it."""
        return {
            way: [[count, money_text(amount)] for count, amount in flow]
            for way, flow in zip(WAYS, self.flows, strict=True)
        }

    @classmethod
    def of(cls, stored: Mapping[str, list[list[object]]]) -> "Range":
        """From what the record keeps."""
        return cls(*(cls.read_flow(stored[way]) for way in WAYS))

    @staticmethod
    def read_flow(stored: list[list[object]]) -> Flow:
        """One of its flows, from what the record keeps."""
        return tuple((int(str(count)), Decimal(str(amount))) for count, amount in stored)


# --- Flows


def expand(flow: Flow) -> Iterator[Decimal]:
    """The amount of each month, to the end of the last run."""
    for count, amount in flow:
        for _ in range(count):
            yield amount


def compress(amounts: Iterable[Decimal]) -> Flow:
    """Amounts of consecutive months as runs, without empty months at the end."""
    flow = [(len(list(same)), amount) for amount, same in groupby(amounts)]
    while flow and flow[-1][1] == 0:
        flow.pop()
    return tuple(flow)


def add(flows: Iterable[Flow]) -> Flow:
    """Month by month, the sum."""
    sums: list[Decimal] = []
    for flow in flows:
        for month, amount in enumerate(expand(flow)):
            if month == len(sums):
                sums.append(Decimal(0))
            sums[month] += amount
    return compress(sums)


def cut_off(flow: Flow, months: int) -> Flow:
    """Only its first months."""
    return compress(list(expand(flow))[:months])


def total(flow: Flow) -> Decimal:
    """The sum over all months."""
    return sum((count * amount for count, amount in flow), Decimal(0))


def combine(
    ranges: Sequence[Range], months: int, rule: Callable[[Sequence[Decimal]], Decimal]
) -> Range:
    """One estimate from several by a rule that grows with each of them, month by month: lows make the low, and so on."""
    columns = []
    for way in range(len(WAYS)):
        series = [_pad(each.flows[way], months) for each in ranges]
        columns.append(compress(rule(amounts) for amounts in zip(*series, strict=True)))
    return Range(*columns)


def _pad(flow: Flow, months: int) -> list[Decimal]:
    amounts = list(expand(flow))[:months]
    return amounts + [Decimal(0)] * (months - len(amounts))


# --- Reading what people write

_LINE = re.compile(r"\s*(?:→|->|=>|\.\.\.?|…|\bto\b)\s*", re.IGNORECASE)
_UNIT = re.compile(
    r"^(?:[A-Z]{3}|[€$£¥])?\s*(?P<number>[^A-Za-z€$£¥%]+?)\s*(?P<power>k|m|mn|bn)?\s*(?:[A-Z]{3}|[€$£¥])?$"
)
_POWERS = {None: 1, "k": 10**3, "m": 10**6, "mn": 10**6, "bn": 10**9}
_ISO_MONTH = re.compile(r"^(\d{4})[-/](\d{1,2})(?:[-/]\d{1,2})?$")
_NAMED_MONTH = re.compile(r"^([A-Za-z]{3,9})\.?[\s-]+(\d{4}|\d{2})$")
_ORDINAL = re.compile(r"^(?:month|m)\.?\s*(\d{1,3})$", re.IGNORECASE)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HEADS = {
    "low": 0, "least": 0, "min": 0, "minimum": 0, "pessimistic": 0, "worst": 0,
    "likely": 1, "most likely": 1, "expected": 1, "base": 1, "amount": 1, "value": 1, "plan": 1,
    "high": 2, "most": 2, "max": 2, "maximum": 2, "optimistic": 2, "best": 2,
}  # fmt: skip


def parse_figure(text: str) -> Decimal:
    """A number of 0 or more as people write it: `4,000`, `12k`, `1.2m`, `EUR 4,000`. Raises ValueError."""
    match = _UNIT.match(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()[:40]!r} isn't an amount; write it like 40000 or 40,000.50")
    # A thousands' point would be read twice in `1.200k`; `1.2k` means what it says.
    figure = read_number(match["number"].strip()) * _POWERS[match["power"]]
    if not 0 <= figure <= MOST:
        raise ValueError("an amount is 0 or more, and at most 1,000,000,000,000,000")
    return figure


def parse_share(text: str) -> Decimal:
    """A share as people write it, `60 %`, `60` or `0.6`, as a number from 0 to 1. Raises ValueError."""
    bare = text.strip().removesuffix("%").strip()
    number = read_number(bare)
    # `1 %` is one in a hundred; a bare `1` is all of it, as `0.6` is six tenths.
    is_share = number <= 1 and not text.strip().endswith("%")
    share = number if is_share else number / 100
    if not 0 <= share <= 1:
        raise ValueError(f"{text.strip()[:20]} is no share; write one from 0 % to 100 %")
    return share


def parse_three(text: str, read: Callable[[str], T]) -> tuple[T, T, T]:
    """`3 / 4 / 5` as low, likely and high, or one value for all three. Raises ValueError."""
    parts = [part for part in re.split(r"\s*(?:/|\||;)\s*", text.strip()) if part]
    if len(parts) == 1:
        value = read(parts[0])
        return value, value, value
    if len(parts) != 3:
        raise ValueError("write one figure, or three as low / likely / high")
    low, likely, high = (read(part) for part in parts)
    return low, likely, high


def parse_range(text: str, months: int, starts: date) -> Range:
    """What somebody wrote about the `months` from `starts` on, by month. Raises ValueError with what to do.

    `4,000` every month; `2,000 → 6,000` a line from the first month to the last; `3,000 / 4,000 / 5,000` low, likely and
    high, each a number or a line; or a table, a row for each month, as it is pasted from a spreadsheet: with the month
    before the amounts (others have nothing) or without (from the first one on).
    """
    rows = [row for row in re.split(r"[\r\n\v\u2028]+", text.strip()) if row.strip()]
    if not rows:
        raise ValueError("write an amount a month")
    if len(rows) == 1 and "\t" not in rows[0] and not _split_row(rows[0])[0]:
        estimate = Range(*parse_three(rows[0], lambda part: _parse_line(part, months)))
    else:
        estimate = _parse_table(rows, months, starts)
    _require_order(estimate, months)
    return estimate


def parse_figures(text: str) -> tuple[Decimal, Decimal, Decimal]:
    """One number or three, in order. Raises ValueError."""
    figures = parse_three(text, parse_figure)
    _require_ascending(figures, "")
    return figures


def parse_shares(text: str) -> tuple[Decimal, Decimal, Decimal]:
    """One share or three, in order. Raises ValueError."""
    shares = parse_three(text, parse_share)
    _require_ascending(shares, "")
    return shares


def constant(amounts: tuple[Decimal, Decimal, Decimal], months: int) -> Range:
    """The same amount every month."""
    return Range(*(compress([amount] * months) for amount in amounts))


def _parse_line(text: str, months: int) -> Flow:
    ends = [parse_figure(part) for part in _LINE.split(text.strip()) if part]
    if len(ends) == 1:
        return compress(ends * months)
    if len(ends) != 2:
        raise ValueError("a line has two ends, like 2,000 → 6,000")
    first, last = ends
    if months == 1:
        return compress([first])
    # Whole cents, so that what is shown adds up; the last month is exactly the end of the line.
    step = (last - first) / (months - 1)
    return compress(
        [(first + step * month).quantize(Decimal("0.01")) for month in range(months - 1)] + [last]
    )


def _parse_table(rows: Sequence[str], months: int, starts: date) -> Range:
    order: Sequence[int] | None = None
    by_month: dict[int, tuple[Decimal, ...]] = {}
    has_labels: bool | None = None
    for number, row in enumerate(rows, 1):
        label, cells = _split_row(row)
        if number == 1 and (headed := _find_heads([label, *cells] if label else cells)) is not None:
            order = headed
            continue
        try:
            amounts = _in_order([parse_figure(cell) for cell in cells], order)
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from None
        if has_labels is not None and has_labels != bool(label):
            raise ValueError(f"row {number}: name the month in every row or in none")
        has_labels = bool(label)
        month = _find_month(label, starts) if label else len(by_month)
        if month in by_month:
            raise ValueError(f"row {number}: {label} stands there twice")
        if not 0 <= month < months:
            where = f"{label} lies" if label else "this row lies"
            raise ValueError(f"row {number}: {where} outside the {months} months of the case")
        by_month[month] = amounts
    if not by_month:
        raise ValueError("the table has no amounts")
    nothing = (Decimal(0),) * 3
    filled = [by_month.get(month, nothing) for month in range(max(by_month) + 1)]
    return Range(*(compress(amounts[way] for amounts in filled) for way in range(len(WAYS))))


def _split_row(row: str) -> tuple[str, list[str]]:
    """The month of a row, empty where it names none, and its amounts."""
    separator = "\t" if "\t" in row else r"\||;" if re.search(r"\||;", row) else r"\s{2,}|\s*/\s*"
    cells = [cell.strip() for cell in re.split(separator, row.strip())]
    label = cells[0] if _is_month(cells[0]) else ""
    if not label and len(cells) == 1:
        # `2027-01 4,000` or `Jan 2027 4,000`, with one space between.
        words = row.split()
        for count in (2, 1):
            if len(words) > count and _is_month(" ".join(words[:count])):
                return " ".join(words[:count]), [" ".join(words[count:])]
    return label, [cell for cell in (cells[1:] if label else cells) if cell]


def _is_month(text: str) -> bool:
    return any(pattern.match(text) for pattern in (_ISO_MONTH, _NAMED_MONTH, _ORDINAL))


def parse_month(text: str) -> date:
    """The first day of a month as people write it: `2027-01`, `2027-01-15`, `Jan 2027`. Raises ValueError."""
    if match := _ISO_MONTH.match(text):
        year, month = int(match[1]), int(match[2])
    elif (match := _NAMED_MONTH.match(text)) and (name := match[1][:3].casefold()) in _NAMES:
        year, month = int(match[2]), _NAMES.index(name) + 1
        year += 2000 if year < 100 else 0
    else:
        year, month = 0, 0
    if not 1 <= month <= 12 or year < 1:
        raise ValueError(f"{text!r} is no month; write it like 2027-01")
    return date(year, month, 1)


def _find_month(label: str, starts: date) -> int:
    """How many months after the first one. Raises ValueError."""
    if match := _ORDINAL.match(label):
        return int(match[1]) - 1
    month = parse_month(label)
    return (month.year - starts.year) * 12 + month.month - starts.month


def _find_heads(cells: Sequence[str]) -> Sequence[int] | None:
    """Which of low, likely and high each column of amounts is; None for a row that is no heading."""
    if any(any(char.isdigit() for char in cell) for cell in cells):
        return None
    places = [_HEADS[word] for cell in cells if (word := cell.casefold()) in _HEADS]
    if len(places) != len(set(places)):
        raise ValueError("two columns have the same heading; name them low, likely and high")
    return places or (1,)


def _in_order(amounts: Sequence[Decimal], order: Sequence[int] | None) -> tuple[Decimal, ...]:
    """Low, likely and high of one row."""
    order = order or ((1,) if len(amounts) == 1 else (0, 1, 2))
    if len(amounts) != len(order) or len(order) not in (1, 3):
        raise ValueError("write one amount for the month, or three: low, likely, high")
    if len(amounts) == 1:
        return (amounts[0],) * 3
    by_way = dict(zip(order, amounts, strict=True))
    return tuple(by_way[way] for way in range(len(WAYS)))


def _require_order(estimate: Range, months: int) -> None:
    for month, amounts in enumerate(
        zip(*(_pad(flow, months) for flow in estimate.flows), strict=True), 1
    ):
        _require_ascending(amounts, f" in month {month}")


def _require_ascending(amounts: Sequence[Decimal], where: str) -> None:
    if list(amounts) != sorted(amounts):
        low, likely, high = (f"{amount:,f}" for amount in amounts)
        raise ValueError(
            f"low, likely and high have to grow{where}: {low} / {likely} / {high} doesn't"
        )
