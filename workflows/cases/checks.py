"""Approved cases that no longer hold, put before whoever sponsors them: go on, estimate anew, or stop."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from storage import leases
from storage.budgets import costs
from storage.cases import journeys, queries
from storage.cases import returns as return_queries
from storage.cases.journeys import AgreedRow
from storage.cases.returns import ReturnRow
from storage.cases.tables import CaseCheck
from storage.enums import CheckAnswer, MilestoneType, ProjectStatus
from storage.money import exact_sum, money_text
from storage.people import lookups
from storage.people.tables import Person
from workflows import outbox, permissions, rollout
from workflows.audit import service as audit
from workflows.calendar import calendar_for
from workflows.cases import arrival, reads, realisation, rules, service
from workflows.cases.amounts import Range, cut_off, total
from workflows.cases.arrival import CaseStanding
from workflows.cases.forms import GoOn, OnCheck
from workflows.cases.realisation import Span
from workflows.context import Context
from workflows.errors import NotAllowed, NotFound, RefusalFact, Stale
from workflows.job_runner import DueSlot, Registry, in_batches
from workflows.outbox import Destination, Notice, Subject
from workflows.policy.sections import Material
from workflows.projects.records import PersonRef

TYPE = "case_check"
LOOKED_AT = {ProjectStatus.APPROVED, ProjectStatus.IN_PROGRESS, ProjectStatus.LIVE}
"""States of projects whose case has to hold. One that rests is decided about already."""
AT_LEAST = 3
"""Months of the plan that cost is compared with from the beginning: one month's bill comes early or late."""
MOST_LEVELS = 10
"""How far getting worse is told apart."""
WORK = "cases.check"
MOST = 100
"""Cases of one transaction."""


@dataclass(frozen=True, slots=True)
class CaseBroken(Notice):
    """An approved case no longer holds."""

    kind: ClassVar[str] = "cases.broken"
    check_id: int


@dataclass(frozen=True, slots=True)
class EstimateAsked(Notice):
    """Whoever sponsors a case wants another estimate of it."""

    kind: ClassVar[str] = "cases.estimate_asked"
    check_id: int


# --- What is broken, and how badly. Pure


def measure_levels(standing: CaseStanding, limits: Material) -> dict[str, int]:
    """What no longer holds (`cost`, `benefit`, `end`) → how many times the policy's limit was passed, from 1.

    Twice the limit is level 2, and so on up to `MOST_LEVELS`. Empty while the case holds (`arrival.is_broken`).
    """
    parts = {
        "cost": replace(standing, planned_benefit=None, planned_end=None),
        "benefit": replace(standing, planned_cost=None, planned_end=None),
        "end": replace(standing, planned_cost=None, planned_benefit=None),
    }
    levels = dict.fromkeys(parts, 0)
    for name, part in parts.items():
        while levels[name] < MOST_LEVELS and _list_reasons(part, limits, levels[name] + 1):
            levels[name] += 1
    return {name: level for name, level in levels.items() if level}


def _list_reasons(standing: CaseStanding, limits: Material, times: int = 1) -> tuple[str, ...]:
    return arrival.is_broken(
        standing,
        Decimal(limits.cost_percent * times) / 100,
        Decimal(limits.benefit_percent * times) / 100,
        limits.months * times,
    )


def is_worse(levels: Mapping[str, int], before: Mapping[str, int]) -> bool:
    """Whether something is broken that was not, or worse by as much as the limit again."""
    return any(level > before.get(name, 0) for name, level in levels.items())


def plan_cost(
    bills: Range, starts: date, through: date, spent: Mapping[date, Decimal]
) -> tuple[Decimal, Decimal] | None:
    """(planned, spent) from the plan's first month to the last one that is over on the day `through`; None before it.

    `spent` is by the first day of each month. In the first months the plan of `AT_LEAST` is what they are compared with.
    """
    months = (through.year - starts.year) * 12 + through.month - starts.month
    if (through + timedelta(days=1)).day == 1:
        months += 1
    if months < 1:
        return None
    ends = rules.shift_month(starts, months)
    planned = total(cut_off(bills.likely, max(months, AT_LEAST)))
    return planned, exact_sum(cost for month, cost in spent.items() if starts <= month < ends)


# --- How cases stand by the record


