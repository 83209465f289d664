"""Who may approve changes when a user group does: that is said where everyone who governs reads it, and on the ledger."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from storage.people import queries
from storage.people.channels import find_channel
from workflows import handles, outbox
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.handles import Meant
from workflows.outbox import Destination, Notice
from workflows.people.records import GroupChange
from workflows.policy import Policy, naming


@dataclass(frozen=True, slots=True)
class ApproversChanged(Notice):
    """Somebody joined or left a user group whose members approve. People by opaque id."""

    kind: ClassVar[str] = "people.approvers_changed"
    org_key: str
    group_id: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApproversTold:
    """Such a change as people read it."""

    group: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    gates: tuple[str, ...]


def list_gates(policy: Policy, group_id: str, meant: Meant) -> tuple[str, ...]:
    """The gates at which members of this group approve, by the policy's names; also where a handle that means it names
    nobody just now, for requests that wait go by the group."""
    names = {
        group_id,
        *(word for word, id_ in meant.groups.items() if id_ == group_id),
        *(one.word for one in meant.unclear.values() if one.meant == group_id),
    }

    def reaches(word: str) -> Iterator[str]:
        role = word.removeprefix("role:")
        yield from policy.roles.get(role, ()) if role != word else ()
        yield word.removeprefix("oncall:")

    return tuple(
        name
        for name, gate in policy.gates.items()
        if any(names & set(reaches(word)) for word in gate.words)
    )


def announce(
    session: Session, changes: Sequence[GroupChange], *, policy: Policy, org_key: str, now: datetime
) -> None:
    """Say each change of a group that approves; a group that decides nothing is nobody's news."""
    if not changes:
        return
    meant = handles.resolve(session, org_key, naming.people(policy))
    for change in changes:
        gates = list_gates(policy, change.group_id, meant)
        if not gates:
            continue
        audit.record(
            session,
            SYSTEM,
            "approvers.changed",
            ("user_group", change.group_id),
            now=now,
            added=list(change.added),
            removed=list(change.removed),
            gates=list(gates),
        )
        channel = find_channel(session, org_key, policy.channels.governance)
        if channel is None:
            continue
        key = ":".join([*change.added, "/", *change.removed, now.isoformat()])
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        outbox.post(
            session,
            ApproversChanged(org_key, change.group_id, change.added, change.removed, gates),
            to=Destination.channel(org_key, channel),
            dedupe_key=f"group:{change.group_id}:{digest}",
            now=now,
        )


def read(session: Session, notice: ApproversChanged) -> ApproversTold:
    """The change with names."""
    groups = queries.list_groups(session, notice.org_key, [notice.group_id])
    group = next(iter(groups), None)
    people = {
        row.id: row.name for row in queries.list_people(session, [*notice.added, *notice.removed])
    }
    return ApproversTold(
        group.name if group is not None else notice.group_id,
        tuple(people.get(one, "somebody") for one in notice.added),
        tuple(people.get(one, "somebody") for one in notice.removed),
        tuple(notice.gates),
    )
