"""Stopping, pausing, taking up again and finishing projects: why, what was spent by then, and what was learnt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.budgets import costs
from storage.cases import queries
from storage.cases.tables import ProjectOutcome
from storage.enums import CheckAnswer, CostBasis, Outcome, ProjectStatus
from storage.money import exact_sum, money_text
from storage.people import lookups
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows import permissions, resting
from workflows.audit import service as audit
from workflows.cases import checks, reads
from workflows.cases.forms import FinishProject, OnProject, PauseProject, ResumeProject, StopProject
from workflows.context import Context
from workflows.errors import InvalidInput, NotAllowed, NotFound, RefusalFact, Stale
from workflows.milestones import service as milestones
from workflows.projects.records import PersonRef

TYPE = "project"
S = ProjectStatus
AFTER: Mapping[Outcome, Mapping[ProjectStatus, ProjectStatus]] = {
    Outcome.STOPPED: {
        **dict.fromkeys(
            (S.DRAFT, S.SUBMITTED, S.UNDER_REVIEW, S.APPROVED, S.IN_PROGRESS, S.ON_HOLD),
            S.CANCELLED,
        ),
        S.LIVE: S.CLOSED,
    },
    Outcome.PAUSED: dict.fromkeys((S.APPROVED, S.IN_PROGRESS), S.ON_HOLD),
    Outcome.RESUMED: {S.ON_HOLD: S.IN_PROGRESS},
    Outcome.FINISHED: dict.fromkeys((S.IN_PROGRESS, S.ON_HOLD, S.LIVE), S.CLOSED),
}
"""What can be done with a project in each state, and the state that it comes into. One that rested comes into that from
which it was paused, where that is known."""
FINAL = frozenset({Outcome.STOPPED, Outcome.FINISHED})
VERBS: Mapping[Outcome, str] = {
    Outcome.STOPPED: "be stopped",
    Outcome.PAUSED: "be paused",
    Outcome.RESUMED: "be taken up again",
    Outcome.FINISHED: "be finished",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a project has cost by the record: amounts by currency, which are never added, and the last day that they
    count; None where there is no cost data. Costs of people are on no bill, so they aren't in it."""

    basis: CostBasis
    through: date | None
    amounts: tuple[tuple[str, Decimal], ...]

    def stored(self) -> dict[str, object]:
        """As the record and the ledger keep it, amounts as canonical text."""
        return {
            "basis": self.basis.value,
            "through": self.through.isoformat() if self.through else None,
            "amounts": {currency: money_text(amount) for currency, amount in self.amounts},
        }

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> "Spent":
        """From what the record keeps."""
        amounts = stored["amounts"]
        through = stored["through"]
        return cls(
            CostBasis(str(stored["basis"])),
            date.fromisoformat(through) if isinstance(through, str) else None,
            tuple((str(currency), Decimal(str(amount))) for currency, amount in amounts.items())
            if isinstance(amounts, dict)
            else (),
        )


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What somebody did with a project. Texts are unescaped, and empty where their author was erased."""

    kind: Outcome
    at: datetime
    by: PersonRef | None
    reason: str
    learnt: str
    spent: Spent


@dataclass(frozen=True, slots=True)
class EndingRecord:
    """A project as somebody sees it who may think about its end."""

    project_id: int
    key: str
    name: str
    status: ProjectStatus
    spent: Spent
    ways: tuple[Outcome, ...]
    """What the reader may do with it now."""
    outcomes: tuple[OutcomeRecord, ...]
    """The latest first."""


# --- Reading


def load_ending(ctx: Context, project_key: str) -> EndingRecord:
    """A project in the actor's sight, by its key. Raises NotFound."""
    permissions.require_member(ctx.actor, "project.read")
    project = project_queries.find_by_key(ctx.session, project_key.strip().casefold())
    if project is None or not permissions.sees_project(ctx, project.id):
        raise _no_project()
    status = ProjectStatus(project.status)
    may = _answers_for(ctx, project)
    rows = queries.list_outcomes(ctx.session, project.id)
    people = reads.load_people(ctx.session, [row.by for row in rows])
    texts = lookups.find_texts(
        ctx.session, {id_ for row in rows for id_ in (row.reason_id, row.learnt_id) if id_}
    )
    return EndingRecord(
        project.id,
        project.key,
        project.name,
        status,
        load_spent(ctx, project.id),
        tuple(kind for kind, after in AFTER.items() if may and status in after),
        tuple(
            OutcomeRecord(
                Outcome(row.kind),
                row.at,
                people.get(row.by or ""),
                texts.get(row.reason_id or 0, ""),
                texts.get(row.learnt_id or 0, ""),
                Spent.of(row.spent),
            )
            for row in rows
        ),
    )


def load_spent(ctx: Context, project_id: int) -> Spent:
    """What a project has cost up to now, in the policy's basis; from the roll-up unless it counts days to come."""
    today, basis = ctx.now.date(), ctx.policy.costs.basis
    sums = costs.sums_by_days if costs.has_future(ctx.session, today) else costs.sums_by_months
    amounts: dict[str, list[Decimal]] = {}
    for _, currency, billed, effective in sums(ctx.session, [project_id], date.min, today):
        cost = billed if basis is CostBasis.BILLED else effective
        amounts.setdefault(currency, []).append(cost)
    through = costs.data_through_by_project(ctx.session, [project_id], today)
    return Spent(
        basis,
        through.get(project_id),
        tuple(sorted((currency, exact_sum(each)) for currency, each in amounts.items())),
    )