def load_standings(ctx: Context, rows: Sequence[AgreedRow]) -> dict[int, CaseStanding]:
    """Case id → how it stands, in a few statements for all of them: bills against the plan's, in the case's currency,
    what was attested against what was planned for the same days, and the day on which it is to be in use. What nobody
    attested is no benefit.
    """
    ids = [row.project_id for row in rows]
    today = ctx.now.astimezone(ctx.policy.organisation.zone).date()
    spent: dict[tuple[int, str], dict[date, Decimal]] = defaultdict(dict)
    for id_, currency, month, cost in journeys.list_spending(
        ctx.session, ids, ctx.policy.costs.basis
    ):
        spent[id_, currency][month] = cost
    through = costs.data_through_by_project(ctx.session, ids, ctx.now.date())
    launches = _find_launches(ctx.session, ids, today)
    attested = _list_attested(ctx.session, ids)
    standings = {}
    for row in rows:
        currency, starts = row.currency or "", row.starts
        compared = None
        if starts is not None and row.project_id in through:
            compared = plan_cost(
                Range.of(row.flows["bills"]),
                date.fromisoformat(starts),
                through[row.project_id],
                spent[row.project_id, currency],
            )
        planned, actual = compared or (None, None)
        due, forecast = launches.get(row.project_id, (None, None))
        promised, came = compare_benefit(row, attested[row.project_id]) or (None, None)
        standings[row.case_id] = CaseStanding(
            currency,
            planned_cost=planned,
            actual_cost=actual,
            planned_benefit=promised,
            attested_benefit=came,
            planned_end=due,
            forecast_end=forecast,
        )
    return standings


def compare_benefit(
    row: AgreedRow, attested: Sequence[ReturnRow]
) -> tuple[Decimal, Decimal] | None:
    """(planned, attested) over the days for which something was attested in the case's currency; None while those are
    fewer than `QUARTER`, which tell too little."""
    returns = [each for each in attested if each.currency == row.currency]
    spans = realisation.merge(Span(each.starts, each.ends) for each in returns)
    if row.starts is None or sum(span.days for span in spans) < QUARTER:
        return None
    benefits = Range.of(row.flows["benefits"]).likely
    planned = realisation.plan(benefits, date.fromisoformat(row.starts), spans)
    return planned, exact_sum(each.amount for each in returns)


def _list_attested(session: Session, project_ids: Collection[int]) -> dict[int, list[ReturnRow]]:
    by_project: dict[int, list[ReturnRow]] = defaultdict(list)
    for each in return_queries.list_standing(session, project_ids):
        if each.attested_at is not None:
            by_project[each.project_id].append(each)
    return by_project


def _find_launches(
    session: Session, project_ids: Collection[int], today: date
) -> dict[int, tuple[date, date]]:
    """Project id → when it was first promised to be in use, and when it is expected to be; those in use are left out."""
    launches: dict[int, tuple[date, date]] = {}
    arrived = set()
    for id_, baseline, forecast, actual in journeys.list_launches(
        session, MilestoneType.DEPLOYED.value, project_ids
    ):
        if actual is not None:
            arrived.add(id_)
        launches.setdefault(id_, (baseline, max(forecast, today)))
    return {id_: days for id_, days in launches.items() if id_ not in arrived}


# --- Every day, in batches


def check_some(ctx: Context, after: int, most: int) -> int | None:
    """Look at the next cases after id `after`; the last one's id, None at the end.

    One that no longer holds is put before its sponsor once. After an answer it is quiet until something gets worse; a new
    estimate begins anew. What holds again closes by itself, and the copies follow.
    """
    rows = journeys.list_agreed_cases(
        ctx.session, [each.value for each in LOOKED_AT], after=after, most=most
    )
    standings = load_standings(ctx, rows)
    known: dict[int, list[CaseCheck]] = defaultdict(list)
    for check in queries.lock_checks_of(ctx.session, [row.case_id for row in rows]):
        known[check.case_id].append(check)
    people = lookups.find_people(
        ctx.session, {id_ for row in rows for id_ in (row.sponsor_id, row.owner_id) if id_}
    )
    for row in rows:
        _check(ctx, row, standings[row.case_id], known[row.case_id], people)
    return rows[-1].case_id if len(rows) == most else None


def _check(
    ctx: Context,
    row: AgreedRow,
    standing: CaseStanding,
    known: Sequence[CaseCheck],
    people: Mapping[str, Person],
) -> None:
    levels = measure_levels(standing, ctx.policy.cases.material)
    worst: dict[str, int] = {}
    for check in known:
        is_same = check.number == row.number
        if check.answer is None and not (is_same and levels):
            _close(ctx, check, CheckAnswer.HOLDS)
        elif check.answer is None:
            _redraw(ctx, check, standing, levels)
        # What was never answered and held again is news when it breaks once more.
        if is_same and check.answer != CheckAnswer.HOLDS:
            worst |= {name: max(level, worst.get(name, 0)) for name, level in check.levels.items()}
    if is_worse(levels, worst):
        asked = _find_asked(row, people)
        if asked is not None:
            _open(ctx, row, standing, levels, asked)


