"""What notices about people look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.people import messages
from bot.rendering import Renderer, Scene
from workflows.people import groups
from workflows.people.groups import ApproversChanged, ApproversTold


def _changed(session: Session, notice: ApproversChanged, scene: Scene) -> ApproversTold:
    return groups.read(session, notice)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ApproversChanged, _changed, messages.approvers_changed),
)
