"""Everything that is stored about a person, table by table."""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, Select, Table, bindparam, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import (
    Absence,
    Approval,
    ApprovalCondition,
    ApprovalEdit,
    ApprovalHandover,
    ApprovalQuestion,
    ApprovalReminder,
    ApprovalReview,
    Decision,
)
from storage.audit.tables import AuditEntry, PrivateText
from storage.base import Base
from storage.budgets.tables import Budget, BudgetAlert
from storage.cases.tables import (
    BusinessCase,
    CaseCheck,
    CaseReturn,
    CaseRevision,
    ProjectOutcome,
    RankOverride,
    ReturnAsking,
)
from storage.delivery.tables import Lane, Message, Outbox
from storage.digests.tables import Digest, DigestRelease, DigestSubscription
from storage.evidence.tables import Evidence, SharedFile
from storage.inventory.tables import (
    Finding,
    Model,
    ModelAgreement,
    ModelChange,
    ModelPerson,
    ModelTransition,
    ModelVersion,
)
from storage.maturity.tables import (
    MaturityAnswer,
    MaturityCycle,
    MaturityInvitation,
    MaturityNote,
    MaturityTarget,
)
from storage.milestones.tables import (
    Milestone,
    MilestoneImport,
    MilestoneMove,
    MilestoneSnooze,
    Reminder,
    ReminderItem,
    Reminding,
)
from storage.people import identities
from storage.people.columns import is_person
from storage.people.tables import Person, SlackAlias, Tombstone, UserGroup, UserGroupMember
from storage.projects.tables import Project
from storage.registry.tables import RegistryState
from storage.status.tables import HomeTab, Meeting, Withheld
from storage.tokens.tables import ApiToken

Statement = Select[*tuple[Any, ...]]
_ME: BindParameter[str] = bindparam("person")


def _names(entity: type[Base]) -> ColumnElement[bool]:
    """Whether a row names the person, by whichever foreign key of its table."""
    return or_(*(column == _ME for column in entity.__table__.columns if is_person(column)))


def _rows(entity: type[Base], *columns: Any, where: ColumnElement[bool] | None = None) -> Statement:
    """The rows of a table about the person, oldest first; all of their columns, where none are chosen."""
    table = cast(Table, entity.__table__)
    return (
        select(*(columns or table.columns))
        .where(_names(entity) if where is None else where)
        .order_by(*table.primary_key.columns)
    )


