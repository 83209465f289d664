"""The way of each project from idea to value, as the record proves it, and what may be shown of the pace of many."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from storage.cases import journeys as queries
from storage.cases.journeys import MoveRow, ProjectRow, Within
from storage.enums import MilestoneType, ProjectStatus
from storage.projects import queries as project_queries
from workflows import permissions
from workflows.anonymity import service as disclosure
from workflows.anonymity.rules import Group
from workflows.anonymity.service import DisclosureBatch, Entry
from workflows.cases import arrival
from workflows.cases.arrival import (
    IDEA_TO_USE,
    STEPS,
    ArrivalCurve,
    Journey,
    LeadTimes,
    Span,
    Spread,
    Stage,
    Withheld,
    date_stages,
)
from workflows.context import Context

BEGINNINGS = {ProjectStatus.DRAFT, ProjectStatus.SUBMITTED, ProjectStatus.UNDER_REVIEW}
"""States in which a project is an idea. One that came on record in another went on already, and nobody knows since when."""
ENDS = {ProjectStatus.CANCELLED, ProjectStatus.REJECTED, ProjectStatus.CLOSED}
"""States of projects that go on no more."""
BY_MILESTONE: Mapping[MilestoneType, Stage] = {
    MilestoneType.INTAKE_APPROVED: Stage.APPROVED,
    MilestoneType.BUSINESS_CASE_SIGNED: Stage.APPROVED,
    MilestoneType.DATA_READY: Stage.DATA_READY,
    MilestoneType.PROTOTYPE: Stage.FIRST_VERSION,
    MilestoneType.VALIDATION_DONE: Stage.VALIDATED,
    MilestoneType.APPROVAL: Stage.APPROVED_FOR_USE,
    MilestoneType.DEPLOYED: Stage.IN_USE,
    MilestoneType.FIRST_VALUE: Stage.FIRST_VALUE,
}
"""The stage that a project has reached once a milestone of this type is met."""
BY_STEP: Mapping[str, Stage] = {
    "pass": Stage.VALIDATED,
    "approve": Stage.APPROVED_FOR_USE,
    "deploy": Stage.IN_USE,
}
"""The stage that a project has reached once a version of its models took this step (`workflows.inventory.rules`)."""


# --- Each project's way


@dataclass(frozen=True, slots=True)
class ProjectJourney:
    """A project and its way. `name` is unescaped."""

    key: str
    name: str
    status: str
    journey: Journey

    @property
    def proposed_on(self) -> date | None:
        """When it was an idea; None where it went on already as it came on record."""
        return self.journey.reached.get(Stage.PROPOSED)

    @property
    def in_use_on(self) -> date | None:
        """When something of it was used for the first time."""
        return self.journey.reached.get(Stage.IN_USE)

    @property
    def latest(self) -> tuple[Stage, date] | None:
        """The stage that was reached last, the later one of two on the same day; None where none is proved."""
        reached = [
            (day, place, stage)
            for place, stage in enumerate(Stage)
            if (day := self.journey.reached.get(stage))
        ]
        return (max(reached)[2], max(reached)[0]) if reached else None


def load_journeys(ctx: Context, within: Within) -> list[ProjectJourney]:
    """The ways of projects by id, of those with the ids `within` or of all (None), in ten statements for any number.

    Nobody's sight is looked at here: whoever calls says which projects their reader may see. Days are those of the
    organisation's zone.
    """
    rows = queries.list_projects(ctx.session, within)
    moves: dict[int, list[MoveRow]] = defaultdict(list)
    for move in queries.list_moves(ctx.session, within):
        moves[move.project_id].append(move)
    proofs: dict[int, list[tuple[Stage, date]]] = defaultdict(list)
    for id_, stage, day in _list_proofs(ctx, within):
        proofs[id_].append((stage, day))
    people: dict[int, set[str]] = defaultdict(set)
    for id_, person in queries.list_people(ctx.session, within):
        people[id_].add(person)
    return [
        ProjectJourney(
            row.key,
            row.name,
            row.status,
            _build(ctx, row, moves[row.id], proofs[row.id], people[row.id]),
        )
        for row in rows
    ]


def _list_proofs(ctx: Context, within: Within) -> Iterable[tuple[int, Stage, date]]:
    """(project id, stage, day) by cases, milestones and models."""
    session = ctx.session
    for id_, at in queries.list_agreed(session, within):
        yield id_, Stage.APPROVED, _day(ctx, at)
    for id_, type_, day in queries.list_met(session, BY_MILESTONE, within):
        stage = BY_MILESTONE.get(MilestoneType(type_))
        if stage is not None:
            yield id_, stage, day
    for id_, at in queries.list_first_versions(session, within):
        yield id_, Stage.FIRST_VERSION, _day(ctx, at)
    for id_, ends in queries.list_first_returns(session, within):
        yield id_, Stage.FIRST_VALUE, ends
    for id_, step, at in queries.list_first_steps(session, BY_STEP, within):
        yield id_, BY_STEP[step], _day(ctx, at)


def _build(
    ctx: Context,
    row: ProjectRow,
    moves: Sequence[MoveRow],
    proofs: list[tuple[Stage, date]],
    people: Collection[str],
) -> Journey:
    first, last = (moves[0], moves[-1]) if moves else (None, None)
    if first is not None and first.source is None and first.target in BEGINNINGS:
        # The case is written before it makes its project, or about one that was an idea already.
        since = min(row.created_at, row.proposed_at or row.created_at)
        proofs.append((Stage.PROPOSED, _day(ctx, since)))
    # What came on record as live went live before that, nobody knows when.
    went_live = (
        (Stage.IN_USE, _day(ctx, move.at))
        for move in moves
        if move.target == ProjectStatus.LIVE and move.source is not None
    )
    stopped = None
    if row.status in ENDS and last is not None and last.target == row.status:
        stopped = _day(ctx, last.at)
    staff = {row.owner_id, row.manager_id, *people} - {None}
    return Journey(
        row.id,
        date_stages([*proofs, *went_live]),
        stopped,
        frozenset(person for person in staff if person is not None),
    )


def _day(ctx: Context, at: datetime) -> date:
    return at.astimezone(ctx.policy.organisation.zone).date()


# --- What is shown of them


@dataclass(frozen=True, slots=True)
class ShownTimes:
    """How long projects took from idea to use, as it was on `as_of`."""

    as_of: date
    overall: Spread
    steps: Mapping[Span, Spread]


@dataclass(frozen=True, slots=True)
class Arrival:
    """When ideas arrive. `times` and `curve` are None for who isn't a leader: they are about everybody's projects."""

    today: date
    own: tuple[ProjectJourney, ...]
    """The reader's own projects, those proposed last first; what nobody knows the beginning of stands at the end."""
    times: ShownTimes | Withheld | None = None
    curve: ArrivalCurve | Withheld | None = None


