"""What only the source says: the texts that are given to certain arguments, wherever and through whatever they are given.

A call is told by the object that it calls, never by its name or its file, so that moving and renaming changes nothing.
"""

import ast
import enum
import functools
import importlib
import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = ("bot", "workflows", "storage")
HOLE = "{}"
"""Stands for what a text is given at run time."""

Place = tuple[str, str]
"""A function or class: module and qualified name."""


def place(thing: Any) -> Place | None:
    """Where a function or class of ours is defined."""
    thing = inspect.unwrap(getattr(thing, "__func__", thing)) if callable(thing) else thing
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    return (module, name) if module.partition(".")[0] in OURS else None


@functools.cache
def _signature(thing: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):
        return None


@dataclass(slots=True)
class Scope:
    """The function around a call."""

    module: ModuleType
    qualname: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    """Whose argument each name is, for functions inside functions, too."""
    locals: dict[str, list[ast.expr]] = field(default_factory=dict)
    """What each local name is bound to, all of it."""
    imports: dict[str, Any] = field(default_factory=dict)
    is_class: bool = False


@dataclass(slots=True)
class Call:
    """A call of something of ours."""

    callee: Any
    arguments: dict[str, ast.expr]
    more: dict[str, ast.expr]
    """What goes into `**facts`."""
    scope: Scope


