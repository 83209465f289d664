"""The way in: files to a `FocusRead`, whose groups stay in DuckDB until they are asked for."""

import csv
import gzip
import hashlib
import io
import itertools
import os
import re
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from workflows.sources import accounts
from workflows.sources.accounts import UNKNOWN, is_rounded
from workflows.sources.errors import CostFileRefused, DamagedFile, FileTooLarge
from workflows.sources.focus import columns, files, sql
from workflows.sources.focus import columns as focus_columns
from workflows.sources.focus import files as focus_files
from workflows.sources.focus.columns import shown
from workflows.sources.focus.engine import Engine, identifier
from workflows.sources.focus.files import CsvLayout, Given
from workflows.sources.focus.records import (
    AllocationKey,
    BadRow,
    CostGroup,
    Group,
    MonthTotal,
    PeriodTotals,
    Progress,
    ReadOptions,
    SourceFile,
)

# --- Reads a file beside DuckDB's scan, to hash it, to stop a gzip bomb, and to count its lines
#     as a check on the scan

CHUNK = 1 << 20
BOMB_FLOOR = 64 << 20
BOMB_RATIO = 200
"""Billing data packs 10 to 60 times with gzip; a file that packs 200 times is made to exhaust the machine."""


class Watch:
    """One file's second reader. Start it, scan, then `finish`; `refusal` may be set at any time before."""

    def __init__(
        self, descriptor: int, file: str, layout: CsvLayout | None, max_bytes: int
    ) -> None:
        self.refusal: CostFileRefused | None = None
        self.lines = 0
        """Lines of a CSV file, the heading and a last one without an end included."""
        self.position = 0
        """Bytes read of the file as it lies on disk."""
        self.sha256 = ""
        self._descriptor = descriptor
        self._file = file
        self._layout = layout
        self._max_bytes = max_bytes
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="focus-watch", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends early, with nothing found."""
        self._stopped.set()
        self._thread.join()

    def finish(self) -> None:
        """Waits for the end and raises what was found."""
        self._thread.join()
        if self.refusal is not None:
            raise self.refusal

    def _run(self) -> None:
        try:
            self._read()
        except CostFileRefused as refusal:
            self.refusal = refusal
        except OSError as error:
            self.refusal = DamagedFile(
                f"{self._file} could not be read to its end: {error.strerror}."
            )

    def _read(self) -> None:
        digest = hashlib.sha256()
        end = self._layout.line_end if self._layout else None
        total = 0
        last = b""
        for chunk in self._unpacked():
            digest.update(chunk)
            total += len(chunk)
            if total > self._max_bytes:
                raise FileTooLarge(
                    f"{self._file} unpacks to more than {self._max_bytes / 1e9:g} GB. Give one billing period at a time."
                )
            if (
                self._layout is not None
                and self._layout.gzip
                and total > BOMB_FLOOR
                and total > BOMB_RATIO * self.position
            ):
                raise FileTooLarge(
                    f"{self._file} unpacks to more than {BOMB_RATIO} times its size, which no bill does. "
                    "If it is real, unpack it (gunzip) and give the result."
                )
            if end is not None:
                if b"\x00" in chunk:
                    raise DamagedFile(
                        f"{self._file} holds NUL bytes, so it is not plain UTF-8 text. Export it again as CSV UTF-8."
                    )
                self.lines += chunk.count(end)
                last = chunk[-1:]
        if end is not None and last and last != end:
            self.lines += 1
        self.sha256 = digest.hexdigest()

    def _chunks(self) -> Iterator[bytes]:
        while not self._stopped.is_set():
            chunk = os.pread(self._descriptor, CHUNK, self.position)
            if not chunk:
                return
            self.position += len(chunk)
            yield chunk

    def _unpacked(self) -> Iterator[bytes]:
        if self._layout is None or not self._layout.gzip:
            yield from self._chunks()
            return
        unpacker = zlib.decompressobj(wbits=31)
        try:
            for chunk in self._chunks():
                pending = chunk
                while pending:
                    if (
                        unpacker.eof
                    ):  # a gzip file may be several, one after another, and end in zeros
                        pending = pending.lstrip(b"\x00")
                        if not pending:
                            break
                        unpacker = zlib.decompressobj(wbits=31)
                    out = unpacker.decompress(pending, CHUNK)
                    pending = unpacker.unconsumed_tail or unpacker.unused_data
                    if out:
                        yield out
                    if self._stopped.is_set():
                        return
            while not unpacker.eof and (out := unpacker.decompress(b"", CHUNK)):
                yield out
        except zlib.error:
            raise DamagedFile(
                f"{self._file} is a damaged gzip file. Download or export it again."
            ) from None
        if not unpacker.eof and not self._stopped.is_set():
            raise DamagedFile(
                f"{self._file} is cut off: the gzip file ends too soon. Download or export it again."
            )


# --- Bad rows
#
# why DuckDB could not split or use them, and on which line they stand.

_SPLITTING = {
    "MISSING COLUMNS": "has fewer fields than the heading",
    "TOO MANY COLUMNS": "has more fields than the heading",
    "UNQUOTED VALUE": "has a quotation mark that is not closed or not doubled",
    "INVALID ENCODING": "is not UTF-8 text (it looks like Latin-1 or Windows-1252); save the file as UTF-8",
    "LINE SIZE OVER MAXIMUM": f"is longer than {sql.MAX_LINE_BYTES:,} bytes",
}
_SLASHED = re.compile(r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*")


def split_reason(error_type: str) -> str:
    """Why DuckDB's CSV reader put a row among the rejects."""
    return _SPLITTING.get(error_type, "cannot be split into fields")


