"""Taking in cost from programs: rows of their own, or rows in the FOCUS format."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from bot import failpoints
from bot.api.door import Caller, Door, needs
from bot.api.problems import NotTaken, describe_answers
from bot.api.uploads import Uploads, describe_form, require_json
from bot.budgets import deliveries
from bot.budgets.deliveries import Costs, Delivery, Reading
from bot.context import Deps
from storage.enums import Scope
from storage.money import money_text
from workflows.budgets import intake
from workflows.budgets.records import CostReport
from workflows.budgets.sources import Deliverer
from workflows.budgets.twice import Choice
from workflows.errors import InvalidInput, NotAllowed


class MonthTaken(BaseModel):
    """What became of one billing month: `new`, `replaced` or `unchanged`."""

    source: str
    month: date
    what: str
    rows: int
    billed: dict[str, str]


class CostsTaken(BaseModel):
    """What a delivery did."""

    months: list[MonthTaken]
    unallocated: dict[str, str] = Field(
        description="Cost of all sources that belongs to no project, by currency; empty for a token that is bound to projects."
    )
    thresholds_crossed: int
    charges_through: date | None


def router(deps: Deps, door: Door, uploads: Uploads) -> APIRouter:
    """The endpoints under /costs."""
    api = APIRouter(prefix="/costs", tags=["costs"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]

    @api.post(
        "",
        responses=describe_answers(400, 401, 403, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.COSTS) | describe_form(Costs),
    )
    async def take(request: Request, caller: Calls) -> CostsTaken:
        """Take in cost. The same again changes nothing."""
        require_json(request)
        asked = Reading(deps.policy.costs.tag_keys, caller.token.projects)
        async with uploads.take(request, caller) as upload:
            delivery = await upload.read(deliveries.READ, asked)
            return await upload.work(lambda: _load(deps, delivery, caller))

    return api


def _load(deps: Deps, delivery: Delivery, caller: Caller) -> CostsTaken:
    bound = caller.token.projects
    if delivery.is_elsewhere:
        raise NotAllowed(
            f"The token {caller.token.prefix} is only for the projects {', '.join(sorted(bound))}: "
            "send `rows` that name one of them each."
        )
    with deps.db.read() as session:
        now = deps.now(session)
    report = intake.take_costs(
        deps.db,
        caller.actor,
        delivery.read,
        policy=deps.policy,
        org_key=deps.team.org_key,
        now=now,
        replace_period=delivery.replace_period,
        by=Deliverer(caller.token.name, bound),
        answer=Choice(delivery.separate, delivery.instead_of),
        probe=failpoints.hit,
    )
    taken = _taken(report)
    # What belongs to no project is the whole organisation's: no news for one project's program.
    return taken.model_copy(update={"unallocated": {}}) if bound else taken


def _taken(report: CostReport) -> CostsTaken:
    if report.bad_row_count:
        raise InvalidInput(
            f"Nothing was written: {report.bad_row_count:,} of the rows are bad. {'; '.join(report.bad_rows[:5])}"[
                :900
            ],
            field="rows",
        )
    if report.refused:
        raise NotTaken(
            f"Nothing was written. {' '.join(report.refused)}".replace(
                "--replace-period", "`replace_period`"
            )
            .replace("--instead-of", "`instead_of`")
            .replace("--separate", "`separate`")[:900]
        )
    return CostsTaken(
        months=[
            MonthTaken(
                source=period.source,
                month=period.billing_period,
                what=period.what,
                rows=period.rows,
                billed={currency: money_text(amount) for currency, amount in period.billed},
            )
            for period in report.periods
        ],
        unallocated={currency: money_text(amount) for currency, amount in report.unallocated},
        thresholds_crossed=len(report.crossings),
        charges_through=report.charges_through,
    )
