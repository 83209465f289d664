"""Whether somebody decides in the stage that is asked now: for themselves, for who is away, or in a place they took."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from storage.approvals.queries import VerdictRow
from workflows.actors import Actor
from workflows.approvals import absences, door, people, reads, rules
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import OnRequest
from workflows.approvals.refusals import AlreadyDecided
from workflows.approvals.rules import Basis, Entitlement, Refusal

_NOT_ASKED = frozenset({Refusal.NOT_YET, Refusal.PASSED, Refusal.NOT_ASKED})
_BY_MEMBERSHIP = _NOT_ASKED | {Refusal.NO_MEMBER}
"""Refusals that another word from Slack could lift."""


def require_entitled(
    session: Session, actor: Actor, form: OnRequest, at: Entered, around: Circumstances
) -> Entitlement:
    """By what this person's verdict counts, and in whose place. Raises the refusal when it does not."""
    if any(row.for_id == actor.id for row in at.decided):
        raise AlreadyDecided(
            "Whoever stands in for you has decided on this in your place, and nobody decides twice."
        )
    standing = people.build_standing(at.rows)
    givers = people.list_givers(session, [at.request.current])
    verdict = rules.judge(
        at.request, at.votes, standing, revision=form.revision, now=around.now, givers=givers
    )
    if isinstance(verdict, Entitlement):
        return verdict
    basis = [Basis(standing)]
    if verdict in _NOT_ASKED and _may_stand_in(at, standing.person_id):
        principals = absences.list_principals(session, at.rows, standing.person_id, now=around.now)
        basis += [Basis(one.standing) for one in principals]
        instead = _find_place_of_absent(
            session, actor, form, at, [one.standing for one in principals], givers, around
        )
        if instead is not None:
            basis_of = (Basis(standing), *instead.basis)
            return replace(instead, basis=basis_of)
    if verdict in _BY_MEMBERSHIP:
        basis += [Basis(one) for one in givers.values()]
        door.require_slack_asked(basis, reads.list_approver_ids(session, at.head.id), around)
    raise door.build_refusal(
        session, verdict, at.head.id, actor, around, shown_revision=form.revision
    )


def _may_stand_in(at: Entered, person_id: str) -> bool:
    """Whether this person may decide for somebody who is away: never who took part, nor who gave their own place away."""
    stage = at.request.current
    return (
        stage.delegate
        and person_id not in at.request.apart
        and not any(approver.by == person_id for approver in stage.approvers)
    )


def _find_place_of_absent(
    session: Session,
    actor: Actor,
    form: OnRequest,
    at: Entered,
    principals: Sequence[rules.Standing],
    givers: rules.Standings,
    around: Circumstances,
) -> Entitlement | None:
    """Whether one of those who are away would decide now, whose place nobody has used."""
    spent = list_spent(at.decided)
    for principal in principals:
        if principal.person_id in spent:
            continue
        verdict = rules.judge(
            at.request, at.votes, principal, revision=form.revision, now=around.now, givers=givers
        )
        if isinstance(verdict, Entitlement):
            return replace(verdict, instead_of=principal.person_id)
        if verdict is Refusal.STALE:
            raise door.build_refusal(
                session, verdict, at.head.id, actor, around, shown_revision=form.revision
            )
    return None


def list_spent(decided: Sequence[VerdictRow]) -> set[str]:
    """Who has decided, themselves or through whoever stood in for them."""
    return {
        person_id
        for row in decided
        for person_id in (row.person_id, row.for_id)
        if person_id is not None
    }
