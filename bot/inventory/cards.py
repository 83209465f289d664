"""Figures of evidence as pictures and lines: how groups compare, and what drives the answers. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from bot.charts.drawing import Bars, Picture, Row
from bot.inventory import words
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import FindingRef, ModelRef, VersionRef
from bot.slack.replies import Private
from storage.enums import EvidenceStatus, ModelState, Part
from workflows.calendar import last_day
from workflows.evidence import explanations
from workflows.evidence.explanations import Explained
from workflows.evidence.fairness import Compared, Judged, Rates
from workflows.evidence.records import Item
from workflows.inventory import rules
from workflows.inventory.records import ModelCard, ModelRecord, Need
from workflows.policy import Policy
from workflows.registry.records import Found

MOST_FIGURE_ROWS = 10
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
        sentences = [blocks.escape(each, 400) for each in explanations.describe_drivers(explained)]
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
        rest = len(comparison.groups) - MOST_FIGURE_ROWS
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
    if len(ordered) <= MOST_FIGURE_ROWS:
        return ordered
    return [*ordered[: MOST_FIGURE_ROWS // 2], *ordered[-(MOST_FIGURE_ROWS // 2) :]]


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


# --- `/mlgov models` and `/mlgov model NAME`
#
# the list, the card, and everything behind Details. Pure.

MOST_ROWS, MOST_LINES = 10, 30
MOST = MOST_ROWS + MOST_LINES
MAIN = frozenset({"submit", "pass", "implement", "deploy", "resume", "revalidate"})
"""Steps that are the next thing to do; the others stand in the menu."""


def list_reply(
    models: Sequence[ModelRecord], counts: Mapping[ModelState, int], asked: str, today: date
) -> Private:
    """Models in a list: the news in a line, then each with a button, those that need somebody first.

    `found` are the first `MOST` in the order of `ORDER`, `counts` of all.
    """
    if not models:
        summary = (
            f"No model fits “{blocks.escape(asked, 60)}”."
            if asked
            else "No model is in the inventory yet. Register the first."
        )
        return Private(summary, [blocks.section(summary), blocks.actions([_register()])])
    summary = ", ".join(
        f"{counts.get(state)} {phrase}"
        for state, phrase in (
            (ModelState.SUSPENDED, "suspended"),
            (ModelState.APPROVAL, "waiting for approval"),
            (ModelState.VALIDATION, "in validation"),
            (ModelState.IN_USE, "in use"),
        )
        if counts.get(state)
    )
    total = sum(counts.values())
    news = f"{blocks.counted(total, 'model')}{' for “' + blocks.escape(asked, 40) + '”' if asked else ''}{': ' + summary if summary else ''}"
    body: list[Block] = [blocks.section(f"*{news}*")]
    body += [
        blocks.section(
            words.model_line(one, today),
            accessory=blocks.button("Open", words.OPEN, f"{one.id}", hint=f"Open {one.name}"),
        )
        for one in models[:MOST_ROWS]
    ]
    rest = [f"• {words.model_line(one, today).splitlines()[0]}" for one in models[MOST_ROWS:]]
    more = total - len(models)
    if rest:
        body.append(blocks.section("\n".join([*rest, *([f"…and {more} more"] if more else [])])))
        body.append(blocks.context("`/mlgov models WORD` finds one; `/mlgov model NAME` shows it."))
    body.append(blocks.actions([_register()]))
    return Private(news, body)


ORDER = {
    ModelState.SUSPENDED: 0,
    ModelState.APPROVAL: 1,
    ModelState.VALIDATION: 2,
    ModelState.MODIFICATION: 3,
    ModelState.IN_USE: 4,
}


def _register() -> Element:
    return blocks.button("Register a model", words.REGISTER, "-")


def card_blocks(
    card: ModelCard, policy: Policy, today: date, spend: str = "", *, leads_on: bool = True
) -> list[Block]:
    """One model for one reader: ten seconds of it, and what they can do."""
    model, version = card.model, card.version
    lines = [f"*{words.headline(model, version)}*", _whose(model)]
    if model.purpose:
        lines.append(f"“{blocks.escape(model.purpose, 280)}”")
    lines += _suspended(card)
    body = [blocks.section("\n".join(lines))]
    facts = [
        words.missing_line(card),
        _evidence(card),
        words.findings_line(model, today),
        _approval(card, policy.organisation.zone, today),
        spend,
    ]
    body.append(blocks.section("\n".join(filter(None, facts)) or "No evidence yet."))
    body += buttons(card, leads_on=leads_on)
    why = _why_not(card)
    if why:
        body.append(blocks.context(*why))
    return body


def _whose(model: ModelRecord) -> str:
    parts = [f"For {blocks.escape(model.project, 80)}" if model.project else "Without a project"]
    parts.append(f"owned by {words.mention_person(model.owner)}")
    if model.vendor:
        parts.append(f"from {blocks.escape(model.vendor, 60)}")
    return " · ".join(parts)


def _suspended(card: ModelCard) -> list[str]:
    """Why it is suspended, and who did it when."""
    if card.version is None or card.version.state is not ModelState.SUSPENDED:
        return []
    last = next((one for one in card.history if one.verb == rules.SUSPEND), None)
    if last is None:
        return []
    return [
        f"⚠️ Suspended by {blocks.escape(last.actor, 60)}, {blocks.when(last.at)}: “{blocks.escape(last.reason, 300)}”"
    ]


def _evidence(card: ModelCard) -> str:
    counts = Counter(one.status for one in card.evidence.values())
    parts = [
        f"{counts[state]} {word}"
        for state, word in (
            (EvidenceStatus.ACCEPTED, "accepted"),
            (EvidenceStatus.SUBMITTED, "handed in"),
            (EvidenceStatus.WAIVED, "*waived*"),
            (EvidenceStatus.REJECTED, "rejected"),
        )
        if counts[state]
    ]
    return f"Evidence: {', '.join(parts)}" if parts else ""


def _approval(card: ModelCard, zone: ZoneInfo, today: date) -> str:
    version = card.version
    parts = []
    if version is not None and version.approval_id is not None:
        until = (
            f" until {words.day(last_day(version.approved_until, zone), today)}"
            if version.approved_until
            else ""
        )
        parts.append(f"Approved by request #{version.approval_id}{until}")
    if version is not None and version.digest_changed:
        parts.append("⚠️ its contents are not those that were approved")
    if card.model.next_review is not None:
        late = "was " if card.model.next_review < today else ""
        parts.append(f"review {late}due {words.day(card.model.next_review, today)}")
    return " · ".join(parts)


def buttons(card: ModelCard, *, leads_on: bool = True) -> list[Block]:
    """The next step where the reader can take it, and a menu with everything else that they can do."""
    model, version = card.model, card.version

    def at(verb: str) -> str:
        ids = (version.id, version.revision) if version else (None, 0)
        return ModelRef(verb, model.id, model.revision, *ids).text

    row: list[Element] = []
    main = next((one for one in card.choices if one.is_free and one.move.verb in MAIN), None)
    if main is not None:
        row.append(blocks.button(main.move.label, words.STEP, at(main.move.verb), style="primary"))
    if card.can_accept:
        number = len(card.can_accept)
        row.append(
            blocks.button(f"Look at evidence ({number})", f"{words.STEP}_look", at(words.LOOK))
        )
    if leads_on:
        row.append(
            blocks.button(
                "Details", words.OPEN, VersionRef(model.id, version.id if version else None).text
            )
        )
    row.append(
        blocks.select(
            words.MORE,
            [blocks.option(label, at(verb)) for verb, label in menu(card)],
            placeholder="More…",
        )
    )
    return [blocks.actions(row, block_id=f"model-{at('').removeprefix(':')}")]


def menu(card: ModelCard) -> list[tuple[str, str]]:
    """What the menu offers this reader: (verb, label)."""
    offered: list[tuple[str, str]] = []
    is_over = card.version is not None and card.version.state is ModelState.RETIRED
    is_asked = card.version is not None and card.version.state is ModelState.APPROVAL
    if card.can_hand_in:
        offered.append((words.EVIDENCE, "Hand in evidence…"))
    offered.append((words.FINDING, "File a finding…"))
    offered.append((words.CARD, "Model card"))
    offered += [
        (one.move.verb, one.move.label)
        for one in card.choices
        if one.is_free and one.move.verb != rules.START and one.move.verb not in MAIN
    ]
    if card.can_edit:
        offered += [
            (words.VERSION, "Add a version…"),
            (words.DESCRIBE, "Describe it…"),
            (words.ASSESS, "Assess its tier…"),
        ]
    if card.model.next_review is not None and (card.can_risk or card.can_edit):
        offered.append((words.REVIEW, "Reviewed…"))
    if card.can_risk and card.version is not None and not is_asked and not is_over:
        offered.append((words.WAIVE, "Waive evidence…"))
    if card.can_risk and card.version is None:
        offered.append(
            (
                words.CLASSIFY,
                "It is no model…"
                if card.model.own_state is not ModelState.NOT_A_MODEL
                else "It is a model…",
            )
        )
    return offered


def _why_not(card: ModelCard) -> list[str]:
    """What stands in this reader's way to the next step, and who has agreed to one of two."""
    lines = [blocks.escape(one, 200) for one in card.agreed]
    main = [one for one in card.choices if one.move.verb in MAIN]
    if main and not any(one.is_free for one in main):
        own = [one for one in main[0].refusals if not one.startswith("missing:")]
        lines.insert(
            0,
            f"Next: {main[0].move.label.rstrip('…').lower()}"
            + (f" · {blocks.escape('; '.join(own), 400)}" if own else ""),
        )
    return lines


