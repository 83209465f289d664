"""Every place where a person's identity or words stand, beside the ledger, which names nobody."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from storage.actions import queries as actions
from storage.actions.tables import Absence
from storage.approvals.tables import Approval, Decision
from storage.audit.tables import PrivateText
from storage.budgets.tables import Budget, BudgetAlert
from storage.delivery.tables import Lane, Message, Outbox, Schedule
from storage.digests.tables import Digest, DigestDecision, DigestRelease, DigestSubscription
from storage.enums import ApprovalState, CycleState, InvitationState, OutboxState
from storage.evidence.tables import SharedFile
from storage.front.tables import HomeTab, Meeting, Withheld
from storage.inventory.tables import Finding, Model, ModelPerson, ModelVersion
from storage.maturity.tables import (
    MaturityAnswer,
    MaturityCounted,
    MaturityCycle,
    MaturityInvitation,
    MaturityNote,
)
from storage.milestones.queries import list_showing_subjects as shown_milestones
from storage.milestones.tables import Milestone
from storage.people import sweeping
from storage.people.tables import Person, UserGroupMember
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project

_QUIET = {"synchronize_session": False}


def open_requests(session: Session, person_id: str) -> list[int]:
    """Requests that still wait, which the person opened or has decided in."""
    mine = select(Decision.approval_id).where(Decision.person_id == person_id)
    return list(
        session.execute(
            select(Approval.id)
            .where(
                Approval.state == ApprovalState.PENDING,
                or_(Approval.requester_id == person_id, Approval.id.in_(mine)),
            )
            .order_by(Approval.id)
        ).scalars()
    )


def erase_texts(session: Session, person_id: str, now: datetime) -> int:
    """Empty what the person wrote, with its salts; how many texts that was."""
    result = session.execute(
        update(PrivateText)
        .where(PrivateText.author_id == person_id, PrivateText.erased_at.is_(None))
        .values(salt=None, text=None, erased_at=now)
        .returning(PrivateText.id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def forget_answers(session: Session, person_id: str) -> int:
    """Delete what the person said in check-ins, and the salts of the ledger's digests; how many answers that was.

    That they were asked stays under their opaque id. Results that were told stay as they are: figures of a group.
    """
    mine = select(MaturityInvitation.id).where(MaturityInvitation.person_id == person_id)
    gone = session.execute(
        delete(MaturityAnswer)
        .where(MaturityAnswer.invitation_id.in_(mine))
        .returning(MaturityAnswer.id)
        .execution_options(**_QUIET)
    ).all()
    for table in (MaturityNote, MaturityCounted):
        session.execute(
            delete(table).where(table.invitation_id.in_(mine)).execution_options(**_QUIET)
        )
    session.execute(
        update(MaturityInvitation)
        .where(MaturityInvitation.person_id == person_id)
        .values(salt=None, business_unit=None, state=InvitationState.LEFT, skip_reason_id=None)
        .execution_options(**_QUIET)
    )
    return len(gone)


def forget_digests(session: Session, person_id: str) -> int:
    """Empty what digests told the person, and forget when and whether they want them; how many digests that was.

    That there was one, and of which week, stays under their opaque id. Their zone goes with the rest.
    """
    session.execute(delete(Schedule).where(Schedule.owner == person_id).execution_options(**_QUIET))
    session.execute(
        delete(SharedFile).where(SharedFile.person_id == person_id).execution_options(**_QUIET)
    )
    session.execute(
        delete(DigestSubscription)
        .where(DigestSubscription.person_id == person_id)
        .execution_options(**_QUIET)
    )
    releases = session.execute(select(DigestRelease).order_by(DigestRelease.id)).scalars()
    for release in releases.all():
        if person_id in release.contents:
            release.contents = {
                one: content for one, content in release.contents.items() if one != person_id
            }
    result = session.execute(
        update(Digest)
        .where(Digest.person_id == person_id)
        .values(content=None, tz="", last_error=None)
        .returning(Digest.id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def end_absences(session: Session, person_id: str, now: datetime) -> int:
    """Nobody stands in for the person any more, nor they for anybody; how many absences that ended."""
    result = session.execute(
        update(Absence)
        .where(
            or_(Absence.person_id == person_id, Absence.stand_in_id == person_id),
            Absence.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(Absence.id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def delete_memberships(session: Session, person_id: str) -> int:
    """Take the person out of every user group; how many that was."""
    result = session.execute(
        delete(UserGroupMember)
        .where(UserGroupMember.person_id == person_id)
        .returning(UserGroupMember.group_id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def forget_meeting(session: Session, person_id: str) -> None:
    """How the person met mlgov, what their Home showed, and what was held back from them."""
    for table in (Meeting, HomeTab, Withheld):
        session.execute(
            delete(table).where(table.person_id == person_id).execution_options(**_QUIET)
        )


def forget_manager(session: Session, person_id: str) -> None:
    """Nobody reports to the person any more."""
    session.execute(
        update(Person)
        .where(Person.manager_id == person_id)
        .values(manager_id=None)
        .execution_options(synchronize_session="fetch")
    )


def list_shown_in(session: Session, person_id: str) -> list[tuple[str, str]]:
    """(subject type, subject id) of the records whose cards may show the person."""
    decided = select(Decision.approval_id).where(
        or_(Decision.person_id == person_id, Decision.for_id == person_id)
    )
    acted = actions.list_concerning(session, person_id)
    part = or_(
        Project.owner_id == person_id,
        Project.sponsor_id == person_id,
        Project.manager_id == person_id,
    )
    projects = select(Project.id).where(part)
    requests = session.execute(
        select(Approval.id)
        .where(
            or_(
                Approval.requester_id == person_id,
                Approval.id.in_(decided),
                Approval.id.in_(acted),
                Approval.project_id.in_(projects),
            )
        )
        .order_by(Approval.id)
    ).scalars()
    alerts = session.execute(
        select(BudgetAlert.id)
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .where(
            or_(
                BudgetAlert.acknowledged_by == person_id,
                Budget.owner_id == person_id,
                Budget.project_id.in_(projects),
            )
        )
        .order_by(BudgetAlert.id)
    ).scalars()
    milestones = session.execute(
        select(Milestone.id)
        .where(
            or_(
                Milestone.owner_id == person_id,
                Milestone.done_by == person_id,
                Milestone.created_by == person_id,
                Milestone.project_id.in_(projects),
            )
        )
        .order_by(Milestone.id)
    ).scalars()
    check_ins = session.execute(
        select(MaturityInvitation.id)
        .join(MaturityCycle, MaturityCycle.id == MaturityInvitation.cycle_id)
        .where(MaturityCycle.started_by == person_id, MaturityCycle.state == CycleState.OPEN)
        .order_by(MaturityInvitation.id)
    ).scalars()
    author_of = (
        select(ModelVersion.model_id)
        .join(ModelPerson, ModelPerson.version_id == ModelVersion.id)
        .where(ModelPerson.person_id == person_id)
    )
    queries = select(Finding.model_id).where(
        or_(Finding.owner_id == person_id, Finding.accepted_by == person_id)
    )
    models = session.execute(
        select(Model.id)
        .where(or_(Model.owner_id == person_id, Model.id.in_(author_of), Model.id.in_(queries)))
        .order_by(Model.id)
    ).scalars()
    asked = requests.all()
    texts = session.execute(
        select(DigestDecision.digest_id)
        .where(DigestDecision.approval_id.in_(asked))
        .order_by(DigestDecision.digest_id)
        .distinct()
    ).scalars()
    sent_by_them = session.execute(
        select(DigestRelease.id)
        .where(DigestRelease.decided_by == person_id)
        .order_by(DigestRelease.id)
    ).scalars()
    return [
        *(("approval", str(one)) for one in asked),
        *(("digest", str(one)) for one in texts),
        *(("digest_release", str(one)) for one in sent_by_them),
        *(("budget_alert", str(one)) for one in alerts),
        *(("model", str(one)) for one in models),
        *(("maturity_invitation", str(one)) for one in check_ins),
        *shown_milestones(session, milestones.all()),
    ]


def list_owned_projects(session: Session, person_id: str) -> list[str]:
    """Keys of the projects that the person owns, sponsors or manages."""
    return list(
        session.execute(
            select(Project.key)
            .where(
                or_(
                    Project.owner_id == person_id,
                    Project.sponsor_id == person_id,
                    Project.manager_id == person_id,
                )
            )
            .order_by(Project.key)
        ).scalars()
    )


def is_named_in_policy(session: Session, slack_id: str) -> bool:
    """Whether any policy text holds the Slack id."""
    word = _word(slack_id)
    texts = session.execute(
        select(PolicyVersion.text).where(PolicyVersion.text.contains(slack_id, autoescape=True))
    ).scalars()
    return any(word.search(text) for text in texts)


def _word(slack_id: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(slack_id)}(?![A-Za-z0-9])")


def replace_names(
    session: Session, names: Sequence[str], slack_ids: Sequence[str], word: str, now: datetime
) -> tuple[int, list[int]]:
    """`word` instead of the person's Slack ids and addresses, wherever they stand; how many direct messages were cut off,
    and the requests in which they stood.

    What still waits to be sent to the person is cancelled, and copies in their direct messages are no longer followed.
    `word` is one that never stood for anybody: the same person's lanes may have been put away before.
    """
    swap = sweeping.build_swap(names, word)
    cut = 0
    for slack_id in slack_ids:
        cut += _replace_lanes(session, slack_id, swap, word, now)
    swept = sweeping.sweep(session, names, swap)
    requests = set(swept.get("approval", ()))
    requests |= set(swept.get("approval_stage", ()))
    decisions = swept.get("decision", ())
    decided = select(Decision.approval_id).where(Decision.id.in_(decisions))
    requests |= set(session.execute(decided).scalars())
    return cut, sorted(requests)


def _replace_lanes(
    session: Session, slack_id: str, swap: sweeping.Swap, word: str, now: datetime
) -> int:
    lanes = session.execute(
        select(Lane)
        .where(Lane.key.contains(slack_id, autoescape=True))
        .order_by(Lane.key)
        .with_for_update()
    ).scalars()
    cut = 0
    for lane in lanes.all():
        key = swap(lane.key)
        if key == lane.key:
            continue
        # A sender that holds the lane now finds its fence broken: what it was about to say is not written down.
        paces = {column.key: getattr(lane, column.key) for column in Lane.__table__.columns}
        nobody = {"channel": None, "lease_owner": None, "lease_until": None}
        if session.get(Lane, key) is None:
            session.add(Lane(**paces | nobody | {"key": key, "epoch": lane.epoch + 1}))
            session.flush()
        session.execute(
            update(Outbox)
            .where(
                Outbox.lane_key == lane.key,
                Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
            )
            .values(state=OutboxState.CANCELLED, settled_at=now)
            .execution_options(**_QUIET)
        )
        session.execute(
            update(Outbox)
            .where(Outbox.lane_key == lane.key)
            .values(lane_key=key, last_error=None)
            .execution_options(**_QUIET)
        )
        moved = session.execute(
            update(Message)
            .where(Message.lane_key == lane.key)
            .values(lane_key=key, live=False, channel=f"erased:{word}")
            .returning(Message.id)
            .execution_options(**_QUIET)
        )
        cut += len(moved.all())
        session.delete(lane)
        session.flush()
    return cut
