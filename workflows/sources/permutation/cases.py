"""A table of cases that a model answers: CSV (also gzipped) or Parquet, as many rows as wanted."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.sources import sealed

if TYPE_CHECKING:
    from pandas import DataFrame


class Unreadable(Exception):
    """The file is no table, as a sentence."""


def read_cases(path: Path, rows: int, seed: int) -> "DataFrame":
    """The table, with its own types; of more rows than wanted a sample, the same each time."""
    import duckdb

    source = sealed.table(path, "sample_size=-1")
    spill = tempfile.mkdtemp(prefix="mlgov-cases-")
    try:
        with sealed.connect([path], spill, memory_mb=512, threads=1, max_spill_gb=4) as base:
            return base.execute(
                f"SELECT * FROM {source} USING SAMPLE reservoir({rows:d} ROWS) REPEATABLE ({seed:d})"  # noqa: S608
            ).df()
    except duckdb.Error as error:
        raise Unreadable(
            f"{path.name} cannot be read as a table ({type(error).__name__}). Export it again as CSV UTF-8 or Parquet."
        ) from None
    finally:
        shutil.rmtree(spill, ignore_errors=True)
