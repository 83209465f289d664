"""The demo's people, projects and budgets, through the import that everybody uses."""

from pathlib import Path

from bot.context import Deps
from workflows import imports


def bring_in(deps: Deps, kind: str, path: Path) -> None:
    """Import one table. Raises RuntimeError when any row of it is refused."""
    report = imports.run(
        deps.db, imports.Request(kind, path), policy=deps.policy, org_key=deps.team.org_key
    )
    if report.refused:
        raise RuntimeError("\n".join(imports.lines(report)))
