"""Telling of faults, once each: on the ledger, in the governance channel, and to administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit import governed
from storage.people.lookups import find_channel, is_joined
from workflows import outbox, permissions, rollout
from workflows.audit import service as audit
from workflows.audit.notices import LedgerHead
from workflows.calendar import local_instant
from workflows.context import Context
from workflows.outbox import Destination
from workflows.policy import Policy
from workflows.record.notices import RecordChanged
from workflows.record.records import DescribedFault, Fault
from workflows.record.scanning import Look
from workflows.wording import counted

# --- Faults in words
#
# what was changed, whose decision it was, of which day, and what to do.

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
            except governed.UNREADABLE:
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


_CHANGED = "{What}{day} was changed outside mlgov: {about}{proof}."
_SENTENCES = {
    "chain": "The ledger itself was changed: {field}.",
    "triggers": "What keeps the ledger append-only in the database isn't in place: {field}.",
    "head_cancelled": "A head of the ledger that was to be published{day} was cancelled outside mlgov (message {id}).",
    "alarm_cancelled": "An alarm about the record{day} was cancelled outside mlgov before it was sent (message {id}).",
    "heads_late": "No head of the ledger was published since {since}, though one is due every day.",
    "text_emptied": "Words that {who} wrote{day} (text {id}) were emptied outside mlgov: the ledger knows of no erasure of theirs.",
    "unerased": "{id} was erased{day}{proof}, and is known again, outside mlgov.",
    "erased_unknown": "{id} is marked as erased{day}, and the ledger knows of no erasure.",
    "unknown": "{What}{day} was put into the database outside mlgov: the ledger doesn't know it.",
    "unproven": "{What} is approved in the database, and the ledger doesn't prove it.",
    "unpinned": "{What}{day} isn't pinned in the policy (`statements: keys`), so nothing that it signs counts.",
    "unreadable": "{What} can't be read any more: something was written into it that mlgov never writes.",
    "gone": "{What}{day} was deleted outside mlgov{proof}.",
    "decision_added": "A verdict of {who}{day} on {what}, to {about} it, was put into the database outside mlgov: "
    "the ledger has none{proof}.",
    "decision_gone": "The verdict of {who}{day} on {what}, to {about} it, was deleted outside mlgov{proof}.",
    "decision_changed": "The verdict of {who}{day} on {what} was changed outside mlgov: {about}{proof}.",
    "revision_added": "{What} was changed outside mlgov: revision {number} was put in: {about}{proof}.",
    "revision_gone": "{What} was changed outside mlgov: revision {number} was deleted: {about}{proof}.",
    "revision_changed": "{What} was changed outside mlgov: revision {number} was changed: {about}{proof}.",
}


def describe_fault(fault: Fault, title: str, people: dict[str, str]) -> str:
    """One sentence that names what, who and when."""
    what = _subject(fault, title)
    return _SENTENCES.get(fault.what, _CHANGED).format(
        what=what,
        What=_capital(what),
        who=people.get(fault.person, fault.person) or "somebody",
        day=_day(fault.day),
        since=_on(fault.day),
        proof="" if fault.entry is None else f" (entry {fault.entry:,})",
        about=_about(fault),
        id=fault.id,
        field=fault.field,
        number=fault.field.partition(".")[0],
    )


def _about(fault: Fault) -> str:
    """What differs; of a verdict that is only on one side, which it was."""
    number, _, field = fault.field.partition(".")
    match fault.what:
        case "decision_added":
            return _verb(fault.table)
        case "decision_gone":
            return _verb(fault.ledger)
        case "revision_added" | "revision_gone" | "revision_changed":
            return _changed(fault, field or "amount")
        case "stages_changed" | "stage_changed" if field:
            return f"in stage {number} {_changed(fault, field)}"
        case "stages_changed" | "stage_changed":
            return (
                f"it has {_number(fault.table)} in the database, and {fault.ledger} on the ledger"
            )
        case _:
            return _changed(fault)


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


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


# --- Telling of faults, once each
#
# on the ledger, in the governance channel, and to administrators.

FAULT = "fault"
"""The type of subject under which the ledger keeps faults, each by its key."""
FOUND, GONE = "record.fault_found", "record.fault_gone"
CHECKED, CHECKPOINT = "record.checked", "record.checkpoint"
RECORD = "record"
AT = time(4)
"""When the record is checked every night, in the organisation's zone."""
NAMED = 8
"""Faults that one message names."""
MOST_AT_ONCE = 50
"""Faults that are put on the ledger one by one; of more, how many there are says enough."""


