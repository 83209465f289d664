"""What leaders and assessors do: start and close check-ins, look at results, set targets."""

from bot.charts.drawing import Picture
from bot.deps import Deps
from bot.maturity import messages, windows
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import (
    CheckInPart,
    CheckInRef,
    CycleRef,
    GapRef,
    Picked,
    TargetsWindow,
    UnitRef,
)
from bot.slack.replies import Done, Open, Private, Reply, Show
from bot.slack.requests import Click, Command, Router, Submission
from workflows import maturity_actions
from workflows.context import SYSTEM
from workflows.errors import InvalidInput, NotAllowed
from workflows.maturity import service
from workflows.maturity.forms import GiveAnswer, SetTargets, Skip, WriteNote
from workflows.maturity.records import CycleResult, CycleStatus, MyCheckIn


def plan(command: Command, unit: str) -> Reply:
    """Whom a check-in would ask, with the button that starts it."""
    draft = command.read(service.plan_check_in, unit or None)
    return Private(
        f"This asks {draft.people} people", windows.plan(draft, draft.business_unit or "")
    )


def start(click: Click, ref: UnitRef) -> Reply:
    """A leader has seen whom it asks, and starts it."""
    cycle_id = click.act(service.start_check_in, ref.unit)
    (draft,) = [one for one in open_now(click.deps) if one.cycle_id == cycle_id]
    text = f"Started: {draft.invited} people are invited, each in their own working hours, {messages.until(draft.closes_at)}."
    return Private(text, [blocks.section(text)])


def open_now(deps: Deps) -> list[CycleStatus]:
    """How the open ones go: what is told of it is kept, so this writes."""
    return deps.act(SYSTEM, service.list_open_cycles)


def open_cycles(command: Command) -> Reply:
    """The check-ins that are open, for leaders."""
    if not command.read(service.has_role, service.LEADER):
        raise NotAllowed(
            "Closing a check-in is for leaders, whom an administrator names in governance.yml. `/mlgov maturity` shows yours."
        )
    cycles = open_now(command.deps)
    if not cycles:
        text = "No check-in is open. `/mlgov maturity start` opens one."
        return Private(text, [blocks.section(text)])
    return Private(
        f"{blocks.counted(len(cycles), 'check-in')} open",
        [block for one in cycles for block in windows.cycle(one)],
    )


def close(click: Click, ref: CycleRef) -> Reply:
    """Close a check-in before its time."""
    click.act(service.close_check_in, ref.cycle_id)
    with click.begin_read() as ctx:
        draft = service.find_of_cycle(ctx.session, ref.cycle_id)
    return _show_result(draft) if draft else Private("The check-in is closed.")


def early(click: Click, ref: CycleRef) -> Reply:
    """What it would find by now."""
    draft = click.act(service.tell_early, ref.cycle_id)
    return _show_result(draft)


def _show_result(draft: CycleResult) -> Private:
    entered, drawn = messages.illustrated(draft)
    return Private(messages.headline(draft), entered, drawn)


def details(click: Click, ref: CycleRef) -> Reply:
    """Everything that is told of a result, for who may see it or has its card before them."""
    with click.begin_read() as ctx:
        draft = service.load_result(ctx, ref.cycle_id)
        with_single = service.shows_single(ctx, ref.cycle_id)
    return Open(windows.details(draft, with_single=with_single))


def single(click: Click, ref: CycleRef) -> Reply:
    """Single answers, for an assessor."""
    with click.begin_read() as ctx:
        draft = service.list_single_answers(ctx, ref.cycle_id)
        result = service.find_of_cycle(ctx.session, ref.cycle_id)
    return Open(windows.single(draft, messages.name(result) if result else ""))


def targets(command: Command, unit: str) -> Reply:
    """What we aim for, and what is missing."""
    with command.begin_read() as ctx:
        draft = service.load_targets(ctx, service.resolve_unit(ctx, unit))
        may_set = service.has_role(ctx, service.LEADER)
    return Private("Targets", windows.targets(draft, may_set=may_set))


def open_targets(click: Click, ref: UnitRef) -> Reply:
    """Choose what to aim for."""
    with click.begin_read() as ctx:
        service.require_leader(ctx, "maturity.set_targets")
        draft = service.load_targets(ctx, ref.unit)
    return click.window(windows.set_targets(draft))