def details_window(
    card: ModelCard,
    policy: Policy,
    today: date,
    drawn: Mapping[int, Picture],
    *,
    spend: str = "",
    news: str = "",
    seen: Found | None = None,
) -> Block:
    """Everything about a model in one window.

    `drawn` are pictures of evidence by its id, `said` is what just happened, `seen` what the registry says of the version.
    """
    model, version = card.model, card.version
    body: list[Block] = []
    if news:
        body += [blocks.section(f"*{blocks.escape(news, 400)}*"), blocks.divider()]
    body += card_blocks(card, policy, today, spend, leads_on=False)
    body.append(blocks.divider())
    body.append(blocks.section("\n".join(_about(model, card, seen))))
    if card.evidence:
        body.append(blocks.section("*Evidence*"))
        for item in sorted(card.evidence.values(), key=lambda item: item.type)[:20]:
            body += evidence_blocks(item, policy, today, drawn)
    open_ = list(model.findings)
    if open_:
        body.append(blocks.section("*Findings*"))
        body += [
            blocks.section(
                words.finding_line(item, today),
                accessory=blocks.button(
                    "Settle…",
                    words.SETTLE,
                    FindingRef(item.id, item.revision).text,
                    hint=f"Settle finding {item.id}",
                ),
                block_id=f"finding-{item.id}",
            )
            for item in open_[:10]
        ]
    if card.readings:
        lines = [f"• {words.reading_line(item)}" for item in card.readings]
        body.append(blocks.section("*In use*\n" + "\n".join(words.first_lines(lines, 10))))
    if len(model.versions) > 1 and version is not None:
        lines = [
            f"• {blocks.escape(item.version, 40)} · {words.STATES[item.state]}"
            for item in model.versions
        ]
        body.append(blocks.section("*Versions*\n" + "\n".join(words.first_lines(lines, 8))))
    if card.history:
        body.append(blocks.section("*How it came here*\n" + "\n".join(_history(card))))
    return blocks.modal(model.name, body, callback_id="notice", close="Close")


