"""Queries of requests, built once: a click runs several of them, and building a statement costs more than running it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import (
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from storage.approvals.tables import Approval, ApprovalReminderItem, ApprovalStage, Decision
from storage.audit import queries
from storage.audit.tables import PrivateText
from storage.digests.tables import DigestDecision
from storage.enums import ApprovalState
from storage.people.tables import Channel, Person, SlackAlias, UserGroup, UserGroupMember
from storage.projects.tables import Project

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


class RequestRow(NamedTuple):
    """A request and one of its stages."""

    id: int
    gate: str
    subject_type: str
    subject_id: int
    project_id: int
    facts: dict[str, Any]
    requester_id: str
    policy_id: int
    state: str
    stage: int
    revision: int
    card_id: int | None
    channel: str | None
    bound: dict[str, Any] | None
    asked_at: datetime | None
    expires_at: datetime
    reason_id: int | None
    paused_at: datetime | None
    nudged_at: datetime | None
    edition: int
    moved: str | None
    has_more: bool
    requester_slack_id: str | None
    position: int
    name: str
    approvers: list[dict[str, Any]]
    quorum: int
    ask: str
    rules: dict[str, Any] | None


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
    # Of the request alone: with the requester's row locked, all requests of one person would wait for each other.
    .with_for_update(of=_approval)
)


def lock_request(session: Session, approval_id: int) -> list[RequestRow]:
    """Lock the request; one row per stage, in order. Empty when there is none."""
    rows = list(map(RequestRow._make, session.execute(_REQUEST, {"approval_id": approval_id})))
    if rows:
        queries.hold(session, "approval", approval_id)
    return rows


_LOCK = (
    select(Approval.id)
    .where(Approval.id == bindparam("approval_id"))
    # A tick that waited behind a click would hold up all that is due after it; what is held waits for the next tick.
    .with_for_update(skip_locked=True)
)
_EXISTS = select(Approval.id).where(Approval.id == bindparam("approval_id"))


def try_lock(session: Session, approval_id: int) -> Literal["taken", "held", "gone"]:
    """Lock the request without waiting: `taken`, `held` by another transaction, or `gone` when there is none."""
    values = {"approval_id": approval_id}
    if session.execute(_LOCK, values).first() is not None:
        return "taken"
    return "gone" if session.execute(_EXISTS, values).first() is None else "held"


class VerdictRow(NamedTuple):
    """A verdict that counts, with what later verdicts are checked against."""

    id: int
    person_id: str
    position: int
    verdict: str
    for_id: str | None
    place_id: str | None
    parties: list[int] | None


_DECIDED = select(
    _decision.c.id,
    _decision.c.person_id,
    _decision.c.position,
    _decision.c.verdict,
    _decision.c.for_id,
    _decision.c.place_id,
    _decision.c.parties,
).where(_decision.c.approval_id == bindparam("approval_id"), _decision.c.taken_back_at.is_(None))


def list_verdicts(session: Session, approval_id: int) -> list[VerdictRow]:
    """The verdicts that count so far."""
    return list(map(VerdictRow._make, session.execute(_DECIDED, {"approval_id": approval_id})))


class StandingRow(NamedTuple):
    """A person as the mirror of Slack has them, and one user group that they are in, if any."""

    id: str
    org_key: str
    slack_id: str | None
    name: str
    is_bot: bool
    is_guest: bool
    is_stranger: bool
    is_deactivated: bool
    erased_at: datetime | None
    refreshed_at: datetime | None
    stands_in_until: datetime | None
    away_until: datetime | None
    status_away_until: datetime | None
    manager_id: str | None
    tz: str | None
    country: str | None
    since: datetime | None
    group_id: str | None
    group_name: str | None
    group_read_at: datetime | None
    aliases: str | None

    @property
    def other_ids(self) -> frozenset[str]:
        """The other ids by which Slack names the person."""
        return frozenset(self.aliases.split(",")) if self.aliases else frozenset()


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
    .label("aliases"),
).select_from(
    _person.outerjoin(_member, _member.c.person_id == _person.c.id).outerjoin(
        _group, (_group.c.id == _member.c.group_id) & _group.c.is_disabled.is_(False)
    )
)
_STANDING_OF_ONE = _STANDING.where(_person.c.id == bindparam("person_id"))
_STANDING_OF = _STANDING.where(_person.c.id.in_(bindparam("ids", expanding=True)))


def list_standing(session: Session, person_id: str) -> list[StandingRow]:
    """A person by the mirror, one row per user group they are in, at least one; empty for an unknown id."""
    rows = session.execute(_STANDING_OF_ONE, {"person_id": person_id})
    return list(map(StandingRow._make, rows))


def list_standings(session: Session, ids: Iterable[str]) -> dict[str, list[StandingRow]]:
    """`list_standing` of several people, by id, in one statement."""
    standings: dict[str, list[StandingRow]] = {}
    for row in map(StandingRow._make, session.execute(_STANDING_OF, {"ids": sorted(set(ids))})):
        standings.setdefault(row.id, []).append(row)
    return standings


_INSERT_DECISION = insert(_decision).returning(
    _decision.c.id,
    # Mostly nothing shows it, and then the click that decides is spared a statement.
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


class ChannelRow(NamedTuple):
    """The channel of a project; `is_closed` once it is known that nobody from outside reads along."""

    channel: str
    is_closed: bool | None


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


def find_channel_of(session: Session, project_id: int, org_key: str) -> ChannelRow | None:
    """The project's own channel, by Slack id; None without one. What is not mirrored is open."""
    row = session.execute(_CHANNEL, {"project_id": project_id, "org": org_key}).first()
    return None if row is None else ChannelRow._make(row)


