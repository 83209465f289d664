"""Small FOCUS files for tests: rows as dictionaries, written as CSV, gzip or Parquet."""

import csv
import gzip
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from workflows.sources import focus
from workflows.sources.focus import CostGroup, ReadOptions

ROW: dict[str, str] = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "BillingCurrency": "USD",
    "BillingAccountId": "42",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "ChargePeriodStart": "2024-09-18T22:00:00Z",
    "ChargeCategory": "Usage",
    "ProviderName": "AWS",
    "ServiceName": "Compute",
    "SubAccountId": "a-1",
    "SubAccountName": "Vision",
    "Tags": "",
}


def row(**changes: str) -> dict[str, str]:
    """A good row with some fields changed."""
    return {**ROW, **changes}


def csv_text(rows: Sequence[dict[str, str]], *, delimiter: str = ",", line_end: str = "\n") -> str:
    """The rows as CSV, with the columns of the first one (or of a good row)."""
    columns = list(rows[0]) if rows else list(ROW)
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows([one[name] for name in columns] for one in rows)
    return sink.getvalue()


def write(path: Path, rows: Sequence[dict[str, str]], **layout: str) -> Path:
    """The rows as a file of the kind that the name says: .csv, .csv.gz or .parquet (all columns text)."""
    if path.suffix == ".parquet":
        return parquet(path, rows)
    body = csv_text(rows, **layout).encode()
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path


def parquet(
    path: Path, rows: Sequence[dict[str, str]], types: dict[str, str] | None = None
) -> Path:
    """The rows as Parquet, each column cast to its type in `types` (VARCHAR otherwise), empty text as NULL."""
    columns = list(rows[0])
    connection = duckdb.connect()
    named = ", ".join(f'"{name}" VARCHAR' for name in columns)
    connection.execute(f"CREATE TABLE bill ({named})")
    marks = ", ".join("?" for _ in columns)
    for one in rows:
        connection.execute(
            f"INSERT INTO bill VALUES ({marks})", [one[name] or None for name in columns]
        )
    cast = ", ".join(
        f'CAST("{name}" AS {(types or {}).get(name, "VARCHAR")}) AS "{name}"' for name in columns
    )
    quoted = str(path).replace("'", "''")
    connection.execute(f"COPY (SELECT {cast} FROM bill) TO '{quoted}' (FORMAT parquet)")
    connection.close()
    return path


def groups(*paths: Path, **options: Any) -> list[CostGroup]:
    """All groups of files without a bad row, sorted."""
    with focus.read(paths, options=ReadOptions(**options)) as read:
        assert read.bad_rows == ()
        found = [group for batch in read.groups() for group in batch]
    return sorted(found, key=repr)


def totals(*paths: Path, **options: Any) -> dict[str, Decimal]:
    """Billed total by currency."""
    sums: dict[str, Decimal] = {}
    with focus.read(paths, options=ReadOptions(**options)) as read:
        for period in read.periods:
            for currency, amount in period.billed.items():
                sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sums