def evidence_blocks(
    item: Item, policy: Policy, today: date, drawn: Mapping[int, Picture]
) -> list[Block]:
    """One item: how it stands, and where it has figures, those as a picture and in words."""
    button = (
        blocks.button(
            "Read the file",
            words.READ_FILE,
            str(item.id),
            hint=f"Send me the {policy.evidence.words(item.type)}",
        )
        if words.file_of(item)
        else None
    )
    body = [blocks.section(words.item_lines(item, policy, today), accessory=button)]
    if item.id in drawn:
        body.append(drawn[item.id].block())
    body += blocks.sections(figure_lines(item))
    return body


def _registry(model: ModelRecord, seen: Found | None) -> str:
    """Which registered model it is, and whether its contents there were read."""
    if not model.registry_name:
        return ""
    name = blocks.escape(model.registry_name, 120)
    if seen is None:
        return name
    why = (
        f"unverified: {blocks.escape(seen.unverified, 160)}"
        if seen.unverified
        else "its contents were read"
        if seen.digest
        else "its contents were not read yet"
    )
    return f"{name}, version {blocks.escape(seen.version, 40)} · {why}"


def _about(model: ModelRecord, card: ModelCard, seen: Found | None) -> list[str]:
    version = card.version
    facts = [
        ("Kind", words.KINDS[model.kind]),
        ("Intended use", blocks.escape(model.intended_use, 400) if model.intended_use else ""),
        ("Not meant for", blocks.escape(model.out_of_scope, 400) if model.out_of_scope else ""),
        ("Technique", blocks.escape(model.technique, 120) if model.technique else ""),
        ("Data", blocks.escape(", ".join(model.data_sources), 300) if model.data_sources else ""),
        ("Tier", _tier(model)),
        (
            "Takes the output of",
            blocks.escape(", ".join(model.upstream), 300) if model.upstream else "",
        ),
        (
            "Its output goes to",
            blocks.escape(", ".join(model.downstream), 300) if model.downstream else "",
        ),
        ("In the registry", _registry(model, seen)),
    ]
    if version is not None:
        facts += [
            ("Developed by", words.mention_people(version.named(Part.DEVELOPER))),
            ("Validated by", words.mention_people(version.named(Part.VALIDATOR))),
            (
                "Contents",
                f"`sha256:{version.digest[:16]}…`"
                if version.digest
                else "not proved: no digest was given",
            ),
        ]
        if version.about:
            facts.append(
                (
                    "Consists of",
                    blocks.escape(
                        ", ".join(
                            f"{key} {value}" for key, value in version.about.items() if value
                        ),
                        300,
                    ),
                )
            )
    return [f"*{label}:* {value}" for label, value in facts if value]


