"""How the house is to live in, measured from its source: each measure gives the places that count against it."""

import ast
import functools
import gc
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("bot", "workflows", "storage", "sandbox")

SMALL = 40
"""Lines below which a file asks to be joined to its neighbour."""
RUN = 12
"""Lines that may be the same at two places."""
VAGUE = frozenset({"one", "found", "told", "said", "shown", "held", "made"})
"""Names that do not say what a thing is."""
SURFACE = re.compile(
    r"Slack|/mlgov|\b[Bb]uttons?\b|(?<!\bmodel )(?<!\bModel )\b[Cc]ards?\b|\b[Ww]indows?\b(?!-1252)|\b[Mm]odals?\b"
)
"""Words for one surface, where the API and the command line read the same text; Windows-1252 is an encoding's name."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of Python, as it was read: `path` from the root on, and the module's name."""

    path: str
    lines: tuple[str, ...]
    nodes: tuple[ast.AST, ...]

    @property
    def module(self) -> str:
        """As it is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def counts(self) -> bool:
        """Whether it is a room: packages' own files and migrations are none."""
        return not self.path.endswith("__init__.py") and "/migrations/" not in self.path


@functools.cache
def sources() -> tuple[File, ...]:
    """Every file of ours, read once."""
    gc.disable()  # so many trees are no cycles, and looking for some in them takes as long as reading
    try:
        return tuple(
            File(
                path.relative_to(ROOT).as_posix(),
                tuple(text.splitlines()),
                tuple(ast.walk(ast.parse(text))),
            )
            for folder in OURS
            for path in sorted((ROOT / folder).rglob("*.py"))
            for text in [path.read_text(encoding="utf-8")]
        )
    finally:
        gc.enable()


def rooms() -> list[File]:
    """The files that count."""
    return [file for file in sources() if file.counts]


def files() -> list[str]:
    """All files."""
    return [file.path for file in rooms()]


def small_files() -> list[str]:
    """Files of so few lines that a reader opens them for one thought."""
    return [f"{file.path} ({len(file.lines)} lines)" for file in rooms() if len(file.lines) < SMALL]


def small_share() -> float:
    """Their share of all files, in per cent."""
    return 100 * len(small_files()) / len(files())


def lines() -> int:
    """Lines of Python of ours, migrations and packages' own files included; formatted, so that they compare."""
    return sum(len(file.lines) for file in sources())


# --- the same lines at two places


def repeated() -> list[str]:
    """Runs of more than RUN lines that stand at two places, longest first; imports and blank lines do not count."""
    texts = [(file.path, _lines_that_count(file)) for file in rooms()]
    places: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, (_, counted) in enumerate(texts):
        words = [text for _, text in counted]
        for start in range(len(words) - RUN):
            places[tuple(words[start : start + RUN + 1])].append((number, start))
    shared = {
        (first, second)
        for where in places.values()
        for place, first in enumerate(where)
        for second in where[place + 1 :]
    }
    found: list[tuple[int, str]] = []
    for first, second in sorted(shared):
        (a, at), (b, there) = first, second
        if ((a, at - 1), (b, there - 1)) in shared:
            continue  # a part of the run that began before
        length = RUN + 1
        while ((a, at + length - RUN), (b, there + length - RUN)) in shared:
            length += 1
        begins = f"{texts[a][0]}:{texts[a][1][at][0]}"
        again = f"{texts[b][0]}:{texts[b][1][there][0]}"
        found.append((length, f"{begins} = {again} ({length} lines)"))
    return [words for _, words in sorted(found, reverse=True)]


