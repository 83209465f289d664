"""Asking, following and deciding through the HTTP API: the same rules as in Slack, and Slack follows."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from bot.api.door import Caller, Door, needs
from bot.api.problems import NotTaken, describe_answers
from bot.api.waiting import Waiters
from bot.approvals import resources
from bot.approvals.resources import ApprovalsTold, ApprovalTold, Statement
from bot.context import Deps
from bot.door import act
from storage.db import CannotWrite
from storage.enums import ApprovalState, Scope, Verdict
from workflows import asking as askings
from workflows import decisions
from workflows.approvals.forms import Decide, Withdraw
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotFound
from workflows.releases import reads
from workflows.releases import service as releases
from workflows.releases.forms import AskRelease, Words
from workflows.releases.service import Asking

LONGEST_WAIT = 60
"""Seconds."""
BIGGEST = 2**31 - 1

StatementOf = Callable[[int], str | None]
"""The signed statement about an approved request, as its envelope's JSON; None where there is no key to sign with."""

ApprovalId = Annotated[int, Path(ge=1, le=BIGGEST)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this asking: the same key again opens nothing new.",
    ),
]
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


def router(deps: Deps, door: Door, waiters: Waiters, statement_of: StatementOf) -> APIRouter:
    """The endpoints under /approvals."""
    routes = APIRouter(prefix="/approvals", tags=["approvals"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]

    def look(session: Session, approval_id: int) -> ApprovalTold:
        card = decisions.card(session, approval_id, policy=deps.policy, now=deps.now(session))
        mark = reads.load_marks(session, [approval_id])[approval_id]
        return resources.build_approval(card, reads.find_place(session, approval_id), mark)

    def allowed(caller: Caller, approval_id: int, scope: Scope) -> None:
        """Refuse a request that is not for the caller as one that is not there; acts are judged by their own door."""
        door.require(caller, scope)
        with deps.db.read() as session:
            place = reads.find_place(session, approval_id)
            if scope is Scope.READ:
                with told_by_id(approval_id):
                    decisions.require_card(
                        session,
                        caller.actor,
                        approval_id,
                        policy=deps.policy,
                        now=deps.now(session),
                    )
        if not door.reaches(caller, scope, project=place.project, gate=place.gate):
            raise reads.unknown_request(approval_id)

    def shown(approval_id: int) -> ApprovalTold:
        with deps.db.read() as session:
            card = look(session, approval_id)
        if card.state is ApprovalState.APPROVED and card.digest is not None:
            try:
                envelope = statement_of(approval_id)
            except CannotWrite:
                envelope = None  # how it was decided is told; the statement comes with another look
            if envelope is not None:
                signed = Statement.model_validate(json.loads(envelope))
                return card.model_copy(update={"statement": signed})
        return card

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
        door.require(caller, Scope.ASK)
        project = door.project(caller, form.project)
        door.require(caller, Scope.ASK, project=project, gate=form.gate_name)
        policy, version = deps.in_force
        if form.gate_name not in policy.gates:
            raise InvalidInput(
                f"The policy has no gate {form.gate_name!r}. An administrator can add it to governance.yml.",
                field="gate",
            )
        asking = Asking(form=form, project=project, token=caller.token.prefix)
        opened = deps.db.run(
            lambda session: askings.ask_at_gate(
                session,
                caller.actor,
                asking,
                releases.request_key(caller.actor, key),
                token_name=caller.token.name,
                policy=policy,
                policy_id=version,
                now=deps.now(session),
                org_key=deps.team.org_key,
            )
        )
        response.status_code = 201 if opened.is_new else 200
        response.headers["Location"] = f"/api/v1/approvals/{opened.id}"
        return shown(opened.id).model_copy(
            update={
                "people": opened.people or None,
                "apart": [resources.build_apart(each) for each in opened.apart] or None,
            }
        )

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
        door.require(caller, Scope.READ)
        wanted = {gate.replace("-", "_")} if gate else set(caller.token.gates)
        if gate:
            door.require(caller, Scope.READ, gate=gate.replace("-", "_"))
        with deps.db.read() as session:
            if mine:
                cards = decisions.list_waiting(
                    session, caller.actor, policy=deps.policy, now=deps.now(session)
                )
                ids = [card.id for card in cards]
            else:
                ids = reads.list_ids(
                    session,
                    state=state,
                    gates=wanted,
                    projects=caller.token.projects,
                    within=decisions.list_projects_in_sight(
                        session, caller.actor, policy=deps.policy
                    ),
                    before=before,
                    most=limit + 1,
                )
            listed = [look(session, id_) for id_ in ids[:limit]]
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
        await run_in_threadpool(allowed, caller, approval_id, Scope.READ)
        if wait:
            await waiters.wait(approval_id, seen, wait)
        return await run_in_threadpool(shown, approval_id)

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
        allowed(caller, approval_id, Scope.READ)
        card = shown(approval_id)
        if card.state is not ApprovalState.APPROVED or card.digest is None:
            raise NotTaken(
                "There is a statement only about an approved release; this request is not one."
            )
        envelope = statement_of(approval_id)
        if envelope is None:
            raise NotTaken(
                "mlgov has no key to sign with here. An operator makes one by `mlgov keys new`."
            )
        return Response(envelope + "\n", media_type="application/vnd.dsse.envelope.v1+json")

    @routes.post(
        "/{approval_id}/decisions",
        response_model_exclude_none=True,
        responses=describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.DECIDE),
    )
    def decide(approval_id: ApprovalId, form: DecideRequest, caller: Calls) -> ApprovalTold:
        """Approve or reject, as yourself: with your own token, by the same rules as a click in Slack."""
        allowed(caller, approval_id, Scope.DECIDE)
        with told_by_id(approval_id):
            act(
                deps,
                caller.actor,
                Decide(
                    approval_id=approval_id,
                    revision=form.revision,
                    verdict=Verdict(form.verdict),
                    reason=form.reason,
                ),
                None,
                also=lambda session: audit.record(
                    session,
                    caller.actor,
                    "token.decided",
                    ("token", caller.token.prefix),
                    now=deps.now(session),
                    approval=approval_id,
                ),
            )
        return shown(approval_id)

    @routes.post(
        "/{approval_id}/withdraw",
        response_model_exclude_none=True,
        responses=describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.ASK),
    )
    def withdraw(approval_id: ApprovalId, form: WithdrawRequest, caller: Calls) -> ApprovalTold:
        """Take back what this token asked."""
        allowed(caller, approval_id, Scope.ASK)
        with told_by_id(approval_id):
            act(deps, caller.actor, Withdraw(approval_id=approval_id, revision=form.revision), None)
        return shown(approval_id)

    return routes
