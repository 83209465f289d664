"""Reading what people did about requests beside deciding; only for those that have any of it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from storage.actions import queries
from storage.actions.queries import (
    ConditionRow,
    EditRow,
    HandoverRow,
    QuestionRow,
    ReviewRow,
)
from storage.enums import ConditionState
from workflows.approvals.extras import Condition, Edit, Extras, Handover, Question, Review, Someone

Row = TypeVar("Row", QuestionRow, HandoverRow, ConditionRow, ReviewRow, EditRow)
Record = TypeVar("Record")


def list_extras(
    session: Session, ids: Sequence[int], asked: Callable[[int, dict[str, Any]], str]
) -> dict[int, Extras]:
    """By request; `asked` puts what a request asked before into words."""
    if not ids:
        return {}
    questions = _by_request(queries.list_questions(session, ids), _question)
    handovers = _by_request(queries.list_handovers(session, ids), _handover)
    conditions = _by_request(queries.list_conditions(session, ids), _condition)
    reviews = _by_request(queries.list_reviews(session, ids), _review)
    edits = _by_request(queries.list_edits(session, ids), lambda row: _edit(row, asked))
    return {
        id_: Extras(
            tuple(questions.get(id_, ())),
            tuple(handovers.get(id_, ())),
            tuple(conditions.get(id_, ())),
            next(iter(reviews.get(id_, ())), None),
            tuple(edits.get(id_, ())),
        )
        for id_ in ids
    }


def _by_request(rows: Sequence[Row], make: Callable[[Row], Record]) -> dict[int, list[Record]]:
    records: dict[int, list[Record]] = {}
    for row in rows:
        records.setdefault(row.approval_id, []).append(make(row))
    return records


def _question(row: QuestionRow) -> Question:
    return Question(
        row.id,
        Someone(row.asked_by, row.asker_name, row.asker_slack_id),
        row.question or "",
        row.asked_at,
        (row.answer or "") if row.answer_id is not None else None,
        row.ended_at,
    )


def _handover(row: HandoverRow) -> Handover:
    return Handover(
        row.id,
        row.position,
        Someone(row.from_id, row.giver_name, row.giver_slack_id),
        Someone(row.to_id, row.taker_name, row.taker_slack_id),
        row.note or "",
        row.created_at,
        Someone(row.for_id, row.principal_name or "", row.principal_slack_id)
        if row.for_id
        else None,
    )


def _edit(row: EditRow, asked: Callable[[int, dict[str, Any]], str]) -> Edit:
    return Edit(
        row.id,
        Someone(row.person_id, row.editor_name, row.editor_slack_id),
        row.is_material,
        asked(row.approval_id, row.facts) if row.is_material else "",
        row.reason or "",
        row.reopened or "",
        row.voided,
        row.edited_at,
        row.revision,
    )


def _condition(row: ConditionRow) -> Condition:
    return Condition(
        row.id,
        row.decision_id,
        Someone(row.set_by, row.setter_name, row.setter_slack_id),
        Someone(row.owner_id, row.owner_name, row.owner_slack_id),
        row.text or "",
        row.due,
        row.due_at,
        ConditionState(row.state),
        row.proof or "",
        row.claimed_at,
        row.ended_at,
        row.revision,
    )


def _review(row: ReviewRow) -> Review:
    return Review(
        Someone(row.broken_by, row.breaker_name, row.breaker_slack_id),
        row.role,
        row.reason or "",
        row.broken_at,
        row.due_at,
        row.times_late,
        Someone(row.reviewed_by, row.reviewer_name or "", row.reviewer_slack_id)
        if row.reviewed_by
        else None,
        row.is_fine,
        row.note or "",
        row.reviewed_at,
    )
