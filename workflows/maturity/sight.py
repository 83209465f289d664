"""Who sees which result, and single answers where the first message of a check-in said so."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from storage.delivery.queries import produce
from storage.enums import Answer, CycleState, InvitationState, SeenBy
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import MaturityCycle, MaturityInvitation
from storage.people.tables import Person
from workflows.actors import Actor
from workflows.errors import NotAllowed, NotFound, RefusalFact
from workflows.maturity import invitees, reading
from workflows.maturity.records import CycleResult, SingleAnswers
from workflows.maturity.results import from_json
from workflows.maturity.rubric import Rubric
from workflows.policy import Policy


def may_see(
    session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str
) -> bool:
    """Whether somebody may see a result outside its channel: those who were asked, leaders and assessors."""
    return actor.is_member and (
        queries.was_invited(session, cycle_id, actor.id)
        or any(
            invitees.has_role(session, actor, role, policy=policy, org_key=org_key)
            for role in (invitees.LEADER, invitees.ASSESSOR)
        )
    )


def require_sight(
    session: Session,
    actor: Actor,
    cycle_id: int,
    *,
    policy: Policy,
    org_key: str,
    channel: str | None = None,
) -> None:
    """Refuse who may not see the result of a cycle. `channel` is where its card stands that they have pressed on.

    Whoever reads that channel has seen the result there. Raises NotAllowed.
    """
    if may_see(session, actor, cycle_id, policy=policy, org_key=org_key):
        return
    copies = produce.copies(session, "maturity_cycle", str(cycle_id))
    if (
        actor.is_member
        and channel is not None
        and any(copy.channel == channel for copy in copies)
    ):
        return
    raise NotAllowed(
        "This result is for the people who were asked, leaders and assessors. `/mlgov maturity` shows what you can see.",
        audit=RefusalFact("maturity.read", "maturity_cycle", str(cycle_id), why="role"),
    )


def seen_by(
    session: Session, actor: Actor, *, policy: Policy, org_key: str, now: datetime
) -> CycleResult | None:
    """The newest result that somebody may see: the organisation's, else that of a unit they were asked in."""
    for cycle in queries.list_closed(session):
        if cycle.result is not None and may_see(
            session, actor, cycle.id, policy=policy, org_key=org_key
        ):
            return from_json(cycle.result)
    return None


def shows_single(
    session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str
) -> bool:
    """Whether this person is shown single answers of a closed cycle."""
    cycle = queries.find_cycle(session, cycle_id)
    return (
        cycle is not None
        and cycle.state == CycleState.CLOSED
        and reading.terms(cycle, policy).seen_by is not SeenBy.NOBODY
        and invitees.has_role(
            session, actor, invitees.ASSESSOR, policy=policy, org_key=org_key
        )
    )


def single_answers(
    session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str
) -> tuple[SingleAnswers, ...]:
    """Each person's answers, where the first message of the check-in said that an assessor sees them.

    Without names they come in an order that says nothing about who gave them. Raises NotAllowed, NotFound.
    """
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.state != CycleState.CLOSED:
        raise NotFound("Single answers can be looked at once the check-in is closed.")
    terms = reading.terms(cycle, policy)
    if terms.seen_by is SeenBy.NOBODY or not invitees.has_role(
        session, actor, invitees.ASSESSOR, policy=policy, org_key=org_key
    ):
        raise NotAllowed(
            "Nobody is shown single answers of this check-in; that is what its first message promised."
            if terms.seen_by is SeenBy.NOBODY
            else "Single answers are for assessors, whom an administrator names in governance.yml."
        )
    named = terms.seen_by is SeenBy.ASSESSOR_BY_NAME
    asked = reading.rubric_of(session, cycle)
    answers: dict[int, dict[str, Answer]] = {}
    for i, statement, answer in said.list_cycle_answers(session, cycle_id):
        answers.setdefault(i, {})[statement] = Answer(answer)
    invited = queries.list_with_people(session, cycle_id)
    everybody = [
        (invitation, person)
        for invitation, person in invited
        if invitation.id in answers and invitation.state != InvitationState.LEFT
    ]
    if not named:
        everybody = _tellable(everybody, answers, asked)
        if _was_erased_since(session, cycle, invited):
            raise NotAllowed(
                "Somebody's answers were erased after results had been told, so single answers aren't shown any more: "
                "which ones are gone would tell whose they were."
            )
        if len(everybody) < terms.minimum_group:
            raise NotAllowed(
                f"Fewer than {terms.minimum_group} people answered everything, so single answers would tell who said what."
            )
    everybody.sort(key=lambda pair: pair[1].name if named else pair[0].salt or "")
    found = []
    for invitation, person in everybody:
        notes = {
            note.dimension: note for note in said.list_notes(session, invitation.id)
        }
        ids = [
            i
            for n in notes.values()
            for i in (n.comment_id, n.link_id)
            if i is not None
        ]
        found.append(
            SingleAnswers(
                person.name if named else None,
                reading.parts(
                    asked, answers[invitation.id], notes, said.texts(session, ids)
                ),
            )
        )
    return tuple(found)


def _tellable(
    everybody: list[tuple[MaturityInvitation, Person]],
    answers: Mapping[int, Mapping[str, Answer]],
    asked: Rubric,
) -> list[tuple[MaturityInvitation, Person]]:
    """Without names, those who answered everything: what somebody left out is known to others, and would name them."""
    return [
        (invitation, person)
        for invitation, person in everybody
        if all(one.id in answers[invitation.id] for one in asked.statements)
    ]


def _was_erased_since(
    session: Session,
    cycle: MaturityCycle,
    invited: Iterable[tuple[MaturityInvitation, Person]],
) -> bool:
    """Whether somebody was erased who may stand in a figure that was told, early or in the end."""
    early = said.list_early(session, cycle.id)
    since = early[0].made_at if early else cycle.closed_at
    return since is not None and any(
        person.erased_at is not None and person.erased_at >= since
        for _, person in invited
    )
