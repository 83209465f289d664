"""Business cases as somebody may see them: one, somebody's own, and projects that may be about the same."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from storage.cases import queries
from storage.cases.queries import CaseRow
from storage.cases.tables import BusinessCase, CaseRevision
from storage.enums import CaseSide, CaseState, Driver, ProjectCategory
from storage.money import money_text
from storage.people import queries as people_queries
from storage.projects import queries as project_queries
from workflows import permissions
from workflows.cases import amounts, rules
from workflows.cases.amounts import Range
from workflows.cases.forms import TIME_FIELDS
from workflows.cases.records import (
    Alike,
    CaseLineInList,
    CaseRecord,
    Content,
    Figure,
    Line,
    Revision,
)
from workflows.context import Context
from workflows.errors import NotAllowed, NotFound
from workflows.projects.records import PersonRef
from workflows.wording import day as day_words
from workflows.wording import money

TYPE = "case"
MOST_ALIKE = 5


def no_case() -> NotFound:
    """The same refusal for a case that is not there and for one that is not for who asks."""
    return NotFound("There is no such business case here.", hint="cases.list")


# --- What was entered, and what it comes to


def read_line(line: Line, months: int, starts: date) -> Range:
    """What the texts of a line come to by month. Raises ValueError, `field: sentence` for a figure of time saved."""
    if line.driver is not Driver.TIME_SAVED:
        return amounts.parse_range(line.entered.get("amount", ""), months, starts)
    parsed: dict[str, Range] = {}
    for field in TIME_FIELDS:
        text = line.entered.get(field, "")
        try:
            if not text.strip():
                raise ValueError("write a figure")
            if field == "uses":
                parsed[field] = amounts.parse_range(text, months, starts)
            elif field == "acceptance":
                parsed[field] = rules.repeat(amounts.parse_shares(text), months)
            else:
                parsed[field] = rules.repeat(amounts.parse_figures(text), months)
        except ValueError as error:
            raise ValueError(f"{field}: {error}") from None
    return rules.value_time_saved(
        parsed["uses"], parsed["minutes"], parsed["acceptance"], parsed["rate"], months
    )


def read_figures(content: Content) -> tuple[Figure, ...]:
    """Every line with what it comes to; without a horizon, nothing does."""
    if content.starts is None or content.months is None:
        return tuple(Figure(line, Range()) for line in content.lines)
    figures = []
    for line in content.lines:
        try:
            figures.append(Figure(line, read_line(line, content.months, content.starts)))
        except ValueError as error:
            figures.append(Figure(line, Range(), str(error)))
    return tuple(figures)


def sum_side(figures: Collection[Figure], side: CaseSide) -> Range:
    """All benefits, or all costs, by month."""
    total = Range()
    for figure in figures:
        if figure.line.side is side:
            total += figure.estimate
    return total


# --- People


def load_people(session: Session, ids: Collection[str | None]) -> dict[str, PersonRef]:
    """Opaque id → person, for those who are named."""
    named = {id_ for id_ in ids if id_}
    return {
        row.id: PersonRef(row.id, row.slack_id, row.name)
        for row in people_queries.list_people(session, named)
    }


# --- One case


def is_writer(ctx: Context, case: BusinessCase) -> bool:
    """Whether the actor may change what is written: whoever began it or is to own it."""
    return ctx.actor.is_member and ctx.actor.id in {case.created_by, case.owner_id} - {None}


def require_sight(ctx: Context, case_id: int) -> BusinessCase:
    """A case that the actor may read: they write or sponsor it, its project is in their sight, or a message about the
    request for it is before them. Raises NotFound for everybody else."""
    permissions.require_member(ctx.actor, "case.read", subject=(TYPE, case_id))
    case = queries.find(ctx.session, case_id)
    if case is None or not (
        is_writer(ctx, case)
        or case.sponsor_id == ctx.actor.id
        or permissions.sees_project(ctx, case.project_id)
        or _is_before_them(ctx, case_id)
    ):
        raise no_case()
    return case


def require_writer(ctx: Context, case_id: int) -> None:
    """Raise NotFound for who may not read a case, and NotAllowed for who may not change it."""
    case = require_sight(ctx, case_id)
    if is_writer(ctx, case):
        return
    people = load_people(ctx.session, (case.owner_id, case.created_by))
    names = " or ".join(sorted(person.name for person in people.values()))
    raise NotAllowed(f"Only {names or 'its owner'} can change this case.")


def may_write(ctx: Context, case_id: int) -> bool:
    """Whether the actor may change a case."""
    return is_writer(ctx, require_sight(ctx, case_id))


def list_with_case(ctx: Context, project_ids: Collection[int]) -> set[int]:
    """Which of these projects have a case."""
    return set(queries.list_of_projects(ctx.session, project_ids))


def find_by_promise(ctx: Context, place: str) -> int | None:
    """The case that began from a message (`channel:ts`); None where none did. Raises NotFound for who may not read it."""
    case = queries.find_by_promise(ctx.session, place)
    return None if case is None else require_sight(ctx, case.id).id


def find_by_request(ctx: Context, approval_id: int) -> int:
    """The case that a request was about. Raises NotFound, also for who may not read it."""
    about = approval_queries.find_subject(ctx.session, approval_id)
    if about is None or about[0] != TYPE:
        raise no_case()
    return require_sight(ctx, about[1]).id


def _is_before_them(ctx: Context, case_id: int) -> bool:
    match permissions.find_shown(ctx):
        case ("approval", approval_id):
            about = approval_queries.find_subject(ctx.session, int(approval_id))
            return about == (TYPE, case_id)
        case _:
            return False


def load_record(ctx: Context, case_id: int) -> CaseRecord:
    """A case before somebody who may read it. Raises NotFound."""
    return build_record(ctx, require_sight(ctx, case_id))


def build_record(ctx: Context, case: BusinessCase) -> CaseRecord:
    """A case as it is written now."""
    content = Content.model_validate(case.content)
    figures = read_figures(content)
    people = load_people(
        ctx.session, (case.owner_id, case.sponsor_id, case.created_by, case.changed_by)
    )
    project = None
    if case.project_id is not None:
        (project,) = project_queries.list_projects(ctx.session, [case.project_id])
    has_amounts = any(figure.estimate.likely for figure in figures)
    return CaseRecord(
        id=case.id,
        title=case.title,
        state=CaseState(case.state),
        step=case.step,
        revision=case.revision,
        content=content,
        figures=figures,
        owner=people.get(case.owner_id or ""),
        sponsor=people.get(case.sponsor_id or ""),
        created_by=people.get(case.created_by or ""),
        business_unit=case.business_unit,
        category=ProjectCategory(case.category) if case.category else None,
        project_id=case.project_id,
        project_key=project.key if project is not None else None,
        waiver=queries.find_text(ctx.session, case.waiver_id) or "",
        agreed=case.agreed,
        waits=queries.find_waiting_request(ctx.session, case.id),
        changed_by=people.get(case.changed_by or ""),
        changed_at=case.changed_at,
        outlook=weigh(ctx, figures) if has_amounts else None,
    )


def weigh(ctx: Context, figures: Collection[Figure]) -> rules.Outlook:
    """What lines come to at the policy's discount rate."""
    return rules.weigh(
        sum_side(figures, CaseSide.BENEFIT),
        sum_side(figures, CaseSide.COST),
        ctx.policy.cases.discount_rate,
    )


