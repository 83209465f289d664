"""Business cases: proposed, written step by step, and dropped."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from storage.cases import queries
from storage.cases.tables import BusinessCase
from storage.enums import CaseState, ProjectStatus
from storage.people import queries as people_queries
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows import permissions
from workflows.audit import service as audit
from workflows.cases import reads, rules
from workflows.cases.forms import (
    MOST_LINES,
    CaseLine,
    DropCase,
    KeepCertainty,
    KeepFrame,
    KeepIdea,
    KeepPeople,
    OnCase,
    Propose,
    RemoveLine,
    Step,
    find_step,
)
from workflows.cases.reads import TYPE, load_people, no_case
from workflows.cases.records import Content, Figure, Line
from workflows.context import Context
from workflows.errors import InvalidInput, InvalidInputs, Stale

_OVER = {ProjectStatus.CLOSED, ProjectStatus.CANCELLED, ProjectStatus.REJECTED}


class StepChanged(Stale):
    """Somebody else kept the same step since it was shown; nothing of it was kept, and what was entered stands."""


def propose(ctx: Context, form: Propose) -> int:
    """Begin a case; its id. The same submission again begins nothing, nor does a message that one began from already:
    whoever may read that case is led to it. Raises NotAllowed for who is no member."""
    permissions.require_member(ctx.actor, "case.propose")
    case = queries.find_by_request(ctx.session, form.request_key)
    if case is None and form.promise is not None:
        case = queries.find_by_promise(ctx.session, form.promise)
        if case is not None:
            reads.require_sight(ctx, case.id)
    if case is not None:
        return case.id
    case = BusinessCase(
        title=form.title,
        owner_id=ctx.actor.id,
        content=Content(
            problem=form.problem, currency=ctx.policy.cases.currency, months=ctx.policy.cases.months
        ).stored(),
        state=CaseState.DRAFT.value,
        step=0,
        promise=form.promise,
        request_key=form.request_key,
        created_by=ctx.actor.id,
        created_at=ctx.now,
        changed_by=ctx.actor.id,
        changed_at=ctx.now,
    )
    person = people_queries.find_person(ctx.session, ctx.actor.id)
    case.business_unit = person.business_unit if person is not None else None
    ctx.session.add(case)
    ctx.session.flush()
    audit.record(ctx, "case.proposed", (TYPE, case.id))
    return case.id


def lock_writable(ctx: Context, form: OnCase) -> BusinessCase:
    """Lock a case that the actor may change now. Raises NotFound, NotAllowed, and Stale while a request waits."""
    permissions.require_member(ctx.actor, "case.change", subject=(TYPE, form.case_id))
    case = queries.lock(ctx.session, form.case_id)
    if case is None:
        raise no_case()
    reads.require_writer(ctx, case.id)
    if case.state == CaseState.DROPPED:
        raise Stale("This case was dropped. Nothing was changed.")
    waits = queries.find_waiting_request(ctx.session, case.id)
    if waits is not None:
        raise Stale(
            f"Request #{waits} about this case waits for a decision. Take it back first, then change the case."
        )
    return case


# --- Keeping a step


def keep_step(ctx: Context, form: Step) -> int:
    """Keep what one step asks for; the case's revision then. Keeping what stands there already changes nothing.

    Other steps may have changed since it was shown; StepChanged is raised where this one has.
    """
    case = lock_writable(ctx, form)
    content = Content.model_validate(case.content)
    step = form.KEY
    entered = _enter(ctx, case, content, form)
    if entered == (content, _columns(case)):
        case.step = max(case.step, find_step(step))
        ctx.session.flush()
        return case.revision
    _require_unchanged(ctx, case, content.stamps.get(step, 0), form.revision)
    content, columns = entered
    for column, value in columns.items():
        setattr(case, column, value)
    _write(ctx, case, content, step=step)
    return case.revision


def pass_step(ctx: Context, form: OnCase, step: int) -> int:
    """Go on from a step that only lists what is there; the case's revision."""
    case = lock_writable(ctx, form)
    case.step = max(case.step, step)
    ctx.session.flush()
    return case.revision


def _columns(case: BusinessCase) -> dict[str, Any]:
    names = (
        "title",
        "project_id",
        "owner_id",
        "sponsor_id",
        "business_unit",
        "category",
        "waiver_id",
    )
    return {name: getattr(case, name) for name in names}