def find_night(now: datetime, policy: Policy) -> tuple[str, datetime]:
    """The night whose check is due last, by its date, and when it began to be due."""
    zone = policy.organisation.zone
    day = now.astimezone(zone).date()
    begins = local_instant(day, AT, zone)
    if now < begins:
        day -= timedelta(days=1)
        begins = local_instant(day, AT, zone)
    return day.isoformat(), begins


def is_due(session: Session, night: str, begins: datetime) -> bool:
    """Whether the check of this night is still to be done: a ledger that began after it has nothing to check."""
    first = governed.find_first_at(session)
    if first is None or first >= begins:
        return False
    return ledger.find_last_about(session, CHECKED, RECORD, night) is None


def find_checkpoint(session: Session, night: str) -> ledger.Head:
    """How far the chain was walked in this night by somebody who then stopped: the last checkpoint on the ledger."""
    facts = governed.find_last_facts(session, CHECKPOINT, RECORD, night)
    if facts is None:
        return ledger.Head(0, ledger.GENESIS)
    at = ledger.Head(int(facts["seq"]), str(facts["hash"]))
    return at if ledger.check_trusted(session, at) is None else ledger.Head(0, ledger.GENESIS)


def checkpoint(ctx: Context, night: str, at: ledger.Head) -> None:
    """Keep on the ledger how far the chain was walked."""
    audit.record(ctx.as_system(), CHECKPOINT, (RECORD, night), seq=at.seq, hash=at.hash)


def finish_night(ctx: Context, night: str, look: Look) -> int:
    """The check of a night is done: what is new is told, what is mended too; how many new faults there were.

    The head after it goes to the anchor, so that the next check can be trusted to begin there.
    """
    if ledger.find_last_about(ctx.session, CHECKED, RECORD, night) is not None:
        return 0
    alarms = notify_new_faults(ctx, look.faults)
    standing = {fault.key for fault in look.faults}
    for key in governed.open_subjects(ctx.session, FAULT, FOUND):
        if key not in standing:
            audit.record(ctx.as_system(), GONE, (FAULT, key))
    audit.record(
        ctx.as_system(),
        CHECKED,
        (RECORD, night),
        seq=look.at.seq,
        hash=look.at.hash,
        subjects=look.subjects,
        faults=len(look.faults),
    )
    outbox.anchor_head(
        ctx.session,
        LedgerHead(f"checked:{night}"),
        dedupe_key=f"head:checked:{night}:anchor",
        now=ctx.now,
    )
    return alarms


def notify_new_faults(ctx: Context, faults: Sequence[Fault]) -> int:
    """Tell of those faults that were not told yet; how many those are."""
    known = set(governed.open_subjects(ctx.session, FAULT, FOUND))
    fresh = {fault.key: fault for fault in faults if fault.key not in known}
    if not fresh:
        return 0
    for key, fault in list(fresh.items())[:MOST_AT_ONCE]:
        audit.record(ctx.as_system(), FOUND, (FAULT, key), fault=fault.facts())
    notice = RecordChanged(tuple(list(fresh)[:NAMED]), len(fresh))
    name = f"{ctx.now:%Y%m%dT%H%M%S}:{next(iter(fresh))}"
    governance = find_channel(ctx.session, ctx.org, ctx.policy.channels.governance)
    admin = find_channel(ctx.session, ctx.org, ctx.policy.channels.admin)
    places = [
        place
        for place in dict.fromkeys((governance, admin))
        if place and is_joined(ctx.session, ctx.org, place)
    ]
    for place in places:
        outbox.post(
            ctx.session,
            notice,
            to=Destination.channel(ctx.org, place),
            dedupe_key=f"record:{name}:{place}",
            now=ctx.now,
        )
    if admin not in places:
        admins = permissions.list_holders(ctx, rollout.ADMIN)
        for _, slack_id in sorted(admins.items()):
            # Whatever the rollout: a record that was meddled with is for whoever administers it.
            outbox.post(
                ctx.session,
                notice,
                to=Destination.person(ctx.org, slack_id),
                dedupe_key=f"record:{name}:{slack_id}",
                now=ctx.now,
            )
    return len(fresh)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a message about the record shows."""

    faults: tuple[DescribedFault, ...]
    number: int


def read(session: Session, notice: RecordChanged) -> Alarm:
    """The faults of a message, in words, with the names that people have now."""
    faults = []
    for key in notice.keys:
        facts = governed.find_last_facts(session, FOUND, FAULT, key)
        if facts is not None:
            faults.append(Fault.of(facts["fault"]))
    return Alarm(tuple(describe_faults(session, faults)), notice.number)
