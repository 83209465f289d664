"""What leaders aim for, and what is missing on the way: no level is skipped."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from storage.enums import Level, ProjectCategory, ProjectStatus
from storage.maturity import queries
from storage.maturity import queries as said
from storage.maturity.tables import MaturityTarget
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import Stale
from workflows.maturity import check_ins, cycles, invitations, results, rules
from workflows.maturity.forms import SetTargets
from workflows.maturity.records import Action, CycleResult, Gap, Missing, Targets
from workflows.maturity.rules import DIMENSIONS


def load_targets(ctx: Context, business_unit: str | None) -> Targets:
    """The targets of the organisation or a unit, beside its latest result."""
    levels = {
        row.dimension: Level(row.level)
        for row in said.list_targets(ctx.session, business_unit or "")
    }
    cycle = queries.find_last_closed(ctx.session, business_unit)
    result = results.find_latest(ctx, business_unit=business_unit)
    gaps: list[Gap] = []
    names: dict[str, str] = {}
    if cycle is not None and result is not None:
        planned = _list_actions(ctx.session, business_unit)
        asked = check_ins.load_rubric(ctx.session, cycle)
        for dimension_result in result.dimensions:
            names[dimension_result.key] = dimension_result.name
            dimension, target = (
                asked.dimension(dimension_result.key),
                levels.get(dimension_result.key),
            )
            if dimension is None or target is None or dimension_result.level is None:
                continue
            if rules.rank(target) <= rules.rank(dimension_result.level):
                continue
            within = {
                one.text: one.id
                for step in rules.LEVELS[1 : rules.rank(target) + 1]
                for one in dimension.of(step)
            }
            gaps.append(
                Gap(
                    dimension_result.key,
                    dimension_result.name,
                    dimension_result.level,
                    target,
                    tuple(
                        Missing(within[text], text, tuple(planned.get(within[text], ())))
                        for text in dimension_result.missing
                        if text in within
                    ),
                )
            )
    gaps.sort(key=lambda gap: rules.rank(gap.level))
    return Targets(business_unit, levels, names, tuple(gaps), result)


def _list_actions(session: Session, business_unit: str | None) -> dict[str, list[Action]]:
    """What is done about gaps, by statement, the earliest first; of earlier check-ins too."""
    planned: dict[str, list[Action]] = {}
    for statement, milestone, owner in said.list_actions(session, business_unit):
        planned.setdefault(statement, []).append(
            Action(
                milestone.id,
                milestone.title,
                None if owner is None else (owner.slack_id, owner.name),
                milestone.forecast,
                milestone.actual is not None,
            )
        )
    return planned


def set_targets(ctx: Context, form: SetTargets) -> Targets:
    """Aim for these levels from now on; what is left out has no target any more.

    Where the form says what it showed, only what differs from that is changed. Raises NotAllowed, and Stale where
    somebody else has changed the same since.
    """
    invitations.require_leader(ctx, "maturity.set_targets")
    queries.lock_rubrics(ctx.session)
    rows = {row.dimension: row for row in said.lock_targets(ctx.session, form.business_unit)}
    levels = _merge_levels(form, {key: Level(row.level) for key, row in rows.items()})
    changed: dict[str, str | None] = {}
    for dimension, row in rows.items():
        if dimension not in levels:
            ctx.session.delete(row)
            changed[dimension] = None
    for dimension, level in levels.items():
        target = rows.get(dimension)
        if target is None:
            target = MaturityTarget(
                business_unit=form.business_unit, dimension=dimension, level=level.value
            )
            ctx.session.add(target)
        elif target.level == level:
            continue
        target.level, target.set_by, target.set_at = level.value, ctx.actor.id, ctx.now
        changed[dimension] = level.value
    ctx.session.flush()
    if changed:
        audit.record(
            ctx, "maturity.targets_set", ("maturity_target", form.business_unit), levels=changed
        )
    return load_targets(ctx, form.business_unit or None)


def _merge_levels(form: SetTargets, current: Mapping[str, Level]) -> dict[str, Level]:
    """What is aimed for once the change is made that was meant. Raises Stale."""
    if form.shown is None:
        return form.levels
    wanted = dict(current)
    for dimension in DIMENSIONS:
        before, level = form.shown.get(dimension), form.levels.get(dimension)
        if level == before:
            continue
        stands = current.get(dimension)
        if stands not in (before, level):
            raise Stale(
                f"Somebody else has set this target since: it is {stands.value if stands else 'none'} now. Nothing was changed.",
                field=dimension,
                hint="window",
            )
        if level is None:
            wanted.pop(dimension, None)
        else:
            wanted[dimension] = level
    return wanted


# --- A calm word where somebody plans what mature organisations carry best, while the last
#     check-in found a low level

NO_PLAN = {
    ProjectStatus.REJECTED,
    ProjectStatus.LIVE,
    ProjectStatus.CLOSED,
    ProjectStatus.CANCELLED,
}
"""Projects in these states plan nothing any more."""


def find_caution(
    ctx: Context, category: str | None, *, status: str = ProjectStatus.DRAFT
) -> CycleResult | None:
    """The latest result of the organisation, when it is low and business-model innovation is planned."""
    if category != ProjectCategory.INNOVATION or status in NO_PLAN:
        return None
    result = results.find_latest(ctx)
    return result if result is not None and result.overall is Level.LOW else None


def find_caution_for(ctx: Context, category: str | None, *, status: str) -> CycleResult | None:
    """The same, for somebody who may see that result."""
    result = find_caution(ctx, category, status=status)
    if result is None or not cycles.may_see(ctx, result.cycle_id):
        return None
    return result


def describe_caution(result: CycleResult, projects: Sequence[str] = ()) -> str:
    """That level beside the plan, and the way on, in plain text. Without `projects` it stands beside one of them."""
    lowest = ", ".join(dimension.name for dimension in result.weakest[:3])
    who = (
        "This plans"
        if not projects
        else f"{_listed(projects)} {'plans' if len(projects) == 1 else 'plan'}"
    )
    return (
        f"{who} business-model innovation, which mature organisations carry best; the check-in of {result.label} found low "
        f"maturity overall, held back by {lowest}. Start with an optimisation or a better decision, or see what is missing."
    )


def _listed(projects: Sequence[str]) -> str:
    names = ", ".join(projects[:3])
    return f"{names} and {len(projects) - 3} more" if len(projects) > 3 else names