def _enter(
    ctx: Context, case: BusinessCase, content: Content, form: Step
) -> tuple[Content, dict[str, Any]]:
    """Content and columns as they are once the form is kept. Raises InvalidInput."""
    columns = _columns(case)
    changed: dict[str, Any] = {}
    match form:
        case KeepIdea():
            columns["title"] = form.title
            columns["project_id"] = _find_project(ctx, case, form.project)
            changed = {"problem": form.problem, "affected": form.affected}
        case KeepPeople():
            for field in ("owner_id", "sponsor_id"):
                _require_person(ctx, field, getattr(form, field))
            columns |= {
                "owner_id": form.owner_id or case.owner_id,
                "sponsor_id": form.sponsor_id,
                "business_unit": form.business_unit or None,
                "category": form.category.value if form.category else None,
            }
        case KeepCertainty():
            if form.waiver != (queries.find_text(ctx.session, case.waiver_id) or ""):
                columns["waiver_id"] = (
                    audit.write_text(ctx.session, ctx.actor, form.waiver, now=ctx.now).id
                    if form.waiver
                    else None
                )
            changed = {
                "confidence": form.confidence,
                "feasibility": form.feasibility,
                "tier": form.tier,
            }
        case KeepFrame():
            changed = form.entered
            _require_lines_fit(content, form)
        case _:
            changed = form.entered
    return content.model_copy(update=changed), columns


def _require_lines_fit(content: Content, form: KeepFrame) -> None:
    """Raise InvalidInput where a table that was entered has months outside the new time."""
    framed = content.model_copy(update={"starts": form.starts, "months": form.months})
    for figure in reads.read_figures(framed):
        if figure.fault:
            name = figure.line.name or figure.line.driver.value.replace("_", " ")
            raise InvalidInput(
                f"“{name}” doesn't fit then: {figure.fault}. Change that line first.",
                field="months",
            )


def _find_project(ctx: Context, case: BusinessCase, key: str) -> int | None:
    """The project that a case is about, by its key: one in the actor's sight, that goes on, without another case."""
    if not key:
        if case.agreed is not None:
            return case.project_id
        # A project that the first asking made stays the case's own.
        return case.project_id if _is_its_own(ctx, case) else None
    project = project_queries.find_by_key(ctx.session, key.strip().casefold())
    if project is not None and project.id == case.project_id:
        return project.id
    if case.agreed is not None or _is_its_own(ctx, case):
        raise InvalidInput("This case has its project already.", field="project")
    if project is None or not permissions.sees_project(ctx, project.id):
        raise InvalidInput(f"You can see no project “{key[:60]}”.", field="project")
    if project.status in _OVER:
        raise InvalidInput(
            f"{project.name} is {project.status}, so it needs no case.", field="project"
        )
    other = queries.find_of_project(ctx.session, project.id)
    if other is not None and other.id != case.id:
        raise InvalidInput(
            f"{project.name} has a business case already, of which you can make a new estimate.",
            field="project",
        )
    return project.id


def _is_its_own(ctx: Context, case: BusinessCase) -> bool:
    """Whether the case's project was made for it, by an earlier asking."""
    return case.project_id is not None and queries.find_last_number(ctx.session, case.id) > 0


def _require_person(ctx: Context, field: str, person_id: str | None) -> None:
    if person_id is None:
        return
    person = people_queries.find_person(ctx.session, person_id)
    if person is None or not permissions.is_member(person):
        raise InvalidInput(
            "They are no active member of the organisation, so they couldn't decide or answer. Pick somebody else.",
            field=field,
        )


def _require_unchanged(ctx: Context, case: BusinessCase, stamp: int, seen: int) -> None:
    if stamp <= seen:
        return
    by = load_people(ctx.session, [case.changed_by]).get(case.changed_by or "")
    who = (
        "You have"
        if by is not None and by.id == ctx.actor.id
        else f"{by.name if by else 'Somebody'} has"
    )
    raise StepChanged(
        f"{who} changed this step since it was shown to you. Nothing was overwritten; go on to keep what you see here."
    )


def _write(ctx: Context, case: BusinessCase, content: Content, *, step: str) -> None:
    """The case changed: one more revision, stamped for its step."""
    case.revision += 1
    stamps = {**content.stamps, step: case.revision}
    case.content = content.model_copy(update={"stamps": stamps}).stored()
    case.step = max(case.step, find_step(step))
    case.changed_by, case.changed_at = ctx.actor.id, ctx.now
    if case.state == CaseState.REJECTED:
        # Taken up again, maybe a year later.
        case.state = CaseState.DRAFT.value
    ctx.session.flush()
    audit.record(ctx, "case.changed", (TYPE, case.id), step=step, revision=case.revision)


# --- Lines


