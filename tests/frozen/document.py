"""The frozen file: everything that is kept in a database, said to a program or written by a person, in sorted sections."""

import ast
import dataclasses
import enum
import gc
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from sqlalchemy import CheckConstraint, MetaData
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from tests.frozen import seams
from tests.frozen.source import HOLE, OURS, Source, place

FILE = Path(__file__).with_name("frozen.txt")
COMMAND = "python -m tests.frozen"

_ABOUT = f"""\
# What is persisted or published: it never changes by renaming or moving code.
# Written by `{COMMAND}`; a test compares. Only add here, or say in the changelog what went and why.
"""

_ID_LIKE = re.compile(r"[a-z][a-z0-9_]*(\.(\{\}|[a-z][a-z0-9_]*))+")
_FILE_LIKE = re.compile(
    r"\.(com|csv|db|duckdb|html|io|ipc|j2|js|json|md|org|py|svg|toml|txt|xml|yml)$"
)


def text() -> str:
    """The whole file."""
    # Trees of a hundred thousand lines are no cycles; looking for some in them takes half of the time.
    gc.disable()
    try:
        return _text()
    finally:
        gc.enable()


def _text() -> str:
    modules = list(seams.modules())
    source = Source(modules)
    sections: dict[str, Iterable[str]] = {}
    sections |= _slack(source)
    sections |= _said(source)
    sections["notices"] = _notices(modules)
    sections |= _jobs()
    sections["subject types"] = seams.SUBJECTS
    sections["values of enums"] = _enums(modules)
    sections["words with dots"] = _words_with_dots(source)
    sections["problem codes of the API"] = _codes(source)
    sections |= _files(modules)
    sections |= _tables(modules)
    sections["migrations"] = [path.stem for path in seams.MIGRATIONS.glob("[0-9]*.py")]
    sections["commands"] = _commands(typer.main.get_command(seams.COMMANDS), "mlgov")
    sections["settings"] = _settings()
    sections["metrics"] = _metrics()
    with seams.running() as (bot, database):
        document = bot.api.openapi()
        sections["API"] = _api(document)
        sections["operations and schemas of the API"] = _api_names(document)
        with database.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT type, name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
            )
            sections["triggers"] = [f"{name} on {table}" for _, name, table in rows]
    parts = [_ABOUT]
    for name, lines in sections.items():
        parts.append(f"\n## {name}\n")
        parts += [f"{line}\n" for line in sorted(set(lines))]
    return "".join(parts)


# --- Slack


def _slack(source: Source) -> dict[str, Iterable[str]]:
    router = seams.ROUTER()
    open_ = router.anybody
    commands = [
        f"/mlgov {word.usage}{_anybody(open_, 'command', name)}"
        for name, word in router.words.items()
    ]
    ids: dict[str, set[str]] = {}
    for key in ("action_id", "block_id", "callback_id", "event_type"):
        ids[key] = source.said(source.parameters(key)) | source.under(key)
    asked = {
        seams.BLOCK_OF(name)
        for form in _classes(source.trees, lambda kind: issubclass(kind, BaseModel))
        for name in seams.INPUTS_OF(form)
    }
    # What is typed, a day and a person are asked for by an element that is called as its block.
    ids["block_id"] |= asked
    ids["action_id"] |= asked
    carried = [
        f"{kind} {name}: {', '.join(_hint(_hints(carries)[part.name]) for part in _fields(carries)) or 'nothing'}"
        for (kind, name), carries in router.carried.items()
    ]
    return {
        "slash commands": commands,
        "actions answered": _answered(router, "click", router.actions),
        "windows answered": _answered(router, "submission", router.submissions),
        "shortcuts answered": _answered(router, "shortcut", router.shortcuts),
        "menus searched": _answered(router, "search", router.searches),
        "notices whose thread is answered": _answered(router, "reply", router.replies),
        "action ids shown": ids["action_id"],
        "block ids shown": ids["block_id"],
        "callback ids shown": ids["callback_id"],
        "what buttons and windows carry, in order": carried,
        "metadata of messages": ids["event_type"]
        | {f"event_payload: {key}" for key in _keys_under(source, "event_payload")},
    }


def _answered(router: Any, kind: str, table: Mapping[str, object]) -> list[str]:
    return [f"{name}{_anybody(router.anybody, kind, name)}" for name in table]


def _anybody(open_: Mapping[Any, str], kind: str, name: str) -> str:
    return "  (for anybody)" if (kind, name) in open_ else ""


def _keys_under(source: Source, name: str) -> set[str]:
    """Keys of dictionaries that are written out under one key of another."""
    found: set[str] = set()
    for nodes in source.nodes.values():
        for node in nodes:
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    is_named = isinstance(key, ast.Constant) and key.value == name
                    if is_named and isinstance(value, ast.Dict):
                        found |= {str(k.value) for k in value.keys if isinstance(k, ast.Constant)}
    return found


