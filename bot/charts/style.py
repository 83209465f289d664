"""How charts look: white, few lines, large letters, colours that stay apart for every kind of colour vision.

Matplotlib is imported where something is drawn, so that nothing else waits for it.
"""

import io
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
