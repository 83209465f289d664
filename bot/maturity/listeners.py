"""Clicks and windows of check-ins, and `/mlgov maturity …`."""

from pydantic import ValidationError

from bot import blocks
from bot.blocks import Block
from bot.maturity import boards, leading, messages, views, words
from bot.pictures import Picture
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission, as_number
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
    router.action(words.OPEN, open_)
    router.action(words.BACK, back)
    router.action(words.ANSWER, answer)
    router.action(words.NOTE, open_note)
    router.action(words.SKIP, open_skip)
    router.action(words.SAID, said)
    router.action(words.START, leading.start)
    router.action(words.CLOSE, leading.close)
    router.action(words.EARLY, leading.early)
    router.action(words.DETAILS, leading.details)
    router.action(words.SINGLE, leading.single)
    router.action(words.TARGETS, leading.open_targets)
    router.action(words.PLAN, leading.open_plan)
    router.submission(words.KEEP_PLAN, leading.keep_plan)
    router.submission(words.NEXT, next_)
    router.submission(words.KEEP_NOTE, keep_note)
    router.submission(words.KEEP_SKIP, skip)
    router.submission(words.KEEP_TARGETS, leading.keep_targets)
    router.word(
        "maturity",
        "maturity [answers|targets|start|close|help]",
        "how mature we are, and your check-in",
        maturity,
    )


def _faults(error: ValidationError) -> FieldErrors:
    return FieldErrors(
        {
            str(fault["loc"][0]): str(fault["msg"]).removeprefix("Value error, ")
            for fault in error.errors()
        }
    )


# --- the conversation


def _own(on: Click | Submission, invitation_id: int) -> MyCheckIn:
    with on.deps.db.read() as session:
        return service.load_own(session, on.actor, invitation_id, policy=on.deps.policy)


def _page(found: MyCheckIn, position: int) -> Block:
    if not found.is_open:
        return views.own_answers_window(found)
    return views.dimension(found, min(max(0, position), len(found.dimensions) - 1))


def open_(click: Click) -> Reply:
    """Start, go on, or change: open a part, in place when a window of the check-in is open already."""
    invitation_id, position = words.ids(click.value)
    page = _page(_own(click, invitation_id), position)
    in_modal = click.view is not None and click.view.get("type") == "modal"
    return Show(page) if in_modal else Open(page)


def back(click: Click) -> Reply:
    """Another part, in place of what the window shows; what it showed was kept tap by tap."""
    invitation_id, position = words.ids(click.value)
    return Show(_page(_own(click, invitation_id), position))


def answer(click: Click) -> Reply:
    """A tap on an answer: kept at once. The window shows the choice by itself."""
    action = click.payload["actions"][0]
    invitation_id, _ = words.ids(str((click.view or {}).get("private_metadata") or ""))
    form = GiveAnswer(
        invitation_id=invitation_id,
        statement=action["block_id"],
        answer=click.value,
        stamp=str(action.get("action_ts") or ""),
    )
    deps = click.deps
    deps.db.run(
        lambda session: service.give_answer(
            session, click.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Done()


def next_(submission: Submission) -> Reply:
    """Next, or Finish: keep what a lost tap has not told, and show what follows."""
    invitation_id, position = words.ids(submission.metadata)
    shown = {
        block["block_id"]: (
            (block["element"].get("initial_option") or {}).get("value"),
            submission.values.get(block["block_id"]),
        )
        for block in submission.view.get("blocks", ())
        if block.get("type") == "input"
    }
    deps = submission.deps
    found = deps.db.run(
        lambda session: service.keep_window_answers(
            session,
            submission.actor,
            invitation_id,
            shown,
            policy=deps.policy,
            now=deps.now(session),
        )
    )
    if position + 1 < len(found.dimensions):
        return Show(views.dimension(found, position + 1))
    return Show(views.end(found))


def open_note(click: Click) -> Reply:
    """The comment and the proof of a part."""
    invitation_id, position = words.ids(click.value)
    found = _own(click, invitation_id)
    return Show(views.note(found, position) if found.is_open else views.own_answers_window(found))


def keep_note(submission: Submission) -> Reply:
    """Keep them, and show the part again."""
    invitation_id, position = words.ids(submission.metadata)
    found = _own(submission, invitation_id)
    try:
        form = WriteNote(
            invitation_id=invitation_id,
            dimension=found.dimensions[position].key,
            comment=submission.values.get(views.COMMENT_FIELD),
            link=submission.values.get(views.LINK_FIELD),
        )
    except ValidationError as error:
        return _faults(error)
    deps = submission.deps
    after = deps.db.run(
        lambda session: service.keep_note(
            session, submission.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Show(views.dimension(after, position))


def open_skip(click: Click) -> Reply:
    """Ask why not."""
    found = _own(click, words.ids(click.value)[0])
    if not found.waits:
        return Private(words.news(found), messages.short(found))
    return Open(views.skip(found))


def skip(submission: Submission) -> Reply:
    """The reason was given."""
    try:
        form = Skip(
            invitation_id=as_number(submission.metadata),
            reason=str(submission.values.get(views.REASON_FIELD) or "").strip(),
        )
    except ValidationError:
        return FieldErrors({views.REASON_FIELD: "Say in a few words why."})
    deps = submission.deps
    deps.db.run(
        lambda session: service.skip_check_in(
            session, submission.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Done()


def said(click: Click) -> Reply:
    """Everything that one said."""
    return Open(views.own_answers_window(_own(click, words.ids(click.value)[0])))


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
    shown: list[Block] = []
    drawn: tuple[Picture, ...] = ()
    if own is not None and own.is_open:
        shown += messages.card(own)
    for one in cycles:
        shown += [*([blocks.divider()] if shown else []), *boards.cycle(one)]
    if result is not None:
        told, drawn = messages.illustrated(result)
        shown += [*([blocks.divider()] if shown else []), *told]
    if not shown:
        text = "No check-in asks for you, and there is no result for you to see yet. `/mlgov maturity help` lists what there is."
        return Private(text, [blocks.section(text)])
    text = (
        words.news(own)
        if own is not None and own.is_open
        else words.headline(result)
        if result is not None
        else "A check-in is open"
    )
    return Private(text, shown, drawn)


def _answers(command: Command) -> Reply:
    with command.deps.db.read() as session:
        own = service.find_own(session, command.actor, policy=command.deps.policy)
    if own is None:
        text = "You were not asked in a check-in yet, so there is nothing that you said."
        return Private(text, [blocks.section(text)])
    if command.trigger_id is None:
        # Words in a direct message are answered by a message, which Slack keeps and its administrators can export.
        text = "What you said opens in a window, so that it does not stand in this conversation."
        button = blocks.button("What I said", words.SAID, str(own.id))
        return Private(
            text, [blocks.section(text), blocks.actions([button], block_id="what-i-said")]
        )
    return Private(words.news(own), views.own_answers(own))