def _tier(model: ModelRecord) -> str:
    if not (model.exposure and model.purpose_class and model.eu_class):
        return "not assessed yet"
    text = f"{model.tier} of 3 · {words.EXPOSURES[model.exposure].split(':')[0].lower()} exposure · {words.PURPOSES[model.purpose_class].split(':')[0].lower()} · EU AI Act: {words.EU[model.eu_class].split(':')[0].lower()}"
    if model.tier_follows:
        text += f"\nSet by {words.mention_person(model.tier_by)}; {model.tier_follows} would follow: “{blocks.escape(model.tier_reason, 200)}”"
    return text


def _history(card: ModelCard) -> list[str]:
    lines = []
    for step in card.history:
        move = next(
            (each for each in rules.MOVES if each.verb == step.verb and each.source is step.source),
            None,
        )
        what = move.done if move else step.target.value.replace("_", " ")
        why = f": “{blocks.escape(step.reason, 160)}”" if step.reason else ""
        lines.append(f"• {blocks.when(step.at)} · {blocks.escape(step.actor, 60)} · {what}{why}")
    return words.first_lines(lines, 8)


MOST_NEEDING = 8
"""Models that Home shows as needing somebody; the rest is counted."""


def need_blocks(needs: Sequence[Need], today: date) -> list[Block]:
    """Models that need the reader, each with why and a button."""
    body = [
        blocks.section(
            f"*{words.model_name(one.model, one.version)}* {_describe_need(one, today)} · {words.tier(one.model)}",
            accessory=blocks.button(
                "Open",
                words.OPEN,
                VersionRef(one.model.id, one.version.id if one.version else None).text,
                hint=f"Open {one.model.name}",
            ),
            block_id=f"need-{one.why}-{one.model.id}-{one.version.id if one.version else 0}",
        )
        for one in needs[:MOST_NEEDING]
    ]
    if len(needs) > MOST_NEEDING:
        body.append(blocks.context(f"…and {len(needs) - MOST_NEEDING} more: `/mlgov models`"))
    return body


def _describe_need(need: Need, today: date) -> str:
    if need.why == "validation":
        return "waits for your validation"
    by = (
        f", {'was ' if need.due < today else ''}due {words.day(need.due, today)}"
        if need.due
        else ""
    )
    return (
        f"is due for its review{by}"
        if need.why == "review"
        else f"has findings that are yours to mend{by}"
    )
