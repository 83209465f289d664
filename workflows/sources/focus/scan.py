"""Reads one file after another into the groups, each in one pass, and gathers what cannot be counted."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from workflows.sources import accounts, tags
from workflows.sources.errors import CostFileRefused, DamagedFile
from workflows.sources.focus import columns as focus_columns
from workflows.sources.focus import content, faults, groups, sql
from workflows.sources.focus.engine import Engine
from workflows.sources.focus.files import Given
from workflows.sources.focus.records import BadRow, Progress, ReadOptions, SourceFile
from workflows.sources.focus.watch import Watch
from workflows.sources.focus.wording import shown
from workflows.sources.sealed import identifier

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
    layout: content.CsvLayout | None


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
        self._engine.run(groups.create_groups(self._options.tag_keys))
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
        [(several,)] = self._engine.run(groups.MANY_SPELLINGS)
        if len(files) > 1 or several or self._is_respelt:
            for statement in groups.merge(self._options.tag_keys):
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
        layout = content.csv_layout(descriptor, name)
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
            self._note(BadRow(name, line, column, None, faults.split_reason(error_type)))
        self.findings.bad_row_count += len(rejects)
        if sum(faults_of_row for *_, faults_of_row in rejects) >= sql.REJECTS_LIMIT:
            raise DamagedFile(
                f"{name} has {len(rejects):,} or more rows that cannot be split into fields. The first, on line {rejects[0][0]}, "
                f"{faults.split_reason(rejects[0][2])}. Export the file again."
            )
        return len(rejects)

    def _faulty_rows(self, table: _Table, descriptor: int, name: str) -> int:
        """Lists the rows with a value that cannot be used, takes them out of the groups, and returns how many there are."""
        [(count,)] = self._engine.run(groups.FAULTY_ROWS)
        if not count:
            return 0
        self._engine.run(groups.DROP_FAULTY)
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
                self._note(faults.bad_row(name, row, column, value))
        else:
            values = {(column, value) for column, value, _ in faulty}
            placed = faults.lines_of(descriptor, name, layout, table.columns.positions, values)
            for bad in itertools.islice(placed, room):
                self._note(bad)
        return int(count)

    def _note(self, bad: BadRow) -> None:
        if len(self.findings.bad_rows) < self._options.max_bad_rows:
            self.findings.bad_rows.append(bad)

    def _read_odd_tags(self) -> None:
        """Reads the tags that are no flat map, each spelling once, and gives their groups what they say."""
        keys = self._options.tag_keys
        take, give = groups.read_odd_tags(keys)
        odd = [text for (text,) in self._engine.run(groups.ODD_TAGS)]
        for batch in _batches(odd):
            readings = [tags.read_tags(text) for text in batch]
            values = [[tags.find_tag(reading or {}, key) for reading in readings] for key in keys]
            self._engine.run(take, [list(batch), [one is not None for one in readings], *values])
            self._engine.run(give)
            self._is_respelt = True

    def _new_rows(self) -> int:
        """Rows that this file added to the groups."""
        [(rows, tags)] = self._engine.run(groups.COUNTED)
        self.findings.unreadable_tags = int(tags)
        return int(rows) - self.findings.rows

    def _check_count(
        self, table: _Table, descriptor: int, name: str, seen: int, lines: int
    ) -> None:
        """Holds the scan against a count of its own: rows that a parser lost would be money that nobody misses."""
        if table.layout is None or seen == lines - 1:
            return
        if seen != faults.count_rows(descriptor, table.layout):
            raise DamagedFile(
                f"The rows of {name} cannot be counted reliably: its line ends or quotation marks can be read in two ways. "
                "Export it again and do not edit it on the way."
            )

    def _settle_sources(self) -> None:
        """One source, not two, for a billing account whose provider only some rows name; refuses two spellings of one."""
        if self._options.source is not None:
            return
        rows = dict(self._engine.run(groups.SOURCES))
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
                self._engine.run(groups.RENAME_SOURCE, [unnamed, source])
                self._is_respelt = True
                self.findings.remarks.append(
                    f"{rows[unnamed]:,} row(s) name no provider; they count as {shown(source)}, like the others of that account."
                )
            else:
                self.findings.unnamed_rows += rows[unnamed]

    def _refuse_twice_told(self, files: list[Given], exports: list[str]) -> None:
        """Two exports that hold the same cost would add it up."""
        apart = {exports.index(given.export) for given in files if given.is_told_apart}
        pairs = self._engine.run(groups.SAME_DAYS, [sorted(apart)]) if apart else []
        for statement in groups.same_money():
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
