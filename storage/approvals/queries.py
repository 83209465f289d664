"""Statements about requests, built once: a click runs several of these, and building a statement costs more than it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Table, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.approvals.tables import Approval, ApprovalReminderItem, ApprovalStage, Decision
from storage.audit import locked
from storage.audit.tables import PrivateText
from storage.digests.tables import DigestDecision
from storage.enums import ApprovalState
from storage.people.tables import Channel, Person, SlackAlias, UserGroup, UserGroupMember
from storage.projects.tables import Project

Rows = Sequence[Any]
"""Rows of a statement, read by column name."""

# The statements behind a click are written on the tables themselves: through the mapped classes each execution costs
# about twice as much.
_approval = cast(Table, Approval.__table__)
_stage = cast(Table, ApprovalStage.__table__)
_decision = cast(Table, Decision.__table__)
_person = cast(Table, Person.__table__)
_group = cast(Table, UserGroup.__table__)
_member = cast(Table, UserGroupMember.__table__)
_alias = cast(Table, SlackAlias.__table__)
_digest = cast(Table, DigestDecision.__table__)
_item = cast(Table, ApprovalReminderItem.__table__)

_REQUEST = (
    select(
        _approval.c.id,
        _approval.c.gate,
        _approval.c.subject_type,
        _approval.c.subject_id,
        _approval.c.project_id,
        _approval.c.facts,
        _approval.c.requester_id,
        _approval.c.policy_id,
        _approval.c.state,
        _approval.c.stage,
        _approval.c.revision,
        _approval.c.card_id,
        _approval.c.channel,
        _approval.c.bound,
        _approval.c.asked_at,
        _approval.c.expires_at,
        _approval.c.reason_id,
        _approval.c.paused_at,
        _approval.c.nudged_at,
        _approval.c.edition,
        _approval.c.moved,
        _approval.c.has_more,
        _person.c.slack_id.label("requester_slack_id"),
        _stage.c.position,
        _stage.c.name,
        _stage.c.approvers,
        _stage.c.quorum,
        _stage.c.ask,
        _stage.c.rules,
    )
    .select_from(
        _approval.join(_stage, _stage.c.approval_id == _approval.c.id).join(
            _person, _person.c.id == _approval.c.requester_id
        )
    )
    .where(_approval.c.id == bindparam("approval_id"))
    .order_by(_stage.c.position)
    .with_for_update(of=_approval)
)


def request_for_update(session: Session, approval_id: int) -> Rows:
    """Lock the request; one row per stage, in order, each with the request's own columns. Empty when there is none."""
    rows = session.execute(_REQUEST, {"approval_id": approval_id}).all()
    if rows:
        locked.hold(session, "approval", approval_id)
    return rows


_LOCK = (
    select(Approval.id)
    .where(Approval.id == bindparam("approval_id"))
    .with_for_update(skip_locked=True)
)
_EXISTS = select(Approval.id).where(Approval.id == bindparam("approval_id"))


def try_lock(session: Session, approval_id: int) -> Literal["taken", "held", "gone"]:
    """Lock the request without waiting: `taken`, `held` by another transaction, or `gone` when there is none."""
    values = {"approval_id": approval_id}
    if session.execute(_LOCK, values).first() is not None:
        return "taken"
    return "gone" if session.execute(_EXISTS, values).first() is None else "held"


_DECIDED = select(
    _decision.c.id,
    _decision.c.person_id,
    _decision.c.position,
    _decision.c.verdict,
    _decision.c.for_id,
    _decision.c.place_id,
    _decision.c.parties,
).where(_decision.c.approval_id == bindparam("approval_id"), _decision.c.taken_back_at.is_(None))


def list_decided(session: Session, approval_id: int) -> Rows:
    """The verdicts that count so far (id, person_id, position, verdict, for_id, place_id, parties)."""
    return session.execute(_DECIDED, {"approval_id": approval_id}).all()


