"""The requester changes what they ask. Other words only tell; another thing asks people anew, from a stage on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow, VerdictRow
from storage.approvals.tables import ApprovalQuestion
from storage.audit.tables import PrivateText
from storage.enums import ApprovalState
from workflows import approvable, outbox, permissions, resting, timers
from workflows.approvable import Prepared
from workflows.approvals import approvers, completion, door, notifications, rules, submission
from workflows.approvals.approvers import Reached, bind_stages, find_passing_rule
from workflows.approvals.completion import EXPIRE
from workflows.approvals.door import Entered
from workflows.approvals.forms import UNEXPLAINED, Answer, AskInformation, DropQuestion, Edit
from workflows.approvals.records import Card
from workflows.approvals.rules import Refusal
from workflows.approvals.stages import Bound, Dropped, Stage
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact
from workflows.policy import Gate

# --- Asking the requester something before deciding
#
# the request waits, its clock stands still, the answer lets it go on.

PATIENCE = timedelta(days=7)
"""By how much everything about the request is put off at most while it waits for an answer, so that no question holds
a request for ever: without an answer in that time it can still expire."""


def ask_question(ctx: Context, form: AskInformation, at: Entered) -> str:
    """The request waits for the requester's answer; nothing about it falls due meanwhile."""
    head, request = at.head, at.request
    if head.paused_at is not None:
        raise InvalidInput(
            "This waits for an answer already. You can ask again when it is there.",
            field="question",
        )
    if not form.question:
        raise InvalidInput("Say what you want to know.", field="question")
    text = audit.write_text(ctx.session, ctx.actor, form.question, now=ctx.now)
    question_id = activity.insert_question(
        ctx.session,
        approval_id=head.id,
        position=request.stage,
        asked_by=ctx.actor.id,
        question_id=text.id,
        asked_at=ctx.now,
        answer_id=None,
        ended_at=None,
    )
    queries.revise(
        ctx.session,
        head.id,
        paused_at=ctx.now,
        has_more=True,
        expires_at=request.expires_at + PATIENCE,
        asked_at=head.asked_at + PATIENCE if head.asked_at else None,
    )
    timers.shift(ctx.session, notifications.subject(head.id), PATIENCE)
    audit.record(
        ctx,
        "approval.questioned",
        ("approval", head.id),
        question=question_id,
        stage=request.stage,
        words=audit.text_fact(text),
    )
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_thread_line(ctx, head, "question", question_id)
    if head.requester_slack_id:
        requester = Reached(head.requester_id, head.requester_slack_id, "")
        notifications.notify_person(ctx, head.id, requester, "question", question_id)
    return "Your question is with the requester. The request waits, and its clock stands still until the answer is there; you will be told."


def answer_question(ctx: Context, form: Answer, at: Entered) -> str:
    """The answer is there: the request goes on, with as much time as it had when the question came."""
    head, request = at.head, at.request
    question = _require_open_question(ctx.session, at)
    if not form.answer:
        raise InvalidInput("Say in a sentence what they asked.", field="answer")
    text = audit.write_text(ctx.session, ctx.actor, form.answer, now=ctx.now)
    question.answer_id = text.id
    _resume_request(ctx, head, request, question, "answered", text)
    asker = approvers.find_person(ctx.session, question.asked_by)
    if asker is not None:
        notifications.notify_person(ctx, head.id, asker, "answer", question.id)
    return "Your answer is with the request, and whoever asked was told. The request goes on."


def require_asker(ctx: Context, form: DropQuestion, at: Entered) -> None:
    """Only whoever asked the question that is open."""
    if ctx.actor.id != _require_open_question(ctx.session, at).asked_by:
        raise NotAllowed(
            "Only the person who asked the question can take it back. You can still reject the request."
        )


def drop_question(ctx: Context, form: DropQuestion, at: Entered) -> str:
    """Whoever asked needs no answer any more: the request goes on."""
    head, request = at.head, at.request
    question = _require_open_question(ctx.session, at)
    _resume_request(ctx, head, request, question, "unasked", None)
    return "You took your question back, and the request goes on."


def _require_open_question(session: Session, at: Entered) -> ApprovalQuestion:
    question = activity.find_open_question(session, at.head.id)
    if question is None:
        raise GovernanceError(
            "No question is open on this request, so there is nothing to answer. The request shows how it stands."
        )
    return question


