"""DuckDB that can reach nothing but the files it is given.

No network, no extensions, no other file, settings locked; memory capped, spilling to a private folder.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect(
    files: Sequence[Path], spill: str, *, memory_mb: int, threads: int, max_spill_gb: int
) -> "DuckDBPyConnection":
    """A private DuckDB in memory that reads these files alone; `spill` is a folder for what does not fit."""
    import duckdb

    connection = duckdb.connect(
        config={
            "threads": threads,
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": spill,
            "max_temp_directory_size": f"{max_spill_gb}GB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "enable_external_file_cache": False,
            "python_enable_replacements": False,
            "preserve_insertion_order": False,
        }
    )
    for setting in (
        "SET TimeZone = 'UTC'",
        # DuckDB follows a descriptor to the file's own path before it compares
        f"SET allowed_paths = [{', '.join(literal(os.path.realpath(path)) for path in files)}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(setting)
    return connection


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def table(path: Path, csv_options: str) -> str:
    """How SQL reads a file: Parquet by what it begins with, else CSV (also gzipped) with a heading and these options."""
    with path.open("rb") as opened:
        begins = opened.read(4)
    place = literal(str(path.resolve()))
    if begins == b"PAR1":
        return f"read_parquet({place})"
    packed = "gzip" if begins.startswith(b"\x1f\x8b") else "none"
    return f"read_csv({place}, header=true, compression={literal(packed)}, {csv_options})"
