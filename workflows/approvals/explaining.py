"""Why each person could or could not decide a request."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries, replaying
from storage.enums import Verdict as Decided
from workflows.approvals import people, rules
from workflows.approvals.door import list_votes
from workflows.approvals.records import Card
from workflows.approvals.rules import Entitlement, Refusal
from workflows.approvals.stages import Bound, Stage

_DID = {Decided.APPROVE: "approved", Decided.REJECT: "rejected"}
_WHY = {
    Refusal.REQUESTER: "asked for this, and nobody decides their own request",
    Refusal.APART: "took part in it as {part}, and the policy wants somebody else",
    Refusal.TOO_NEW: "is too new in {group}",
    Refusal.PART_DONE: "belongs to a group of this stage that has approved already",
    Refusal.PLACE_USED: "has no place in this stage any more: it went to somebody else, or has been used",
    Refusal.NO_MEMBER: "is no full, active member of the organisation",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one person stands to one stage."""

    name: str
    can: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A request, and for each stage everybody whom it could concern."""

    card: Card
    stages: tuple[tuple[str, tuple[Verdict, ...]], ...]


def explain_request(session: Session, card: Card, *, org_key: str, now: datetime) -> Explained:
    """Go through every stage and everybody who is named by any of them, asked for it, or took part."""
    head = queries.list_cards(session, [card.id])[card.id]
    stages = [Stage.of(row) for row in queries.list_stages(session, [card.id])[card.id]]
    bound = Bound.of(head.bound)
    open_ = people.list_reached(session, [replace(stage, pinned=None) for stage in stages], org_key)
    concerned = {one for each in open_ for one in each}
    concerned |= {card.requester.id, *bound.apart}
    votes = list_votes(session, card.id)
    concerned |= {vote.person_id for vote in votes}
    names = replaying.list_names(session, sorted(concerned))
    standings = [
        (names[id_], standing)
        for id_, standing in sorted(people.list_standings(session, concerned).items())
    ]
    givers = people.list_givers(session, stages)
    explained = []
    for position, stage in enumerate(stages):
        verdicts = []
        for name, standing in sorted(standings, key=lambda each: each[0]):
            judged = _judge_person(card, bound, votes, stage, position, standing, now, givers)
            if judged is not None:
                verdicts.append(Verdict(name, *judged))
        explained.append((stage.name, tuple(verdicts)))
    return Explained(card, tuple(explained))


def _judge_person(
    card: Card,
    bound: Bound,
    votes: list[rules.Vote],
    stage: Stage,
    position: int,
    standing: rules.Standing,
    now: datetime,
    givers: rules.Standings,
) -> tuple[bool, str] | None:
    """Whether they can decide this stage and why; None for somebody whom it does not concern."""
    entitled = rules.entitlement(stage.approvers, standing)
    mine = next((vote for vote in votes if vote.person_id == standing.person_id), None)
    if entitled is None:
        return None
    through = f"by `{entitled.rule}`" + (
        f" as a member of {entitled.group.name}" if entitled.group else ""
    )
    if mine is not None:
        where = "here" if mine.position == position else "in another stage"
        return False, f"{_DID[mine.verdict]} {where}, and nobody decides twice"
    if not standing.is_member:
        return False, f"{_WHY[Refusal.NO_MEMBER]} ({through})"
    if standing.person_id == card.requester.id:
        return False, f"{_WHY[Refusal.REQUESTER]} ({through})"
    if (part := bound.apart.get(standing.person_id)) is not None:
        return False, f"{_WHY[Refusal.APART].format(part=part)} ({through})"
    admitted = rules.admission(stage, standing, now, givers)
    if admitted is None:
        return False, f"{_WHY[Refusal.PLACE_USED]} ({through})"
    if not isinstance(admitted, Entitlement):
        group = entitled.group.name if entitled.group else "the group"
        return False, f"{_WHY[Refusal.TOO_NEW].format(group=group)} ({through})"
    if admitted.place in rules.places_used(votes, position):
        return False, f"{_WHY[Refusal.PLACE_USED]} ({through})"
    gave = rules.approvals(votes, position)
    if rules.is_passed(stage, gave) or rules.given(stage, [*gave, admitted.parties]) == rules.given(
        stage, gave
    ):
        return False, f"{_WHY[Refusal.PART_DONE]} ({through})"
    if not card.is_pending:
        return False, f"could have decided, {through}; the request has ended"
    if position != card.stage:
        when = "later, when this stage is asked" if position > card.stage else "before"
        return position > card.stage, f"can decide {when}, {through}"
    return True, f"can decide now, {through}"
