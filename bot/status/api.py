"""How a project stands, for programs."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from bot.deps import Deps
from bot.web.api import describe_answers
from bot.web.authentication import Caller, Door
from storage.enums import CostBasis, Scope
from storage.money import money_text
from workflows import status
from workflows.releases.forms import PROJECT
from workflows.status.records import ProjectStatus


class BudgetTold(BaseModel):
    """An open budget and what was spent of it; amounts are exact decimal texts."""

    period: str
    starts: date
    ends: date
    amount: str
    spent: str
    currency: str
    basis: CostBasis
    data_through: date | None = Field(default=None, description="The last day with cost.")
    is_over: bool


class StatusTold(BaseModel):
    """A project, its budgets, and how many requests about it wait."""

    project: str
    name: str
    status: str
    is_over_budget: bool
    budgets: list[BudgetTold]
    pending_approvals: list[int]


def router(deps: Deps, door: Door) -> APIRouter:
    """The endpoints under /status."""
    api = APIRouter(prefix="/status", tags=["status"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]

    @api.get("/{project}", responses=describe_answers(400, 401, 403, 404, 422, 429))
    def show(
        project: Annotated[str, Path(pattern=PROJECT, description="Its key.")], caller: Calls
    ) -> StatusTold:
        """How a project stands: its budgets and what waits."""
        door.require(caller, Scope.STATUS, project=project.strip().casefold())
        project_status = deps.read(caller.actor, status.load_project, project)
        return as_body(project_status)

    return api


def as_body(project_status: ProjectStatus) -> StatusTold:
    """A project's status for programs."""
    line = project_status.line
    return StatusTold(
        project=line.project.key,
        name=line.name,
        status=line.project.status,
        is_over_budget=line.is_over,
        budgets=[
            BudgetTold(
                period=burn.period_words,
                starts=burn.span.first,
                ends=burn.span.last,
                amount=money_text(burn.amount),
                spent=money_text(burn.spent),
                currency=burn.currency,
                basis=burn.basis,
                data_through=burn.data_through,
                is_over=burn.is_over,
            )
            for burn in line.burns
        ],
        pending_approvals=[card.id for card in project_status.pending],
    )
