"""What mlgov reads itself is read again when a stage opens: stages that today's facts choose as well are still asked."""

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import changing, queries, replaying
from storage.policies import queries as policies
from workflows import policy as policies_text
from workflows.actors import SYSTEM
from workflows.approvals import people as people_of
from workflows.approvals import routing, rules, ways
from workflows.approvals.binding import Words, bind, passes_by
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.approvals.stages import Bound, Stage
from workflows.audit import service as audit
from workflows.errors import GovernanceError, NotAllowed, RefusalFact
from workflows.policy import Policy, PolicyRefused
from workflows.subjects import ReadAgain, Rereadable

PART = {
    "developer": "developer",
    "validator": "validator",
    "contributors": "contributor",
}
"""What the policy keeps apart → what somebody is to the subject then."""


def read_again(
    session: Session, at: Entered, decided: set[str], around: Circumstances
) -> rules.Request:
    """The request with the stages that what the record says now chooses beside those it has; its row is locked.

    A stage is never dropped here: what a request was opened with is asked. The policy is that of the request.
    `decided` are the people who have decided, or do so now. Raises GovernanceError when a stage that has to be asked
    now could never pass.
    """
    head, request = at.head, at.request
    subject = around.subjects[head.subject_type]
    bound = Bound.of(head.bound)
    if not isinstance(subject, Rereadable) or head.bound is None:
        return request
    read = subject.read_again(
        session,
        head.subject_id,
        head.facts,
        policy=around.policy,
        now=around.now,
    )
    if read is None:
        return request
    known = tuple(each.stored() for each in read.known)
    apart = _apart(session, head, bound, read, decided, around)
    if (
        dict(read.conditions) == bound.facts
        and known == bound.known
        and apart == bound.apart
    ):
        return request
    request = replace(request, apart=apart)
    rest, way = _rest(session, head, request, bound, read, decided, around)
    kept = replace(
        bound,
        apart=apart,
        facts=dict(read.conditions),
        known=known,
        known_at=around.now.isoformat(timespec="microseconds"),
        dropped=tuple(
            one
            for one in bound.dropped
            if one.name not in {stage.name for stage in rest}
        ),
        way=None if bound.way is None else way,
    )
    added = [
        stage.name for stage in rest if stage not in request.stages[request.stage + 1 :]
    ]
    if added:
        replaying.replace_stages(
            session,
            head.id,
            request.stage + 1,
            [stage.stored() for stage in rest],
            bound=kept.stored(),
            policy_id=head.policy_id,
            expires_at=head.expires_at,
        )
    else:
        changing.mark(session, head.id, bound=kept.stored())
    audit.record(
        session,
        SYSTEM,
        "approval.read_again",
        ("approval", head.id),
        now=around.now,
        known=list(known),
        told=kept.facts,
        added=added,
        apart=sorted(apart),
    )
    return replace(request, stages=(*request.stages[: request.stage + 1], *rest))


def _rest(
    session: Session,
    head: Any,
    request: rules.Request,
    bound: Bound,
    read: ReadAgain,
    decided: set[str],
    around: Circumstances,
) -> tuple[tuple[Stage, ...], tuple[str, ...]]:
    """The stages after the one that is asked now, with those that have to be asked too, and the way that demands."""
    later = request.stages[request.stage + 1 :]
    policy = policy_of(session, head, around)
    gate = policy.gates.get(head.gate)
    if gate is None or passes_by(gate, head.gate, read.conditions):
        return later, bound.way or ()
    rows = queries.list_standing(session, request.requester_id)
    words = Words(policy, bound.people, rows[0].manager_id if rows else None)
    chosen, _ = bind(gate, head.gate, words, read.conditions)
    has = {stage.name for stage in request.stages}
    new = [stage for stage in chosen if stage.name not in has]
    if not new:
        return later, bound.way or ()
    try:
        staffed = routing.staffed(
            session,
            gate,
            new,
            words,
            barred={request.requester_id, *request.apart, *decided},
            by=head.expires_at,
            now=around.now,
            org_key=around.org_key,
        )
    except GovernanceError as error:
        names = " and ".join(stage.name for stage in new)
        why = error.sentence.partition(" Nothing was sent.")[0]
        raise GovernanceError(
            f"What mlgov knows of this has changed since it was asked, so {names} has to decide too. {why} Nothing was changed."
        ) from None
    places = {stage.name: place for place, stage in enumerate(gate.stages)}
    rest = tuple(
        sorted((*later, *staffed), key=lambda stage: places.get(stage.name, -1))
    )
    return rest, (*(bound.way or ()), *ways.demands(staffed))


def _apart(
    session: Session,
    head: Any,
    bound: Bound,
    read: ReadAgain,
    decided: set[str],
    around: Circumstances,
) -> dict[str, str]:
    """Who may not decide, with those of whom the record says by now that they had a part. Raises NotAllowed when one did decide."""
    found = dict(bound.apart)
    gate = policy_of(session, head, around).gates.get(head.gate) if read.parts else None
    for part, people in read.parts.items():
        if gate is not None and part in gate.separate:
            for person in people:
                found.setdefault(person, PART[part])
    late = sorted(decided & (found.keys() - bound.apart.keys()))
    if late:
        rows = (people_of.one(session, one) for one in late)
        names = [row.name for row in rows if row is not None]
        raise NotAllowed(
            f"The record says by now that {', '.join(names) or 'somebody who decided'} had a part in this, and the policy keeps "
            "them apart from those who decide. Nothing was approved; the request has to be asked anew.",
            audit=RefusalFact("approval.decide", "approval", str(head.id), why="apart"),
        )
    return found


def policy_of(session: Session, head: Any, around: Circumstances) -> Policy:
    """The version of the policy that the request is bound to; the one in force where this release can't read that one."""
    try:
        bound = policies_text.parse(policies.get_text(session, head.policy_id)).policy
    except PolicyRefused:
        return around.policy
    return bound if head.gate in bound.gates else around.policy
