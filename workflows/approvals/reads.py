"""Requests as people see them: one card, what waits for somebody, what somebody asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals.activity import ConditionRow, EditRow, HandoverRow, QuestionRow, ReviewRow
from storage.approvals.queries import CardRow, DecisionRow, StageRow
from storage.enums import ApprovalState, ConditionState, Verdict
from workflows import approvable, handles, permissions
from workflows.approvable import Movable, Moved, Words
from workflows.approvals import approvers as approval_approvers
from workflows.approvals import rules
from workflows.approvals.approvers import Principal, find_break_right
from workflows.approvals.records import (
    Card,
    Condition,
    Edit,
    Escalated,
    Extras,
    Handover,
    Line,
    Part,
    Question,
    Review,
    Round,
    Someone,
)
from workflows.approvals.rules import (
    PERSON,
    Approver,
    Entitlement,
    Standing,
    Standings,
    admission,
    counts,
)
from workflows.approvals.stages import Bound, Stage
from workflows.context import ActorKind, Context
from workflows.errors import NotFound
from workflows.policy import root

# --- Reading what people did about requests beside deciding; only for those that have any of it

Row = TypeVar("Row", QuestionRow, HandoverRow, ConditionRow, ReviewRow, EditRow)
Record = TypeVar("Record")


def list_extras(
    session: Session, ids: Sequence[int], asked: Callable[[int, dict[str, Any]], str]
) -> dict[int, Extras]:
    """By request; `asked` puts what a request asked before into words."""
    if not ids:
        return {}
    questions = _by_request(activity.list_questions(session, ids), _question)
    handovers = _by_request(activity.list_handovers(session, ids), _handover)
    conditions = _by_request(activity.list_conditions(session, ids), _condition)
    reviews = _by_request(activity.list_reviews(session, ids), _review)
    edits = _by_request(activity.list_edits(session, ids), lambda row: _edit(row, asked))
    return {
        id_: Extras(
            tuple(questions.get(id_, ())),
            tuple(handovers.get(id_, ())),
            tuple(conditions.get(id_, ())),
            next(iter(reviews.get(id_, ())), None),
            tuple(edits.get(id_, ())),
        )
        for id_ in ids
    }


def _by_request(rows: Sequence[Row], make: Callable[[Row], Record]) -> dict[int, list[Record]]:
    records: dict[int, list[Record]] = {}
    for row in rows:
        records.setdefault(row.approval_id, []).append(make(row))
    return records


def _question(row: QuestionRow) -> Question:
    return Question(
        row.id,
        Someone(row.asked_by, row.asker_name, row.asker_slack_id),
        row.question or "",
        row.asked_at,
        (row.answer or "") if row.answer_id is not None else None,
        row.ended_at,
    )


def _handover(row: HandoverRow) -> Handover:
    return Handover(
        row.id,
        row.position,
        Someone(row.from_id, row.giver_name, row.giver_slack_id),
        Someone(row.to_id, row.taker_name, row.taker_slack_id),
        row.note or "",
        row.created_at,
        Someone(row.for_id, row.principal_name or "", row.principal_slack_id)
        if row.for_id
        else None,
    )


def _edit(row: EditRow, asked: Callable[[int, dict[str, Any]], str]) -> Edit:
    return Edit(
        row.id,
        Someone(row.person_id, row.editor_name, row.editor_slack_id),
        row.is_material,
        asked(row.approval_id, row.facts) if row.is_material else "",
        row.reason or "",
        row.reopened or "",
        row.voided,
        row.edited_at,
        row.revision,
    )


def _condition(row: ConditionRow) -> Condition:
    return Condition(
        row.id,
        row.decision_id,
        Someone(row.set_by, row.setter_name, row.setter_slack_id),
        Someone(row.owner_id, row.owner_name, row.owner_slack_id),
        row.text or "",
        row.due,
        row.due_at,
        ConditionState(row.state),
        row.proof or "",
        row.claimed_at,
        row.ended_at,
        row.revision,
    )


def _review(row: ReviewRow) -> Review:
    return Review(
        Someone(row.broken_by, row.breaker_name, row.breaker_slack_id),
        row.role,
        row.reason or "",
        row.broken_at,
        row.due_at,
        row.times_late,
        Someone(row.reviewed_by, row.reviewer_name or "", row.reviewer_slack_id)
        if row.reviewed_by
        else None,
        row.is_fine,
        row.note or "",
        row.reviewed_at,
    )


# --- Requests as people see them
#
# one card, what waits for somebody, what somebody asked for.

NO_REQUEST = "There is no such request here any more."
"""Said of a request that is not there, and of one that is not for who asks."""
MOST_SHOWN = 20
REMEMBERED = timedelta(days=14)
"""How long an ended request still shows among those that somebody asked for."""


def card(ctx: Context, approval_id: int, *, reader_id: str | None = None) -> Card:
    """A request as it stands now, and how `reader_id` stands to it. Raises NotFound."""
    cards_ = cards(ctx, [approval_id], reader_id=reader_id)
    if not cards_:
        raise NotFound(NO_REQUEST, hint="approvals.waiting")
    return cards_[0]


def cards(ctx: Context, ids: Sequence[int], *, reader_id: str | None = None) -> tuple[Card, ...]:
    """Several requests at once, in the order of `ids`; those that do not exist are left out."""
    if not ids:
        return ()
    heads = queries.list_cards(ctx.session, ids)
    stages = queries.list_stages(ctx.session, ids)
    verdicts = queries.list_decisions(ctx.session, ids)
    names = _Names(ctx.session, heads.values(), stages)
    rows = queries.list_standing(ctx.session, reader_id) if reader_id else ()
    reader = approval_approvers.build_standing(rows) if rows else None
    away = approval_approvers.list_principals(ctx, rows, reader_id or "")
    now_asked = [Stage.of(stages[id_][head.stage]) for id_, head in heads.items()]
    givers = approval_approvers.list_givers(ctx.session, now_asked) if reader is not None else {}
    meant = (
        handles.resolve(ctx.session, rows[0].org_key, root.people(ctx.policy))
        if rows
        else handles.Meant()
    )

    def told(id_: int, facts: dict[str, Any]) -> Words:
        head = heads[id_]
        return approvable.SUBJECTS[head.subject_type].words(ctx, head.subject_id, facts)

    def moved(head: CardRow) -> Moved | None:
        subject = approvable.SUBJECTS[head.subject_type]
        if head.state != ApprovalState.PENDING or not isinstance(subject, Movable):
            return None
        return subject.reread(ctx, head.subject_id, head.facts).moved

    extras = list_extras(
        ctx.session,
        [id_ for id_, head in heads.items() if head.has_more],
        lambda id_, facts: told(id_, facts).asks,
    )
    return tuple(
        _build_card(
            heads[id_],
            stages[id_],
            verdicts[id_],
            names,
            reader,
            extras.get(id_, Extras()),
            away,
            givers,
            reader is not None
            and heads[id_].state == ApprovalState.PENDING
            and find_break_right(ctx.policy, heads[id_].gate, reader, meant) is not None,
            now=ctx.now,
            words=told(id_, heads[id_].facts),
            is_editable=approvable.SUBJECTS[heads[id_].subject_type].is_editable,
            moved=moved(heads[id_]),
        )
        for id_ in ids
        if id_ in heads
    )


def list_waiting(ctx: Context, person_id: str | None = None) -> tuple[Card, ...]:
    """What waits for this person's decision (the actor's, if nobody is named), the most urgent first; at most 20."""
    whose = person_id or ctx.actor.id
    candidates = cards(ctx, list_waiting_ids(ctx, whose)[: MOST_SHOWN * 2], reader_id=whose)
    return tuple(card for card in candidates if card.reader and card.reader.why)[:MOST_SHOWN]


def list_waiting_ids(ctx: Context, person_id: str | None = None) -> list[int]:
    """Every request that waits for this person's decision (the actor's, if nobody is named), the most urgent first."""
    person_id = person_id or ctx.actor.id
    rows = queries.list_standing(ctx.session, person_id)
    standing = approval_approvers.build_standing(rows) if rows else None
    if standing is None or not standing.is_member:
        return []
    away = approval_approvers.list_principals(ctx, rows, person_id)
    places = [standing, *(one.standing for one in away)]
    undecided = [
        (row.id, Stage.of(row))
        for row in queries.list_undecided(ctx.session, person_id, now=ctx.now)
        if person_id not in Bound.of(row.bound).apart
    ]
    givers = approval_approvers.list_givers(ctx.session, [stage for _, stage in undecided])
    return [
        id_
        for id_, stage in undecided
        if any(
            isinstance(admission(stage, place, ctx.now, givers), Entitlement) for place in places
        )
    ]


def list_asked_ids(ctx: Context) -> tuple[list[int], list[datetime]]:
    """Every request of this person: ids, pending ones first, then those that ended within 14 days; and when each of
    the pending ones expires."""
    rows = queries.list_asked(ctx.session, ctx.actor.id, since=ctx.now - REMEMBERED)
    pending = [at for _, state, at in rows if state is ApprovalState.PENDING]
    return [id_ for id_, _, _ in rows], pending


def list_asked(ctx: Context) -> tuple[Card, ...]:
    """What this person asked for: pending requests, then those that ended within 14 days; at most 20."""
    ids = queries.list_asked_by(
        ctx.session, ctx.actor.id, since=ctx.now - REMEMBERED, most=MOST_SHOWN
    )
    return cards(ctx, ids, reader_id=ctx.actor.id)


def list_approver_ids(session: Session, approval_id: int) -> frozenset[str]:
    """Whom the stages of a request name (Slack ids of people and groups), to be confirmed with Slack before a decision."""
    return frozenset(
        who
        for approvers in queries.list_approvers(session, approval_id)
        for item in approvers
        for who in item["who"]
        if not who.startswith(PERSON)
    )


class _Names:
    """What groups and people are called, read once for all cards."""

    def __init__(
        self, session: Session, heads: Iterable[CardRow], stages: Mapping[int, Sequence[StageRow]]
    ) -> None:
        items = [
            item
            for rows in stages.values()
            for row in rows
            for item in (
                *row.approvers,
                *((row.rules or {}).get("escalate") or {}).get("approvers", ()),
            )
        ]
        words = {who for item in items for who in item["who"]}
        self._names: dict[str, str] = {
            # A group that the mirror has lost is told by the handle that it had.
            slack_id: word
            for item in items
            if len(written := item.get("written", ())) == len(item["who"])
            for slack_id, word in zip(item["who"], written, strict=True)
        }
        org_key = next((head.org_key for head in heads), None)
        if org_key is None:
            return
        for row, named_as in queries.list_named(
            session,
            org_key,
            slack_ids={word for word in words if word[0] in "UW"},
            ids={word.removeprefix(PERSON) for word in words if PERSON in word},
        ):
            self._names[PERSON + row.id] = row.name
            if named_as:
                self._names[named_as] = row.name
        if any(word[0] == "S" for word in words):
            self._names |= queries.list_group_names(session, org_key)

    def told(self, approvers: Iterable[Approver]) -> tuple[str, ...]:
        """Whom approvers stand for, each once."""
        return tuple(dict.fromkeys(self.of(who) for one in approvers for who in one.who))

    def of(self, word: str) -> str:
        return self._names.get(word, word.removeprefix(PERSON))


def _build_card(
    head: CardRow,
    stages: Sequence[StageRow],
    verdicts: Sequence[DecisionRow],
    names: _Names,
    reader: Standing | None,
    extras: Extras,
    away: Sequence[Principal],
    givers: Standings,
    may_break_glass: bool,
    *,
    now: datetime,
    words: Words,
    is_editable: bool,
    moved: Moved | None,
) -> Card:
    given_ = tuple(
        Line(
            row.id,
            Someone(row.person_id, row.name, row.slack_id),
            row.position,
            Verdict(row.verdict),
            row.reason or "",
            row.decided_at,
            row.rule,
            names.of(row.via) if row.via else None,
            row.membership_read_at,
            row.for_name,
            row.taken_back_at,
        )
        for row in verdicts
    )
    lines = tuple(line for line in given_ if line.taken_back_at is None)
    bound = Bound.of(head.bound)
    is_pending = head.state == ApprovalState.PENDING
    parties = {
        row.id: tuple(row.parties) if row.parties else (0,)
        for row in verdicts
        if row.verdict == Verdict.APPROVE and row.taken_back_at is None
    }
    voters = [
        [parties[one.id] for one in verdicts if one.position == row.position and one.id in parties]
        for row in stages
    ]
    rounds = tuple(
        _build_round(
            row, names, voters[index], head.asked_at if is_pending and index == head.stage else None
        )
        for index, row in enumerate(stages)
    )
    return Card(
        id=head.id,
        gate=head.gate,
        subject_type=head.subject_type,
        state=ApprovalState(head.state),
        revision=head.revision,
        stage=head.stage,
        words=words,
        reason=head.reason or "",
        requester=Someone(head.requester_id, head.requester_name, head.requester_slack_id),
        rounds=rounds,
        lines=lines,
        created_at=head.created_at,
        expires_at=head.expires_at,
        decided_at=head.decided_at,
        policy_id=head.policy_id,
        reader=approval_approvers.describe_reader(
            head,
            bound,
            Stage.of(stages[head.stage]),
            lines,
            voters[head.stage],
            reader,
            now,
            extras.handovers,
            away,
            givers,
            {
                row.place_id or row.for_id or row.person_id
                for row in verdicts
                if row.position == head.stage and row.taken_back_at is None
            },
            may_break_glass,
        ),
        dropped=bound.dropped,
        by_rule=bound.by_rule,
        valid_until=head.valid_until,
        taken_back=tuple(line for line in given_ if line.taken_back_at is not None),
        paused_at=head.paused_at,
        nudged_at=head.nudged_at,
        extras=extras,
        facts=head.facts,
        is_editable=is_editable,
        known=bound.known,
        known_at=datetime.fromisoformat(bound.known_at) if bound.known_at else None,
        changes=rules.describe_changes(
            rules.load_rests(bound.rests), rules.load_rests(bound.now or ())
        ),
        moved_at=datetime.fromisoformat(bound.moved_at) if bound.moved_at else None,
        added=bound.added,
        bars=bound.bars if is_pending else (),
        stuck=bound.stuck if is_pending else "",
        moved=moved,
    )


def _build_round(
    row: StageRow, names: _Names, voters: Sequence[tuple[int, ...]], asked_at: datetime | None
) -> Round:
    stage = Stage.of(row)
    approved = counts(stage, voters)
    parts = tuple(
        Part(
            party.name,
            party.quorum,
            names.told(one for one in stage.approvers if one.party == index),
            approved[index],
        )
        for index, party in enumerate(stage.parties)
    )
    nearest = min(range(len(approved)), key=lambda index: stage.quorums[index] - approved[index])
    is_any = stage.mode == "any" and bool(parts)
    escalation = stage.escalation
    return Round(
        row.position,
        stage.name,
        stage.quorums[nearest] if is_any else sum(stage.quorums),
        stage.ask,
        names.told(stage.approvers),
        approved[nearest] if is_any else sum(approved),
        stage.mode,
        parts,
        stage.comment,
        stage.confirm,
        stage.pinned is not None,
        bool(stage.fallback),
        Escalated(
            escalation.way,
            names.told(escalation.approvers),
            asked_at + escalation.after if asked_at and not stage.escalated else None,
        )
        if escalation is not None
        else None,
        tuple(asked_at + after for after in stage.remind_after) if asked_at else (),
    )


def list_open(session: Session) -> tuple[int, ...]:
    """Ids of all requests that wait, oldest first."""
    return tuple(activity.list_open(session))


def list_pending_of_project(ctx: Context, project_id: int) -> tuple[Card, ...]:
    """Requests about this project that wait for somebody, oldest first."""
    return cards(ctx, queries.list_pending_of_project(ctx.session, project_id))


def list_projects_in_sight(ctx: Context) -> frozenset[int] | None:
    """Ids of the projects whose requests are listed for somebody; None for all of them."""
    if ctx.actor.kind is ActorKind.PROGRAM:
        return None
    return permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy).within
