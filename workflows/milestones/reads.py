"""Milestones read as they stand now, with what holds them up and what they move, in few statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.enums import MilestoneType
from storage.milestones import queries
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.people.tables import Person
from storage.projects.tables import Project
from workflows.calendar import calendar_for
from workflows.context import Context
from workflows.errors import NotFound, RefusalFact
from workflows.milestones import rules
from workflows.milestones.records import (
    AskedMove,
    Detail,
    MilestoneRecord,
    Move,
    Needed,
    PersonRef,
    Pushed,
)
from workflows.policy import Policy

MOVES_SHOWN = 10


def no_milestone(audit: RefusalFact | None = None) -> NotFound:
    """The same refusal for a milestone that is not there and for one that is not for who asks."""
    return NotFound("There is no such milestone here.", audit=audit, hint="milestones.list")


def today_of(policy: Policy, now: datetime) -> date:
    """The organisation's own day, by which a milestone is late or not."""
    return calendar_for(policy).day(now)


def person_ref(person: Person | None) -> PersonRef | None:
    """A person as a milestone shows them."""
    return PersonRef(person.id, person.slack_id, person.name) if person else None


def node(row: Milestone) -> rules.Node:
    """The days of a milestone."""
    return rules.Node(row.baseline, row.forecast, row.actual)


@dataclass(frozen=True, slots=True)
class Net:
    """Milestones with everything that is linked to them, and when each can be met."""

    rows: dict[int, Milestone]
    needs: dict[int, set[int]]
    plan: rules.Plan


def load_net(
    session: Session,
    rows: Collection[Milestone],
    today: date,
    *,
    moved: Mapping[int, date] | None = None,
) -> Net:
    """Follow the links of these milestones to their ends, and plan; as if some had the forecasts of `moved`."""
    known = {row.id: row for row in rows}
    needs: dict[int, set[int]] = {}
    fresh = set(known)
    while fresh:
        reached: set[int] = set()
        for milestone_id, needed in queries.list_links(session, fresh):
            needs.setdefault(milestone_id, set()).add(needed)
            reached |= {milestone_id, needed}
        fresh = reached - known.keys()
        known |= queries.load_by_ids(session, fresh)
    nodes = {id_: node(row) for id_, row in known.items() if row.dropped_at is None}
    for id_, forecast in (moved or {}).items():
        nodes[id_] = replace(nodes[id_], forecast=forecast)
    return Net(known, needs, rules.plan(nodes, needs, today))


def load_records(ctx: Context, rows: Sequence[Milestone]) -> list[MilestoneRecord]:
    """These milestones as others see them, in the same order."""
    if not rows:
        return []
    today = today_of(ctx.policy, ctx.now)
    linked = load_net(ctx.session, rows, today)
    projects = queries.load_projects(ctx.session, {row.project_id for row in linked.rows.values()})
    texts = lookups.find_texts(
        ctx.session, {id_ for row in rows for id_ in (row.risk_id, row.proof_id) if id_}
    )
    asked = queries.find_move_requests(ctx.session, [row.id for row in rows])
    people = lookups.find_people(
        ctx.session,
        {one for row in rows for one in (row.owner_id, row.done_by) if one}
        | {row.requester_id for row in asked.values()},
    )
    return [_record(row, linked, projects, texts, asked, people, today) for row in rows]


