"""What notices about milestones look like."""

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from bot.milestones import messages
from bot.rendering import Renderer, Scene
from workflows.milestones import cards, lists
from workflows.milestones.notices import MilestoneCard, OverdueFound, RemindersDue
from workflows.milestones.records import MilestoneRecord, OverdueList, ReminderCard, Who


def _reminder(session: Session, notice: RemindersDue, scene: Scene) -> ReminderCard | None:
    return cards.reminder(session, notice.reminder_id, policy=scene.policy, now=scene.now)


def _card(
    session: Session, notice: MilestoneCard, scene: Scene
) -> tuple[MilestoneRecord, Who | None, date] | None:
    return cards.milestone(
        session, notice.milestone_id, by_id=notice.by_id, policy=scene.policy, now=scene.now
    )


def _overdue(session: Session, notice: OverdueFound, scene: Scene) -> OverdueList | None:
    return lists.load_list(session, notice.import_id, policy=scene.policy, now=scene.now)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(RemindersDue, _reminder, messages.reminder),
    Renderer(MilestoneCard, _card, messages.card),
    Renderer(OverdueFound, _overdue, messages.overdue),
)
