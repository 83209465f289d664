"""`/mlgov models` and `/mlgov model NAME`: the list, the card, and everything behind Details. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from bot import blocks
from bot.blocks import Block, Element
from bot.interactions import FindingRef, ModelRef, VersionRef
from bot.inventory import words
from bot.inventory.evidence import figures
from bot.pictures import Picture
from bot.replies import Private
from storage.enums import EvidenceStatus, ModelState, Part
from workflows.calendar import last_day
from workflows.evidence.records import Item
from workflows.inventory import rules
from workflows.inventory.records import ModelCard, ModelRecord, Need
from workflows.policy import Policy
from workflows.registry.records import Found

MOST_ROWS, MOST_LINES = 10, 30
MOST = MOST_ROWS + MOST_LINES
MAIN = frozenset({"submit", "pass", "implement", "deploy", "resume", "revalidate"})
"""Steps that are the next thing to do; the others stand in the menu."""


def listed(
    found: Sequence[ModelRecord], counts: Mapping[ModelState, int], asked: str, today: date
) -> Private:
    """Models in a list: the news in a line, then each with a button, those that need somebody first.

    `found` are the first `MOST` in the order of `ORDER`, `counts` of all.
    """
    if not found:
        told = (
            f"No model fits “{blocks.escape(asked, 60)}”."
            if asked
            else "No model is in the inventory yet. Register the first."
        )
        return Private(told, [blocks.section(told), blocks.actions([_register()])])
    told = ", ".join(
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
    news = f"{blocks.counted(total, 'model')}{' for “' + blocks.escape(asked, 40) + '”' if asked else ''}{': ' + told if told else ''}"
    shown: list[Block] = [blocks.section(f"*{news}*")]
    shown += [
        blocks.section(
            words.line(one, today),
            accessory=blocks.button("Open", words.OPEN, str(one.id), hint=f"Open {one.name}"),
        )
        for one in found[:MOST_ROWS]
    ]
    rest = [f"• {words.line(one, today).splitlines()[0]}" for one in found[MOST_ROWS:]]
    more = total - len(found)
    if rest:
        shown.append(blocks.section("\n".join([*rest, *([f"…and {more} more"] if more else [])])))
        shown.append(
            blocks.context("`/mlgov models WORD` finds one; `/mlgov model NAME` shows it.")
        )
    shown.append(blocks.actions([_register()]))
    return Private(news, shown)


ORDER = {
    ModelState.SUSPENDED: 0,
    ModelState.APPROVAL: 1,
    ModelState.VALIDATION: 2,
    ModelState.MODIFICATION: 3,
    ModelState.IN_USE: 4,
}


def _register() -> Element:
    return blocks.button("Register a model", words.REGISTER, "-")


def card(
    found: ModelCard, policy: Policy, today: date, spend: str = "", *, leads_on: bool = True
) -> list[Block]:
    """One model for one reader: ten seconds of it, and what they can do."""
    model, version = found.model, found.version
    told = [f"*{words.news(model, version)}*", _whose(model)]
    if model.purpose:
        told.append(f"“{blocks.escape(model.purpose, 280)}”")
    told += _suspended(found)
    shown = [blocks.section("\n".join(told))]
    facts = [
        words.missing(found),
        _evidence(found),
        words.findings(model, today),
        _approval(found, policy.organisation.zone, today),
        spend,
    ]
    shown.append(blocks.section("\n".join(filter(None, facts)) or "No evidence yet."))
    shown += buttons(found, leads_on=leads_on)
    why = _why_not(found)
    if why:
        shown.append(blocks.context(*why))
    return shown


def _whose(model: ModelRecord) -> str:
    told = [f"For {blocks.escape(model.project, 80)}" if model.project else "Without a project"]
    told.append(f"owned by {words.person(model.owner)}")
    if model.vendor:
        told.append(f"from {blocks.escape(model.vendor, 60)}")
    return " · ".join(told)


def _suspended(found: ModelCard) -> list[str]:
    """Why it is suspended, and who did it when."""
    if found.version is None or found.version.state is not ModelState.SUSPENDED:
        return []
    last = next((one for one in found.history if one.verb == rules.SUSPEND), None)
    if last is None:
        return []
    return [
        f"⚠️ Suspended by {blocks.escape(last.actor, 60)}, {blocks.when(last.at)}: “{blocks.escape(last.reason, 300)}”"
    ]


def _evidence(found: ModelCard) -> str:
    counts = Counter(one.status for one in found.evidence.values())
    told = [
        f"{counts[state]} {word}"
        for state, word in (
            (EvidenceStatus.ACCEPTED, "accepted"),
            (EvidenceStatus.SUBMITTED, "handed in"),
            (EvidenceStatus.WAIVED, "*waived*"),
            (EvidenceStatus.REJECTED, "rejected"),
        )
        if counts[state]
    ]
    return f"Evidence: {', '.join(told)}" if told else ""


def _approval(found: ModelCard, zone: ZoneInfo, today: date) -> str:
    version = found.version
    told = []
    if version is not None and version.approval_id is not None:
        until = (
            f" until {words.day(last_day(version.approved_until, zone), today)}"
            if version.approved_until
            else ""
        )
        told.append(f"Approved by request #{version.approval_id}{until}")
    if version is not None and version.digest_changed:
        told.append("⚠️ its contents are not those that were approved")
    if found.model.next_review is not None:
        late = "was " if found.model.next_review < today else ""
        told.append(f"review {late}due {words.day(found.model.next_review, today)}")
    return " · ".join(told)


def buttons(found: ModelCard, *, leads_on: bool = True) -> list[Block]:
    """The next step where the reader can take it, and a menu with everything else that they can do."""
    model, version = found.model, found.version

    def at(verb: str) -> str:
        ids = (version.id, version.revision) if version else (None, 0)
        return ModelRef(verb, model.id, model.revision, *ids).text

    row: list[Element] = []
    main = next((one for one in found.choices if one.is_free and one.move.verb in MAIN), None)
    if main is not None:
        row.append(blocks.button(main.move.label, words.STEP, at(main.move.verb), style="primary"))
    if found.can_accept:
        number = len(found.can_accept)
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
            [blocks.option(label, at(verb)) for verb, label in menu(found)],
            placeholder="More…",
        )
    )
    return [blocks.actions(row, block_id=f"model-{at('').removeprefix(':')}")]


def menu(found: ModelCard) -> list[tuple[str, str]]:
    """What the menu offers this reader: (verb, label)."""
    offered: list[tuple[str, str]] = []
    is_over = found.version is not None and found.version.state is ModelState.RETIRED
    is_asked = found.version is not None and found.version.state is ModelState.APPROVAL
    if found.can_hand_in:
        offered.append((words.EVIDENCE, "Hand in evidence…"))
    offered.append((words.FINDING, "File a finding…"))
    offered.append((words.CARD, "Model card"))
    offered += [
        (one.move.verb, one.move.label)
        for one in found.choices
        if one.is_free and one.move.verb != rules.START and one.move.verb not in MAIN
    ]
    if found.can_edit:
        offered += [
            (words.VERSION, "Add a version…"),
            (words.DESCRIBE, "Describe it…"),
            (words.ASSESS, "Assess its tier…"),
        ]
    if found.model.next_review is not None and (found.can_risk or found.can_edit):
        offered.append((words.REVIEW, "Reviewed…"))
    if found.can_risk and found.version is not None and not is_asked and not is_over:
        offered.append((words.WAIVE, "Waive evidence…"))
    if found.can_risk and found.version is None:
        offered.append(
            (
                words.CLASSIFY,
                "It is no model…"
                if found.model.own_state is not ModelState.NOT_A_MODEL
                else "It is a model…",
            )
        )
    return offered


def _why_not(found: ModelCard) -> list[str]:
    """What stands in this reader's way to the next step, and who has agreed to one of two."""
    told = [blocks.escape(one, 200) for one in found.agreed]
    main = [one for one in found.choices if one.move.verb in MAIN]
    if main and not any(one.is_free for one in main):
        own = [one for one in main[0].refusals if not one.startswith("missing:")]
        told.insert(
            0,
            f"Next: {main[0].move.label.rstrip('…').lower()}"
            + (f" · {blocks.escape('; '.join(own), 400)}" if own else ""),
        )
    return told


