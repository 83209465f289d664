"""Queries of what people do with a request beside deciding: questions, hand-overs, edits, conditions, absences, reviews."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, literal, or_, select, union_all, update
from sqlalchemy.orm import Session, aliased

from storage.approvals.tables import (
    Absence,
    Approval,
    ApprovalCondition,
    ApprovalEdit,
    ApprovalHandover,
    ApprovalQuestion,
    ApprovalReminder,
    ApprovalReminderItem,
    ApprovalReview,
    ApprovalStage,
)
from storage.audit.tables import PrivateText
from storage.digests.tables import DigestDecision
from storage.enums import ApprovalState, ConditionState
from storage.people.lookups import parts
from storage.people.tables import Person

_first, _second, _third = aliased(Person), aliased(Person), aliased(Person)
_said, _replied = aliased(PrivateText), aliased(PrivateText)
_IDS: Any = bindparam("ids", expanding=True)


class QuestionRow(NamedTuple):
    """A question about a request, with names and words."""

    id: int
    approval_id: int
    asked_by: str
    asker_name: str
    asker_slack_id: str | None
    question: str | None
    asked_at: datetime
    answer_id: int | None
    answer: str | None
    ended_at: datetime | None


class HandoverRow(NamedTuple):
    """A place that was given to somebody else, with names and words."""

    id: int
    approval_id: int
    position: int
    from_id: str
    giver_name: str
    giver_slack_id: str | None
    to_id: str
    taker_name: str
    taker_slack_id: str | None
    for_id: str | None
    principal_name: str | None
    principal_slack_id: str | None
    note: str | None
    created_at: datetime


class EditRow(NamedTuple):
    """What a request asked before one change, with names and texts."""

    id: int
    approval_id: int
    person_id: str
    editor_name: str
    editor_slack_id: str | None
    is_material: bool
    facts: dict[str, Any]
    reason: str | None
    reopened: str | None
    voided: int
    edited_at: datetime
    revision: int | None


class ConditionRow(NamedTuple):
    """A condition of an approval, with names and words."""

    id: int
    approval_id: int
    decision_id: int
    set_by: str
    setter_name: str
    setter_slack_id: str | None
    owner_id: str
    owner_name: str
    owner_slack_id: str | None
    text: str | None
    due: date
    due_at: datetime
    state: str
    proof: str | None
    claimed_at: datetime | None
    ended_at: datetime | None
    revision: int


class ReviewRow(NamedTuple):
    """The review of an approval for which the glass was broken, with names and words."""

    approval_id: int
    broken_by: str
    breaker_name: str
    breaker_slack_id: str | None
    role: str
    reason: str | None
    broken_at: datetime
    due_at: datetime
    times_late: int
    reviewed_by: str | None
    reviewer_name: str | None
    reviewer_slack_id: str | None
    is_fine: bool | None
    note: str | None
    reviewed_at: datetime | None


class AbsenceRow(NamedTuple):
    """An absence, with the names of both."""

    id: int
    person_id: str
    person: str
    stand_in_id: str
    stand_in: str
    stand_in_slack_id: str | None
    since: datetime
    until: datetime
    ended_at: datetime | None


_QUESTIONS = (
    select(
        ApprovalQuestion.id,
        ApprovalQuestion.approval_id,
        ApprovalQuestion.asked_by,
        _first.name.label("asker_name"),
        _first.slack_id.label("asker_slack_id"),
        _said.text.label("question"),
        ApprovalQuestion.asked_at,
        ApprovalQuestion.answer_id,
        _replied.text.label("answer"),
        ApprovalQuestion.ended_at,
    )
    .join(_first, _first.id == ApprovalQuestion.asked_by)
    .outerjoin(_said, _said.id == ApprovalQuestion.question_id)
    .outerjoin(_replied, _replied.id == ApprovalQuestion.answer_id)
    .where(ApprovalQuestion.approval_id.in_(_IDS))
    .order_by(ApprovalQuestion.id)
)
_HANDOVERS = (
    select(
        ApprovalHandover.id,
        ApprovalHandover.approval_id,
        ApprovalHandover.position,
        ApprovalHandover.from_id,
        _first.name.label("giver_name"),
        _first.slack_id.label("giver_slack_id"),
        ApprovalHandover.to_id,
        _second.name.label("taker_name"),
        _second.slack_id.label("taker_slack_id"),
        ApprovalHandover.for_id,
        _third.name.label("principal_name"),
        _third.slack_id.label("principal_slack_id"),
        _said.text.label("note"),
        ApprovalHandover.created_at,
    )
    .join(_first, _first.id == ApprovalHandover.from_id)
    .join(_second, _second.id == ApprovalHandover.to_id)
    .outerjoin(_third, _third.id == ApprovalHandover.for_id)
    .outerjoin(_said, _said.id == ApprovalHandover.note_id)
    .where(ApprovalHandover.approval_id.in_(_IDS))
    .order_by(ApprovalHandover.id)
)
_EDITS = (
    select(
        ApprovalEdit.id,
        ApprovalEdit.approval_id,
        ApprovalEdit.person_id,
        _first.name.label("editor_name"),
        _first.slack_id.label("editor_slack_id"),
        ApprovalEdit.is_material,
        ApprovalEdit.facts,
        _said.text.label("reason"),
        ApprovalEdit.reopened,
        ApprovalEdit.voided,
        ApprovalEdit.edited_at,
        ApprovalEdit.revision,
    )
    .join(_first, _first.id == ApprovalEdit.person_id)
    .outerjoin(_said, _said.id == ApprovalEdit.reason_id)
    .where(ApprovalEdit.approval_id.in_(_IDS))
    .order_by(ApprovalEdit.id)
)
_CONDITIONS = (
    select(
        ApprovalCondition.id,
        ApprovalCondition.approval_id,
        ApprovalCondition.decision_id,
        ApprovalCondition.set_by,
        _first.name.label("setter_name"),
        _first.slack_id.label("setter_slack_id"),
        ApprovalCondition.owner_id,
        _second.name.label("owner_name"),
        _second.slack_id.label("owner_slack_id"),
        _said.text.label("text"),
        ApprovalCondition.due,
        ApprovalCondition.due_at,
        ApprovalCondition.state,
        _replied.text.label("proof"),
        ApprovalCondition.claimed_at,
        ApprovalCondition.ended_at,
        ApprovalCondition.revision,
    )
    .join(_first, _first.id == ApprovalCondition.set_by)
    .join(_second, _second.id == ApprovalCondition.owner_id)
    .outerjoin(_said, _said.id == ApprovalCondition.text_id)
    .outerjoin(_replied, _replied.id == ApprovalCondition.proof_id)
    .where(ApprovalCondition.approval_id.in_(_IDS))
    .order_by(ApprovalCondition.id)
)
_REVIEWS = (
    select(
        ApprovalReview.approval_id,
        ApprovalReview.broken_by,
        _first.name.label("breaker_name"),
        _first.slack_id.label("breaker_slack_id"),
        ApprovalReview.role,
        _said.text.label("reason"),
        ApprovalReview.broken_at,
        ApprovalReview.due_at,
        ApprovalReview.times_late,
        ApprovalReview.reviewed_by,
        _second.name.label("reviewer_name"),
        _second.slack_id.label("reviewer_slack_id"),
        ApprovalReview.is_fine,
        _replied.text.label("note"),
        ApprovalReview.reviewed_at,
    )
    .join(_first, _first.id == ApprovalReview.broken_by)
    .outerjoin(_second, _second.id == ApprovalReview.reviewed_by)
    .outerjoin(_said, _said.id == ApprovalReview.reason_id)
    .outerjoin(_replied, _replied.id == ApprovalReview.note_id)
    .where(ApprovalReview.approval_id.in_(_IDS))
)


def _insert(
    session: Session,
    table: type[ApprovalEdit | ApprovalQuestion | ApprovalHandover | ApprovalCondition | Absence],
    values: dict[str, Any],
) -> int:
    return int(session.execute(insert(table).returning(table.id), values).scalar_one())


def list_questions(session: Session, ids: Sequence[int]) -> list[QuestionRow]:
    """Questions about these requests, oldest first."""
    return list(map(QuestionRow._make, session.execute(_QUESTIONS, {"ids": list(ids)})))


def list_handovers(session: Session, ids: Sequence[int]) -> list[HandoverRow]:
    """Places that were given to others, oldest first."""
    return list(map(HandoverRow._make, session.execute(_HANDOVERS, {"ids": list(ids)})))


def list_edits(session: Session, ids: Sequence[int]) -> list[EditRow]:
    """What these requests asked before they were changed, oldest first."""
    return list(map(EditRow._make, session.execute(_EDITS, {"ids": list(ids)})))


def insert_edit(session: Session, **values: Any) -> int:
    """Keep what a request asked before; its id."""
    return _insert(session, ApprovalEdit, values)


def list_conditions(session: Session, ids: Sequence[int]) -> list[ConditionRow]:
    """Conditions of these requests, in the order in which they were set."""
    return list(map(ConditionRow._make, session.execute(_CONDITIONS, {"ids": list(ids)})))


def list_reviews(session: Session, ids: Sequence[int]) -> list[ReviewRow]:
    """Reviews of glass that was broken, one per request."""
    return list(map(ReviewRow._make, session.execute(_REVIEWS, {"ids": list(ids)})))


def insert_question(session: Session, **values: Any) -> int:
    """Keep a question; its id."""
    return _insert(session, ApprovalQuestion, values)


_OPEN_QUESTION = select(ApprovalQuestion).where(
    ApprovalQuestion.approval_id == bindparam("approval_id"), ApprovalQuestion.ended_at.is_(None)
)


def find_open_question(session: Session, approval_id: int) -> ApprovalQuestion | None:
    """The question for whose answer the request waits; its request is locked by the caller."""
    return session.execute(_OPEN_QUESTION, {"approval_id": approval_id}).scalar_one_or_none()


def insert_handover(session: Session, **values: Any) -> int:
    """Keep a hand-over; its id."""
    return _insert(session, ApprovalHandover, values)


def insert_condition(session: Session, **values: Any) -> int:
    """Keep a condition; its id."""
    return _insert(session, ApprovalCondition, values)


_OPEN_CONDITIONS = (
    select(ApprovalCondition)
    .where(
        ApprovalCondition.approval_id == bindparam("approval_id"),
        ApprovalCondition.state.in_([ConditionState.OPEN, ConditionState.CLAIMED]),
    )
    .order_by(ApprovalCondition.id)
)


def list_open_conditions(session: Session, approval_id: int) -> Sequence[ApprovalCondition]:
    """Conditions that nobody has confirmed yet; their request is locked by the caller."""
    return session.execute(_OPEN_CONDITIONS, {"approval_id": approval_id}).scalars().all()


def drop_conditions(
    session: Session, approval_id: int, *, now: datetime, decision_ids: Sequence[int] | None = None
) -> None:
    """Drop the open conditions of a request, or those of its verdicts `decision_ids` alone."""
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
    select(Absence.person_id, Absence.stand_in_id)
    .where(
        Absence.ended_at.is_(None),
        Absence.until > bindparam("since"),
        Absence.since < bindparam("until"),
    )
    .order_by(Absence.id)
)


def list_absences(session: Session, *, since: datetime, until: datetime) -> list[tuple[str, str]]:
    """Who is away and who stands in for them, of absences that overlap this span and were not cut short before."""
    rows = session.execute(_ABSENCES, {"since": since, "until": until})
    return [(person_id, stand_in_id) for person_id, stand_in_id in rows]


_ABSENCE = (
    select(
        Absence.id,
        Absence.person_id,
        _first.name.label("person"),
        Absence.stand_in_id,
        _second.name.label("stand_in"),
        _second.slack_id.label("stand_in_slack_id"),
        Absence.since,
        Absence.until,
        Absence.ended_at,
    )
    .join(_first, _first.id == Absence.person_id)
    .join(_second, _second.id == Absence.stand_in_id)
)


def list_absences_of(session: Session, person_id: str, *, now: datetime) -> list[AbsenceRow]:
    """A person's own absences that are not over, the next one first."""
    rows = session.execute(
        _ABSENCE.where(
            Absence.person_id == person_id, Absence.ended_at.is_(None), Absence.until > now
        ).order_by(Absence.since, Absence.id)
    )
    return list(map(AbsenceRow._make, rows))


