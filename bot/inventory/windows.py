"""The windows in which models are registered, described, assessed and moved on. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TypeVar

from bot import blocks
from bot.blocks import Block, Element
from bot.inventory import views, words
from bot.pictures import Picture
from storage.enums import (
    FindingStatus,
    ModelKind,
    Severity,
)
from workflows.evidence.forms import CARD, FAIRNESS, WORDS
from workflows.evidence.records import Item
from workflows.evidence.sharing import Shared
from workflows.inventory import rules
from workflows.inventory.model_cards import Card
from workflows.inventory.records import FindingRecord, ModelCard, ModelRecord
from workflows.inventory.rules import Guard, Move
from workflows.policy import Policy
from workflows.registry.records import Found

(
    SUBMIT_REGISTER, SUBMIT_DESCRIBE, SUBMIT_ASSESS, SUBMIT_VERSION, SUBMIT_STEP, SUBMIT_EVIDENCE, SUBMIT_LOOK, SUBMIT_WAIVE,
    SUBMIT_FINDING, SUBMIT_SETTLE, SUBMIT_REVIEW, SUBMIT_CLASSIFY,
) = (
    f"models.submit_{one}"
    for one in (
        "register", "describe", "assess", "version", "step", "evidence", "look", "waive", "finding", "settle", "review", "classify",
    )
)  # fmt: skip
NAME, KIND, VENDOR, PROJECT, OWNER, PURPOSE = (
    "name",
    "kind",
    "vendor",
    "project",
    "owner",
    "purpose",
)
INTENDED, SCOPE, TECHNIQUE, DATA, PEOPLE, UPSTREAM = (
    "intended_use",
    "out_of_scope",
    "technique",
    "data_sources",
    "affects_people",
    "upstream",
)
EXPOSURE, USE, EU, TIER, REASON = (
    "exposure",
    "purpose_class",
    "eu_class",
    "override",
    "reason",
)
VERSION, DIGEST, DEVELOPER, BASE, PROMPT, TOOLS = (
    "version",
    "digest",
    "developers",
    "base",
    "prompt",
    "tools",
)
VALIDATOR, CHANGE, NEW = ("validator", "change_class", "new_version")
FILE, TRUTH, PREDICTION, GROUPS, POSITIVE, CUT = (
    "file",
    "truth",
    "prediction",
    "group",
    "positive",
    "cut",
)
TYPE, URI, SUMMARY, METRICS, OUTCOME, UNTIL = (
    "type",
    "uri",
    "summary",
    "metrics",
    "outcome",
    "until",
)
VERDICT, PICK, WORD, SEVERITY, DUE, HOW = (
    "verdict",
    "pick",
    "word",
    "severity",
    "due",
    "how",
)

E = TypeVar("E", bound=object)


def _menu(
    action: str,
    texts: Mapping[E, str],
    initial: E | None = None,
    placeholder: str = "Pick one",
) -> Element:
    options = [blocks.option(text, str(value)) for value, text in texts.items()]
    chosen = next(
        (
            one
            for one in options
            if initial is not None and one["value"] == str(initial)
        ),
        None,
    )
    return blocks.select(action, options, placeholder=placeholder, initial=chosen)


def _text(
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


def _project(chosen: tuple[str, str] | None) -> Block:
    """The project, looked up; `chosen` is the key and name of the one that it has."""
    initial = blocks.option(chosen[1], chosen[0]) if chosen else None
    menu = blocks.searched(
        words.PICK_PROJECT, placeholder="Pick a project", initial=initial
    )
    return blocks.input_("Project", menu, block_id=PROJECT, optional=True)


def register(
    *,
    name: str = "",
    purpose: str = "",
    owner: str | None = None,
    chosen: tuple[str, str] | None = None,
) -> Block:
    """A new entry: what somebody knows on the first day; the rest is described later."""
    shown = [
        _text(
            "Name",
            NAME,
            initial=name,
            multiline=False,
            optional=False,
            most=80,
            hint="As people call it, like Fraud score.",
        ),
        blocks.input_(
            "What is it?", _menu(KIND, words.KINDS, ModelKind.INTERNAL), block_id=KIND
        ),
        _text(
            "Vendor",
            VENDOR,
            multiline=False,
            most=80,
            hint="For a model that is not your own.",
        ),
        _project(chosen),
        blocks.input_(
            "Owner",
            blocks.person_picker(
                OWNER, placeholder="Who answers for it", initial=owner
            ),
            block_id=OWNER,
        ),
        _text(
            "What is it for?",
            PURPOSE,
            initial=purpose,
            optional=False,
            hint="A sentence or two that an executive understands.",
        ),
        *_assessed(None),
    ]
    return blocks.modal(
        "Register a model", shown, callback_id=SUBMIT_REGISTER, submit="Register"
    )


def _assessed(model: ModelRecord | None) -> list[Block]:
    optional = model is None
    later = (
        " You can say it later; development starts once it is said." if optional else ""
    )
    return [
        blocks.input_(
            "How much depends on it?",
            _menu(EXPOSURE, words.EXPOSURES, model.exposure if model else None),
            block_id=EXPOSURE,
            optional=optional,
            hint=f"Volume, money and people it reaches.{later}",
        ),
        blocks.input_(
            "What does its output do?",
            _menu(USE, words.PURPOSES, model.purpose_class if model else None),
            block_id=USE,
            optional=optional,
        ),
        blocks.input_(
            "Class under the EU AI Act",
            _menu(EU, words.EU, model.eu_class if model else None),
            block_id=EU,
            optional=optional,
        ),
    ]


def describe(
    found: ModelCard, taken: Sequence[tuple[str, str]], metadata: str
) -> Block:
    """Everything that describes a model, filled in as it stands, and where it says nothing, from the team's own card.

    `taken` are key and name of the models whose output it takes.
    """
    model = found.model
    held = found.evidence.get(CARD)
    card = held.card if held else None
    upstream = blocks.searched_many(
        words.PICK_UPSTREAM,
        placeholder="None",
        initial=[blocks.option(name, key) for key, name in taken],
    )
    shown = [
        _text(
            "Name", NAME, initial=model.name, multiline=False, optional=False, most=80
        ),
        blocks.input_(
            "What is it?", _menu(KIND, words.KINDS, model.kind), block_id=KIND
        ),
        _text("Vendor", VENDOR, initial=model.vendor or "", multiline=False, most=80),
        _project(
            (model.project_key, model.project or model.project_key)
            if model.project_key
            else None
        ),
        blocks.input_(
            "Owner",
            blocks.person_picker(
                OWNER,
                placeholder="Who answers for it",
                initial=model.owner.slack_id if model.owner else None,
            ),
            block_id=OWNER,
        ),
        _text("What is it for?", PURPOSE, initial=model.purpose, optional=False),
        _text(
            "Intended use",
            INTENDED,
            initial=model.intended_use or (card.intended_use[:WORDS] if card else ""),
            hint="Who uses its output, for what.",
        ),
        _text(
            "Not meant for",
            SCOPE,
            initial=model.out_of_scope,
            hint="Uses that nobody validated.",
        ),
        _text(
            "Technique",
            TECHNIQUE,
            initial=model.technique,
            multiline=False,
            most=200,
            hint="Like gradient boosting.",
        ),
        _text(
            "Data that it is made from",
            DATA,
            initial=", ".join(model.data_sources),
            multiline=False,
            most=1000,
            hint="Names, separated by commas.",
        ),
        blocks.input_(
            "Does its output bear on people one by one?",
            _menu(
                PEOPLE,
                {"no": "No", "yes": "Yes: it asks for fairness evidence"},
                "yes" if model.affects_people else "no",
            ),
            block_id=PEOPLE,
        ),
        blocks.input_(
            "Takes the output of", upstream, block_id=UPSTREAM, optional=True
        ),
    ]
    return blocks.modal(
        "Describe it",
        shown,
        callback_id=SUBMIT_DESCRIBE,
        submit="Keep",
        metadata=metadata,
    )


def assess(model: ModelRecord, *, can_risk: bool, metadata: str) -> Block:
    """How material a model is; model risk can set another tier."""
    shown = [
        blocks.section(f"*{words.named(model, None)}* · {words.tier(model)}"),
        *_assessed(model),
    ]
    if can_risk:
        shown += [
            blocks.input_(
                "Another tier than what follows",
                _menu(
                    TIER,
                    {"1": "Tier 1, the most material", "2": "Tier 2", "3": "Tier 3"},
                ),
                block_id=TIER,
                optional=True,
                hint="Only model risk sees this. Leave it empty to take what follows.",
            ),
            _text("Why another tier?", REASON),
        ]
    return blocks.modal(
        "Assess its tier",
        shown,
        callback_id=SUBMIT_ASSESS,
        submit="Assess",
        metadata=metadata,
    )


def version(
    model: ModelRecord, *, maker: str | None, metadata: str, seen: Found | None = None
) -> Block:
    """A new version, prefilled from the registry (`seen` is its newest that is not here yet), or from the last one."""
    last = model.versions[0] if model.versions else None
    name = seen.version if seen else _next(last.version) if last else "1"
    shown = [
        blocks.section(
            f"*{words.named(model, None)}*"
            + (
                f" · the last version is {blocks.escape(last.version, 40)}"
                if last
                else ""
            )
        ),
        _text(
            "Version",
            VERSION,
            initial=name,
            multiline=False,
            optional=False,
            most=60,
            hint="The newest in the registry that is not here yet." if seen else "",
        ),
        blocks.input_(
            "Developed by",
            blocks.person_picker(DEVELOPER, placeholder="Who made it", initial=maker),
            block_id=DEVELOPER,
            hint="They can't validate or approve it. A pipeline can name several.",
        ),
        _text(
            "Digest of its contents",
            DIGEST,
            initial=f"sha256:{seen.digest}" if seen and seen.digest else "",
            multiline=False,
            most=80,
            hint="sha256:… of what will be deployed. What is approved is exactly that.",
        ),
    ]
    if model.kind is ModelKind.GENERATIVE:
        about = last.about if last else {}
        shown += [
            _text(
                "Model it uses",
                BASE,
                initial=str(about.get("model", "")),
                multiline=False,
                optional=False,
                most=200,
                hint="The vendor's own id, with its date or version.",
            ),
            _text("The prompt", PROMPT, hint="Only its digest is kept."),
            _text(
                "Tools it may use",
                TOOLS,
                initial=", ".join(str(one) for one in about.get("tools", ())),
                multiline=False,
                most=500,
                hint="Names, separated by commas.",
            ),  # type: ignore[attr-defined]
        ]
    return blocks.modal(
        "Add a version",
        shown,
        callback_id=SUBMIT_VERSION,
        submit="Add",
        metadata=metadata,
    )


def _next(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return f"{head}{dot}{int(tail) + 1}" if tail.isascii() and tail.isdigit() else ""


_WHY = {
    rules.PASS: ("Why can it be approved?", "Approvers read it first."),
    "return": ("What has to change?", "The developers read it."),
    rules.DEPLOY: ("How do you know that it runs?", "A place, a check, a link."),
    rules.SUSPEND: (
        "What is wrong?",
        "It is told in the channel, and to who owns what depends on it.",
    ),
    rules.RETIRE: ("Why is it retired?", ""),
    rules.CHANGE: ("What changes, and why?", ""),
    "resume": ("Why can it go on?", ""),
}


def step(found: ModelCard, move: Move, *, route: str = "", metadata: str = "") -> Block:
    """A step about to be taken: what it does, who else it needs, and what it asks."""
    model, version_ = found.model, found.version
    told = f"*{words.named(model, version_)}* · {words.STATES[move.source]} → {words.STATES[move.target]}"
    shown: list[Block] = [blocks.section(told)]
    if move.both:
        both = " and ".join(sorted(rules.WHO_WORDS[one] for one in move.who))
        shown.append(
            blocks.context(f"This needs two people, {both}. The other one is asked.")
        )
    if move.verb == rules.SUSPEND:
        down = (
            f" {blocks.escape(', '.join(model.downstream), 200)} takes its output."
            if model.downstream
            else ""
        )
        shown.append(
            blocks.context(
                f"It is suspended at once, by you alone. Only model risk resumes it.{down}"
            )
        )
    if move.verb == rules.RETIRE:
        listed = blocks.escape(", ".join(model.downstream), 300) or "no other model"
        shown.append(
            blocks.context(
                f"Takes its output: {listed}. Retired is the end; the record stays."
            )
        )
    if Guard.VALIDATOR_NAMED in move.guards:
        shown.append(
            blocks.input_(
                "Who validates it?",
                blocks.person_picker(
                    VALIDATOR, placeholder="Somebody who did not make it"
                ),
                block_id=VALIDATOR,
                hint="They are asked at once. Whoever made or owns it can't.",
            )
        )
    if move.verb == rules.CHANGE:
        shown += [
            blocks.input_(
                "How much does the change weigh?",
                blocks.radio(
                    CHANGE,
                    [
                        blocks.option(text, one.value)
                        for one, text in words.CHANGES.items()
                    ],
                ),
                block_id=CHANGE,
            ),
            _text(
                "Name of the new version",
                NEW,
                initial=_next(version_.version) if version_ else "",
                multiline=False,
                most=60,
                hint="For a material change.",
            ),
        ]
    if move.asks_why:
        label, hint = _WHY.get(move.verb, ("Why?", "It stays with the record."))
        shown.append(_text(label, REASON, hint=hint, optional=False, most=1000))
    if route:
        shown.append(blocks.context(route))
    return blocks.modal(
        move.label.rstrip("…"),
        shown,
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


def shared(found: Shared) -> Block:
    """A file that somebody shared: which version of a model is it for?"""
    menu = blocks.searched(words.PICK_VERSION, placeholder="Pick a version")
    shown = [
        blocks.section(f"*{blocks.escape(found.name, 120)}*"),
        blocks.section(
            "Which model, in which version, is it for?",
            accessory=menu,
            block_id=VERSION,
        ),
    ]
    return blocks.modal(
        "Hand in evidence",
        shown,
        callback_id="notice",
        close="Cancel",
        metadata=found.slack_id,
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
    names = {
        one: policy.evidence.words(one).capitalize()
        for one in policy.evidence.all_types
    }
    lacking = [lack.type for each in found.lacks.values() for lack in each]
    ordered = {one: names[one] for one in dict.fromkeys([*lacking, *names])}
    pick = blocks.input_(
        "What is it?",
        _menu(words.PICK_TYPE, ordered, type_),
        block_id=TYPE,
        dispatch=True,
        hint="What is missing stands first.",
    )
    about = f"*{words.named(found.model, found.version)}*" + (
        f" · {blocks.escape(file.name, 120)}" if file else ""
    )
    shown: list[Block] = [blocks.section(about), pick]
    if file is not None and file.said and type_ == file.type:
        shown += blocks.sections(blocks.escape(one, 400) for one in file.said)
    if type_ is None:
        return blocks.modal(
            "Hand in evidence",
            shown,
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
        shown.append(
            blocks.input_(
                "What did the validation come to?",
                _menu(OUTCOME, outcomes),
                block_id=OUTCOME,
            )
        )
    is_plan = type_ == "monitoring_plan"
    if is_plan or type_ == "performance_report":
        hint = (
            "One a line, like: accuracy >= 0.85 every 7 (days between readings)."
            if is_plan
            else "One a line, like: accuracy = 0.91 >= 0.85. mlgov judges them."
        )
        filled = _watched(found) if is_plan else _measured(found, seen, before)
        shown.append(
            _text(
                "What is watched" if is_plan else "Metrics and their thresholds",
                METRICS,
                initial=filled,
                hint=hint,
                optional=False,
            )
        )
    elif type_ != "validation_report" and not (file is not None and file.type):
        shown.append(
            _text(
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
        shown.append(
            _text("Where it is kept", URI, multiline=False, most=500, hint=hint)
        )
        if takes_files:
            shown.append(
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
        shown += _rows()
    shown += [
        _text("What it shows, in words", SUMMARY, hint="Approvers read it."),
        blocks.input_(
            "Good until", blocks.date_picker(UNTIL), block_id=UNTIL, optional=True
        ),
    ]
    return blocks.modal(
        "Hand in evidence",
        shown,
        callback_id=SUBMIT_EVIDENCE,
        submit="Hand in",
        metadata=metadata,
    )


def _rows() -> list[Block]:
    """Which columns of a table with rows of people say what."""
    asked = (
        (
            "Column with what was true",
            TRUTH,
            "For a table of predictions, a row for each person. mlgov counts groups and keeps no row.",
        ),
        (
            "Column with what the model said",
            PREDICTION,
            "Yes or no, a word, or a score.",
        ),
        ("Columns with groups", GROUPS, "Like sex, age; several are crossed as well."),
        ("From which score is it a yes?", CUT, "Only for scores, like 0.5."),
        ("Which word is a yes?", POSITIVE, "Only for words, like granted."),
    )
    return [
        _text(label, block, multiline=False, most=200, hint=hint)
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
    items: Sequence[Item],
    policy: Policy,
    today: date,
    drawn: Mapping[int, Picture],
    metadata: str,
) -> Block:
    """Evidence to accept or to reject: each item as it stands, one box to tick."""
    shown: list[Block] = [
        blocks.input_(
            "What do you decide?",
            blocks.radio(
                VERDICT,
                [_ACCEPT, blocks.option("Reject what I tick", "reject")],
                initial=_ACCEPT,
            ),
            block_id=VERDICT,
        )
    ]
    for item in items[:15]:
        shown += views.evidence(item, policy, today, drawn)
        name = policy.evidence.words(item.type)
        what = (
            "I looked at it, and what it says above is right"
            if item.explained
            else "I looked at it"
        )
        shown.append(
            blocks.input_(
                f"The {name}",
                blocks.checks(PICK, [blocks.option(what, "yes")]),
                block_id=f"{PICK}:{item.id}:{item.revision}",
                optional=True,
            )
        )
    hint = (
        "Needed to reject, and to accept what is flagged."
        if any(one.flags for one in items)
        else "Needed to reject."
    )
    shown.append(_text("Why?", WORD, hint=hint))
    return blocks.modal(
        "Look at evidence",
        shown,
        callback_id=SUBMIT_LOOK,
        submit="Decide",
        metadata=metadata,
    )


_ACCEPT = blocks.option("Accept what I tick", "accept")


def model_card(card: Card, at: str) -> Block:
    """The nine sections of a model card, in short, and the documents to have; `at` is `model:version` by id, version 0 for none."""
    shown: list[Block] = []
    if card.missing:
        shown.append(
            blocks.section(f"⚠️ Missing: {blocks.escape(', '.join(card.missing), 400)}")
        )
    for one in card.sections:
        told = [f"*{one.title}*"]
        told += [
            f"{blocks.escape(label, 60)}: {blocks.escape(value, 600)}"
            for label, value in one.facts
        ]
        if one.text:
            told.append(blocks.quote(one.text, 1200))
        told += [
            _row(table.columns, row) for table in one.tables for row in table.rows[:12]
        ]
        if one.is_missing:
            told.append("_Missing: nobody said this yet._")
        shown += blocks.sections(told)
    offered = [blocks.button("Send me this page", words.SEND_CARD, at)]
    if not at.endswith(":0"):
        offered.append(blocks.button("Send me the approval pack", words.SEND_PACK, at))
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
    lacking = list(
        dict.fromkeys(lack.type for each in found.lacks.values() for lack in each)
    )
    names = {
        one: policy.evidence.words(one).capitalize()
        for one in lacking or policy.evidence.all_types
    }
    most = today + policy.evidence.waive_at_most
    shown = [
        blocks.section(
            f"*{words.named(found.model, found.version)}*\nWhat is waived is shown as waived, with your name, and never as passed."
        ),
        blocks.input_("What is waived?", _menu(TYPE, names), block_id=TYPE),
        _text("Why can it be waived?", REASON, optional=False),
        blocks.input_(
            "Until",
            blocks.date_picker(UNTIL, initial=today + timedelta(days=30)),
            block_id=UNTIL,
            hint=f"At most until {words.day(most, today)}.",
        ),
    ]
    return blocks.modal(
        "Waive evidence",
        shown,
        callback_id=SUBMIT_WAIVE,
        submit="Waive",
        metadata=metadata,
    )


def finding(found: ModelCard, metadata: str) -> Block:
    """Something wrong."""
    owner = found.model.owner
    shown = [
        blocks.section(f"*{words.named(found.model, found.version)}*"),
        _text("What is wrong?", WORD, optional=False, most=2000),
        blocks.input_(
            "How grave is it?",
            _menu(SEVERITY, words.SEVERITIES, Severity.MEDIUM),
            block_id=SEVERITY,
        ),
        blocks.input_(
            "Who mends it?",
            blocks.person_picker(
                OWNER,
                placeholder="Its owner",
                initial=owner.slack_id if owner else None,
            ),
            block_id=OWNER,
            optional=True,
        ),
        blocks.input_(
            "By when?",
            blocks.date_picker(DUE),
            block_id=DUE,
            optional=True,
            hint="Left empty, the policy's time for that severity.",
        ),
    ]
    return blocks.modal(
        "File a finding",
        shown,
        callback_id=SUBMIT_FINDING,
        submit="File",
        metadata=metadata,
    )


def settle(one: FindingRecord, today: date, *, metadata: str) -> Block:
    """What becomes of a finding."""
    ways = {
        "progress": "Somebody is on it",
        "resolve": "It is mended",
        "accept": "Accept it until a day (model risk)",
    }
    if one.status is FindingStatus.ACCEPTED:
        ways["reopen"] = "Open it again"
    shown = [
        blocks.section(words.finding(one, today)),
        blocks.input_(
            "What becomes of it?",
            blocks.radio(HOW, [blocks.option(text, way) for way, text in ways.items()]),
            block_id=HOW,
        ),
        _text("How can one see it, or why?", WORD),
        blocks.input_(
            "Accepted until",
            blocks.date_picker(UNTIL),
            block_id=UNTIL,
            optional=True,
            hint="Only where it is accepted.",
        ),
    ]
    return blocks.modal(
        "Settle a finding",
        shown,
        callback_id=SUBMIT_SETTLE,
        submit="Settle",
        metadata=metadata,
    )


def review(model: ModelRecord, today: date, metadata: str) -> Block:
    """A review that was done."""
    due = f" · due {words.day(model.next_review, today)}" if model.next_review else ""
    shown = [
        blocks.section(
            f"*{words.named(model, model.lead)}*{due}\nA review approves nothing anew: it says that somebody looked."
        ),
        _text("What did you look at, and what did you see?", WORD, optional=False),
    ]
    return blocks.modal(
        "Reviewed", shown, callback_id=SUBMIT_REVIEW, submit="Keep", metadata=metadata
    )


def classify(model: ModelRecord, *, is_model: bool, metadata: str) -> Block:
    """Model risk says that an entry is no model, or that it is one after all."""
    title = "It is a model" if is_model else "It is no model"
    shown = [
        blocks.section(f"*{words.named(model, None)}*"),
        _text(
            "Why?",
            REASON,
            optional=False,
            hint="Simple arithmetic and fixed rules are no models (SR 26-2).",
        ),
    ]
    return blocks.modal(
        title,
        shown,
        callback_id=SUBMIT_CLASSIFY,
        submit="Keep",
        metadata=f"{metadata}:{int(is_model)}",
    )