class Source:
    """All modules of ours, read once."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.trees = {
            module: ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
            for module in modules
            if module.__file__
        }
        self.nodes = {module: list(ast.walk(tree)) for module, tree in self.trees.items()}
        self.calls: list[Call] = []
        self._reach: dict[tuple[Place, str], list[tuple[Call, ast.expr]]] = defaultdict(list)
        self._under: dict[str, list[tuple[ast.expr, Scope]]] = defaultdict(list)
        for module, tree in self.trees.items():
            self._read(tree, Scope(module, imports=_imports(self.nodes[module])))

    def _read(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                name = getattr(child, "name", "<lambda>")
                inside = _inside(child, scope, _nested(scope, name))
                self._read(child, inside)
                continue
            if isinstance(child, ast.ClassDef):
                inside = Scope(
                    scope.module,
                    _nested(scope, child.name),
                    scope.parameters,
                    imports=scope.imports,
                    is_class=True,
                )
                self._read(child, inside)
                continue
            if isinstance(child, ast.Call):
                self._call(child, scope)
            elif isinstance(child, ast.Dict):
                for key, value in zip(child.keys, child.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        self._under[key.value].append((value, scope))
            self._read(child, scope)

    def _call(self, node: ast.Call, scope: Scope) -> None:
        callee = self.resolve(node.func, scope)
        if isinstance(callee, functools.partial):
            callee = callee.func
        if callee is None or place(callee) is None or not callable(callee):
            return
        signature = _signature(callee)
        if signature is None:
            return
        positional = list(itertools.takewhile(lambda a: not isinstance(a, ast.Starred), node.args))
        named = {word.arg: word.value for word in node.keywords if word.arg}
        try:
            bound = signature.bind_partial(*positional, **named).arguments
        except TypeError:
            return
        more: dict[str, ast.expr] = {}
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                more = bound.pop(name, {})
            elif parameter.kind is parameter.VAR_POSITIONAL:
                bound.pop(name, None)
        call = Call(callee, dict(bound), more, scope)
        self.calls.append(call)
        if where := place(callee):
            for name, value in (call.arguments | more).items():
                self._reach[where, name].append((call, value))

    def resolve(self, node: ast.expr, scope: Scope) -> Any:
        """The object that an expression names; None where only the run time knows."""
        if isinstance(node, ast.Name):
            if node.id in scope.parameters:
                return None
            if node.id in scope.imports:
                return scope.imports[node.id]
            return vars(scope.module).get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value, scope)
            if owner is None:
                return None
            if isinstance(owner, ModuleType | type):
                return getattr(owner, node.attr, None)
            return getattr(owner, node.attr, None) if _is_settled(owner) else None
        return None

    def texts(self, node: ast.expr, scope: Scope, deep: int = 0) -> set[str]:
        """Every text that an expression can be, with holes for what the run time fills in; empty when nothing is known."""
        if deep > 6:
            return set()
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        if isinstance(node, ast.JoinedStr):
            return self._joined(node, scope, deep)
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, scope, deep + 1) | self.texts(node.orelse, scope, deep + 1)
        if isinstance(node, ast.BoolOp):
            return set().union(*(self.texts(value, scope, deep + 1) for value in node.values))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = self.texts(node.left, scope, deep + 1) or {HOLE}
            right = self.texts(node.right, scope, deep + 1) or {HOLE}
            return {a + b for a in left for b in right} - {HOLE + HOLE}
        if isinstance(node, ast.NamedExpr):
            return self.texts(node.value, scope, deep + 1)
        if isinstance(node, ast.Subscript):
            table = self.resolve(node.value, scope)
            values = table.values() if isinstance(table, dict) else ()
            return {str(value) for value in values if isinstance(value, str)}
        if isinstance(node, ast.Attribute) and node.attr == "value":
            return self.texts(node.value, scope, deep + 1)
        if isinstance(node, ast.Name) and node.id in scope.locals:
            return set().union(
                *(self.texts(value, scope, deep + 1) for value in scope.locals[node.id])
            )
        if reached := _argument(node, scope):
            given = self._reach.get(reached, ())
            return set().union(*(self.texts(value, call.scope, deep + 1) for call, value in given))
        found = self.resolve(node, scope)
        if isinstance(found, enum.Enum):
            found = found.value
        return {found} if isinstance(found, str) else set()

    def _joined(self, node: ast.JoinedStr, scope: Scope, deep: int) -> set[str]:
        parts: list[set[str]] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                known = self.texts(part.value, scope, deep + 1) if not part.format_spec else set()
                parts.append(known or {HOLE})
            else:
                parts.append(self.texts(part, scope, deep + 1))
        return {"".join(each) for each in itertools.product(*parts)}

    def said(self, seeds: Iterable[tuple[Place, str]]) -> set[str]:
        """Every text that reaches one of these arguments, through functions of ours that hand on what they are given."""
        return {
            text
            for seed in set(seeds)
            for call, value in self._reach.get(seed, ())
            for text in self.texts(value, call.scope)
            if text.strip(HOLE)
        }

    def under(self, key: str) -> set[str]:
        """Every text under a key of a written-out dictionary."""
        return {
            text
            for value, scope in self._under[key]
            for text in self.texts(value, scope)
            if text.strip(HOLE)
        }

    def parameters(self, *names: str) -> Iterator[tuple[Place, str]]:
        """Every argument of ours with one of these names."""
        return (each for each in self._reach if each[1] in names)


def _is_settled(owner: object) -> bool:
    """Whether what stands at an object does not depend on who asks."""
    return isinstance(owner, enum.Enum | str) or place(type(owner)) is not None


def _argument(node: ast.expr, scope: Scope) -> tuple[Place, str] | None:
    """Whose argument an expression is: of the function around it, or, as `self.name`, of its class."""
    module = scope.module.__name__
    if isinstance(node, ast.Name) and node.id in scope.parameters:
        return (module, scope.parameters[node.id]), node.id
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
        return (module, scope.qualname.rpartition(".")[0]), node.attr.lstrip("_")
    return None


def _nested(scope: Scope, name: str) -> str:
    """The qualified name of a function in that scope."""
    if not scope.qualname:
        return name
    return f"{scope.qualname}.{name}" if scope.is_class else f"{scope.qualname}.<locals>.{name}"


def _inside(node: Any, outer: Scope, qualname: str) -> Scope:
    arguments = node.args
    names = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        *filter(None, [arguments.vararg, arguments.kwarg]),
    ]
    bound: dict[str, list[ast.expr]] = {name: list(values) for name, values in outer.locals.items()}
    for each in ast.walk(node):
        if isinstance(each, ast.Assign):
            for target in each.targets:
                for name, value in _targets(target, each.value):
                    bound.setdefault(name, []).append(value)
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value:
            bound.setdefault(each.target.id, []).append(each.value)
        elif isinstance(each, ast.For | ast.comprehension) and isinstance(
            each.iter, ast.Tuple | ast.List
        ):
            for element in each.iter.elts:
                for name, value in _targets(each.target, element):
                    bound.setdefault(name, []).append(value)
    parameters = {argument.arg for argument in names}
    return Scope(
        outer.module,
        qualname,
        outer.parameters | dict.fromkeys(parameters, qualname),
        {name: values for name, values in bound.items() if name not in parameters},
        outer.imports,
    )


def _targets(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _targets(one, its)


def _imports(nodes: Iterable[ast.AST]) -> dict[str, Any]:
    """What a module imports from ours, also inside functions or for types alone."""
    found: dict[str, Any] = {}
    for each in nodes:
        if isinstance(each, ast.ImportFrom) and (each.module or "").partition(".")[0] in OURS:
            for alias in each.names:
                owner = importlib.import_module(str(each.module))
                thing = getattr(owner, alias.name, None)
                found[alias.asname or alias.name] = thing
    return found