class CardRow(NamedTuple):
    """A request as its cards show it."""

    id: int
    gate: str
    subject_type: str
    subject_id: int
    facts: dict[str, Any]
    state: str
    stage: int
    revision: int
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    policy_id: int
    card_id: int | None
    paused_at: datetime | None
    nudged_at: datetime | None
    has_more: bool
    bound: dict[str, Any] | None
    asked_at: datetime | None
    valid_until: datetime | None
    requester_id: str
    requester_name: str
    requester_slack_id: str | None
    org_key: str
    reason: str | None


class StageRow(NamedTuple):
    """A stage of a request."""

    approval_id: int
    position: int
    name: str
    approvers: list[dict[str, Any]]
    quorum: int
    ask: str
    rules: dict[str, Any] | None


class DecisionRow(NamedTuple):
    """A verdict as cards show it, also one that counts no more."""

    id: int
    approval_id: int
    person_id: str
    name: str
    slack_id: str | None
    position: int
    verdict: str
    rule: str
    via: str | None
    membership_read_at: datetime | None
    parties: list[int] | None
    decided_at: datetime
    taken_back_at: datetime | None
    for_id: str | None
    place_id: str | None
    for_name: str | None
    reason: str | None


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


def find_project_id(session: Session, approval_id: int) -> int | None:
    """The project that a request is about."""
    return session.execute(
        select(_approval.c.project_id).where(_approval.c.id == approval_id)
    ).scalar_one_or_none()


def find_subject(session: Session, approval_id: int) -> tuple[str, int] | None:
    """Type and id of what a request is about; None when there is no such request."""
    row = session.execute(
        select(_approval.c.subject_type, _approval.c.subject_id).where(
            _approval.c.id == approval_id
        )
    ).first()
    return (row.subject_type, row.subject_id) if row is not None else None


def list_cards(session: Session, ids: Sequence[int]) -> dict[int, CardRow]:
    """Requests with requester and reason, by id; those that do not exist are left out."""
    rows = map(CardRow._make, session.execute(_CARDS, {"ids": list(ids)}))
    return {row.id: row for row in rows}


def list_stages(session: Session, ids: Sequence[int]) -> dict[int, list[StageRow]]:
    """The stages of these requests, each request's in order."""
    stages: dict[int, list[StageRow]] = {id_: [] for id_ in ids}
    for row in map(StageRow._make, session.execute(_CARD_STAGES, {"ids": list(ids)})):
        stages[row.approval_id].append(row)
    return stages


def list_decisions(session: Session, ids: Sequence[int]) -> dict[int, list[DecisionRow]]:
    """The verdicts on these requests, with names and reasons, each request's oldest first."""
    decisions: dict[int, list[DecisionRow]] = {id_: [] for id_ in ids}
    for row in map(DecisionRow._make, session.execute(_CARD_DECISIONS, {"ids": list(ids)})):
        decisions[row.approval_id].append(row)
    return decisions


class UndecidedRow(NamedTuple):
    """A request that waits, and the stage that is asked now."""

    id: int
    bound: dict[str, Any] | None
    name: str
    approvers: list[dict[str, Any]]
    quorum: int
    ask: str
    rules: dict[str, Any] | None


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


