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
    by_item: dict[int, Picture] = {}
    for item in items:
        judged, explained = item.fairness, item.explained
        if judged is not None:
            picture = _draw_groups(judged)
            if picture is not None:
                by_item[item.id] = picture
        elif explained is not None:
            by_item[item.id] = _draw_drivers(explained)
    return by_item


def figure_lines(item: Item) -> list[str]:
    """What the figures of an item say, for a card; empty without figures."""
    judged, explained = item.fairness, item.explained
    if judged is not None:
        return _comparison_lines(judged)
    if explained is not None:
        sentences = [blocks.escape(each, 400) for each in explaining.describe_drivers(explained)]
        if explained.limits:
            sentences.append(f"What it does not tell: “{blocks.escape(explained.limits, 300)}”")
        return sentences
    return []


def _comparison_lines(judged: Judged) -> list[str]:
    lines = []
    for comparison in judged.compared:
        lines.append(
            f"*{blocks.escape(comparison.name, 100)}*: {VERDICTS[comparison.verdict]} · {_figures_line(comparison)}"
        )
        lines += [f"• {_rates_line(each)}" for each in _pick_rates(comparison)]
        rest = len(comparison.groups) - MOST_ROWS
        if rest > 0:
            lines.append(f"…and {blocks.counted(rest, 'group')} in between")
        lines += [
            f"⚠️ {blocks.escape(flag[:1].upper() + flag[1:], 240)}" for flag in comparison.flags
        ]
    if judged.counts.left_out:
        lines.append(
            f"{judged.counts.left_out:,} rows lacked a truth, a prediction or a group and are left out."
        )
    return lines


def _pick_rates(comparison: Compared) -> list[Rates]:
    ordered = sorted(comparison.groups, key=lambda each: each.selection_rate)
    if len(ordered) <= MOST_ROWS:
        return ordered
    return [*ordered[: MOST_ROWS // 2], *ordered[-(MOST_ROWS // 2) :]]


def _figures_line(comparison: Compared) -> str:
    return (
        f"demographic parity {_figure(comparison.demographic_parity_difference)} apart, ratio {_figure(comparison.demographic_parity_ratio)} · "
        f"equalized odds {_figure(comparison.equalized_odds_difference)} apart, ratio {_figure(comparison.equalized_odds_ratio)}"
    )


def _rates_line(group: Rates) -> str:
    parts = [
        f"{blocks.escape(group.name, 80)}: {_percent(group.selection_rate)} of {group.count:,} selected"
    ]
    if group.impact_ratio is not None:
        parts.append(f"{_figure(group.impact_ratio)} of the highest")
    parts.append(
        f"TPR {_figure(group.true_positive_rate)}, FPR {_figure(group.false_positive_rate)}"
    )
    return " · ".join(parts)


def _figure(value: Decimal | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def _percent(value: Decimal) -> str:
    return f"{value * 100:.1f} %" if value < Decimal("0.1") else f"{value * 100:.0f} %"


def _draw_groups(judged: Judged) -> Picture | None:
    """The comparison that needs looking at most, as bars with the line of four fifths."""
    ranked = sorted(
        (comparison for comparison in judged.compared if comparison.groups),
        key=lambda comparison: _WEIGHT[comparison.verdict],
    )
    if not ranked:
        return None
    comparison = ranked[0]
    picked = _pick_rates(comparison)
    highest = max(each.selection_rate for each in picked)
    limit = highest * judged.ratio
    rows = tuple(
        Row(
            each.name,
            float(each.selection_rate),
            f"{_percent(each.selection_rate)} of {each.count:,}",
            each.selection_rate < limit,
        )
        for each in reversed(picked)
    )
    title = (
        comparison.flags[0]
        if comparison.flags
        else f"No group of {comparison.name} is selected much less than another"
    )
    title = f"{title[:1].upper()}{title[1:]}"
    alt = f"Share of people selected, by {comparison.name}. " + "; ".join(
        f"{row.name}: {row.words}" for row in rows
    )
    words = f"{judged.ratio.normalize():f} of the highest"
    chart = Bars(rows, float(limit), words) if highest else Bars(rows)
    return Picture(chart, title[:200], alt)


_WEIGHT = {"flagged": 0, "undefined": 1, "insufficient": 2, "clear": 3}


def _draw_drivers(explained: Explained) -> Picture:
    ranked = explained.ranked[:8]
    rows = tuple(Row(one.feature, float(share), f"{share * 100:.0f} %") for one, share in ranked)
    title = (
        f"“{ranked[0][0].feature}” moves its answers most"
        if ranked[0][1]
        else "No input moves its answers"
    )
    alt = f"Share of what moves the answers, by {explained.method}. " + "; ".join(
        f"{row.name}: {row.words}" for row in rows
    )
    return Picture(Bars(rows), title[:200], alt)
