"""What notices about check-ins look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.maturity import messages
from bot.rendering import Renderer, Scene
from workflows.maturity import service
from workflows.maturity.notices import CheckInAsked, CheckInReminder, CheckInResult
from workflows.maturity.records import CycleResult, MyCheckIn


def _asked(session: Session, notice: CheckInAsked, scene: Scene) -> MyCheckIn | None:
    return service.find_to_send(session, notice.invitation_id, notice.kind, 0, policy=scene.policy)


def _reminder(session: Session, notice: CheckInReminder, scene: Scene) -> MyCheckIn | None:
    return service.find_to_send(
        session, notice.invitation_id, notice.kind, notice.number, policy=scene.policy
    )


def _result(session: Session, notice: CheckInResult, scene: Scene) -> CycleResult | None:
    return service.find_of_cycle(session, notice.cycle_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(CheckInAsked, _asked, messages.asked),
    Renderer(CheckInReminder, _reminder, messages.reminder),
    Renderer(CheckInResult, _result, messages.result),
)
