"""What notices about budgets look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.budgets import messages
from bot.rendering import Renderer, Scene
from workflows.budgets import service
from workflows.budgets.notices import ChannelNotClosed, LoadRefused, ThresholdCrossed
from workflows.budgets.records import AlertCard


def _alert(session: Session, notice: ThresholdCrossed, scene: Scene) -> AlertCard | None:
    return service.load_alert_card(session, notice.alert_id, policy=scene.policy, now=scene.now)


def _project(session: Session, notice: ChannelNotClosed, scene: Scene) -> tuple[str, str | None]:
    return service.find_project_place(session, notice.project_id)


def _itself(session: Session, notice: LoadRefused, scene: Scene) -> LoadRefused:
    return notice


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ThresholdCrossed, _alert, messages.alert),
    Renderer(ChannelNotClosed, _project, messages.channel_not_closed),
    Renderer(LoadRefused, _itself, messages.load_refused),
)
