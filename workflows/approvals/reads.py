"""Requests as people see them: one card, what waits for somebody, what somebody asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.enums import ApprovalState, Ask, Verdict
from workflows.actors import Actor
from workflows.approvals import more, people
from workflows.approvals.extras import Extras
from workflows.approvals.records import Card, Line, Reader, Round, Someone
from workflows.approvals.rules import (
    HANDED_OVER,
    PERSON,
    Approver,
    Standing,
    entitlement,
)
from workflows.errors import NotFound
from workflows.policy import Policy
from workflows.subjects import SubjectType

MOST_SHOWN = 20
REMEMBERED = timedelta(days=14)
"""How long an ended request still shows among those that somebody asked for."""

_MANAGES = {
    "subject.sponsor": "you sponsor this project",
    "subject.manager": "you manage this project",
}


def card(
    session: Session,
    approval_id: int,
    *,
    subjects: Mapping[str, SubjectType],
    policy: Policy,
    now: datetime,
    reader_id: str | None = None,
) -> Card:
    """A request as it stands now, and how `reader_id` stands to it. Raises NotFound."""
    found = cards(
        session,
        [approval_id],
        subjects=subjects,
        policy=policy,
        now=now,
        reader_id=reader_id,
    )
    if not found:
        raise NotFound(
            "There is no such request here any more. `/mlgov approvals` lists what waits for you."
        )
    return found[0]


def cards(
    session: Session,
    ids: Sequence[int],
    *,
    subjects: Mapping[str, SubjectType],
    policy: Policy,
    now: datetime,
    reader_id: str | None = None,
) -> tuple[Card, ...]:
    """Several requests at once, in the order of `ids`; those that do not exist are left out."""
    if not ids:
        return ()
    heads = {row.id: row for row in queries.list_cards(session, ids)}
    stages: dict[int, list[Any]] = {id_: [] for id_ in ids}
    for row in queries.list_stages(session, ids):
        stages[row.approval_id].append(row)
    verdicts: dict[int, list[Any]] = {id_: [] for id_ in ids}
    for row in queries.list_decisions(session, ids):
        verdicts[row.approval_id].append(row)
    names = _Names(session, heads.values(), stages)
    reader = _standing(session, reader_id)
    extras = more.extras(session, [id_ for id_, head in heads.items() if head.has_more])
    return tuple(
        _card(
            heads[id_],
            stages[id_],
            verdicts[id_],
            names,
            reader,
            extras.get(id_, Extras()),
            words=subjects[heads[id_].subject_type].words(
                session, heads[id_].subject_id, heads[id_].facts, policy=policy, now=now
            ),
        )
        for id_ in ids
        if id_ in heads
    )


def waiting_for(
    session: Session,
    actor: Actor,
    *,
    subjects: Mapping[str, SubjectType],
    policy: Policy,
    now: datetime,
) -> tuple[Card, ...]:
    """What waits for this person's decision, the most urgent first; at most 20."""
    standing = _standing(session, actor.id)
    if standing is None or not standing.is_member:
        return ()
    ids = [
        row.id
        for row in queries.list_undecided(session, actor.id, now=now)
        if entitlement([Approver.of(item) for item in row.approvers], standing)
    ]
    return cards(
        session,
        ids[:MOST_SHOWN],
        subjects=subjects,
        policy=policy,
        now=now,
        reader_id=actor.id,
    )


def asked_by(
    session: Session,
    actor: Actor,
    *,
    subjects: Mapping[str, SubjectType],
    policy: Policy,
    now: datetime,
) -> tuple[Card, ...]:
    """What this person asked for: pending requests, then those that ended within 14 days; at most 20."""
    ids = queries.list_asked_by(
        session, actor.id, since=now - REMEMBERED, most=MOST_SHOWN
    )
    return cards(
        session, ids, subjects=subjects, policy=policy, now=now, reader_id=actor.id
    )