def keep_targets(submission: Submission, window: TargetsWindow) -> Reply:
    """Set the targets, and show what is missing."""
    form = SetTargets(
        business_unit=window.unit or "",
        shown=window.levels,
        levels={
            key: value
            for key, value in submission.values.items()
            if value not in (None, windows.NONE)
        },
    )
    draft = submission.act(service.set_targets, form)
    return Show(windows.targets_window(draft))


def open_plan(click: Click, gap: GapRef) -> Reply:
    """Plan what is done about a statement that does not hold."""
    with click.begin_read() as ctx:
        service.require_leader(ctx, "maturity.plan_action")
        draft = service.load_targets(ctx, gap.unit or None)
    missing = [each for one in draft.gaps for each in one.missing if each.id == gap.statement]
    if not missing:
        raise InvalidInput(
            "This gap is closed, or no longer aimed for. `/mlgov maturity targets` shows what is missing now."
        )
    due = maturity_actions.propose_day(ctx.now.date())
    return click.window(windows.plan_action(draft, missing[0], owner=click.actor.slack_id, due=due))


def keep_plan(submission: Submission, gap: GapRef) -> Reply:
    """The action was planned: a milestone, and the targets with it."""
    deps = submission.deps
    picked = submission.text(windows.OWNER)
    owner = (
        deps.directory.actor(picked, team_id=None, enterprise_id=deps.team.enterprise_id)
        if picked
        else submission.actor
    )
    form = submission.form(
        maturity_actions.PlanAction,
        {
            "business_unit": gap.unit,
            "statement": gap.statement,
            "title": submission.text(windows.TITLE),
            "due": submission.day(windows.DUE),
            "owner_id": owner.id,
            "request_key": submission.key,
        },
    )
    draft = submission.act(maturity_actions.plan_action, form)
    return Show(windows.targets_window(draft))


# --- Clicks and windows of check-ins, and `/mlgov maturity …`

HELP = (
    "`/mlgov maturity`  your check-in, and the latest result\n"
    "`/mlgov maturity answers`  what you said\n"
    "`/mlgov maturity targets`  what we aim for, and what is missing\n"
    "`/mlgov maturity start [business unit]`, `close`  for leaders: open or close a check-in"
)


def register(router: Router) -> None:
    """Answer everything about check-ins."""
    router.action(messages.OPEN, open_, CheckInPart)
    router.action(messages.BACK, back, CheckInPart)
    router.action(messages.ANSWER, answer, Picked)
    router.action(messages.NOTE, open_note, CheckInPart)
    router.action(messages.SKIP, open_skip, CheckInRef)
    router.action(messages.SAID, show_answers, CheckInRef)
    router.action(messages.START, start, UnitRef)
    router.action(messages.CLOSE, close, CycleRef)
    router.action(messages.EARLY, early, CycleRef)
    router.action(messages.DETAILS, details, CycleRef)
    router.action(messages.SINGLE, single, CycleRef)
    router.action(messages.TARGETS, open_targets, UnitRef)
    router.action(messages.PLAN, open_plan, GapRef)
    router.submission(messages.KEEP_PLAN, keep_plan, GapRef)
    router.submission(messages.NEXT, next_, CheckInPart)
    router.submission(messages.KEEP_NOTE, keep_note, CheckInPart)
    router.submission(messages.KEEP_SKIP, skip, CheckInRef)
    router.submission(messages.KEEP_TARGETS, keep_targets, TargetsWindow)
    router.word(
        "maturity",
        "maturity [answers|targets|start|close|help]",
        "how mature we are, and your check-in",
        maturity,
    )

    # --- the conversation


def _load_own(on: Click | Submission, invitation_id: int) -> MyCheckIn:
    return on.read(service.load_own, invitation_id)


def _page(on: Click, part: CheckInPart) -> Block:
    check_in = _load_own(on, part.invitation_id)
    if not check_in.is_open:
        return windows.own_answers_window(check_in)
    return windows.dimension(check_in, min(part.position, len(check_in.dimensions) - 1))


def open_(click: Click, part: CheckInPart) -> Reply:
    """Start, go on, or change: open a part, in place when a window of the check-in is open already."""
    return click.window(_page(click, part))


def back(click: Click, part: CheckInPart) -> Reply:
    """Another part, in place of what the window shows; what it showed was kept tap by tap."""
    return Show(_page(click, part))


