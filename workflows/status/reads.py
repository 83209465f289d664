"""What a person may see, read in a number of statements that does not grow with the number of projects."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from storage.approvals import queries as waiting_queries
from storage.milestones import queries
from storage.people import identities
from storage.people import queries as people_queries
from storage.projects import queries as project_queries
from workflows import permissions, rollout
from workflows.approvals import reads as approval_reads
from workflows.approvals.records import Card
from workflows.budgets import service as budgets
from workflows.context import ActorKind, Context
from workflows.errors import NotFound
from workflows.inventory import reads
from workflows.maturity import service as maturity
from workflows.maturity import targets
from workflows.milestones import reads as milestone_reads
from workflows.milestones import service as milestones
from workflows.policy import Policy
from workflows.projects import reads as projects
from workflows.projects.records import ProjectRecord
from workflows.status.records import (
    HomeStatus,
    Page,
    Part,
    Portfolio,
    ProjectLine,
    ProjectStatus,
    Standing,
    Summary,
    page,
    turned,
)

WAITING, DUE, ASKED, PROJECTS = "waiting", "due", "asked", "projects"
"""The sections of App Home, whose pages are turned one by one."""
HOME_SIZES = {WAITING: 5, DUE: 5, ASKED: 5, PROJECTS: 6}
"""Entries on a page of a section: together one screen or two on a phone, and far below Slack's 100 blocks."""
LISTED = 6
"""Projects on a page of `/mlgov status`: one screen on a phone."""


def _standings(ctx: Context, within: Collection[int] | None) -> list[Standing]:
    """How these projects stand, or all (None), the most important first. Nothing else is read of them, so that it is
    quick for ten thousand."""
    burns = budgets.burns_by_project(ctx, within)
    waiting = waiting_queries.count_by_project(ctx.session, within)
    today = milestone_reads.today_of(ctx.policy, ctx.now)
    overdue = queries.count_by_project(ctx.session, within, today)
    standings = [
        Standing(id_, name, tuple(burns.get(id_, ())), waiting.get(id_, 0), overdue.get(id_, 0))
        for id_, name in project_queries.list_ids(ctx.session, within)
    ]
    return sorted(standings, key=lambda standing: standing.importance)


def _lines(ctx: Context, standings: Sequence[Standing]) -> list[ProjectLine]:
    """These projects with what a list shows of them, in the same order."""
    project_records = projects.list_all(ctx.session, ctx.actor, [each.id for each in standings])
    records = {record.id: record for record in project_records}
    return [ProjectLine(records[each.id], each) for each in standings if each.id in records]


def _own_standings(ctx: Context) -> list[Standing]:
    permissions.require_member(ctx.actor, "projects.read")
    ids = [row.id for row in project_queries.list_of_person(ctx.session, ctx.actor.id)]
    return _standings(ctx, ids)


def load_summary(ctx: Context) -> Summary:
    """What `/mlgov` says."""
    mine = _own_standings(ctx)
    _, pending = approval_reads.list_asked_ids(ctx)
    return Summary(
        waiting=len(approval_reads.list_waiting_ids(ctx)),
        due=len(milestones.list_due(ctx)),
        models=len(reads.list_needs(ctx)),
        has_check_in=maturity.open_invitation(ctx) is not None,
        asked=len(pending),
        projects=tuple(mine),
        sees_all=permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy).sees_all,
        now=ctx.now,
    )


def load_home(ctx: Context, *, pages: Mapping[str, Any] | None = None) -> HomeStatus:
    """What waits for a person, what they asked for, and the projects they own, sponsor or manage, a page of each."""
    at = {name: int((pages or {}).get(name, 0)) for name in HOME_SIZES}
    asked, pending = approval_reads.list_asked_ids(ctx)
    mine = _own_standings(ctx)
    introduces = rollout.shows_in_home(ctx, ctx.actor.id)

    def cards(ids: Sequence[int], section: str) -> Page[Card]:
        size = HOME_SIZES[section]
        number = turned(at[section], size, len(ids))
        page_cards = approval_reads.cards(
            ctx, ids[number * size : (number + 1) * size], reader_id=ctx.actor.id
        )
        return Page(page_cards, number, size, len(ids))

    return HomeStatus(
        waiting=cards(approval_reads.list_waiting_ids(ctx), WAITING),
        due=page(milestones.list_due(ctx), at[DUE], HOME_SIZES[DUE]),
        today=milestone_reads.today_of(ctx.policy, ctx.now),
        models=reads.list_needs(ctx),
        check_in=maturity.open_invitation(ctx),
        asked=cards(asked, ASKED),
        pending=len(pending),
        first_answer=min(pending, default=None),
        projects=_page(ctx, mine, at[PROJECTS], HOME_SIZES[PROJECTS]),
        over=sum(line.is_over for line in mine),
        maturity=maturity.find_visible_result(ctx),
        introduces=load_part(ctx) if introduces else None,
        now=ctx.now,
    )


