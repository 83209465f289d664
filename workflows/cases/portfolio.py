"""The portfolio: projects by what they are worth, as their reader may see them, and places that leaders choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from storage.cases import queries
from storage.cases.queries import PortfolioRow
from storage.cases.tables import RankOverride
from storage.enums import ProjectCategory, ProjectStatus
from storage.projects import queries as project_queries
from workflows import permissions
from workflows.audit import service as audit
from workflows.cases import ranking, reads, rules
from workflows.cases.amounts import Range
from workflows.cases.forms import PutAtPlace
from workflows.cases.ranking import Override, Ranked, Share, Valued
from workflows.cases.records import CaseRecord, Content
from workflows.context import Context
from workflows.errors import InvalidInput, NotAllowed, RefusalFact
from workflows.projects import reads as project_reads
from workflows.projects.records import PersonRef
from workflows.sources.text import storable

LISTED = {
    ProjectStatus.APPROVED,
    ProjectStatus.IN_PROGRESS,
    ProjectStatus.ON_HOLD,
    ProjectStatus.LIVE,
}
"""States of projects that compete for money and people, or return it."""
WORKED_ON = {ProjectStatus.IN_PROGRESS, ProjectStatus.LIVE}
LONGEST = timedelta(days=366)
"""For how long somebody can put a project at a place."""


@dataclass(frozen=True, slots=True)
class Unestimated:
    """A project of which nobody has estimated what it brings."""

    key: str
    name: str
    status: str
    owner: PersonRef | None


@dataclass(frozen=True, slots=True)
class Group:
    """Projects whose estimates are in one currency; amounts of two are never added or compared."""

    currency: str
    ranked: tuple[Ranked, ...]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Everything of the portfolio that its reader may see."""

    unit: str | None
    groups: tuple[Group, ...]
    """The currency with most projects first."""
    unestimated: tuple[Unestimated, ...]
    shares: tuple[Share, ...]
    """By category, of all that are listed."""
    unworked: tuple[Ranked, ...]
    """The best on which nobody works, though somebody works on lesser ones."""
    rate: Decimal
    may_put: bool
    """Whether the reader may put projects at other places."""

    @property
    def total(self) -> int:
        """How many projects are listed."""
        return sum(len(group.ranked) for group in self.groups) + len(self.unestimated)

    @property
    def names(self) -> list[tuple[str, str]]:
        """(key, name) of every project that is listed."""
        ranked = [each.project for group in self.groups for each in group.ranked]
        names = [(each.key, each.name) for each in ranked]
        return names + [(each.key, each.name) for each in self.unestimated]

    def find(self, project_id: int) -> Ranked | None:
        """A project's place."""
        return next(
            (
                each
                for group in self.groups
                for each in group.ranked
                if each.project.project_id == project_id
            ),
            None,
        )


def load(ctx: Context, unit: str | None = None) -> Portfolio:
    """The portfolio of everything in the actor's sight, or of one unit (in any case), in few statements for any number.

    Places are counted among what its reader sees, so that neither numbers nor gaps tell of anything else. Raises
    NotAllowed for who is no member, and InvalidInput for a unit of which they see nothing.
    """
    permissions.require_member(ctx.actor, "portfolio.read")
    sight = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    rows = queries.list_portfolio(ctx.session, LISTED, sight.within)
    if unit is not None:
        rows, unit = _select_unit(rows, unit)
    projects, others = _value(ctx, rows)
    by_currency: dict[str, list[Valued]] = {}
    for project in projects:
        by_currency.setdefault(project.currency, []).append(project)
    groups = [Group(currency, tuple(ranking.rank(each))) for currency, each in by_currency.items()]
    groups.sort(key=lambda group: (-len(group.ranked), group.currency))
    return Portfolio(
        unit=unit,
        groups=tuple(groups),
        unestimated=tuple(others),
        shares=tuple(
            ranking.share_by_category(
                ProjectCategory(row.category) if row.category else None for row in rows
            )
        ),
        unworked=tuple(each for group in groups for each in ranking.list_unworked(group.ranked)),
        rate=ctx.policy.cases.discount_rate,
        may_put=may_put(ctx),
    )


def _select_unit(rows: Sequence[PortfolioRow], unit: str) -> tuple[list[PortfolioRow], str]:
    wanted = storable(unit).casefold()
    chosen = [row for row in rows if (row.business_unit or "").casefold() == wanted]
    if not chosen:
        known = sorted({row.business_unit for row in rows if row.business_unit})
        names = f" There are {', '.join(known[:10])}." if known else ""
        raise InvalidInput(f"You see no project of that unit.{names}", field="unit")
    return chosen, chosen[0].business_unit or unit


def _value(ctx: Context, rows: Sequence[PortfolioRow]) -> tuple[list[Valued], list[Unestimated]]:
    people = reads.load_people(ctx.session, {row.owner_id for row in rows})
    overrides = _load_overrides(ctx, people)
    tiers = queries.find_tiers(ctx.session, None)
    rate = ctx.policy.cases.discount_rate
    projects: list[Valued] = []
    others: list[Unestimated] = []
    for row in rows:
        owner = people.get(row.owner_id or "")
        if row.likely is None or row.agreed_at is None or row.confidence is None:
            others.append(Unestimated(row.key, row.name, row.status, owner))
            continue
        projects.append(
            Valued(
                project_id=row.project_id,
                key=row.key,
                name=row.name,
                status=row.status,
                owner=owner,
                business_unit=row.business_unit,
                category=ProjectCategory(row.category) if row.category else None,
                tier=tiers.get(row.project_id, row.tier),
                currency=row.currency or "",
                worth=rules.value(
                    Range.read_flow(row.likely[0]), Range.read_flow(row.likely[1]), rate
                ),
                confidence=row.confidence,
                feasibility=row.feasibility or Decimal(0),
                agreed_on=row.agreed_at.date(),
                is_worked_on=row.status in WORKED_ON,
                override=overrides.get(row.project_id),
            )
        )
    others.sort(key=lambda each: each.name.casefold())
    return projects, others