def _resume_request(
    ctx: Context,
    head: RequestRow,
    request: rules.Request,
    question: ApprovalQuestion,
    what: str,
    text: PrivateText | None,
) -> None:
    question.ended_at = ctx.now
    # A clock that was set back meanwhile gives nobody more time than a question holds a request for.
    stood_still = max(ctx.now - (head.paused_at or ctx.now), timedelta(0))
    unused = PATIENCE - stood_still
    queries.revise(
        ctx.session,
        head.id,
        paused_at=None,
        expires_at=request.expires_at - unused,
        asked_at=head.asked_at - unused if head.asked_at else None,
    )
    timers.shift(ctx.session, notifications.subject(head.id), -unused)
    # What changed while the question was open was left alone: nobody could approve.
    resting.recheck(ctx.session, [head.id], at=ctx.now)
    audit.record(
        ctx,
        f"approval.{what}",
        ("approval", head.id),
        question=question.id,
        stood_still=int(stood_still.total_seconds()),
        words=audit.text_fact(text) if text is not None else None,
    )
    ctx.session.flush()
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_thread_line(ctx, head, what, question.id)


# --- The requester changes what they ask
#
# Other words only tell; another thing asks people anew, from a stage on.

NOT_YOURS = "Only the person who asked for this can change it. If you decide on it, you can ask for information."
STAYS = "A request stays about what it was opened for. Ask for this with a new one."
_OPENED_ON = frozenset({"revision", "from_revision"})
"""Facts that say which revision of its subject a form was opened on; they are no part of what is asked."""


def require_editable(ctx: Context, approval_id: int) -> Card:
    """The request as it stands, for the window that changes it. Raises the refusal of who may not, or not any more."""
    permissions.require_member(ctx.actor, "approval.edit", subject=("approval", approval_id))
    card = door.require_card(ctx, approval_id)
    if card.requester.id != ctx.actor.id:
        raise NotAllowed(
            NOT_YOURS,
            audit=RefusalFact("approval.edit", "approval", str(card.id), why="not_requester"),
        )
    if not card.is_pending:
        raise door.build_refusal(ctx, Refusal.ENDED, card.id)
    if ctx.now >= card.expires_at:
        raise door.build_refusal(ctx, Refusal.OVERDUE, card.id)
    if not card.is_editable:
        raise NotAllowed(
            "A pipeline asked for this, so it cannot be changed here. Withdraw it, and let the pipeline ask anew."
        )
    if card.question is not None:
        raise InvalidInput(
            f"{card.question.asker.name} asked you something first. Answer that, then change the request."
        )
    return card


def edit_request(ctx: Context, form: Edit, at: Entered) -> str:
    """Change the request; a sentence (not escaped) for whoever did it.

    Another thing asked binds the request to the policy in force, as a new one would be.
    """
    head, request = at.head, at.request
    before = require_editable(ctx, head.id)
    if not form.reason:
        raise InvalidInput(UNEXPLAINED, field="reason")
    if form.subject_type not in ("", head.subject_type):
        raise InvalidInput(STAYS)
    prepared = approvable.SUBJECTS[head.subject_type].prepare(ctx, form.form, replacing=head.id)
    if prepared.subject_id != head.subject_id:
        raise InvalidInput(STAYS)
    is_material = _select_asked(prepared.facts) != _select_asked(head.facts)
    if not is_material and form.reason == before.reason:
        raise InvalidInput(
            "Nothing here is different from what you asked. Change something, or leave it as it is.",
            field="reason",
        )
    change = _Change(head, request, before, prepared, form.reason, is_material, ctx.policy_id)
    return _change_question(ctx, change) if is_material else _change_words(ctx, change)


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


def _change_words(ctx: Context, change: _Change) -> str:
    edit_id = _record_edit(ctx, change, reopened=None, void=())
    queries.set_columns(ctx.session, change.head.id, has_more=True)
    outbox.refresh(ctx, notifications.subject(change.head.id))
    completion.post_thread_line(ctx, change.head, "edited", edit_id)
    return "Every copy shows your new words. You ask for the same, so nobody is asked anew."