def keep_line(ctx: Context, form: CaseLine) -> int:
    """Add a benefit or cost, or change one; the case's revision then. Raises InvalidInputs by field, and StepChanged."""
    case = lock_writable(ctx, form)
    content = Content.model_validate(case.content)
    if content.starts is None or content.months is None:
        raise InvalidInput(f"Say first over which time: step {find_step(KeepFrame.KEY)}.")
    if form.line_id is None and len(content.lines) >= MOST_LINES:
        raise InvalidInput(f"A case has at most {MOST_LINES} lines. Put some of them together.")
    before = _find_line(content, form)
    line = Line(
        id=form.line_id or max((each.id for each in content.lines), default=0) + 1,
        driver=form.driver,
        name=form.name,
        entered=form.entered,
        stamp=case.revision + 1,
    )
    _require_amounts(line, content.months, content.starts)
    if before is not None:
        _require_unchanged(ctx, case, before.stamp, form.revision)
    kept = tuple(line if each is before else each for each in content.lines)
    lines = kept if before is not None else (*kept, line)
    _write(ctx, case, content.model_copy(update={"lines": lines}), step=_step_of(line))
    return case.revision


def remove_line(ctx: Context, form: RemoveLine) -> int:
    """Take a benefit or cost out; the case's revision then."""
    case = lock_writable(ctx, form)
    content = Content.model_validate(case.content)
    before = _find_line(content, form)
    if before is None:
        return case.revision
    _require_unchanged(ctx, case, before.stamp, form.revision)
    lines = tuple(each for each in content.lines if each is not before)
    _write(ctx, case, content.model_copy(update={"lines": lines}), step=_step_of(before))
    return case.revision


def _find_line(content: Content, form: CaseLine | RemoveLine) -> Line | None:
    if form.line_id is None:
        return None
    line = next((each for each in content.lines if each.id == form.line_id), None)
    if line is None and isinstance(form, CaseLine):
        raise Stale("This line was taken out meanwhile. Nothing was changed.")
    return line


def _step_of(line: Line) -> str:
    return f"{line.side.value}s"


def _require_amounts(line: Line, months: int, starts: date) -> None:
    """Raise InvalidInputs where what was entered is no amount."""
    faults: dict[str, str] = {}
    for field, text in line.entered.items():
        if not text.strip():
            faults[field] = "Write a figure."
    if not faults:
        try:
            estimate = reads.read_line(line, months, starts)
        except ValueError as error:
            field, _, sentence = str(error).partition(": ")
            if field not in line.entered:
                field, sentence = next(iter(line.entered)), str(error)
            faults[field] = f"{sentence[:1].upper()}{sentence[1:]}."
        else:
            if not any(estimate.flows):
                faults[next(iter(line.entered))] = (
                    "This comes to nothing; write an amount, or leave the line out."
                )
    if faults:
        raise InvalidInputs(faults)


# --- Dropping


def drop(ctx: Context, form: DropCase) -> None:
    """Nobody wants it any more: it leaves every list. What was agreed and decided stays on record.

    Raises InvalidInput for one that was approved: its project is stopped instead.
    """
    case = lock_writable(ctx, form)
    if case.agreed is not None:
        raise InvalidInput("This case was approved. Stop its project instead.")
    if case.revision != form.revision:
        raise Stale("This case changed since it was shown to you. Nothing was dropped.")
    case.state, case.revision = CaseState.DROPPED.value, case.revision + 1
    case.changed_by, case.changed_at = ctx.actor.id, ctx.now
    ctx.session.flush()
    audit.record(ctx, "case.dropped", (TYPE, case.id))


# --- For whoever asks


def list_missing(
    case: BusinessCase, content: Content, figures: Sequence[Figure]
) -> Mapping[int, str]:
    """What a case needs before it is asked about: the step in which it is entered → a sentence."""
    idea, people, frame, certainty = (
        find_step(each.KEY) for each in (KeepIdea, KeepPeople, KeepFrame, KeepCertainty)
    )
    missing: dict[int, list[str]] = {}

    def need(step: int, is_there: object, words: str) -> None:
        if not is_there:
            missing.setdefault(step, []).append(words)

    need(idea, content.problem, "what the problem is")
    need(people, case.owner_id, "who will answer for it")
    need(people, case.sponsor_id, "who sponsors it")
    need(people, case.category, "what kind of value it seeks")
    need(frame, content.starts and content.months and content.currency, "over which time")
    drivers = {figure.line.driver for figure in figures if not figure.fault}
    need(find_step("benefits"), drivers & set(rules.BENEFITS), "what it brings")
    need(find_step("costs"), drivers - set(rules.BENEFITS), "what it costs")
    need(certainty, content.confidence is not None, "how likely the benefits are")
    need(certainty, content.feasibility is not None, "how likely it can be built")
    for figure in figures:
        if figure.fault:
            need(
                find_step(_step_of(figure.line)),
                False,
                f"a figure that can be read ({figure.fault})",
            )
    return {step: f"Say {_join(words)}." for step, words in sorted(missing.items())}


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def find_project(ctx: Context, case: BusinessCase) -> Project | None:
    """The case's project."""
    if case.project_id is None:
        return None
    (project,) = project_queries.list_projects(ctx.session, [case.project_id])
    return project
