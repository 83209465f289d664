"""The windows in which models are registered, described, assessed and moved on. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from bot.charts.drawing import Picture
from bot.inventory import cards, words
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import FileRef, Ticked, VersionRef, ask, ask_day, ask_person
from storage.enums import FindingStatus, ModelKind, Severity
from workflows.evidence.forms import CARD, FAIRNESS, WORDS, SubmitEvidence
from workflows.evidence.records import Item
from workflows.evidence.service import Shared
from workflows.inputs import inputs_of
from workflows.inventory import rules
from workflows.inventory.evidence import Card
from workflows.inventory.forms import (
    AddVersion,
    AssessTier,
    FileFinding,
    Generative,
    RegisterModel,
    SettleFinding,
    TakeStep,
)
from workflows.inventory.records import FindingRecord, ModelCard, ModelRecord
from workflows.inventory.rules import Guard, Move
from workflows.policy import Policy
from workflows.registry.records import Found

# --- The fields of the windows of models
#
# what each is called, and inputs that several windows have.

SUBMIT_REGISTER = "models.submit_register"
SUBMIT_DESCRIBE = "models.submit_describe"
SUBMIT_ASSESS = "models.submit_assess"
SUBMIT_VERSION = "models.submit_version"
SUBMIT_STEP = "models.submit_step"
SUBMIT_EVIDENCE = "models.submit_evidence"
SUBMIT_LOOK = "models.submit_look"
SUBMIT_WAIVE = "models.submit_waive"
SUBMIT_FINDING = "models.submit_finding"
SUBMIT_SETTLE = "models.submit_settle"
SUBMIT_REVIEW = "models.submit_review"
SUBMIT_CLASSIFY = "models.submit_classify"

NAME = "name"
KIND = "kind"
VENDOR = "vendor"
PROJECT = "project"
OWNER = "owner"
PURPOSE = "purpose"
INTENDED = "intended_use"
SCOPE = "out_of_scope"
TECHNIQUE = "technique"
DATA = "data_sources"
PEOPLE = "affects_people"
UPSTREAM = "upstream"
EXPOSURE = "exposure"
USE = "purpose_class"
EU = "eu_class"
TIER = "override"
REASON = "reason"
VERSION = "version"
DIGEST = "digest"
DEVELOPER = "developers"
BASE = "base"
PROMPT = "prompt"
TOOLS = "tools"
VALIDATOR = "validator"
CHANGE = "change_class"
NEW = "new_version"
FILE = "file"
TRUTH = "truth"
PREDICTION = "prediction"
GROUPS = "group"
POSITIVE = "positive"
CUT = "cut"
TYPE = "type"
URI = "uri"
SUMMARY = "summary"
METRICS = "metrics"
OUTCOME = "outcome"
UNTIL = "until"
VERDICT = "verdict"
PICK = "pick"
WORD = "word"
SEVERITY = "severity"
DUE = "due"
HOW = "how"

E = TypeVar("E", bound=object)


def menu(
    action: str, texts: Mapping[E, str], initial: E | None = None, placeholder: str = "Pick one"
) -> Element:
    options = [blocks.option(text, str(value)) for value, text in texts.items()]
    chosen = next(
        (
            section
            for section in options
            if initial is not None and section["value"] == str(initial)
        ),
        None,
    )
    return blocks.select(action, options, placeholder=placeholder, initial=chosen)


def text(
    label: str,
    block: str,
    *,
    initial: str = "",
    hint: str = "",
    multiline: bool = True,
    optional: bool = True,
    most: int = WORDS,
) -> Block:
    return blocks.input_(
        label,
        blocks.text_input(block, multiline=multiline, initial=initial, max_length=most),
        block_id=block,
        hint=hint,
        optional=optional,
    )


def project(chosen: tuple[str, str] | None) -> Block:
    """The project, looked up; `chosen` is the key and name of the one that it has."""
    initial = blocks.option(chosen[1], chosen[0]) if chosen else None
    menu = blocks.search_select(words.PICK_PROJECT, placeholder="Pick a project", initial=initial)
    return ask(RegisterModel, "project", menu)


# --- The windows in which models are registered, described, assessed and moved on
#
# Pure.


def register(
    *,
    name: str = "",
    purpose: str = "",
    owner: str | None = None,
    chosen: tuple[str, str] | None = None,
    metadata: str = "",
) -> Block:
    """A new entry: what somebody knows on the first day; the rest is described later."""
    body = [
        ask(RegisterModel, "name", initial=name),
        ask(RegisterModel, "kind", menu(KIND, words.KINDS, ModelKind.INTERNAL), optional=False),
        ask(RegisterModel, "vendor"),
        project(chosen),
        ask_person(RegisterModel, "owner_id", owner),
        ask(RegisterModel, "purpose", initial=purpose, optional=False),
        *_assessed(None),
    ]
    return blocks.modal(
        "Register a model", body, callback_id=SUBMIT_REGISTER, submit="Register", metadata=metadata
    )


def _assessed(model: ModelRecord | None) -> list[Block]:
    form = AssessTier if model else RegisterModel
    exposure = ask(
        form, "exposure", menu(EXPOSURE, words.EXPOSURES, model.exposure if model else None)
    )
    if model is None:
        exposure["hint"]["text"] += " You can say it later; development starts once it is said."
    purpose_class, eu_class = (model.purpose_class, model.eu_class) if model else (None, None)
    return [
        exposure,
        ask(form, "purpose_class", menu(USE, words.PURPOSES, purpose_class)),
        ask(form, "eu_class", menu(EU, words.EU, eu_class)),
    ]


def describe(found: ModelCard, taken: Sequence[tuple[str, str]], metadata: str) -> Block:
    """Everything that describes a model, filled in as it stands, and where it says nothing, from the team's own card.

    `taken` are key and name of the models whose output it takes.
    """
    model = found.model
    current = found.evidence.get(CARD)
    card = current.card if current else None
    upstream = blocks.multi_search_select(
        words.PICK_UPSTREAM,
        placeholder=inputs_of(RegisterModel)["upstream"].placeholder,
        initial=[blocks.option(name, key) for key, name in taken],
    )
    body = [
        ask(RegisterModel, "name", initial=model.name, hint=""),
        ask(RegisterModel, "kind", menu(KIND, words.KINDS, model.kind), optional=False),
        ask(RegisterModel, "vendor", initial=model.vendor or "", hint=""),
        project(
            (model.project_key, model.project or model.project_key) if model.project_key else None
        ),
        ask_person(RegisterModel, "owner_id", model.owner.slack_id if model.owner else None),
        ask(RegisterModel, "purpose", initial=model.purpose, hint="", optional=False),
        ask(
            RegisterModel,
            "intended_use",
            initial=model.intended_use or (card.intended_use[:WORDS] if card else ""),
        ),
        ask(RegisterModel, "out_of_scope", initial=model.out_of_scope),
        ask(RegisterModel, "technique", initial=model.technique),
        ask(RegisterModel, "data_sources", initial=", ".join(model.data_sources)),
        ask(
            RegisterModel,
            "affects_people",
            menu(
                PEOPLE,
                {"no": "No", "yes": "Yes: it asks for fairness evidence"},
                "yes" if model.affects_people else "no",
            ),
            optional=False,
        ),
        ask(RegisterModel, "upstream", upstream),
    ]
    return blocks.modal(
        "Describe it", body, callback_id=SUBMIT_DESCRIBE, submit="Keep", metadata=metadata
    )


def assess(model: ModelRecord, *, can_risk: bool, metadata: str) -> Block:
    """How material a model is; model risk can set another tier."""
    body = [
        blocks.section(f"*{words.model_name(model, None)}* · {words.tier(model)}"),
        *_assessed(model),
    ]
    if can_risk:
        body += [ask(AssessTier, "override", menu(TIER, _TIERS)), ask(AssessTier, "reason")]
    return blocks.modal(
        "Assess its tier", body, callback_id=SUBMIT_ASSESS, submit="Assess", metadata=metadata
    )


_TIERS = {"1": "Tier 1, the most material", "2": "Tier 2", "3": "Tier 3"}


def version(
    model: ModelRecord, *, maker: str | None, metadata: str, seen: Found | None = None
) -> Block:
    """A new version, prefilled from the registry (`seen` is its newest that is not here yet), or from the last one."""
    last = model.versions[0] if model.versions else None
    name = seen.version if seen else _next(last.version) if last else "1"
    body = [
        blocks.section(
            f"*{words.model_name(model, None)}*"
            + (f" · the last version is {blocks.escape(last.version, 40)}" if last else "")
        ),
        ask(
            AddVersion,
            "version",
            initial=name,
            hint="The newest in the registry that is not here yet." if seen else "",
        ),
        ask_person(AddVersion, "developers", maker),
        ask(AddVersion, "digest", initial=f"sha256:{seen.digest}" if seen and seen.digest else ""),
    ]
    if model.kind is ModelKind.GENERATIVE:
        about = last.about if last else {}
        tools = ", ".join(str(tool) for tool in about.get("tools", ()))  # type: ignore[attr-defined]
        body += [
            ask(Generative, "model", initial=str(about.get("model", ""))),
            text("The prompt", PROMPT, hint="Only its digest is kept."),
            ask(Generative, "tools", initial=tools),
        ]
    return blocks.modal(
        "Add a version", body, callback_id=SUBMIT_VERSION, submit="Add", metadata=metadata
    )


def _next(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return f"{head}{dot}{int(tail) + 1}" if tail.isascii() and tail.isdigit() else ""


_WHY: dict[str, dict[str, Any]] = {
    rules.PASS: {"label": "Why can it be approved?", "hint": "Approvers read it first."},
    "return": {"label": "What has to change?", "hint": "The developers read it."},
    rules.DEPLOY: {"label": "How do you know that it runs?", "hint": "A place, a check, a link."},
    rules.SUSPEND: {
        "label": "What is wrong?",
        "hint": "It is told in the channel, and to who owns what depends on it.",
    },
    rules.RETIRE: {"label": "Why is it retired?", "hint": ""},
    rules.CHANGE: {"label": "What changes, and why?", "hint": ""},
    "resume": {"label": "Why can it go on?", "hint": ""},
}


def step(card: ModelCard, move: Move, *, route: str = "", metadata: str = "") -> Block:
    """A step about to be taken: what it does, who else it needs, and what it asks."""
    model, version_ = card.model, card.version
    lines = f"*{words.model_name(model, version_)}* · {words.STATES[move.source]} → {words.STATES[move.target]}"
    body: list[Block] = [blocks.section(lines)]
    if move.both:
        both = " and ".join(sorted(rules.WHO_WORDS[section] for section in move.who))
        body.append(blocks.context(f"This needs two people, {both}. The other one is asked."))
    if move.verb == rules.SUSPEND:
        down = (
            f" {blocks.escape(', '.join(model.downstream), 200)} takes its output."
            if model.downstream
            else ""
        )
        body.append(
            blocks.context(
                f"It is suspended at once, by you alone. Only model risk resumes it.{down}"
            )
        )
    if move.verb == rules.RETIRE:
        listed = blocks.escape(", ".join(model.downstream), 300) or "no other model"
        body.append(
            blocks.context(f"Takes its output: {listed}. Retired is the end; the record stays.")
        )
    if Guard.VALIDATOR_NAMED in move.guards:
        body.append(ask_person(TakeStep, "validator_id"))
    if move.verb == rules.CHANGE:
        body += [
            ask(
                TakeStep,
                "change_class",
                blocks.radio(
                    CHANGE,
                    [blocks.option(text, each.value) for each, text in words.CHANGES.items()],
                ),
                optional=False,
            ),
            ask(TakeStep, "new_version", initial=_next(version_.version) if version_ else ""),
        ]
    if move.asks_why:
        known = _WHY.get(move.verb, {})
        body.append(ask(TakeStep, "reason", optional=False, **known))
    if route:
        body.append(blocks.context(route))
    return blocks.modal(
        move.label.rstrip("…"),
        body,
        callback_id=SUBMIT_STEP,
        submit=_SUBMITS.get(move.verb, "Go on"),
        metadata=metadata,
    )


_SUBMITS = {
    rules.PASS: "Ask",
    rules.SUSPEND: "Suspend",
    rules.RETIRE: "Retire",
    rules.SUBMIT: "Send",
    "return": "Send back",
}


def classify(model: ModelRecord, *, is_model: bool, metadata: str) -> Block:
    """Model risk says that an entry is no model, or that it is one after all."""
    title = "It is a model" if is_model else "It is no model"
    body = [
        blocks.section(f"*{words.model_name(model, None)}*"),
        text(
            "Why?",
            REASON,
            optional=False,
            hint="Simple arithmetic and fixed rules are no models (SR 26-2).",
        ),
    ]
    return blocks.modal(title, body, callback_id=SUBMIT_CLASSIFY, submit="Keep", metadata=metadata)


# --- The windows of findings and reviews
#
# Pure.


def finding_window(card: ModelCard, metadata: str) -> Block:
    """Something wrong."""
    owner = card.model.owner
    body = [
        blocks.section(f"*{words.model_name(card.model, card.version)}*"),
        ask(FileFinding, "words"),
        ask(FileFinding, "severity", menu(SEVERITY, words.SEVERITIES, Severity.MEDIUM)),
        ask_person(FileFinding, "owner_id", owner.slack_id if owner else None, optional=True),
        ask_day(FileFinding, "due"),
    ]
    return blocks.modal(
        "File a finding", body, callback_id=SUBMIT_FINDING, submit="File", metadata=metadata
    )


def settle_window(record: FindingRecord, today: date, *, metadata: str) -> Block:
    """What becomes of a finding."""
    ways = {
        "progress": "Somebody is on it",
        "resolve": "It is mended",
        "accept": "Accept it until a day (model risk)",
    }
    if record.status is FindingStatus.ACCEPTED:
        ways["reopen"] = "Open it again"
    body = [
        blocks.section(words.finding_line(record, today)),
        ask(
            SettleFinding,
            "how",
            blocks.radio(HOW, [blocks.option(text, way) for way, text in ways.items()]),
        ),
        ask(SettleFinding, "word"),
        ask_day(SettleFinding, "until"),
    ]
    return blocks.modal(
        "Settle a finding", body, callback_id=SUBMIT_SETTLE, submit="Settle", metadata=metadata
    )


def review_window(model: ModelRecord, today: date, metadata: str) -> Block:
    """A review that was done."""
    due = f" · due {words.day(model.next_review, today)}" if model.next_review else ""
    body = [
        blocks.section(
            f"*{words.model_name(model, model.lead)}*{due}\nA review approves nothing anew: it says that somebody looked."
        ),
        text("What did you look at, and what did you see?", WORD, optional=False),
    ]
    return blocks.modal(
        "Reviewed", body, callback_id=SUBMIT_REVIEW, submit="Keep", metadata=metadata
    )


# --- The windows in which evidence is handed in, looked at and waived, and the model card
#
# Pure.


def shared(shared_file: Shared) -> Block:
    """A file that somebody shared: which version of a model is it for?"""
    menu = blocks.search_select(words.PICK_VERSION, placeholder="Pick a version")
    body = [
        blocks.section(f"*{blocks.escape(shared_file.name, 120)}*"),
        blocks.section(
            "Which model, in which version, is it for?", accessory=menu, block_id=VERSION
        ),
    ]
    return blocks.modal(
        "Hand in evidence",
        body,
        callback_id="notice",
        close="Cancel",
        metadata=FileRef(shared_file.slack_id).text,
    )


def evidence(
    card: ModelCard,
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
    names = {
        section: policy.evidence.words(section).capitalize()
        for section in policy.evidence.all_types
    }
    lacking = [lack.type for each in card.lacks.values() for lack in each]
    ordered = {section: names[section] for section in dict.fromkeys([*lacking, *names])}
    pick = ask(SubmitEvidence, "type", menu(words.PICK_TYPE, ordered, type_))
    pick["dispatch_action"] = True
    about = f"*{words.model_name(card.model, card.version)}*" + (
        f" · {blocks.escape(file.name, 120)}" if file else ""
    )
    body: list[Block] = [blocks.section(about), pick]
    if file is not None and file.sentences and type_ == file.type:
        body += blocks.sections(blocks.escape(section, 400) for section in file.sentences)
    if type_ is None:
        return blocks.modal(
            "Hand in evidence",
            body,
            callback_id=SUBMIT_EVIDENCE,
            submit="Hand in",
            metadata=metadata,
        )
    if type_ == "validation_report":
        outcomes = {
            "pass": "It passed",
            "conditional": "It passed on conditions",
            "fail": "It failed",
        }
        outcome = menu(OUTCOME, outcomes)
        body.append(ask(SubmitEvidence, "outcome", outcome, optional=False))
    is_plan = type_ == "monitoring_plan"
    if is_plan or type_ == "performance_report":
        hint = (
            "One a line, like: accuracy >= 0.85 every 7 (days between readings)."
            if is_plan
            else "One a line, like: accuracy = 0.91 >= 0.85. mlgov judges them."
        )
        filled = _watched(card) if is_plan else _measured(card, seen, before)
        body.append(
            text(
                "What is watched" if is_plan else "Metrics and their thresholds",
                METRICS,
                initial=filled,
                hint=hint,
                optional=False,
            )
        )
    elif type_ != "validation_report" and not (file is not None and file.type):
        body.append(
            text(
                "Metrics and their thresholds",
                METRICS,
                hint="If it measures something: accuracy = 0.91 >= 0.85, one a line.",
            )
        )
    if file is None:
        hint = (
            "A link. Or put the file itself below."
            if takes_files
            else "A link, on which its readers find it."
        )
        body.append(ask(SubmitEvidence, "uri", hint=hint))
        if takes_files:
            body.append(
                blocks.input_(
                    "The file itself",
                    blocks.file_input(FILE),
                    block_id=FILE,
                    optional=True,
                    hint="Up to 10 MB. It stays in Slack, its digest goes on the record, and whoever sees the model may ask me for it.",
                )
            )
    may_count = takes_files and policy.evidence.fairness.rows_in_slack
    if type_ == FAIRNESS and may_count and (file is None or file.has_rows):
        body += _rows()
    body += [ask(SubmitEvidence, "summary"), ask_day(SubmitEvidence, "valid_until")]
    return blocks.modal(
        "Hand in evidence", body, callback_id=SUBMIT_EVIDENCE, submit="Hand in", metadata=metadata
    )


def _rows() -> list[Block]:
    """Which columns of a table with rows of people say what."""
    asked = (
        (
            "Column with what was true",
            TRUTH,
            "For a table of predictions, a row for each person. mlgov counts groups and keeps no row.",
        ),
        ("Column with what the model said", PREDICTION, "Yes or no, a word, or a score."),
        ("Columns with groups", GROUPS, "Like sex, age; several are crossed as well."),
        ("From which score is it a yes?", CUT, "Only for scores, like 0.5."),
        ("Which word is a yes?", POSITIVE, "Only for words, like granted."),
    )
    return [
        text(label, block, multiline=False, most=200, hint=hint) for label, block, hint in asked
    ]


def _measured(card: ModelCard, seen: Found | None, last: Item | None) -> str:
    """What the run in the registry measured, with the thresholds that were set before; a threshold that nobody set is left open."""
    if seen is None:
        return ""
    before = card.evidence.get("performance_report") or last
    known = {section.name: section for section in before.metrics} if before else {}
    lines = []
    for name, value in list(seen.metrics.items())[:20]:
        limit = known.get(name)
        sign = "<=" if limit is not None and limit.better == "lower" else ">="
        lines.append(
            f"{name} = {value} {sign} {f'{limit.threshold.normalize():f}' if limit else ''}".rstrip()
        )
    return "\n".join(lines)


def _watched(card: ModelCard) -> str:
    """The measures that were reported, to be watched against the same thresholds."""
    report = card.evidence.get("performance_report")
    return "\n".join(
        f"{section.name} {'>=' if section.better == 'higher' else '<='} {section.threshold.normalize():f} every 7"
        for section in (report.metrics if report else ())
    )


def look(
    items: Sequence[Item], policy: Policy, today: date, drawn: Mapping[int, Picture], metadata: str
) -> Block:
    """Evidence to accept or to reject: each item as it stands, one box to tick."""
    body: list[Block] = [
        blocks.input_(
            "What do you decide?",
            blocks.radio(
                VERDICT, [_ACCEPT, blocks.option("Reject what I tick", "reject")], initial=_ACCEPT
            ),
            block_id=VERDICT,
        )
    ]
    for item in items[:15]:
        body += cards.evidence_blocks(item, policy, today, drawn)
        name = policy.evidence.words(item.type)
        what = (
            "I looked at it, and what it says above is right"
            if item.explained
            else "I looked at it"
        )
        body.append(
            blocks.input_(
                f"The {name}",
                blocks.checkboxes(PICK, [blocks.option(what, "yes")]),
                block_id=Ticked(PICK, item.id, item.revision).text,
                optional=True,
            )
        )
    hint = (
        "Needed to reject, and to accept what is flagged."
        if any(section.flags for section in items)
        else "Needed to reject."
    )
    body.append(text("Why?", WORD, hint=hint))
    return blocks.modal(
        "Look at evidence", body, callback_id=SUBMIT_LOOK, submit="Decide", metadata=metadata
    )


_ACCEPT = blocks.option("Accept what I tick", "accept")


def model_card(card: Card, ref: VersionRef) -> Block:
    """The nine sections of a model card, in short, and the documents to have."""
    body: list[Block] = []
    if card.missing:
        body.append(blocks.section(f"⚠️ Missing: {blocks.escape(', '.join(card.missing), 400)}"))
    for section in card.sections:
        lines = [f"*{section.title}*"]
        lines += [
            f"{blocks.escape(label, 60)}: {blocks.escape(value, 600)}"
            for label, value in section.facts
        ]
        if section.text:
            lines.append(blocks.quote(section.text, 1200))
        lines += [_row(table.columns, row) for table in section.tables for row in table.rows[:12]]
        if section.is_missing:
            lines.append("_Missing: nobody said this yet._")
        body += blocks.sections(lines)
    offered = [blocks.button("Send me this page", words.SEND_CARD, ref.text)]
    if ref.version_id is not None:
        offered.append(blocks.button("Send me the approval pack", words.SEND_PACK, ref.text))
    body.append(blocks.actions(offered, block_id="documents"))
    body.append(
        blocks.context(
            "The pack has everything that an auditor asks: evidence, decisions, policy and ledger."
        )
    )
    return blocks.modal("Model card", body, callback_id="notice", close="Close")


def _row(columns: Sequence[str], cells: Sequence[str]) -> str:
    """`• north: people 523 · selected 0.178`: a table has no place on a phone, so each figure says what it is."""
    named = [
        f"{name[:1].lower() + name[1:] if not name.isupper() else name} {blocks.escape(cell, 80)}".strip()
        for name, cell in zip(columns[1:], cells[1:], strict=True)
        if cell
    ]
    return f"• {blocks.escape(cells[0], 80)}: {' · '.join(named)}"


def waive(card: ModelCard, policy: Policy, today: date, metadata: str) -> Block:
    """Let a version go on without a type of evidence."""
    lacking = list(dict.fromkeys(lack.type for each in card.lacks.values() for lack in each))
    names = {
        section: policy.evidence.words(section).capitalize()
        for section in lacking or policy.evidence.all_types
    }
    most = today + policy.evidence.waive_at_most
    body = [
        blocks.section(
            f"*{words.model_name(card.model, card.version)}*\nWhat is waived is shown as waived, with your name, and never as passed."
        ),
        blocks.input_("What is waived?", menu(TYPE, names), block_id=TYPE),
        text("Why can it be waived?", REASON, optional=False),
        blocks.input_(
            "Until",
            blocks.date_picker(UNTIL, initial=today + timedelta(days=30)),
            block_id=UNTIL,
            hint=f"At most until {words.day(most, today)}.",
        ),
    ]
    return blocks.modal(
        "Waive evidence", body, callback_id=SUBMIT_WAIVE, submit="Waive", metadata=metadata
    )
