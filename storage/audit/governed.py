"""Reads for comparing the record with the ledger: names of what is told, texts that were emptied, heads on their way."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, exists, func, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.audit import standing
from storage.audit.tables import AuditEntry, PrivateText
from storage.budgets.tables import Budget
from storage.delivery.tables import Outbox
from storage.enums import OutboxState
from storage.inventory.tables import Model, ModelVersion
from storage.milestones.tables import Milestone
from storage.people.tables import Person
from storage.projects.tables import Project

ERASED = "person.erased"
RETURNED = "person.returned"


class EmptiedText(NamedTuple):
    id: int
    author_id: str
    created_at: datetime


class HeadPublication(NamedTuple):
    """A message that carries the ledger's head; `dedupe_key` says which and where to."""

    id: int
    dedupe_key: str
    state: str
    created_at: datetime
    settled_at: datetime | None
    last_error: str | None


def list_emptied_texts(session: Session, after: int, most: int) -> tuple[int, list[EmptiedText]]:
    """Of the next texts, those that were emptied or marked although the ledger knows of no
    erasure of their author; and the last text that was looked at, `after` itself at the end."""
    last = session.execute(
        select(func.max(PrivateText.id)).where(
            PrivateText.id.in_(
                select(PrivateText.id)
                .where(PrivateText.id > after)
                .order_by(PrivateText.id)
                .limit(most)
            )
        )
    ).scalar()
    if last is None:
        return after, []
    erased = exists().where(
        AuditEntry.subject_type == "person",
        AuditEntry.subject_id == PrivateText.author_id,
        AuditEntry.action == ERASED,
    )
    rows = session.execute(
        select(PrivateText.id, PrivateText.author_id, PrivateText.created_at)
        .where(
            PrivateText.id > after,
            PrivateText.id <= last,
            or_(
                PrivateText.text.is_(None),
                PrivateText.salt.is_(None),
                PrivateText.erased_at.is_not(None),
            ),
            ~erased,
        )
        .order_by(PrivateText.id)
    ).all()
    return int(last), [EmptiedText(*row) for row in rows]


def find_names(session: Session, ids: Collection[str]) -> dict[str, str]:
    """What these people are called."""
    rows = session.execute(select(Person.id, Person.name).where(Person.id.in_(sorted(ids))))
    return {row.id: row.name for row in rows}


def find_title(session: Session, kind: str, id_: str) -> str:
    """What a subject is called where people know it by a name: `Lane keeping 11`; empty for others."""
    if kind == "approval":
        row = session.execute(
            select(Approval.subject_type, Approval.subject_id, Approval.facts).where(
                Approval.id == int(id_)
            )
        ).first()
        if row is None:
            return ""
        if row.subject_type == "release":
            return str(row.facts.get("subject", ""))
        return find_title(session, row.subject_type, str(row.subject_id))
    if kind == "budget":
        named = session.scalar(
            select(Project.name)
            .join(Budget, Budget.project_id == Project.id)
            .where(Budget.id == int(id_))
        )
        return f"the budget of {named}" if named else ""
    if kind == "model":
        return session.scalar(select(Model.name).where(Model.id == int(id_))) or ""
    if kind == "model_version":
        pair = session.execute(
            select(Model.name, ModelVersion.version)
            .join(Model, Model.id == ModelVersion.model_id)
            .where(ModelVersion.id == int(id_))
        ).first()
        return f"{pair.name} {pair.version}" if pair else ""
    if kind == "milestone":
        return session.scalar(select(Milestone.title).where(Milestone.id == int(id_))) or ""
    return ""


def list_heads(session: Session) -> list[HeadPublication]:
    """Publications of the ledger's head, the newest 200 first."""
    rows = session.execute(
        select(
            Outbox.id,
            Outbox.dedupe_key,
            Outbox.state,
            Outbox.created_at,
            Outbox.settled_at,
            Outbox.last_error,
        )
        .where(Outbox.dedupe_key >= "head:", Outbox.dedupe_key < "head;")
        .order_by(Outbox.id.desc())
        .limit(200)
    )
    return [HeadPublication(*row) for row in rows]


def list_cancelled_alarms(session: Session) -> Sequence[Row[int, datetime]]:
    """Alarms about the record (id, created_at) that were given up, by whomever; the newest 100."""
    return session.execute(
        select(Outbox.id, Outbox.created_at)
        .where(
            Outbox.dedupe_key >= "record:",
            Outbox.dedupe_key < "record;",
            Outbox.state == OutboxState.CANCELLED,
        )
        .order_by(Outbox.id.desc())
        .limit(100)
    ).all()