def _find_asked(row: AgreedRow, people: Mapping[str, Person]) -> Person | None:
    """The sponsor, or where there is none, the owner: a member who can be asked."""
    for id_ in (row.sponsor_id, row.owner_id):
        person = people.get(id_ or "")
        if person is not None and person.slack_id and permissions.is_member(person):
            return person
    return None


def _open(
    ctx: Context, row: AgreedRow, standing: CaseStanding, levels: Mapping[str, int], asked: Person
) -> None:
    check = CaseCheck(
        case_id=row.case_id,
        number=row.number,
        standing=store_standing(standing, ctx.policy.cases.material),
        levels=dict(levels),
        asked_id=asked.id,
        opened_at=ctx.now,
    )
    ctx.session.add(check)
    ctx.session.flush()
    audit.record(
        ctx.as_system(),
        "case.broken",
        (reads.TYPE, row.case_id),
        check=check.id,
        number=row.number,
        levels=dict(levels),
        asked=asked.id,
    )
    _tell(ctx, asked, CaseBroken(check.id), check)


def _tell(ctx: Context, person: Person, notice: Notice, check: CaseCheck) -> None:
    calendar = calendar_for(ctx.policy, tz=person.tz, country=person.country)
    rollout.message_unasked(
        ctx,
        person.id,
        notice,
        to=Destination.person(ctx.org, person.slack_id or ""),
        dedupe_key=f"{notice.kind}:{check.id}",
        subject=Subject.of(TYPE, check.id),
        due_at=calendar.next_open(ctx.now),
    )


def _redraw(
    ctx: Context, check: CaseCheck, standing: CaseStanding, levels: Mapping[str, int]
) -> None:
    """While it waits, a question shows how the case stands now."""
    stored = store_standing(standing, ctx.policy.cases.material)
    if check.standing == stored and check.levels == levels:
        return
    check.standing, check.levels = stored, dict(levels)
    check.revision += 1
    ctx.session.flush()
    outbox.refresh(ctx, Subject.of(TYPE, check.id))


def _close(
    ctx: Context,
    check: CaseCheck,
    answer: CheckAnswer,
    *,
    by: str | None = None,
    reason_id: int | None = None,
) -> None:
    check.answer, check.answered_at, check.answered_by = answer.value, ctx.now, by
    check.reason_id = reason_id
    check.revision += 1
    ctx.session.flush()
    outbox.refresh(ctx, Subject.of(TYPE, check.id))


def close_of_project(ctx: Context, project_id: int, answer: CheckAnswer) -> None:
    """What waits about a project's case has this answer, as the actor decided it elsewhere."""
    case = queries.find_of_project(ctx.session, project_id)
    if case is None:
        return
    for check in queries.lock_checks_of(ctx.session, [case.id]):
        if check.answer is None:
            _close(ctx, check, answer, by=ctx.actor.id)


# --- Answers


def go_on(ctx: Context, form: GoOn) -> None:
    """The project goes on although its case doesn't hold. Raises NotFound, NotAllowed, and Stale for what was answered or
    is not as it was shown."""
    check = _lock(ctx, form, "case.go_on")
    text = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    _close(ctx, check, CheckAnswer.GO_ON, by=ctx.actor.id, reason_id=text.id)
    audit.record(
        ctx,
        "case.goes_on",
        (reads.TYPE, check.case_id),
        check=check.id,
        levels=dict(check.levels),
        reason=audit.text_fact(text),
    )


def ask_estimate(ctx: Context, form: OnCheck) -> PersonRef | None:
    """Whoever owns the project is asked for another estimate; who that is, None where nobody can be asked. Raises as
    `go_on`."""
    check = _lock(ctx, form, "case.ask_estimate")
    _close(ctx, check, CheckAnswer.REESTIMATE, by=ctx.actor.id)
    audit.record(ctx, "case.estimate_asked", (reads.TYPE, check.case_id), check=check.id)
    case = queries.find(ctx.session, check.case_id)
    owner_id = case.owner_id if case is not None else None
    owner = lookups.find_people(ctx.session, [owner_id]).get(owner_id) if owner_id else None
    if owner is None or not owner.slack_id or not permissions.is_member(owner):
        return None
    if owner.id != ctx.actor.id:
        _tell(ctx, owner, EstimateAsked(check.id), check)
    return PersonRef(owner.id, owner.slack_id, owner.name)


def require_answerable(ctx: Context, form: OnCheck) -> None:
    """Raise what an answer would, before somebody is asked why."""
    _require(ctx, queries.find_check(ctx.session, form.check_id), form, "case.go_on")


