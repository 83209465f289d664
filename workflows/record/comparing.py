"""What the ledger says of a subject against what its rows say. Pure: values in, faults out."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.record.records import Fault

Record = Mapping[str, Any]

DECISION = "decision"
REVISION = "revision"


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
    renamed: dict[str, Any] = _renamed(dict(record), people)
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


def _renamed(value: Any, people: Mapping[str, str]) -> Any:
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


def _text(value: Any) -> str:
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
    id_: str, entry: int, sealed: Sequence[Any], stands: Sequence[Any], day: str
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


def older(kind: str, entries: Sequence[Any]) -> dict[str, Any]:
    """What entries that sealed nothing tell of a subject: less than all, and only what they prove.

    `entries` are (action, at, actor_id, facts), oldest first.
    """
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
    id_: str, entry: int, entries: Sequence[Any], stands: Sequence[Record]
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
