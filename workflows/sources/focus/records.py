"""What is asked of the FOCUS reader and what it gives back: plain values, money as exact Decimal."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read. The defaults suit a small server; every limit refuses with a sentence, none cuts in silence."""

    tag_keys: tuple[str, ...] = ("project",)
    """Tags kept in the allocation key, found whatever their case and surrounding blanks; others are not kept."""
    source: str | None = None
    """Name of the source for all rows; None makes it `provider/billing account` of each row."""
    separate: bool = False
    """Whether files that look like two exports of one bill are nevertheless told to hold different costs."""
    max_bad_rows: int = 100
    """How many bad rows are listed; the count goes on."""
    max_unpacked_bytes: int = 50_000_000_000
    """Unpacked size at which one file is refused."""
    memory_mb: int = 160
    """What DuckDB may hold; beyond it, it spills to disk."""
    threads: int = 2
    """DuckDB's threads. With `memory_mb` they keep the whole process under 320 MB for a million rows; another thread
    hashes the file."""
    spill_directory: Path | None = None
    """Where a private folder for spilling is made and removed again; None is the system's temporary folder."""
    max_spill_gb: int = 20

    def __post_init__(self) -> None:
        for key in self.tag_keys:
            if not key.strip() or any(c in '"\\' or not c.isprintable() for c in key):
                raise ValueError(f"not a tag key: {key!r}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a read is. Bytes are of the files as they lie on disk; rows are those of finished files."""

    file: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    rows: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read. `sha256` is of its unpacked bytes, so a file and its gzip have the same."""

    name: str
    sha256: str
    rows: int
    """Rows that count; bad rows are not among them."""
    format: str
    """csv, csv.gz or parquet."""
    focus_version: str
    """Guessed from the columns: 1.0 to 1.4."""


@dataclass(frozen=True, slots=True)
class PeriodTotals:
    """One billing period of one source: what is loaded, replaced or found unchanged as a whole."""

    index: int
    """Number of this period within the read."""
    source: str
    billing_period: date
    """Day on which the billing period starts, UTC."""
    rows: int
    charges_through: date
    """Last day with a charge."""
    billed: Mapping[str, Decimal]
    """BilledCost by currency."""
    effective: Mapping[str, Decimal]
    content_sha256: str
    """Fingerprint of the period's groups: the same however the rows are ordered, split into files or packed."""


@dataclass(frozen=True, slots=True)
class AllocationKey:
    """What decides whose cost a row is. Absent values are empty text."""

    index: int
    sub_account_id: str
    sub_account_name: str
    tags: str
    """Canonical JSON object of the tags asked for that the row has."""


@dataclass(frozen=True, slots=True)
class CostGroup:
    """Rows of one source, period, day (UTC), allocation key, service, category and currency, summed exactly."""

    source: str
    billing_period: date
    charge_date: date
    sub_account_id: str
    sub_account_name: str
    tags: str
    service: str
    charge_category: str
    currency: str
    billed: Decimal
    effective: Decimal
    rows: int


@dataclass(frozen=True, slots=True)
class MonthTotal:
    """One period's cost of an allocation key in a calendar month of charge (UTC) and one currency."""

    period: int
    """Index in `FocusRead.periods`."""
    key: int
    """Index in `FocusRead.allocation_keys`."""
    month: date
    currency: str
    billed: Decimal
    effective: Decimal
    rows: int


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be counted, and why. Text from the file is shortened."""

    file: str
    line: int | None
    """Line of the file where the row starts (the heading is line 1); for Parquet the row's number from 1."""
    column: str | None
    value: str | None
    reason: str


# --- What a read holds, as plain values
#
# small enough to be handed from one process to another.

BATCH = 5_000

Group = tuple[int, str, int, str, str, str, str, str, int]
"""Index of the period, charge date, index of the key, service, category, currency, billed, effective, rows."""


class CostRead(Protocol):
    """What loading asks of a read, wherever its groups are."""

    @property
    def periods(self) -> tuple[PeriodTotals, ...]: ...
    @property
    def allocation_keys(self) -> tuple[AllocationKey, ...]: ...
    @property
    def bad_rows(self) -> tuple[BadRow, ...]: ...
    @property
    def bad_row_count(self) -> int: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...
    @property
    def charges_through(self) -> date | None: ...

    def entries(
        self, period_ids: Mapping[int, int], key_ids: Sequence[int]
    ) -> Iterator[list[Group]]:
        """As `FocusRead.entries`."""
        ...

    def months(self) -> Sequence[MonthTotal]:
        """As `FocusRead.months`."""
        ...

    def days(self, keys: Collection[int]) -> set[tuple[int, int, date]]:
        """As `FocusRead.days`."""
        ...


@dataclass(frozen=True, slots=True)
class HeldRead:
    """A read of a small file, out of DuckDB."""

    periods: tuple[PeriodTotals, ...] = ()
    allocation_keys: tuple[AllocationKey, ...] = ()
    bad_rows: tuple[BadRow, ...] = ()
    bad_row_count: int = 0
    remarks: tuple[str, ...] = ()
    charges_through: date | None = None
    groups: tuple[Group, ...] = ()
    totals: tuple[MonthTotal, ...] = ()

    @classmethod
    def of(cls, read: CostRead) -> Self:
        """Everything that a read holds."""
        periods = {period.index: period.index for period in read.periods}
        keys = [key.index for key in read.allocation_keys]
        return cls(
            read.periods,
            read.allocation_keys,
            read.bad_rows,
            read.bad_row_count,
            read.remarks,
            read.charges_through,
            tuple(group for batch in read.entries(periods, keys) for group in batch),
            tuple(read.months()),
        )

    def entries(
        self, period_ids: Mapping[int, int], key_ids: Sequence[int]
    ) -> Iterator[list[Group]]:
        """As `FocusRead.entries`."""
        rows = [
            (period_ids[group[0]], group[1], key_ids[group[2]], *group[3:])
            for group in self.groups
            if group[0] in period_ids
        ]
        for start in range(0, len(rows), BATCH):
            yield rows[start : start + BATCH]

    def months(self) -> Sequence[MonthTotal]:
        """As `FocusRead.months`."""
        return self.totals

    def days(self, keys: Collection[int]) -> set[tuple[int, int, date]]:
        """As `FocusRead.days`."""
        wanted = set(keys)
        return {
            (period, key, date.fromisoformat(day))
            for period, day, key, *_ in self.groups
            if key in wanted
        }
