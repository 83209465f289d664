"""Whether what changed between two entries is what the entries between them say.

A row that somebody changed outside mlgov is sealed as it is by the next entry about its subject, and agrees with the
ledger from then on. So each two seals in a row are compared as well: a request gains a verdict only by an entry that
says so, and its quorum never changes with one. Pure: values in, faults out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from workflows.record import comparing
from workflows.record.records import Fault

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry about a subject."""

    seq: int
    at: str
    action: str
    actor_id: str
    facts: Record
    record: Record | None

    @property
    def verb(self) -> str:
        """What happened: `decided`."""
        return self.action.partition(".")[2]


_ERASED = "name_erased"
"""The Slack id and addresses of somebody were taken out of a request."""
_JOINED = "person_joined"
"""People whom a request names turned out to be one."""
_ENDS = {"approved", "rejected", "withdrawn", "expired", "lapsed"}
_CLOCK = {"questioned", "answered", "unasked", "edited", "rerouted"}
_ASSESSED = {
    key: {"assessed"} for key in ("tier", "tier_override", "exposure", "purpose", "eu_class")
}

_BY: dict[str, dict[str, set[str]]] = {
    "approval": {
        "decided": _ENDS,
        "until": _ENDS,
        "stage": {"decided", "taken_back", "edited", "rerouted", "asked_again"},
        "asked": {"edited", _ERASED},
        "conditions": _ENDS
        | {"condition_set", "condition_met", "condition_claimed", "condition_refused"}
        | {"taken_back", "edited", "asked_again"},
        "review": {"glass_broken", "reviewed"},
        "bound": {"edited", "rerouted", "read_again", _ERASED},
        "expires": _CLOCK,
        "paused": _CLOCK | _ENDS,
        "policy": {"edited", "rerouted"},
        "reason": {"edited"},
    },
    "budget": {key: {"changed"} for key in ("owner", "thresholds", "ends")}
    | {"revision": {"changed", "raised", "put_back"}},
    "model": _ASSESSED
    | {"owner": {"described"}, "project": {"described"}, "state": {"classified"}},
    "model_version": {"digest": {"contents"}},
    "token": {"revoked": {"revoked"}},
    "key": {"retired": {"retired"}},
    "statement": {"suspended": {"suspended", "resumed"}, "withdrawn": {"withdrawn"}},
    "policy": {},
    "organisation": {key: {"moved"} for key in ("org", "before", "behind")},
}
"""Which field of which subject changes by which entries; what is not here never changes."""

_BY_STEP = {"state", "since", "approval", "approved_digest", "approved_until", "parts"}
"""What a step of a version changes; its entry names the state that it leads to."""

_BESIDES_STEPS = {
    "approved_digest": "approval_lapsed",
    "approved_until": "approval_lapsed",
    "parts": "made_by",
}
"""What changes without a step, too: an approval lapses, and the registry names one more who made the version."""

_BEGINNINGS: dict[str, dict[str, Any]] = {
    "approval": {"state": "pending", "decisions": []},
    "budget": {"revisions": []},
}
"""What a subject begins with, before the first entry about it."""


def find_unexplained(
    kind: str, id_: str, entries: Sequence[Entry], people: Mapping[str, str]
) -> list[Fault]:
    """What changed between two seals that no entry says. `entries` are all about one subject, oldest first.

    `people` says who became one with whom: that changes ids without an entry about what they stand in.
    """
    faults: list[Fault] = []
    before: Record | None = None
    proven = entries[0].seq if entries else 0
    if entries and entries[0].verb in ("opened", "created"):
        before = _BEGINNINGS.get(kind)
    between: list[Entry] = []
    for entry in entries:
        between.append(entry)
        if entry.record is None:
            continue
        if before is not None:
            differing = comparing.find_differences(kind, id_, proven, before, entry.record)
            if differing and people:
                differing = comparing.find_differences(
                    kind,
                    id_,
                    proven,
                    comparing.aliased(before, people),
                    comparing.aliased(entry.record, people),
                )
            faults += [
                fault
                for fault in differing
                if not _is_explained(fault, between, before, entry.record, people)
            ]
        before, proven, between = entry.record, entry.seq, []
    return faults


def _is_explained(
    fault: Fault, between: Sequence[Entry], before: Record, after: Record, people: Mapping[str, str]
) -> bool:
    if fault.what.startswith("decision_"):
        return _verdict(fault, between, people)
    if fault.what.startswith("revision_"):
        return _revision(fault, between)
    if fault.kind == "approval" and fault.field == "state":
        return any(entry.verb == fault.table for entry in between)
    if fault.kind == "model_version" and fault.field in _BY_STEP:
        steps = [entry for entry in between if "target" in entry.facts]
        if fault.field == "state":
            return bool(steps) and steps[-1].facts["target"] == fault.table
        besides = _BESIDES_STEPS.get(fault.field)
        return bool(steps) or any(entry.verb == besides for entry in between)
    if fault.what in ("stage_changed", "stages_changed"):
        return _stages(fault, {entry.verb for entry in between}, before, after)
    verbs = _BY.get(fault.kind, {}).get(fault.field, set())
    return any(entry.verb in verbs for entry in between)


_ASK_OTHERS = {"handed_over", "escalated", "fallback", "asked_others", _ERASED, _JOINED}
"""After these a stage asks others, and as many of them have to approve."""


def _stages(fault: Fault, verbs: set[str], before: Record, after: Record) -> bool:
    """Another question, or another policy, has other stages; what is read again only adds some, and has those asked who
    hold a role by now; what is in `_ASK_OTHERS` changes whom a stage asks, and never how many of them have to approve."""
    if verbs & {"edited", "rerouted"}:
        return True
    asks_others = bool(verbs & _ASK_OTHERS)
    if "read_again" in verbs and _are_kept(
        before["stages"], after["stages"], 3 if asks_others else 4
    ):
        return True
    return fault.field.endswith(".whom") and asks_others


def _are_kept(before: Sequence[Any], after: Sequence[Any], parts: int) -> bool:
    """Whether every stage is still there, in order, with as many of its parts as they were."""
    left = iter([each[:parts] for each in after])
    return all(stage[:parts] in left for stage in before)


def _verdict(fault: Fault, between: Sequence[Entry], people: Mapping[str, str]) -> bool:
    if fault.what == "decision_added":
        return any(
            entry.verb == "decided"
            and comparing.joined_as(entry.actor_id, people) == fault.person
            and entry.facts.get("verdict") == fault.table
            and entry.at == fault.day
            for entry in between
        )
    verbs = {entry.verb for entry in between}
    if fault.what == "decision_changed" and fault.field == "parties":
        return _ERASED in verbs
    return (
        fault.what == "decision_changed"
        and fault.field == "void"
        and not fault.ledger
        and (bool(verbs & {"taken_back", "edited"}) or _asked_again(fault, between))
    )


def _asked_again(fault: Fault, between: Sequence[Entry]) -> bool:
    """Whether an entry says that this person's verdict counts no more, since what it was about got graver."""
    return any(
        entry.verb == "asked_again" and fault.person in entry.facts.get("whose", ())
        for entry in between
    )


def _revision(fault: Fault, between: Sequence[Entry]) -> bool:
    if fault.what != "revision_added":
        return False
    revisions = [
        entry.facts.get("new" if entry.verb in ("raised", "put_back") else "amount")
        for entry in between
        if entry.verb in ("created", "changed", "raised", "put_back")
    ]
    return any(_same(amount, fault.table) for amount in revisions)


def _same(value: Any, other: str) -> bool:
    try:
        return Decimal(str(value)) == Decimal(other)
    except InvalidOperation:
        return False