def groups_asked(session: Session, approval_id: int) -> frozenset[str]:
    """Whom the stages of a request name (Slack ids and `@group`s), to be confirmed with Slack before a decision."""
    return frozenset(
        who
        for approvers in queries.list_approvers(session, approval_id)
        for item in approvers
        for who in item["who"]
        if not who.startswith(PERSON)
    )


def _standing(session: Session, person_id: str | None) -> Standing | None:
    if person_id is None:
        return None
    rows = queries.list_standing(session, person_id)
    return people.standing(rows) if rows else None


class _Names:
    """What groups and people are called, read once for all cards."""

    def __init__(
        self, session: Session, heads: Any, stages: Mapping[int, Sequence[Any]]
    ) -> None:
        words = {
            who
            for rows in stages.values()
            for row in rows
            for item in row.approvers
            for who in item["who"]
        }
        self._names: dict[str, str] = {}
        org_key = next((head.org_key for head in heads), None)
        if org_key is None:
            return
        for row in queries.list_named(
            session,
            org_key,
            slack_ids={word for word in words if word[0] in "UW"},
            ids={word.removeprefix(PERSON) for word in words if PERSON in word},
        ):
            self._names[PERSON + row.id] = row.name
            if row.slack_id:
                self._names[row.slack_id] = row.name
        if any(word[0] in "@S" for word in words):
            for row in queries.list_groups(session, org_key):
                self._names[row.slack_id] = row.name
                self._names[f"@{row.handle}"] = row.name

    def of(self, word: str) -> str:
        return self._names.get(word, word.removeprefix(PERSON))


def _card(
    head: Any,
    stages: Sequence[Any],
    verdicts: Sequence[Any],
    names: _Names,
    reader: Standing | None,
    extras: Extras,
    *,
    words: Any,
) -> Card:
    given = tuple(
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
    lines = tuple(line for line in given if line.taken_back_at is None)
    rounds = tuple(
        Round(
            row.position,
            row.name,
            row.quorum,
            Ask(row.ask),
            tuple(
                dict.fromkeys(
                    names.of(who) for item in row.approvers for who in item["who"]
                )
            ),
            sum(
                line.position == row.position and line.verdict is Verdict.APPROVE
                for line in lines
            ),
        )
        for row in stages
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
        requester=Someone(
            head.requester_id, head.requester_name, head.requester_slack_id
        ),
        rounds=rounds,
        lines=lines,
        created_at=head.created_at,
        expires_at=head.expires_at,
        decided_at=head.decided_at,
        policy_id=head.policy_id,
        reader=_reader(head, stages[head.stage], lines, reader, extras),
        taken_back=tuple(line for line in given if line.taken_back_at is not None),
        paused_at=head.paused_at,
        nudged_at=head.nudged_at,
        extras=extras,
    )


def _reader(
    head: Any,
    stage: Any,
    lines: Sequence[Line],
    standing: Standing | None,
    extras: Extras,
) -> Reader | None:
    if standing is None:
        return None
    found = entitlement([Approver.of(item) for item in stage.approvers], standing)
    why = ""
    if found is not None and standing.is_member:
        if found.group is not None:
            why = f"you are in {found.group.name}"
        elif found.rule == "subject.owner":
            why = f"you own this {head.subject_type}"
        elif found.rule == HANDED_OVER:
            why = f"{_giver(extras, standing.person_id, head.stage)} handed this over to you"
        elif found.rule.startswith(people.ROLE):
            why = f"you hold the role {found.rule.removeprefix(people.ROLE)}"
        else:
            why = _MANAGES.get(found.rule, "the policy names you")
    return Reader(
        standing.person_id,
        why,
        next((line for line in lines if line.person.id == standing.person_id), None),
        standing.person_id == head.requester_id,
        handed_to=next(
            (
                one.taker.name
                for one in extras.handovers
                if one.giver.id == standing.person_id and one.position == head.stage
            ),
            "",
        ),
    )


def _giver(extras: Extras, person_id: str, position: int) -> str:
    return next(
        (
            one.giver.name
            for one in extras.handovers
            if one.taker.id == person_id and one.position == position
        ),
        "somebody",
    )
