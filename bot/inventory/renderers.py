"""What notices about models look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.inventory import messages
from bot.rendering import Renderer, Scene
from workflows.inventory import cards, reads
from workflows.inventory.notices import (
    AgreementAsked,
    FindingFiled,
    ModelShown,
    ReviewDue,
    StepTold,
    ValidationAsked,
)
from workflows.inventory.records import FindingRecord, ModelCard, ModelRecord, StepTaken


def _model(session: Session, notice: ModelShown | ReviewDue, scene: Scene) -> ModelRecord:
    return reads.load_model(session, notice.model_id)


def _card(
    session: Session, notice: ValidationAsked | AgreementAsked, scene: Scene
) -> ModelCard | None:
    return cards.load_version_card(
        session, scene.reader_id or "", notice.version_id, policy=scene.policy, now=scene.now
    )


def _step(session: Session, notice: StepTold, scene: Scene) -> tuple[ModelRecord, StepTaken] | None:
    return cards.find_step(session, notice.step_id)


def _finding(session: Session, notice: FindingFiled, scene: Scene) -> FindingRecord | None:
    return reads.find_finding(session, notice.finding_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ModelShown, _model, messages.model_card),
    Renderer(StepTold, _step, messages.step),
    Renderer(ValidationAsked, _card, messages.validation),
    Renderer(AgreementAsked, _card, messages.agreement),
    Renderer(ReviewDue, _model, messages.review),
    Renderer(FindingFiled, _finding, messages.finding),
)