def list_undecided(session: Session, person_id: str, *, now: datetime) -> list[UndecidedRow]:
    """Pending requests that others made and this person has not decided, the most urgent first."""
    rows = session.execute(_WAITING, {"person_id": person_id, "now": now})
    return list(map(UndecidedRow._make, rows))


def list_asked_by(session: Session, person_id: str, *, since: datetime, most: int) -> Sequence[int]:
    """This person's own requests: pending ones, then those that ended after `since`, newest first."""
    return (
        session.execute(_ASKED, {"person_id": person_id, "since": since, "most": most})
        .scalars()
        .all()
    )


_RULES = (
    select(ApprovalStage.approvers)
    .where(ApprovalStage.approval_id == bindparam("approval_id"))
    .order_by(ApprovalStage.position)
)


def list_approvers(session: Session, approval_id: int) -> Sequence[list[dict[str, Any]]]:
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


# --- What is changed on requests, stages and verdicts beside deciding them; the request is
#     locked by the caller

_VOID = (
    update(_decision)
    .where(_decision.c.id.in_(bindparam("ids", expanding=True)))
    .values(taken_back_at=bindparam("at"))
)
_REVISE = (
    update(_approval)
    .where(_approval.c.id == bindparam("approval_id"))
    .values(revision=_approval.c.revision + 1)
)


def void_decisions(session: Session, ids: Sequence[int], *, at: datetime) -> None:
    """Let these verdicts no longer count, from `at` on."""
    session.execute(_VOID, {"ids": list(ids), "at": at})


def revise(session: Session, approval_id: int, **values: Any) -> None:
    """Change the request's own columns; its revision rises."""
    session.execute(_REVISE.values(**values), {"approval_id": approval_id})


def set_columns(session: Session, approval_id: int, **values: Any) -> None:
    """Change the request's own columns without changing what it asks: its revision stays."""
    session.execute(update(_approval).where(_approval.c.id == approval_id).values(**values))


_STAGE = update(_stage).where(
    _stage.c.approval_id == bindparam("approval"), _stage.c.position == bindparam("place")
)


def set_approvers(
    session: Session, approval_id: int, position: int, approvers: list[dict[str, Any]]
) -> None:
    """Set whom a stage asks; the caller has locked the request."""
    session.execute(
        _STAGE.values(approvers=bindparam("whom", type_=_stage.c.approvers.type)),
        {"approval": approval_id, "place": position, "whom": approvers},
    )


_CARD = (
    update(_approval)
    .where(_approval.c.id == bindparam("approval_id"))
    .values(card_id=bindparam("new_card"), channel=bindparam("new_channel"))
)


def set_card(session: Session, approval_id: int, *, card_id: int, channel: str) -> None:
    """Remember which message is the channel's card."""
    session.execute(
        _CARD, {"approval_id": approval_id, "new_card": card_id, "new_channel": channel}
    )


# --- How much waits, and for whom
#
# counts and ids for lists that show a page at a time.

_PENDING = Approval.state == ApprovalState.PENDING.value
_WAITING_IDS = select(
    func.count(),
    func.min(Approval.created_at),
    func.count(case((Approval.expires_at <= bindparam("now"), 1))),
).where(text("approval.state = 'pending'"))
"""A literal: the partial index is not found by a bind parameter."""
_ASKED_BY = (
    select(Approval.id, Approval.state, Approval.expires_at)
    .where(
        Approval.requester_id == bindparam("person"),
        or_(_PENDING, Approval.decided_at > bindparam("since")),
    )
    .order_by(
        case((_PENDING, 0), else_=1),
        func.coalesce(Approval.decided_at, Approval.created_at).desc(),
        Approval.id.desc(),
    )
)
_BY_PROJECT = (
    select(Approval.project_id, func.count().label("n"))
    .where(_PENDING)
    .group_by(Approval.project_id)
)
_OF_PROJECTS = _BY_PROJECT.where(Approval.project_id.in_(bindparam("ids", expanding=True)))


def count_waiting(session: Session, *, now: datetime) -> tuple[int, datetime | None, int]:
    """Number of pending requests, when the oldest was opened, and how many of them should have expired by `now`."""
    number, oldest, overdue = session.execute(_WAITING_IDS, {"now": now}).one()
    return number, oldest, overdue