def _load_overrides(ctx: Context, people: dict[str, PersonRef]) -> dict[int, Override]:
    rows = queries.list_overrides(ctx.session, ctx.now.date())
    makers = {row.made_by for row in rows if row.made_by} - people.keys()
    people = {**people, **reads.load_people(ctx.session, makers)}
    return {
        row.project_id: Override(row.place, row.reason, row.until, people.get(row.made_by or ""))
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Candidate:
    """A case whose place is asked for."""

    project_id: int | None
    content: Content
    likely: rules.Worth | None


def find_place(ctx: Context, candidate: Candidate) -> tuple[int, int] | None:
    """Where a case would stand among the projects that the actor sees and whose estimates are in its currency, and among
    how many with it; None until it can be compared."""
    content = candidate.content
    if (
        candidate.likely is None
        or content.currency is None
        or content.confidence is None
        or content.feasibility is None
    ):
        return None
    projects = [
        each.project
        for group in load(ctx).groups
        if group.currency == content.currency
        for each in group.ranked
    ]
    valued = Valued(
        project_id=candidate.project_id or 0,
        key="",
        name="",
        status=ProjectStatus.UNDER_REVIEW.value,
        owner=None,
        business_unit=None,
        category=None,
        tier=content.tier,
        currency=content.currency,
        worth=candidate.likely,
        confidence=content.confidence,
        feasibility=content.feasibility,
        agreed_on=ctx.now.date(),
        is_worked_on=False,
    )
    return ranking.find_place(projects, valued)


def find_place_of(ctx: Context, record: CaseRecord) -> tuple[int, int] | None:
    """The same, for a case as it is written."""
    likely = record.outlook.likely if record.outlook is not None else None
    return find_place(ctx, Candidate(record.project_id, record.content, likely))


def load_why(ctx: Context, project_key: str) -> tuple[Ranked, list[tuple[str, str]]]:
    """A project's place among those that the actor sees, with every number behind it. Raises NotFound for one that they
    don't see, and InvalidInput for one without an estimate."""
    portfolio = load(ctx)
    key = storable(project_key, 80).casefold()
    for group in portfolio.groups:
        for ranked in group.ranked:
            if ranked.project.key == key:
                return ranked, ranking.explain(ranked, portfolio.rate)
    for project in portfolio.unestimated:
        if project.key == key:
            raise InvalidInput(
                f"{project.name} was not estimated, so it has no place. Propose a business case for it."
            )
    raise project_reads.project_out_of_sight(project_key, portfolio.names)


# --- Places that leaders choose


def may_put(ctx: Context) -> bool:
    """Whether the actor may put projects at other places: leaders may."""
    return permissions.LEADER in permissions.list_roles(
        ctx.session, ctx.actor.id, policy=ctx.policy
    )


def _require_leader(ctx: Context, action: str, project_id: int) -> None:
    permissions.require_member(ctx.actor, action, subject=("project", project_id))
    if not may_put(ctx):
        raise NotAllowed(
            "Only leaders put projects at other places.",
            audit=RefusalFact(action, "project", str(project_id), why="no_leader"),
        )


def put_at_place(ctx: Context, form: PutAtPlace) -> None:
    """Put a project at a place until a day; a place that it was put at before counts no more. Raises NotAllowed for who
    isn't a leader, InvalidInput for a day that has passed or is too far off, or a project without an estimate."""
    _require_leader(ctx, "portfolio.put", form.project_id)
    today = ctx.now.date()
    if not today <= form.until <= today + LONGEST:
        raise InvalidInput("Pick a day from today on, at most a year ahead.", field="until")
    if load(ctx).find(form.project_id) is None:
        raise InvalidInput("This project was not estimated, so it has no place yet.", field="place")
    _lock_project(ctx, form.project_id)
    queries.end_overrides(ctx.session, form.project_id, ctx.now)
    reason = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    ctx.session.add(
        RankOverride(
            project_id=form.project_id,
            place=form.place,
            until=form.until,
            reason_id=reason.id,
            made_by=ctx.actor.id,
            made_at=ctx.now,
            ended_at=None,
        )
    )
    ctx.session.flush()
    audit.record(
        ctx,
        "portfolio.put",
        ("project", form.project_id),
        place=form.place,
        until=form.until.isoformat(),
        reason=audit.text_fact(reason),
    )


def put_back(ctx: Context, project_id: int) -> None:
    """Let a project stand where its worth puts it; where it does already, nothing changes."""
    _require_leader(ctx, "portfolio.put_back", project_id)
    _lock_project(ctx, project_id)
    if queries.end_overrides(ctx.session, project_id, ctx.now):
        audit.record(ctx, "portfolio.put_back", ("project", project_id))


def _lock_project(ctx: Context, project_id: int) -> None:
    ((_, key),) = [
        (row.id, row.key) for row in project_queries.list_projects(ctx.session, [project_id])
    ]
    project_queries.list_by_keys(ctx.session, [key], lock=True)
