"""From a gap in maturity to something that somebody does by a day: a milestone like any other.

A milestone stands in a project. What is done for the whole organisation, or for a unit, stands in a project of its own,
the maturity programme, which is there from the first action on.
"""

import re
from dataclasses import replace
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from storage.enums import ProjectStatus
from storage.maturity import queries
from storage.maturity.tables import MaturityAction
from storage.projects import queries as projects
from storage.projects.tables import Project
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import InvalidInput
from workflows.inputs import Input
from workflows.maturity import service as maturity
from workflows.maturity.records import Targets
from workflows.milestones import service
from workflows.milestones.forms import PICK_DAY, AddMilestone, Day, Title


class PlanAction(BaseModel):
    """Who does what, by when, so that a statement holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    business_unit: str = ""
    statement: str
    title: Annotated[Title, Input("What is done", most=200, placeholder="In a few words")]
    due: Annotated[Day, Input("By when", empty=PICK_DAY)]
    owner_id: Annotated[str, Input("Who answers for it", placeholder="Pick somebody")]
    request_key: str


def plan_action(ctx: Context, form: PlanAction) -> Targets:
    """Add the milestone and say that it closes the gap; the targets as they stand then. Raises GovernanceError."""
    maturity.require_leader(ctx, "maturity.plan_action")
    unit = form.business_unit or None
    targets = maturity.load_targets(ctx, unit)
    if targets.result is None or form.statement not in {
        one.id for gap in targets.gaps for one in gap.missing
    }:
        raise InvalidInput("This gap is closed, or no longer aimed for.", hint="maturity.targets")
    project = _programme(ctx, unit)
    # A leader plans for everybody: that was asked above, by role, and not by who answers for the programme.
    planner = replace(ctx.actor, kind=ActorKind.OPERATOR)
    milestone_id = service.add_milestone(
        replace(ctx, actor=planner),
        AddMilestone(
            project=project.key,
            title=form.title,
            due=form.due,
            owner_id=form.owner_id,
            request_key=form.request_key,
        ),
    )
    if not queries.has_action(ctx.session, milestone_id):
        ctx.session.add(
            MaturityAction(
                milestone_id=milestone_id,
                cycle_id=targets.result.cycle_id,
                statement=form.statement,
            )
        )
        ctx.session.flush()
        audit.record(
            ctx,
            "maturity.action_planned",
            ("milestone", milestone_id),
            cycle=targets.result.cycle_id,
            statement=form.statement,
        )
    return maturity.load_targets(ctx, unit)


def _programme(ctx: Context, unit: str | None) -> Project:
    """The project that holds what is done about maturity; whoever plans the first action owns it."""
    slug = re.sub(r"[^a-z0-9]+", "-", (unit or "").casefold()).strip("-")
    key = "maturity-programme" + (f"-{slug}" if slug else "")
    project = projects.find_by_key(ctx.session, key[:64])
    if project is not None:
        return project
    project = Project(
        key=key[:64],
        name="Maturity programme" + (f", {unit}" if unit else ""),
        owner_id=ctx.actor.id,
        business_unit=unit,
        status=ProjectStatus.IN_PROGRESS.value,
        created_at=ctx.now,
    )
    ctx.session.add(project)
    projects.add_move(ctx.session, project, None, ctx.now)
    audit.record(ctx, "project.added", ("project", project.id), key=project.key)
    return project


def propose_day(today: date) -> date:
    """The day that a window proposes: a quarter from now."""
    return date.fromordinal(today.toordinal() + 90)
