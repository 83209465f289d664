"""Faults in words: what was changed, whose decision it was, of which day, and what to do."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from storage.audit import governed, standing
from workflows.record.records import DescribedFault, Fault
from workflows.wording import counted

LOOK = (
    "Find out who can write to the database: mlgov didn't do this. Put the row back as the ledger has it, or restore a "
    "copy; `mlgov audit verify` shows when the two agree again."
)
HOLD = (
    "Don't act on it until the two agree: mlgov signs no statement about it. Find out who can write to the database, "
    "then put the row back as the ledger has it, or restore a copy."
)
CHAIN = (
    "Stop whoever writes to the database, keep a copy of it as it is, and restore one from before. The heads that were "
    "published outside say up to which entry the ledger can be trusted."
)
TRIGGERS = (
    "Put them back by `mlgov audit guard`, and find out who took them away: only somebody who changes the ledger "
    "needs them gone."
)
HEADS = (
    "See why by `mlgov outbox list` and `mlgov doctor`. Until a head is published, the end of the ledger has no "
    "witness outside the database."
)
ERASURE = (
    "If these words had to go, erase their author by `mlgov people erase`. If not, take them from a copy. Find out who "
    "can write to the database."
)

_STATES = {
    "pending": "waiting",
    "approval": "waiting for approval",
    "development": "in development",
    "validation": "in validation",
    "implementation": "being implemented",
    "modification": "being modified",
}

_FIELDS = {
    "asked": "what is asked",
    "bound": "what the policy's rules came to",
    "by": "who asked",
    "decided": "when it was decided",
    "expires": "until when it counts",
    "until": "until when the approval holds",
    "opened": "when it was asked",
    "paused": "whether it waits for an answer",
    "policy": "the policy that it goes by",
    "project": "its project",
    "reason": "its reason",
    "conditions": "what its approval depends on",
    "review": "the review of its broken glass",
    "stage": "the stage that is asked",
    "gate": "its gate",
    "about": "what it is about",
    "state": "its state",
    "tier": "its tier",
    "tier_override": "the tier that model risk set",
    "revoked": "whether it is revoked",
    "retired": "whether it is retired",
    "scopes": "what it may do",
    "acts_as": "as whom it acts",
    "proof": "its secret",
    "digest": "its contents",
    "approved_digest": "the contents that were approved",
    "approved_until": "until when its approval holds",
    "approval": "the request that approved it",
    "parts": "who made and validated it",
    "withdrawn": "whether it is withdrawn",
    "suspended": "whether it is suspended",
    "envelope": "its text",
    "sha256": "its text",
    "named": "its digest",
    "owner": "its owner",
    "pem": "the key itself",
    "thresholds": "its thresholds",
    "verdict": "its verdict",
    "at": "its day",
    "void": "whether it still counts",
    "person": "whose it is",
    "for": "in whose stead it was given",
    "place": "whose place it used",
    "shown": "what was shown to whoever decided",
    "whom": "whom it asks",
    "quorum": "how many have to approve",
    "name": "its name",
    "ask": "how it asks",
    "amount": "its amount",
    "from": "from when it counts",
    "org": "whose it is",
    "before": "whose it was before",
    "behind": "how many people stand under a key from before",
}
_KINDS = {
    "approval": "request",
    "budget": "budget",
    "model": "model",
    "model_version": "model version",
    "token": "token",
    "key": "signing key",
    "statement": "statement",
    "policy": "policy version",
    "person": "person",
    "text": "text",
    "organisation": "organisation",
}


def describe_faults(session: Session, faults: Sequence[Fault]) -> list[DescribedFault]:
    """The faults in words, with the names that people and models have now."""
    people = governed.find_names(session, {each.person for each in faults if each.person})
    titles: dict[tuple[str, str], str] = {}
    for fault in faults:
        subject = fault.kind, fault.id
        if fault.id.isdigit() and subject not in titles:
            try:
                titles[subject] = governed.find_title(session, *subject)
            except standing.UNREADABLE:
                titles[subject] = ""  # what was changed can't even be read
    return [
        DescribedFault(
            fault,
            describe_fault(fault, titles.get((fault.kind, fault.id), ""), people),
            mend(fault),
        )
        for fault in faults
    ]


def mend(fault: Fault) -> str:
    """What to do about it."""
    if fault.what in ("chain", "triggers"):
        return CHAIN if fault.what == "chain" else TRIGGERS
    if fault.what in ("head_cancelled", "heads_late", "alarm_cancelled"):
        return HEADS
    if fault.what == "text_emptied":
        return ERASURE
    return HOLD if fault.kind == "approval" else LOOK


def describe_fault(fault: Fault, title: str, people: dict[str, str]) -> str:
    """One sentence that names what, who and when."""
    who = people.get(fault.person, fault.person) or "somebody"
    what, day, proof = _subject(fault, title), _day(fault.day), _proof(fault)
    match fault.what:
        case "chain":
            return f"The ledger itself was changed: {fault.field}."
        case "triggers":
            return (
                f"What keeps the ledger append-only in the database isn't in place: {fault.field}."
            )
        case "head_cancelled":
            return f"A head of the ledger that was to be published{day} was cancelled outside mlgov (message {fault.id})."
        case "alarm_cancelled":
            return f"An alarm about the record{day} was cancelled outside mlgov before it was sent (message {fault.id})."
        case "heads_late":
            return f"No head of the ledger was published since {_on(fault.day)}, though one is due every day."
        case "text_emptied":
            return f"Words that {who} wrote{day} (text {fault.id}) were emptied outside mlgov: the ledger knows of no erasure of theirs."
        case "unerased":
            return f"{fault.id} was erased{day} (entry {fault.entry:,}), and is known again, outside mlgov."
        case "erased_unknown":
            return f"{fault.id} is marked as erased{day}, and the ledger knows of no erasure."
        case "unknown":
            return f"{_capital(what)}{day} was put into the database outside mlgov: the ledger doesn't know it."
        case "unproven":
            return f"{_capital(what)} is approved in the database, and the ledger doesn't prove it."
        case "unpinned":
            return f"{_capital(what)}{day} isn't pinned in the policy (`statements: keys`), so nothing that it signs counts."
        case "unreadable":
            return f"{_capital(what)} can't be read any more: something was written into it that mlgov never writes."
        case "gone":
            return f"{_capital(what)}{day} was deleted outside mlgov{proof}."
        case "decision_added":
            return (
                f"A verdict of {who}{day} on {what}, to {_verb(fault.table)} it, was put into the database outside mlgov: "
                f"the ledger has none{proof}."
            )
        case "decision_gone":
            return f"The verdict of {who}{day} on {what}, to {_verb(fault.ledger)} it, was deleted outside mlgov{proof}."
        case "decision_changed":
            return f"The verdict of {who}{day} on {what} was changed outside mlgov: {_changed(fault)}{proof}."
        case "revision_added" | "revision_gone" | "revision_changed":
            number, _, field = fault.field.partition(".")
            did = {"added": "was put in", "gone": "was deleted"}.get(
                fault.what.removeprefix("revision_"), "was changed"
            )
            about = f": {_changed(fault, field or 'amount')}"
            return f"{_capital(what)} was changed outside mlgov: revision {number} {did}{about}{proof}."
        case "stages_changed" | "stage_changed":
            number, _, field = fault.field.partition(".")
            about = (
                f"in stage {number} {_changed(fault, field)}"
                if field
                else f"it has {_number(fault.table)} in the database, and {fault.ledger} on the ledger"
            )
            return f"{_capital(what)}{day} was changed outside mlgov: {about}{proof}."
        case _:
            return f"{_capital(what)}{day} was changed outside mlgov: {_changed(fault)}{proof}."


def _subject(fault: Fault, title: str) -> str:
    if fault.kind == "approval":
        was_approved = fault.ledger == "approved" or (
            fault.field not in ("state", "decision") and fault.table != "pending"
        )
        word = "approval" if was_approved and fault.field == "state" else "request"
        if fault.field in ("decided", "until"):
            word = "approval"
        if not title:
            return f"request {fault.id}"
        return f"the {word} of {title} (request {fault.id})"
    if fault.kind == "organisation":
        return "the organisation of this database"
    if fault.kind == "budget" and title:
        return title
    word = _KINDS.get(fault.kind, fault.kind)
    return f"the {word} {title or fault.id}"


def _number(stages: str) -> str:
    return counted(int(stages), "stage") if stages.isdigit() else stages


def _verb(verdict: str) -> str:
    return verdict if verdict in ("approve", "reject") else "decide"


def _changed(fault: Fault, field: str | None = None) -> str:
    name = fault.field if field is None else field
    label = _FIELDS.get(name, name)
    if name in _DIGESTS:
        return f"{label} is not what the ledger proves"
    return f"{label} is {_value(name, fault.table)} in the database, and {_value(name, fault.ledger)} on the ledger"


_DIGESTS = {
    "asked",
    "bound",
    "conditions",
    "review",
    "whom",
    "proof",
    "pem",
    "envelope",
    "shown",
    "sha256",
    "named",
    "parts",
    "digest",
    "approved_digest",
}
_TIMES = {"decided", "expires", "until", "opened", "at", "approved_until"}
_SINCE = {"revoked", "retired", "withdrawn", "suspended", "void", "paused"}


def _value(name: str, value: str) -> str:
    if name in _SINCE:
        return f"{_on(value)}" if value else "not so"
    if name in _TIMES:
        return _on(value) if value else "none"
    if name == "state":
        return _STATES.get(value, value.replace("_", " ")) or "none"
    return value or "none"


def _on(at: str) -> str:
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except ValueError:
        return at
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def _day(at: str) -> str:
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except ValueError:
        return ""
    return f" of {moment.day} {moment:%b %Y}"


def _proof(fault: Fault) -> str:
    return "" if fault.entry is None else f" (entry {fault.entry:,})"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def summary(faults: Collection[DescribedFault]) -> str:
    """The first line of an alarm about several."""
    number = len(faults)
    return (
        f"{number} places of the record were changed outside mlgov"
        if number > 1
        else next(iter(faults)).sentence
    )
