"""Milestones over time: one row each, the day first planned, the day expected now, and today."""

import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

INK, QUIET, PLAN = "#1d2733", "#5c6670", "#9aa4ae"
COLOURS = {"on_track": "#0b5fa5", "at_risk": "#b36b00", "late": "#b3261e", "done": "#1d2733"}
MARKS = {"on_track": "D", "at_risk": "^", "late": "s", "done": "o"}
"""Shapes tell the states apart where colours do not."""
STATES = {"on_track": "on track", "at_risk": "at risk", "late": "late", "done": "done"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One milestone: `at` is the day it was met or is forecast, `expected` the first day on which it can be met."""

    label: str
    project: str
    baseline: date
    at: date
    expected: date
    state: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Milestones from top to bottom, as of `today`."""

    bars: tuple[Bar, ...]
    today: date

    @property
    def facts(self) -> object:
        """Everything that it shows."""
        return [
            "timeline",
            2,
            self.today.isoformat(),
            [
                [
                    bar.label,
                    bar.project,
                    bar.baseline.isoformat(),
                    bar.at.isoformat(),
                    bar.expected.isoformat(),
                    bar.state,
                ]
                for bar in self.bars
            ],
        ]

    def png(self) -> bytes:
        """Drawn for a phone's width: names above their rows, days and states beside their marks."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        height = 1.1 + 0.74 * len(self.bars)
        figure = Figure(figsize=(6.4, height), dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.04, 0.5 / height, 0.92, 1 - 0.85 / height))
        first, last = self._reach()
        axes.set_xlim(first.toordinal(), last.toordinal())
        axes.set_ylim(len(self.bars) - 0.35, -0.75)
        ticks = _ticks(first, last)
        axes.set_xticks([day.toordinal() for day, _ in ticks])
        axes.set_xticklabels([label for _, label in ticks])
        axes.tick_params(axis="x", colors=QUIET, labelsize=12)
        axes.set_yticks([])
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color("#d5d9de")
        axes.axvline(self.today.toordinal(), color=INK, linewidth=1.1, zorder=1)
        axes.text(
            self.today.toordinal(), -0.78, "today", color=INK, fontsize=12, ha="center", va="bottom"
        )
        for row, bar in enumerate(self.bars):
            self._row(axes, row, bar)
        out = io.BytesIO()
        figure.savefig(out, format="png", facecolor="white", metadata={"Software": ""})
        return out.getvalue()

    def _reach(self) -> tuple[date, date]:
        """The days that fit: all of them, with room for words on the right."""
        days = [day for bar in self.bars for day in (bar.baseline, bar.at, bar.expected)]
        first, last = min(*days, self.today), max(*days, self.today)
        length = max((last - first).days, 14)
        return first - timedelta(days=length // 25 + 1), last + timedelta(days=length * 3 // 5 + 3)

    def _row(self, axes: Any, row: int, bar: Bar) -> None:
        colour = COLOURS[bar.state]
        left, _ = axes.get_xlim()
        name = bar.label + (f" · {bar.project}" if bar.project else "")
        axes.axhline(row, color="#eef0f2", linewidth=1, zorder=0)
        axes.text(
            left,
            row - 0.2,
            name,
            color=INK,
            fontsize=13,
            ha="left",
            va="bottom",
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        base, at, expected = (day.toordinal() for day in (bar.baseline, bar.at, bar.expected))
        if base != at:
            axes.plot([base, at], [row, row], color=colour, linewidth=2.2, zorder=2)
            axes.plot(
                base,
                row,
                MARKS[bar.state],
                markersize=7,
                color=PLAN,
                markerfacecolor="white",
                markeredgewidth=1.6,
                zorder=3,
            )
        if expected > at:
            axes.plot([at, expected], [row, row], ":", color=colour, linewidth=2.2, zorder=2)
            axes.plot(expected, row, "|", markersize=11, color=colour, zorder=3)
        axes.plot(at, row, MARKS[bar.state], markersize=8, color=colour, zorder=4)
        axes.annotate(
            self._said(bar),
            (max(base, at, expected), row),
            xytext=(9, 0),
            textcoords="offset points",
            color=colour,
            fontsize=12,
            va="center",
        )

    @staticmethod
    def _said(bar: Bar) -> str:
        """`25 Feb, at risk, +16 d` beside the last mark, which it is about."""
        expected = max(bar.at, bar.expected)
        day = bar.at if bar.state == "late" else expected
        text = f"{day.day} {day:%b}, {STATES[bar.state]}"
        slip = (expected - bar.baseline).days
        return text + (f", {slip:+d} d" if slip else "")


def _ticks(first: date, last: date) -> list[tuple[date, str]]:
    """Days to write under the axis: Mondays where weeks can be told apart, else first days of months."""
    length = (last - first).days
    if length <= 75:
        step = 7 if length <= 35 else 14
        day = first + timedelta(days=(7 - first.weekday()) % 7)
        ticks = []
        while day <= last:
            ticks.append((day, f"{day.day} {day:%b}"))
            day += timedelta(days=step)
        return ticks
    months = [
        date(number // 12, number % 12 + 1, 1)
        for number in range(first.year * 12 + first.month, last.year * 12 + last.month)
    ]
    every = max(1, -(-len(months) // 6))
    return [
        (day, f"{day:%b}" + (f" {day.year}" if day.month <= every else ""))
        for day in months[::every]
    ]
