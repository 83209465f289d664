"""Asking, following and deciding through the HTTP API: the same rules as in Slack, and Slack follows."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from bot.approvals import words
from bot.deps import Deps
from bot.freshness import act
from bot.web.api import BIGGEST, IdempotencyKey, NotTaken, describe_answers
from bot.web.authentication import Caller, Door, needs
from bot.web.long_polling import Waiters
from storage.db import CannotWrite
from storage.enums import ApprovalState, Scope, Verdict
from workflows import gate_requests as askings
from workflows.approvals import door as approval_door
from workflows.approvals import reads as approval_reads
from workflows.approvals.forms import Decide, Withdraw
from workflows.approvals.records import Card, Line, Round
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotFound
from workflows.releases import reads
from workflows.releases import service as releases
from workflows.releases.forms import AskRelease, Words
from workflows.releases.reads import Mark, Place
from workflows.releases.rules import Apart
from workflows.releases.service import Asking

# --- Requests as the HTTP API tells of them
#
# Pure.


class Who(BaseModel):
    """A person or a program; `id` is opaque and what the ledger calls them."""

    id: str
    name: str


class DecisionTold(BaseModel):
    """One verdict."""

    by: Who
    verdict: Verdict
    stage: str
    reason: str
    at: datetime


class StageTold(BaseModel):
    """Approvers who are asked together: `passed`, `asked` now, or `to come`."""

    name: str
    state: str
    approved: int
    quorum: int
    asked: list[str] = Field(description="Groups and people by name.")


class Statement(BaseModel):
    """A signed statement (in-toto Statement in a DSSE envelope) about an approval."""

    payload: str
    payloadType: str
    signatures: list[dict[str, str]]


class DifferenceTold(BaseModel):
    """One field in which two askings differ; `stages` where more has to be decided today."""

    field: str
    words: str


class ApartTold(BaseModel):
    """A request about the same release that waits at the same gate, and why this asking did not join it."""

    id: int
    differences: list[DifferenceTold]


class ApprovalTold(BaseModel):
    """A request as it stands."""

    id: int
    state: ApprovalState
    gate: str
    project: str
    asks: str = Field(description="What is asked, in words.")
    news: str = Field(description="How it stands, in one sentence.")
    subject: str | None = None
    digest: str | None = None
    commit: str | None = None
    environment: str | None = None
    asked: dict[str, Any] | None = Field(
        default=None,
        description="The question, by field: all that the asker gave. People are opaque ids, the reason is a salted digest.",
    )
    question: str | None = Field(
        default=None,
        description="SHA-256 over `asked`: two askings are one request only when it is equal.",
    )
    known: dict[str, Any] | None = Field(
        default=None,
        description="What mlgov read of its own record when a stage opened, like the tier; no part of the question.",
    )
    changed: list[str] | None = Field(
        default=None,
        description="What it rests on, or asks to change, that is not as it was when it was asked, in words.",
    )
    barred: list[str] | None = Field(
        default=None, description="What bars the step now, whoever approves it, in words."
    )
    people: dict[str, str] | None = Field(
        default=None,
        description="In the answer to an asking: the opaque ids of those whom it names.",
    )
    apart: list[ApartTold] | None = Field(
        default=None,
        description="In the answer to an asking: requests that wait and that it did not join.",
    )
    reason: str
    requested_by: Who
    requested_at: datetime
    decide_by: datetime
    ended_at: datetime | None = None
    revision: int = Field(description="What a decision must name: what it was shown.")
    mark: str = Field(description="Differs whenever the request or a verdict does.")
    stages: list[StageTold]
    decisions: list[DecisionTold]
    policy_version: int
    statement: Statement | None = Field(
        default=None, description="Once approved, where mlgov has a key to sign with."
    )


class ApprovalsTold(BaseModel):
    """Several requests, newest first."""

    approvals: list[ApprovalTold]
    next: int | None = Field(
        default=None, description="Give it as `before` for the ones that follow."
    )


def build_approval(
    card: Card, place: Place, mark: Mark, statement: Statement | None = None
) -> ApprovalTold:
    """A request for programs."""
    names = {stage.position: stage.name for stage in card.rounds}
    return ApprovalTold(
        id=card.id,
        state=card.state,
        gate=card.gate,
        project=place.project,
        asks=f"{card.words.project} asks to {card.words.asks}",
        news=describe_news(card),
        subject=place.asked.get("subject"),
        digest=place.asked.get("digest"),
        commit=place.asked.get("commit"),
        environment=place.asked.get("environment"),
        asked=place.asked or None,
        question=place.question,
        known=place.known or None,
        changed=[*card.changes, *([card.moved.clause] if card.moved else [])] or None,
        barred=list(card.bars) or None,
        reason=card.reason,
        requested_by=Who(id=card.requester.id, name=card.requester.name),
        requested_at=card.created_at,
        decide_by=card.expires_at,
        ended_at=card.decided_at,
        revision=card.revision,
        mark=mark.text,
        stages=[_stage(card, stage) for stage in card.rounds],
        decisions=[_decision(line, names[line.position]) for line in card.lines],
        policy_version=card.policy_id,
        statement=statement,
    )


def build_apart(record: Apart) -> ApartTold:
    """A request that an asking did not join, for programs."""
    return ApartTold(
        id=record.id,
        differences=[
            DifferenceTold(field=one.field, words=one.words) for one in record.differences
        ],
    )


def describe_news(card: Card) -> str:
    """How a request stands, in one plain sentence."""
    state = words.STATES[card.state].split()[-1]
    if card.is_pending:
        now = card.round
        asked = " and ".join(now.asked[:3]) or "nobody"
        return f"{state} for {now.name} ({asked}): {now.approved} of {now.quorum} approved."
    if card.state is ApprovalState.APPROVED:
        who = ", ".join(line.person.name for line in card.approvers) or "rule"
        return f"{state} by {who}: {card.words.done}."
    if card.rejection is not None:
        line = card.rejection
        return f"{state} by {line.person.name}: {line.reason or 'no reason is kept'}"
    return f"{state}: {card.words.stays}."


def _stage(card: Card, stage: Round) -> StageTold:
    if stage.position < card.stage or card.state is ApprovalState.APPROVED:
        state = "passed"
    elif stage.position == card.stage:
        state = "asked"
    else:
        state = "to come"
    return StageTold(
        name=stage.name,
        state=state,
        approved=stage.approved,
        quorum=stage.quorum,
        asked=list(stage.asked),
    )


def _decision(line: Line, stage: str) -> DecisionTold:
    return DecisionTold(
        by=Who(id=line.person.id, name=line.person.name),
        verdict=line.verdict,
        stage=stage,
        reason=line.reason,
        at=line.at,
    )


# --- Asking, following and deciding through the HTTP API
#
# the same rules as in Slack, and Slack follows.

LONGEST_WAIT = 60
"""Seconds."""

StatementOf = Callable[[int], str | None]
"""The signed statement about an approved request, as its envelope's JSON; None where there is no key to sign with."""

