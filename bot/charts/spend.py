"""Spend added up day by day, against the line of its budget."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from bot.charts import style


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

        drawn, axes = style.figure()
        x = [0, *(self._place(day) for day, _ in self.days)]
        end = self._place(self.last)
        y = [0.0, *(float(total) for _, total in self.days)]
        budget, spent = float(self.budget), y[-1]
        colour = style.RED if spent > budget else style.BLUE
        axes.fill_between(x, y, color=colour, alpha=0.12, linewidth=0)
        axes.plot(x, y, color=colour, linewidth=3, solid_capstyle="round")
        axes.plot(x[-1], spent, "o", color=colour, markersize=9)
        axes.axhline(budget, color=style.INK, linewidth=1.6, linestyle=(0, (5, 3)))
        axes.set_xlim(0, end + 0.5)
        axes.set_ylim(0, max(budget, spent) * 1.18 or 1)
        axes.text(
            0,
            budget,
            f"Budget {style.short(self.budget)} {self.currency}",
            va="bottom",
            ha="left",
            fontsize=style.MEDIUM,
            color=style.INK,
            family=style.FONT,
        )
        late = x[-1] > end / 2
        under = abs(spent - budget) < 0.12 * max(budget, spent)
        axes.annotate(
            f"{style.short(self.days[-1][1])} spent",
            (x[-1], spent),
            xytext=(-12 if late else 12, -64 if under else 10),
            textcoords="offset points",
            va="top" if under else "bottom",
            ha="right" if late else "left",
            fontsize=style.MEDIUM,
            color=colour,
            weight="bold",
            family=style.FONT,
        )
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.short(value)))
        ticks = _ticks(self.first, self.last)
        axes.set_xticks(
            [self._place(day) for day in ticks], [f"{day.day} {day:%b}" for day in ticks]
        )
        return style.png(drawn)

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