# --- the ledger, the outbox and what falls due


def _said(source: Source) -> dict[str, Iterable[str]]:
    made: dict[str, Iterable[str]] = {}
    for section, seeds in seams.SAID_BY.items():
        wanted = [(where, name) for thing, name in seeds if (where := place(thing))]
        made[section] = source.said(wanted)
    facts: set[str] = set()
    for call in source.calls:
        if call.callee in seams.FACTS:
            facts |= call.more.keys()
    made["facts on the ledger"] = facts
    return made


def _notices(modules: list[types.ModuleType]) -> Iterator[str]:
    renderers = {renderer.notice for renderer in seams.RENDERERS}
    for kind in _classes(modules, lambda each: issubclass(each, seams.NOTICE)):
        fields = [f"{field.name}: {_hint(_hints(kind)[field.name])}" for field in _fields(kind)]
        shown = "" if kind in renderers else "  (no message)"
        if kind.kind:
            yield f"{kind.kind} v{kind.version}: {', '.join(fields)}{shown}"


def _jobs() -> dict[str, Iterable[str]]:
    registry = seams.REGISTRY
    daily = {name: f"daily {at}" for name, at in registry.daily.items()}
    weekly = {name: f"weekly on {day}, {at}" for name, (day, at) in registry.weekly.items()}
    when = daily | weekly
    return {
        "timers": [
            f"{kind}{'  (made beforehand)' if kind in registry.prepare else ''}"
            for kind in registry.timers
        ],
        "schedules": [f"{kind}  {when.get(kind, '')}".rstrip() for kind in registry.schedules],
        "watchers": registry.watchers,
        "long work": registry.long,
        "subjects that are locked": registry.locks,
    }


def _enums(modules: list[types.ModuleType]) -> Iterator[str]:
    """By their values alone, since only these are kept."""
    for kind in _classes(modules, lambda each: issubclass(each, enum.Enum)):
        values = [member.value for member in kind]
        if values and all(isinstance(value, str) for value in values):
            yield " | ".join(sorted(values))


def _words_with_dots(source: Source) -> set[str]:
    """Every text of ours that looks like an id (`approval.decided`), wherever it stands."""
    names = {name for module in source.trees for name in _ends(module.__name__)}
    found: set[str] = set()
    for nodes in source.nodes.values():
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else HOLE
                    for part in node.values
                )
                found.add("".join(parts))
    return {
        word
        for word in found
        if _ID_LIKE.fullmatch(word) and not _FILE_LIKE.search(word) and word not in names
    }


def _ends(name: str) -> Iterator[str]:
    parts = name.split(".")
    for start in range(len(parts) - 1):
        yield ".".join(parts[start:])


def _codes(source: Source) -> set[str]:
    """Also those that stand in tables of an error class, an HTTP status and a code."""
    found = source.said(source.parameters("code"))
    for module in source.trees:
        for value in vars(module).values():
            for row in value if isinstance(value, tuple) else ():
                if isinstance(row, tuple) and len(row) == 3 and isinstance(row[0], type):
                    found |= {each for each in row if isinstance(each, str)}
    return {code for code in found if re.fullmatch(r"[a-z{}][a-z0-9{}_-]+", code)}


# --- files that people write


def _files(modules: list[types.ModuleType]) -> dict[str, Iterable[str]]:
    models = list(_classes(modules, lambda each: issubclass(each, BaseModel)))
    shapes = {"policy": {"organisation", "gates", "channels"}, "rubric": {"version", "dimensions"}}
    found: dict[str, Iterable[str]] = {}
    for name, fields in shapes.items():
        (root,) = [model for model in models if fields <= model.model_fields.keys()]
        found[f"{name} file"] = _paths(root, "")
    tables = {}
    for module in modules:
        for value in vars(module).values():
            aliases = getattr(value, "aliases", None)
            kind = getattr(value, "kind", None)
            if isinstance(aliases, Mapping) and isinstance(kind, str) and place(type(value)):
                tables[kind] = value
    found["headings of imported tables"] = [
        f"{kind}.{name}: {' | '.join(others)}".rstrip(": ")
        for kind, value in tables.items()
        for name, others in value.aliases.items()
    ]
    return found