def _no_project() -> NotFound:
    return NotFound("There is no such project here.", hint="projects.list")


def _answers_for(ctx: Context, project: Project) -> bool:
    """Whether the actor owns or sponsors the project, or leads."""
    roles = permissions.list_roles(ctx.session, ctx.actor.id, policy=ctx.policy)
    is_named = ctx.actor.id in {project.owner_id, project.sponsor_id}
    return ctx.actor.is_member and (is_named or permissions.LEADER in roles)


# --- Acting


def stop_project(ctx: Context, form: StopProject) -> int:
    """End a project before its time; the outcome's id. What is still to be met is dropped, and nobody is asked about its
    case any more.

    Raises NotFound, NotAllowed for who neither owns nor sponsors it nor leads, Stale for one in another state than was
    shown or whose case waits for a decision, InvalidInput for one that can't be stopped. The same of the others here.
    """
    return _end(ctx, form, Outcome.STOPPED, form.reason, form.learnt)


def finish_project(ctx: Context, form: FinishProject) -> int:
    """End a project that has done what it was for; the outcome's id."""
    return _end(ctx, form, Outcome.FINISHED, form.reason, form.learnt)


def pause_project(ctx: Context, form: PauseProject) -> int:
    """Let a project rest; the outcome's id. What it promised stays, and its people are reminded of it."""
    return _end(ctx, form, Outcome.PAUSED, form.reason, form.learnt)


def resume_project(ctx: Context, form: ResumeProject) -> int:
    """Let a project go on that rested; the outcome's id."""
    return _end(ctx, form, Outcome.RESUMED, form.reason, form.learnt)


def _end(ctx: Context, form: OnProject, kind: Outcome, reason: str, learnt: str) -> int:
    project = _lock(ctx, form, kind)
    source = ProjectStatus(project.status)
    target = AFTER[kind].get(source)
    if target is None:
        raise InvalidInput(
            f"{project.name} is {source.value.replace('_', ' ')}, so it can't {VERBS[kind]}."
        )
    if kind in FINAL:
        _require_no_request(ctx.session, project.id)
    if kind is Outcome.RESUMED:
        target = _find_before(ctx.session, project.id) or target
    why = audit.write_text(ctx.session, ctx.actor, reason, now=ctx.now)
    lesson = audit.write_text(ctx.session, ctx.actor, learnt, now=ctx.now) if learnt else None
    spent = load_spent(ctx, project.id)
    project.status = target.value
    project_queries.add_move(ctx.session, project, source.value, ctx.now)
    outcome = ProjectOutcome(
        project_id=project.id,
        kind=kind.value,
        at=ctx.now,
        by=ctx.actor.id,
        spent=spent.stored(),
        reason_id=why.id,
        learnt_id=lesson.id if lesson is not None else None,
    )
    ctx.session.add(outcome)
    ctx.session.flush()
    audit.record(
        ctx,
        f"project.{kind.value}",
        (TYPE, project.id),
        source=source.value,
        target=target.value,
        outcome=outcome.id,
        spent=spent.stored(),
        reason=audit.text_fact(why),
        **({"learnt": audit.text_fact(lesson)} if lesson is not None else {}),
    )
    if kind in FINAL:
        milestones.drop_open(ctx, project.id, why)
        checks.close_of_project(ctx, project.id, CheckAnswer.STOP)
    resting.recheck_projects(ctx.session, [project.id], now=ctx.now)
    return outcome.id


def _lock(ctx: Context, form: OnProject, kind: Outcome) -> Project:
    """The project, locked, as it was shown, before somebody who answers for it."""
    action = f"project.{kind.value}"
    permissions.require_member(ctx.actor, action, subject=(TYPE, form.project_id))
    project = project_queries.lock(ctx.session, form.project_id)
    if project is None:
        raise _no_project()
    if not _answers_for(ctx, project):
        if not permissions.sees_project(ctx, project.id):
            raise _no_project()
        people = reads.load_people(ctx.session, [project.sponsor_id, project.owner_id])
        named = dict.fromkeys((project.sponsor_id, project.owner_id))
        names = " or ".join(people[id_].name for id_ in named if id_ in people)
        raise NotAllowed(
            f"Only {names or 'its owner'}, or a leader, decides whether {project.name} goes on.",
            audit=RefusalFact(action, TYPE, str(project.id), why="not_answering"),
        )
    if project.status != form.status:
        raise Stale(
            f"{project.name} is {project.status.replace('_', ' ')} by now. Nothing was changed; look at it again."
        )
    return project


def _require_no_request(session: Session, project_id: int) -> None:
    case = queries.find_of_project(session, project_id)
    waits = queries.find_waiting_request(session, case.id) if case is not None else None
    if waits is not None:
        raise Stale(f"Request #{waits} about its case waits for a decision. Take it back first.")


def _find_before(session: Session, project_id: int) -> ProjectStatus | None:
    """The state from which a project was paused; None where that isn't known, or it was none to go back to."""
    move = project_queries.find_last_move(session, project_id)
    if move is None or move.source is None or move.target != ProjectStatus.ON_HOLD:
        return None
    source = ProjectStatus(move.source)
    return source if source in AFTER[Outcome.PAUSED] else None