_STANDING = select(
    _person.c.id,
    _person.c.org_key,
    _person.c.slack_id,
    _person.c.name,
    _person.c.is_bot,
    _person.c.is_guest,
    _person.c.is_stranger,
    _person.c.is_deactivated,
    _person.c.erased_at,
    _person.c.refreshed_at,
    _person.c.stands_in_until,
    _person.c.away_until,
    _person.c.status_away_until,
    _person.c.manager_id,
    _person.c.tz,
    _person.c.country,
    _member.c.since,
    _group.c.slack_id.label("group_id"),
    _group.c.name.label("group_name"),
    _group.c.refreshed_at.label("group_read_at"),
    select(func.aggregate_strings(_alias.c.slack_id, ","))
    .where(_alias.c.person_id == _person.c.id)
    .scalar_subquery()
    .label("other_ids"),
).select_from(
    _person.outerjoin(_member, _member.c.person_id == _person.c.id).outerjoin(
        _group, (_group.c.id == _member.c.group_id) & _group.c.is_disabled.is_(False)
    )
)
_STANDING_OF_ONE = _STANDING.where(_person.c.id == bindparam("person_id"))
_STANDING_OF = _STANDING.where(_person.c.id.in_(bindparam("ids", expanding=True)))


def list_standing(session: Session, person_id: str) -> Rows:
    """A person as the mirror has them; one row per user group they are in, at least one. Empty for nobody."""
    return session.execute(_STANDING_OF_ONE, {"person_id": person_id}).all()


def list_standings(session: Session, ids: Iterable[str]) -> dict[str, list[Any]]:
    """`list_standing` of several people, by id, in one statement."""
    found: dict[str, list[Any]] = {}
    for row in session.execute(_STANDING_OF, {"ids": sorted(set(ids))}):
        found.setdefault(row.id, []).append(row)
    return found


def other_ids(row: Any) -> frozenset[str]:
    """The other ids by which Slack names the person of a row of `list_standing`."""
    return frozenset(row.other_ids.split(",")) if row.other_ids else frozenset()


_INSERT_DECISION = insert(_decision).returning(
    _decision.c.id,
    or_(
        select(_digest.c.digest_id)
        .where(_digest.c.approval_id == bindparam("of_approval"))
        .exists(),
        select(_item.c.reminder_id).where(_item.c.approval_id == bindparam("of_approval")).exists(),
    ).label("is_shown"),
)
_ADVANCE = (
    update(_approval)
    .where(_approval.c.id == bindparam("approval_id"))
    .values(
        stage=bindparam("new_stage"),
        revision=_approval.c.revision + 1,
        state=bindparam("new_state"),
        decided_at=bindparam("ended_at"),
        asked_at=bindparam("asked"),
        valid_until=bindparam("holds_until"),
    )
)


def insert_decision(session: Session, *, approval_id: int, **values: Any) -> tuple[int, bool]:
    """Keep a verdict; its id, and whether a digest or a reminder shows the request."""
    id_, is_shown = session.execute(
        _INSERT_DECISION, values | {"approval_id": approval_id, "of_approval": approval_id}
    ).one()
    return id_, bool(is_shown)


def advance(
    session: Session,
    approval_id: int,
    *,
    stage: int,
    state: ApprovalState,
    asked_at: datetime | None,
    ended_at: datetime | None = None,
    valid_until: datetime | None = None,
) -> None:
    """Move the request to a stage, asked at `asked_at`, or to its end; its revision rises."""
    session.execute(
        _ADVANCE,
        {
            "approval_id": approval_id,
            "new_stage": stage,
            "new_state": state.value,
            "ended_at": ended_at,
            "asked": asked_at,
            "holds_until": valid_until,
        },
    )


