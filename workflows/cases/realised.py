"""Realised against planned: what came of projects as somebody may see it, and what that says of estimates."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.budgets import costs
from storage.cases import queries as case_queries
from storage.cases import returns as queries
from storage.cases.returns import AttestedRow, PlanRow, ReturnRow
from storage.cases.tables import ReturnAsking
from storage.enums import AskingKind, CostBasis, ProjectCategory, ReturnSource
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows import permissions
from workflows.calendar import calendar_for
from workflows.cases import realisation, returns, rules
from workflows.cases.amounts import Range
from workflows.cases.asking import read_rhythm
from workflows.cases.reads import load_people
from workflows.cases.realisation import Span, Spread
from workflows.context import Context
from workflows.errors import InvalidInput
from workflows.projects import reads as project_reads
from workflows.projects.records import PersonRef
from workflows.sources.text import storable
from workflows.wording import money

_LONG_AGO = date(2000, 1, 1)
PAGE_SIZE = 10
"""Projects of one page."""


# --- Records


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """A return as it stands. `note` is unescaped. `planned` is None where no business case was agreed."""

    id: int
    span: Span
    amount: Decimal
    currency: str
    planned: Decimal | None
    source: ReturnSource
    note: str
    replaces_id: int | None
    reported_by: PersonRef | None
    reported_at: datetime
    attested_by: PersonRef | None
    attested_at: datetime | None
    is_standing: bool
    """Whether it counts: it was neither corrected nor taken back."""


@dataclass(frozen=True, slots=True)
class ProjectReturns:
    """What came of a project so far. Amounts without a currency of their own are in `currency`, that of its case."""

    project_id: int
    key: str
    name: str
    status: str
    owner: PersonRef | None
    business_unit: str | None
    live_on: date | None
    currency: str
    realised: Decimal
    """What was reported, attested or not."""
    attested: Decimal
    planned: Decimal | None
    """What was planned for the days that were measured; None where no business case was agreed."""
    measured: tuple[Span, ...]
    missing: tuple[Span, ...]
    """Days in use, up to the last whole month, of which nothing was reported."""
    missing_planned: Decimal | None
    apart: tuple[tuple[Decimal, str], ...]
    """Returns in other currencies, each summed; they are never added to the rest."""
    spent: tuple[tuple[Decimal, str], ...]
    """Cost on record up to now, each currency summed."""
    spent_through: date | None
    lines: tuple[ReturnLine, ...]
    """The returns that count, the earliest period first."""
    to_attest: frozenset[int]
    """Returns that the reader may attest."""
    may_report: bool

    @property
    def unattested(self) -> Decimal:
        """What was reported and nobody has attested."""
        return self.realised - self.attested


@dataclass(frozen=True, slots=True)
class ReturnsOverview:
    """A page of the projects in its reader's sight that have returns or owe some; what waits for the reader first."""

    unit: str | None
    total: int
    """How many projects there are on all pages."""
    waiting: int
    """How many returns on all pages wait for the reader to attest them."""
    page: int
    pages: int
    projects: tuple[ProjectReturns, ...]
    priors: tuple["Prior", ...]
    error: Spread | None


@dataclass(frozen=True, slots=True)
class AskingRecord:
    """A message about returns as it stands now."""

    id: int
    kind: AskingKind
    project_id: int
    key: str
    name: str
    owner: PersonRef | None
    live_on: date | None
    span: Span
    missing: tuple[Span, ...]
    """Days of it of which nothing was reported yet."""
    planned: Decimal | None
    """For all of it."""
    missing_planned: Decimal | None
    lines: tuple[ReturnLine, ...]
    """The returns that count and have days of it."""
    currency: str
    silent_since: date | None
    """Since when nothing was measured, where that is long."""
    sponsor_after: int
    """Days after which the sponsor is shown a silence."""
    skipped_by: PersonRef | None
    skipped_at: datetime | None
    reason: str
    reporters: frozenset[str]
    """Who may answer it, as opaque ids."""


# --- One project and many