def _page(ctx: Context, standings: Sequence[Standing], number: int, size: int) -> Page[ProjectLine]:
    """One page of a list; only its projects are read."""
    current = page(standings, number, size)
    lines = _lines(ctx, current.items)
    return Page(tuple(lines), current.number, size, current.total)


def load_portfolio(ctx: Context, *, number: int = 0, everything: bool = False) -> Portfolio:
    """My projects, or with `everything` all that I may see, the most important first."""
    seen = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    permissions.require_member(ctx.actor, "projects.read")
    lines = _standings(ctx, seen.within) if everything else _own_standings(ctx)
    return Portfolio(
        _page(ctx, lines, number, LISTED),
        over=sum(line.is_over for line in lines),
        overdue=sum(line.overdue for line in lines),
        waiting=sum(line.waiting for line in lines),
        maturity=maturity.find_visible_result(ctx) if everything else None,
        is_all=everything,
        sees_all=seen.sees_all,
        now=ctx.now,
    )


def list_seen_projects(ctx: Context) -> list[ProjectRecord]:
    """Every project in the actor's sight, by name."""
    permissions.require_member(ctx.actor, "projects.read")
    if ctx.actor.kind is ActorKind.PROGRAM:
        return projects.list_all(ctx.session, ctx.actor)
    seen = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    return projects.list_all(ctx.session, ctx.actor, seen.within)


def find_project(ctx: Context, key: str) -> ProjectRecord:
    """A project in sight, by its key or its exact name.

    Raises NotFound for any other, in the same words whether or not there is one, and with the nearest one in sight.
    """
    permissions.require_member(ctx.actor, "projects.read")
    if ctx.actor.kind is ActorKind.PROGRAM:
        # What a program may see is said by its token, which the edge has looked at.
        return projects.get_by_key(ctx.session, key, ctx.actor)
    seen = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    if seen.sees_all:
        return projects.get_by_key(ctx.session, key, ctx.actor)
    try:
        project = projects.get_by_key(ctx.session, key, ctx.actor)
    except NotFound:
        project = None
    if project is None or not seen.holds(project.id):
        names = project_queries.list_names_of(ctx.session, seen.project_ids)
        raise projects.project_out_of_sight(key, names)
    return project


def load_project(ctx: Context, key: str) -> ProjectStatus:
    """One project by its key. Raises NotFound, with the nearest right one, also for a project out of sight."""
    record = find_project(ctx, key)
    (standing,) = _standings(ctx, [record.id])
    line = ProjectLine(record, standing)
    planned = milestones.list_for_projects(ctx, [record.id])
    open_ = [each for each in planned.get(record.id, ()) if each.is_open]
    return ProjectStatus(
        line,
        approval_reads.list_pending_of_project(ctx, record.id),
        tuple(sorted(open_, key=lambda each: (each.forecast, each.id))),
        milestone_reads.today_of(ctx.policy, ctx.now),
        _caution(ctx, record),
        ctx.now,
    )


def _caution(ctx: Context, project: ProjectRecord) -> str | None:
    """A word on a low level, for who may see the result that it comes from."""
    reader = people_queries.find_person(ctx.session, ctx.actor.id)
    if reader is None:
        return None
    low = targets.find_caution_for(ctx, project.category, status=project.status)
    return None if low is None else targets.describe_caution(low)


def load_part(ctx: Context) -> Part:
    """What this person is in the governance."""
    roles = permissions.list_roles(ctx.session, ctx.actor.id, policy=ctx.policy)
    own_ids = identities.list_slack_ids(ctx.session, ctx.actor.id)
    mine = project_queries.list_of_person(ctx.session, ctx.actor.id)
    parts = {
        f"subject.{role}"
        for row in mine
        for role in ("owner", "sponsor", "manager")
        if getattr(row, f"{role}_id") == ctx.actor.id
    }
    return Part(
        decides=_decides(ctx.policy, {*parts, *own_ids, *(f"role:{role}" for role in roles)}),
        projects=tuple(row.name for row in mine),
        leads=permissions.LEADER in roles,
        administers="admin" in roles,
    )


def _decides(policy: Policy, words: Collection[str]) -> bool:
    """Whether some gate asks by one of these words: roles and parts, or the person's own Slack ids."""
    return any(
        approver in words
        for gate in policy.gates.values()
        for stage in gate.stages
        for approver in stage.approvers
    )