def insert_request(session: Session, values: dict[str, Any], stages: list[dict[str, Any]]) -> int:
    """Keep a new request with its stages; its id."""
    approval_id = session.execute(insert(Approval).returning(Approval.id), values).scalar_one()
    session.execute(
        insert(ApprovalStage), [stage | {"approval_id": approval_id} for stage in stages]
    )
    return approval_id


_CHANNEL = (
    select(
        Project.channel,
        and_(Channel.is_shared_outside.is_(False), Channel.has_guests.is_(False)).label(
            "is_closed"
        ),
    )
    .outerjoin(
        Channel, (Channel.slack_id == Project.channel) & (Channel.org_key == bindparam("org"))
    )
    .where(Project.id == bindparam("project_id"), Project.channel.is_not(None))
)


def find_channel_of(session: Session, project_id: int, org_key: str) -> Any:
    """The project's own channel (channel, is_closed), by Slack id; None without one. What is not mirrored is open."""
    return session.execute(_CHANNEL, {"project_id": project_id, "org": org_key}).first()


_absent = aliased(Person)
_CARDS = (
    select(
        Approval.id,
        Approval.gate,
        Approval.subject_type,
        Approval.subject_id,
        Approval.facts,
        Approval.state,
        Approval.stage,
        Approval.revision,
        Approval.created_at,
        Approval.expires_at,
        Approval.decided_at,
        Approval.policy_id,
        Approval.card_id,
        Approval.paused_at,
        Approval.nudged_at,
        Approval.has_more,
        Approval.bound,
        Approval.asked_at,
        Approval.valid_until,
        Person.id.label("requester_id"),
        Person.name.label("requester_name"),
        Person.slack_id.label("requester_slack_id"),
        Person.org_key,
        PrivateText.text.label("reason"),
    )
    .join(Person, Person.id == Approval.requester_id)
    .outerjoin(PrivateText, PrivateText.id == Approval.reason_id)
    .where(Approval.id.in_(bindparam("ids", expanding=True)))
)
_CARD_STAGES = (
    select(
        ApprovalStage.approval_id,
        ApprovalStage.position,
        ApprovalStage.name,
        ApprovalStage.approvers,
        ApprovalStage.quorum,
        ApprovalStage.ask,
        ApprovalStage.rules,
    )
    .where(ApprovalStage.approval_id.in_(bindparam("ids", expanding=True)))
    .order_by(ApprovalStage.approval_id, ApprovalStage.position)
)
_CARD_DECISIONS = (
    select(
        Decision.id,
        Decision.approval_id,
        Decision.person_id,
        Person.name,
        Person.slack_id,
        Decision.position,
        Decision.verdict,
        Decision.rule,
        Decision.via,
        Decision.membership_read_at,
        Decision.parties,
        Decision.decided_at,
        Decision.taken_back_at,
        Decision.for_id,
        Decision.place_id,
        _absent.name.label("for_name"),
        PrivateText.text.label("reason"),
    )
    .join(Person, Person.id == Decision.person_id)
    .outerjoin(_absent, _absent.id == Decision.for_id)
    .outerjoin(PrivateText, PrivateText.id == Decision.reason_id)
    .where(Decision.approval_id.in_(bindparam("ids", expanding=True)))
    .order_by(Decision.id)
)


def project_of(session: Session, approval_id: int) -> int | None:
    """The project that a request is about."""
    return session.execute(
        select(_approval.c.project_id).where(_approval.c.id == approval_id)
    ).scalar_one_or_none()


def subject_of(session: Session, approval_id: int) -> tuple[str, int] | None:
    """Type and id of what a request is about; None when there is no such request."""
    row = session.execute(
        select(_approval.c.subject_type, _approval.c.subject_id).where(
            _approval.c.id == approval_id
        )
    ).first()
    return (row.subject_type, row.subject_id) if row is not None else None


def list_cards(session: Session, ids: Sequence[int]) -> Rows:
    """Requests with requester and reason, to show them."""
    return session.execute(_CARDS, {"ids": list(ids)}).all()


