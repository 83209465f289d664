"""Projects: since when they are in use."""

from storage.projects.tables import Project
from workflows.audit import service as audit
from workflows.calendar import calendar_for
from workflows.context import Context


def note_live(ctx: Context, project: Project) -> bool:
    """A project is in use, from the organisation's today on. The first day counts, so that a model that comes into use
    later moves nothing; False where a day is noted already. The caller holds the project."""
    if project.live_on is not None:
        return False
    project.live_on = calendar_for(ctx.policy).day(ctx.now)
    ctx.session.flush()
    audit.record(ctx, "project.live", ("project", project.id), on=project.live_on.isoformat())
    return True