class _Loader:
    """Reads what many projects returned, in few statements for any number."""

    def __init__(self, ctx: Context, projects: Sequence[Project]) -> None:
        self.ctx, self.projects = ctx, projects
        self.today = calendar_for(ctx.policy).day(ctx.now)
        ids = [project.id for project in projects]
        self.plans = queries.find_plans(ctx.session, ids)
        self.rows: dict[int, list[ReturnRow]] = {}
        for row in queries.list_standing(ctx.session, ids):
            self.rows.setdefault(row.project_id, []).append(row)
        self.spent = load_spend(ctx, ids, self.today)
        self.through = costs.data_through_by_project(ctx.session, ids, self.today)
        named = {project.owner_id for project in projects}
        for rows in self.rows.values():
            named |= {person for row in rows for person in (row.reported_by, row.attested_by)}
        self.people = load_people(ctx.session, named)
        self.writers = queries.list_writers(ctx.session, ids)
        self.attesting = returns.Attesting(ctx)

    def load(self, project: Project) -> ProjectReturns:
        ctx, plan = self.ctx, self.plans.get(project.id)
        currency = plan.currency if plan is not None else ctx.policy.cases.currency
        rows = self.rows.get(project.id, [])
        own = [row for row in rows if row.currency == currency]
        measured = realisation.merge(Span(row.starts, row.ends) for row in own)
        missing = _find_missing(project, rows, self.today)
        others: dict[str, Decimal] = {}
        for row in rows:
            if row.currency != currency:
                others[row.currency] = others.get(row.currency, Decimal(0)) + row.amount
        reporters = returns.list_reporters(project, self.writers.get(project.id, ()))
        to_attest = {
            row.id
            for row in rows
            if row.attested_at is None
            and self.attesting.find_word(project, returns.list_barred(reporters, row.reported_by))
        }
        return ProjectReturns(
            project_id=project.id,
            key=project.key,
            name=project.name,
            status=project.status,
            owner=self.people.get(project.owner_id or ""),
            business_unit=project.business_unit,
            live_on=project.live_on,
            currency=currency,
            realised=sum_amounts(own),
            attested=sum_amounts(row for row in own if row.attested_at is not None),
            planned=plan_benefits(plan, measured),
            measured=tuple(measured),
            missing=tuple(missing),
            missing_planned=plan_benefits(plan, missing),
            apart=tuple((amount, other) for other, amount in sorted(others.items())),
            spent=tuple(
                (amount, other)
                for other, amount in sorted(self.spent.get(project.id, {}).items())
                if amount
            ),
            spent_through=self.through.get(project.id),
            lines=tuple(_build_line(row, plan, self.people) for row in rows),
            to_attest=frozenset(to_attest),
            may_report=ctx.actor.is_member and ctx.actor.id in reporters,
        )


def _find_missing(project: Project, rows: Sequence[ReturnRow], today: date) -> list[Span]:
    ends = today.replace(day=1) - timedelta(days=1)
    if project.live_on is None or project.live_on > ends:
        return []
    covered = [Span(row.starts, row.ends) for row in rows]
    return realisation.find_gaps(Span(project.live_on, ends), covered)


def _build_line(
    row: ReturnRow, plan: PlanRow | None, people: Mapping[str, PersonRef]
) -> ReturnLine:
    span = Span(row.starts, row.ends)
    is_alike = plan is not None and plan.currency == row.currency
    return ReturnLine(
        id=row.id,
        span=span,
        amount=row.amount,
        currency=row.currency,
        planned=plan_benefits(plan, [span]) if is_alike else None,
        source=ReturnSource(row.source),
        note=row.note,
        replaces_id=row.replaces_id,
        reported_by=people.get(row.reported_by or ""),
        reported_at=row.reported_at,
        attested_by=people.get(row.attested_by or ""),
        attested_at=row.attested_at,
        is_standing=row.withdrawn_at is None,
    )


def sum_amounts(rows: Iterable[ReturnRow]) -> Decimal:
    """The sum of returns of one currency."""
    return sum((row.amount for row in rows), Decimal(0))


def plan_benefits(plan: PlanRow | None, spans: Iterable[Span]) -> Decimal | None:
    """The benefits that an estimate says are likely on some days, in cents; None without an estimate."""
    if plan is None:
        return None
    flow = Range.read_flow(plan.flows["benefits"]["likely"])
    return realisation.plan(flow, plan.starts, spans).quantize(rules.CENT)


def load_spend(
    ctx: Context, project_ids: Collection[int], through: date
) -> dict[int, dict[str, Decimal]]:
    """Project id → currency → cost on record up to the end of a month, on the basis that the policy counts."""
    is_billed = ctx.policy.costs.basis is CostBasis.BILLED
    spend: dict[int, dict[str, Decimal]] = {}
    if not project_ids:
        return spend
    for project_id, currency, billed, effective in costs.sums_by_months(
        ctx.session, project_ids, _LONG_AGO, through
    ):
        spend.setdefault(project_id, {})[currency] = billed if is_billed else effective
    return spend


