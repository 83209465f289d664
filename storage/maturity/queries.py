"""Queries of maturity check-ins, their rubrics, results and targets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.enums import CycleState, InvitationState
from storage.maturity.tables import (
    MaturityAction,
    MaturityAnswer,
    MaturityCounted,
    MaturityCycle,
    MaturityEarly,
    MaturityInvitation,
    MaturityNote,
    MaturityRubric,
    MaturityTarget,
)
from storage.milestones.tables import Milestone
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

# --- rubrics


def adopt_rubric(session: Session, sha256: str, text: str, now: datetime) -> bool:
    """Put a rubric in force; False when it was in force already."""
    current = find_current_rubric(session)
    if current is not None and current.sha256 == sha256:
        return False
    make = _INSERT[session.get_bind().dialect.name](MaturityRubric)
    session.execute(
        make.values(sha256=sha256, text=text, adopted_at=now).on_conflict_do_update(
            index_elements=["sha256"], set_={"adopted_at": now}
        )
    )
    return True


def has_had_rubric(session: Session, sha256: str) -> bool:
    """Whether a rubric of this digest was ever in force."""
    statement = select(MaturityRubric.id).where(MaturityRubric.sha256 == sha256)
    return session.execute(statement).first() is not None


def find_current_rubric(session: Session) -> MaturityRubric | None:
    """The rubric that the next cycle asks."""
    return (
        session.execute(
            select(MaturityRubric)
            .order_by(MaturityRubric.adopted_at.desc(), MaturityRubric.id.desc())
            .limit(1)
        )
        .scalars()
        .first()
    )


def lock_rubrics(session: Session) -> None:
    """Let only one transaction at a time start cycles."""
    session.execute(select(MaturityRubric.id).order_by(MaturityRubric.id).with_for_update()).all()


def load_rubric_text(session: Session, rubric_id: int) -> str:
    """The text of a rubric."""
    return session.execute(
        select(MaturityRubric.text).where(MaturityRubric.id == rubric_id)
    ).scalar_one()


# --- cycles

_CYCLE = select(MaturityCycle).where(MaturityCycle.id == bindparam("cycle"))


def find_cycle(session: Session, cycle_id: int) -> MaturityCycle | None:
    """A cycle by its id."""
    return session.execute(_CYCLE, {"cycle": cycle_id}).scalar_one_or_none()


def lock_cycle(session: Session, cycle_id: int, *, shared: bool = False) -> MaturityCycle | None:
    """Lock a cycle; with `shared`, as answers do, only against being closed: answers don't wait for each other."""
    return session.execute(
        _CYCLE.with_for_update(read=shared).execution_options(populate_existing=True),
        {"cycle": cycle_id},
    ).scalar_one_or_none()


def try_lock_cycle(session: Session, cycle_id: int) -> Literal["taken", "held", "gone"]:
    """Lock a cycle without waiting."""
    taken = session.execute(
        select(MaturityCycle.id)
        .where(MaturityCycle.id == cycle_id)
        .with_for_update(skip_locked=True)
    ).first()
    if taken is not None:
        return "taken"
    return "gone" if find_cycle(session, cycle_id) is None else "held"


def list_open_cycles(session: Session) -> Sequence[MaturityCycle]:
    """Cycles that are open, oldest first."""
    return (
        session.execute(
            select(MaturityCycle)
            .where(MaturityCycle.state == CycleState.OPEN)
            .order_by(MaturityCycle.id)
        )
        .scalars()
        .all()
    )


def has_slot(session: Session, slot: str) -> bool:
    """Whether the schedule has opened a cycle for this period."""
    return (
        session.execute(select(MaturityCycle.id).where(MaturityCycle.slot == slot)).first()
        is not None
    )


def find_last_closed(
    session: Session, business_unit: str | None, *, before: int | None = None
) -> MaturityCycle | None:
    """The newest closed cycle of the organisation (None) or of a unit; one before another when `before` names it."""
    newest = list_closed_of(session, business_unit, before=before, most=1)
    return newest[0] if newest else None


def list_closed_of(
    session: Session, business_unit: str | None, *, before: int | None, most: int
) -> Sequence[MaturityCycle]:
    """Closed cycles of the organisation (None) or of a unit, the newest first; those before another when it is named."""
    return (
        session.execute(
            select(MaturityCycle)
            .where(
                MaturityCycle.state == CycleState.CLOSED,
                MaturityCycle.business_unit.is_(None)
                if business_unit is None
                else MaturityCycle.business_unit == business_unit,
                MaturityCycle.id < before if before is not None else true(),
            )
            .order_by(MaturityCycle.id.desc())
            .limit(most)
        )
        .scalars()
        .all()
    )


