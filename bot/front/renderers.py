"""How the front door's own notices are shown."""

from typing import Any

from sqlalchemy.orm import Session

from bot.front import messages
from bot.rendering import Renderer, Scene
from workflows import rollout, status
from workflows.meeting import Introduction
from workflows.people import service as people
from workflows.rollout import Report, WithheldWeek
from workflows.status.records import Part


def _part(session: Session, notice: Introduction, scene: Scene) -> Part | None:
    actor = people.actor(session, notice.person_id)
    if actor is None or not actor.is_member:
        return None
    return status.load_part(session, actor, policy=scene.policy)


def _report(session: Session, notice: WithheldWeek, scene: Scene) -> Report | None:
    report = rollout.load_report(session, policy=scene.policy, now=scene.now)
    return report if report.messages and scene.is_closed else None


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(Introduction, _part, messages.introduction),
    Renderer(WithheldWeek, _report, messages.withheld_week),
)
