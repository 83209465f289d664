"""Models in words: the phrases that cards, lists and windows share. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date

from bot.slack import blocks, files
from storage.enums import (
    ChangeClass,
    EuClass,
    EvidenceStatus,
    Exposure,
    FindingStatus,
    ModelKind,
    ModelState,
    PurposeClass,
    Severity,
)
from workflows.calendar import last_day
from workflows.evidence.forms import FAIRNESS
from workflows.evidence.records import Item
from workflows.inventory import rules
from workflows.inventory.records import (
    FindingRecord,
    ModelCard,
    ModelRecord,
    Reading,
    VersionRecord,
)
from workflows.policy import Policy
from workflows.policy.sections import Step
from workflows.projects.records import PersonRef

OPEN = "models.open"
STEP = "models.step"
MORE = "models.more"
REGISTER = "models.register"
PICK_TYPE = "models.evidence_type"
SETTLE = "models.settle"
SHARED = "models.shared"
READ_FILE = "models.file"
SEND_CARD = "models.send_card"
SEND_PACK = "models.send_pack"
PICK_VERSION = "models.pick_version"
PICK_PROJECT = "models.pick_project"
PICK_UPSTREAM = "models.pick_upstream"
"""Menus whose options are looked up."""
DESCRIBE = "describe"
ASSESS = "assess"
VERSION = "version"
EVIDENCE = "evidence"
LOOK = "look"
WAIVE = "waive"
FINDING = "finding"
REVIEW = "review"
CLASSIFY = "classify"
CARD = "card"
"""What the menu offers beside steps; the value of an option begins with it."""

S = ModelState
STATES = {
    S.INVENTORIED: "Inventoried",
    S.NOT_A_MODEL: "Not a model",
    S.DEVELOPMENT: "In development",
    S.VALIDATION: "In validation",
    S.APPROVAL: "⌛ Waiting for approval",
    S.APPROVED: "✅ Approved",
    S.IMPLEMENTATION: "Being implemented",
    S.IN_USE: "✅ In use",
    S.MODIFICATION: "Being modified",
    S.SUSPENDED: "⚠️ Suspended",
    S.RETIRED: "Retired",
}
STANDS = {
    S.INVENTORIED: "is in the inventory, without a version yet",
    S.NOT_A_MODEL: "is kept as not a model",
    S.DEVELOPMENT: "is in development",
    S.VALIDATION: "is in validation",
    S.APPROVAL: "waits for approval",
    S.APPROVED: "is approved, and not in use yet",
    S.IMPLEMENTATION: "is being implemented",
    S.IN_USE: "is in use",
    S.MODIFICATION: "is being modified",
    S.SUSPENDED: "is suspended",
    S.RETIRED: "is retired",
}
KINDS = {
    ModelKind.INTERNAL: "A model of our own",
    ModelKind.VENDOR: "A vendor's model",
    ModelKind.GENERATIVE: "A use of a generative model",
}
EXPOSURES = {
    Exposure.LOW: "Low: few people, little money",
    Exposure.MEDIUM: "Medium",
    Exposure.HIGH: "High: many people, or much money",
}
PURPOSES = {
    PurposeClass.INFORMATIONAL: "It informs: nobody acts on it alone",
    PurposeClass.DECISION_SUPPORT: "It supports: a person decides",
    PurposeClass.AUTOMATED: "It decides by itself, or serves a regulator",
}
EU = {
    EuClass.MINIMAL: "Minimal risk",
    EuClass.LIMITED: "Limited risk: people must be told",
    EuClass.HIGH: "High risk",
    EuClass.PROHIBITED: "Prohibited",
}
CHANGES = {
    ChangeClass.EDITORIAL: "Words only: it stays in use",
    ChangeClass.MINOR: "Minor: it is validated again",
    ChangeClass.MATERIAL: "Material: a new version goes all the way",
}
SEVERITIES = {
    Severity.LOW: "Low",
    Severity.MEDIUM: "Medium",
    Severity.HIGH: "High",
    Severity.CRITICAL: "Critical: it can't go on",
}
FINDINGS = {
    FindingStatus.OPEN: "open",
    FindingStatus.IN_PROGRESS: "somebody is on it",
    FindingStatus.RESOLVED: "resolved",
    FindingStatus.ACCEPTED: "accepted",
}
STEPS: dict[Step, str] = {
    "validation": "validation",
    "approval": "approval",
    "implementation": "implementation",
    "retirement": "retirement",
}


def mention_person(who: PersonRef | None, otherwise: str = "nobody yet") -> str:
    """A person as Slack shows them."""
    return blocks.mention(who.slack_id, who.name) if who else otherwise


def mention_people(persons: Iterable[PersonRef], otherwise: str = "nobody yet") -> str:
    """Several people."""
    return ", ".join(mention_person(one) for one in persons) or otherwise


def model_name(model: ModelRecord, version: VersionRecord | None) -> str:
    """`Fraud score 7`, escaped."""
    name = blocks.escape(model.name, 100)
    return f"{name} {blocks.escape(version.version, 40)}" if version else name


def tier(model: ModelRecord) -> str:
    """`tier 1`, or that it is open."""
    return f"tier {model.tier}" if model.tier else "tier not assessed"


def headline(model: ModelRecord, version: VersionRecord | None) -> str:
    """The first line: `Fraud score 7 is in use · tier 1`."""
    state = version.state if version else model.own_state
    return f"{model_name(model, version)} {STANDS[state]} · {tier(model)}"


def day(value: date, today: date) -> str:
    """A day, with its year where it is another one."""
    return blocks.day(value, today)


def model_line(model: ModelRecord, today: date) -> str:
    """One model of a list, in at most two lines."""
    head = [f"*{model_name(model, model.lead)}*", STATES[model.state], tier(model)]
    under = [f"owned by {mention_person(model.owner)}"]
    if model.project:
        under.append(blocks.escape(model.project, 60))
    counts = findings_line(model, today)
    if counts:
        under.append(counts)
    if model.next_review is not None:
        late = model.next_review < today
        under.append(f"review {'was ' if late else ''}due {day(model.next_review, today)}")
    return f"{' · '.join(head)}\n{' · '.join(under)}"


def findings_line(model: ModelRecord, today: date) -> str:
    """`1 critical, 2 medium findings`; empty without any that is open."""
    open_ = [one for one in model.findings if one.is_open(today)]
    counts = [
        (sum(one.severity is each for one in open_), each.value) for each in reversed(Severity)
    ]
    counted = ", ".join(f"{number} {word}" for number, word in counts if number)
    return f"{counted} finding{'s' if len(open_) != 1 else ''}" if counted else ""


def finding_line(record: FindingRecord, today: date) -> str:
    """One finding in a line."""
    head = [f"*{record.severity.value.capitalize()}* · {blocks.escape(record.words, 300)}"]
    under = [FINDINGS[record.status], f"for {mention_person(record.owner)}"]
    if record.due is not None:
        under.append(f"{'was due' if record.due < today else 'by'} {day(record.due, today)}")
    if record.status is FindingStatus.ACCEPTED and record.accepted_until is not None:
        under = [
            f"accepted until {day(record.accepted_until, today)} by {mention_person(record.accepter)}: “{blocks.escape(record.word, 200)}”"
        ]
    if record.version:
        under.append(f"version {blocks.escape(record.version, 40)}")
    return f"{head[0]}\n{' · '.join(under)}"


def missing_line(card: ModelCard) -> str:
    """What the version lacks for its next step, in a line; that nothing is missing where it is so."""
    state = card.version.state if card.version else card.model.own_state
    step = NEXT.get(state)
    if step is None:
        return ""
    lacks = card.lacks.get(step, ())
    if not lacks:
        return f"Nothing is missing for {STEPS[step]}."
    return (
        f"*Missing for {STEPS[step]}:* {blocks.escape(', '.join(one.words for one in lacks), 600)}"
    )


NEXT: dict[ModelState, Step] = {
    S.DEVELOPMENT: "validation",
    S.MODIFICATION: "validation",
    S.VALIDATION: "approval",
    S.APPROVED: "implementation",
    S.IMPLEMENTATION: "implementation",
}
"""The step for which evidence is shown as missing."""


def item_lines(evidence: Item, policy: Policy, today: date) -> str:
    """One item of evidence in a line or two: what it is, how it stands, what it measured."""
    name = blocks.escape(policy.evidence.words(evidence.type).capitalize(), 60)
    # Slack shows a file that was handed in to nobody but who shared it, so its link leads nowhere for others.
    has_link = evidence.uri and evidence.uri.startswith("http") and file_of(evidence) is None
    head = f"<{evidence.uri}|{name}>" if has_link else name
    first = [f"*{head}*", item_status(evidence, policy, today)]
    if evidence.outcome:
        first.append(f"outcome: {evidence.outcome}")
    if (
        evidence.type == FAIRNESS
        and evidence.fairness is None
        and evidence.status is not EvidenceStatus.WAIVED
    ):
        first.append("a document, not computed by mlgov")
    lines = [" · ".join(first)]
    measured = metrics_line(evidence)
    if measured:
        lines.append(measured)
    if evidence.summary:
        lines.append(f"“{blocks.escape(evidence.summary, 200)}”")
    if evidence.word:
        lines.append(
            f"{blocks.escape(evidence.decider, 60)}: “{blocks.escape(evidence.word, 200)}”"
        )
    return "\n".join(lines)


def file_of(evidence: Item) -> str | None:
    """Slack's id of the file that an item is, where it was handed in as one."""
    return files.file_id_of(evidence.uri) if evidence.is_file else None