def _record(
    row: Milestone,
    linked: Net,
    projects: dict[int, Project],
    texts: dict[int, str],
    asked: dict[int, queries.MoveRequest],
    people: dict[str, Person],
    today: date,
) -> MilestoneRecord:
    expected = linked.plan.expected.get(row.id, row.forecast)
    project = projects[row.project_id]
    request = asked.get(row.id)
    return MilestoneRecord(
        id=row.id,
        revision=row.revision,
        project_id=row.project_id,
        project_key=project.key,
        project=project.name,
        title=row.title,
        type=MilestoneType(row.type),
        owner=person_ref(people.get(row.owner_id or "")),
        baseline=row.baseline,
        forecast=row.forecast,
        actual=row.actual,
        expected=row.actual or expected,
        slip=rules.slip(node(row), expected),
        status=rules.status(node(row), expected, today, at_risk=row.risk_id is not None),
        is_reminding=row.reminds_from is not None,
        risk=texts.get(row.risk_id, "") if row.risk_id else None,
        proof=texts.get(row.proof_id, "") if row.proof_id else row.proven,
        done_by=person_ref(people.get(row.done_by or "")),
        is_dropped=row.dropped_at is not None,
        needs=_needed(row.id, linked, projects),
        pushes=_pushed(row.id, linked, projects),
        asked=_asked(request, people),
    )


def _needed(id_: int, linked: Net, projects: dict[int, Project]) -> tuple[Needed, ...]:
    rows = [
        linked.rows[other]
        for other in linked.needs.get(id_, ())
        if linked.rows[other].dropped_at is None
    ]
    needed = [
        Needed(
            row.id,
            projects[row.project_id].key,
            projects[row.project_id].name,
            row.title,
            linked.plan.expected[row.id],
            row.actual is not None,
        )
        for row in rows
    ]
    return tuple(sorted(needed, key=lambda other: (other.expected, other.id)))


def _pushed(id_: int, linked: Net, projects: dict[int, Project]) -> tuple[Pushed, ...]:
    pushed = []
    for other_id in linked.plan.pushes(id_):
        row = linked.rows[other_id]
        project = projects[row.project_id]
        pushed.append(
            Pushed(
                row.id,
                project.key,
                project.name,
                row.title,
                row.forecast,
                linked.plan.expected[other_id],
            )
        )
    return tuple(pushed)


def _asked(request: queries.MoveRequest | None, people: dict[str, Person]) -> AskedMove | None:
    if request is None:
        return None
    requester = person_ref(people.get(request.requester_id))
    if requester is None:
        return None
    new = date.fromisoformat(request.facts["new"])
    return AskedMove(request.id, new, requester)


def pushed_if(ctx: Context, row: Milestone, new: date) -> tuple[Pushed, ...]:
    """The milestones that this one would move if it were due on another day."""
    linked = load_net(ctx.session, [row], today_of(ctx.policy, ctx.now), moved={row.id: new})
    projects = queries.load_projects(
        ctx.session, {other.project_id for other in linked.rows.values()}
    )
    return _pushed(row.id, linked, projects)


def load_record(ctx: Context, milestone_id: int) -> MilestoneRecord:
    """One milestone. Raises NotFound."""
    row = queries.find(ctx.session, milestone_id)
    if row is None:
        raise no_milestone()
    return load_records(ctx, [row])[0]


def load_detail(ctx: Context, milestone_id: int) -> Detail:
    """A milestone with its history. Raises NotFound."""
    record = load_record(ctx, milestone_id)
    moves = queries.list_moves(ctx.session, milestone_id, MOVES_SHOWN)
    texts = lookups.find_texts(ctx.session, {row.reason_id for row in moves if row.reason_id})
    project = queries.load_projects(ctx.session, [record.project_id])[record.project_id]
    parts = answering_ids(record.owner.id if record.owner else None, project)
    people = lookups.find_people(
        ctx.session, set(parts) | {row.moved_by for row in moves if row.moved_by}
    )
    return Detail(
        record,
        tuple(
            Move(
                row.old,
                row.new,
                texts.get(row.reason_id) or None if row.reason_id else None,
                person_ref(people.get(row.moved_by or "")),
                row.created_at,
                row.approval_id,
            )
            for row in moves
        ),
        tuple(person for id_ in parts if (person := person_ref(people.get(id_))) is not None),
    )


def answering_ids(owner_id: str | None, project: Project) -> list[str]:
    """Who may change a milestone: its owner, then those who answer for its project; each once."""
    return list(
        dict.fromkeys(
            one
            for one in (owner_id, project.manager_id, project.owner_id, project.sponsor_id)
            if one
        )
    )
