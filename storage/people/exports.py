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
        Project,
        Project.key,
        Project.name,
        Project.owner_id,
        Project.sponsor_id,
        Project.manager_id,
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
        PrivateText,
        PrivateText.id,
        PrivateText.text,
        PrivateText.created_at,
        PrivateText.erased_at,
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
<<<<<<< HEAD
    """Section → rows about the person (column → value), oldest first."""
    me = person.id
    return {
        "person": _rows(session, select(*Person.__table__.columns).where(Person.id == me)),
        "other_slack_ids": _rows(
            session,
            select(SlackAlias.org_key, SlackAlias.slack_id)
            .where(SlackAlias.person_id == me)
            .order_by(SlackAlias.slack_id),
        ),
        "reports": _rows(
            session, select(Person.id).where(Person.manager_id == me).order_by(Person.id)
        ),
        "groups": _rows(
            session,
            select(UserGroup.slack_id, UserGroup.handle, UserGroup.name, UserGroupMember.since)
            .join(UserGroup, UserGroup.id == UserGroupMember.group_id)
            .where(UserGroupMember.person_id == me)
            .order_by(UserGroup.id),
        ),
        "projects": _rows(
            session,
            select(
                Project.key, Project.name, Project.owner_id, Project.sponsor_id, Project.manager_id
            )
            .where(or_(Project.owner_id == me, Project.sponsor_id == me, Project.manager_id == me))
            .order_by(Project.id),
        ),
        "models": _rows(
            session,
            select(Model.key, Model.name, Model.owner_id, Model.tier_by, Model.created_by)
            .where(or_(Model.owner_id == me, Model.tier_by == me, Model.created_by == me))
            .order_by(Model.id),
        ),
        "model_versions": _rows(
            session,
            select(ModelPerson.version_id, ModelPerson.part)
            .where(ModelPerson.person_id == me)
            .order_by(ModelPerson.version_id, ModelPerson.part),
        ),
        "model_steps": _rows(
            session,
            select(*ModelTransition.__table__.columns)
            .where(ModelTransition.actor_id == me)
            .order_by(ModelTransition.id),
        ),
        "model_agreements": _rows(
            session,
            select(*ModelAgreement.__table__.columns)
            .where(ModelAgreement.person_id == me)
            .order_by(ModelAgreement.id),
        ),
        "findings": _rows(
            session,
            select(*Finding.__table__.columns)
            .where(or_(Finding.owner_id == me, Finding.created_by == me, Finding.accepted_by == me))
            .order_by(Finding.id),
        ),
        "evidence": _rows(
            session,
            select(*Evidence.__table__.columns)
            .where(or_(Evidence.produced_by == me, Evidence.decided_by == me))
            .order_by(Evidence.id),
        ),
        "shared_files": _rows(
            session,
            select(*SharedFile.__table__.columns)
            .where(SharedFile.person_id == me)
            .order_by(SharedFile.id),
        ),
        "budgets": _rows(
            session,
            select(*Budget.__table__.columns).where(Budget.owner_id == me).order_by(Budget.id),
        ),
        "acknowledged": _rows(
            session,
            select(
                BudgetAlert.id,
                BudgetAlert.budget_id,
                BudgetAlert.threshold,
                BudgetAlert.acknowledged_at,
            )
            .where(BudgetAlert.acknowledged_by == me)
            .order_by(BudgetAlert.id),
        ),
        "requests": _rows(
            session,
            select(*Approval.__table__.columns)
            .where(Approval.requester_id == me)
            .order_by(Approval.id),
        ),
        "approval_reminders": _rows(
            session,
            select(*ApprovalReminder.__table__.columns)
            .where(ApprovalReminder.person_id == me)
            .order_by(ApprovalReminder.id),
        ),
        "decisions": _rows(
            session,
            select(*Decision.__table__.columns)
            .where(Decision.person_id == me)
            .order_by(Decision.id),
        ),
        "questions": _rows(
            session,
            select(*ApprovalQuestion.__table__.columns)
            .where(ApprovalQuestion.asked_by == me)
            .order_by(ApprovalQuestion.id),
        ),
        "handovers": _rows(
            session,
            select(*ApprovalHandover.__table__.columns)
            .where(or_(ApprovalHandover.from_id == me, ApprovalHandover.to_id == me))
            .order_by(ApprovalHandover.id),
        ),
        "edits": _rows(
            session,
            select(*ApprovalEdit.__table__.columns)
            .where(ApprovalEdit.person_id == me)
            .order_by(ApprovalEdit.id),
        ),
        "absences": _rows(
            session,
            select(*Absence.__table__.columns)
            .where(or_(Absence.person_id == me, Absence.stand_in_id == me))
            .order_by(Absence.id),
        ),
        "decided_in_their_place": _rows(
            session,
            select(*Decision.__table__.columns).where(Decision.for_id == me).order_by(Decision.id),
        ),
        "conditions": _rows(
            session,
            select(*ApprovalCondition.__table__.columns)
            .where(or_(ApprovalCondition.set_by == me, ApprovalCondition.owner_id == me))
            .order_by(ApprovalCondition.id),
        ),
        "broken_glass": _rows(
            session,
            select(*ApprovalReview.__table__.columns)
            .where(or_(ApprovalReview.broken_by == me, ApprovalReview.reviewed_by == me))
            .order_by(ApprovalReview.approval_id),
        ),
        "texts": _rows(
            session,
            select(PrivateText.id, PrivateText.text, PrivateText.created_at, PrivateText.erased_at)
            .where(PrivateText.author_id == me)
            .order_by(PrivateText.id),
        ),
        "check_ins": _rows(
            session,
            select(
                MaturityInvitation.id,
                MaturityInvitation.cycle_id,
                MaturityInvitation.asked_as,
                MaturityInvitation.business_unit,
                MaturityInvitation.state,
                MaturityInvitation.invited_at,
                MaturityInvitation.ended_at,
                MaturityInvitation.skip_reason_id,
            )
            .where(MaturityInvitation.person_id == me)
            .order_by(MaturityInvitation.id),
        ),
        "check_in_answers": _rows(
            session,
            select(
                MaturityAnswer.invitation_id,
                MaturityAnswer.statement,
                MaturityAnswer.answer,
                MaturityAnswer.answered_at,
            )
            .join(MaturityInvitation, MaturityInvitation.id == MaturityAnswer.invitation_id)
            .where(MaturityInvitation.person_id == me)
            .order_by(MaturityAnswer.id),
        ),
        "check_in_notes": _rows(
            session,
            select(
                MaturityNote.invitation_id,
                MaturityNote.dimension,
                MaturityNote.comment_id,
                MaturityNote.link_id,
            )
            .join(MaturityInvitation, MaturityInvitation.id == MaturityNote.invitation_id)
            .where(MaturityInvitation.person_id == me)
            .order_by(MaturityNote.id),
        ),
        "check_ins_started": _rows(
            session,
            select(MaturityCycle.id, MaturityCycle.opened_at)
            .where(MaturityCycle.started_by == me)
            .order_by(MaturityCycle.id),
        ),
        "maturity_targets": _rows(
            session,
            select(
                MaturityTarget.business_unit,
                MaturityTarget.dimension,
                MaturityTarget.level,
                MaturityTarget.set_at,
            )
            .where(MaturityTarget.set_by == me)
            .order_by(MaturityTarget.id),
        ),
        "tokens": _rows(
            session,
            select(
                ApiToken.prefix,
                ApiToken.scopes,
                ApiToken.created_at,
                ApiToken.expires_at,
                ApiToken.revoked_at,
                ApiToken.last_used_at,
            )
            .where(ApiToken.person_id == me)
            .order_by(ApiToken.id),
        ),
        "milestones": _rows(
            session,
            select(*Milestone.__table__.columns)
            .where(
                or_(Milestone.owner_id == me, Milestone.created_by == me, Milestone.done_by == me)
            )
            .order_by(Milestone.id),
        ),
        "milestones_moved": _rows(
            session,
            select(*MilestoneMove.__table__.columns)
            .where(MilestoneMove.moved_by == me)
            .order_by(MilestoneMove.id),
        ),
        "milestones_snoozed": _rows(
            session,
            select(*MilestoneSnooze.__table__.columns)
            .where(MilestoneSnooze.person_id == me)
            .order_by(MilestoneSnooze.milestone_id),
        ),
        "milestone_lists": _rows(
            session,
            select(*MilestoneImport.__table__.columns)
            .where(or_(MilestoneImport.person_id == me, MilestoneImport.started_by == me))
            .order_by(MilestoneImport.id),
        ),
        "reminders": _rows(
            session,
            select(ReminderItem.milestone_id, ReminderItem.due, ReminderItem.step, Reminder.day)
            .outerjoin(Reminder, Reminder.id == ReminderItem.reminder_id)
            .where(ReminderItem.person_id == me)
            .order_by(ReminderItem.created_at, ReminderItem.milestone_id, ReminderItem.step),
        ),
        "digests": _rows(
            session,
            select(
                Digest.kind,
                Digest.week,
                Digest.state,
                Digest.audience,
                Digest.tz,
                Digest.planned_at,
                Digest.built_at,
                Digest.content,
            )
            .where(Digest.person_id == me)
            .order_by(Digest.week, Digest.id),
        ),
        "digest_subscriptions": _rows(
            session,
            select(
                DigestSubscription.kind, DigestSubscription.is_wanted, DigestSubscription.decided_at
            )
            .where(DigestSubscription.person_id == me)
            .order_by(DigestSubscription.kind),
        ),
        "digests_released": _rows(
            session,
            select(
                DigestRelease.kind,
                DigestRelease.audience,
                DigestRelease.week,
                DigestRelease.state,
                DigestRelease.decided_at,
            )
            .where(DigestRelease.decided_by == me)
            .order_by(DigestRelease.id),
        ),
        "messages": _messages(session, person),
        "met": _rows(session, select(Meeting.met_at, Meeting.way).where(Meeting.person_id == me)),
        "home": _rows(session, select(HomeTab.pages).where(HomeTab.person_id == me)),
        "withheld": _rows(
            session,
            select(
                Withheld.kind,
                Withheld.subject_type,
                Withheld.subject_id,
                Withheld.rollout,
                Withheld.withheld_at,
            )
            .where(Withheld.person_id == me)
            .order_by(Withheld.id),
        ),
        "ledger": _rows(
            session,
            select(AuditEntry.seq, AuditEntry.at, AuditEntry.action, AuditEntry.body)
            .where(
                or_(
                    AuditEntry.actor_id == me,
                    (AuditEntry.subject_type == "person") & (AuditEntry.subject_id == me),
                    AuditEntry.body.contains(me, autoescape=True),
                )
            )
            .order_by(AuditEntry.seq),
        ),
=======
    """What stands in each table about the person, oldest first."""
    rows = {
        name: _load(session, statement, person=person.id) for name, statement in STATEMENTS.items()
>>>>>>> rows
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
