"""The requester changes what they ask. Other words only tell; another thing asks people anew, from a stage on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import changing, queries, replaying
from storage.approvals.queries import RequestRow, VerdictRow
from storage.enums import ApprovalState
from workflows import outbox, permissions, timers
from workflows.actors import SYSTEM, Actor
from workflows.approvals import (
    announcements,
    changes,
    clocks,
    door,
    endings,
    judging,
    people,
    routing,
    rules,
    separation,
    sight,
)
from workflows.approvals.binding import bind_stages, find_passing_rule
from workflows.approvals.door import Entered
from workflows.approvals.endings import EXPIRE, Circumstances
from workflows.approvals.forms import Edit
from workflows.approvals.records import Card
from workflows.approvals.rules import Refusal
from workflows.approvals.stages import Bound, Dropped, Stage
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotAllowed, RefusalFact
from workflows.policy import Gate
from workflows.subjects import Prepared

NOT_YOURS = "Only the person who asked for this can change it. If you decide on it, you can ask for information."
STAYS = "A request stays about what it was opened for. Ask for this with a new one."
_OPENED_ON = frozenset({"revision", "from_revision"})
"""Facts that say which revision of its subject a form was opened on; they are no part of what is asked."""


def require_editable(
    session: Session, actor: Actor, approval_id: int, around: Circumstances
) -> Card:
    """The request as it stands, for the window that changes it. Raises the refusal of who may not, or not any more."""
    permissions.require_member(actor, "approval.edit", subject=("approval", approval_id))
    card = sight.require_card(session, actor, approval_id, around)
    if card.requester.id != actor.id:
        raise NotAllowed(
            NOT_YOURS,
            audit=RefusalFact("approval.edit", "approval", str(card.id), why="not_requester"),
        )
    if not card.is_pending:
        raise door.build_refusal(session, Refusal.ENDED, card.id, actor, around)
    if around.now >= card.expires_at:
        raise door.build_refusal(session, Refusal.OVERDUE, card.id, actor, around)
    if not card.is_editable:
        raise NotAllowed(
            "A pipeline asked for this, so it cannot be changed here. Withdraw it, and let the pipeline ask anew."
        )
    if card.question is not None:
        raise InvalidInput(
            f"{card.question.asker.name} asked you something first. Answer that, then change the request."
        )
    return card


def edit_request(
    session: Session, actor: Actor, form: Edit, at: Entered, around: Circumstances
) -> str:
    """Change the request; a sentence (not escaped) for whoever did it.

    Another thing asked binds the request to the policy in force, as a new one would be.
    """
    head, request = at.head, at.request
    before = require_editable(session, actor, head.id, around)
    if not form.reason:
        raise InvalidInput(
            "Say in a sentence why this is needed; those who decide read it.", field="reason"
        )
    if form.subject_type not in ("", head.subject_type):
        raise InvalidInput(STAYS)
    prepared = around.subjects[head.subject_type].prepare(
        session, actor, form.form, policy=around.policy, now=around.now, replacing=head.id
    )
    if prepared.subject_id != head.subject_id:
        raise InvalidInput(STAYS)
    is_material = _select_asked(prepared.facts) != _select_asked(head.facts)
    if not is_material and form.reason == before.reason:
        raise InvalidInput(
            "Nothing here is different from what you asked. Change something, or leave it as it is.",
            field="reason",
        )
    change = _Change(head, request, before, prepared, form.reason, is_material, around.policy_id)
    return (
        _change_question(session, actor, change, around)
        if is_material
        else _change_words(session, actor, change, around)
    )


def _select_asked(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in _OPENED_ON}


@dataclass(frozen=True, slots=True)
class _Change:
    head: RequestRow
    request: rules.Request
    before: Card
    prepared: Prepared
    reason: str
    is_material: bool
    policy_id: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a material change comes to: where the request goes on, and which stages are bound anew."""

    stage: int
    """The stage that is asked next."""
    start: int
    """From here on the stages are replaced."""
    rest: tuple[Stage, ...]
    bound: Bound
    void: tuple[VerdictRow, ...]
    """Verdicts that count no more."""
    expires_at: datetime

    @property
    def asks_anew(self) -> bool:
        """Whether the stage that is asked is asked again; it is not where the policy reopens only later ones."""
        return self.start == self.stage


