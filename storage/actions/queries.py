"""Statements about what people do with a request beside deciding it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.actions.tables import (
    Absence,
    ApprovalCondition,
    ApprovalEdit,
    ApprovalHandover,
    ApprovalQuestion,
    ApprovalReview,
)
from storage.audit.tables import PrivateText
from storage.enums import ConditionState
from storage.people.tables import Person

Rows = Sequence[Any]
"""Rows of a statement, read by column name."""

_one, _two, _three = aliased(Person), aliased(Person), aliased(Person)
_said, _replied = aliased(PrivateText), aliased(PrivateText)
_IDS: Any = bindparam("ids", expanding=True)

_QUESTIONS = (
    select(
        ApprovalQuestion.__table__,
        _one.name.label("asker_name"),
        _one.slack_id.label("asker_slack_id"),
        _said.text.label("question"),
        _replied.text.label("answer"),
    )
    .join(_one, _one.id == ApprovalQuestion.asked_by)
    .outerjoin(_said, _said.id == ApprovalQuestion.question_id)
    .outerjoin(_replied, _replied.id == ApprovalQuestion.answer_id)
    .where(ApprovalQuestion.approval_id.in_(_IDS))
    .order_by(ApprovalQuestion.id)
)
_HANDOVERS = (
    select(
        ApprovalHandover.__table__,
        _one.name.label("giver_name"),
        _one.slack_id.label("giver_slack_id"),
        _two.name.label("taker_name"),
        _two.slack_id.label("taker_slack_id"),
        _three.name.label("principal_name"),
        _three.slack_id.label("principal_slack_id"),
        _said.text.label("note"),
    )
    .join(_one, _one.id == ApprovalHandover.from_id)
    .join(_two, _two.id == ApprovalHandover.to_id)
    .outerjoin(_three, _three.id == ApprovalHandover.for_id)
    .outerjoin(_said, _said.id == ApprovalHandover.note_id)
    .where(ApprovalHandover.approval_id.in_(_IDS))
    .order_by(ApprovalHandover.id)
)
_EDITS = (
    select(
        ApprovalEdit.__table__,
        _one.name.label("editor_name"),
        _one.slack_id.label("editor_slack_id"),
        _said.text.label("reason"),
    )
    .join(_one, _one.id == ApprovalEdit.person_id)
    .outerjoin(_said, _said.id == ApprovalEdit.reason_id)
    .where(ApprovalEdit.approval_id.in_(_IDS))
    .order_by(ApprovalEdit.id)
)
_CONDITION = (
    select(
        ApprovalCondition.__table__,
        _one.name.label("setter_name"),
        _one.slack_id.label("setter_slack_id"),
        _two.name.label("owner_name"),
        _two.slack_id.label("owner_slack_id"),
        _said.text.label("text"),
        _replied.text.label("proof"),
    )
    .join(_one, _one.id == ApprovalCondition.set_by)
    .join(_two, _two.id == ApprovalCondition.owner_id)
    .outerjoin(_said, _said.id == ApprovalCondition.text_id)
    .outerjoin(_replied, _replied.id == ApprovalCondition.proof_id)
    .order_by(ApprovalCondition.id)
)
_CONDITIONS = _CONDITION.where(ApprovalCondition.approval_id.in_(_IDS))
_REVIEWS = (
    select(
        ApprovalReview.__table__,
        _one.name.label("breaker_name"),
        _one.slack_id.label("breaker_slack_id"),
        _two.name.label("reviewer_name"),
        _two.slack_id.label("reviewer_slack_id"),
        _said.text.label("reason"),
        _replied.text.label("note"),
    )
    .join(_one, _one.id == ApprovalReview.broken_by)
    .outerjoin(_two, _two.id == ApprovalReview.reviewed_by)
    .outerjoin(_said, _said.id == ApprovalReview.reason_id)
    .outerjoin(_replied, _replied.id == ApprovalReview.note_id)
    .where(ApprovalReview.approval_id.in_(_IDS))
)


def list_questions(session: Session, ids: Sequence[int]) -> Rows:
    """Questions about these requests, oldest first, with names and words."""
    return session.execute(_QUESTIONS, {"ids": list(ids)}).all()


def list_handovers(session: Session, ids: Sequence[int]) -> Rows:
    """Places that were given to others, oldest first, with names and words."""
    return session.execute(_HANDOVERS, {"ids": list(ids)}).all()


def list_edits(session: Session, ids: Sequence[int]) -> Rows:
    """What these requests asked before they were changed, oldest first, with names and words."""
    return session.execute(_EDITS, {"ids": list(ids)}).all()


def insert_edit(session: Session, **values: Any) -> int:
    """Keep what a request asked before; its id."""
    return int(
        session.execute(insert(ApprovalEdit).returning(ApprovalEdit.id), values).scalar_one()
    )


def list_conditions(session: Session, ids: Sequence[int]) -> Rows:
    """Conditions of these requests, in the order in which they were set, with names and words."""
    return session.execute(_CONDITIONS, {"ids": list(ids)}).all()


def list_reviews(session: Session, ids: Sequence[int]) -> Rows:
    """Reviews of glass that was broken, one per request."""
    return session.execute(_REVIEWS, {"ids": list(ids)}).all()


def insert_question(session: Session, **values: Any) -> int:
    """Keep a question; its id."""
    return int(
        session.execute(
            insert(ApprovalQuestion).returning(ApprovalQuestion.id), values
        ).scalar_one()
    )


_OPEN_QUESTION = select(ApprovalQuestion).where(
    ApprovalQuestion.approval_id == bindparam("approval_id"), ApprovalQuestion.ended_at.is_(None)
)


def find_open_question(session: Session, approval_id: int) -> ApprovalQuestion | None:
    """The question for whose answer the request waits; its request is locked by the caller."""
    return session.execute(_OPEN_QUESTION, {"approval_id": approval_id}).scalar_one_or_none()


def insert_handover(session: Session, **values: Any) -> int:
    """Keep a hand-over; its id."""
    return int(
        session.execute(
            insert(ApprovalHandover).returning(ApprovalHandover.id), values
        ).scalar_one()
    )


def insert_condition(session: Session, **values: Any) -> int:
    """Keep a condition; its id."""
    return int(
        session.execute(
            insert(ApprovalCondition).returning(ApprovalCondition.id), values
        ).scalar_one()
    )


_OPEN_CONDITIONS = (
    select(ApprovalCondition)
    .where(
        ApprovalCondition.approval_id == bindparam("approval_id"),
        ApprovalCondition.state.in_([ConditionState.OPEN, ConditionState.CLAIMED]),
    )
    .order_by(ApprovalCondition.id)
)


def open_conditions(session: Session, approval_id: int) -> Sequence[ApprovalCondition]:
    """Conditions that nobody has confirmed yet; their request is locked by the caller."""
    return session.execute(_OPEN_CONDITIONS, {"approval_id": approval_id}).scalars().all()


def drop_conditions(
    session: Session, approval_id: int, *, now: datetime, decision_ids: Sequence[int] | None = None
) -> None:
    """Conditions of the request, or of these verdicts, bind nobody any more, unless they have ended."""
    statement = update(ApprovalCondition).where(
        ApprovalCondition.approval_id == approval_id,
        ApprovalCondition.state.in_([ConditionState.OPEN, ConditionState.CLAIMED]),
    )
    if decision_ids is not None:
        statement = statement.where(ApprovalCondition.decision_id.in_(decision_ids))
    session.execute(
        statement.values(
            state=ConditionState.DROPPED.value,
            ended_at=now,
            revision=ApprovalCondition.revision + 1,
        ).execution_options(synchronize_session="fetch")
    )


def find_condition(session: Session, condition_id: int) -> ApprovalCondition | None:
    """A condition; the caller locks its request before reading it again."""
    return session.execute(
        select(ApprovalCondition)
        .where(ApprovalCondition.id == condition_id)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


_ABSENCES = (
    select(Absence.__table__)
    .where(
        Absence.ended_at.is_(None),
        Absence.until > bindparam("since"),
        Absence.since < bindparam("until"),
    )
    .order_by(Absence.id)
)


def list_absences(session: Session, *, since: datetime, until: datetime) -> Rows:
    """Absences that overlap this span and were not cut short before."""
    return session.execute(_ABSENCES, {"since": since, "until": until}).all()


def absences_of(session: Session, person_id: str, *, now: datetime) -> Rows:
    """A person's own absences that are not over, the next one first, with the stand-in's name."""
    return session.execute(
        select(
            Absence.__table__, _two.name.label("stand_in"), _two.slack_id.label("stand_in_slack_id")
        )
        .join(_two, _two.id == Absence.stand_in_id)
        .where(Absence.person_id == person_id, Absence.ended_at.is_(None), Absence.until > now)
        .order_by(Absence.since, Absence.id)
    ).all()


def find_absence(session: Session, absence_id: int) -> Any:
    """An absence with the names of both."""
    return session.execute(
        select(
            Absence.__table__,
            _one.name.label("person"),
            _one.slack_id.label("person_slack_id"),
            _two.name.label("stand_in"),
            _two.slack_id.label("stand_in_slack_id"),
        )
        .join(_one, _one.id == Absence.person_id)
        .join(_two, _two.id == Absence.stand_in_id)
        .where(Absence.id == absence_id)
    ).first()


def insert_absence(session: Session, **values: Any) -> int:
    """Keep an absence; its id."""
    return int(session.execute(insert(Absence).returning(Absence.id), values).scalar_one())


def end_absence(session: Session, absence_id: int, *, now: datetime) -> None:
    """They are back."""
    session.execute(update(Absence).where(Absence.id == absence_id).values(ended_at=now))


def set_until(session: Session, person_id: str, stand_in_id: str) -> None:
    """Remember on both people until when the one may be stood in for, and the other stands in, at most."""
    for column, side, one in (
        (Person.away_until, Absence.person_id, person_id),
        (Person.stands_in_until, Absence.stand_in_id, stand_in_id),
    ):
        last = (
            select(func.max(Absence.until))
            .where(side == one, Absence.ended_at.is_(None))
            .scalar_subquery()
        )
        session.execute(
            update(Person)
            .where(Person.id == one)
            .values({column: last})
            .execution_options(synchronize_session=False)
        )


def lock_people(session: Session, ids: Sequence[str]) -> None:
    """Lock people in the order of their ids, so that two absences cannot name each other at the same moment."""
    session.execute(
        select(Person.id).where(Person.id.in_(ids)).order_by(Person.id).with_for_update()
    ).all()


def insert_review(session: Session, **values: Any) -> None:
    """Keep that the glass was broken."""
    session.execute(insert(ApprovalReview), values)


def find_review(session: Session, approval_id: int) -> ApprovalReview | None:
    """The review of a request; the caller holds the request's lock."""
    return session.execute(
        select(ApprovalReview)
        .where(ApprovalReview.approval_id == approval_id)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def list_concerning(session: Session, person_id: str) -> Sequence[int]:
    """Requests in which the person asked, gave or took a place, set or owns a condition, or broke or reviewed glass."""
    found: set[int] = set()
    for table, columns in (
        (ApprovalQuestion, ("asked_by",)),
        (ApprovalHandover, ("from_id", "to_id", "for_id")),
        (ApprovalEdit, ("person_id",)),
        (ApprovalCondition, ("set_by", "owner_id")),
        (ApprovalReview, ("broken_by", "reviewed_by")),
    ):
        named = or_(*(getattr(table, name) == person_id for name in columns))
        found |= set(session.execute(select(table.approval_id).where(named)).scalars())
    return sorted(found)