def load_project(ctx: Context, key: str) -> ProjectReturns:
    """What came of a project, before somebody who sees it or may attest some of it. Raises NotFound."""
    permissions.require_member(ctx.actor, "returns.read")
    row = project_queries.find_by_key(ctx.session, storable(key, 200).casefold())
    if row is not None:
        record = _Loader(ctx, [row]).load(row)
        if permissions.sees_project(ctx, row.id) or record.to_attest or record.may_report:
            return record
    seen = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy).project_ids
    raise project_reads.project_out_of_sight(key, project_queries.list_names_of(ctx.session, seen))


def find_reported_project(ctx: Context, key: str) -> int:
    """The id of a project of which the actor may say what came. Raises NotFound, also for who may not see it, and
    NotAllowed."""
    row = project_queries.find_by_key(ctx.session, storable(key, 200).casefold())
    if row is None:
        raise returns.no_return()
    returns.require_reporter(ctx, row)
    return row.id


def load_overview(ctx: Context, unit: str | None = None, page: int = 0) -> ReturnsOverview:
    """Every project in the actor's sight that is in use or has returns, those with returns that they may attest as well;
    a page of them, from 0, in full.

    Raises NotAllowed for who is no member, and InvalidInput for a unit of which they see nothing.
    """
    permissions.require_member(ctx.actor, "returns.read")
    sight = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    unattested = queries.list_unattested(ctx.session)
    ids = None if sight.within is None else sight.within | unattested.keys()
    candidates = queries.list_with_returns(ctx.session, ids)
    waiting = _count_waiting(ctx, candidates, unattested)
    chosen = [each for each in candidates if each.id in waiting or sight.holds(each.id)]
    if unit is not None:
        chosen, unit = _select_unit(chosen, unit)
    chosen.sort(key=lambda each: (each.id not in waiting, each.name.casefold(), each.key))
    last = max(0, (len(chosen) - 1) // PAGE_SIZE)
    page = min(page, last)
    on_page = chosen[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    loader = _Loader(ctx, on_page)
    return ReturnsOverview(
        unit=unit,
        total=len(chosen),
        waiting=sum(waiting.get(each.id, 0) for each in chosen),
        page=page,
        pages=last + 1,
        projects=tuple(loader.load(project) for project in on_page),
        priors=tuple(list_priors(ctx)),
        error=find_estimate_error(ctx),
    )


def _count_waiting(
    ctx: Context, projects: Collection[Project], unattested: Mapping[int, Collection[str | None]]
) -> dict[int, int]:
    """Project id → how many of its returns the actor may attest; projects without any are left out."""
    open_ = [project for project in projects if project.id in unattested]
    writers = queries.list_writers(ctx.session, [project.id for project in open_])
    attesting = returns.Attesting(ctx)
    waiting: dict[int, int] = {}
    for project in open_:
        reporters = returns.list_reporters(project, writers.get(project.id, ()))
        for reported_by in unattested[project.id]:
            if attesting.find_word(project, returns.list_barred(reporters, reported_by)):
                waiting[project.id] = waiting.get(project.id, 0) + 1
    return waiting


def _select_unit(projects: Sequence[Project], unit: str) -> tuple[list[Project], str]:
    wanted = storable(unit).casefold()
    chosen = [each for each in projects if (each.business_unit or "").casefold() == wanted]
    if not chosen:
        raise InvalidInput("You see no project in use of such a unit.", field="unit")
    return chosen, chosen[0].business_unit or unit


# --- A message, and a return that waits


def load_asking(ctx: Context, asking_id: int) -> AskingRecord | None:
    """A message about returns as it stands now; None when there is none. Whether somebody may see it, the caller knows:
    it was sent to them, or `require_asking` was asked."""
    asking = queries.find_asking(ctx.session, asking_id)
    return None if asking is None else _build_asking(ctx, asking)


def require_asking(ctx: Context, asking_id: int) -> AskingRecord:
    """The same, before somebody who may answer it. Raises NotFound and NotAllowed."""
    asking = queries.find_asking(ctx.session, asking_id)
    if asking is None:
        raise returns.no_return()
    project = _find_project(ctx, asking.project_id)
    returns.require_reporter(ctx, project)
    return _build_asking(ctx, asking)


def _find_project(ctx: Context, project_id: int) -> Project:
    (project,) = project_queries.list_projects(ctx.session, [project_id])
    return project


def _build_asking(ctx: Context, asking: ReturnAsking) -> AskingRecord:
    project = _find_project(ctx, asking.project_id)
    plan = queries.find_plans(ctx.session, [project.id]).get(project.id)
    rows = queries.list_standing(ctx.session, [project.id])
    covered = [Span(row.starts, row.ends) for row in rows]
    span = Span(asking.starts, asking.ends)
    missing = realisation.find_gaps(span, covered)
    within = [row for row in rows if span.overlaps(Span(row.starts, row.ends))]
    people = load_people(
        ctx.session,
        {
            project.owner_id,
            asking.skipped_by,
            *(person for row in within for person in (row.reported_by, row.attested_by)),
        },
    )
    today = calendar_for(ctx.policy).day(ctx.now)
    rhythm = read_rhythm(ctx.policy)
    silence = (
        realisation.find_silence(project.live_on, covered, today, rhythm)
        if project.live_on is not None
        else None
    )
    return AskingRecord(
        id=asking.id,
        kind=AskingKind(asking.kind),
        project_id=project.id,
        key=project.key,
        name=project.name,
        owner=people.get(project.owner_id or ""),
        live_on=project.live_on,
        span=span,
        missing=tuple(missing),
        planned=plan_benefits(plan, [span]),
        missing_planned=plan_benefits(plan, missing),
        lines=tuple(_build_line(row, plan, people) for row in within),
        currency=plan.currency if plan is not None else ctx.policy.cases.currency,
        silent_since=silence.starts if silence is not None else None,
        sponsor_after=rhythm.sponsor_after,
        skipped_by=people.get(asking.skipped_by or ""),
        skipped_at=asking.skipped_at,
        reason=_find_reason(ctx, project, asking),
        reporters=frozenset(returns.load_reporters(ctx.session, project)),
    )


def _find_reason(ctx: Context, project: Project, asking: ReturnAsking) -> str:
    """Why it was skipped; for a sponsor the latest reason that was given in the silence."""
    reasons = [asking]
    if asking.kind == AskingKind.SPONSOR:
        reasons = [
            other
            for other in queries.list_askings(ctx.session, project.id)
            if other.reason_id is not None and other.ends >= asking.starts
        ]
    ids = [other.reason_id for other in reasons if other.reason_id is not None]
    return (case_queries.find_text(ctx.session, ids[-1]) or "") if ids else ""


def require_return(ctx: Context, return_id: int) -> ProjectReturns:
    """The project of a return, before somebody who may see that. Raises NotFound."""
    permissions.require_member(ctx.actor, "returns.read", subject=(returns.RETURN, return_id))
    row = queries.find_return(ctx.session, return_id)
    project = _find_project(ctx, row.project_id) if row is not None else None
    if row is None or project is None or not returns.may_see(ctx, project, row):
        raise returns.no_return()
    return _Loader(ctx, [project]).load(project)


def load_return(ctx: Context, return_id: int) -> tuple[ProjectReturns, ReturnLine] | None:
    """A return with its project, whoever reads it: for the messages of those whom it was sent to. None when it's gone."""
    row = queries.find_return(ctx.session, return_id)
    if row is None:
        return None
    project = _find_project(ctx, row.project_id)
    loader = _Loader(ctx, [project])
    record = loader.load(project)
    rows = queries.list_of_project(ctx.session, project.id)
    people = load_people(ctx.session, {row.reported_by, row.attested_by})
    plan = loader.plans.get(project.id)
    line = next(_build_line(each, plan, people) for each in rows if each.id == return_id)
    return record, line


# --- Priors against results


@dataclass(frozen=True, slots=True)
class Prior:
    """What projects of a category returned so far, beside what the category is said to return. `results` is None where
    too few have an attested year."""

    category: ProjectCategory
    benchmark: int
    results: Spread | None


def list_priors(ctx: Context) -> list[Prior]:
    """By category, how many times its cost projects with an attested full year brought in so far.

    A project's figure: its attested returns, for each unit of cost up to the last attested day. Cost is what is on record
    in the currency of its case, else the bills that were estimated, plus people as estimated, who are on no bill. Days
    of which nothing was attested count as nothing. Nothing is given for fewer than five projects (`select_tellable`).
    """
    multiples = _load_multiples(ctx)
    sight = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    priors = []
    for category, known in rules.CATEGORIES.items():
        figures = multiples.get(category.value, {})
        kept = realisation.select_tellable(
            figures, [project_id for project_id in figures if sight.holds(project_id)]
        )
        priors.append(Prior(category, known.benchmark, realisation.spread(kept) if kept else None))
    return priors


FindPlans = Callable[[Session, Collection[int]], dict[int, PlanRow]]


@dataclass(frozen=True, slots=True)
class _Attested:
    """A project with an attested full year."""

    project_id: int
    amount: Decimal
    spans: tuple[Span, ...]

    @property
    def through(self) -> date:
        return self.spans[-1].ends


def _list_attested(ctx: Context, find: FindPlans) -> list[tuple[_Attested, PlanRow]]:
    """Projects with an attested full year in the currency of the estimate that `find` gives, with that."""
    by_project: dict[int, list[AttestedRow]] = {}
    for row in queries.list_attested(ctx.session):
        by_project.setdefault(row.project_id, []).append(row)
    attested = []
    plans = find(ctx.session, _with_full_year(by_project))
    for project_id, plan in sorted(plans.items()):
        rows = [row for row in by_project[project_id] if row.currency == plan.currency]
        spans = realisation.merge(Span(row.starts, row.ends) for row in rows)
        if realisation.has_full_year(spans):
            amount = sum((row.amount for row in rows), Decimal(0))
            attested.append((_Attested(project_id, amount, tuple(spans)), plan))
    return attested


def _with_full_year(by_project: Mapping[int, Collection[AttestedRow]]) -> list[int]:
    return [
        project_id
        for project_id, rows in by_project.items()
        if realisation.has_full_year(Span(row.starts, row.ends) for row in rows)
    ]


def _load_multiples(ctx: Context) -> dict[str, dict[int, Decimal]]:
    """Category → project id → attested benefits for each unit of cost."""
    attested = _list_attested(ctx, queries.find_plans)
    by_month: dict[date, list[int]] = {}
    for each, _ in attested:
        by_month.setdefault(each.through.replace(day=1), []).append(each.project_id)
    spend: dict[int, dict[str, Decimal]] = {}
    for month, ids in by_month.items():
        spend |= load_spend(ctx, ids, month)
    multiples: dict[str, dict[int, Decimal]] = {}
    for each, plan in attested:
        recorded = spend.get(each.project_id, {}).get(plan.currency)
        cost = _count_cost(plan, each.through, recorded)
        if cost > 0:
            category = str(plan.content["category"])
            multiples.setdefault(category, {})[each.project_id] = each.amount / cost
    return multiples


def _count_cost(plan: PlanRow, through: date, recorded: Decimal | None) -> Decimal:
    """What a project cost up to a day: bills on record, or as estimated where there are none, and people as estimated."""
    if through < plan.starts:
        return recorded or Decimal(0)
    span = [Span(plan.starts, through)]
    costs_, bills = (
        realisation.plan(Range.read_flow(plan.flows[side]["likely"]), plan.starts, span)
        for side in ("costs", "bills")
    )
    return costs_ - bills + (recorded or bills)


def find_estimate_error(ctx: Context) -> Spread | None:
    """How much of what was estimated came, over those who estimated; None for fewer than five different ones.

    Of each project with an attested full year, attested returns for each unit of what its first agreed estimate said of
    the same days; of each person the median of their projects, so that nobody counts twice; rounded to 5 %.
    """
    ratios = []
    for each, plan in _list_attested(ctx, queries.find_first_plans):
        planned = plan_benefits(plan, each.spans)
        if planned and planned > 0 and plan.made_by is not None:
            ratios.append((plan.made_by, each.amount / planned))
    result = realisation.spread_by_person(ratios)
    if result is None:
        return None
    return Spread(result.number, *map(_round, (result.low, result.median, result.high)))


def _round(share: Decimal) -> Decimal:
    return (share * 20).quantize(Decimal(1)) / 20


def describe_error(error: Spread) -> str:
    """What estimates turned out to be, in a sentence."""
    low, median, high = (f"{share * 100:.0f} %" for share in (error.low, error.median, error.high))
    return (
        f"Of what was estimated, {median} came in the middle case of {error.number} people's estimates; "
        f"for half of them {low} to {high}"
    )


def offer_correction(ctx: Context, benefits: Decimal, currency: str) -> str:
    """What a new estimate of benefits would be if it were as far off as earlier ones; empty where too few are known. It
    is offered, and nothing is changed by it."""
    error = find_estimate_error(ctx)
    if error is None or benefits <= 0:
        return ""
    corrected = money((benefits * error.median).quantize(Decimal(1)), currency)
    return f"{describe_error(error)}. At that rate this would bring {corrected}; your estimate stays as you wrote it."
