"""A request that waits is looked at again because something changed: it is routed anew, shown, told, and asked anew."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import changing
from storage.approvals.queries import RequestRow, VerdictRow
from storage.enums import ApprovalState
from workflows import outbox
from workflows.actors import SYSTEM
from workflows.approvals import (
    announcements,
    door,
    endings,
    judging,
    people,
    reopening,
    rereading,
    rules,
)
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.audit import service as audit
from workflows.policy import Gate


def recheck_facts(session: Session, approval_id: int, around: Circumstances) -> bool:
    """Read again what a request rests on, and do what follows; whether anything was different.

    Its stages are those of now beside those it had. What it rests on is kept as its cards show it from now on, and its
    revision rises, so that nobody approves it on what was shown before. Where it got graver and the gate says `ask_again`, what
    was approved before counts no more; and whoever has had a part in what is asked, by the record, has not decided.
    Nothing happens to one that has ended, and to one that waits for an answer before that is there.
    """
    at = door.enter_unattended(session, approval_id)
    head, request = at.head, at.request
    is_waiting = (
        request.state is ApprovalState.PENDING
        and around.now < request.expires_at
        and head.paused_at is None
    )
    reading = rereading.read_record(session, at, around) if is_waiting else None
    if reading is None:
        return False
    apart = rereading.list_apart_now(reading)
    void, position = _choose_void(reading, apart)
    counting = [row for row in at.decided if row.id not in void]
    route = rereading.plan_route(session, reading, apart, judging.list_spent(counting), around)
    graver = bool(reading.graver)
    if not rereading.keep_reading(session, reading, route, around):
        return False
    asks_others = bool(route.added or route.renamed)
    if void:
        _ask_again(session, at, route.request, void, position, around)
    elif graver or asks_others or reading.now.bars != reading.bound.bars:
        changing.revise(session, head.id)
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    if request.stages[request.stage].name in route.renamed and not void:
        _ask_others(session, head, route.request, at.decided, around)
    if graver or asks_others or void:
        _notify_concerned(session, at, void, around)
    return True


def _choose_void(reading: rereading.Reading, apart: Collection[str]) -> tuple[set[int], int]:
    """Ids of the verdicts that count no more, and the stage from which on people are asked anew."""
    decided = reading.at.decided
    late = {
        row.id: row.position
        for row in decided
        if {row.person_id, row.for_id, row.place_id} & set(apart)
    }
    gate = reading.gate
    if reading.graver and gate is not None and gate.when_facts_change == "ask_again":
        first = _find_reopened(gate, reading.at.request)
        late |= {row.id: row.position for row in decided if row.position >= first}
    if not late:
        return set(), 0
    position = min(late.values())
    # Who decided after a stage that is asked anew decided on its word.
    later = {row.id for row in decided if row.position > position}
    return {*late, *later}, position


def _find_reopened(gate: Gate, request: rules.Request) -> int:
    """From which stage on people are asked anew: where the gate says so, as when the requester changes what is asked."""
    order = [stage.name.casefold() for stage in gate.stages]
    wanted = (gate.change_reopens or order[0]).casefold()
    first = order.index(wanted)
    return next(
        (
            position
            for position, stage in enumerate(request.stages)
            if stage.name.casefold() in order[first:]
        ),
        0,
    )


def _ask_again(
    session: Session,
    at: Entered,
    request: rules.Request,
    void: set[int],
    position: int,
    around: Circumstances,
) -> None:
    head = at.head
    more.drop_conditions(session, head.id, now=around.now, decision_ids=sorted(void))
    audit.record(
        session,
        SYSTEM,
        "approval.asked_again",
        ("approval", head.id),
        now=around.now,
        void=sorted(void),
        whose=sorted({row.person_id for row in at.decided if row.id in void}),
        stage=position,
        back_from=request.stage,
    )
    reopening.reopen_stage(session, head, request, position, around, void=void)


def _ask_others(
    session: Session,
    head: RequestRow,
    request: rules.Request,
    decided: Sequence[VerdictRow],
    around: Circumstances,
) -> None:
    """Those whom the stage that is asked now asks since the policy names others for it."""
    stage = request.stages[request.stage]
    endings.ask_stage(
        session,
        head,
        stage,
        request.stage,
        {request.requester_id, *request.apart, *judging.list_spent(decided)},
        around,
        expires_at=request.expires_at,
        edition=head.edition,
    )


def _notify_concerned(
    session: Session, at: Entered, void: Collection[int], around: Circumstances
) -> None:
    """A line in the thread; a message to who asked, and to everybody who had decided on something else."""
    head, times = at.head, at.head.revision
    endings.post_thread_line(session, head, "moved", 0, around, times=times)
    concerned = {row.person_id: row.id for row in at.decided}
    people_ = [people.find_person(session, person_id) for person_id in sorted(concerned)]
    for person in sorted(
        (one for one in people_ if one is not None), key=lambda person: person.slack_id
    ):
        is_void = concerned[person.id] in void
        announcements.notify_person(
            session,
            head.id,
            person,
            "moved",
            concerned[person.id] if is_void else 0,
            org_key=around.org_key,
            now=around.now,
            times=times,
        )
    if head.requester_slack_id:
        announcements.notify_person(
            session,
            head.id,
            people.Reached(head.requester_id, head.requester_slack_id, ""),
            "moved",
            0,
            org_key=around.org_key,
            now=around.now,
            times=times,
        )
