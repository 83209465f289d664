"""Predictions with their truth and the groups of people they are about, counted: no row of a person leaves this module."""

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.errors import InvalidInput
from workflows.sources.apart import TooMuch
from workflows.sources.focus import engine
from workflows.sources.focus.columns import shown
from workflows.sources.focus.engine import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

YES = ("1", "1.0", "true", "t", "yes", "y")
NO = ("0", "0.0", "false", "f", "no", "n")
MISSING = (
    *("nan", "none", "null", "na", "n/a", "<na>", "nat", "#n/a", "#na", "(null)", "\\n"),
    *("-nan", "1.#qnan", "missing", "undefined", "?", "-", "–", "."),
)
"""What table libraries, databases and spreadsheets write for nothing, in lower case: no answer, and no group of people."""
MOST_GROUPS = 200
"""Values of a group column, and cells of all of them together; more are no groups of people."""
MOST_CELLS = 5_000
MEMORY_MB, THREADS, SPILL_GB = 256, 2, 4
MOST_UNPACKED, MOST_ROWS = 256_000_000, 5_000_000
"""Bytes and rows of a file that somebody else sent; whoever counts files of their own may take as long as they like."""
_PIECE = 1_000_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns say what. Truth and prediction are yes or no; a score is cut at `threshold`, a word is yes if `positive`."""

    truth: str
    prediction: str
    groups: tuple[str, ...]
    positive: str | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """How many people of one combination of groups had which truth and prediction."""

    names: tuple[str, ...]
    truth: bool
    prediction: bool
    count: int


@dataclass(frozen=True, slots=True)
class Cells:
    """A whole file, counted; `left_out` rows lack a truth, a prediction or a group."""

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    left_out: int


def read(path: Path, columns: Columns, *, name: str = "", is_sent: bool = False) -> Cells:
    """Count a CSV (also gzipped) or Parquet file. Raises InvalidInput with what to do; `name` is what people call the file.

    One that `is_sent` by somebody else is refused (TooMuch) beyond `MOST_UNPACKED` bytes and `MOST_ROWS` rows.
    """
    import duckdb

    name = shown(name or path.name)
    if not columns.groups:
        raise InvalidInput("Name at least one column of groups, like sex.", field="group")
    if not path.is_file():
        raise InvalidInput(f"There is no file {name}.", field="file")
    if not path.stat().st_size:
        raise InvalidInput(f"{name} is empty.", field="file")
    if is_sent:
        _unpacks(path, name)
    spill = tempfile.mkdtemp(prefix="mlgov-predictions-")
    try:
        with engine.connect(
            [path], spill, memory_mb=MEMORY_MB, threads=THREADS, max_spill_gb=SPILL_GB
        ) as base:
            source = engine.table(path, "all_varchar=true")
            if is_sent:
                _require_few_rows(base, source, name)
            return _count_cells(base, source, columns, name)
    except duckdb.OutOfMemoryException:
        raise TooMuch(
            f"{name} needs more memory than {MEMORY_MB} MB to count. {_ELSEWHERE}", field="file"
        ) from None
    except duckdb.Error as error:
        raise InvalidInput(
            f"{name} cannot be read as a table ({type(error).__name__}). Export it again as CSV UTF-8 or Parquet.",
            field="file",
        ) from None
    finally:
        shutil.rmtree(spill, ignore_errors=True)


_ELSEWHERE = "Send less of it, or count it on your own machine with `mlgov fairness`."


def _unpacks(path: Path, name: str) -> None:
    """Raises TooMuch for a packed file that would become too long, having unpacked no more of it than that."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        is_packed = opened.read(2) == b"\x1f\x8b"
    if is_packed:
        size = 0
        try:
            with gzip.open(path) as unpacked:
                while size <= MOST_UNPACKED and (part := unpacked.read(_PIECE)):
                    size += len(part)
        except (OSError, EOFError, zlib.error):
            raise InvalidInput(
                f"{name} is a damaged gzip file. Export it again.", field="file"
            ) from None
    if size > MOST_UNPACKED:
        raise TooMuch(
            f"{name} unpacks to more than {MOST_UNPACKED:,} bytes. {_ELSEWHERE}", field="file"
        )


def _require_few_rows(base: "DuckDBPyConnection", source: str, name: str) -> None:
    (counts,) = base.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {MOST_ROWS + 1})"  # noqa: S608
    ).fetchall()
    if counts[0] > MOST_ROWS:
        raise TooMuch(f"{name} has more than {MOST_ROWS:,} rows. {_ELSEWHERE}", field="file")