def list_revisions(ctx: Context, case_id: int) -> list[Revision]:
    """Each estimate that somebody stood for, the newest first, with what differs from the one agreed before it. Raises
    NotFound."""
    case = require_sight(ctx, case_id)
    rows = queries.list_revisions(ctx.session, case.id)
    people = load_people(ctx.session, [row.made_by for row in rows])
    revisions: list[Revision] = []
    before: Revision | None = None
    for row in rows:
        revision = build_revision(ctx, row, people.get(row.made_by or ""))
        if before is not None:
            revision = _with_changes(revision, before)
        revisions.append(revision)
        if revision.agreed_at is not None:
            before = revision
    return revisions[::-1]


def build_revision(ctx: Context, row: CaseRevision, made_by: PersonRef | None) -> Revision:
    """A revision with what it comes to at the rate that holds now."""
    return Revision(
        number=row.number,
        made_at=row.made_at,
        made_by=made_by,
        approval_id=row.approval_id,
        agreed_at=row.agreed_at,
        outlook=rules.weigh(
            Range.of(row.flows["benefits"]),
            Range.of(row.flows["costs"]),
            ctx.policy.cases.discount_rate,
        ),
        content=Content.model_validate(row.content),
        category=ProjectCategory(row.content["category"]),
    )


def _with_changes(revision: Revision, before: Revision) -> Revision:
    return Revision(
        **{name: getattr(revision, name) for name in Revision.__slots__ if name != "changes"},
        changes=tuple(list_differences(before, revision)),
    )


