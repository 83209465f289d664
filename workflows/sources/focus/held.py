"""What a read holds, as plain values: small enough to be handed from one process to another."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, Self

from workflows.sources.focus.records import AllocationKey, BadRow, MonthTotal, PeriodTotals

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
    ) -> Iterator[list[tuple[Any, ...]]]:
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
    ) -> Iterator[list[tuple[Any, ...]]]:
        """As `FocusRead.entries`."""
        rows = [
            (period_ids[period], day, key_ids[key], *rest)
            for period, day, key, *rest in self.groups
            if period in period_ids
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