def details(
    found: ModelCard,
    policy: Policy,
    today: date,
    drawn: Mapping[int, Picture],
    *,
    spend: str = "",
    said: str = "",
    seen: Found | None = None,
) -> Block:
    """Everything about a model in one window.

    `drawn` are pictures of evidence by its id, `said` is what just happened, `seen` what the registry says of the version.
    """
    model, version = found.model, found.version
    shown: list[Block] = []
    if said:
        shown += [blocks.section(f"*{blocks.escape(said, 400)}*"), blocks.divider()]
    shown += card(found, policy, today, spend, leads_on=False)
    shown.append(blocks.divider())
    shown.append(blocks.section("\n".join(_about(model, found, seen))))
    if found.evidence:
        shown.append(blocks.section("*Evidence*"))
        for one in sorted(found.evidence.values(), key=lambda one: one.type)[:20]:
            shown += evidence(one, policy, today, drawn)
    open_ = list(model.findings)
    if open_:
        shown.append(blocks.section("*Findings*"))
        shown += [
            blocks.section(
                words.finding(one, today),
                accessory=blocks.button(
                    "Settle…",
                    words.SETTLE,
                    FindingRef(one.id, one.revision).text,
                    hint=f"Settle finding {one.id}",
                ),
                block_id=f"finding-{one.id}",
            )
            for one in open_[:10]
        ]
    if found.readings:
        lines = [f"• {words.reading(one)}" for one in found.readings]
        shown.append(blocks.section("*In use*\n" + "\n".join(words.some(lines, 10))))
    if len(model.versions) > 1 and version is not None:
        lines = [
            f"• {blocks.escape(one.version, 40)} · {words.STATES[one.state]}"
            for one in model.versions
        ]
        shown.append(blocks.section("*Versions*\n" + "\n".join(words.some(lines, 8))))
    if found.history:
        shown.append(blocks.section("*How it came here*\n" + "\n".join(_history(found))))
    return blocks.modal(model.name, shown, callback_id="notice", close="Close")


