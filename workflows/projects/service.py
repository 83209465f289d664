"""Projects: since when they are in use."""

from datetime import date

from storage.enums import ProjectStatus
from storage.projects import queries
from storage.projects.tables import Project
from workflows import permissions
from workflows.audit import service as audit
from workflows.calendar import calendar_for
from workflows.context import Context
from workflows.errors import InvalidInput, NotAllowed, NotFound, RefusalFact

_STOPPED = {ProjectStatus.CLOSED, ProjectStatus.CANCELLED, ProjectStatus.REJECTED}


def note_live(ctx: Context, project: Project, on: date | None = None) -> bool:
    """A project is in use, from that day of the organisation on (None: today's). The first day counts, so that a model
    that comes into use later moves nothing; False where a day is noted already. The caller holds the project."""
    if project.live_on is not None:
        return False
    project.live_on = on or calendar_for(ctx.policy).day(ctx.now)
    ctx.session.flush()
    audit.record(ctx, "project.live", ("project", project.id), on=project.live_on.isoformat())
    return True


def mark_live(ctx: Context, key: str, on: date | None = None) -> None:
    """Whoever answers for a project says that it is in use, since a day (None: since today); its state follows.

    Raises NotFound for who may not see it, NotAllowed for others than its owner, manager and sponsor, and InvalidInput
    for a day to come and for a project that has ended. Said again it changes nothing.
    """
    permissions.require_member(ctx.actor, "project.live")
    project = next(iter(queries.list_by_keys(ctx.session, [key.casefold()], lock=True)), None)
    if project is None or not permissions.sees_project(ctx, project.id):
        raise NotFound("There is no such project here.", field="project", hint="projects.list")
    if ctx.actor.id not in {project.owner_id, project.manager_id, project.sponsor_id}:
        raise NotAllowed(
            "Only its owner, manager or sponsor says that a project is in use.",
            audit=RefusalFact("project.live", "project", str(project.id), why="not_theirs"),
        )
    if project.status in _STOPPED:
        raise InvalidInput(f"{project.name} is {project.status}, so it can't come into use.")
    if on is not None and on > calendar_for(ctx.policy).day(ctx.now):
        raise InvalidInput("That day is still to come.", field="on")
    note_live(ctx, project, on)
    if project.status != ProjectStatus.LIVE:
        before, project.status = project.status, ProjectStatus.LIVE.value
        queries.add_move(ctx.session, project, before, ctx.now)
        audit.record(
            ctx, "project.moved", ("project", project.id), source=before, target=project.status
        )
