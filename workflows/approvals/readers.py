"""How somebody stands to a request: why they are asked, what they did, what they may do."""

from collections.abc import Collection, Sequence
from datetime import datetime

from storage.approvals.queries import CardRow
from workflows.approvals.absences import Principal
from workflows.approvals.binding import MANAGER, ROLE
from workflows.approvals.extras import Handover
from workflows.approvals.records import Line, Reader
from workflows.approvals.rules import (
    Entitlement,
    Refusal,
    Standing,
    Standings,
    admission,
    entitlement,
    given,
)
from workflows.approvals.stages import HANDED_OVER, Bound, Stage
from workflows.handles import ONCALL

_BY_WORD = {
    "subject.sponsor": "you sponsor this project",
    "subject.manager": "you manage this project",
    "subject.developer": "you developed this",
    "subject.validator": "you validated this",
    MANAGER: "the person who asks reports to you",
}


def describe_reader(
    head: CardRow,
    bound: Bound,
    stage: Stage,
    lines: Sequence[Line],
    voters: Sequence[tuple[int, ...]],
    standing: Standing | None,
    now: datetime,
    handovers: Sequence[Handover],
    away: Sequence[Principal],
    givers: Standings,
    used: Collection[str],
    may_break_glass: bool,
) -> Reader | None:
    """How the reader stands to a request; `givers` gave their places in the stage away, `used` are those decided with."""
    if standing is None:
        return None
    entitled = entitlement(stage.approvers, standing)
    admitted = admission(stage, standing, now, givers)
    apart = bound.apart.get(standing.person_id, "")
    why, is_done = "", False
    if (
        isinstance(admitted, Entitlement)
        and standing.is_member
        and not apart
        and _is_free(admitted, used, bound)
    ):
        with_theirs = [*voters, admitted.parties]
        is_done = given(stage, with_theirs) == given(stage, voters)
        why = (
            ""
            if is_done
            else _describe_entitlement(
                admitted, head.subject_type, _find_giver(handovers, standing.person_id, head.stage)
            )
        )
    stands_in_for = ""
    gave = any(one.by == standing.person_id for one in stage.approvers)
    if admitted is None and not gave and not apart and stage.delegate and standing.is_member:
        stands_in_for = _stands_in_for(head, bound, stage, lines, away, givers, used, now)
        why = f"you stand in for {stands_in_for}, who is away" if stands_in_for else why
    group = entitled.group if entitled is not None else None
    return Reader(
        standing.person_id,
        why,
        next((line for line in lines if line.person.id == standing.person_id), None),
        standing.person_id == head.requester_id,
        apart,
        group.name if group is not None else None,
        group.since + stage.member_since
        if group is not None
        and group.since is not None
        and stage.member_since is not None
        and admitted is Refusal.TOO_NEW
        else None,
        is_done,
        stands_in_for=stands_in_for,
        may_break_glass=may_break_glass,
        handed_to=next(
            (
                one.taker.name
                for one in handovers
                if one.holder.id == standing.person_id and one.position == head.stage
            ),
            "",
        ),
    )


def _is_free(entitled: Entitlement, used: Collection[str], bound: Bound) -> bool:
    """Whether nobody has decided with this place in the stage, and who had it may decide."""
    return entitled.place not in used and entitled.place not in bound.apart


def _stands_in_for(
    head: CardRow,
    bound: Bound,
    stage: Stage,
    lines: Sequence[Line],
    away: Sequence[Principal],
    givers: Standings,
    used: Collection[str],
    now: datetime,
) -> str:
    decided = {line.person.id for line in lines} | {head.requester_id}
    return next(
        (
            one.name
            for one in away
            if one.standing.person_id not in decided
            and one.standing.person_id not in bound.apart
            and isinstance(place := admission(stage, one.standing, now, givers), Entitlement)
            and _is_free(place, used, bound)
        ),
        "",
    )


def _find_giver(handovers: Sequence[Handover], person_id: str, position: int) -> str:
    return next(
        (
            one.holder.name
            for one in handovers
            if one.taker.id == person_id and one.position == position
        ),
        "somebody",
    )


def _describe_entitlement(entitled: Entitlement, subject_type: str, giver: str) -> str:
    if entitled.rule == HANDED_OVER:
        return f"{giver} handed this over to you"
    if entitled.rule.startswith(ONCALL) and entitled.group is not None:
        return f"you are on call in {entitled.group.name}"
    if entitled.group is not None:
        return f"you are in {entitled.group.name}"
    if entitled.rule == "subject.owner":
        return f"you own this {subject_type}"
    if entitled.rule.startswith(ROLE):
        return f"you hold the role {entitled.rule.removeprefix(ROLE)}"
    return _BY_WORD.get(entitled.rule, "the policy names you")
