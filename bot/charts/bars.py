"""Horizontal bars with their figures written beside them: read on a phone, without a legend."""

from dataclasses import dataclass
from io import BytesIO

PLAIN, MARKED, LIMIT = "#0072B2", "#D55E00", "#444444"
"""Okabe and Ito's blue and vermilion, which no colour blindness confuses; what is marked says so in words as well."""

_WIDE, _ROW, _REST = 4.8, 0.62, 0.32
_DPI = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: its name on the left above it, its figures in words on the right."""

    name: str
    value: float
    words: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from zero, in the given order, each with a mark where a limit lies."""

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

    def png(self, *, is_dark: bool = False) -> bytes:
        """The picture, on white; for pages that are read in the dark, on a dark ground."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        ground, ink, soft = (
            ("#1b1d21", "#f2f2f2", "#9aa0a6")
            if is_dark
            else ("#ffffff", "#1d1c1d", "#616061")
        )
        tall = _ROW * len(self.rows) + (_REST if self.limit is not None else 0.1)
        figure = Figure(figsize=(_WIDE, tall), dpi=_DPI, facecolor=ground)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.015, 0.0, 0.97, 1.0))
        axes.set_facecolor(ground)
        axes.axis("off")
        longest = max([row.value for row in self.rows] + [self.limit or 0, 1e-9])
        axes.set_xlim(0, longest * 1.0)
        bottom = -0.7 if self.limit is not None else -0.4
        axes.set_ylim(bottom, len(self.rows) - 0.05)
        for place, row in enumerate(reversed(self.rows)):
            colour = MARKED if row.is_marked else PLAIN
            if is_dark:
                colour = "#ff9d5c" if row.is_marked else "#6fb7e9"
            axes.barh(place, longest, height=0.3, color=soft, alpha=0.16)
            axes.barh(place, max(row.value, 0.0), height=0.3, color=colour)
            axes.text(0, place + 0.28, _cut(row.name), color=ink, fontsize=11, fontweight="bold", va="bottom")  # fmt: skip
            axes.text(longest, place + 0.28, row.words, color=ink, fontsize=10, ha="right", va="bottom")  # fmt: skip
        if self.limit is not None:
            for place in range(len(self.rows)):
                axes.plot([self.limit] * 2, [place - 0.22, place + 0.22], color=ink, linewidth=1.6)  # fmt: skip
            near_end = self.limit > longest * 0.6
            axes.text(self.limit, -0.32, f"| {self.limit_words}" if not near_end else f"{self.limit_words} |", color=soft, fontsize=9.5, ha="right" if near_end else "left", va="top")  # fmt: skip
        made = BytesIO()
        figure.savefig(
            made, format="png", facecolor=ground, metadata={"Software": "mlgov"}
        )
        return made.getvalue()


def _cut(name: str) -> str:
    shown = name if len(name) <= 34 else name[:33].rstrip() + "…"
    return shown.replace("$", r"\$")