def item_status(evidence: Item, policy: Policy, today: date) -> str:
    """`accepted by Val`, `waived until 3 Mar by Risk`, `handed in by Dev`."""
    zone = policy.organisation.zone
    until = last_day(evidence.valid_until, zone) if evidence.valid_until else None
    if evidence.status is EvidenceStatus.WAIVED:
        end = f" until {day(until, today)}" if until else ""
        return f"*waived*{end} by {blocks.escape(evidence.waiver_owner, 60)}"
    if evidence.status is EvidenceStatus.SUBMITTED:
        text = f"handed in by {blocks.escape(evidence.producer, 60)}"
    else:
        text = f"{evidence.status.value} by {blocks.escape(evidence.decider, 60)}"
    return text + (f", good until {day(until, today)}" if until else "")


def metrics_line(evidence: Item) -> str:
    """`accuracy 0.91 (at least 0.85) · latency 80 (at most 120)`; what fails says so."""
    phrases = [
        f"{blocks.escape(each.name, 60)} {each.value.normalize():f} ({'at least' if each.better == 'higher' else 'at most'} {each.threshold.normalize():f}{'' if each.is_met else ', *not met*'})"
        for each in evidence.metrics[:8]
    ]
    phrases += [
        f"watches {blocks.escape(each.name, 60)}, {'at least' if each.better == 'higher' else 'at most'} {each.threshold.normalize():f}, every {blocks.counted(each.every_days, 'day')}"
        for each in evidence.watched[:8]
    ]
    return " · ".join(phrases)


def reading_line(latest: Reading) -> str:
    """The latest value of a measure in use, against its threshold."""
    limit = (
        f"{'at least' if latest.better == 'higher' else 'at most'} {latest.threshold.normalize():f}"
    )
    name = blocks.escape(latest.metric, 60)
    why = f" · ⚠️ not read: {blocks.escape(latest.trouble, 200)}" if latest.trouble else ""
    if latest.value is None or latest.at is None:
        return f"{name}: no reading yet ({limit}, every {blocks.counted(latest.every_days, 'day')}){why}"
    breach = " · *breach*" if latest.is_breach else ""
    return f"{name}: {latest.value.normalize():f} ({limit}) · {blocks.when(latest.at)}{breach}{why}"


def label(verb: str) -> str:
    """A step as its button says it."""
    return next((move.label for move in rules.MOVES if move.verb == verb), verb)


def first_lines(texts: Sequence[str], most: int) -> list[str]:
    """The first of them, and how many more there are."""
    rest = len(texts) - most
    return [*texts[:most], *([f"…and {rest} more"] if rest > 0 else [])]
