"""A program asks at a gate: the same question twice is one request, and any other is a request of its own."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from storage.releases import queries
from storage.releases.queries import AskedRow
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.approvals.stages import Bound
from workflows.context import Actor, ActorKind, Context
from workflows.releases import reads, rules
from workflows.releases import service as releases
from workflows.releases.rules import Apart, Difference
from workflows.releases.service import Asking, KeyReused

_SOMEBODY_ELSE = Difference("requester", "somebody else asked it, and you could decide on it")
STAGES = "stages"
"""In the place of a field, where not the question differs but what it takes to decide it."""


@dataclass(frozen=True, slots=True)
class AskOutcome:
    """What became of an asking."""

    id: int
    is_new: bool
    people: dict[str, str]
    """Whom its words stand for: word → person id."""
    apart: tuple[Apart, ...] = ()
    """What it did not join; only for a request that is new."""


def ask_at_gate(ctx: Context, asking: Asking, request_key: str, *, token_name: str) -> AskOutcome:
    """Open a request, or give the one that answers this very question already.

    The same key gives the same request, ended or not. Another key joins a request that waits when every field of the
    question is the same, and today's facts choose no more than that request asks. Raises KeyReused when the key named
    another question, and whatever the gate refuses.
    """
    form = asking.form
    queries.lock_key(ctx.session, request_key)
    known = queries.find_keyed(ctx.session, request_key)
    people = reads.resolve_people(ctx.session, form)
    if known is not None:
        _require_same(ctx.session, known, asking, people)
        return AskOutcome(known.id, False, people)
    prepared = releases.RELEASE.prepare(ctx, asking)
    way = submission.find_current_way(ctx, form.gate_name, prepared)
    apart = []
    for row in queries.list_pending(ctx.session, form.gate_name, prepared.subject_id, now=ctx.now):
        differences = _differences(ctx.session, row, asking, people) or tuple(
            Difference(STAGES, words)
            for words in submission.list_beyond(Bound.of(row.bound), row.requester_id, way)
        )
        if not differences and not _may_join(ctx.actor, row):
            differences = (_SOMEBODY_ELSE,)
        if not differences:
            return AskOutcome(row.id, False, people)
        apart.append(Apart(row.id, differences))
    approval_id = submission.submit_request(
        ctx,
        SubmitRequest(
            gate=form.gate_name,
            subject_type=releases.TYPE,
            form=asking,
            reason=reads.reason_of(form, token_name),
            request_key=request_key,
        ),
    )
    return AskOutcome(approval_id, True, people, tuple(apart))


def _may_join(actor: Actor, row: AskedRow) -> bool:
    """Whoever joins is not known as a requester there, so it has to be somebody who never decides."""
    return actor.kind is ActorKind.PROGRAM or row.requester_id == actor.id


def _differences(
    session: Session, row: AskedRow, asking: Asking, people: dict[str, str]
) -> tuple[Difference, ...]:
    before = reads.question_of(row)
    facts = rules.list_fields(asking.form, asking.project, people)
    now = reads.question_beside(row, asking.form, facts)
    return (
        ()
        if rules.digest_question(before) == rules.digest_question(now)
        else reads.list_differences(session, before, now)
    )


def _require_same(session: Session, row: AskedRow, asking: Asking, people: dict[str, str]) -> None:
    differences = _differences(session, row, asking, people)
    if differences:
        differing = "; ".join(one.words for one in differences)
        raise KeyReused(
            f"This Idempotency-Key named another question before, request {row.id}: {differing}. "
            "Use a new key for a new question.",
            differences,
        )
