"""What leaders and assessors do: start and close check-ins, look at results, set targets."""

from bot import blocks
from bot.context import Deps
from bot.interactions import CycleRef, GapRef, TargetsWindow, UnitRef
from bot.maturity import boards, messages, words
from bot.replies import Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from workflows import gaps
from workflows.errors import InvalidInput, NotAllowed
from workflows.maturity import service
from workflows.maturity.forms import SetTargets
from workflows.maturity.records import CycleResult, CycleStatus


def plan(command: Command, unit: str) -> Reply:
    """Whom a check-in would ask, with the button that starts it."""
    deps = command.deps
    with deps.db.read() as session:
        found = service.plan_check_in(
            session,
            command.actor,
            unit or None,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    return Private(
        f"This asks {found.people} people", boards.plan(found, found.business_unit or "")
    )


def start(click: Click, ref: UnitRef) -> Reply:
    """A leader has seen whom it asks, and starts it."""
    deps = click.deps
    cycle_id = deps.db.run(
        lambda session: service.start_check_in(
            session,
            click.actor,
            ref.unit,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    (found,) = [one for one in open_now(deps) if one.cycle_id == cycle_id]
    text = f"Started: {found.invited} people are invited, each in their own working hours, {words.until(found.closes_at)}."
    return Private(text, [blocks.section(text)])


def open_now(deps: Deps) -> list[CycleStatus]:
    """How the open ones go: what is told of it is kept, so this writes."""
    return deps.db.run(
        lambda session: service.list_open_cycles(session, policy=deps.policy, now=deps.now(session))
    )


def open_cycles(command: Command) -> Reply:
    """The check-ins that are open, for leaders."""
    deps = command.deps
    with deps.db.read() as session:
        if not service.has_role(
            session, command.actor, service.LEADER, policy=deps.policy, org_key=deps.team.org_key
        ):
            raise NotAllowed(
                "Closing a check-in is for leaders, whom an administrator names in governance.yml. `/mlgov maturity` shows yours."
            )
    cycles = open_now(deps)
    if not cycles:
        text = "No check-in is open. `/mlgov maturity start` opens one."
        return Private(text, [blocks.section(text)])
    return Private(
        f"{blocks.counted(len(cycles), 'check-in')} open",
        [block for one in cycles for block in boards.cycle(one)],
    )


def close(click: Click, ref: CycleRef) -> Reply:
    """Close a check-in before its time."""
    cycle_id = ref.cycle_id
    deps = click.deps
    deps.db.run(
        lambda session: service.close_check_in(
            session,
            click.actor,
            cycle_id,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    with deps.db.read() as session:
        found = service.find_of_cycle(session, cycle_id)
    return _show_result(found) if found else Private("The check-in is closed.")


def early(click: Click, ref: CycleRef) -> Reply:
    """What it would find by now."""
    deps = click.deps
    found = deps.db.run(
        lambda session: service.tell_early(
            session,
            click.actor,
            ref.cycle_id,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return _show_result(found)


def _show_result(found: CycleResult) -> Private:
    shown, drawn = messages.illustrated(found)
    return Private(words.headline(found), shown, drawn)


def details(click: Click, ref: CycleRef) -> Reply:
    """Everything that is told of a result, for who may see it or has its card before them."""
    cycle_id = ref.cycle_id
    deps = click.deps
    with deps.db.read() as session:
        found = service.load_result(
            session,
            click.actor,
            cycle_id,
            policy=deps.policy,
            org_key=deps.team.org_key,
            clicked=click.card,
        )
        with_single = service.shows_single(
            session, click.actor, cycle_id, policy=deps.policy, org_key=deps.team.org_key
        )
    return Open(boards.details(found, with_single=with_single))


def single(click: Click, ref: CycleRef) -> Reply:
    """Single answers, for an assessor."""
    cycle_id = ref.cycle_id
    deps = click.deps
    with deps.db.read() as session:
        found = service.list_single_answers(
            session, click.actor, cycle_id, policy=deps.policy, org_key=deps.team.org_key
        )
        result = service.find_of_cycle(session, cycle_id)
    return Open(boards.single(found, words.name(result) if result else ""))


def targets(command: Command, unit: str) -> Reply:
    """What we aim for, and what is missing."""
    deps = command.deps
    with deps.db.read() as session:
        found = service.load_targets(
            session,
            service.resolve_unit(
                session, command.actor, unit, policy=deps.policy, org_key=deps.team.org_key
            ),
            policy=deps.policy,
            now=deps.now(session),
        )
        may_set = service.has_role(
            session, command.actor, service.LEADER, policy=deps.policy, org_key=deps.team.org_key
        )
    return Private("Targets", boards.targets(found, may_set=may_set))


def open_targets(click: Click, ref: UnitRef) -> Reply:
    """Choose what to aim for."""
    deps = click.deps
    with deps.db.read() as session:
        service.require_leader(
            session,
            click.actor,
            "maturity.set_targets",
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
        found = service.load_targets(
            session,
            ref.unit,
            policy=deps.policy,
            now=deps.now(session),
        )
    return click.window(boards.set_targets(found))


def keep_targets(submission: Submission, window: TargetsWindow) -> Reply:
    """Set the targets, and show what is missing."""
    form = SetTargets(
        business_unit=window.unit or "",
        shown=window.levels,
        levels={
            key: value
            for key, value in submission.values.items()
            if value not in (None, boards.NONE)
        },
    )
    deps = submission.deps
    found = deps.db.run(
        lambda session: service.set_targets(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return Show(boards.targets_window(found))


def open_plan(click: Click, gap: GapRef) -> Reply:
    """Plan what is done about a statement that does not hold."""
    deps = click.deps
    with deps.db.read() as session:
        now = deps.now(session)
        service.require_leader(
            session,
            click.actor,
            "maturity.plan_action",
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
        found = service.load_targets(session, gap.unit or None, policy=deps.policy, now=now)
    missing = [each for one in found.gaps for each in one.missing if each.id == gap.statement]
    if not missing:
        raise InvalidInput(
            "This gap is closed, or no longer aimed for. `/mlgov maturity targets` shows what is missing now."
        )
    due = gaps.propose_day(now.date())
    return click.window(boards.plan_action(found, missing[0], owner=click.actor.slack_id, due=due))


def keep_plan(submission: Submission, gap: GapRef) -> Reply:
    """The action was planned: a milestone, and the targets with it."""
    deps = submission.deps
    picked = submission.text(boards.OWNER)
    owner = (
        deps.directory.actor(picked, team_id=None, enterprise_id=deps.team.enterprise_id)
        if picked
        else submission.actor
    )
    form = submission.form(
        gaps.PlanAction,
        {
            "business_unit": gap.unit,
            "statement": gap.statement,
            "title": submission.values.get(boards.TITLE),
            "due": submission.values.get(boards.DUE),
            "owner_id": owner.id,
            "request_key": submission.key,
        },
    )
    found = deps.db.run(
        lambda session: gaps.plan_action(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return Show(boards.targets_window(found))