def reason(column: str, value: str | None) -> str:
    """Why a value cannot be used, with what to do where that is not plain."""
    if value is None or value in sql.NULL_WORDS:
        return "is empty, but FOCUS requires a value in every row"
    if column in {"BillingAccountId", "SubAccountId"} and is_rounded(value):
        return (
            "is a long id that a spreadsheet program has rounded, so that several accounts look the same; export again and "
            "give the export itself"
        )
    if column in {"BillingPeriodStart", "ChargePeriodStart"}:
        if _SLASHED.fullmatch(value.strip()):
            return (
                "is a date in a local style, which can mean two days; FOCUS writes 2024-09-01T00:00:00Z "
                "(a spreadsheet program may have changed it: export again and do not save it from one)"
            )
        return "is not a date and time like 2024-09-01T00:00:00Z"
    if column == "BillingCurrency":
        return "is not a currency code of three letters, like USD"
    plain = value.strip()
    if re.fullmatch(r"[+-]?[\d.]*,\d+", plain) or re.fullmatch(r"[+-]?[\d,]*,\d{3}(\.\d*)?", plain):
        return "has a comma; FOCUS writes amounts with a point and no separators, like 1234.56"
    if re.fullmatch(r"[+-]?[\d_]*\.?[\d_]*([eE][+-]?\d+)?", plain) and any(
        c.isdigit() for c in plain
    ):
        if re.search(r"[eE]", plain) or len(plain.partition(".")[2]) > sql.SCALE:
            return (
                f"has more than {sql.SCALE} decimals or is too large; it would have to be rounded"
            )
        return "is larger than any cost (10^15)"
    return "is not a number"


def lines_of(
    descriptor: int,
    file: str,
    layout: CsvLayout,
    positions: dict[str, int],
    faulty: set[tuple[str, str | None]],
) -> Iterator[BadRow]:
    """The rows of a CSV file with a faulty value, by line. DuckDB judged the values; only their places are looked up here."""
    width = len(layout.heading)
    columns = [name for name in sql.CHECKS if name in positions]
    for line, row in _records(descriptor, layout):
        if line == 1 or len(row) != width:
            continue
        for column in columns:
            raw = row[positions[column]]
            value = None if raw in sql.NULL_WORDS else raw
            if (column, value) in faulty:
                yield bad_row(file, line, column, value)
                break


