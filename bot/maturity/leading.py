"""What leaders and assessors do: start and close check-ins, look at results, set targets."""

from pydantic import ValidationError

from bot import blocks
from bot.blocks import Block
from bot.context import Deps
from bot.maturity import boards, messages, words
from bot.replies import FieldErrors, Open, Private, Reply, Show
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
        draft = service.plan_check_in(
            session,
            command.actor,
            unit or None,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    return Private(
        f"This asks {draft.people} people", boards.plan(draft, draft.business_unit or "")
    )


def start(click: Click) -> Reply:
    """A leader has seen whom it asks, and starts it."""
    unit = None if click.value == "-" else click.value
    deps = click.deps
    cycle_id = deps.db.run(
        lambda session: service.start_check_in(
            session,
            click.actor,
            unit,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    (status,) = [one for one in open_now(deps) if one.cycle_id == cycle_id]
    text = f"Started: {status.invited} people are invited, each in their own working hours, {words.until(status.closes_at)}."
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


def close(click: Click) -> Reply:
    """Close a check-in before its time."""
    cycle_id = words.ids(click.value)[0]
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
        result = service.find_of_cycle(session, cycle_id)
    return _shown_result(result) if result else Private("The check-in is closed.")


def early(click: Click) -> Reply:
    """What it would find by now."""
    deps = click.deps
    result = deps.db.run(
        lambda session: service.tell_early(
            session,
            click.actor,
            words.ids(click.value)[0],
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return _shown_result(result)


def _shown_result(result: CycleResult) -> Private:
    body, drawn = messages.illustrated(result)
    return Private(words.headline(result), body, drawn)


def details(click: Click) -> Reply:
    """Everything that is told of a result, for who may see it or has its card before them."""
    cycle_id = words.ids(click.value)[0]
    deps = click.deps
    with deps.db.read() as session:
        result = service.load_result(
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
    return Open(boards.details(result, with_single=with_single))


def single(click: Click) -> Reply:
    """Single answers, for an assessor."""
    cycle_id = words.ids(click.value)[0]
    deps = click.deps
    with deps.db.read() as session:
        answers = service.list_single_answers(
            session, click.actor, cycle_id, policy=deps.policy, org_key=deps.team.org_key
        )
        result = service.find_of_cycle(session, cycle_id)
    return Open(boards.single(answers, words.name(result) if result else ""))


def targets(command: Command, unit: str) -> Reply:
    """What we aim for, and what is missing."""
    deps = command.deps
    with deps.db.read() as session:
        aims = service.load_targets(
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
    return Private("Targets", boards.targets(aims, may_set=may_set))


def open_targets(click: Click) -> Reply:
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
        aims = service.load_targets(
            session,
            None if click.value == "-" else click.value,
            policy=deps.policy,
            now=deps.now(session),
        )
    return _window(click, boards.set_targets(aims))


def _window(click: Click, view: Block) -> Reply:
    """A window, in place of the one that is open: Slack stacks no more than three."""
    in_modal = click.view is not None and click.view.get("type") == "modal"
    return Show(view) if in_modal else Open(view)


def keep_targets(submission: Submission) -> Reply:
    """Set the targets, and show what is missing."""
    unit, has_shown, shown_levels = submission.metadata.partition("\n")
    form = SetTargets(
        business_unit="" if unit == "-" else unit,
        # A window of an earlier release doesn't say what it showed.
        shown=dict(each.split("=", 1) for each in shown_levels.split(",") if each)
        if has_shown
        else None,
        levels={
            key: value
            for key, value in submission.values.items()
            if value not in (None, boards.NONE)
        },
    )
    deps = submission.deps
    aims = deps.db.run(
        lambda session: service.set_targets(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return Show(boards.targets_window(aims))


def _statement(value: str) -> tuple[str, str]:
    """`statement|unit` of a button."""
    statement, _, unit = value.partition("|")
    return statement, unit


def open_plan(click: Click) -> Reply:
    """Plan what is done about a statement that does not hold."""
    statement, unit = _statement(click.value)
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
        aims = service.load_targets(session, unit or None, policy=deps.policy, now=now)
    missing = next(
        (each for gap in aims.gaps for each in gap.missing if each.id == statement), None
    )
    if missing is None:
        raise InvalidInput(
            "This gap is closed, or no longer aimed for. `/mlgov maturity targets` shows what is missing now."
        )
    return _window(
        click,
        boards.plan_action(
            aims, missing, owner=click.actor.slack_id, due=gaps.propose_day(now.date())
        ),
    )


def keep_plan(submission: Submission) -> Reply:
    """The action was planned: a milestone, and the targets with it."""
    statement, unit = _statement(submission.metadata)
    deps = submission.deps
    picked = str(submission.values.get(boards.OWNER) or "")
    owner = (
        deps.directory.actor(picked, team_id=None, enterprise_id=deps.team.enterprise_id)
        if picked
        else submission.actor
    )
    try:
        form = gaps.PlanAction(
            business_unit=unit,
            statement=statement,
            title=submission.values.get(boards.TITLE),
            due=submission.values.get(boards.DUE),
            owner_id=owner.id,
            request_key=submission.key,
        )
    except ValidationError as error:
        return FieldErrors(
            {
                str(fault["loc"][0]): str(fault["msg"]).removeprefix("Value error, ")
                for fault in error.errors()
            }
        )
    aims = deps.db.run(
        lambda session: gaps.plan_action(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return Show(boards.targets_window(aims))