def find_absence(session: Session, absence_id: int) -> AbsenceRow | None:
    """An absence by its id."""
    row = session.execute(_ABSENCE.where(Absence.id == absence_id)).first()
    return None if row is None else AbsenceRow._make(row)


def insert_absence(session: Session, **values: Any) -> int:
    """Keep an absence; its id."""
    return _insert(session, Absence, values)


def end_absence(session: Session, absence_id: int, *, now: datetime) -> None:
    """End an absence at `now`, before its time."""
    session.execute(update(Absence).where(Absence.id == absence_id).values(ended_at=now))


def set_away_until(session: Session, person_id: str, stand_in_id: str) -> None:
    """Update `away_until` of the person and `stands_in_until` of the stand-in from their absences."""
    for column, side, id_ in (
        (Person.away_until, Absence.person_id, person_id),
        (Person.stands_in_until, Absence.stand_in_id, stand_in_id),
    ):
        last = (
            select(func.max(Absence.until))
            .where(side == id_, Absence.ended_at.is_(None))
            .scalar_subquery()
        )
        session.execute(
            update(Person)
            .where(Person.id == id_)
            .values({column: last})
            .execution_options(synchronize_session=False)
        )


def lock_people(session: Session, ids: Sequence[str]) -> None:
    """Lock people in the order of their ids, so that two people can't make each other their stand-in at once."""
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
    ids: set[int] = set()
    for table, columns in (
        (ApprovalQuestion, ("asked_by",)),
        (ApprovalHandover, ("from_id", "to_id", "for_id")),
        (ApprovalEdit, ("person_id",)),
        (ApprovalCondition, ("set_by", "owner_id")),
        (ApprovalReview, ("broken_by", "reviewed_by")),
    ):
        named = or_(*(getattr(table, name) == person_id for name in columns))
        ids |= set(session.execute(select(table.approval_id).where(named)).scalars())
    return sorted(ids)