def _count_cells(base: "DuckDBPyConnection", source: str, columns: Columns, name: str) -> Cells:
    headings = [
        row[0]
        for row in base.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608
    ]
    groups = tuple(
        dict.fromkeys(_find_column(one, headings, "group", name) for one in columns.groups)
    )
    truth = _find_column(columns.truth, headings, "truth", name)
    prediction = _find_column(columns.prediction, headings, "prediction", name)
    if truth == prediction or {truth, prediction} & set(groups):
        raise InvalidInput("Truth, prediction and groups are columns of their own.", field="group")
    nothing = ", ".join(literal(word) for word in ("", *MISSING))
    chosen = ", ".join(
        f"CASE WHEN lower(trim({identifier(column)}::VARCHAR)) NOT IN ({nothing}) THEN trim({identifier(column)}::VARCHAR) END AS {alias}"
        for column, alias in (
            (truth, "t"),
            (prediction, "p"),
            *((one, f"g{place}") for place, one in enumerate(groups)),
        )
    )
    base.execute(f"CREATE VIEW told AS SELECT {chosen} FROM {source}")  # noqa: S608
    aliases = [f"g{place}" for place in range(len(groups))]
    _require_few_groups(base, aliases, groups)
    truths = _verdict_sql("t", columns.positive, None)
    predicted = _verdict_sql("p", columns.positive, columns.threshold)
    _require_readable(base, "t", truths, truth, columns)
    _require_readable(base, "p", predicted, prediction, columns)
    by = ", ".join(aliases)
    absent = " OR ".join(f"{one} IS NULL" for one in aliases)
    rows = base.execute(
        f"SELECT {by}, {truths} AS truth, {predicted} AS prediction, count(*) FROM told WHERE NOT ({absent}) GROUP BY ALL ORDER BY ALL LIMIT {2 * MOST_CELLS}"  # noqa: S608
    ).fetchall()
    whole = base.execute("SELECT count(*) FROM told").fetchall()[0][0]
    cells = tuple(
        Cell(tuple(str(one) for one in row[:-3]), bool(row[-3]), bool(row[-2]), int(row[-1]))
        for row in rows
        if row[-3] is not None and row[-2] is not None
    )
    if len(cells) > MOST_CELLS:
        raise InvalidInput(
            f"The groups of {', '.join(groups)} together are more than {MOST_CELLS:,} cells. Name fewer columns, or wider groups.",
            field="group",
        )
    left_out = int(whole) - sum(one.count for one in cells)
    if not cells:
        raise InvalidInput(
            f"{name} holds no row with a truth, a prediction and a group.", field="file"
        )
    return Cells(groups, cells, left_out)


def _find_column(wanted: str, headings: Sequence[str], field: str, name: str) -> str:
    """The column that is meant; case does not matter."""
    matches = [one for one in headings if one == wanted] or [
        one for one in headings if one.strip().casefold() == wanted.strip().casefold()
    ]
    if len(matches) != 1:
        listed = ", ".join(shown(one) for one in headings[:20])
        raise InvalidInput(
            f"{name} has no column {shown(wanted)!r}. It has: {listed}.", field=field
        )
    return matches[0]


def _require_few_groups(
    base: "DuckDBPyConnection", aliases: Sequence[str], groups: Sequence[str]
) -> None:
    for alias, group in zip(aliases, groups, strict=True):
        (counts,) = base.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT {alias} FROM told LIMIT {MOST_GROUPS + 1})"  # noqa: S608
        ).fetchall()
        if counts[0] > MOST_GROUPS:
            raise InvalidInput(
                f"{shown(group)} has more than {MOST_GROUPS} values, so it names no groups of people. Put them into ranges, like 18-24.",
                field="group",
            )


def _verdict_sql(alias: str, positive: str | None, threshold: float | None) -> str:
    """True, false, or null for what is missing; an empty string cannot come here."""
    if threshold is not None:
        score = f"TRY_CAST({alias} AS DOUBLE)"
        return f"CASE WHEN isnan({score}) THEN NULL ELSE {score} >= {float(threshold)!r} END"
    if positive is not None:
        return f"lower({alias}) = {literal(positive.strip().casefold())}"
    yes, no = (", ".join(literal(one) for one in words) for words in (YES, NO))
    return f"CASE WHEN lower({alias}) IN ({yes}) THEN true WHEN lower({alias}) IN ({no}) THEN false END"


def _require_readable(
    base: "DuckDBPyConnection", alias: str, verdict: str, column: str, columns: Columns
) -> None:
    """Raises for what is neither yes nor no, and for a word that never comes."""
    bad = base.execute(
        f"SELECT {alias} FROM told WHERE {alias} IS NOT NULL AND ({verdict}) IS NULL LIMIT 1"  # noqa: S608
    ).fetchall()
    if bad and columns.threshold is not None and alias == "p":
        raise InvalidInput(
            f"{shown(column)} holds {shown(str(bad[0][0]))!r}, which is no score.",
            field="prediction",
        )
    if bad:
        raise InvalidInput(
            f"{shown(column)} holds {shown(str(bad[0][0]))!r}, which is neither yes nor no. Say from which threshold a score is a yes, or which word is the positive one.",
            field="truth" if alias == "t" else "prediction",
        )
    if columns.positive is None or (alias == "p" and columns.threshold is not None):
        return
    (counts,) = base.execute(
        f"SELECT count(*) FILTER (WHERE {verdict}), count(DISTINCT lower({alias})) FROM told"  # noqa: S608
    ).fetchall()
    if not counts[0] and alias == "t":
        words = base.execute(
            f"SELECT DISTINCT {alias} FROM told WHERE {alias} IS NOT NULL ORDER BY 1 LIMIT 5"  # noqa: S608
        ).fetchall()
        listed = ", ".join(repr(shown(str(word))) for (word,) in words)
        raise InvalidInput(
            f"{shown(column)} never holds {shown(columns.positive)!r}; it holds {listed}.",
            field="positive",
        )
    if counts[1] > 2:
        raise InvalidInput(
            f"{shown(column)} holds more than two words, so one of them is not the opposite of {shown(columns.positive)!r}.",
            field="positive",
        )
