"""Horizontal bars with their figures written beside them: read on a phone, without a legend."""

import io
from dataclasses import dataclass

from bot.charts import style

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


LIGHT = Ground("#ffffff", style.INK, style.SOFT, style.BLUE, style.RED)
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
        figure = Figure(figsize=(style.WIDTH, tall), dpi=style.DPI, facecolor=ground.paper)
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
                fontsize=style.MEDIUM,
                fontweight="bold",
                va="bottom",
                family=style.FONT,
            )
            axes.text(
                longest,
                place + 0.25,
                _safe(row.words),
                color=ground.ink,
                fontsize=style.SMALL,
                ha="right",
                va="bottom",
                family=style.FONT,
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
                fontsize=style.SMALL,
                ha="right" if is_far else "left",
                va="top",
                family=style.FONT,
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