STATEMENTS: Mapping[str, Statement] = {
    "person": _rows(Person, where=Person.id == _ME),
    "other_slack_ids": _rows(SlackAlias, SlackAlias.org_key, SlackAlias.slack_id),
    "reports": _rows(Person, Person.id, where=Person.manager_id == _ME),
    "groups": select(UserGroup.slack_id, UserGroup.handle, UserGroup.name, UserGroupMember.since)
    .join(UserGroup, UserGroup.id == UserGroupMember.group_id)
    .where(_names(UserGroupMember))
    .order_by(UserGroup.id),
    "projects": _rows(
        Project, Project.key, Project.name, Project.owner_id, Project.sponsor_id, Project.manager_id
    ),
    "models": _rows(Model, Model.key, Model.name, Model.owner_id, Model.tier_by, Model.created_by),
    "model_versions": _rows(ModelPerson, ModelPerson.version_id, ModelPerson.part),
    "model_versions_added": _rows(
        ModelVersion,
        ModelVersion.id,
        ModelVersion.model_id,
        ModelVersion.version,
        ModelVersion.created_at,
    ),
    "model_changes": _rows(ModelChange),
    "model_steps": _rows(ModelTransition),
    "model_agreements": _rows(ModelAgreement),
    "registry_accepted": _rows(RegistryState, RegistryState.accepted_at),
    "findings": _rows(Finding),
    "evidence": _rows(Evidence),
    "shared_files": _rows(SharedFile),
    "budgets": _rows(Budget),
    "acknowledged": _rows(
        BudgetAlert,
        BudgetAlert.id,
        BudgetAlert.budget_id,
        BudgetAlert.threshold,
        BudgetAlert.acknowledged_at,
    ),
    "cases": _rows(BusinessCase),
    "case_revisions": _rows(
        CaseRevision,
        CaseRevision.case_id,
        CaseRevision.number,
        CaseRevision.made_at,
        CaseRevision.agreed_at,
    ),
    "places_chosen": _rows(RankOverride),
    "projects_ended": _rows(ProjectOutcome),
    "case_checks": _rows(CaseCheck),
    "returns": _rows(CaseReturn),
    "returns_asked": _rows(ReturnAsking),
    "requests": _rows(Approval),
    "approval_reminders": _rows(ApprovalReminder),
    "decisions": _rows(Decision, where=Decision.person_id == _ME),
    "questions": _rows(ApprovalQuestion),
    "handovers": _rows(ApprovalHandover),
    "edits": _rows(ApprovalEdit),
    "absences": _rows(Absence),
    "decided_in_their_place": _rows(
        Decision, where=or_(Decision.for_id == _ME, Decision.place_id == _ME)
    ),
    "conditions": _rows(ApprovalCondition),
    "broken_glass": _rows(ApprovalReview),
    "texts": _rows(
        PrivateText, PrivateText.id, PrivateText.text, PrivateText.created_at, PrivateText.erased_at
    ),
    "check_ins": _rows(
        MaturityInvitation,
        MaturityInvitation.id,
        MaturityInvitation.cycle_id,
        MaturityInvitation.asked_as,
        MaturityInvitation.business_unit,
        MaturityInvitation.state,
        MaturityInvitation.invited_at,
        MaturityInvitation.ended_at,
        MaturityInvitation.skip_reason_id,
    ),
    "check_in_answers": _rows(
        MaturityAnswer,
        MaturityAnswer.invitation_id,
        MaturityAnswer.statement,
        MaturityAnswer.answer,
        MaturityAnswer.answered_at,
        where=_names(MaturityInvitation),
    ).join(MaturityInvitation, MaturityInvitation.id == MaturityAnswer.invitation_id),
    "check_in_notes": _rows(
        MaturityNote,
        MaturityNote.invitation_id,
        MaturityNote.dimension,
        MaturityNote.comment_id,
        MaturityNote.link_id,
        where=_names(MaturityInvitation),
    ).join(MaturityInvitation, MaturityInvitation.id == MaturityNote.invitation_id),
    "check_ins_started": _rows(MaturityCycle, MaturityCycle.id, MaturityCycle.opened_at),
    "maturity_targets": _rows(
        MaturityTarget,
        MaturityTarget.business_unit,
        MaturityTarget.dimension,
        MaturityTarget.level,
        MaturityTarget.set_at,
    ),
    "tokens": _rows(
        ApiToken,
        ApiToken.prefix,
        ApiToken.scopes,
        ApiToken.created_at,
        ApiToken.expires_at,
        ApiToken.revoked_at,
        ApiToken.last_used_at,
    ),
    "milestones": _rows(Milestone),
    "milestones_moved": _rows(MilestoneMove),
    "milestones_snoozed": _rows(MilestoneSnooze),
    "milestone_lists": _rows(MilestoneImport),
    "reminders": select(
        ReminderItem.milestone_id, ReminderItem.due, ReminderItem.step, Reminder.day
    )
    .outerjoin(Reminder, Reminder.id == ReminderItem.reminder_id)
    .where(_names(ReminderItem))
    .order_by(ReminderItem.created_at, ReminderItem.milestone_id, ReminderItem.step),
    "reminder_messages": _rows(Reminder, Reminder.day, Reminder.created_at),
    "looked_at_for_reminders": _rows(Reminding, Reminding.looked_on),
    "digests": _rows(
        Digest,
        Digest.kind,
        Digest.week,
        Digest.state,
        Digest.audience,
        Digest.tz,
        Digest.planned_at,
        Digest.built_at,
        Digest.content,
    ),
    "digest_subscriptions": _rows(
        DigestSubscription,
        DigestSubscription.kind,
        DigestSubscription.is_wanted,
        DigestSubscription.decided_at,
    ),
    "digests_released": _rows(
        DigestRelease,
        DigestRelease.kind,
        DigestRelease.audience,
        DigestRelease.week,
        DigestRelease.state,
        DigestRelease.decided_at,
    ),
    "met": _rows(Meeting, Meeting.met_at, Meeting.way),
    "home": _rows(HomeTab, HomeTab.pages),
    "withheld": _rows(
        Withheld,
        Withheld.kind,
        Withheld.subject_type,
        Withheld.subject_id,
        Withheld.rollout,
        Withheld.withheld_at,
    ),
    "tombstones": _rows(Tombstone, Tombstone.made_at),
}
"""What stands about a person, by table. A test fails for a foreign key to `person` that is followed nowhere."""


def collect(session: Session, person: Person) -> dict[str, list[dict[str, Any]]]:
    """What stands in each table about the person, oldest first."""
    rows = {
        name: _load(session, statement, person=person.id) for name, statement in STATEMENTS.items()
    }
    return rows | {
        "messages": _messages(session, person),
        "ledger": _load(session, _ledger(person.id)),
    }


def _ledger(person_id: str) -> Statement:
    return _rows(
        AuditEntry,
        AuditEntry.seq,
        AuditEntry.at,
        AuditEntry.action,
        AuditEntry.body,
        where=or_(
            AuditEntry.actor_id == person_id,
            (AuditEntry.subject_type == "person") & (AuditEntry.subject_id == person_id),
            AuditEntry.body.contains(person_id, autoescape=True),
        ),
    )


def _load(session: Session, statement: Statement, **bound: str) -> list[dict[str, Any]]:
    return [dict(row) for row in session.execute(statement, bound).mappings()]


def _messages(session: Session, person: Person) -> list[dict[str, Any]]:
    """Messages and Home publications to the person, sent and waiting."""
    lanes = [
        f"slack:{person.org_key}:{slack_id}"
        for slack_id in sorted(identities.list_slack_ids(session, person.id))
    ]
    lanes += [f"home:{lane}" for lane in lanes]
    return _load(
        session,
        select(
            Outbox.kind,
            Outbox.notice,
            Outbox.state,
            Outbox.created_at,
            Outbox.settled_at,
            Message.channel,
            Message.ts,
        )
        .join(Lane, Lane.key == Outbox.lane_key)
        .outerjoin(Message, Message.outbox_id == Outbox.id)
        .where(Lane.key.in_(lanes))
        .order_by(Outbox.id),
    )
