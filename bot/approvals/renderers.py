"""What notices about requests look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.approvals import messages
from bot.rendering import Rendered, Renderer, Scene
from workflows import decisions
from workflows.approvals.notices import (
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalReceipt,
    ApprovalStory,
)
from workflows.approvals.records import Card
from workflows.errors import NotFound

AnyNotice = (
    ApprovalAsked | ApprovalCard | ApprovalEnded | ApprovalReceipt | ApprovalStory
)


def _load(session: Session, notice: AnyNotice, scene: Scene) -> Card | None:
    reader = notice.person_id if isinstance(notice, ApprovalAsked) else scene.reader_id
    try:
        return decisions.card(
            session,
            notice.approval_id,
            policy=scene.policy,
            now=scene.now,
            reader_id=reader,
        )
    except NotFound:
        return None


def _story(card: Card, notice: ApprovalStory, scene: Scene) -> Rendered:
    return messages.story(card, notice, scene) or Rendered(
        "A decision was made.", [], is_final=True
    )


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ApprovalCard, _load, messages.channel_card),
    Renderer(ApprovalAsked, _load, messages.asked),
    Renderer(ApprovalReceipt, _load, messages.receipt),
    Renderer(ApprovalEnded, _load, messages.ended),
    Renderer(ApprovalStory, _load, _story),
)
