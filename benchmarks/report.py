"""A benchmark's result: a table to read, the ratios that have an aim, and a JSON file to compare."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
WIDTH = 110


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure with an aim: `value` is held against `aim`, which is its least or its most."""

    name: str
    value: float
    aim: float | None = None
    is_least: bool = False
    unit: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.is_least else self.value <= self.aim

    @property
    def words(self) -> str:
        """The figure beside its aim, as one line."""
        text = f"{self.name}: {figure(self.value)}{self.unit}"
        if self.aim is None:
            return text
        bound = "at least" if self.is_least else "at most"
        verdict = "met" if self.is_met else "MISSED"
        return f"{text} (aim: {bound} {figure(self.aim)}{self.unit}) {verdict}"


@dataclass(slots=True)
class Report:
    """What one benchmark found. The first column of `rows` names what was measured."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def show(self) -> None:
        """Print the table, then the ratios."""
        console = Console(width=WIDTH, highlight=False, markup=False)
        table = Table(box=box.SIMPLE_HEAD, title=self.title, title_justify="left")
        for position, heading in enumerate(self.columns):
            table.add_column(
                heading, justify="left" if position == 0 else "right", no_wrap=position > 0
            )
        for row in self.rows:
            table.add_row(*(cell if isinstance(cell, str) else figure(cell) for cell in row))
        console.print(table)
        for ratio in self.ratios:
            console.print(f"  {ratio.words}")
        for note in self.notes:
            console.print(f"  {note}")
        console.print()

    def save(self, *, small: bool) -> Path:
        """Write it to `benchmarks/results`, with the machine and the moment."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}{'-small' if small else ''}.json"
        content = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "system": f"{platform.system()} {platform.machine()}",
                "load": os.getloadavg()[0],
            },
            "ratios": [asdict(ratio) | {"is_met": ratio.is_met} for ratio in self.ratios],
            "columns": self.columns,
            "rows": self.rows,
            "notes": self.notes,
            "raw": self.raw,
        }
        path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        return path


def figure(value: Any) -> str:
    """A number as people read it: three significant digits, thousands grouped."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie; the nearest one that was measured."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