def _change_words(session: Session, actor: Actor, change: _Change, around: Circumstances) -> str:
    edit_id = _record_edit(session, actor, change, around, reopened=None, void=())
    changing.set_columns(session, change.head.id, has_more=True)
    outbox.refresh(
        session, announcements.subject(change.head.id), now=around.now, clicked=around.clicked
    )
    endings.post_thread_line(session, change.head, "edited", edit_id, around)
    return "Every copy shows your new words. You ask for the same, so nobody is asked anew."


def _change_question(session: Session, actor: Actor, change: _Change, around: Circumstances) -> str:
    head = change.head
    gate = around.policy.gates.get(head.gate)
    if gate is None:
        raise InvalidInput(
            "The policy has no such gate any more. Withdraw this request, and ask at a gate that there is."
        )
    by_rule = find_passing_rule(gate, head.gate, change.prepared.conditions)
    plan = _plan_change(session, actor, change, gate, by_rule, around)
    reopened = None if by_rule or not plan.asks_anew else plan.rest[0].name
    edit_id = _record_edit(session, actor, change, around, reopened=reopened, void=plan.void)
    if plan.void:
        gone = [row.id for row in plan.void]
        changing.void_decisions(session, gone, at=around.now)
        more.drop_conditions(session, head.id, now=around.now, decision_ids=gone)
    changing.set_columns(
        session,
        head.id,
        facts=change.prepared.facts,
        edition=head.edition + 1,
        has_more=True,
        moved=None,
    )
    _restage(session, change, plan, around)
    endings.post_thread_line(session, head, "edited", edit_id, around)
    if by_rule:
        again, request = door.lock_request(session, head.id)
        endings.end_request(session, SYSTEM, again, request, ApprovalState.APPROVED, around)
        return "What you ask for now passes by rule: it is approved."
    _notify_concerned(session, change, plan, edit_id, around)
    if not plan.asks_anew:
        return (
            "Every copy shows what you ask for now. Those who decided so far need not decide again."
        )
    name = plan.rest[0].name
    lost = " What was decided counts no more." if plan.void else ""
    return f"Every copy shows what you ask for now. {name} is asked anew.{lost}"


def _plan_change(
    session: Session, actor: Actor, change: _Change, gate: Gate, by_rule: str, around: Circumstances
) -> _Plan:
    """Raises NobodyToDecide when what is asked now could never pass."""
    head, request, prepared = change.head, change.request, change.prepared
    decided = queries.list_verdicts(session, head.id)
    apart = separation.list_apart(gate, prepared, actor)
    expires_at = around.now + gate.expires_after
    words = people.resolve_words(
        session, around.policy, prepared.people, actor.id, org_key=around.org_key
    )
    dropped: tuple[Dropped, ...] = ()
    if by_rule:
        stages, stage, start = request.stages, 0, 0
    else:
        stages, dropped = bind_stages(gate, head.gate, words, prepared.conditions)
        place = _find_reopened(gate, stages, request)
        stage = min(place, request.stage)
        start = stage if place <= request.stage else stage + 1
    bound = Bound(
        dict(prepared.conditions),
        prepared.people,
        prepared.contributors,
        apart,
        dropped,
        by_rule,
        gate.valid_for,
        known=tuple(each.stored() for each in prepared.known),
        known_at=around.now.isoformat(timespec="microseconds"),
        rests=tuple(
            each.stored() for each in changes.select_counting(prepared.rests, gate, head.gate)
        ),
    )
    void = tuple(row for row in decided if by_rule or row.position >= start)
    rest = tuple(stages[start:])
    if not by_rule and (rest or not start):
        spent = judging.list_spent([row for row in decided if row not in void])
        rest = routing.staff_stages(
            session,
            gate,
            rest,
            words,
            barred={actor.id, *apart, *spent},
            by=expires_at,
            now=around.now,
            org_key=around.org_key,
        )
    return _Plan(stage, start, rest, bound, void, expires_at)


