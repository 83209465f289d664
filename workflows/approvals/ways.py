"""What the stages of a request demand, so that a request which asks less than today's is never taken for one."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from workflows.actors import Actor
from workflows.approvals import people, routing, separation
from workflows.approvals.binding import bind_stages, find_passing_rule
from workflows.approvals.stages import Approver, Bound, Stage
from workflows.policy import Policy
from workflows.subjects import Prepared


def digest_demand(stage: Stage) -> str:
    """SHA-256 over what it takes to pass a stage: who (with those who decide in place of nobody), how many, by which rules.

    When people are reminded, and how they are asked, is no part of it.
    """
    escalation = stage.escalation
    demanded = {
        "name": stage.name,
        "approvers": [_list_word(each) for each in stage.approvers],
        "quorums": list(stage.quorums),
        "mode": stage.mode,
        "comment": stage.comment,
        "delegate": stage.delegate,
        "member_since": stage.member_since.total_seconds() if stage.member_since else None,
        "pinned": stage.pinned is not None,
        "escalates": [escalation.way, *(_list_word(each) for each in escalation.approvers)]
        if escalation
        else None,
    }
    canonical = json.dumps(demanded, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def digest_demands(stages: Sequence[Stage]) -> tuple[str, ...]:
    """What each of them demands, in order."""
    return tuple(digest_demand(stage) for stage in stages)


def _is_demanded(stage: Stage, way: Sequence[str]) -> bool:
    """Whether a way of before has the stage; one of an earlier release has user groups by the policy's handles."""
    return digest_demand(stage) in way or digest_demand(stage.as_written()) in way


def _list_word(approver: Approver) -> list[Any]:
    return [approver.rule, list(approver.who), approver.party]


@dataclass(frozen=True, slots=True)
class Way:
    """What a request would meet if it were opened now."""

    stages: tuple[Stage, ...]
    """Empty where the policy asks nobody."""
    apart: dict[str, str]
    """Who could not decide: person id → what they are to the subject."""


def find_current_way(
    session: Session,
    actor: Actor,
    gate_name: str,
    prepared: Prepared,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> Way:
    """The way that a request of this person or program would take now. Raises GovernanceError where it could not be opened."""
    gate = policy.gate(gate_name)
    apart = separation.list_apart(gate, prepared, actor)
    if find_passing_rule(gate, gate_name, prepared.conditions):
        return Way((), apart)
    words = people.resolve_words(session, policy, prepared.people, actor.id, org_key=org_key)
    stages, _ = bind_stages(gate, gate_name, words, prepared.conditions)
    staffed = routing.staff_stages(
        session,
        gate,
        stages,
        words,
        barred={actor.id, *apart},
        by=now + gate.expires_after,
        now=now,
        org_key=org_key,
    )
    return Way(staffed, apart)


def list_beyond(bound: Bound, requester_id: str, now: Way) -> tuple[str, ...]:
    """What today's way demands that a request of before does not, as clauses; empty where that one asks as much or more."""
    if bound.way is None:
        return ("it was opened by an older release of mlgov, which kept less of what it asks",)
    clauses = [
        f"{stage.name} has to decide today, and does not there, or not by the same rules"
        for stage in now.stages
        if bound.way is not None and not _is_demanded(stage, bound.way)
    ]
    if now.apart.keys() - bound.apart.keys() - {requester_id}:
        clauses.append("somebody is kept apart from those who decide today, and is not there")
    return tuple(clauses)
