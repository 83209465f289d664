"""Two entries for one person becoming one: whom a file named by e-mail turns out to be in Slack."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    and_,
    cast,
    delete,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.audit.tables import AuditEntry
from storage.base import Base
from storage.enums import ApprovalState
from storage.people.lookups import parts
from storage.people.tables import Person

_QUIET = {"synchronize_session": False}
_MANAGER = Person.__table__.c.manager_id


def list_references() -> Iterator[Any]:
    """Every column that names a person, of every table there is."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column.table.name == "person" for key in column.foreign_keys):
                yield column


def replace_people(session: Session, replaced: Mapping[str, str]) -> None:
    """Whatever names one of these people, none of whom is in Slack, names the other from now on; the first are gone.

    Where both stand in a place that holds somebody once, that of the second stays.
    """
    session.flush()
    for column in list_references():
        for part in parts(replaced):
            named = session.execute(select(column).where(column.in_(part)).distinct()).scalars()
            for old_id in sorted(named):
                _replace(session, column, old_id, replaced[old_id])
    for part in parts(replaced):
        session.execute(delete(Person).where(Person.id.in_(part)).execution_options(**_QUIET))


def has_acted(session: Session, person_ids: Collection[str]) -> set[str]:
    """Those of these people under whose ids the ledger knows an act."""
    rows = session.execute(
        select(AuditEntry.actor_id).where(AuditEntry.actor_id.in_(person_ids)).distinct()
    )
    return set(rows.scalars())


def join_people(session: Session, gone: Person, kept: Person) -> None:
    """Whatever names the first names the second from now on; the first is a shell that nobody is.

    Unlike with `replace_people`, both may have acted: where both stand in a place that holds somebody once, both stay,
    for the ledger tells of both. A second membership and a second count of nothing but mlgov's own are let go.
    """
    session.flush()
    for column in list_references():
        if column is _MANAGER or column.table.name in _HELD_LIGHTLY:
            _replace(session, column, gone.id, kept.id)
            continue
        own = list(column.table.primary_key.columns)
        for row in session.execute(select(*own).where(column == gone.id)).all():
            where = [key == value for key, value in zip(own, row, strict=True)]
            try:
                with session.begin_nested():
                    session.execute(
                        update(column.table).where(*where).values({column.name: kept.id})
                    )
            except IntegrityError:
                continue
    gone.slack_id = gone.email = gone.manager_id = gone.team_id = None
    gone.is_deactivated = True
    session.flush()


_HELD_LIGHTLY = {
    "digest_subscription", "home_tab", "meeting", "reminding", "user_group_member", "withheld", "slack_alias",
}  # fmt: skip
"""Where the second row of somebody says nothing that the first does not."""


def list_stages_naming(session: Session, words: Collection[str]) -> list[int]:
    """Requests one of whose stages names one of these Slack ids."""
    text = cast(ApprovalStage.approvers, String)
    return list(
        session.execute(
            select(ApprovalStage.approval_id)
            .where(or_(*(text.contains(f'"{word}"') for word in words)))
            .order_by(ApprovalStage.approval_id)
            .distinct()
        ).scalars()
    )


class WaitingDouble(NamedTuple):
    """A verdict, and the stage at which its request is."""

    id: int
    approval_id: int
    position: int
    verdict: str
    stage: int


def list_waiting_doubles(session: Session, person_ids: Collection[str]) -> list[WaitingDouble]:
    """Verdicts that count in requests that wait and are these people's, who are one, where one of them asked, or gave
    one before."""
    mine = Decision.person_id.in_(person_ids)
    earlier = aliased(Decision)
    is_second = (
        select(earlier.id)
        .where(
            earlier.approval_id == Decision.approval_id,
            earlier.person_id.in_(person_ids),
            earlier.id < Decision.id,
            earlier.taken_back_at.is_(None),
        )
        .exists()
    )
    rows = session.execute(
        select(
            Decision.id, Decision.approval_id, Decision.position, Decision.verdict, Approval.stage
        )
        .join(Approval, Approval.id == Decision.approval_id)
        .where(
            Approval.state == ApprovalState.PENDING,
            Decision.taken_back_at.is_(None),
            mine,
            or_(Approval.requester_id.in_(person_ids), is_second),
        )
        .order_by(Decision.approval_id, Decision.id)
        .with_for_update(of=Approval)
    )
    return [WaitingDouble(*row) for row in rows]