def answer(click: Click, picked: Picked) -> Reply:
    """A tap on an answer: kept at once. The window shows the choice by itself."""
    action = click.payload["actions"][0]
    form = GiveAnswer(
        invitation_id=CheckInPart.read(click.metadata).invitation_id,
        statement=action["block_id"],
        answer=picked.value,
        stamp=str(action.get("action_ts") or ""),
    )
    click.act(service.give_answer, form)
    return Done()


def next_(submission: Submission, part: CheckInPart) -> Reply:
    """Next, or Finish: keep what a lost tap has not told, and show what follows."""
    entered = {
        block["block_id"]: (
            (block["element"].get("initial_option") or {}).get("value"),
            submission.values.get(block["block_id"]),
        )
        for block in submission.view.get("blocks", ())
        if block.get("type") == "input"
    }
    check_in = submission.act(service.keep_window_answers, part.invitation_id, entered)
    if part.position + 1 < len(check_in.dimensions):
        return Show(windows.dimension(check_in, part.position + 1))
    return Show(windows.end(check_in))


def open_note(click: Click, part: CheckInPart) -> Reply:
    """The comment and the proof of a part."""
    check_in = _load_own(click, part.invitation_id)
    return Show(
        windows.note(check_in, part.position)
        if check_in.is_open
        else windows.own_answers_window(check_in)
    )


def keep_note(submission: Submission, part: CheckInPart) -> Reply:
    """Keep them, and show the part again."""
    check_in = _load_own(submission, part.invitation_id)
    form = submission.form(
        WriteNote,
        {"invitation_id": part.invitation_id, "dimension": check_in.dimensions[part.position].key},
    )
    after = submission.act(service.keep_note, form)
    return Show(windows.dimension(after, part.position))


def open_skip(click: Click, ref: CheckInRef) -> Reply:
    """Ask why not."""
    check_in = _load_own(click, ref.invitation_id)
    if not check_in.waits:
        return Private(messages.news_line(check_in), messages.short(check_in))
    return Open(windows.skip(check_in))


def skip(submission: Submission, ref: CheckInRef) -> Reply:
    """The reason was given."""
    form = submission.form(Skip, {"invitation_id": ref.invitation_id})
    submission.act(service.skip_check_in, form)
    return Done()


def show_answers(click: Click, ref: CheckInRef) -> Reply:
    """Everything that one said."""
    return Open(windows.own_answers_window(_load_own(click, ref.invitation_id)))

    # --- words


def maturity(command: Command) -> Reply:
    """`/mlgov maturity` and what may follow it."""
    first = command.words[0] if command.words else ""
    rest = " ".join(command.words[1:])
    match first:
        case "" | "status":
            return _status(command)
        case "answers":
            return _answers(command)
        case "targets":
            return targets(command, rest)
        case "start":
            return plan(command, rest)
        case "close":
            return open_cycles(command)
        case _:
            return Private(HELP, [blocks.section(HELP)])


def _status(command: Command) -> Reply:
    with command.begin_read() as ctx:
        own = service.find_own(ctx)
        result = service.find_visible_result(ctx)
        leads = service.has_role(ctx, service.LEADER)
    cycles = open_now(command.deps) if leads else []
    parts: list[list[Block]] = []
    drawn: tuple[Picture, ...] = ()
    if own is not None and own.is_open:
        parts.append(messages.card(own))
    parts += [windows.cycle(cycle) for cycle in cycles]
    if result is not None:
        result_blocks, drawn = messages.illustrated(result)
        parts.append(result_blocks)
    if not parts:
        text = "No check-in asks for you, and there is no result for you to see yet. `/mlgov maturity help` lists what there is."
        return Private(text, [blocks.section(text)])
    text = (
        messages.news_line(own)
        if own is not None and own.is_open
        else messages.headline(result)
        if result is not None
        else "A check-in is open"
    )
    answer = [block for part in parts for block in (blocks.divider(), *part)]
    return Private(text, answer[1:], drawn)


def _answers(command: Command) -> Reply:
    own = command.read(service.find_own)
    if own is None:
        text = "You were not asked in a check-in yet, so there is nothing that you said."
        return Private(text, [blocks.section(text)])
    if command.trigger_id is None:
        # Words in a direct message are answered by a message, which Slack keeps and its administrators can export.
        text = "What you said opens in a window, so that it does not stand in this conversation."
        button = blocks.button("What I said", messages.SAID, CheckInRef(own.id).text)
        return Private(
            text, [blocks.section(text), blocks.actions([button], block_id="what-i-said")]
        )
    return Private(messages.news_line(own), windows.own_answers(own))
