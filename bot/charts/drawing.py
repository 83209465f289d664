"""How charts look: white, few lines, large letters, colours that stay apart for every kind of colour vision.

Matplotlib is imported where something is drawn, so that nothing else waits for it.
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from bot.slack import blocks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- Pictures in messages and views
#
# named by what they show, so that each is drawn and uploaded once.

PLACE = "picture:"
"""How a block names a picture that was not uploaded yet; delivery puts the id of Slack's file in its place."""


class Chart(Protocol):
    """A frozen dataclass that draws itself. `facts` are all the values it shows, as JSON: they name the picture."""

    @property
    def facts(self) -> object:
        """The kind of chart, its version, and every value in it."""
        ...

    def png(self) -> bytes:
        """The picture, on a white background, for a phone and a screen."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with a title that states the answer and an alt text that holds the numbers."""

    chart: Chart
    title: str
    alt: str

    @property
    def key(self) -> str:
        """The digest of what is shown: equal pictures have equal keys, in every process."""
        facts = json.dumps(self.chart.facts, sort_keys=True, default=str)
        return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()

    def block(self) -> blocks.Block:
        """The image block; its file is put in by whoever sends it."""
        return {
            "type": "image",
            "slack_file": {"id": PLACE + self.key},
            "title": {"type": "plain_text", "text": blocks.plain(self.title, 200), "emoji": False},
            "alt_text": blocks.plain(self.alt, 1900),
        }


def keys(content: Sequence[blocks.Block]) -> set[str]:
    """The pictures that these blocks name."""
    return {key for block in content if (key := _key(block)) is not None}


def place(content: Sequence[blocks.Block], files: Mapping[str, str]) -> list[blocks.Block]:
    """The blocks as Slack takes them: each picture by its file (key → id), or in words when it has none."""
    return [
        block
        if (key := _key(block)) is None
        else {**block, "slack_file": {"id": files[key]}}
        if key in files
        else in_words(block)
        for block in content
    ]


def without(content: Sequence[blocks.Block], files: Mapping[str, str]) -> list[blocks.Block]:
    """The blocks with those pictures in words that have no file; the others still wait for theirs."""
    return [
        block if (key := _key(block)) is None or key in files else in_words(block)
        for block in content
    ]


def split(content: Sequence[blocks.Block]) -> tuple[list[blocks.Block], list[blocks.Block]]:
    """The words and the pictures, for a place where the words are said first."""
    return (
        [block for block in content if _key(block) is None],
        [block for block in content if _key(block) is not None],
    )


def in_words(block: blocks.Block) -> blocks.Block:
    """What a picture says, for somebody who cannot see it: its title and its alt text."""
    title, words = (block.get("title") or {}).get("text", ""), block["alt_text"]
    if title and not words.startswith(title):
        words = f"{title}. {words}"
    text = {"type": "plain_text", "text": blocks.plain(words, 2900), "emoji": False}
    caption: blocks.Block = {"type": "context", "elements": [text]}
    return {**caption, "block_id": block["block_id"]} if "block_id" in block else caption


def _key(block: blocks.Block) -> str | None:
    file_id = str((block.get("slack_file") or {}).get("id", ""))
    is_ours = block.get("type") == "image" and file_id.startswith(PLACE)
    return file_id.removeprefix(PLACE) if is_ours else None


# --- How charts look
#
# white, few lines, large letters, colours that stay apart for every kind of colour vision.
# Matplotlib is imported where something is drawn, so that nothing else waits for it.

INK, SOFT, RULE = "#1d1c1d", "#5c5c66", "#d9d9de"
BLUE = "#0072b2"
ORANGE = "#e69f00"
GREEN = "#009e73"
PURPLE = "#cc79a7"
RED = "#d55e00"
"""Okabe and Ito's colours; beside them a line is told apart by its dashes or its label, too."""
SERIES = (BLUE, ORANGE, GREEN, PURPLE)
FONT = "DejaVu Sans"
"""Ships with matplotlib, so that a picture is the same on every machine."""
SMALL, MEDIUM = 13, 15
"""Points, at WIDTH inches: still read where a phone shows the picture 340 points wide."""
WIDTH, HEIGHT, DPI = 6.4, 3.8, 150


