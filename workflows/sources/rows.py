"""The rows of a table on their way in: what is the same for every kind of import."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput
from workflows.sources.tables import cleared

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that cannot be taken: its line, the field at fault, and what is wrong and what to do."""

    line: int
    field: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a record, before and after, in words."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RowChange:
    """A record that a row adds or changes. `name` is how people know it, unescaped."""

    line: int
    name: str
    is_new: bool
    fields: tuple[FieldChange, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What the rows of one table did."""

    changes: list[RowChange] = field(default_factory=list)
    unchanged: int = 0
    faults: list[RowFault] = field(default_factory=list)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            [*self.changes, *other.changes],
            self.unchanged + other.unchanged,
            [*self.faults, *other.faults],
        )


@dataclass(slots=True)
class Item(Generic[R]):
    """A row on its way in, and what it changes of the record that it is about. Nouns add what they find out."""

    line: int
    row: R
    name: str = ""
    """How people know the record."""
    is_new: bool = False
    fields: list[FieldChange] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)

    def fault(self, field_: str | None, sentence: str) -> None:
        """The row cannot be taken."""
        self.faults.append(RowFault(self.line, field_, sentence))

    def change(self, field_: str, old: object, new: object) -> None:
        """Note a change; None stands for nothing there."""
        self.fields.append(
            FieldChange(field_, "" if old is None else str(old), "" if new is None else str(new))
        )

    def put(self, record: object, column: str, value: object, *words: str) -> None:
        """Set a column, and note it where it held something else; `words` are its old and new value for people."""
        before = getattr(record, column)
        if before != value:
            self.change(column.removesuffix("_id"), *(words or (before, value)))
            setattr(record, column, value)


I = TypeVar("I", bound=Item[Any])  # noqa: E741


class Table(ABC, Generic[R, I]):
    """How one noun takes the rows of a table, in these steps:

    `load_records` reads what all rows need, `find_record` says which record each is about, `read_cells` what else
    stands in it, `check_together` holds rows against each other; `write_record` makes or changes a record, and
    `follow_up` does what follows from all of them. All but the last two only read. Faults are collected: a step adds them to its items, or raises a refusal.
    """

    form: type[R]
    item: type[I]
    most: ClassVar[int | None] = 500
    """Rows of one transaction. None: all, as only writing finds every fault."""
    repeated: ClassVar[str] = "{name} stands in line {line} already; keep one of them"
    repeated_field: ClassVar[str | None] = "key"
    refusals: ClassVar[tuple[type[GovernanceError], ...]] = (InvalidInput,)
    """What a step may raise of one row; any other refusal is one of the whole table."""

    ctx: Context
    writes: bool
    """False where rows are only looked at, in a transaction that can change nothing."""

    def begin(self, ctx: Context, *, writes: bool = True) -> None:
        """A transaction begins."""
        if not writes:
            ctx.session.autoflush = False
        self.ctx, self.writes = ctx, writes

    def take_rows(
        self, ctx: Context, rows: Sequence[tuple[int, R]], *, writes: bool = True
    ) -> Outcome:
        """Take rows with their lines in the caller's transaction. Rows with faults change nothing; whether the others may
        stand is the caller's decision."""
        self.begin(ctx, writes=writes)
        items = [self.item(line, row) for line, row in rows]
        self.load_records([row for _, row in rows])
        good = _good(self._found(items))
        while True:
            # A row that falls takes with it what others expected of it.
            self.check_together(good)
            standing = _good(good)
            if len(standing) == len(good):
                break
            good = standing
        if writes:
            for item in good:
                with self._refusals_of(item):
                    self.write_record(item)
            good = _good(good)
            ctx.session.flush()
            self.follow_up(good)
            good = _good(good)
        changed = [item for item in good if item.is_new or item.fields]
        return Outcome(
            [RowChange(i.line, i.name, i.is_new, tuple(i.fields)) for i in changed],
            len(good) - len(changed),
            [fault for item in items for fault in item.faults],
        )

    def _found(self, items: Sequence[I]) -> Iterator[I]:
        """The rows of which each is about another record; a second row about the same one is a fault."""
        first: dict[Hashable, int] = {}
        for item in items:
            with self._refusals_of(item):
                about = self.find_record(item)
            if item.faults:
                continue
            if about in first:
                item.fault(
                    self.repeated_field, self.repeated.format(name=item.name, line=first[about])
                )
                continue
            first[about] = item.line
            with self._refusals_of(item):
                self.read_cells(item)
            yield item

    @contextmanager
    def _refusals_of(self, item: I) -> Iterator[None]:
        try:
            yield
        except self.refusals as refusal:
            item.fault(refusal.field, refusal.sentence)

    # --- what a noun says

    def load_records(self, rows: Sequence[R]) -> None:
        """Read what these rows need, in as many statements for many as for one."""

    @abstractmethod
    def find_record(self, item: I) -> Hashable:
        """What the row is about, the same for two rows about one record; sets the item's `name`."""

    def read_cells(self, item: I) -> None:
        """Find out what everything in the row means."""

    def check_together(self, items: Sequence[I]) -> None:
        """Hold rows against each other. Called again with those that remain until none falls."""

    @abstractmethod
    def write_record(self, item: I) -> None:
        """Make or change the record, and note what changed."""

    def follow_up(self, items: Sequence[I]) -> None:
        """What follows from rows that were written."""

    def list_notes(self) -> Iterator[str]:
        """What is to be said of the table as a whole, in its last transaction, once everything is written."""
        yield from ()


class NamingTable(Table[R, I]):
    """A table in which people are named; who that is, the noun of people says."""

    @abstractmethod
    def find_person(self, word: str) -> tuple[str, str] | str:
        """Whom a Slack id or e-mail address names: (opaque id, name), or a sentence that says why nobody."""

    def find_named(self, item: I, field_: str) -> tuple[str | None, str] | None:
        """Whom a cell names: (opaque id, name), (None, "") for a cell that empties the field. None where it says nothing,
        or names nobody, which is a fault."""
        word = getattr(item.row, field_)
        if word is None:
            return None
        person = (None, "") if cleared(word) else self.find_person(word)
        if isinstance(person, str):
            item.fault(field_, person)
            return None
        return person


def _good(items: "Iterator[I] | Sequence[I]") -> list[I]:
    return [item for item in items if not item.faults]


def faults_of(line: int, error: ValidationError, form: type[BaseModel]) -> list[RowFault]:
    """What a form refused of a row, in words. What concerns no single field is about the one that its sentence names."""
    return [_fault(line, one, form) for one in error.errors(include_url=False)]


def _fault(line: int, error: ErrorDetails, form: type[BaseModel]) -> RowFault:
    place = str(error["loc"][0]) if error["loc"] else None
    kind, context = error["type"], error.get("ctx") or {}
    value = str(error["input"])[:40]
    if kind == "missing":
        return RowFault(line, place, "is empty; every row needs it")
    if kind in ("string_too_long", "string_too_short") or (
        kind in ("too_long", "too_short") and isinstance(error["input"], str)
    ):
        kind = "string_" + kind.removeprefix("string_")
    if kind == "string_too_long":
        length = len(str(error["input"]))
        return RowFault(
            line, place, f"holds {length:,} characters; at most {context['max_length']} fit"
        )
    if kind == "string_too_short":
        return RowFault(
            line,
            place,
            f"{value!r} is too short; it has at least {context['min_length']} characters",
        )
    if kind == "too_long":
        return RowFault(
            line, place, f"holds {context['actual_length']:,}; at most {context['max_length']} fit"
        )
    if kind == "string_pattern_mismatch":
        return RowFault(line, place, f"{value!r} has characters that don't fit there")
    if kind == "enum":
        return RowFault(line, place, f"{value!r} is none of {context['expected']}")
    if kind.startswith("date"):
        return RowFault(line, place, f"{value!r} is no day; write it like 2026-01-31")
    sentence = str(error["msg"]).removeprefix("Value error, ")
    if place is None:
        words = sentence.replace(",", " ").split()
        place = next((name for name in form.model_fields if name in words), None)
    return RowFault(line, place, sentence)
