"""What a command loads before it does anything: typer and our own light modules, so that `mlgov --help` is quick."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"bot", "workflows", "storage", "sandbox"}
HEAVY = {
    "alembic",
    "cel_expr_python",
    "duckdb",
    "fastapi",
    "matplotlib",
    "numpy",
    "pandas",
    "pydantic",
    "slack_bolt",
    "slack_sdk",
    "sqlalchemy",
}


def loaded(module: str) -> Iterator[str]:
    """What a module imports as it is loaded itself: not inside functions, nor for the reader of types."""
    path = ROOT / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    statements = list(ast.parse(file.read_text(encoding="utf-8")).body)
    for node in statements:
        if isinstance(node, ast.Try):
            statements += node.body
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_a_command_starts_with_nothing_heavy() -> None:
    waiting, through = ["bot.cli.main"], {"bot.cli.main": "mlgov"}
    for module in waiting:
        for name in loaded(module):
            top = name.partition(".")[0]
            assert top not in HEAVY, f"{module}, loaded by {through[module]}, loads {top}"
            if top not in OURS:
                continue
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                part = ".".join(parts[:length])
                if part not in through and is_module(part):
                    through[part] = module
                    waiting.append(part)
    assert len(waiting) > 15, "it looks through the commands of every noun"