def _lock(ctx: Context, form: OnCheck, action: str) -> CaseCheck:
    check = queries.lock_check(ctx.session, form.check_id)
    return _require(ctx, check, form, action)


def _require(ctx: Context, check: CaseCheck | None, form: OnCheck, action: str) -> CaseCheck:
    """The question, before who may answer it: who was asked, who sponsors the project now, and leaders."""
    permissions.require_member(ctx.actor, action, subject=(TYPE, form.check_id))
    if check is None:
        raise _no_check()
    case = queries.find(ctx.session, check.case_id)
    project = service.find_project(ctx, case) if case is not None else None
    if project is None:
        raise _no_check()
    roles = permissions.list_roles(ctx.session, ctx.actor.id, policy=ctx.policy)
    is_theirs = ctx.actor.id in {check.asked_id, project.sponsor_id}
    if not is_theirs and permissions.LEADER not in roles:
        if not permissions.sees_project(ctx, project.id):
            raise _no_check()
        raise NotAllowed(
            f"Whoever sponsors {project.name} decides that.",
            audit=RefusalFact(action, TYPE, str(check.id), why="not_sponsor"),
        )
    if check.answer is not None:
        raise Stale("That was answered meanwhile. Nothing was changed.")
    if check.revision != form.revision:
        raise Stale("The figures changed since they were shown to you. Look at them once more.")
    return check


def _no_check() -> NotFound:
    return NotFound("There is no such question here.", hint="cases.list")


# --- As it is shown


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """A case that no longer holds, and what became of it. `reason` is unescaped, empty where there is none."""

    id: int
    revision: int
    case_id: int
    project_key: str
    project: str
    status: str
    reasons: tuple[str, ...]
    """What is broken, a sentence each."""
    opened_at: datetime
    answer: CheckAnswer | None
    answered_by: PersonRef | None
    answered_at: datetime | None
    reason: str
    estimate: int
    """The number of the estimate that no longer holds."""


def load_check(ctx: Context, check_id: int) -> CheckRecord | None:
    """A question as it stands; None where there is none. Its reader was told it: sight is not looked at."""
    check = queries.find_check(ctx.session, check_id)
    case = queries.find(ctx.session, check.case_id) if check is not None else None
    project = service.find_project(ctx, case) if case is not None else None
    if check is None or project is None:
        return None
    people = reads.load_people(ctx.session, [check.answered_by])
    standing, limits = read_standing(check.standing)
    return CheckRecord(
        id=check.id,
        revision=check.revision,
        case_id=check.case_id,
        project_key=project.key,
        project=project.name,
        status=project.status,
        reasons=_list_reasons(standing, limits),
        opened_at=check.opened_at,
        answer=CheckAnswer(check.answer) if check.answer else None,
        answered_by=people.get(check.answered_by or ""),
        answered_at=check.answered_at,
        reason=queries.find_text(ctx.session, check.reason_id) or "",
        estimate=check.number,
    )


_AMOUNTS = ("planned_cost", "actual_cost", "planned_benefit", "attested_benefit")
_DAYS = ("planned_end", "forecast_end")


def store_standing(standing: CaseStanding, limits: Material) -> dict[str, Any]:
    """How a case stands, and by which limits it was judged, as JSON."""
    stored: dict[str, Any] = {"currency": standing.currency, "limits": limits.model_dump()}
    for name in _AMOUNTS:
        amount = getattr(standing, name)
        stored[name] = money_text(amount) if amount is not None else None
    for name in _DAYS:
        day = getattr(standing, name)
        stored[name] = day.isoformat() if day is not None else None
    return stored


def read_standing(stored: Mapping[str, Any]) -> tuple[CaseStanding, Material]:
    """What `store_standing` kept."""
    known: dict[str, Any] = {
        name: Decimal(stored[name]) for name in _AMOUNTS if stored[name] is not None
    }
    known |= {name: date.fromisoformat(stored[name]) for name in _DAYS if stored[name] is not None}
    return CaseStanding(stored["currency"], **known), Material.model_validate(stored["limits"])


# --- What falls due


def _begin(ctx: Context, slot: DueSlot) -> None:
    leases.begin(ctx.session, WORK)


def _check_batch(ctx: Context, after: int) -> int | None:
    return check_some(ctx, after, MOST)


PART = Registry(
    schedules={WORK: _begin}, daily={WORK: "07:00"}, long={WORK: in_batches(WORK, _check_batch)}
)
"""What jobs take over from here."""
QUARTER = 89
"""Days: from so many attested ones on, benefits are compared."""