def bad_row(file: str, line: int, column: str, value: str | None) -> BadRow:
    """A row with a value that cannot be used."""
    text = None if value is None or value in sql.NULL_WORDS else shown(value)
    return BadRow(file, line, column, text, reason(column, value))


def count_rows(descriptor: int, layout: CsvLayout) -> int:
    """Rows of a CSV file without its heading, by a second parser."""
    return sum(1 for _, row in _records(descriptor, layout) if row) - 1


def _records(descriptor: int, layout: CsvLayout) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it starts; ends quietly at what the csv module cannot split."""
    with ExitStack() as stack:
        stored = stack.enter_context(os.fdopen(os.dup(descriptor), "rb"))
        stored.seek(0)
        raw: io.BufferedReader | gzip.GzipFile = stored
        if layout.gzip:
            raw = stack.enter_context(gzip.GzipFile(fileobj=stored))
        lines = stack.enter_context(
            io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
        )
        reader = csv.reader(lines, delimiter=layout.delimiter)
        start = 1
        try:
            for row in reader:
                yield start, row
                start = reader.line_num + 1
        except (csv.Error, OSError, EOFError):
            return


# --- Reads one file after another into the groups, each in one pass, and gathers what cannot be
#     counted

ODD_BATCH = 5_000


@dataclass(slots=True)
class Findings:
    """What the files held beside their groups."""

    files: list[SourceFile] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)
    bad_row_count: int = 0
    unknown_columns: dict[str, None] = field(default_factory=dict)
    missing_columns: dict[str, None] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    rows: int = 0
    unreadable_tags: int = 0
    float_costs: bool = False
    unnamed_rows: int = 0
    """Rows that name no provider."""


@dataclass(slots=True)
class _Table:
    """One open file: how DuckDB reads it and where its columns are."""

    source: str
    fields: dict[str, sql.Field]
    columns: focus_columns.Columns
    layout: focus_files.CsvLayout | None


class Scan:
    """The files of one load, in order. `run` gathers them all or raises CostFileRefused."""

    def __init__(
        self, engine: Engine, options: ReadOptions, progress: Callable[[Progress], None] | None
    ) -> None:
        self._engine = engine
        self._options = options
        self._progress = progress
        self._bytes_done = 0
        self._bytes_total = 0
        self._files_total = 0
        self._is_respelt = False
        """Whether groups were changed after they were gathered, so that equal ones may stand apart."""
        self.findings = Findings()

    def run(self, files: list[Given]) -> Findings:
        """Reads all files."""
        self._engine.run(sql.create_groups(self._options.tag_keys))
        self._bytes_total = sum(given.path.stat().st_size for given in files)
        self._files_total = len(files)
        exports = list(dict.fromkeys(given.export for given in files))
        for given in files:
            # not blocking, should the path have become a pipe since it was looked at
            descriptor = os.open(given.path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                before = os.fstat(descriptor)
                self._engine.point_at(descriptor)
                self._read(descriptor, given.name, exports.index(given.export))
                after = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise DamagedFile(
                    f"{given.name} was changed while it was read. Import it again once it is written."
                )
            self._bytes_done += after.st_size
            self._tell(given.name, 0)
        self._refuse_copies()
        if len(exports) > 1 and not self._options.separate:
            self._refuse_twice_told(files, exports)
        self._settle_sources()
        [(several,)] = self._engine.run(sql.MANY_SPELLINGS)
        if len(files) > 1 or several or self._is_respelt:
            for statement in sql.merge(self._options.tag_keys):
                self._engine.run(statement)
        return self.findings

    def _tell(self, file: str, position: int) -> None:
        if self._progress is not None:
            self._progress(
                Progress(
                    file,
                    len(self.findings.files),
                    self._files_total,
                    self._bytes_done + position,
                    self._bytes_total,
                    self.findings.rows,
                )
            )

    def _read(self, descriptor: int, name: str, export: int) -> None:
        table = self._table(descriptor, name)
        watch = Watch(descriptor, name, table.layout, self._options.max_unpacked_bytes)
        watch.start()
        try:
            self._gather(table, name, watch, export)
        except CostFileRefused:
            # a packed file that is cut off or a bomb shows first as rows that end oddly: the watch knows better
            watch.finish()
            raise
        except BaseException:
            watch.stop()
            raise
        watch.finish()
        rejected = self._rejects(table, name)
        faulty = self._faulty_rows(table, descriptor, name)
        self._read_odd_tags()
        rows = self._new_rows()
        self._check_count(table, descriptor, name, rows + faulty + rejected, watch.lines)
        self.findings.rows += rows
        self.findings.files.append(
            SourceFile(
                name,
                watch.sha256,
                rows,
                "parquet" if table.layout is None else "csv.gz" if table.layout.gzip else "csv",
                table.columns.version,
            )
        )

    def _table(self, descriptor: int, name: str) -> _Table:
        layout = focus_files.csv_layout(descriptor, name)
        types: list[str] | None = None
        if layout is None:
            described = self._engine.run(sql.DESCRIBE_PARQUET, [self._engine.path], file=name)
            heading = [str(row[0]) for row in described if row[0] != "file_row_number"]
            types = [str(row[1]) for row in described if row[0] != "file_row_number"]
            source = sql.PARQUET_SOURCE
        else:
            heading = list(layout.heading)
            source = sql.csv_source(len(heading), layout.delimiter, layout.gzip)
        located = focus_columns.locate(heading, name, source_given=self._options.source is not None)
        fields = {
            wanted: sql.Field(f"c{place}", "VARCHAR", True)
            if types is None
            else sql.Field(identifier(heading[place]), types[place], False)
            for wanted, place in located.positions.items()
        }
        self.findings.unknown_columns |= dict.fromkeys(located.unknown)
        self.findings.missing_columns |= dict.fromkeys(located.missing)
        self.findings.float_costs |= any(
            fields[cost].type in sql.FLOATS for cost in ("BilledCost", "EffectiveCost")
        )
        return _Table(source, fields, located, layout)

    def _gather(self, table: _Table, name: str, watch: Watch, export: int) -> None:
        def tick() -> bool:
            self._tell(name, watch.position)
            return watch.refusal is None

        statement = sql.gather(
            table.source, table.fields, self._options.tag_keys, self._options.source, export
        )
        self._engine.run(statement, [self._engine.path], file=name, tick=tick)

    def _rejects(self, table: _Table, name: str) -> int:
        """Lists the rows that DuckDB could not split, and returns how many there are."""
        if table.layout is None:
            return 0
        if not self._engine.run(sql.ANY_REJECT):
            return 0
        rejects = self._engine.run(sql.REJECTS)
        for statement in sql.CLEAR_REJECTS:
            self._engine.run(statement)
        for line, place, error_type, swallowed, _ in rejects:
            if swallowed:
                raise DamagedFile(
                    f"In {name} a quotation mark opened on line {line} is never closed, so the rows after it cannot be told apart. "
                    "Export the file again."
                )
            column = None
            if error_type in {"UNQUOTED VALUE", "INVALID ENCODING"} and place:
                column = table.layout.heading[place - 1]
            self._note(BadRow(name, line, column, None, split_reason(error_type)))
        self.findings.bad_row_count += len(rejects)
        if sum(faults_of_row for *_, faults_of_row in rejects) >= sql.REJECTS_LIMIT:
            raise DamagedFile(
                f"{name} has {len(rejects):,} or more rows that cannot be split into fields. The first, on line {rejects[0][0]}, "
                f"{split_reason(rejects[0][2])}. Export the file again."
            )
        return len(rejects)

    def _faulty_rows(self, table: _Table, descriptor: int, name: str) -> int:
        """Lists the rows with a value that cannot be used, takes them out of the groups, and returns how many there are."""
        [(count,)] = self._engine.run(sql.FAULTY_ROWS)
        if not count:
            return 0
        self._engine.run(sql.DROP_FAULTY)
        self.findings.bad_row_count += int(count)
        room = self._options.max_bad_rows - len(self.findings.bad_rows)
        if room <= 0:
            return int(count)
        layout, source = table.layout, table.source
        if layout is not None:
            source = sql.csv_source(len(layout.heading), layout.delimiter, layout.gzip, again=True)
        faulty = self._engine.run(
            sql.faults_of(
                source,
                table.fields,
                self._options.source,
                row_number=layout is None,
                limit=room if layout is None else 10 * room,
            ),
            [self._engine.path],
            file=name,
        )
        if layout is None:
            for column, value, row in faulty:
                self._note(bad_row(name, row, column, value))
        else:
            values = {(column, value) for column, value, _ in faulty}
            placed = lines_of(descriptor, name, layout, table.columns.positions, values)
            for bad in itertools.islice(placed, room):
                self._note(bad)
        return int(count)

    def _note(self, bad: BadRow) -> None:
        if len(self.findings.bad_rows) < self._options.max_bad_rows:
            self.findings.bad_rows.append(bad)

    def _read_odd_tags(self) -> None:
        """Reads the tags that are no flat map, each spelling once, and gives their groups what they say."""
        keys = self._options.tag_keys
        take, give = sql.read_odd_tags(keys)
        odd = [text for (text,) in self._engine.run(sql.ODD_TAGS)]
        for batch in _batches(odd):
            readings = [accounts.read_tags(text) for text in batch]
            values = [
                [accounts.find_tag(reading or {}, key) for reading in readings] for key in keys
            ]
            self._engine.run(take, [list(batch), [one is not None for one in readings], *values])
            self._engine.run(give)
            self._is_respelt = True

    def _new_rows(self) -> int:
        """Rows that this file added to the groups."""
        [(rows, tags)] = self._engine.run(sql.COUNTED)
        self.findings.unreadable_tags = int(tags)
        return int(rows) - self.findings.rows

    def _check_count(
        self, table: _Table, descriptor: int, name: str, seen: int, lines: int
    ) -> None:
        """Holds the scan against a count of its own: rows that a parser lost would be money that nobody misses."""
        if table.layout is None or seen == lines - 1:
            return
        if seen != count_rows(descriptor, table.layout):
            raise DamagedFile(
                f"The rows of {name} cannot be counted reliably: its line ends or quotation marks can be read in two ways. "
                "Export it again and do not edit it on the way."
            )

    def _settle_sources(self) -> None:
        """One source, not two, for a billing account whose provider only some rows name; refuses two spellings of one."""
        if self._options.source is not None:
            return
        rows = dict(self._engine.run(sql.SOURCES))
        by_account: dict[str, dict[str, list[str]]] = {}
        for source in rows:
            provider, account = accounts.same_source(source)
            by_account.setdefault(account, {}).setdefault(provider, []).append(source)
        for providers in by_account.values():
            for spellings in providers.values():
                if len(spellings) > 1:
                    first, second, *_ = map(shown, spellings)
                    raise CostFileRefused(
                        f"The files name one source in two ways, “{first}” and “{second}”, and would count as two. If they are "
                        "parts of one bill, give --source with the name that it has; if one repeats the other, give only one."
                    )
            named = [name for name in providers if name != accounts.UNKNOWN]
            if accounts.UNKNOWN not in providers:
                continue
            [unnamed] = providers[accounts.UNKNOWN]
            if len(named) == 1:
                [source] = providers[named[0]]
                self._engine.run(sql.RENAME_SOURCE, [unnamed, source])
                self._is_respelt = True
                self.findings.remarks.append(
                    f"{rows[unnamed]:,} row(s) name no provider; they count as {shown(source)}, like the others of that account."
                )
            else:
                self.findings.unnamed_rows += rows[unnamed]

    def _refuse_twice_told(self, files: list[Given], exports: list[str]) -> None:
        """Two exports that hold the same cost would add it up."""
        apart = {exports.index(given.export) for given in files if given.is_told_apart}
        pairs = self._engine.run(sql.SAME_DAYS, [sorted(apart)]) if apart else []
        for statement in sql.same_money():
            pairs = pairs or self._engine.run(statement)
        for first, second, source, period in pairs:
            name, other = (
                next(given.name for given in files if given.export == exports[number])
                for number in (first, second)
            )
            raise CostFileRefused(
                f"{name} and {other} look like two exports of one bill: both hold costs of {shown(source)} for the same days of the "
                f"billing period {period:%Y-%m}, and they would be added up. Give one of them; if they hold different costs, "
                "give --separate."
            )

    def _refuse_copies(self) -> None:
        """The same content twice would be counted twice."""
        seen: dict[str, str] = {}
        for file in self.findings.files:
            if file.sha256 in seen and file.rows:
                raise CostFileRefused(
                    f"{file.name} has the same content as {seen[file.sha256]} and would be counted twice. Give one of them."
                )
            seen[file.sha256] = file.name


def _batches(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), ODD_BATCH):
        yield texts[start : start + ODD_BATCH]


# --- The way in
#
# files to a `FocusRead`, whose groups stay in DuckDB until they are asked for.

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
        for statement in sql.number_keys(self._tag_keys):
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
        for batch in self._engine.stream(sql.numbered(select, self._tag_keys), size):
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
    ) -> Iterator[list[Group]]:
        """The groups of the periods in `period_ids` as tuples for a bulk insert, in batches and no particular order:

        (period id, charge date as ISO text, key id, service, category, currency, billed text, effective text, rows).
        `period_ids` gives the caller's id for `PeriodTotals.index`, `key_ids` that for each `AllocationKey.index`.
        Amounts are canonical text: plain digits, no exponent, no trailing zeros.
        """
        select = (
            "list_extract($ids, period + 1) AS period_id, CAST(charge_date AS VARCHAR), list_extract($keys, key + 1), service, "
            f"charge_category, currency, {sql.canonical('billed')}, {sql.canonical('effective')}, rows"
        )
        ids = [period_ids.get(period.index) for period in self.periods]
        if not period_ids:
            return
        yield from self._engine.stream(
            sql.numbered(
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
            sql.numbered(
                select, self._tag_keys, "GROUP BY period, key, month, currency ORDER BY ALL"
            )
        )
        return [MonthTotal(*row) for row in rows]

    def days(self, keys: Collection[int]) -> set[tuple[int, int, date]]:
        """(period, allocation key, day of charge) of some allocation keys, all by their index."""
        statement = sql.numbered(
            "DISTINCT period, key, charge_date", self._tag_keys, "WHERE list_contains($1, key)"
        )
        return {
            (int(period), int(key), day)
            for period, key, day in self._engine.run(statement, [sorted(keys)])
        }

    def _periods(self) -> tuple[PeriodTotals, ...]:
        billed: dict[int, dict[str, Decimal]] = {}
        effective: dict[int, dict[str, Decimal]] = {}
        for period, currency, billed_sum, effective_sum in self._engine.run(sql.CURRENCY_TOTALS):
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
                sql.fingerprints(self._tag_keys)
            )
        )

    def _allocation_keys(self) -> tuple[AllocationKey, ...]:
        return tuple(
            AllocationKey(index, account, name, columns.tags_text(self._tag_keys, values))
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