ApprovalId = Annotated[int, Path(ge=1, le=BIGGEST)]
Wait = Annotated[int, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the decision.")]
Seen = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9.]{1,40}$",
        description="The `mark` that was seen: waiting ends with every change.",
    ),
]


class DecideRequest(BaseModel):
    """A verdict on what was shown."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["approve", "reject"]
    revision: Annotated[int, Field(ge=1, le=BIGGEST)]
    reason: Words = ""


class WithdrawRequest(BaseModel):
    """Taking back what was shown."""

    model_config = ConfigDict(extra="forbid")

    revision: Annotated[int, Field(ge=1, le=BIGGEST)]


@contextmanager
def told_by_id(approval_id: int) -> Iterator[None]:
    """Whatever refuses a request as if there were none says it in the same words."""
    try:
        yield
    except NotFound as error:
        raise reads.unknown_request(approval_id, audit=error.audit) from None


@dataclass(frozen=True, slots=True)
class _Requests:
    """What the endpoints of requests share."""

    deps: Deps
    door: Door
    waiters: Waiters
    statement_of: StatementOf

    def load_approval(self, session: Session, approval_id: int) -> ApprovalTold:
        """A request as programs read it. Raises NotFound."""
        card = approval_reads.card(self.deps.context(session), approval_id)
        mark = reads.load_marks(session, [approval_id])[approval_id]
        return build_approval(card, reads.find_place(session, approval_id), mark)

    def require_reach(self, caller: Caller, approval_id: int, scope: Scope) -> None:
        """Refuse a request that is not for the caller as one that is not there; acts are judged by their own self.door."""
        self.door.require(caller, scope)
        with self.deps.begin_read(caller.actor) as ctx:
            place = reads.find_place(ctx.session, approval_id)
            if scope is Scope.READ:
                with told_by_id(approval_id):
                    approval_door.require_card(ctx, approval_id)
        if not self.door.reaches(caller, scope, project=place.project, gate=place.gate):
            raise reads.unknown_request(approval_id)

    def describe(self, approval_id: int) -> ApprovalTold:
        """A request with the signed statement about it, where there is one."""
        with self.deps.db.read() as session:
            card = self.load_approval(session, approval_id)
        if card.state is ApprovalState.APPROVED and card.digest is not None:
            try:
                envelope = self.statement_of(approval_id)
            except CannotWrite:
                envelope = None  # how it was decided is told; the statement comes with another look
            if envelope is not None:
                signed = Statement.model_validate(json.loads(envelope))
                return card.model_copy(update={"statement": signed})
        return card


def router(deps: Deps, door: Door, waiters: Waiters, statement_of: StatementOf) -> APIRouter:
    """The endpoints under /approvals."""
    routes = APIRouter(prefix="/approvals", tags=["approvals"], route_class=door.route)
    at = _Requests(deps, door, waiters, statement_of)
    _add_asking(routes, at)
    _add_reading(routes, at)
    _add_acting(routes, at)
    return routes


def _add_asking(routes: APIRouter, at: _Requests) -> None:
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @routes.post(
        "",
        status_code=201,
        response_model_exclude_none=True,
        responses={
            200: {
                "model": ApprovalTold,
                "description": "It was asked before; this is how it stands.",
            },
            **describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429),
        },
        openapi_extra=needs(Scope.ASK),
    )
    def ask(
        form: AskRelease, key: IdempotencyKey, caller: Calls, response: Response
    ) -> ApprovalTold:
        """Ask at a gate whether something may be released. The very same question joins the request that waits."""
        at.door.require(caller, Scope.ASK)
        project = at.door.project(caller, form.project)
        at.door.require(caller, Scope.ASK, project=project, gate=form.gate_name)
        if form.gate_name not in at.deps.policy.gates:
            raise InvalidInput(
                f"The policy has no gate {form.gate_name!r}. An administrator can add it to governance.yml.",
                field="gate",
            )
        asking = Asking(form=form, project=project, token=caller.token.prefix)
        opened = at.deps.act(
            caller.actor,
            askings.ask_at_gate,
            asking,
            releases.request_key(caller.actor, key),
            token_name=caller.token.name,
        )
        response.status_code = 201 if opened.is_new else 200
        response.headers["Location"] = f"/api/v1/approvals/{opened.id}"
        return at.describe(opened.id).model_copy(
            update={
                "people": opened.people or None,
                "apart": [build_apart(each) for each in opened.apart] or None,
            }
        )


def _add_reading(routes: APIRouter, at: _Requests) -> None:
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @routes.get(
        "", response_model_exclude_none=True, responses=describe_answers(400, 401, 403, 422, 429)
    )
    def list_(
        caller: Calls,
        state: ApprovalState | None = None,
        gate: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_-]{0,59}$")] = None,
        before: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
        limit: Annotated[int, Query(ge=1, le=50)] = 20,
        mine: Annotated[
            bool, Query(description="Only what waits for you; a person's token.")
        ] = False,
    ) -> ApprovalsTold:
        """Requests, newest first."""
        at.door.require(caller, Scope.READ)
        wanted = {gate.replace("-", "_")} if gate else set(caller.token.gates)
        if gate:
            at.door.require(caller, Scope.READ, gate=gate.replace("-", "_"))
        with at.deps.begin_read(caller.actor) as ctx:
            if mine:
                cards = approval_reads.list_waiting(ctx)
                ids = [card.id for card in cards]
            else:
                ids = reads.list_ids(
                    ctx.session,
                    state=state,
                    gates=wanted,
                    projects=caller.token.projects,
                    within=approval_reads.list_projects_in_sight(ctx),
                    before=before,
                    most=limit + 1,
                )
            listed = [at.load_approval(ctx.session, id_) for id_ in ids[:limit]]
        return ApprovalsTold(approvals=listed, next=ids[limit - 1] if len(ids) > limit else None)

    @routes.get(
        "/{approval_id}",
        response_model_exclude_none=True,
        responses=describe_answers(400, 401, 403, 404, 422, 429),
    )
    async def show(
        approval_id: ApprovalId, caller: Calls, wait: Wait = 0, seen: Seen = None
    ) -> ApprovalTold:
        """A request as it stands; with `wait`, once it was decided or the time is over."""
        await run_in_threadpool(at.require_reach, caller, approval_id, Scope.READ)
        if wait:
            await at.waiters.wait(approval_id, seen, wait)
        return await run_in_threadpool(at.describe, approval_id)

    @routes.get(
        "/{approval_id}/statement",
        response_class=Response,
        responses={
            200: {
                "content": {"application/vnd.dsse.envelope.v1+json": {}},
                "description": "The envelope, byte for byte as `mlgov verify` checks it.",
            },
            **describe_answers(400, 401, 403, 404, 409, 422, 429),
        },
    )
    def statement(approval_id: ApprovalId, caller: Calls) -> Response:
        """The signed statement about an approved release, as a file."""
        at.require_reach(caller, approval_id, Scope.READ)
        card = at.describe(approval_id)
        if card.state is not ApprovalState.APPROVED or card.digest is None:
            raise NotTaken(
                "There is a statement only about an approved release; this request is not one."
            )
        envelope = at.statement_of(approval_id)
        if envelope is None:
            raise NotTaken(
                "mlgov has no key to sign with here. An operator makes one by `mlgov keys new`."
            )
        return Response(envelope + "\n", media_type="application/vnd.dsse.envelope.v1+json")


def _add_acting(routes: APIRouter, at: _Requests) -> None:
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @routes.post(
        "/{approval_id}/decisions",
        response_model_exclude_none=True,
        responses=describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.DECIDE),
    )
    def decide(approval_id: ApprovalId, form: DecideRequest, caller: Calls) -> ApprovalTold:
        """Approve or reject, as yourself: with your own token, by the same rules as a click in Slack."""
        at.require_reach(caller, approval_id, Scope.DECIDE)
        with told_by_id(approval_id):
            act(
                at.deps,
                caller.actor,
                Decide(
                    approval_id=approval_id,
                    revision=form.revision,
                    verdict=Verdict(form.verdict),
                    reason=form.reason,
                ),
                None,
                also=lambda ctx: audit.record(
                    ctx, "token.decided", ("token", caller.token.prefix), approval=approval_id
                ),
            )
        return at.describe(approval_id)

    @routes.post(
        "/{approval_id}/withdraw",
        response_model_exclude_none=True,
        responses=describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.ASK),
    )
    def withdraw(approval_id: ApprovalId, form: WithdrawRequest, caller: Calls) -> ApprovalTold:
        """Take back what this token asked."""
        at.require_reach(caller, approval_id, Scope.ASK)
        with told_by_id(approval_id):
            act(
                at.deps,
                caller.actor,
                Withdraw(approval_id=approval_id, revision=form.revision),
                None,
            )
        return at.describe(approval_id)