def list_stages(session: Session, ids: Sequence[int]) -> Rows:
    """The stages of several requests, in order."""
    return session.execute(_CARD_STAGES, {"ids": list(ids)}).all()


def list_decisions(session: Session, ids: Sequence[int]) -> Rows:
    """The verdicts on several requests, with names and reasons, oldest first."""
    return session.execute(_CARD_DECISIONS, {"ids": list(ids)}).all()


_mine = aliased(Decision)
_WAITING = (
    select(
        Approval.id,
        Approval.bound,
        ApprovalStage.name,
        ApprovalStage.approvers,
        ApprovalStage.quorum,
        ApprovalStage.ask,
        ApprovalStage.rules,
    )
    .join(
        ApprovalStage,
        (ApprovalStage.approval_id == Approval.id) & (ApprovalStage.position == Approval.stage),
    )
    .outerjoin(
        _mine,
        (_mine.approval_id == Approval.id)
        & (_mine.person_id == bindparam("person_id"))
        & _mine.taken_back_at.is_(None),
    )
    .where(
        Approval.state == ApprovalState.PENDING.value,
        Approval.expires_at > bindparam("now"),
        Approval.paused_at.is_(None),
        Approval.requester_id != bindparam("person_id"),
        _mine.id.is_(None),
    )
    .order_by(Approval.expires_at, Approval.id)
)
_ASKED = (
    select(Approval.id)
    .where(
        Approval.requester_id == bindparam("person_id"),
        or_(
            Approval.state == ApprovalState.PENDING.value, Approval.decided_at > bindparam("since")
        ),
    )
    .order_by(
        case((Approval.state == ApprovalState.PENDING.value, 0), else_=1),
        func.coalesce(Approval.decided_at, Approval.created_at).desc(),
        Approval.id.desc(),
    )
    .limit(bindparam("most"))
)


def list_undecided(session: Session, person_id: str, *, now: datetime) -> Rows:
    """Pending requests (id, bound, the stage asked now) that others made and this person has not decided."""
    return session.execute(_WAITING, {"person_id": person_id, "now": now}).all()


def list_asked_by(session: Session, person_id: str, *, since: datetime, most: int) -> Sequence[int]:
    """This person's own requests: pending ones, then those that ended after `since`, newest first."""
    return (
        session.execute(_ASKED, {"person_id": person_id, "since": since, "most": most})
        .scalars()
        .all()
    )


_PENDING_FOR = (
    select(Approval.id)
    .where(
        Approval.subject_type == bindparam("s_type"),
        Approval.subject_id == bindparam("s_id"),
        Approval.state == ApprovalState.PENDING.value,
    )
    .order_by(Approval.id)
)


def list_pending_for(session: Session, subject_type: str, subject_id: int) -> Sequence[int]:
    """Requests about this subject that nobody has ended yet, oldest first."""
    return (
        session.execute(_PENDING_FOR, {"s_type": subject_type, "s_id": subject_id}).scalars().all()
    )


_RULES = (
    select(ApprovalStage.approvers)
    .where(ApprovalStage.approval_id == bindparam("approval_id"))
    .order_by(ApprovalStage.position)
)


def list_approvers(session: Session, approval_id: int) -> Sequence[list[Any]]:
    """The approver rules of every stage, to have them confirmed before a decision."""
    return session.execute(_RULES, {"approval_id": approval_id}).scalars().all()


_PENDING_OF_PROJECT = (
    select(Approval.id)
    .where(Approval.project_id == bindparam("project_id"), Approval.state == ApprovalState.PENDING)
    .order_by(Approval.id)
    .limit(20)
)


def list_pending_of_project(session: Session, project_id: int) -> Sequence[int]:
    """Ids of requests about a project that wait for somebody, oldest first, at most 20."""
    return session.execute(_PENDING_OF_PROJECT, {"project_id": project_id}).scalars().all()
