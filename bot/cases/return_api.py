"""What came of projects, from programs."""

import hashlib
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bot.deps import Deps
from bot.web.api import describe_answers
from bot.web.authentication import Caller, Door, needs
from storage.enums import ReturnSource, Scope
from storage.money import money_text
from workflows.cases import realised, returns
from workflows.cases.return_forms import ReportReturn
from workflows.context import Context
from workflows.errors import InvalidInput, first_fault
from workflows.releases.forms import PROJECT


class NewReturn(BaseModel):
    """What came of a project in a period, in the currency of its business case."""

    model_config = ConfigDict(extra="forbid")

    project: Annotated[str, StringConstraints(pattern=PROJECT)] | None = Field(
        default=None, description="Its key; left out by a token that is bound to one project."
    )
    starts: date = Field(description="The first day that counts.")
    ends: date = Field(description="The last day that counts.")
    amount: Annotated[Decimal, Field(allow_inf_nan=False)] = Field(
        description="0 for nothing, below 0 for a loss."
    )
    note: Annotated[str, StringConstraints(max_length=2000)] = ""
    replaces: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="The number of the return that this one corrects."
    )


class ReturnTold(BaseModel):
    """A return that is on record; amounts are exact decimal texts. Somebody has to attest it in Slack."""

    id: int
    project: str
    amount: str
    currency: str
    planned: str | None = Field(
        description="What was planned for these days; null without a business case."
    )
    is_attested: bool


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this call: the same again changes nothing.",
    ),
]


def router(deps: Deps, door: Door) -> APIRouter:
    """The endpoint under /returns."""
    api = APIRouter(prefix="/returns", tags=["returns"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]

    @api.post(
        "",
        status_code=201,
        responses=describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.RETURNS),
    )
    def report(sent: NewReturn, caller: Calls, key: IdempotencyKey = None) -> ReturnTold:
        """Say what came of a project. The same again changes nothing."""
        project = door.project(caller, sent.project)
        door.require(caller, Scope.RETURNS, project=project)

        def work(ctx: Context) -> ReturnTold:
            project_id = realised.find_reported_project(ctx, project)
            name = key or sent.model_dump_json(exclude={"project"})
            digest = hashlib.sha256(f"{project_id}\n{name}".encode()).hexdigest()
            form = _fill(sent, project_id, f"api:{caller.actor.id}:{digest}")
            return_id = returns.report(ctx, form, source=ReturnSource.API)
            return _tell(ctx, return_id)

        return deps.act(caller.actor, work)

    return api


def _fill(sent: NewReturn, project_id: int, request_key: str) -> ReportReturn:
    entered = sent.model_dump(exclude={"project"})
    try:
        return ReportReturn(**entered, project_id=project_id, request_key=request_key)
    except ValidationError as error:
        place, sentence = first_fault(error)
        raise InvalidInput(sentence, field=place or "ends") from None


def _tell(ctx: Context, return_id: int) -> ReturnTold:
    loaded = realised.load_return(ctx, return_id)
    if loaded is None:
        raise returns.no_return()
    project, line = loaded
    return ReturnTold(
        id=line.id,
        project=project.key,
        amount=money_text(line.amount),
        currency=line.currency,
        planned=money_text(line.planned) if line.planned is not None else None,
        is_attested=line.attested_at is not None,
    )
