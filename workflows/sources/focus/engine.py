"""DuckDB as a reader of cost files: one descriptor, refusals as sentences, a spill folder that is removed."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.sources.errors import CostFileRefused, DamagedFile, FileTooLarge
from workflows.sources.focus.records import ReadOptions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# --- DuckDB that can reach nothing but the files it is given
#
# No network, no extensions, no other file, settings locked; memory capped, spilling to a
# private folder.


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


# --- DuckDB as a reader of cost files
#
# one descriptor, refusals as sentences, a spill folder that is removed.

TICK = 0.1


class Engine:
    """One private DuckDB. Files are shown to it through one descriptor, which `point_at` directs to each in turn:

    the file that was looked at is the file that is read, and no path, whatever its characters, becomes part of a statement.
    """

    def __init__(self, options: ReadOptions, files: Sequence[Path]) -> None:
        self._slot = os.open(os.devnull, os.O_RDONLY)
        folder = "/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd"
        self.path = f"{folder}/{self._slot}"
        self._spill = tempfile.mkdtemp(prefix="mlgov-costs-", dir=options.spill_directory)
        self._connection = connect(
            files,
            self._spill,
            memory_mb=options.memory_mb,
            threads=options.threads,
            max_spill_gb=options.max_spill_gb,
        )

    def point_at(self, descriptor: int) -> None:
        """Makes `path` mean this open file."""
        os.dup2(descriptor, self._slot)

    def run(
        self,
        statement: str,
        parameters: Sequence[object] = (),
        *,
        file: str = "The load",
        tick: Callable[[], bool] = lambda: True,
    ) -> list[tuple[Any, ...]]:
        """Executes and fetches all, calling `tick` ten times a second; stops when it returns False, or on Ctrl-C.

        Raises CostFileRefused, with a sentence about `file`, for whatever DuckDB cannot do with it.
        """
        outcome: list[BaseException | list[tuple[Any, ...]]] = []

        def work() -> None:
            try:
                outcome.append(self._connection.execute(statement, parameters).fetchall())
            except BaseException as error:  # handed over to the thread that waits
                outcome.append(error)

        worker = threading.Thread(target=work, name="focus-scan", daemon=True)
        worker.start()
        try:
            while worker.is_alive():
                worker.join(TICK)
                if not tick():
                    self._connection.interrupt()
                    worker.join()
        except BaseException:
            self._connection.interrupt()
            worker.join()
            raise
        result = outcome[0]
        if isinstance(result, BaseException):
            raise refusal(result, file) from None
        return result

    def stream(
        self, statement: str, size: int, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Batches of a result, on a cursor of its own, so that several can be read at once."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement, parameters)
            while batch := cursor.fetchmany(size):
                yield batch
        finally:
            cursor.close()

    def close(self) -> None:
        """Closes DuckDB and removes what it spilled."""
        self._connection.close()
        os.close(self._slot)
        shutil.rmtree(self._spill, ignore_errors=True)


def refusal(error: BaseException, file: str) -> BaseException:
    """What a DuckDB error means for the person who gave the file. DuckDB's own text, with its paths, is not shown."""
    import duckdb

    text = str(error)
    if isinstance(error, CostFileRefused) or not isinstance(error, duckdb.Error | RuntimeError):
        return error
    if isinstance(error, duckdb.OutOfMemoryException) or "max_temp_directory_size" in text:
        return FileTooLarge(
            f"{file} needs more memory or temporary disk than a load may use. Give one billing period at a time."
        )
    if isinstance(error, duckdb.OutOfRangeException):
        return DamagedFile(
            f"The costs in {file} add up to more than can be kept (10^20). Check the cost columns and export again."
        )
    if "state machine" in text:
        return DamagedFile(
            f"The rows of {file} cannot be told apart: it mixes kinds of line ends, or its quotation marks do not match. "
            "Export it again and do not edit it on the way."
        )
    if "arquet" in text or "Thrift" in text or "TProtocol" in text or "No magic bytes" in text:
        return DamagedFile(
            f"{file} is a damaged or cut-off Parquet file. Download or export it again."
        )
    return DamagedFile(
        f"{file} cannot be read as a table ({type(error).__name__}). Export it again as CSV UTF-8 or Parquet."
    )