def list_asked(
    session: Session, person_id: str, *, since: datetime
) -> list[tuple[int, ApprovalState, datetime]]:
    """(id, state, expires_at) of a person's own requests: pending ones, then those that ended after `since`."""
    rows = session.execute(_ASKED_BY, {"person": person_id, "since": since})
    return [(id_, ApprovalState(state), expires) for id_, state, expires in rows]


def count_by_project(session: Session, project_ids: Collection[int] | None) -> dict[int, int]:
    """How many requests of each of these projects, or of all, wait for somebody; projects without one are left out."""
    if project_ids is None:
        rows = session.execute(_BY_PROJECT)
    else:
        rows = session.execute(_OF_PROJECTS, {"ids": sorted(project_ids)})
    return {project: number for project, number in rows}


_BY_KEY = select(Approval.id, Approval.requester_id).where(Approval.request_key == bindparam("key"))


def find_by_key(session: Session, request_key: str) -> tuple[int, str] | None:
    """Id and requester of the request that was opened under this key; None when there is none."""
    row = session.execute(_BY_KEY, {"key": request_key}).first()
    return None if row is None else (row.id, row.requester_id)


# --- Whom the words of a stage reach
#
# people by id, and the members of user groups.


class PersonRow(NamedTuple):
    """Somebody whom the approvers of a stage name or include."""

    id: str
    slack_id: str | None
    name: str
    is_bot: bool
    is_guest: bool
    is_stranger: bool
    is_deactivated: bool
    erased_at: datetime | None
    tz: str | None
    country: str | None
    away_until: datetime | None
    status_away_until: datetime | None
    status_times: int


_PERSON_COLUMNS = (
    Person.id,
    Person.slack_id,
    Person.name,
    Person.is_bot,
    Person.is_guest,
    Person.is_stranger,
    Person.is_deactivated,
    Person.erased_at,
    Person.tz,
    Person.country,
    Person.away_until,
    Person.status_away_until,
    Person.status_times,
)
_NAMED = union_all(
    select(*_PERSON_COLUMNS, Person.slack_id.label("named_as")).where(
        Person.org_key == bindparam("org"),
        or_(
            Person.slack_id.in_(bindparam("slack_ids", expanding=True)),
            Person.id.in_(bindparam("ids", expanding=True)),
        ),
    ),
    select(*_PERSON_COLUMNS, SlackAlias.slack_id.label("named_as"))
    .join(SlackAlias, SlackAlias.person_id == Person.id)
    .where(
        SlackAlias.org_key == bindparam("org"),
        SlackAlias.slack_id.in_(bindparam("slack_ids", expanding=True)),
    ),
)
_MEMBERS = (
    select(*_PERSON_COLUMNS, UserGroup.slack_id.label("group_id"), UserGroupMember.since)
    .join(UserGroupMember, UserGroupMember.person_id == Person.id)
    .join(UserGroup, UserGroup.id == UserGroupMember.group_id)
    .where(
        UserGroup.org_key == bindparam("org"),
        UserGroup.is_disabled.is_(False),
        UserGroup.slack_id.in_(bindparam("slack_ids", expanding=True)),
    )
)
_GROUP_NAMES = select(UserGroup.slack_id, UserGroup.name).where(
    UserGroup.org_key == bindparam("org")
)


def list_named(
    session: Session, org_key: str, *, slack_ids: Collection[str], ids: Collection[str]
) -> list[tuple[PersonRow, str | None]]:
    """People by any of their Slack ids or by our own, once for each id; with the Slack id that named them."""
    if not slack_ids and not ids:
        return []
    values = {"org": org_key, "slack_ids": list(slack_ids), "ids": list(ids)}
    return [
        (PersonRow._make(person), named_as) for *person, named_as in session.execute(_NAMED, values)
    ]


def list_members(
    session: Session, org_key: str, *, slack_ids: Collection[str]
) -> list[tuple[PersonRow, str, datetime]]:
    """Members of enabled user groups, once for each group: with its Slack id, and since when they are seen in it."""
    if not slack_ids:
        return []
    values = {"org": org_key, "slack_ids": list(slack_ids)}
    return [
        (PersonRow._make(person), group_id, since)
        for *person, group_id, since in session.execute(_MEMBERS, values)
    ]


def list_group_names(session: Session, org_key: str) -> dict[str, str]:
    """Slack id → name, of all user groups."""
    return {id_: name for id_, name in session.execute(_GROUP_NAMES, {"org": org_key})}