# --- Statements about reminders, escalation, and what shows a request beside its own cards

_LAST = select(func.max(ApprovalReminder.told_at)).where(
    ApprovalReminder.person_id == bindparam("person_id")
)
_ITEMS = (
    select(ApprovalReminderItem.approval_id)
    .where(ApprovalReminderItem.reminder_id == bindparam("reminder_id"))
    .order_by(ApprovalReminderItem.approval_id)
)
_WHOSE = select(ApprovalReminder.person_id).where(ApprovalReminder.id == bindparam("reminder_id"))
_SHOWING = union_all(
    select(
        literal("digest").label("subject_type"), DigestDecision.digest_id.label("subject_id")
    ).where(DigestDecision.approval_id == bindparam("approval_id")),
    select(
        literal("approval_reminder").label("subject_type"),
        ApprovalReminderItem.reminder_id.label("subject_id"),
    ).where(ApprovalReminderItem.approval_id == bindparam("approval_id")),
).order_by("subject_type", "subject_id")
_STAGE = (
    update(ApprovalStage)
    .where(
        ApprovalStage.approval_id == bindparam("of_approval"),
        ApprovalStage.position == bindparam("at_position"),
    )
    .values(approvers=bindparam("new_approvers"), rules=bindparam("new_rules"))
    .execution_options(synchronize_session=False)
)


