"""What the ledger says of a subject against what its rows say. Pure: values in, faults out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from workflows.record.records import Fault

Record = Mapping[str, Any]
Parts = Sequence[object]
"""A stage as it was sealed: its name, quorum, where it asks, and whom."""
Unsealed = tuple[str, str, str, Mapping[str, Any]]
"""(action, at, actor_id, facts) of an entry that sealed nothing."""

DECISION = "decision"


def find_differences(kind: str, id_: str, entry: int, ledger: Record, table: Record) -> list[Fault]:
    """Where the rows are not as the ledger has them; only what the ledger tells of is compared."""
    faults: list[Fault] = []
    day = _day(kind, ledger, table)
    for name in sorted(ledger):
        sealed, stands = ledger[name], table.get(name)
        if name == "decisions":
            faults += _decisions(id_, entry, sealed, stands or [])
        elif name == "revisions":
            faults += _revisions(id_, entry, sealed, stands or [], day)
        elif name == "stages":
            faults += _stages(id_, entry, sealed, stands or [], day)
        elif sealed != stands:
            faults.append(
                Fault("changed", kind, id_, entry, name, _text(sealed), _text(stands), day=day)
            )
    # A state that was changed explains the times that were changed with it.
    if any(each.field == "state" for each in faults):
        faults = [each for each in faults if each.field not in _FOLLOW_STATE]
    return faults


def aliased(record: Record, people: Mapping[str, str]) -> dict[str, Any]:
    """The record with the people of today in the place of those who became one with them."""
    renamed: dict[str, Any] = {name: _renamed(each, people) for name, each in record.items()}
    if "parts" in renamed:
        renamed["parts"] = sorted({tuple(each) for each in renamed["parts"]})
        renamed["parts"] = [list(each) for each in renamed["parts"]]
    return renamed


def joined_as(person_id: str, people: Mapping[str, str]) -> str:
    """Who somebody is today, where they became one with others."""
    seen = set()
    while person_id in people and person_id not in seen:
        seen.add(person_id)
        person_id = people[person_id]
    return person_id


def _renamed(value: object, people: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return joined_as(value, people)
    if isinstance(value, dict):
        return {name: _renamed(each, people) for name, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, people) for each in value]
    return value


_FOLLOW_STATE = {"decided", "until", "since", "stage"}


def _day(kind: str, ledger: Record, table: Record) -> str:
    names = {
        "approval": ("decided", "opened"),
        "model_version": ("since",),
        "token": ("revoked", "created"),
        "key": ("retired", "published"),
        "statement": ("withdrawn", "suspended"),
        "person": ("erased",),
    }.get(kind, ())
    # What the ledger says goes first: the table's may be part of what was changed.
    for record in (ledger, table):
        for name in names:
            if record.get(name):
                return str(record[name])
    return ""


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    return str(value)


def _decisions(
    id_: str, entry: int, sealed: Sequence[Record], stands: Sequence[Record]
) -> list[Fault]:
    faults = []
    rows = {row["id"]: row for row in stands}
    sealed_by_id = {row["id"]: row for row in sealed}
    for number, row in sorted(sealed_by_id.items()):
        now = rows.get(number)
        common = {"person": row["person"], "day": row["at"] or ""}
        if now is None:
            faults.append(
                Fault("decision_gone", "approval", id_, entry, DECISION, row["verdict"], **common)
            )
            continue
        faults += [
            Fault(
                "decision_changed",
                "approval",
                id_,
                entry,
                name,
                _text(row[name]),
                _text(now.get(name)),
                **common,
            )
            for name in sorted(row)
            if row[name] != now.get(name)
        ]
    faults += [
        Fault(
            "decision_added",
            "approval",
            id_,
            entry,
            DECISION,
            table=str(row["verdict"]),
            person=str(row["person"]),
            day=str(row["at"] or ""),
        )
        for number, row in sorted(rows.items())
        if number not in sealed_by_id
    ]
    return faults


def _revisions(
    id_: str, entry: int, sealed: Sequence[Record], stands: Sequence[Record], day: str
) -> list[Fault]:
    rows = {row["revision"]: row for row in stands}
    sealed_by_revision = {row["revision"]: row for row in sealed}
    faults = []
    for number in sorted(sealed_by_revision.keys() | rows.keys()):
        before, now = sealed_by_revision.get(number), rows.get(number)
        if before is None or now is None:
            what = "revision_added" if before is None else "revision_gone"
            faults.append(
                Fault(
                    what,
                    "budget",
                    id_,
                    entry,
                    str(number),
                    before["amount"] if before else "",
                    now["amount"] if now else "",
                    day=day,
                )
            )
            continue
        faults += [
            Fault(
                "revision_changed",
                "budget",
                id_,
                entry,
                f"{number}.{name}",
                _text(before[name]),
                _text(now.get(name)),
                day=day,
            )
            for name in sorted(before)
            if before[name] != now.get(name)
        ]
    return faults


_STAGE = ("name", "quorum", "ask", "whom")


def _stages(
    id_: str, entry: int, sealed: Sequence[Parts], stands: Sequence[Parts], day: str
) -> list[Fault]:
    if len(sealed) != len(stands):
        return [
            Fault(
                "stages_changed",
                "approval",
                id_,
                entry,
                "stages",
                str(len(sealed)),
                str(len(stands)),
                day=day,
            )
        ]
    return [
        Fault(
            "stage_changed",
            "approval",
            id_,
            entry,
            f"{place + 1}.{name}",
            _text(before[part]),
            _text(now[part]),
            day=day,
        )
        for place, (before, now) in enumerate(zip(sealed, stands, strict=True))
        for part, name in enumerate(_STAGE)
        # A stage that named somebody whom nobody here had met is not proven in whom it asks.
        if before[part] != now[part] and not (name == "whom" and before[part] is None)
    ]


_ENDS = {"approved", "rejected", "withdrawn", "expired", "lapsed"}


def older(kind: str, entries: Sequence[Unsealed]) -> dict[str, Any]:
    """What entries that sealed nothing, oldest first, tell of a subject: less than all, and only what they prove."""
    record: dict[str, Any] = {}
    for action, at, _actor, facts in entries:
        verb = action.partition(".")[2]
        if kind == "approval":
            record.setdefault("state", "pending")
            if verb in _ENDS:
                record["state"] = verb
                if verb != "lapsed":
                    record["decided"] = at
        elif kind == "token":
            record.setdefault("revoked", None)
            if verb == "revoked":
                record["revoked"] = at
        elif kind == "key":
            record.setdefault("retired", None)
            if verb == "retired":
                record["retired"] = at
        elif kind == "model_version" and "target" in facts:
            record["state"] = facts["target"]
        elif kind == "policy" and "sha256" in facts:
            record["sha256"] = facts["sha256"]
        elif kind == "statement":
            record.setdefault("withdrawn", None)
            if verb == "withdrawn":
                record["withdrawn"] = at
    return record


def older_votes(
    id_: str, entry: int, entries: Sequence[Unsealed], stands: Sequence[Record]
) -> list[Fault]:
    """Verdicts that entries which sealed nothing prove, against the rows: by person, stage, verdict and time."""
    votes = {
        (actor, facts.get("stage"), facts.get("verdict"), at)
        for action, at, actor, facts in entries
        if action == "approval.decided"
    }
    rows = {(row["person"], row["stage"], row["verdict"], row["at"]) for row in stands}
    faults = [
        Fault(
            "decision_gone",
            "approval",
            id_,
            entry,
            DECISION,
            str(verdict),
            person=str(person),
            day=str(at),
        )
        for person, _, verdict, at in sorted(votes - rows, key=str)
    ]
    faults += [
        Fault(
            "decision_added",
            "approval",
            id_,
            entry,
            DECISION,
            table=str(verdict),
            person=str(person),
            day=str(at),
        )
        for person, _, verdict, at in sorted(rows - votes, key=str)
    ]
    return faults


# --- Whether what changed between two entries is what the entries between them say
#
# A row that somebody changed outside mlgov is sealed as it is by the next entry about its
# subject, and agrees with the ledger from then on. So each two seals in a row are compared as
# well: a request gains a verdict only by an entry that says so, and its quorum never changes
# with one. Pure: values in, faults out.


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
            differing = find_differences(kind, id_, proven, before, entry.record)
            if differing and people:
                differing = find_differences(
                    kind, id_, proven, aliased(before, people), aliased(entry.record, people)
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
        return _stages_between(fault, {entry.verb for entry in between}, before, after)
    verbs = _BY.get(fault.kind, {}).get(fault.field, set())
    return any(entry.verb in verbs for entry in between)


_ASK_OTHERS = {"handed_over", "escalated", "fallback", "asked_others", _ERASED, _JOINED}
"""After these a stage asks others, and as many of them have to approve."""


def _stages_between(fault: Fault, verbs: set[str], before: Record, after: Record) -> bool:
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


def _are_kept(before: Sequence[Parts], after: Sequence[Parts], parts: int) -> bool:
    """Whether every stage is still there, in order, with as many of its parts as they were."""
    left = iter([each[:parts] for each in after])
    return all(stage[:parts] in left for stage in before)


def _verdict(fault: Fault, between: Sequence[Entry], people: Mapping[str, str]) -> bool:
    if fault.what == "decision_added":
        return any(
            entry.verb == "decided"
            and joined_as(entry.actor_id, people) == fault.person
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


def _same(value: object, other: str) -> bool:
    try:
        return Decimal(str(value)) == Decimal(other)
    except InvalidOperation:
        return False