def list_differences(before: Revision, after: Revision) -> list[tuple[str, str, str]]:
    """What differs between two estimates: (what, before, now), each for people."""
    old, new = _describe_estimate(before), _describe_estimate(after)
    return [(name, old[name], new[name]) for name in old if old[name] != new[name]]


def _describe_estimate(revision: Revision) -> dict[str, str]:
    content, likely = revision.content, revision.outlook.likely
    currency = content.currency or ""
    words = {"Benefits": money(likely.benefits, currency), "Costs": money(likely.costs, currency)}
    for driver, name in rules.NAMES.items():
        amount = sum_driver(content, driver)
        words[name] = money(amount, currency) if amount else "none"
    ends = rules.shift_month(content.starts, (content.months or 1) - 1) if content.starts else None
    words |= {
        "From": f"{content.starts:%b %Y}" if content.starts else "",
        "Until": f"{ends:%b %Y}" if ends else "",
        "Category": rules.CATEGORIES[revision.category].name,
        "Confidence": _percent(content.confidence),
        "Feasibility": _percent(content.feasibility),
        "Expected tier": str(content.tier or "none"),
        "Target": f"{money_text(content.target)} {content.metric}"
        if content.target is not None
        else "none",
        "Baseline": (
            f"{money_text(content.baseline)} {content.metric}"
            + (
                f" on {day_words(content.baseline_on)} {content.baseline_on.year}"
                if content.baseline_on
                else ""
            )
            if content.baseline is not None
            else "none"
        ),
    }
    return words


def sum_driver(content: Content, driver: Driver) -> Decimal:
    """The likely sum of a driver's lines over the horizon."""
    return sum(
        (
            amounts.total(figure.estimate.likely)
            for figure in read_figures(content)
            if figure.line.driver is driver
        ),
        Decimal(0),
    )


def _percent(share: Decimal | None) -> str:
    return "unknown" if share is None else f"{share * 100:.0f} %"


# --- Several cases


def list_own(ctx: Context) -> list[CaseLineInList]:
    """Cases that the actor began, is to own or sponsors, what changed last first."""
    permissions.require_member(ctx.actor, "case.read")
    rows = queries.list_of_person(ctx.session, ctx.actor.id)
    keys = _load_keys(ctx.session, rows)
    return [
        CaseLineInList(
            row.id,
            row.title,
            CaseState(row.state),
            row.step,
            row.revision,
            row.changed_at,
            keys.get(row.project_id or 0),
        )
        for row in rows
    ]


def _load_keys(session: Session, rows: Collection[CaseRow]) -> Mapping[int, str]:
    ids = {row.project_id for row in rows if row.project_id is not None}
    if not ids:
        return {}
    return {row.id: row.key for row in project_queries.list_projects(session, ids)}


def list_alike(ctx: Context, record: CaseRecord) -> list[Alike]:
    """Projects of the same unit or category that say most of the same words, the nearest first: only such as the actor
    sees, and none that shares no word."""
    sight = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    rows = queries.list_alike(
        ctx.session,
        record.business_unit,
        record.category.value if record.category else None,
        sight.within,
    )
    texts = {
        row.id: f"{row.name} {row.key} {row.problem}" for row in rows if row.id != record.project_id
    }
    nearest = rules.rank_alike(f"{record.title} {record.content.problem}", texts)[:MOST_ALIKE]
    by_id = {row.id: row for row in rows}
    people = load_people(ctx.session, [by_id[id_].owner_id for id_ in nearest])
    return [
        Alike(
            by_id[id_].key,
            by_id[id_].name,
            by_id[id_].status,
            people.get(by_id[id_].owner_id or ""),
        )
        for id_ in nearest
    ]