def find_last_reminder(session: Session, person_id: str) -> datetime | None:
    """When this person was reminded last."""
    return session.execute(_LAST, {"person_id": person_id}).scalar_one()


def insert_reminder(
    session: Session, person_id: str, approval_ids: Sequence[int], now: datetime
) -> int:
    """Keep what a reminder shows; its id."""
    reminder_id = session.execute(
        insert(ApprovalReminder).returning(ApprovalReminder.id),
        {"person_id": person_id, "told_at": now},
    ).scalar_one()
    session.execute(
        insert(ApprovalReminderItem),
        [{"reminder_id": reminder_id, "approval_id": id_} for id_ in approval_ids],
    )
    return reminder_id


def list_items(session: Session, reminder_id: int) -> Sequence[int]:
    """The requests that a reminder shows."""
    return session.execute(_ITEMS, {"reminder_id": reminder_id}).scalars().all()


def find_reminded(session: Session, reminder_id: int) -> str | None:
    """The id of whom a reminder was for."""
    return session.execute(_WHOSE, {"reminder_id": reminder_id}).scalar_one_or_none()


def list_showing(session: Session, approval_id: int) -> list[tuple[str, int]]:
    """Type and id of the digests and reminders that show a request."""
    return [(type_, id_) for type_, id_ in session.execute(_SHOWING, {"approval_id": approval_id})]