def _change_question(ctx: Context, change: _Change) -> str:
    head = change.head
    gate = ctx.policy.gates.get(head.gate)
    if gate is None:
        raise InvalidInput(
            "The policy has no such gate any more. Withdraw this request, and ask at a gate that there is."
        )
    by_rule = find_passing_rule(gate, head.gate, change.prepared.conditions)
    plan = _plan_change(ctx, change, gate, by_rule)
    reopened = None if by_rule or not plan.asks_anew else plan.rest[0].name
    edit_id = _record_edit(ctx, change, reopened=reopened, void=plan.void)
    if plan.void:
        gone = [row.id for row in plan.void]
        queries.void_decisions(ctx.session, gone, at=ctx.now)
        activity.drop_conditions(ctx.session, head.id, now=ctx.now, decision_ids=gone)
    queries.set_columns(
        ctx.session,
        head.id,
        facts=change.prepared.facts,
        edition=head.edition + 1,
        has_more=True,
        moved=None,
    )
    _restage(ctx, change, plan)
    completion.post_thread_line(ctx, head, "edited", edit_id)
    if by_rule:
        again, request = door.lock_request(ctx.session, head.id)
        completion.end_request(ctx.as_system(), again, request, ApprovalState.APPROVED)
        return "What you ask for now passes by rule: it is approved."
    _notify_concerned(ctx, change, plan, edit_id)
    if not plan.asks_anew:
        return (
            "Every copy shows what you ask for now. Those who decided so far need not decide again."
        )
    name = plan.rest[0].name
    lost = " What was decided counts no more." if plan.void else ""
    return f"Every copy shows what you ask for now. {name} is asked anew.{lost}"


def _plan_change(ctx: Context, change: _Change, gate: Gate, by_rule: str) -> _Plan:
    """Raises NobodyToDecide when what is asked now could never pass."""
    head, request, prepared = change.head, change.request, change.prepared
    decided = queries.list_verdicts(ctx.session, head.id)
    apart = rules.list_apart(gate, prepared, ctx.actor)
    expires_at = ctx.now + gate.expires_after
    words = approvers.resolve_words(ctx, prepared.people, ctx.actor.id)
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
        known_at=ctx.now.isoformat(timespec="microseconds"),
        rests=tuple(
            each.stored() for each in rules.select_counting(prepared.rests, gate, head.gate)
        ),
    )
    void = tuple(row for row in decided if by_rule or row.position >= start)
    rest = tuple(stages[start:])
    if not by_rule and (rest or not start):
        spent = door.list_spent([row for row in decided if row not in void])
        rest = submission.staff_stages(
            ctx, gate, rest, words, barred={ctx.actor.id, *apart, *spent}, by=expires_at
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
    ctx: Context, change: _Change, *, reopened: str | None, void: Sequence[VerdictRow]
) -> int:
    """What stood there before, the new words, and the ledger's entry."""
    head, is_reworded = change.head, change.reason != change.before.reason
    edit_id = activity.insert_edit(
        ctx.session,
        approval_id=head.id,
        person_id=ctx.actor.id,
        is_material=change.is_material,
        facts=head.facts,
        reason_id=head.reason_id,
        reopened=reopened,
        voided=len(void),
        edited_at=ctx.now,
        revision=head.revision,
    )
    text = None
    if is_reworded:
        text = audit.write_text(ctx.session, ctx.actor, change.reason, now=ctx.now)
        queries.set_columns(ctx.session, head.id, reason_id=text.id)
    audit.record(
        ctx,
        "approval.edited",
        ("approval", head.id),
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


def _restage(ctx: Context, change: _Change, plan: _Plan) -> None:
    """The rest of the way, as it is now; clocks start again with as much time as a new request has."""
    head, subject = change.head, notifications.subject(change.head.id)
    activity.replace_stages(
        ctx.session,
        head.id,
        plan.start,
        [stage.stored() for stage in plan.rest],
        bound=plan.bound.stored(),
        policy_id=change.policy_id,
        expires_at=plan.expires_at,
    )
    queries.advance(
        ctx.session, head.id, stage=plan.stage, state=ApprovalState.PENDING, asked_at=ctx.now
    )
    timers.cancel(ctx.session, subject)
    timers.keep_going(ctx.session, subject, EXPIRE, plan.expires_at)
    asked = plan.rest[0] if plan.asks_anew else change.request.stages[plan.stage]
    completion.restart_stage_timers(ctx, head.id, asked, plan.stage)
    outbox.refresh(ctx, subject)


def _notify_concerned(ctx: Context, change: _Change, plan: _Plan, edit_id: int) -> None:
    """Those who are asked anew get a card; those whose verdict counts no more and who are not asked now, a word."""
    head = change.head
    asked: dict[str, approvers.Reached] = {}
    if plan.asks_anew:
        kept = {row.person_id for row in queries.list_verdicts(ctx.session, head.id)}
        asked = completion.ask_stage(
            ctx,
            head,
            plan.rest[0],
            plan.stage,
            {head.requester_id, *plan.bound.apart, *kept},
            expires_at=plan.expires_at,
            edition=head.edition + 1,
        )
    for row in plan.void:
        person = approvers.find_person(ctx.session, row.person_id)
        if person is not None and person.id not in asked:
            notifications.notify_person(ctx, head.id, person, "edited", edit_id)
