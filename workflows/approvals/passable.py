"""Whether a request that waits can still pass: looked at whenever people, their groups, absences or the policy change.

Who could decide when it was asked may have left since. Then the policy's fallback is asked; where there's none, or it
reaches too few, whoever asked and the administrators hear it at once instead of waiting until it expires.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.approvals import reminding as statements
from storage.approvals.queries import RequestRow, VerdictRow
from storage.enums import ApprovalState, Verdict
from workflows import outbox, rollout, visibility
from workflows.actors import SYSTEM
from workflows.approvals import announcements, door, judging, people, rereading, routing, seating
from workflows.approvals.binding import list_fallback
from workflows.approvals.endings import Circumstances
from workflows.approvals.people import Reached
from workflows.approvals.rules import Request
from workflows.approvals.service import mask_named
from workflows.approvals.stages import Bound, Stage
from workflows.audit import service as audit

STUCK = "stuck"
"""What a note is about that says that nobody is left to decide."""


def recheck_passable(session: Session, approval_id: int, around: Circumstances) -> bool:
    """Take the fallback of each stage that could not pass any more, and tell of one that can't even so; once a stage.

    Whether the request is another one now.
    """
    head, request = door.lock_request(session, approval_id)
    if request.state is not ApprovalState.PENDING or around.now >= request.expires_at:
        return False
    is_changed = False
    decided = queries.list_verdicts(session, approval_id)
    stages = list(request.stages[request.stage :])
    while (short := _find_shortage(session, request, stages, decided, around)) is not None:
        stage, position = stages[short.position], request.stage + short.position
        filled = None if stage.fallback else _add_fallback(session, head, stage, around)
        if filled is None:
            _report_stuck(session, head, request, position, short, around)
            return is_changed
        stages[short.position] = filled
        _fall_back(session, head, request, position, filled, decided, around)
        is_changed = True
    return is_changed


def _find_shortage(
    session: Session,
    request: Request,
    stages: Sequence[Stage],
    decided: Sequence[VerdictRow],
    around: Circumstances,
) -> seating.Shortage | None:
    """The first stage that has too few people left for the places that are still open in it."""
    reached = people.list_reached_parties(session, stages, around.org_key, by=request.expires_at)
    barred = judging.list_spent(decided) | {request.requester_id, *request.apart}
    ways = []
    for index, (stage, parties) in enumerate(zip(stages, reached, strict=True)):
        needs: list[seating.Need] = [
            (
                max(0, quorum - (_count_given(request, decided, party) if not index else 0)),
                parties[party].keys() - barred,
            )
            for party, quorum in enumerate(stage.quorums)
        ]
        ways.append([[need] for need in needs] if stage.mode == "any" else [needs])
    return seating.shortage_in(ways)


def _count_given(request: Request, decided: Sequence[VerdictRow], party: int) -> int:
    """How many approvals a group of the stage that is asked now has."""
    return sum(
        row.position == request.stage
        and row.verdict == Verdict.APPROVE.value
        and party in (row.parties or (0,))
        for row in decided
    )


def _add_fallback(
    session: Session, head: RequestRow, stage: Stage, around: Circumstances
) -> Stage | None:
    """The stage with those who decide in place of nobody, by the policy that the request is bound to."""
    policy = rereading.load_bound_policy(session, head, around)
    gate = policy.gates.get(head.gate)
    if gate is None or all(one.name != stage.name for one in gate.stages):
        return None
    words = people.resolve_words(
        session, policy, Bound.of(head.bound).people, head.requester_id, org_key=around.org_key
    )
    spare = tuple(replace(one, is_late=True) for one in list_fallback(gate, stage.name, words))
    if not spare:
        return None
    return routing.add_fallback(stage, spare)


def _fall_back(
    session: Session,
    head: RequestRow,
    request: Request,
    position: int,
    stage: Stage,
    decided: Sequence[VerdictRow],
    around: Circumstances,
) -> None:
    stored = stage.stored()
    statements.set_stage(
        session, head.id, position, approvers=stored["approvers"], rules=stored["rules"]
    )
    audit.record(
        session,
        SYSTEM,
        "approval.fallback",
        ("approval", head.id),
        now=around.now,
        stage=position,
        rules=[mask_named(one.rule) for one in stage.fallback],
    )
    outbox.refresh(session, announcements.subject(head.id), now=around.now)
    if position != request.stage:
        return
    barred = judging.list_spent(decided) | {request.requester_id, *request.apart}
    (parties,) = people.list_reached_parties(
        session, [replace(stage, approvers=stage.fallback)], around.org_key, by=request.expires_at
    )
    coming: Mapping[str, Reached] = {
        id_: one for party in parties for id_, one in party.items() if id_ not in barred
    }
    announcements.ask_people(
        session,
        head.id,
        position,
        coming,
        expires_at=request.expires_at,
        org_key=around.org_key,
        now=around.now,
    )


def _report_stuck(
    session: Session,
    head: RequestRow,
    request: Request,
    position: int,
    short: seating.Shortage,
    around: Circumstances,
) -> None:
    """Say it to whoever asked and to each administrator, once for the stage; on the ledger, too."""
    whom = {
        person_id: person
        for person_id in (
            request.requester_id,
            *visibility.list_holders(
                session, rollout.ADMIN, policy=around.policy, org_key=around.org_key
            ),
        )
        if (person := people.find_person(session, person_id)) is not None
    }
    note_ids = [
        announcements.notify_person(
            session, head.id, person, STUCK, position, org_key=around.org_key, now=around.now
        )
        for _, person in sorted(whom.items())
    ]
    if any(one is not None for one in note_ids):
        audit.record(
            session,
            SYSTEM,
            "approval.stuck",
            ("approval", head.id),
            now=around.now,
            stage=position,
            people=short.found,
        )
