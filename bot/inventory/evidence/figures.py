"""Figures of evidence as pictures and lines: how groups compare, and what drives the answers. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from bot import blocks
from bot.charts.bars import Bars, Row
from bot.pictures import Picture
from workflows.evidence import explaining
from workflows.evidence.explaining import Explained
from workflows.evidence.fairness import Compared, Judged, Rates
from workflows.evidence.records import Item

MOST_ROWS = 10
VERDICTS = {
    "clear": "no flag",
    "flagged": "⚠️ *flagged*",
    "insufficient": "⚠️ *insufficient data*",
    "undefined": "⚠️ *not defined*",
}


def draw_pictures(items: Iterable[Item]) -> dict[int, Picture]:
    """Item id → what it looks like, for those that have figures."""
    found: dict[int, Picture] = {}
    for one in items:
        judged, explained = one.fairness, one.explained
        if judged is not None:
            made = _draw_groups(judged)
            if made is not None:
                found[one.id] = made
        elif explained is not None:
            found[one.id] = _draw_drivers(explained)
    return found


def figure_lines(one: Item) -> list[str]:
    """What the figures of an item say, for a card; empty without figures."""
    judged, explained = one.fairness, one.explained
    if judged is not None:
        return _comparison_lines(judged)
    if explained is not None:
        told = [blocks.escape(each, 400) for each in explaining.describe_drivers(explained)]
        if explained.limits:
            told.append(f"What it does not tell: “{blocks.escape(explained.limits, 300)}”")
        return told
    return []


def _comparison_lines(found: Judged) -> list[str]:
    told = []
    for one in found.compared:
        told.append(
            f"*{blocks.escape(one.name, 100)}*: {VERDICTS[one.verdict]} · {_figures_line(one)}"
        )
        told += [f"• {_rates_line(each)}" for each in _pick_rates(one)]
        rest = len(one.groups) - MOST_ROWS
        if rest > 0:
            told.append(f"…and {blocks.counted(rest, 'group')} in between")
        told += [f"⚠️ {blocks.escape(flag[:1].upper() + flag[1:], 240)}" for flag in one.flags]
    if found.counts.left_out:
        told.append(
            f"{found.counts.left_out:,} rows lacked a truth, a prediction or a group and are left out."
        )
    return told


def _pick_rates(one: Compared) -> list[Rates]:
    ordered = sorted(one.groups, key=lambda each: each.selection_rate)
    if len(ordered) <= MOST_ROWS:
        return ordered
    return [*ordered[: MOST_ROWS // 2], *ordered[-(MOST_ROWS // 2) :]]


def _figures_line(one: Compared) -> str:
    return (
        f"demographic parity {_figure(one.demographic_parity_difference)} apart, ratio {_figure(one.demographic_parity_ratio)} · "
        f"equalized odds {_figure(one.equalized_odds_difference)} apart, ratio {_figure(one.equalized_odds_ratio)}"
    )


def _rates_line(one: Rates) -> str:
    told = [
        f"{blocks.escape(one.name, 80)}: {_percent(one.selection_rate)} of {one.count:,} selected"
    ]
    if one.impact_ratio is not None:
        told.append(f"{_figure(one.impact_ratio)} of the highest")
    told.append(f"TPR {_figure(one.true_positive_rate)}, FPR {_figure(one.false_positive_rate)}")
    return " · ".join(told)


def _figure(value: Decimal | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def _percent(value: Decimal) -> str:
    return f"{value * 100:.1f} %" if value < Decimal("0.1") else f"{value * 100:.0f} %"


def _draw_groups(found: Judged) -> Picture | None:
    """The comparison that needs looking at most, as bars with the line of four fifths."""
    ranked = sorted(
        (one for one in found.compared if one.groups), key=lambda one: _WEIGHT[one.verdict]
    )
    if not ranked:
        return None
    one = ranked[0]
    shown = _pick_rates(one)
    highest = max(each.selection_rate for each in shown)
    limit = highest * found.ratio
    rows = tuple(
        Row(
            each.name,
            float(each.selection_rate),
            f"{_percent(each.selection_rate)} of {each.count:,}",
            each.selection_rate < limit,
        )
        for each in reversed(shown)
    )
    title = (
        one.flags[0] if one.flags else f"No group of {one.name} is selected much less than another"
    )
    title = f"{title[:1].upper()}{title[1:]}"
    alt = f"Share of people selected, by {one.name}. " + "; ".join(
        f"{row.name}: {row.words}" for row in rows
    )
    words = f"{found.ratio.normalize():f} of the highest"
    chart = Bars(rows, float(limit), words) if highest else Bars(rows)
    return Picture(chart, title[:200], alt)


_WEIGHT = {"flagged": 0, "undefined": 1, "insufficient": 2, "clear": 3}


def _draw_drivers(found: Explained) -> Picture:
    ranked = found.ranked[:8]
    rows = tuple(Row(one.feature, float(share), f"{share * 100:.0f} %") for one, share in ranked)
    title = (
        f"“{ranked[0][0].feature}” moves its answers most"
        if ranked[0][1]
        else "No input moves its answers"
    )
    alt = f"Share of what moves the answers, by {found.method}. " + "; ".join(
        f"{row.name}: {row.words}" for row in rows
    )
    return Picture(Bars(rows), title[:200], alt)