def list_verdicts_from(session: Session, approval_id: int, position: int) -> list[int]:
    """The verdicts that count in a request from this stage on."""
    return list(
        session.execute(
            select(Decision.id)
            .where(
                Decision.approval_id == approval_id,
                Decision.position >= position,
                Decision.taken_back_at.is_(None),
            )
            .order_by(Decision.id)
        ).scalars()
    )


def _replace(session: Session, column: Any, old_id: str, new_id: str) -> None:
    if column is _MANAGER:
        session.execute(
            update(Person)
            .where(Person.manager_id == old_id)
            .values(manager_id=new_id)
            .execution_options(synchronize_session="fetch")
        )
        return
    for others in _held_once(column):
        twin = column.table.alias()
        there = select(twin.c[column.name]).where(
            twin.c[column.name] == new_id, *(twin.c[other.name] == other for other in others)
        )
        session.execute(delete(column.table).where(column == old_id, there.exists()))
    session.execute(update(column.table).where(column == old_id).values({column.name: new_id}))


def _held_once(column: Any) -> Iterator[list[Any]]:
    """The other columns of each key that a person's column is part of."""
    for constraint in column.table.constraints:
        if not isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
            continue
        columns = list(constraint.columns)
        if any(one is column for one in columns):
            yield [one for one in columns if one is not column]


@dataclass(frozen=True, slots=True)
class Match:
    """An address that entries of files and members in Slack have; the ids are of one of each."""

    email: str
    entries: int
    entry_id: str
    members: int
    member_id: str


def _matches(org_key: str) -> Any:
    """Entries that nobody has met in Slack beside full, active members as Slack described them, by address."""
    entry = (
        select(Person.email, func.count().label("number"), func.min(Person.id).label("id"))
        .where(
            Person.org_key == org_key,
            Person.slack_id.is_(None),
            Person.email.is_not(None),
            Person.erased_at.is_(None),
        )
        .group_by(Person.email)
        .subquery("entry")
    )
    member = (
        select(
            Person.email,
            func.count().label("number"),
            func.min(Person.id).label("id"),
            func.count(Person.linked_at).label("linked"),
        )
        .where(
            Person.org_key == org_key,
            Person.email.is_not(None),
            Person.slack_id.is_not(None),
            Person.team_id.is_not(None),
            Person.is_bot.is_(False),
            Person.is_guest.is_(False),
            Person.is_stranger.is_(False),
            Person.is_deactivated.is_(False),
            Person.erased_at.is_(None),
        )
        .group_by(Person.email)
        .subquery("member")
    )
    is_clear = and_(entry.c.number == 1, member.c.number == 1, member.c.linked == 0)
    columns = (entry.c.email, entry.c.number, entry.c.id, member.c.number, member.c.id)
    joined = select(*columns).join(member, member.c.email == entry.c.email)
    return joined.order_by(entry.c.email), is_clear, entry.c.id


def list_clear(session: Session, org_key: str, *, most: int) -> list[Match]:
    """Addresses of one entry, which never did anything, and one member, who was never joined with an entry before."""
    joined, is_clear, entry_id = _matches(org_key)
    acted = select(AuditEntry.actor_id)
    rows = session.execute(joined.where(is_clear, entry_id.not_in(acted)).limit(most))
    return [Match(*row) for row in rows]


def list_unclear(session: Session, org_key: str) -> list[Match]:
    """Addresses that could mean several, or a member who is one with another entry already."""
    joined, is_clear, _ = _matches(org_key)
    return [Match(*row) for row in session.execute(joined.where(not_(is_clear)))]


def list_ids_by_email(session: Session, org_key: str, email: str) -> list[str]:
    """Everybody of an organisation who has an address (folded), by id."""
    return list(
        session.execute(
            select(Person.id)
            .where(Person.org_key == org_key, Person.email == email)
            .order_by(Person.id)
        ).scalars()
    )


def list_managers(session: Session, org_key: str) -> dict[str, str]:
    """Person id → the id of their line manager, for all who have one."""
    rows = session.execute(
        select(Person.id, Person.manager_id).where(
            Person.org_key == org_key, Person.manager_id.is_not(None)
        )
    )
    return {person: str(manager) for person, manager in rows}


def list_linked(session: Session, org_key: str, linked_at: datetime) -> Sequence[Person]:
    """Who became one with an entry of a file at that instant, by name."""
    return (
        session.execute(
            select(Person)
            .where(Person.org_key == org_key, Person.linked_at == linked_at)
            .order_by(Person.name, Person.id)
        )
        .scalars()
        .all()
    )