def set_stage(
    session: Session,
    approval_id: int,
    position: int,
    *,
    approvers: list[dict[str, Any]],
    rules: dict[str, Any] | None,
) -> None:
    """Change whom a stage asks, and what else holds for it."""
    session.execute(
        _STAGE,
        {
            "of_approval": approval_id,
            "at_position": position,
            "new_approvers": approvers,
            "new_rules": rules,
        },
    )


# --- Statements about past and open requests, to see them under another policy


class PastRow(NamedTuple):
    """A request of the past, to see it under another policy."""

    id: int
    gate: str
    bound: dict[str, Any] | None
    requester_id: str
    created_at: datetime
    manager_id: str | None


_SINCE = (
    select(
        Approval.id,
        Approval.gate,
        Approval.bound,
        Approval.requester_id,
        Approval.created_at,
        Person.manager_id,
    )
    .join(Person, Person.id == Approval.requester_id)
    .where(Approval.created_at >= bindparam("since"))
    .order_by(Approval.id)
)
_OPEN = (
    select(Approval.id).where(Approval.state == ApprovalState.PENDING.value).order_by(Approval.id)
)
_NAMES = select(Person.id, Person.name).where(Person.id.in_(bindparam("ids", expanding=True)))


def list_since(session: Session, since: datetime) -> list[PastRow]:
    """Requests opened since then, oldest first, with the requester's manager."""
    return list(map(PastRow._make, session.execute(_SINCE, {"since": since})))


def list_open(session: Session) -> Sequence[int]:
    """Ids of all pending requests."""
    return session.execute(_OPEN).scalars().all()


def list_open_about(
    session: Session, subject_type: str, subject_ids: Collection[int]
) -> Sequence[int]:
    """Ids of the pending requests about one of these subjects."""
    wanted = _OPEN.where(
        Approval.subject_type == subject_type, Approval.subject_id.in_(list(subject_ids))
    )
    return session.execute(wanted).scalars().all()


def list_open_in(
    session: Session, project_ids: Collection[int], subject_type: str | None
) -> Sequence[int]:
    """Ids of the pending requests of these projects, about one type of subject when it is given."""
    ids: list[int] = []
    for part in parts(project_ids):
        wanted = _OPEN.where(Approval.project_id.in_(part))
        if subject_type is not None:
            wanted = wanted.where(Approval.subject_type == subject_type)
        ids += session.execute(wanted).scalars()
    return ids


def list_about(session: Session, subject_type: str, subject_id: int) -> list[int]:
    """Ids of all requests about a subject, oldest first."""
    return list(
        session.execute(
            select(Approval.id)
            .where(Approval.subject_type == subject_type, Approval.subject_id == subject_id)
            .order_by(Approval.id)
        ).scalars()
    )


def list_names(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """Opaque id → name."""
    return {row.id: row.name for row in session.execute(_NAMES, {"ids": list(ids)})}


def replace_stages(
    session: Session,
    approval_id: int,
    start: int,
    stages: Sequence[dict[str, Any]],
    *,
    bound: dict[str, Any],
    policy_id: int,
    expires_at: datetime,
) -> None:
    """Replace the stages from position `start` on, and bind the request to another version of the policy."""
    session.execute(
        delete(ApprovalStage).where(
            ApprovalStage.approval_id == approval_id, ApprovalStage.position >= start
        )
    )
    session.execute(
        insert(ApprovalStage),
        [
            stage | {"approval_id": approval_id, "position": start + index}
            for index, stage in enumerate(stages)
        ],
    )
    session.execute(
        update(Approval)
        .where(Approval.id == approval_id)
        .values(bound=bound, policy_id=policy_id, expires_at=expires_at)
    )
