"""The windows in which evidence is handed in, looked at and waived, and the model card. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from bot import blocks
from bot.blocks import Block
from bot.interactions import FileRef, Ticked, VersionRef, ask, ask_day
from bot.inventory import fields, views, words
from bot.pictures import Picture
from workflows.evidence.forms import FAIRNESS, SubmitEvidence
from workflows.evidence.records import Item
from workflows.evidence.sharing import Shared
from workflows.inventory.model_cards import Card
from workflows.inventory.records import ModelCard
from workflows.policy import Policy
from workflows.registry.records import Found


def shared(found: Shared) -> Block:
    """A file that somebody shared: which version of a model is it for?"""
    menu = blocks.search_select(words.PICK_VERSION, placeholder="Pick a version")
    shown = [
        blocks.section(f"*{blocks.escape(found.name, 120)}*"),
        blocks.section(
            "Which model, in which version, is it for?", accessory=menu, block_id=fields.VERSION
        ),
    ]
    return blocks.modal(
        "Hand in evidence",
        shown,
        callback_id="notice",
        close="Cancel",
        metadata=FileRef(found.slack_id).text,
    )


def evidence(
    found: ModelCard,
    policy: Policy,
    type_: str | None,
    metadata: str,
    file: Shared | None = None,
    seen: Found | None = None,
    before: Item | None = None,
    *,
    takes_files: bool = False,
) -> Block:
    """Hand in an item: the type first, then what that type asks; `file` is what somebody shared.

    `takes_files` says that mlgov may read files; `seen` is what the registry says of the version, `before` the performance report of the version before it.
    """
    names = {one: policy.evidence.words(one).capitalize() for one in policy.evidence.all_types}
    lacking = [lack.type for each in found.lacks.values() for lack in each]
    ordered = {one: names[one] for one in dict.fromkeys([*lacking, *names])}
    pick = ask(SubmitEvidence, "type", fields.menu(words.PICK_TYPE, ordered, type_))
    pick["dispatch_action"] = True
    about = f"*{words.model_name(found.model, found.version)}*" + (
        f" · {blocks.escape(file.name, 120)}" if file else ""
    )
    shown: list[Block] = [blocks.section(about), pick]
    if file is not None and file.sentences and type_ == file.type:
        shown += blocks.sections(blocks.escape(one, 400) for one in file.sentences)
    if type_ is None:
        return blocks.modal(
            "Hand in evidence",
            shown,
            callback_id=fields.SUBMIT_EVIDENCE,
            submit="Hand in",
            metadata=metadata,
        )
    if type_ == "validation_report":
        outcomes = {
            "pass": "It passed",
            "conditional": "It passed on conditions",
            "fail": "It failed",
        }
        outcome = fields.menu(fields.OUTCOME, outcomes)
        shown.append(ask(SubmitEvidence, "outcome", outcome, optional=False))
    is_plan = type_ == "monitoring_plan"
    if is_plan or type_ == "performance_report":
        hint = (
            "One a line, like: accuracy >= 0.85 every 7 (days between readings)."
            if is_plan
            else "One a line, like: accuracy = 0.91 >= 0.85. mlgov judges them."
        )
        filled = _watched(found) if is_plan else _measured(found, seen, before)
        shown.append(
            fields.text(
                "What is watched" if is_plan else "Metrics and their thresholds",
                fields.METRICS,
                initial=filled,
                hint=hint,
                optional=False,
            )
        )
    elif type_ != "validation_report" and not (file is not None and file.type):
        shown.append(
            fields.text(
                "Metrics and their thresholds",
                fields.METRICS,
                hint="If it measures something: accuracy = 0.91 >= 0.85, one a line.",
            )
        )
    if file is None:
        hint = (
            "A link. Or put the file itself below."
            if takes_files
            else "A link, on which its readers find it."
        )
        shown.append(ask(SubmitEvidence, "uri", hint=hint))
        if takes_files:
            shown.append(
                blocks.input_(
                    "The file itself",
                    blocks.file_input(fields.FILE),
                    block_id=fields.FILE,
                    optional=True,
                    hint="Up to 10 MB. It stays in Slack, its digest goes on the record, and whoever sees the model may ask me for it.",
                )
            )
    may_count = takes_files and policy.evidence.fairness.rows_in_slack
    if type_ == FAIRNESS and may_count and (file is None or file.has_rows):
        shown += _rows()
    shown += [
        ask(SubmitEvidence, "summary"),
        ask_day(SubmitEvidence, "valid_until"),
    ]
    return blocks.modal(
        "Hand in evidence",
        shown,
        callback_id=fields.SUBMIT_EVIDENCE,
        submit="Hand in",
        metadata=metadata,
    )


def _rows() -> list[Block]:
    """Which columns of a table with rows of people say what."""
    asked = (
        (
            "Column with what was true",
            fields.TRUTH,
            "For a table of predictions, a row for each person. mlgov counts groups and keeps no row.",
        ),
        ("Column with what the model said", fields.PREDICTION, "Yes or no, a word, or a score."),
        ("Columns with groups", fields.GROUPS, "Like sex, age; several are crossed as well."),
        ("From which score is it a yes?", fields.CUT, "Only for scores, like 0.5."),
        ("Which word is a yes?", fields.POSITIVE, "Only for words, like granted."),
    )
    return [
        fields.text(label, block, multiline=False, most=200, hint=hint)
        for label, block, hint in asked
    ]


def _measured(found: ModelCard, seen: Found | None, last: Item | None) -> str:
    """What the run in the registry measured, with the thresholds that were set before; a threshold that nobody set is left open."""
    if seen is None:
        return ""
    before = found.evidence.get("performance_report") or last
    known = {one.name: one for one in before.metrics} if before else {}
    lines = []
    for name, value in list(seen.metrics.items())[:20]:
        limit = known.get(name)
        sign = "<=" if limit is not None and limit.better == "lower" else ">="
        lines.append(
            f"{name} = {value} {sign} {f'{limit.threshold.normalize():f}' if limit else ''}".rstrip()
        )
    return "\n".join(lines)


def _watched(found: ModelCard) -> str:
    """The measures that were reported, to be watched against the same thresholds."""
    report = found.evidence.get("performance_report")
    return "\n".join(
        f"{one.name} {'>=' if one.better == 'higher' else '<='} {one.threshold.normalize():f} every 7"
        for one in (report.metrics if report else ())
    )


def look(
    items: Sequence[Item], policy: Policy, today: date, drawn: Mapping[int, Picture], metadata: str
) -> Block:
    """Evidence to accept or to reject: each item as it stands, one box to tick."""
    shown: list[Block] = [
        blocks.input_(
            "What do you decide?",
            blocks.radio(
                fields.VERDICT,
                [_ACCEPT, blocks.option("Reject what I tick", "reject")],
                initial=_ACCEPT,
            ),
            block_id=fields.VERDICT,
        )
    ]
    for item in items[:15]:
        shown += views.evidence_blocks(item, policy, today, drawn)
        name = policy.evidence.words(item.type)
        what = (
            "I looked at it, and what it says above is right"
            if item.explained
            else "I looked at it"
        )
        shown.append(
            blocks.input_(
                f"The {name}",
                blocks.checkboxes(fields.PICK, [blocks.option(what, "yes")]),
                block_id=Ticked(fields.PICK, item.id, item.revision).text,
                optional=True,
            )
        )
    hint = (
        "Needed to reject, and to accept what is flagged."
        if any(one.flags for one in items)
        else "Needed to reject."
    )
    shown.append(fields.text("Why?", fields.WORD, hint=hint))
    return blocks.modal(
        "Look at evidence",
        shown,
        callback_id=fields.SUBMIT_LOOK,
        submit="Decide",
        metadata=metadata,
    )


_ACCEPT = blocks.option("Accept what I tick", "accept")


def model_card(card: Card, ref: VersionRef) -> Block:
    """The nine sections of a model card, in short, and the documents to have."""
    shown: list[Block] = []
    if card.missing:
        shown.append(blocks.section(f"⚠️ Missing: {blocks.escape(', '.join(card.missing), 400)}"))
    for one in card.sections:
        told = [f"*{one.title}*"]
        told += [
            f"{blocks.escape(label, 60)}: {blocks.escape(value, 600)}" for label, value in one.facts
        ]
        if one.text:
            told.append(blocks.quote(one.text, 1200))
        told += [_row(table.columns, row) for table in one.tables for row in table.rows[:12]]
        if one.is_missing:
            told.append("_Missing: nobody said this yet._")
        shown += blocks.sections(told)
    offered = [blocks.button("Send me this page", words.SEND_CARD, ref.text)]
    if ref.version_id is not None:
        offered.append(blocks.button("Send me the approval pack", words.SEND_PACK, ref.text))
    shown.append(blocks.actions(offered, block_id="documents"))
    shown.append(
        blocks.context(
            "The pack has everything that an auditor asks: evidence, decisions, policy and ledger."
        )
    )
    return blocks.modal("Model card", shown, callback_id="notice", close="Close")


def _row(columns: Sequence[str], cells: Sequence[str]) -> str:
    """`• north: people 523 · selected 0.178`: a table has no place on a phone, so each figure says what it is."""
    named = [
        f"{name[:1].lower() + name[1:] if not name.isupper() else name} {blocks.escape(cell, 80)}".strip()
        for name, cell in zip(columns[1:], cells[1:], strict=True)
        if cell
    ]
    return f"• {blocks.escape(cells[0], 80)}: {' · '.join(named)}"


def waive(found: ModelCard, policy: Policy, today: date, metadata: str) -> Block:
    """Let a version go on without a type of evidence."""
    lacking = list(dict.fromkeys(lack.type for each in found.lacks.values() for lack in each))
    names = {
        one: policy.evidence.words(one).capitalize() for one in lacking or policy.evidence.all_types
    }
    most = today + policy.evidence.waive_at_most
    shown = [
        blocks.section(
            f"*{words.model_name(found.model, found.version)}*\nWhat is waived is shown as waived, with your name, and never as passed."
        ),
        blocks.input_("What is waived?", fields.menu(fields.TYPE, names), block_id=fields.TYPE),
        fields.text("Why can it be waived?", fields.REASON, optional=False),
        blocks.input_(
            "Until",
            blocks.date_picker(fields.UNTIL, initial=today + timedelta(days=30)),
            block_id=fields.UNTIL,
            hint=f"At most until {words.day(most, today)}.",
        ),
    ]
    return blocks.modal(
        "Waive evidence", shown, callback_id=fields.SUBMIT_WAIVE, submit="Waive", metadata=metadata
    )
