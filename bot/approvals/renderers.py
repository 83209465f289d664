"""What notices about requests look like: which record each one reads, and which message it becomes."""

from typing import Any

from sqlalchemy.orm import Session

from bot.approvals import away, breakglass, messages, told
from bot.rendering import Renderer, Scene
from workflows import decisions
from workflows.approvals import absences
from workflows.approvals.absences import AbsenceRecord, Offer
from workflows.approvals.notices import (
    AbsenceTold,
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalEscalated,
    ApprovalNote,
    ApprovalReceipt,
    ApprovalsDue,
    ApprovalStory,
    ApprovalTold,
    ApprovalValidityEnded,
    AwayOffered,
    GlassBroken,
)
from workflows.approvals.records import Card, Reminder


def _card(
    session: Session,
    notice: ApprovalCard | ApprovalReceipt | ApprovalEnded | ApprovalValidityEnded,
    scene: Scene,
) -> Card:
    return decisions.card(session, notice.approval_id, policy=scene.policy, now=scene.now)


def _asked(session: Session, notice: ApprovalAsked | ApprovalNote, scene: Scene) -> Card:
    return decisions.card(
        session, notice.approval_id, policy=scene.policy, now=scene.now, reader_id=notice.person_id
    )


def _story(session: Session, notice: ApprovalStory | ApprovalTold, scene: Scene) -> Card | None:
    """Nothing is told in a thread that outsiders read."""
    if not scene.is_closed:
        return None
    return decisions.card(session, notice.approval_id, policy=scene.policy, now=scene.now)


def _due(session: Session, notice: ApprovalsDue, scene: Scene) -> Reminder | None:
    return decisions.read_reminder(session, notice.reminder_id, policy=scene.policy, now=scene.now)


def _escalated(session: Session, notice: ApprovalEscalated, scene: Scene) -> Card | None:
    if not notice.person_id and not scene.is_closed:
        return None
    return decisions.card(session, notice.approval_id, policy=scene.policy, now=scene.now)


def _absence(session: Session, notice: AbsenceTold, scene: Scene) -> AbsenceRecord | None:
    return absences.find_absence(session, notice.absence_id)


def _offer(session: Session, notice: AwayOffered, scene: Scene) -> Offer | None:
    return absences.find_offer(session, notice.person_id, now=scene.now)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ApprovalCard, _card, messages.card),
    Renderer(ApprovalAsked, _asked, messages.asked),
    Renderer(ApprovalReceipt, _card, messages.receipt),
    Renderer(ApprovalEnded, _card, messages.ended),
    Renderer(ApprovalStory, _story, messages.story),
    Renderer(GlassBroken, _card, breakglass.broadcast),
    Renderer(AbsenceTold, _absence, away.absence_note),
    Renderer(AwayOffered, _offer, away.away_offer),
    Renderer(ApprovalTold, _story, told.story),
    Renderer(ApprovalNote, _asked, told.note),
    Renderer(ApprovalsDue, _due, messages.due),
    Renderer(ApprovalEscalated, _escalated, messages.escalated),
    Renderer(ApprovalValidityEnded, _card, messages.validity_ended),
)
