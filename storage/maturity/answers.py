"""Statements about what people said in check-ins, what was told early, and targets."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.maturity.tables import (
    MaturityAction,
    MaturityAnswer,
    MaturityCounted,
    MaturityCycle,
    MaturityEarly,
    MaturityInvitation,
    MaturityNote,
    MaturityTarget,
)
from storage.milestones.tables import Milestone
from storage.people.tables import Person


def find_answer(session: Session, invitation_id: int, statement: str) -> MaturityAnswer | None:
    """What a person says about one statement."""
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
    """All that a person wrote in one check-in."""
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
    """What people wrote, by id; erased words are left out."""
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
    """Results that were told while the cycle was open, oldest first."""
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
    """The same, locked."""
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
    """Whether a milestone is there to close a gap."""
    return session.get(MaturityAction, milestone_id) is not None