def figure(width: float = WIDTH, height: float = HEIGHT) -> "tuple[Figure, Axes]":
    """An empty chart with one pair of axes, sizes in inches; no global state is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chart = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(chart)
    chart.set_facecolor("white")
    axes = chart.add_subplot()
    axes.set_facecolor("white")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=SOFT, labelfontfamily=FONT)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    return chart, axes


def png(drawn: "Figure") -> bytes:
    """The picture: the same bytes for the same figure, without metadata that tells the time or the program."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def short(amount: float | Decimal) -> str:
    """An amount on an axis: `40k`, `1.2M`, `800`."""
    value = float(amount)
    for unit, sign in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.1f}".removesuffix(".0") + sign
    return f"{value:g}"


# --- Horizontal bars with their figures written beside them
#
# read on a phone, without a legend.

_ROW, _REST, _EDGE = 0.83, 0.42, 0.14
"""Inches: of each bar with its words, of the limit's words below, and of the edge without them."""
_LINE, _BOLD, _THIN = 62.0, 1.32, 1.0
"""How wide a line is, and a letter of a name and of the figures beside it, in letters of the figures."""


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: its name on the left above it, its figures in words on the right."""

    name: str
    value: float
    words: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """The colours of a picture: ground, words, what steps back, a bar, and a bar that is marked."""

    paper: str
    ink: str
    soft: str
    plain: str
    marked: str


LIGHT = Ground("#ffffff", INK, SOFT, BLUE, RED)
DARK = Ground("#1b1d21", "#f2f2f2", "#9aa0a6", "#6fb7e9", "#ff9d5c")
"""For pages that are read in the dark; Slack gets the light one."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from zero, in the given order, each with a mark where a limit lies. What is marked says so in words, too."""

    rows: tuple[Row, ...]
    limit: float | None = None
    limit_words: str = ""

    @property
    def facts(self) -> object:
        """The kind of chart, its version, and every value in it."""
        return [
            "bars",
            1,
            [[row.name, row.value, row.words, row.is_marked] for row in self.rows],
            self.limit,
            self.limit_words,
        ]

    def png(self) -> bytes:
        """The picture, on white."""
        return self.drawn(LIGHT)

    def drawn(self, ground: Ground) -> bytes:
        """The picture on one ground or the other."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        count = len(self.rows)
        below = _REST if self.limit is not None else _EDGE
        tall = _ROW * count + below
        figure = Figure(figsize=(WIDTH, tall), dpi=DPI, facecolor=ground.paper)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.015, 0.0, 0.97, 1.0))
        axes.axis("off")
        longest = max([row.value for row in self.rows] + [self.limit or 0, 1e-9])
        axes.set_xlim(0, longest)
        axes.set_ylim(-0.2 - below / _ROW, count - 0.2)
        for place, row in enumerate(reversed(self.rows)):
            colour = ground.marked if row.is_marked else ground.plain
            axes.barh(place, longest, height=0.32, color=ground.soft, alpha=0.16)
            axes.barh(place, max(row.value, 0.0), height=0.32, color=colour)
            axes.text(
                0,
                place + 0.25,
                _safe(_fitting(row)),
                color=ground.ink,
                fontsize=MEDIUM,
                fontweight="bold",
                va="bottom",
                family=FONT,
            )
            axes.text(
                longest,
                place + 0.25,
                _safe(row.words),
                color=ground.ink,
                fontsize=SMALL,
                ha="right",
                va="bottom",
                family=FONT,
            )
        if self.limit is not None:
            for place in range(count):
                axes.plot(
                    [self.limit] * 2, [place - 0.22, place + 0.22], color=ground.ink, linewidth=2
                )
            is_far = self.limit > longest * 0.6
            words = f"{self.limit_words} |" if is_far else f"| {self.limit_words}"
            axes.text(
                self.limit,
                -0.28,
                words,
                color=ground.soft,
                fontsize=SMALL,
                ha="right" if is_far else "left",
                va="top",
                family=FONT,
            )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", facecolor=ground.paper, metadata={"Software": None})
        return buffer.getvalue()


def _fitting(row: Row) -> str:
    """As much of the name as its figures leave room for."""
    room = max(8, int((_LINE - _THIN * len(row.words)) / _BOLD) - 1)
    return row.name if len(row.name) <= room else row.name[: room - 1].rstrip() + "…"


def _safe(text: str) -> str:
    """Without the sign that begins a formula."""
    return text.replace("$", r"\$")


# --- A radar of levels
#
# one spoke per dimension, rings for low, medium and high, now and last time.

LEVELS = ("low", "medium", "high")
NOW, BEFORE, RING, RADAR_INK = "#0b5fa5", "#8a8a8a", "#d5d9de", "#1d2733"
"""Blue and grey stay apart for every kind of colour vision, and in print."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """One dimension: its levels now and last time, by rank (0 is low); None where it was not told."""

    name: str
    now: int | None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Radar:
    """Levels by dimension; `before_label` names last time."""

    spokes: tuple[Spoke, ...]
    label: str
    before_label: str | None = None

    @property
    def facts(self) -> object:
        """Everything that it shows."""
        return [
            "radar",
            2,
            self.label,
            self.before_label,
            [[one.name, one.now, one.before] for one in self.spokes],
        ]

    def png(self) -> bytes:
        """Drawn for a phone's width, with direct labels and no legend."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 5.1), dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.05, 0.06, 0.9, 0.88))
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_xlim(-4.9, 4.9)
        axes.set_ylim(-4.05, 3.95)
        count = len(self.spokes)
        angles = [math.pi / 2 - 2 * math.pi * i / count for i in range(count)]
        for ring in (1, 2, 3):
            points = [_at(angle, ring) for angle in angles]
            axes.fill(*_closed(points), fill=False, edgecolor=RING, linewidth=1.2)
        for angle in angles:
            x, y = _at(angle, 3)
            axes.plot([0, x], [0, y], color=RING, linewidth=0.8, zorder=0)
        if self.before_label and any(one.before is not None for one in self.spokes):
            self._shape(axes, angles, [one.before for one in self.spokes], BEFORE, dashed=True)
        self._shape(axes, angles, [one.now for one in self.spokes], NOW, dashed=False)
        for spoke, angle in zip(self.spokes, angles, strict=True):
            _name(axes, spoke, angle)
        for ring, level in enumerate(LEVELS, 1):
            axes.text(
                0.1,
                ring - 0.2,
                level,
                color="#5c6670",
                fontsize=11,
                va="top",
                ha="left",
                zorder=4,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.2},
            )
        axes.text(-4.8, -3.8, f"— {self.label}", color=NOW, fontsize=13, weight="bold")
        if self.before_label:
            axes.text(-4.8, -3.3, f"- - {self.before_label}", color=BEFORE, fontsize=13)
        out = io.BytesIO()
        figure.savefig(out, format="png", facecolor="white", metadata={"Software": ""})
        return out.getvalue()

    @staticmethod
    def _shape(
        axes: "object",
        angles: Sequence[float],
        ranks: Sequence[int | None],
        colour: str,
        *,
        dashed: bool,
    ) -> None:
        """A polygon through the levels; a dimension that was not told leaves a gap."""
        draw = axes.plot  # type: ignore[attr-defined]
        points = [
            None if rank is None else _at(angle, rank + 1)
            for angle, rank in zip(angles, ranks, strict=True)
        ]
        style = "--" if dashed else "-"
        for here, there in zip(points, [*points[1:], points[0]], strict=True):
            if here is not None:
                draw(*here, "o", color=colour, markersize=5 if dashed else 8, zorder=3)
            if here is not None and there is not None:
                draw(
                    [here[0], there[0]],
                    [here[1], there[1]],
                    style,
                    color=colour,
                    linewidth=1.6 if dashed else 2.6,
                    zorder=2,
                )
        if not dashed and all(point is not None for point in points):
            axes.fill(*_closed([p for p in points if p]), color=colour, alpha=0.12)  # type: ignore[attr-defined]