def load_arrival(ctx: Context) -> tuple[Arrival, DisclosureBatch | None]:
    """What the actor may know of when ideas arrive, and what has to be kept (`keep_told`) before it is shown.

    Everybody sees the dates of projects that they own, sponsor or manage. Leaders, who see all projects, also get figures
    over all of them, by the rules of decision 23. Raises NotAllowed for who is no member.
    """
    permissions.require_member(ctx.actor, "portfolio.read")
    today = _day(ctx, ctx.now)
    mine = {row.id for row in project_queries.list_of_person(ctx.session, ctx.actor.id)}
    roles = permissions.list_roles(ctx.session, ctx.actor.id, policy=ctx.policy)
    if permissions.LEADER not in roles:
        return Arrival(today, _order(load_journeys(ctx, mine))), None
    ways = load_journeys(ctx, None)
    journeys = [way.journey for way in ways]
    times, telling = _judge(ctx, journeys, today)
    own = _order(way for way in ways if way.journey.project_id in mine)
    return Arrival(today, own, times, arrival.arrival_curve(journeys, today)), telling


def _order(ways: Iterable[ProjectJourney]) -> tuple[ProjectJourney, ...]:
    by_name = sorted(ways, key=lambda way: way.name.casefold())
    return tuple(sorted(by_name, key=lambda way: way.proposed_on or date.min, reverse=True))


SCOPE, TIMES = "arrival", "lead_times"
"""Under which it is kept what leaders were shown."""


def _judge(
    ctx: Context, journeys: Sequence[Journey], today: date
) -> tuple[ShownTimes | Withheld, DisclosureBatch | None]:
    """The lead times that may be shown after all that was: new ones, which have to be kept, or the last that were."""
    entries = disclosure.list_told(ctx.session, SCOPE).get(TIMES, [])
    earlier = [_read_counts(entry) for entry in entries]
    times = arrival.lead_times(journeys, earlier=earlier)
    if isinstance(times, Withheld):
        return (_read_times(entries[-1]) if entries else times), None
    if earlier and times.counts == earlier[-1]:
        return _read_times(entries[-1]), None
    batch = DisclosureBatch()
    known = {id_ for entry in entries for id_ in entry.members}
    batch.add(
        SCOPE,
        TIMES,
        after=entries,
        audience=disclosure.LEADERS,
        members=_list_members(times) - known,
        figures=_store(times, today),
        now=ctx.now,
    )
    return ShownTimes(today, times.overall, times.steps), batch


def keep_told(ctx: Context, batch: DisclosureBatch) -> bool:
    """Keep what is about to be shown. False where another reader was shown something meanwhile: then this isn't shown."""
    return batch.keep(ctx.session)


def _list_members(times: LeadTimes) -> set[int]:
    return {int(str(atom[0])) for atom in times.counts[IDEA_TO_USE] if isinstance(atom, tuple)}


def _store(times: LeadTimes, today: date) -> dict[str, Any]:
    """Lead times as JSON: opaque ids of people, days, and the figures as they are shown."""
    return {
        "as_of": today.isoformat(),
        "spreads": {
            _name(span): [spread.projects, *map(str, (spread.lower, spread.median, spread.upper))]
            for span, spread in [(IDEA_TO_USE, times.overall), *times.steps.items()]
        },
        "counts": {
            _name(span): [
                [*atom, sorted(str(person) for person in people)]
                for atom, people in group.items()
                if isinstance(atom, tuple)
            ]
            for span, group in times.counts.items()
        },
    }


def _name(span: Span) -> str:
    return ":".join(span)


def _read_span(name: str) -> Span:
    first, _, last = name.partition(":")
    return Stage(first), Stage(last)


def _read_counts(entry: Entry) -> dict[Span, Group]:
    return {
        _read_span(name): {(id_, days): frozenset(people) for id_, days, people in atoms}
        for name, atoms in entry.figures["counts"].items()
    }


def _read_times(entry: Entry) -> ShownTimes:
    spreads = {
        _read_span(name): Spread(projects, *map(Decimal, quartiles))
        for name, (projects, *quartiles) in entry.figures["spreads"].items()
    }
    return ShownTimes(
        date.fromisoformat(entry.figures["as_of"]),
        spreads[IDEA_TO_USE],
        {step: spreads[step] for step in STEPS if step in spreads},
    )
