"""Who sees which result, and single answers where the first message of a check-in said so."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import Answer, CycleState, InvitationState, SeenBy
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import MaturityCycle, MaturityInvitation
from storage.people import queries as people
from storage.people.tables import Person
from workflows import permissions, visibility
from workflows.actors import Actor
from workflows.errors import NotAllowed, NotFound
from workflows.maturity import invitees, reading
from workflows.maturity.cycles import TYPE
from workflows.maturity.records import CycleResult, SingleAnswers
from workflows.maturity.results import from_json
from workflows.maturity.rubric import Rubric
from workflows.policy import Policy

NO_RESULT = "There is no such result here for you to see."
NO_TARGETS = "There are no such targets here for you to see. They are for those whom the check-in asked, for leaders and for assessors."


def may_see(session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str) -> bool:
    """Whether somebody may see a result outside its channel: those who were asked, leaders and assessors."""
    return actor.is_member and (
        queries.was_invited(session, cycle_id, actor.id)
        or any(
            invitees.has_role(session, actor, role, policy=policy, org_key=org_key)
            for role in (invitees.LEADER, invitees.ASSESSOR)
        )
    )


def load_result(
    session: Session,
    actor: Actor,
    cycle_id: int,
    *,
    policy: Policy,
    org_key: str,
    clicked: visibility.Place = None,
) -> CycleResult:
    """The result of a closed check-in before somebody who may see it, or who has its card before them (`clicked`).

    Raises NotFound for everybody else, as for one that is open or not there.
    """
    cycle = queries.find_cycle(session, cycle_id)
    card = visibility.find_shown(session, actor, clicked)
    if (
        cycle is None
        or cycle.result is None
        or not (
            card == (TYPE, str(cycle_id))
            or may_see(session, actor, cycle_id, policy=policy, org_key=org_key)
        )
    ):
        raise NotFound(NO_RESULT, hint="maturity.results")
    return from_json(cycle.result)


def resolve_unit(
    session: Session, actor: Actor, words: str, *, policy: Policy, org_key: str
) -> str | None:
    """The business unit that somebody typed, whose targets they may see; None for no words: the organisation.

    Targets stand beside the newest result, so they are for who may see that: leaders, assessors and those who were asked;
    a unit's are for its own people too, and the organisation's are everybody's until there is a result. Raises NotFound,
    in the same words for a unit that is not there.
    """
    permissions.require_member(actor, "maturity.read")
    if any(
        invitees.has_role(session, actor, role, policy=policy, org_key=org_key)
        for role in (invitees.LEADER, invitees.ASSESSOR)
    ):
        units = queries.list_units(session, org_key)
        return invitees.resolve_unit(units, words) if words else None
    person = people.find_person(session, actor.id)
    own = person.business_unit if person is not None else None
    if words and own is not None and invitees.folded(own) == invitees.folded(words):
        return own
    wanted = next(
        (
            one
            for one in queries.list_units(session, org_key)
            if invitees.folded(one) == invitees.folded(words)
        ),
        None,
    )
    last = queries.find_last_closed(session, wanted) if wanted or not words else None
    was_asked = last is not None and queries.was_invited(session, last.id, actor.id)
    if was_asked or (last is None and not words):
        return wanted
    raise NotFound(NO_TARGETS)


def find_visible_result(
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
        and invitees.has_role(session, actor, invitees.ASSESSOR, policy=policy, org_key=org_key)
    )


def list_single_answers(
    session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str
) -> tuple[SingleAnswers, ...]:
    """Each person's answers, where the first message of the check-in said that an assessor sees them.

    Without names they come in an order that says nothing about who gave them. Raises NotAllowed, NotFound.
    """
    if not invitees.has_role(session, actor, invitees.ASSESSOR, policy=policy, org_key=org_key):
        raise NotAllowed(
            "Single answers are for assessors, whom an administrator names in governance.yml."
        )
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.state != CycleState.CLOSED:
        raise NotFound("Single answers can be looked at once the check-in is closed.")
    terms = reading.terms(cycle, policy)
    if terms.seen_by is SeenBy.NOBODY:
        raise NotAllowed(
            "Nobody is shown single answers of this check-in; that is what its first message promised."
        )
    named = terms.seen_by is SeenBy.ASSESSOR_BY_NAME
    asked = reading.load_rubric(session, cycle)
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
    invitations = []
    for invitation, person in everybody:
        notes = {note.dimension: note for note in said.list_notes(session, invitation.id)}
        ids = [i for n in notes.values() for i in (n.comment_id, n.link_id) if i is not None]
        invitations.append(
            SingleAnswers(
                person.name if named else None,
                reading.parts(asked, answers[invitation.id], notes, said.load_texts(session, ids)),
            )
        )
    return tuple(invitations)


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
    session: Session, cycle: MaturityCycle, invited: Iterable[tuple[MaturityInvitation, Person]]
) -> bool:
    """Whether somebody was erased who may stand in a figure that was told, early or in the end."""
    early = said.list_early(session, cycle.id)
    since = early[0].made_at if early else cycle.closed_at
    return since is not None and any(
        person.erased_at is not None and person.erased_at >= since for _, person in invited
    )