def list_closed(session: Session) -> Sequence[MaturityCycle]:
    """Closed cycles, newest first."""
    return (
        session.execute(
            select(MaturityCycle)
            .where(MaturityCycle.state == CycleState.CLOSED)
            .order_by(MaturityCycle.id.desc())
        )
        .scalars()
        .all()
    )


def first_policy_at(session: Session) -> datetime | None:
    """When the first policy was put in force (governed time); None before that."""
    return session.execute(select(func.min(PolicyVersion.applied_at))).scalar_one()


# --- invitations


def insert_invitations(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert invitations, by column."""
    session.execute(insert(MaturityInvitation), list(rows))


def lock_invitation(session: Session, invitation_id: int) -> MaturityInvitation | None:
    """Lock one person's check-in."""
    return session.execute(
        select(MaturityInvitation)
        .where(MaturityInvitation.id == invitation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def try_lock_invitation(session: Session, invitation_id: int) -> Literal["taken", "held", "gone"]:
    """Lock one person's check-in without waiting."""
    taken = session.execute(
        select(MaturityInvitation.id)
        .where(MaturityInvitation.id == invitation_id)
        .with_for_update(skip_locked=True)
    ).first()
    if taken is not None:
        return "taken"
    return "gone" if find_invitation(session, invitation_id) is None else "held"


def find_invitation(session: Session, invitation_id: int) -> MaturityInvitation | None:
    """One person's check-in."""
    return session.execute(
        select(MaturityInvitation).where(MaturityInvitation.id == invitation_id)
    ).scalar_one_or_none()


def find_last_invitation(session: Session, person_id: str) -> MaturityInvitation | None:
    """The newest check-in that a person was invited to."""
    return (
        session.execute(
            select(MaturityInvitation)
            .where(MaturityInvitation.person_id == person_id)
            .order_by(MaturityInvitation.id.desc())
            .limit(1)
        )
        .scalars()
        .first()
    )


def was_invited(session: Session, cycle_id: int, person_id: str) -> bool:
    """Whether a person was invited to a cycle."""
    return (
        session.execute(
            select(MaturityInvitation.id).where(
                MaturityInvitation.cycle_id == cycle_id, MaturityInvitation.person_id == person_id
            )
        ).first()
        is not None
    )


def list_waiting(session: Session, cycle_id: int, most: int) -> Sequence[MaturityInvitation]:
    """At most `most` invitations of a cycle that were not sent yet."""
    return (
        session.execute(
            select(MaturityInvitation)
            .where(
                MaturityInvitation.cycle_id == cycle_id,
                MaturityInvitation.invited_at.is_(None),
                MaturityInvitation.state == InvitationState.INVITED,
            )
            .order_by(MaturityInvitation.id)
            .limit(most)
        )
        .scalars()
        .all()
    )


def list_with_people(session: Session, cycle_id: int) -> list[tuple[MaturityInvitation, Person]]:
    """Everybody who was invited to a cycle, with what the mirror says of them."""
    return [
        (invitation, person)
        for invitation, person in session.execute(
            select(MaturityInvitation, Person)
            .join(Person, Person.id == MaturityInvitation.person_id)
            .where(MaturityInvitation.cycle_id == cycle_id)
            .order_by(MaturityInvitation.id)
        )
    ]


def list_ids(session: Session, cycle_id: int, *, after: int, most: int) -> Sequence[int]:
    """At most `most` ids, above `after`, of a cycle's invitations that were sent, in order."""
    return (
        session.execute(
            select(MaturityInvitation.id)
            .where(
                MaturityInvitation.cycle_id == cycle_id,
                MaturityInvitation.id > after,
                MaturityInvitation.invited_at.is_not(None),
            )
            .order_by(MaturityInvitation.id)
            .limit(most)
        )
        .scalars()
        .all()
    )


def find_person(session: Session, person_id: str) -> Person | None:
    """Who was invited."""
    return session.execute(select(Person).where(Person.id == person_id)).scalar_one_or_none()


def list_units(session: Session, org_key: str) -> list[str]:
    """Business units that people of the organisation are in."""
    return [
        unit
        for unit in session.execute(
            select(Person.business_unit)
            .where(
                Person.org_key == org_key,
                Person.business_unit.is_not(None),
                or_(Person.is_deactivated.is_(False), Person.erased_at.is_not(None)),
            )
            .distinct()
            .order_by(Person.business_unit)
        ).scalars()
        if unit
    ]


# --- Statements about what people said in check-ins, what was told early, and targets


def find_answer(session: Session, invitation_id: int, statement: str) -> MaturityAnswer | None:
    """A person's answer to one statement of a check-in; None without one."""
    return session.execute(
        select(MaturityAnswer).where(
            MaturityAnswer.invitation_id == invitation_id, MaturityAnswer.statement == statement
        )
    ).scalar_one_or_none()


def list_answers(session: Session, which: int | Collection[int]) -> list[tuple[int, str, str]]:
    """(invitation, statement, answer) of one check-in or of several."""
    chosen: ColumnElement[bool] = (
        MaturityAnswer.invitation_id == which
        if isinstance(which, int)
        else MaturityAnswer.invitation_id.in_(sorted(which))
    )
    return [
        (invitation, statement, answer)
        for invitation, statement, answer in session.execute(
            select(MaturityAnswer.invitation_id, MaturityAnswer.statement, MaturityAnswer.answer)
            .where(chosen)
            .order_by(MaturityAnswer.id)
        )
    ]


def list_cycle_answers(session: Session, cycle_id: int) -> list[tuple[int, str, str]]:
    """(invitation, statement, answer) of a whole cycle."""
    return [
        (invitation, statement, answer)
        for invitation, statement, answer in session.execute(
            select(MaturityAnswer.invitation_id, MaturityAnswer.statement, MaturityAnswer.answer)
            .join(MaturityInvitation, MaturityInvitation.id == MaturityAnswer.invitation_id)
            .where(MaturityInvitation.cycle_id == cycle_id)
            .order_by(MaturityAnswer.id)
        )
    ]


def find_note(session: Session, invitation_id: int, dimension: str) -> MaturityNote | None:
    """The comment and link that a person gave with a dimension."""
    return session.execute(
        select(MaturityNote).where(
            MaturityNote.invitation_id == invitation_id, MaturityNote.dimension == dimension
        )
    ).scalar_one_or_none()


def list_notes(session: Session, invitation_id: int) -> Sequence[MaturityNote]:
    """All notes of a person in one check-in."""
    return (
        session.execute(
            select(MaturityNote)
            .where(MaturityNote.invitation_id == invitation_id)
            .order_by(MaturityNote.id)
        )
        .scalars()
        .all()
    )


def load_texts(session: Session, ids: Collection[int]) -> dict[int, str]:
    """Text id → free text; erased ones are left out."""
    if not ids:
        return {}
    return {
        id_: text
        for id_, text in session.execute(
            select(PrivateText.id, PrivateText.text).where(
                PrivateText.id.in_(sorted(set(ids))), PrivateText.text.is_not(None)
            )
        )
        if text is not None
    }


def list_early(session: Session, cycle_id: int) -> Sequence[MaturityEarly]:
    """Early results of a cycle, oldest first."""
    return (
        session.execute(
            select(MaturityEarly)
            .where(MaturityEarly.cycle_id == cycle_id)
            .order_by(MaturityEarly.seq)
        )
        .scalars()
        .all()
    )


def list_counted(session: Session, cycle_id: int) -> list[tuple[int, str, dict[str, Any], int]]:
    """(invitation, dimension, answers, seq) that early results of a cycle counted."""
    return [
        (invitation, dimension, answers, seq)
        for invitation, dimension, answers, seq in session.execute(
            select(
                MaturityCounted.invitation_id,
                MaturityCounted.dimension,
                MaturityCounted.answers,
                MaturityCounted.seq,
            )
            .join(MaturityInvitation, MaturityInvitation.id == MaturityCounted.invitation_id)
            .where(MaturityInvitation.cycle_id == cycle_id)
        )
    ]


def list_targets(session: Session, unit: str) -> Sequence[MaturityTarget]:
    """The targets of a unit; "" is the organisation."""
    return (
        session.execute(
            select(MaturityTarget)
            .where(MaturityTarget.business_unit == unit)
            .order_by(MaturityTarget.id)
        )
        .scalars()
        .all()
    )


def lock_targets(session: Session, unit: str) -> Sequence[MaturityTarget]:
    """As `list_targets`, locked."""
    return (
        session.execute(
            select(MaturityTarget)
            .where(MaturityTarget.business_unit == unit)
            .order_by(MaturityTarget.id)
            .with_for_update()
        )
        .scalars()
        .all()
    )


def list_actions(
    session: Session, business_unit: str | None
) -> list[tuple[str, Milestone, Person | None]]:
    """(statement, milestone, owner) of what is done about gaps of the organisation (None) or a unit, by day."""
    unit = MaturityCycle.business_unit
    return [
        (statement, milestone, owner)
        for statement, milestone, owner in session.execute(
            select(MaturityAction.statement, Milestone, Person)
            .join(Milestone, Milestone.id == MaturityAction.milestone_id)
            .join(MaturityCycle, MaturityCycle.id == MaturityAction.cycle_id)
            .outerjoin(Person, Person.id == Milestone.owner_id)
            .where(
                unit.is_(None) if business_unit is None else unit == business_unit,
                Milestone.dropped_at.is_(None),
            )
            .order_by(Milestone.forecast, Milestone.id)
        )
    ]


def has_action(session: Session, milestone_id: int) -> bool:
    """Whether a milestone is an action for a maturity gap."""
    return session.get(MaturityAction, milestone_id) is not None