def was_cancelled_by_somebody(session: Session, outbox_id: int) -> bool:
    """Whether the ledger knows that an operator cancelled this row of the outbox."""
    return (
        session.execute(
            select(AuditEntry.seq)
            .where(
                AuditEntry.subject_type == "outbox",
                AuditEntry.subject_id == str(outbox_id),
                AuditEntry.action == "outbox.cancelled",
            )
            .limit(1)
        ).first()
        is not None
    )


def find_first_at(session: Session) -> datetime | None:
    """When the ledger began."""
    return session.execute(
        select(AuditEntry.at).order_by(AuditEntry.seq).limit(1)
    ).scalar_one_or_none()


def find_first_sealed(session: Session) -> int | None:
    """The first entry that seals how its subject stands; None in a ledger without any."""
    return session.execute(
        select(func.min(AuditEntry.seq)).where(AuditEntry.body.like('%,"record":{%'))
    ).scalar_one_or_none()


def find_erasures(session: Session, ids: Collection[str]) -> dict[str, tuple[int, datetime]]:
    """Of these people, whom the ledger says are erased: the last entry that says so, and when.

    Slack's own word that somebody is active again ends it, by an entry of its own.
    """
    rows = session.execute(
        select(AuditEntry.subject_id, AuditEntry.seq, AuditEntry.at, AuditEntry.action)
        .where(
            AuditEntry.subject_type == "person",
            AuditEntry.subject_id.in_(sorted(ids)),
            AuditEntry.action.in_((ERASED, RETURNED)),
        )
        .order_by(AuditEntry.seq)
    )
    latest = {row.subject_id: row for row in rows}
    return {
        person_id: (row.seq, row.at) for person_id, row in latest.items() if row.action == ERASED
    }


def was_erased(session: Session, person_id: str) -> bool:
    """Whether somebody was ever erased, be they back or not: what went with them stays away."""
    row = session.execute(
        select(AuditEntry.seq)
        .where(
            AuditEntry.subject_type == "person",
            AuditEntry.subject_id == person_id,
            AuditEntry.action == ERASED,
        )
        .limit(1)
    )
    return row.first() is not None


def list_erased_without_entry(session: Session) -> list[tuple[str, datetime]]:
    """Who is marked as erased although the ledger knows of no erasure, and since when; at most 100."""
    known = exists().where(
        AuditEntry.subject_type == "person",
        AuditEntry.subject_id == Person.id,
        AuditEntry.action == ERASED,
    )
    rows = session.execute(
        select(Person.id, Person.erased_at)
        .where(Person.erased_at.is_not(None), ~known)
        .order_by(Person.id)
        .limit(100)
    )
    return [(row.id, row.erased_at) for row in rows]


def find_last_facts(session: Session, action: str, kind: str, id_: str) -> dict[str, Any] | None:
    """The facts of the last entry that says this about a subject."""
    body = session.scalar(
        select(AuditEntry.body)
        .where(
            AuditEntry.subject_type == kind,
            AuditEntry.subject_id == id_,
            AuditEntry.action == action,
        )
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    )
    return None if body is None else standing.parse_body(body).get("facts")


def open_subjects(session: Session, kind: str, action: str) -> list[str]:
    """Subjects of this type whose last entry is of this action."""
    last = (
        select(func.max(AuditEntry.seq))
        .where(AuditEntry.subject_type == kind)
        .group_by(AuditEntry.subject_id)
    )
    return list(
        session.execute(
            select(AuditEntry.subject_id).where(
                AuditEntry.seq.in_(last), AuditEntry.action == action
            )
        ).scalars()
    )


def find_linked(session: Session) -> dict[str, str]:
    """Whose entry became whose, by opaque ids: what files named became people of Slack."""
    rows = session.execute(
        select(AuditEntry.subject_id, AuditEntry.body).where(
            AuditEntry.subject_type == "person", AuditEntry.action == "person.linked"
        )
    )
    current_by_old = {}
    for row in rows:
        facts = standing.parse_body(row.body).get("facts") or {}
        if "was" in facts:
            current_by_old[str(facts["was"])] = row.subject_id
    return current_by_old