def _paths(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        at = f"{path}.{field.alias or name}".lstrip(".")
        default = (
            ""
            if field.is_required()
            else f" = {_default(field.get_default(call_default_factory=True))}"
        )
        inner = list(_models(field.annotation))
        bounds = "".join(f" {each}" for each in _bounds(field.metadata))
        yield f"{at}: {_hint(field.annotation)}{bounds}{'' if inner else default}"
        for each, more in inner:
            yield from _paths(each, f"{at}{more}")


def _bounds(metadata: Iterable[Any]) -> Iterator[str]:
    for each in metadata:
        if type(each).__module__ == "annotated_types":
            yield re.sub(r"\w+\((.*)\)", r"(\1)", repr(each))


def _models(hint: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """Models inside a type, and where: `[]` in a list, `.*` in a mapping."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint, ""
    elif inspect.isclass(origin) and issubclass(origin, Mapping):
        yield from ((model, f".*{more}") for model, more in _models(arguments[1]))
    elif origin in (list, tuple, set, frozenset):
        yield from ((model, f"[]{more}") for each in arguments for model, more in _models(each))
    elif arguments and origin is not typing.Literal:
        for each in arguments:
            yield from _models(each)


def _default(value: Any) -> str:
    if isinstance(value, BaseModel) or place(type(value)):
        return str(value) if not isinstance(value, BaseModel) else "…"
    return repr(value)


def _hint(hint: Any) -> str:
    """A type without the names that we gave it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _hint(arguments[0])
    if origin is typing.Literal:
        return " | ".join(sorted(repr(value) for value in arguments))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(sorted(_hint(each) for each in arguments))
    if origin is not None:
        inside = ", ".join("…" if each is Ellipsis else _hint(each) for each in arguments)
        return f"{getattr(origin, '__name__', origin)}[{inside}]"
    if hint is None or hint is type(None):
        return "none"
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return " | ".join(sorted(str(member.value) for member in hint))
        if issubclass(hint, BaseModel):
            return "object"
        if dataclasses.is_dataclass(hint) and place(hint):
            parts = (f"{field.name}: {_hint(_hints(hint)[field.name])}" for field in _fields(hint))
            return f"({', '.join(parts)})"
        return hint.__name__ if hint.__module__.partition(".")[0] not in OURS else "text"
    if isinstance(hint, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        return _hint(hint.__value__)
    if supertype := getattr(hint, "__supertype__", None):
        return _hint(supertype)
    return str(hint)


def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=False)


def _fields(kind: Any) -> tuple[Any, ...]:
    return dataclasses.fields(kind)


def _classes(modules: Iterable[types.ModuleType], fits: Callable[[Any], bool]) -> Iterator[Any]:
    seen: set[type] = set()
    for module in modules:
        for value in vars(module).values():
            is_own = isinstance(value, type) and value.__module__ == module.__name__
            if is_own and value not in seen and fits(value):
                seen.add(value)
                yield value


# --- the database


def _tables(modules: list[types.ModuleType]) -> dict[str, Iterable[str]]:
    known = {
        id(value): value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and isinstance(getattr(value, "metadata", None), MetaData)
    }
    (metadata,) = {id(meta): meta for each in known.values() for meta in [_metadata(each)]}.values()
    columns: list[str] = []
    constraints: list[str] = []
    for table in metadata.sorted_tables:
        for column in table.columns:
            type_ = column.type.compile(dialect=sqlite.dialect())
            default = getattr(getattr(column.server_default, "arg", None), "text", None) or getattr(
                column.server_default, "arg", None
            )
            targets = sorted(
                f"{key.target_fullname} on delete {key.ondelete or 'no action'}"
                for key in column.foreign_keys
            )
            columns.append(
                f"{table.name}.{column.name}: {type_}"
                + ("" if column.nullable else " not null")
                + (" primary key" if column.primary_key else "")
                + (f" default {default}" if default is not None else "")
                + "".join(f" → {target}" for target in targets)
            )
        constraints_of: list[Any] = list(table.constraints)
        for constraint in constraints_of:
            names = ", ".join(column.name for column in constraint.columns)
            said = (
                f" {' '.join(str(constraint.sqltext).split())}"
                if isinstance(constraint, CheckConstraint)
                else ""
            )
            kind = type(constraint).__name__
            constraints.append(f"{table.name}: {constraint.name or '-'} {kind} ({names}){said}")
        constraints += [
            " ".join(str(CreateIndex(index).compile(dialect=sqlite.dialect())).split())
            for index in table.indexes
        ]
    return {"columns": columns, "constraints and indexes": constraints}


def _metadata(mapped: Any) -> MetaData:
    found: MetaData = mapped.metadata
    return found


# --- programs


def _commands(command: Any, path: str) -> Iterator[str]:
    """Each command, its arguments and its options."""
    if command.hidden:
        path += "  (hidden)"
    yield path
    for parameter in command.params:
        names = "/".join([*parameter.opts, *parameter.secondary_opts])
        if parameter.param_type_name == "argument":
            names = f"<{names}>"
        if parameter.name == "help":
            continue
        type_ = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        default = parameter.default
        shown = (
            ""
            if default is None or callable(default)
            else f" = {getattr(default, 'value', default)!r}"
        )
        variable = f" or {parameter.envvar}" if parameter.envvar else ""
        required = " (required)" if parameter.required else ""
        yield f"{path} {names}: {_hint(type_)}{required}{shown}{variable}"
    for name, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, f"{path} {name}")


def _settings() -> Iterator[str]:
    for name, field in seams.SETTINGS.model_fields.items():
        bounds = "".join(f" {each}" for each in _bounds(field.metadata))
        yield f"{name.upper()}: {_hint(field.annotation)}{bounds} = {field.default!s}"
    for name in seams.SECRETS:
        yield f"{name}_FILE: Path"


def _metrics() -> Iterator[str]:
    metrics: list[Any] = list(seams.METRICS._collector_to_names)
    for metric in metrics:
        labels = getattr(metric, "_labelnames", ())
        for described in metric.collect() if not labels else metric.describe():
            yield f"{described.name} {described.type}({', '.join(labels)})"
    for name, gauge in seams.GAUGES.items():
        yield f"mlgov_{name} gauge({gauge.label})"


def _api(document: Mapping[str, Any]) -> Iterator[str]:
    """Each path with its parameters, and every field of bodies and answers, whatever their schemas are called."""
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            at = f"{method.upper()} {path}"
            yield at
            for parameter in operation.get("parameters", ()):
                need = " (required)" if parameter.get("required") else ""
                kind = _kind(parameter["schema"], schemas)
                yield f"{at} {parameter['in']} {parameter['name']}: {kind}{need}"
            bodies = operation.get("requestBody", {}).get("content", {})
            for media, body in bodies.items():
                yield from _schema(body["schema"], schemas, f"{at} < {media} ")
            for status, answer in operation["responses"].items():
                yield f"{at} > {status}"
                for media, body in answer.get("content", {}).items():
                    # A problem is the same everywhere.
                    if media != "application/problem+json":
                        yield from _schema(
                            body.get("schema", {}), schemas, f"{at} > {status} {media} "
                        )
    yield from _schema(schemas["Problem"], schemas, "application/problem+json ")


def _api_names(document: Mapping[str, Any]) -> Iterator[str]:
    """What clients that are generated call things by: ids of operations, and names of schemas where they are used.

    FastAPI makes them of the names of functions and classes. Whoever renames a function gives its endpoint the old id
    (`operation_id=…`), and whoever renames a form or a record gives its endpoint a subclass of the old name.
    """
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            at = f"{method.upper()} {path}"
            tags = ", ".join(operation["tags"])
            yield f"{at}: {operation['operationId']} ({tags}: {operation['summary'].strip()})"
            for used in _references(operation.get("requestBody", {})):
                yield f"{at} < {used}"
            for status, answer in operation["responses"].items():
                yield from (
                    f"{at} > {status} {used}" for used in _references(answer) if used != "Problem"
                )
    for name, schema in document["components"]["schemas"].items():
        yield name
        for field, each in schema.get("properties", {}).items():
            yield from (f"{name}.{field}: {used}" for used in _references(each))


def _references(schema: Any) -> Iterator[str]:
    """Names of the schemas to which a part of the document refers."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for each in schema.values():
            yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)


def _schema(schema: Any, schemas: Any, path: str, inside: tuple[str, ...] = ()) -> Iterator[str]:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        if name not in inside:
            yield from _schema(schemas[name], schemas, path, (*inside, name))
        return
    for key in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(key, ()):
            yield from _schema(each, schemas, path, inside)
    if "items" in schema:
        yield from _schema(schema["items"], schemas, f"{path}[]", inside)
    if isinstance(more := schema.get("additionalProperties"), dict):
        yield from _schema(more, schemas, f"{path}.*", inside)
    required = set(schema.get("required", ()))
    for name, each in schema.get("properties", {}).items():
        at = f"{path}.{name}"
        need = " (required)" if name in required else ""
        default = f" = {each['default']!r}" if "default" in each else ""
        yield f"{at}: {_kind(each, schemas)}{need}{default}"
        yield from _schema(each, schemas, at, inside)


def _kind(schema: Any, schemas: Any) -> str:
    if reference := schema.get("$ref"):
        return _kind(schemas[reference.rpartition("/")[2]], schemas)
    parts = {
        _kind(each, schemas) for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, ())
    }
    if parts:
        return " | ".join(sorted(parts))
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values:
        return " | ".join(sorted(map(str, values)))
    bounds = "".join(
        f" {key}={schema[key]}"
        for key in (
            "format",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "pattern",
        )
        if key in schema
    )
    name = str(schema.get("type", "anything"))
    if name == "array" and "items" in schema:
        name = f"array of {_kind(schema['items'], schemas)}"
    return name + bounds
