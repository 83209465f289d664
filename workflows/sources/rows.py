"""What became of the rows of a table: the same words for every kind of import."""

from dataclasses import dataclass, field


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
    notes: list[str] = field(default_factory=list)
    uninvited: list[str] = field(default_factory=list)
    """Channels that the bot is not in, as `#name` or id."""
