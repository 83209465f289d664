"""What a running mlgov does by itself, nobody does for it: not a story, not the demo, not a benchmark.

A start that reads Slack, a clock hand that ticks, a registry that is looked at: where a test does such a thing by hand,
mlgov may never do it, and nobody notices. What there is of it is found in the code, so that the list cannot grow old.
"""

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from workflows import jobs
from workflows.job_runner import Registry, Watcher

ROOT = Path(__file__).parents[1]
WHOLE = (
    "tests/stories",
    "tests/page",
    "tests/demo",
    "tests/serving",
    "tests/api",
    "benchmarks",
    "bot/demo",
)
"""Where the whole bot runs, beside every file that builds one."""
BUILDS = ("bot.app", "bot.demo", "tests.stories.office", "tests.page.office")

ALLOWED = {
    "tests/people/directory": "the reading itself is tried there, without a bot around it",
    "tests/registry/test_mlflow.py": "one look after the other at a real MLflow is what is tried",
    "tests/api/test_prometheus.py": "one reading after the other of a real Prometheus is what is tried",
    "tests/api/test_readings.py": "when a reading is due, and when it is not, is what is tried",
    "tests/watching/test_metrics.py": "how a look that fails is counted is what is tried",
    "tests/registry/test_turns.py": "whose turn a look is, and what becomes of the other's, is what is tried",
    "tests/sight/world.py": "the question about what came is one of the things that are planted",
    "tests/stories/surroundings.py": "when Slack was read is part of the history that is tried",
    "benchmarks/standing.py": "each long job, beside people's clicks, is what is measured",
    "benchmarks/digests_ours.py": "making digests, beside nothing else, is what is measured",
    "bot/demo/organisation.py": "a leader ends a check-in of the past before its day, as leaders can",
}
"""Where work is done by hand all the same: unit tests of that very work."""


@functools.cache
def started() -> dict[str, set[str]]:
    """The methods that threads of a running bot call again and again, by how their object is called.

    They are what `Repeating` is given, and what is started by `Bot.start`.
    """
    found: dict[str, set[str]] = {"directory": set(), "reader": {"read"}, "scheduler": set()}
    owners = {"registry": "registrar", "inventory": "watch"}
    for path in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Repeating"
            ):
                work = node.args[1]
                assert isinstance(work, ast.Attribute), f"{path} repeats a mystery"
                found.setdefault(owners[path.parent.name], set()).add(work.attr)
    from bot.people.mirror import Reader
    from bot.scheduler import Scheduler
    from bot.slack.directory import Directory

    for name, kind in (("directory", Directory), ("reader", Reader), ("scheduler", Scheduler)):
        found[name] |= {
            method
            for method in vars(kind)
            if method.startswith(
                ("refresh", "_refresh", "read", "_round", "_read", "tick", "_tick", "_quietly")
            )
        }
    return found


@functools.cache
def _registered_here() -> frozenset[tuple[str, str]]:
    return frozenset(registered(jobs.REGISTRY))


def registered(registry: Registry) -> set[tuple[str, str]]:
    """(module, function) of all that the clock hand runs: each handler, and what it hands on to."""
    found: set[tuple[str, str]] = set()
    handlers = [*registry.timers.values(), *registry.schedules.values()]
    handlers += [watcher.run for watcher in registry.watchers.values()]
    handlers += [work.run for work in registry.long.values()]
    handlers += registry.prepare.values()
    for handler in handlers:
        found.add((handler.__module__, handler.__qualname__))
        # One that was made for an act hands on to that.
        found |= {
            (cell.cell_contents.__module__, cell.cell_contents.__qualname__)
            for cell in handler.__closure__ or ()
            if inspect.isfunction(cell.cell_contents)
        }
        tree = ast.parse(textwrap.dedent(inspect.getsource(handler)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called = handler.__globals__.get(node.func.id)
                if inspect.isfunction(called) and called.__module__.startswith("workflows."):
                    found.add((called.__module__, called.__name__))
                    found.add((handler.__module__, called.__name__))
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = node.func.value
            module = handler.__globals__.get(name.id) if isinstance(name, ast.Name) else None
            if isinstance(module, ModuleType) and module.__name__.startswith("workflows."):
                found.add((module.__name__, node.func.attr))
    return found - SHARED


SHARED = {
    ("workflows.audit.service", "record"),
    ("workflows.people.service", "actor"),
    ("workflows.outbox", "post"),
    ("workflows.outbox", "refresh"),
    ("workflows.outbox", "publish_homes"),
}
"""What others than the clock hand call all the time."""


def modules(tree: ast.Module) -> dict[str, str]:
    """Local name → module or member that it was imported as."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return found


def whole(folder: str, tree: ast.Module) -> bool:
    """Whether a whole bot runs in this file."""
    return folder.startswith(WHOLE) or any(
        name == one or name.startswith(f"{one}.")
        for name in modules(tree).values()
        for one in BUILDS
    )


def by_hand(path: Path, text: str) -> Iterator[str]:
    """What a file does for mlgov that mlgov does by itself."""
    tree = ast.parse(text)
    if not whole(path.as_posix(), tree) and not path.as_posix().startswith(
        "tests/people/directory"
    ):
        return
    names, clock, methods = modules(tree), _registered_here(), started()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in names:
            module, _, function = names[called.id].rpartition(".")
            if (module, function) in clock:
                yield f"{path}:{node.lineno} runs {module}.{function}"
        if not isinstance(called, ast.Attribute):
            continue
        holder = called.value
        last = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
        if called.attr in methods.get(last, ()):
            yield f"{path}:{node.lineno} calls {last}.{called.attr}"
        if isinstance(holder, ast.Name) and (names.get(holder.id, ""), called.attr) in clock:
            yield f"{path}:{node.lineno} runs {names[holder.id]}.{called.attr}"


def test_nobody_does_for_mlgov_what_it_does_by_itself() -> None:
    found: list[str] = []
    for folder in ("tests", "benchmarks", "bot/demo"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found += by_hand(path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    told = [line for line in found if not line.startswith(tuple(ALLOWED))]
    assert told == []
    for place in ALLOWED:
        assert any(line.startswith(place) for line in found), f"{place} needs no exception"


@pytest.mark.parametrize(
    "line",
    [
        "bot.deps.directory._refresh_groups()",
        "bot.deps.directory.reader.read(1, print)",
        "bot.scheduler._tick()",
        "bot.registrar.look(force=True)",
        "alerts.evaluate_all(database)",
        "evaluate_all(database)",
    ],
)
def test_it_would_be_found(line: str) -> None:
    text = (
        "from bot import app\n"
        "from workflows.budgets import alerts\n"
        "from workflows.budgets.alerts import evaluate_all\n"
        f"{line}\n"
    )
    assert list(by_hand(Path("tests/somewhere.py"), text))


def test_what_is_registered_is_known() -> None:
    assert started()["registrar"] == {"look"}
    assert started()["watch"] == {"read_due"}
    assert "read" in started()["reader"]
    assert ("workflows.budgets.alerts", "evaluate_all") in _registered_here()
    watcher = Watcher(lambda session: False, lambda ctx, real_now: None)
    assert registered(Registry(watchers={"one": watcher})) != set()
