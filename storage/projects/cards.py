"""Which records with cards in Slack are about a project."""

from collections.abc import Collection

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.budgets.tables import Budget, BudgetAlert
from storage.delivery.tables import Message
from storage.milestones.tables import Milestone, ReminderItem


def list_subjects(session: Session, project_ids: Collection[int]) -> list[tuple[str, str]]:
    """(subject type, subject id) of the requests, alerts and milestones of these projects that stand in Slack and may change."""
    wanted = sorted(set(project_ids))
    requests = (
        select(Message.subject_type, Message.subject_id)
        .join(Approval, cast(Approval.id, String) == Message.subject_id)
        .where(
            Message.subject_type == "approval",
            Message.live.is_(True),
            Approval.project_id.in_(wanted),
        )
    )
    alerts = (
        select(Message.subject_type, Message.subject_id)
        .join(BudgetAlert, cast(BudgetAlert.id, String) == Message.subject_id)
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .where(
            Message.subject_type == "budget_alert",
            Message.live.is_(True),
            Budget.project_id.in_(wanted),
        )
    )
    cards = (
        select(Message.subject_type, Message.subject_id)
        .join(Milestone, cast(Milestone.id, String) == Message.subject_id)
        .where(
            Message.subject_type == "milestone",
            Message.live.is_(True),
            Milestone.project_id.in_(wanted),
        )
    )
    reminders = (
        select(Message.subject_type, Message.subject_id)
        .join(ReminderItem, cast(ReminderItem.reminder_id, String) == Message.subject_id)
        .join(Milestone, Milestone.id == ReminderItem.milestone_id)
        .where(
            Message.subject_type == "reminder",
            Message.live.is_(True),
            Milestone.project_id.in_(wanted),
        )
    )
    lists = (
        select(Message.subject_type, Message.subject_id)
        .join(Milestone, cast(Milestone.import_id, String) == Message.subject_id)
        .where(
            Message.subject_type == "milestone_import",
            Message.live.is_(True),
            Milestone.project_id.in_(wanted),
        )
    )
    rows = session.execute(requests.union(alerts, cards, reminders, lists)).all()
    return sorted((type_, id_) for type_, id_ in rows)
