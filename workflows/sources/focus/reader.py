"""The way in: files to a `FocusRead`, whose groups stay in DuckDB until they are asked for."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workflows.sources.accounts import UNKNOWN
from workflows.sources.focus import allocation, files, groups
from workflows.sources.focus.engine import Engine
from workflows.sources.focus.records import (
    AllocationKey,
    CostGroup,
    MonthTotal,
    PeriodTotals,
    Progress,
    ReadOptions,
)
from workflows.sources.focus.scan import Findings, Scan

BATCH = 5_000


def read(
    paths: Sequence[Path],
    *,
    options: ReadOptions,
    progress: Callable[[Progress], None] | None = None,
) -> "FocusRead":
    """Reads FOCUS files and folders in one pass each; use the result in a `with` block, which frees what it holds.

    Rows that cannot be counted are in `bad_rows` and in no sum: whether the rest may be loaded is the caller's decision.
    Raises CostFileRefused (NotFocus, DamagedFile, FileTooLarge) when a file as a whole cannot be used.
    """
    chosen, remarks = files.collect(paths)
    engine = Engine(options, [given.path for given in chosen])
    try:
        findings = Scan(engine, options, progress).run(chosen)
        findings.remarks[:0] = remarks
        return FocusRead(engine, options, findings)
    except BaseException:
        engine.close()
        raise


class FocusRead:
    """What the files held: totals at once, groups on request. Closed by its `with` block."""

    def __init__(self, engine: Engine, options: ReadOptions, findings: Findings) -> None:
        self._engine = engine
        self._tag_keys = options.tag_keys
        self.files = tuple(findings.files)
        self.bad_rows = tuple(findings.bad_rows)
        """The first bad rows, up to `max_bad_rows`."""
        self.bad_row_count = findings.bad_row_count
        """All bad rows."""
        self.unknown_columns = tuple(findings.unknown_columns)
        """Columns that FOCUS does not know and that were not read."""
        self.missing_columns = tuple(findings.missing_columns)
        """Columns that help to place a cost and that at least one file lacks."""
        self.remarks = tuple(_remarks(findings))
        """Sentences about what was read differently from what one might expect."""
        for statement in groups.number_keys(self._tag_keys):
            engine.run(statement)
        self.periods = self._periods()
        self.allocation_keys = self._allocation_keys()
        self.rows = sum(period.rows for period in self.periods)
        self.charges_through: date | None = max(
            (period.charges_through for period in self.periods), default=None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees memory and temporary disk; the groups cannot be read any more."""
        self._engine.close()

    def groups(self, *, size: int = BATCH) -> Iterator[list[CostGroup]]:
        """All groups in batches, in no particular order."""
        keys = self.allocation_keys
        periods = self.periods
        select = (
            "period, charge_date, key, service, charge_category, currency, billed, effective, rows"
        )
        for batch in self._engine.stream(groups.numbered(select, self._tag_keys), size):
            yield [
                CostGroup(
                    periods[period].source,
                    periods[period].billing_period,
                    charge_date,
                    keys[key].sub_account_id,
                    keys[key].sub_account_name,
                    keys[key].tags,
                    *rest,
                )
                for period, charge_date, key, *rest in batch
            ]

    def entries(
        self, period_ids: Mapping[int, int], key_ids: Sequence[int], *, size: int = BATCH
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The groups of the periods in `period_ids` as tuples for a bulk insert, in batches and no particular order:

        (period id, charge date as ISO text, key id, service, category, currency, billed text, effective text, rows).
        `period_ids` gives the caller's id for `PeriodTotals.index`, `key_ids` that for each `AllocationKey.index`.
        Amounts are canonical text: plain digits, no exponent, no trailing zeros.
        """
        select = (
            "list_extract($ids, period + 1) AS period_id, CAST(charge_date AS VARCHAR), list_extract($keys, key + 1), service, "
            f"charge_category, currency, {groups.canonical('billed')}, {groups.canonical('effective')}, rows"
        )
        ids = [period_ids.get(period.index) for period in self.periods]
        if not period_ids:
            return
        yield from self._engine.stream(
            groups.numbered(
                select,
                self._tag_keys,
                "WHERE list_extract($ids, period + 1) IS NOT NULL ORDER BY key, charge_date",
            ),
            size,
            {"ids": ids, "keys": list(key_ids)},
        )

    def months(self) -> list[MonthTotal]:
        """Cost of each period by allocation key, calendar month of charge and currency: the roll-up, ready made."""
        select = (
            "period, key, CAST(date_trunc('month', charge_date) AS DATE) AS month, currency, sum(billed), sum(effective), "
            "CAST(sum(rows) AS BIGINT)"
        )
        rows = self._engine.run(
            groups.numbered(
                select, self._tag_keys, "GROUP BY period, key, month, currency ORDER BY ALL"
            )
        )
        return [MonthTotal(*row) for row in rows]

    def days(self, keys: Collection[int]) -> set[tuple[int, int, date]]:
        """(period, allocation key, day of charge) of some allocation keys, all by their index."""
        statement = groups.numbered(
            "DISTINCT period, key, charge_date", self._tag_keys, "WHERE list_contains($1, key)"
        )
        return {
            (int(period), int(key), day)
            for period, key, day in self._engine.run(statement, [sorted(keys)])
        }

    def _periods(self) -> tuple[PeriodTotals, ...]:
        billed: dict[int, dict[str, Decimal]] = {}
        effective: dict[int, dict[str, Decimal]] = {}
        for period, currency, billed_sum, effective_sum in self._engine.run(groups.CURRENCY_TOTALS):
            billed.setdefault(period, {})[currency] = billed_sum
            effective.setdefault(period, {})[currency] = effective_sum
        return tuple(
            PeriodTotals(
                index,
                source,
                start,
                int(rows),
                through,
                billed[index],
                effective[index],
                hashlib.sha256(f"1|{rows}|{low}|{high}".encode()).hexdigest(),
            )
            for index, source, start, rows, through, low, high in self._engine.run(
                groups.fingerprints(self._tag_keys)
            )
        )

    def _allocation_keys(self) -> tuple[AllocationKey, ...]:
        return tuple(
            AllocationKey(index, account, name, allocation.tags_text(self._tag_keys, values))
            for index, account, name, *values in self._engine.run(
                "SELECT * FROM allocation ORDER BY key"
            )
        )


def _remarks(findings: Findings) -> Iterator[str]:
    yield from findings.remarks
    if findings.unreadable_tags:
        yield f"{findings.unreadable_tags:,} row(s) have Tags that cannot be read as keys and values; they are counted, without tags."
    if findings.unnamed_rows:
        yield f"{findings.unnamed_rows:,} row(s) name no provider; their source is called {UNKNOWN}/… and the billing account."
    if findings.unknown_columns:
        names = list(findings.unknown_columns)
        more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
        yield f"Columns that FOCUS doesn't know were not read: {', '.join(names[:10])}{more}."
    if "Tags" in findings.missing_columns:
        yield "There is no column Tags, so no tag says whose a cost is."
    if findings.float_costs:
        yield "Costs are kept as floating-point numbers in a Parquet file; each was read as the shortest decimal that stands for it."