def evidence(one: Item, policy: Policy, today: date, drawn: Mapping[int, Picture]) -> list[Block]:
    """One item: how it stands, and where it has figures, those as a picture and in words."""
    button = (
        blocks.button(
            "Read the file",
            words.READ_FILE,
            str(one.id),
            hint=f"Send me the {policy.evidence.words(one.type)}",
        )
        if words.file_of(one)
        else None
    )
    shown = [blocks.section(words.item(one, policy, today), accessory=button)]
    if one.id in drawn:
        shown.append(drawn[one.id].block())
    shown += blocks.sections(figures.lines(one))
    return shown


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


def _about(model: ModelRecord, found: ModelCard, seen: Found | None) -> list[str]:
    version = found.version
    told = [
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
        told += [
            ("Developed by", words.people(version.named(Part.DEVELOPER))),
            ("Validated by", words.people(version.named(Part.VALIDATOR))),
            (
                "Contents",
                f"`sha256:{version.digest[:16]}…`"
                if version.digest
                else "not proved: no digest was given",
            ),
        ]
        if version.about:
            told.append(
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
    return [f"*{label}:* {value}" for label, value in told if value]


def _tier(model: ModelRecord) -> str:
    if not (model.exposure and model.purpose_class and model.eu_class):
        return "not assessed yet"
    told = f"{model.tier} of 3 · {words.EXPOSURES[model.exposure].split(':')[0].lower()} exposure · {words.PURPOSES[model.purpose_class].split(':')[0].lower()} · EU AI Act: {words.EU[model.eu_class].split(':')[0].lower()}"
    if model.tier_follows:
        told += f"\nSet by {words.person(model.tier_by)}; {model.tier_follows} would follow: “{blocks.escape(model.tier_reason, 200)}”"
    return told


def _history(found: ModelCard) -> list[str]:
    lines = []
    for one in found.history:
        move = next(
            (each for each in rules.MOVES if each.verb == one.verb and each.source is one.source),
            None,
        )
        what = move.done if move else one.target.value.replace("_", " ")
        why = f": “{blocks.escape(one.reason, 160)}”" if one.reason else ""
        lines.append(f"• {blocks.when(one.at)} · {blocks.escape(one.actor, 60)} · {what}{why}")
    return words.some(lines, 8)


MOST_NEEDING = 8
"""Models that Home shows as needing somebody; the rest is counted."""


def needing(found: Sequence[Need], today: date) -> list[Block]:
    """Models that need the reader, each with why and a button."""
    shown = [
        blocks.section(
            f"*{words.named(one.model, one.version)}* {_needs(one, today)} · {words.tier(one.model)}",
            accessory=blocks.button(
                "Open",
                words.OPEN,
                VersionRef(one.model.id, one.version.id if one.version else None).text,
                hint=f"Open {one.model.name}",
            ),
            block_id=f"need-{one.why}-{one.model.id}-{one.version.id if one.version else 0}",
        )
        for one in found[:MOST_NEEDING]
    ]
    if len(found) > MOST_NEEDING:
        shown.append(blocks.context(f"…and {len(found) - MOST_NEEDING} more: `/mlgov models`"))
    return shown


def _needs(one: Need, today: date) -> str:
    if one.why == "validation":
        return "waits for your validation"
    by = f", {'was ' if one.due < today else ''}due {words.day(one.due, today)}" if one.due else ""
    return (
        f"is due for its review{by}"
        if one.why == "review"
        else f"has findings that are yours to mend{by}"
    )