def _at(angle: float, radius: float) -> tuple[float, float]:
    return radius * math.cos(angle), radius * math.sin(angle)


def _closed(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _name(axes: "object", spoke: Spoke, angle: float) -> None:
    """The dimension's name and level at the end of its spoke."""
    x, y = _at(angle, 3.25)
    side = "center" if abs(x) < 0.4 else "left" if x > 0 else "right"
    name = spoke.name.replace(" ", "\n", 1) if side != "center" else spoke.name
    level = "not told" if spoke.now is None else LEVELS[spoke.now]
    vertical = "bottom" if y > 2 else "top" if y < -2 else "center"
    axes.text(  # type: ignore[attr-defined]
        x,
        y,
        f"{name}\n{level}",
        ha=side,
        va=vertical,
        fontsize=13.5,
        color=RADAR_INK,
        linespacing=1.15,
    )


# --- Spend added up day by day, against the line of its budget


@dataclass(frozen=True, slots=True)
class Spend:
    """A budget's round from `first` to `last`. `days` are days and what was spent until their end, oldest first."""

    first: date
    last: date
    budget: Decimal
    currency: str
    days: tuple[tuple[date, Decimal], ...]

    @property
    def facts(self) -> object:
        """Everything that it shows."""
        return [
            "spend",
            1,
            self.first.isoformat(),
            self.last.isoformat(),
            format(self.budget.normalize(), "f"),
            self.currency,
            [[day.isoformat(), format(total.normalize(), "f")] for day, total in self.days],
        ]

    def png(self) -> bytes:
        """A line that grows until the last day with data, and the budget as a rule across."""
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        drawn, axes = figure()
        x = [0, *(self._place(day) for day, _ in self.days)]
        end = self._place(self.last)
        y = [0.0, *(float(total) for _, total in self.days)]
        budget, spent = float(self.budget), y[-1]
        colour = RED if spent > budget else BLUE
        axes.fill_between(x, y, color=colour, alpha=0.12, linewidth=0)
        axes.plot(x, y, color=colour, linewidth=3, solid_capstyle="round")
        axes.plot(x[-1], spent, "o", color=colour, markersize=9)
        axes.axhline(budget, color=INK, linewidth=1.6, linestyle=(0, (5, 3)))
        axes.set_xlim(0, end + 0.5)
        axes.set_ylim(0, max(budget, spent) * 1.18 or 1)
        axes.text(
            0,
            budget,
            f"Budget {short(self.budget)} {self.currency}",
            va="bottom",
            ha="left",
            fontsize=MEDIUM,
            color=INK,
            family=FONT,
        )
        late = x[-1] > end / 2
        under = abs(spent - budget) < 0.12 * max(budget, spent)
        axes.annotate(
            f"{short(self.days[-1][1])} spent",
            (x[-1], spent),
            xytext=(-12 if late else 12, -64 if under else 10),
            textcoords="offset points",
            va="top" if under else "bottom",
            ha="right" if late else "left",
            fontsize=MEDIUM,
            color=colour,
            weight="bold",
            family=FONT,
        )
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        ticks = _ticks(self.first, self.last)
        axes.set_xticks(
            [self._place(day) for day in ticks], [f"{day.day} {day:%b}" for day in ticks]
        )
        return png(drawn)

    def _place(self, day: date) -> int:
        """Where a day's end stands: 1 for the first."""
        return (day - self.first).days + 1


def _ticks(first: date, last: date) -> list[date]:
    """At most five days along a round."""
    step = max(1, (last - first).days // 4)
    return [
        first + timedelta(days=step * n)
        for n in range(5)
        if first + timedelta(days=step * n) <= last
    ]


# --- Milestones over time
#
# one row each, the day first planned, the day expected now, and today.

TIMELINE_INK, QUIET, PLAN = "#1d2733", "#5c6670", "#9aa4ae"
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
        ticks = _month_ticks(first, last)
        axes.set_xticks([day.toordinal() for day, _ in ticks])
        axes.set_xticklabels([label for _, label in ticks])
        axes.tick_params(axis="x", colors=QUIET, labelsize=12)
        axes.set_yticks([])
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color("#d5d9de")
        axes.axvline(self.today.toordinal(), color=TIMELINE_INK, linewidth=1.1, zorder=1)
        axes.text(
            self.today.toordinal(),
            -0.78,
            "today",
            color=TIMELINE_INK,
            fontsize=12,
            ha="center",
            va="bottom",
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
            color=TIMELINE_INK,
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


def _month_ticks(first: date, last: date) -> list[tuple[date, str]]:
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


# --- Value against cost, each project by its risk tier


@dataclass(frozen=True, slots=True)
class Bubble:
    """One project: what it costs (across) and what it is worth to expect of it (up), both 0 or more, in one currency."""

    label: str
    across: Decimal
    up: Decimal
    tier: int | None


@dataclass(frozen=True, slots=True)
class Bubbles:
    """Projects by value and cost, the best first; the first few are named."""

    bubbles: tuple[Bubble, ...]
    currency: str

    @property
    def facts(self) -> object:
        """Everything that it shows."""
        return [
            "bubbles",
            1,
            self.currency,
            [[each.label, str(each.across), str(each.up), each.tier] for each in self.bubbles],
        ]

    def png(self) -> bytes:
        """Drawn for a phone's width: above the line a project brings more than it costs."""
        drawn, axes = figure(WIDTH, 4.6)
        axes.grid(axis="both", color=RULE, linewidth=0.8)
        points = [(float(each.across), float(each.up)) for each in self.bubbles]
        most = max(max(across, up) for across, up in points) or 1.0
        self._scale(axes, points, most)
        axes.plot([0, most * 2], [0, most * 2], color=RULE, linewidth=1.4, zorder=1)
        for each, (across, up) in zip(self.bubbles, points, strict=True):
            mark, colour = TIER_MARKS[each.tier]
            axes.plot(across, up, mark, markersize=10, color=colour, zorder=3, alpha=0.9)
        self._name(axes, points[:NAMED])
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
        axes.yaxis.set_major_formatter(lambda value, _: short(value))
        axes.set_xlabel(f"Costs, {self.currency}", fontsize=SMALL, color=SOFT, fontfamily=FONT)
        axes.set_title(
            "Benefits · " + "   ".join(f"{sign} {name}" for sign, name in self._key()),
            loc="left",
            fontsize=SMALL,
            color=SOFT,
            fontfamily=FONT,
        )
        return png(drawn)

    def _name(self, axes: "Axes", points: Sequence[tuple[float, float]]) -> None:
        """Names beside their marks where no other name is; one without room stands in the alt text alone."""
        height, letter = SMALL * DPI / 72 * 1.1, SMALL * DPI / 72 * 0.56
        left, _, right, _ = axes.bbox.extents
        taken: list[tuple[float, float, float, float]] = []
        for bubble, point in zip(self.bubbles, points, strict=False):
            across, up = axes.transData.transform(point)
            width = letter * len(bubble.label)
            for way, lift in ((1, 6), (-1, 6), (1, -18), (-1, -18)):
                first = across + 22 if way > 0 else across - 22 - width
                bottom = up + lift * DPI / 72
                box = (first, bottom, first + width, bottom + height)
                is_free = all(
                    box[2] < other[0] or box[0] > other[2] or box[3] < other[1] or box[1] > other[3]
                    for other in taken
                )
                if is_free and left <= first and first + width <= right:
                    break
            else:
                continue
            taken.append(box)
            axes.annotate(
                bubble.label,
                point,
                xytext=(10 * way, lift),
                textcoords="offset points",
                ha="left" if way > 0 else "right",
                fontsize=SMALL,
                color=INK,
                fontfamily=FONT,
                zorder=4,
            )

    @staticmethod
    def _scale(axes: "Axes", points: Sequence[tuple[float, float]], most: float) -> None:
        """Linear, unless the projects differ so much that the small ones would lie on each other."""
        least = min((value for point in points for value in point if value > 0), default=most)
        if most > 50 * least and all(value > 0 for point in points for value in point):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlim(least / 2, most * 2)
            axes.set_ylim(least / 2, most * 2)
            return
        axes.set_xlim(0, max(across for across, _ in points) * 1.15 or 1.0)
        axes.set_ylim(0, max(up for _, up in points) * 1.15 or 1.0)

    def _key(self) -> list[tuple[str, str]]:
        tiers = {each.tier for each in self.bubbles}
        return [(sign, name) for tier, (sign, name) in TIER_WORDS.items() if tier in tiers]


NAMED = 8
"""Projects that are named in the picture; the alt text has more."""
TIER_MARKS: Mapping[int | None, tuple[str, str]] = {
    1: ("^", RED),
    2: ("s", ORANGE),
    3: ("o", BLUE),
    None: ("D", SOFT),
}
TIER_WORDS: Mapping[int | None, tuple[str, str]] = {
    1: ("▲", "tier 1"),
    2: ("■", "tier 2"),
    3: ("●", "tier 3"),
    None: ("◆", "no tier yet"),
}