def _find_reopened(gate: Gate, stages: Sequence[Stage], request: rules.Request) -> int:
    """From which of the new stages on people are asked anew: where the policy says so, or where the way differs."""
    order = [stage.name for stage in gate.stages]
    first = next(
        (
            index
            for index, name in enumerate(order)
            if gate.change_reopens and name.casefold() == gate.change_reopens.casefold()
        ),
        0,
    )
    named = next(
        (index for index, stage in enumerate(stages) if order.index(stage.name) >= first),
        len(stages),
    )
    passed = request.stages[: request.stage + 1]
    differs = next(
        (
            index
            for index, old in enumerate(passed)
            if index >= len(stages) or old.shape != stages[index].shape
        ),
        len(passed),
    )
    return min(named, differs, max(len(stages) - 1, 0))


def _record_edit(
    session: Session,
    actor: Actor,
    change: _Change,
    around: Circumstances,
    *,
    reopened: str | None,
    void: Sequence[VerdictRow],
) -> int:
    """What stood there before, the new words, and the ledger's entry."""
    head, is_reworded = change.head, change.reason != change.before.reason
    edit_id = more.insert_edit(
        session,
        approval_id=head.id,
        person_id=actor.id,
        is_material=change.is_material,
        facts=head.facts,
        reason_id=head.reason_id,
        reopened=reopened,
        voided=len(void),
        edited_at=around.now,
        revision=head.revision,
    )
    text = None
    if is_reworded:
        text = audit.write_text(session, actor, change.reason, now=around.now)
        changing.set_columns(session, head.id, reason_id=text.id)
    audit.record(
        session,
        actor,
        "approval.edited",
        ("approval", head.id),
        now=around.now,
        edit=edit_id,
        material=change.is_material,
        asked=change.prepared.facts if change.is_material else None,
        before=rules.digest(head.facts),
        after=rules.digest(change.prepared.facts if change.is_material else head.facts),
        reopened=reopened,
        void=[row.id for row in void],
        policy=change.policy_id if change.is_material else head.policy_id,
        reason=audit.text_fact(text) if text is not None else None,
    )
    return edit_id


def _restage(session: Session, change: _Change, plan: _Plan, around: Circumstances) -> None:
    """The rest of the way, as it is now; clocks start again with as much time as a new request has."""
    head, subject = change.head, announcements.subject(change.head.id)
    replaying.replace_stages(
        session,
        head.id,
        plan.start,
        [stage.stored() for stage in plan.rest],
        bound=plan.bound.stored(),
        policy_id=change.policy_id,
        expires_at=plan.expires_at,
    )
    queries.advance(
        session, head.id, stage=plan.stage, state=ApprovalState.PENDING, asked_at=around.now
    )
    timers.cancel(session, subject)
    timers.keep_going(session, subject, EXPIRE, plan.expires_at)
    asked = plan.rest[0] if plan.asks_anew else change.request.stages[plan.stage]
    clocks.restart_stage_timers(session, head.id, asked, plan.stage, now=around.now)
    outbox.refresh(session, subject, now=around.now, clicked=around.clicked)


def _notify_concerned(
    session: Session, change: _Change, plan: _Plan, edit_id: int, around: Circumstances
) -> None:
    """Those who are asked anew get a card; those whose verdict counts no more and who are not asked now, a word."""
    head = change.head
    asked: dict[str, people.Reached] = {}
    if plan.asks_anew:
        kept = {row.person_id for row in queries.list_verdicts(session, head.id)}
        asked = endings.ask_stage(
            session,
            head,
            plan.rest[0],
            plan.stage,
            {head.requester_id, *plan.bound.apart, *kept},
            around,
            expires_at=plan.expires_at,
            edition=head.edition + 1,
        )
    for row in plan.void:
        person = people.find_person(session, row.person_id)
        if person is not None and person.id not in asked:
            announcements.notify_person(
                session, head.id, person, "edited", edit_id, org_key=around.org_key, now=around.now
            )
