"""Clicks and windows of check-ins, and `/mlgov maturity …`."""

from pydantic import ValidationError

from bot import blocks
from bot.blocks import Block
from bot.interactions import (
    CheckInPart,
    CheckInRef,
    CycleRef,
    GapRef,
    Picked,
    TargetsWindow,
    UnitRef,
)
from bot.maturity import boards, leading, messages, views, words
from bot.pictures import Picture
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from workflows.maturity import service
from workflows.maturity.forms import GiveAnswer, Skip, WriteNote
from workflows.maturity.records import MyCheckIn

HELP = (
    "`/mlgov maturity`  your check-in, and the latest result\n"
    "`/mlgov maturity answers`  what you said\n"
    "`/mlgov maturity targets`  what we aim for, and what is missing\n"
    "`/mlgov maturity start [business unit]`, `close`  for leaders: open or close a check-in"
)


def register(router: Router) -> None:
    """Answer everything about check-ins."""
    router.action(words.OPEN, open_, CheckInPart)
    router.action(words.BACK, back, CheckInPart)
    router.action(words.ANSWER, answer, Picked)
    router.action(words.NOTE, open_note, CheckInPart)
    router.action(words.SKIP, open_skip, CheckInRef)
    router.action(words.SAID, show_answers, CheckInRef)
    router.action(words.START, leading.start, UnitRef)
    router.action(words.CLOSE, leading.close, CycleRef)
    router.action(words.EARLY, leading.early, CycleRef)
    router.action(words.DETAILS, leading.details, CycleRef)
    router.action(words.SINGLE, leading.single, CycleRef)
    router.action(words.TARGETS, leading.open_targets, UnitRef)
    router.action(words.PLAN, leading.open_plan, GapRef)
    router.submission(words.KEEP_PLAN, leading.keep_plan, GapRef)
    router.submission(words.NEXT, next_, CheckInPart)
    router.submission(words.KEEP_NOTE, keep_note, CheckInPart)
    router.submission(words.KEEP_SKIP, skip, CheckInRef)
    router.submission(words.KEEP_TARGETS, leading.keep_targets, TargetsWindow)
    router.word(
        "maturity",
        "maturity [answers|targets|start|close|help]",
        "how mature we are, and your check-in",
        maturity,
    )

    # --- the conversation


def _load_own(on: Click | Submission, invitation_id: int) -> MyCheckIn:
    with on.deps.db.read() as session:
        return service.load_own(session, on.actor, invitation_id, policy=on.deps.policy)


def _page(on: Click, part: CheckInPart) -> Block:
    check_in = _load_own(on, part.invitation_id)
    if not check_in.is_open:
        return views.own_answers_window(check_in)
    return views.dimension(check_in, min(part.position, len(check_in.dimensions) - 1))


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
    deps = click.deps
    deps.db.run(
        lambda session: service.give_answer(
            session, click.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Done()


def next_(submission: Submission, part: CheckInPart) -> Reply:
    """Next, or Finish: keep what a lost tap has not told, and show what follows."""
    shown = {
        block["block_id"]: (
            (block["element"].get("initial_option") or {}).get("value"),
            submission.values.get(block["block_id"]),
        )
        for block in submission.view.get("blocks", ())
        if block.get("type") == "input"
    }
    deps = submission.deps
    check_in = deps.db.run(
        lambda session: service.keep_window_answers(
            session,
            submission.actor,
            part.invitation_id,
            shown,
            policy=deps.policy,
            now=deps.now(session),
        )
    )
    if part.position + 1 < len(check_in.dimensions):
        return Show(views.dimension(check_in, part.position + 1))
    return Show(views.end(check_in))


def open_note(click: Click, part: CheckInPart) -> Reply:
    """The comment and the proof of a part."""
    check_in = _load_own(click, part.invitation_id)
    return Show(
        views.note(check_in, part.position)
        if check_in.is_open
        else views.own_answers_window(check_in)
    )


def keep_note(submission: Submission, part: CheckInPart) -> Reply:
    """Keep them, and show the part again."""
    check_in = _load_own(submission, part.invitation_id)
    form = submission.form(
        WriteNote,
        {
            "invitation_id": part.invitation_id,
            "dimension": check_in.dimensions[part.position].key,
            "comment": submission.values.get(views.COMMENT_FIELD),
            "link": submission.values.get(views.LINK_FIELD),
        },
    )
    deps = submission.deps
    after = deps.db.run(
        lambda session: service.keep_note(
            session, submission.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Show(views.dimension(after, part.position))


def open_skip(click: Click, ref: CheckInRef) -> Reply:
    """Ask why not."""
    check_in = _load_own(click, ref.invitation_id)
    if not check_in.waits:
        return Private(words.news(check_in), messages.short(check_in))
    return Open(views.skip(check_in))


def skip(submission: Submission, ref: CheckInRef) -> Reply:
    """The reason was given."""
    try:
        form = Skip(invitation_id=ref.invitation_id, reason=submission.text(views.REASON_FIELD))
    except ValidationError:
        return FieldErrors({views.REASON_FIELD: "Say in a few words why."})
    deps = submission.deps
    deps.db.run(
        lambda session: service.skip_check_in(
            session, submission.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Done()


def show_answers(click: Click, ref: CheckInRef) -> Reply:
    """Everything that one said."""
    return Open(views.own_answers_window(_load_own(click, ref.invitation_id)))

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
            return leading.targets(command, rest)
        case "start":
            return leading.plan(command, rest)
        case "close":
            return leading.open_cycles(command)
        case _:
            return Private(HELP, [blocks.section(HELP)])


def _status(command: Command) -> Reply:
    deps = command.deps
    with deps.db.read() as session:
        own = service.find_own(session, command.actor, policy=deps.policy)
        result = service.find_visible_result(
            session,
            command.actor,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
        leads = service.has_role(
            session, command.actor, service.LEADER, policy=deps.policy, org_key=deps.team.org_key
        )
    cycles = leading.open_now(deps) if leads else []
    parts: list[list[Block]] = []
    drawn: tuple[Picture, ...] = ()
    if own is not None and own.is_open:
        parts.append(messages.card(own))
    parts += [boards.cycle(cycle) for cycle in cycles]
    if result is not None:
        result_blocks, drawn = messages.illustrated(result)
        parts.append(result_blocks)
    if not parts:
        text = "No check-in asks for you, and there is no result for you to see yet. `/mlgov maturity help` lists what there is."
        return Private(text, [blocks.section(text)])
    text = (
        words.news(own)
        if own is not None and own.is_open
        else words.headline(result)
        if result is not None
        else "A check-in is open"
    )
    answer = [block for part in parts for block in (blocks.divider(), *part)]
    return Private(text, answer[1:], drawn)


def _answers(command: Command) -> Reply:
    with command.deps.db.read() as session:
        own = service.find_own(session, command.actor, policy=command.deps.policy)
    if own is None:
        text = "You were not asked in a check-in yet, so there is nothing that you said."
        return Private(text, [blocks.section(text)])
    if command.trigger_id is None:
        # Words in a direct message are answered by a message, which Slack keeps and its administrators can export.
        text = "What you said opens in a window, so that it does not stand in this conversation."
        button = blocks.button("What I said", words.SAID, CheckInRef(own.id).text)
        return Private(
            text, [blocks.section(text), blocks.actions([button], block_id="what-i-said")]
        )
    return Private(words.news(own), views.own_answers(own))
