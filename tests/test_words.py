"""Tables over an enum are whole: a state that is added later has its words, or a test says where they are missing."""

import ast
import enum
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import bot
import sandbox
import storage
import workflows

APART = {
    "bot.inventory.windows:no yes": "a choice of two, which have nothing to do with answers in a check-in",
    "storage.budgets.costs:day project service": "columns of a table",
}
"""Words that are an enum's by accident, by module and keys."""


def modules() -> Iterator[ModuleType]:
    for package in (bot, workflows, storage, sandbox):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and "migrations" not in found.name:
                yield importlib.import_module(found.name)


def enums() -> list[type[enum.Enum]]:
    return [
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, enum.Enum)
        and value.__module__ == module.__name__
    ]


def tree(module: ModuleType) -> ast.Module:
    assert module.__file__
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def tables(module: ModuleType) -> Iterator[tuple[str, dict[enum.Enum, object]]]:
    """Tables of a module that are keyed by members of one enum, by their names."""
    for name, value in vars(module).items():
        if isinstance(value, dict) and value:
            kinds = {type(key) for key in value}
            if len(kinds) == 1 and issubclass(kinds.pop(), enum.Enum):
                yield name, value


def asked_without_default(
    module: ast.Module, name: str, table: dict[enum.Enum, object]
) -> Iterator[int]:
    """Lines that look up what the table may not have: all but `.get()`, `in`, and members that stand in it."""
    present = {f"{type(key).__name__}.{key.name}" for key in table}
    for node in ast.walk(module):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == name
            and ast.unparse(node.slice) not in present
        ):
            yield node.lineno


def test_a_table_over_an_enum_is_whole_or_asked_with_a_default() -> None:
    seen = set()
    for module in modules():
        for name, table in tables(module):
            seen.add(name)
            kind = type(next(iter(table)))
            missing = [member.name for member in kind if member not in table]
            if not missing:
                continue
            # `_WEIGHT[one] for one in ... if one in _WEIGHT` asks first.
            guarded = f"in {name}" in ast.unparse(tree(module))
            lines = list(asked_without_default(tree(module), name, table))
            assert guarded or not lines, (
                f"{module.__name__}.{name} lacks {', '.join(missing)} of {kind.__name__}, and line {lines[0]} would raise"
            )
    assert len(seen) > 20, "the tables are found"


def test_words_for_members_are_keyed_by_the_enum() -> None:
    """Keys that are spelt out are seen by no type checker, and nobody notices that one is missing."""
    values = {kind: {str(member.value) for member in kind} for kind in enums()}
    for module in modules():
        for node in ast.walk(tree(module)):
            if not isinstance(node, ast.Dict) or len(node.keys) < 2:
                continue
            keys = {
                key.value
                for key in node.keys
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
            if len(keys) < len(node.keys):
                continue
            if f"{module.__name__}:{' '.join(sorted(keys))}" in APART:
                continue
            for kind, words in values.items():
                assert not keys < words, (
                    f"{module.__name__}:{node.lineno} spells out {sorted(keys)} and lacks {sorted(words - keys)}:"
                    f" key it by {kind.__name__}"
                )
