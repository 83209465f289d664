"""A radar of levels: one spoke per dimension, rings for low, medium and high, now and last time."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVELS = ("low", "medium", "high")
NOW, BEFORE, RING, INK = "#0b5fa5", "#8a8a8a", "#d5d9de", "#1d2733"
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
        x, y, f"{name}\n{level}", ha=side, va=vertical, fontsize=13.5, color=INK, linespacing=1.15
    )
