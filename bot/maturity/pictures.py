"""The picture of a result: a radar that says in its title what it shows, and in its alt text every level."""

from bot.charts.radar import Radar, Spoke
from bot.maturity import words
from bot.pictures import Picture
from workflows.maturity.records import CycleResult
from workflows.maturity.rules import rank


def radar(result: CycleResult) -> Picture | None:
    """Levels now and last time; None where nothing is told."""
    if not result.told:
        return None
    with_before = any(one.before is not None for one in result.told)
    before = result.before_label if with_before else None
    spokes = tuple(
        Spoke(
            one.name,
            None if one.level is None else rank(one.level),
            None if one.before is None else rank(one.before),
        )
        for one in result.dimensions
    )
    levels = ", ".join(
        f"{one.name} {words.level(one.level)}"
        + (f" ({before}: {words.level(one.before)})" if before and one.before is not None else "")
        for one in result.dimensions
    )
    title = words.holding_back(result)
    return Picture(Radar(spokes, result.label, before), title, f"{title}. {levels}.")