def _lines_that_count(file: File) -> list[tuple[int, str]]:
    imported = {
        number
        for node in file.nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return [
        (number, line.strip())
        for number, line in enumerate(file.lines, 1)
        if line.strip() and number not in imported
    ]


# --- names and types


def vague_names() -> list[str]:
    """Where a variable or an argument outside a comprehension has a name that says nothing."""
    found = []
    for file in sources():
        inside = {
            target
            for node in file.nodes
            if isinstance(node, ast.comprehension)
            for target in ast.walk(node.target)
        }
        for node in file.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id if node not in inside else ""
            else:
                name = node.arg if isinstance(node, ast.arg) else ""
            if name in VAGUE:
                found.append(f"{file.path}:{getattr(node, 'lineno', 0)} {name}")
    return found


FOREIGN = frozenset({"workflows/sources/focus/engine.py"})
"""Where rows are DuckDB's, of a bill that somebody brings: its reader gives them their types."""
_HOLDERS = frozenset(
    {"list", "set", "frozenset", "tuple", "Sequence", "Collection", "Iterable", "Iterator"}
)
"""What holds rows. A document (`dict[str, Any]`) holds none, and a `Table[Any, Any]` is that of whatever noun."""


def untyped_rows() -> list[str]:
    """Arguments, answers and fields in workflows that are Any, or many of it; and what storage answers as SQLAlchemy's
    own rows, whose columns are Any to whoever reads them by name.
    """
    found = []
    for file in sources():
        if file.path in FOREIGN:
            continue
        for node in file.nodes:
            if file.path.startswith("workflows/"):
                hints = [(*each, "Any") for each in _hints(node)]
            elif file.path.startswith("storage/") and isinstance(node, ast.FunctionDef):
                hints = [("answers", node.returns, "Row")] if node.name[0] != "_" else []
            else:
                continue
            found += [
                f"{file.path}:{getattr(node, 'lineno', 0)} {name}: {ast.unparse(hint)}"
                for name, hint, what in hints
                if hint is not None and _holds(hint, what)
            ]
    return found


def _hints(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    if isinstance(node, ast.AnnAssign):
        return [(ast.unparse(node.target), node.annotation)]
    if not isinstance(node, ast.FunctionDef):
        return []
    if any("validator" in ast.unparse(each) for each in node.decorator_list):
        return []  # what a validator is given may be anything
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [*((each.arg, each.annotation) for each in arguments), ("answers", node.returns)]


def _holds(hint: ast.expr, what: str) -> bool:
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        return _holds(ast.parse(hint.value, mode="eval").body, what)
    if isinstance(hint, ast.Name):
        return hint.id == what
    if isinstance(hint, ast.BinOp):
        return _holds(hint.left, what) or _holds(hint.right, what)
    if isinstance(hint, ast.Tuple):
        return any(_holds(each, what) for each in hint.elts)
    if isinstance(hint, ast.Subscript):
        holder = ast.unparse(hint.value)
        return holder == what or (holder in _HOLDERS and _holds(hint.slice, what))
    return False


# --- who imports whom


Graph = dict[str, set[str]]


def imports(*, for_types: bool) -> Graph:
    """Which module of ours imports which; `for_types` also what only a type checker imports."""
    known = {file.module for file in sources()}
    graph: Graph = {module: set() for module in known}
    for file in sources():
        if "/migrations/" in file.path:
            continue
        apart = set() if for_types else set(_only_for_types(file.nodes))
        for node in file.nodes:
            if node in apart:
                continue
            graph[file.module].update(set(_imported(node, known)) - {file.module})
    return graph


def _only_for_types(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for each in node.body:
                yield from ast.walk(each)


def _imported(node: ast.AST, known: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            if inner in known:
                yield inner
            elif node.module in known:
                yield node.module


def circles(graph: Graph) -> list[list[str]]:
    """Modules that import each other, directly or through others: the strongly connected parts (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            part = []
            while True:
                part.append(stack.pop())
                if part[-1] == module:
                    break
            if len(part) > 1:
                found.append(sorted(part))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return sorted(found)


def circles_at_run_time() -> list[str]:
    """Circles of imports that run, also those inside functions."""
    return [" ↔ ".join(part) for part in circles(imports(for_types=False))]


def circles_for_types() -> list[str]:
    """Circles that only a type checker walks, outside the demo and the sandbox."""
    return [
        " ↔ ".join(part)
        for part in circles(imports(for_types=True))
        if not all(".demo" in name or name.startswith("sandbox") for name in part)
    ]


# --- words


def surface_words() -> list[str]:
    """Texts in workflows that name one surface: what people read there must fit every one."""
    found = []
    for file in sources():
        if not file.path.startswith("workflows/"):
            continue
        for line, text in _texts(file.nodes):
            words = sorted(set(SURFACE.findall(text)))
            if words and " " in text.strip():
                found.append(f"{file.path}:{line} {', '.join(words)}: {text[:100]}")
    return found


def _texts(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Every text that is no documentation, with its line; an f-string as one text."""
    apart: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            apart.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            apart.update(each for each in ast.walk(node) if isinstance(each, ast.Constant))
            parts = (
                str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values
            )
            yield node.lineno, "".join(parts)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in apart:
            yield node.lineno, node.value


# --- all of them


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured, the places that count, the most there may be now, and what it is to become."""

    name: str
    places: Callable[[], Iterable[str]]
    most: int
    goal: int


MEASURES = (
    Measure("files", files, 438, 450),
    Measure("files under 40 lines", small_files, 25, 32),
    Measure("runs of more than 12 identical lines", repeated, 0, 0),
    Measure("names that say nothing", vague_names, 34, 99),
    Measure("rows of the database without a type", untyped_rows, 0, 0),
    Measure("import circles at run time", circles_at_run_time, 0, 0),
    Measure("import circles for types", circles_for_types, 2, 0),
    Measure("words for one surface in workflows", surface_words, 0, 0),
)
"""`most` may only fall; files grow with a new noun, by about a dozen. Of the files under 40 lines the goal is 8 % of all."""
