"""Taking a person's Slack id and address out of every column where they may stand among other things."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import JSON, String, Table, cast, func, or_, select, update
from sqlalchemy.orm import Session

from storage.base import Base
from storage.people import columns

_LANES = {"lane.key", "outbox.lane_key", "message.lane_key"}
"""Keys that refer to each other; who erases moves the lanes themselves."""

Swap = Callable[[str], str]


def build_swap(names: Sequence[str], person_id: str) -> Swap:
    """Puts the opaque id in the place of each of these Slack ids and addresses, where they stand as whole words."""
    whole = re.compile(
        "|".join(
            rf"(?<![\w.%+-]){re.escape(name)}(?![\w-]|\.\w)"
            if "@" in name
            else rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
            for name in names
        ),
        re.IGNORECASE,
    )
    return lambda text: whole.sub(person_id, text)


def sweep(session: Session, names: Sequence[str], swap: Swap) -> dict[str, list[Any]]:
    """Replace these Slack ids and addresses wherever they stand but in lanes; table → the first keys of rows where they
    did."""
    session.flush()
    swept: dict[str, list[Any]] = {}
    for table in Base.metadata.sorted_tables:
        wanted = [
            column
            for column in columns.list_naming_columns()
            if column.table is table and str(column) not in _LANES
        ]
        if wanted:
            rows = _sweep_table(session, table, wanted, names, swap)
            if rows:
                swept[table.name] = rows
    session.expire_all()
    return swept


def _sweep_table(
    session: Session, table: Table, wanted: list[Any], names: Sequence[str], swap: Swap
) -> list[Any]:
    keys = list(table.primary_key.columns)
    rows = session.execute(
        select(*keys, *wanted)
        .where(or_(*(_holds(column, name) for column in wanted for name in names)))
        .with_for_update()
    ).all()
    swept = []
    for row in rows:
        values = dict(zip(wanted, row[len(keys) :], strict=True))
        changed = {
            column.name: value
            for column, before in values.items()
            if (value := swap_value(before, swap)) != before
        }
        if changed:
            where = [key == is_ for key, is_ in zip(keys, row, strict=False)]
            session.execute(update(table).where(*where).values(changed))
            swept.append(row[0])
    return swept


def _holds(column: Any, name: str) -> Any:
    text = func.lower(cast(column, String))
    forms = {name.lower()}
    if isinstance(column.type, JSON):
        forms.add(json.dumps(name.lower())[1:-1])
    return or_(*(text.contains(form, autoescape=True) for form in sorted(forms)))


def swap_value(value: Any, swap: Swap) -> Any:
    """A value as JSON has it, swapped wherever it holds text."""
    if isinstance(value, str):
        return swap(value)
    if isinstance(value, list):
        return [swap_value(one, swap) for one in value]
    if isinstance(value, dict):
        return {swap(key): swap_value(one, swap) for key, one in value.items()}
    return value


_ADDRESS = re.compile(r"[^\s@<>()\",;:]+@[^\s@<>()\",;:]+\.[^\s@<>()\",;:]+")


def list_addresses(value: Any) -> Iterator[str]:
    """The e-mail addresses in a value as JSON has it."""
    if isinstance(value, str):
        yield from _ADDRESS.findall(value)
    elif isinstance(value, list):
        for item in value:
            yield from list_addresses(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _ADDRESS.findall(key)
            yield from list_addresses(item)
