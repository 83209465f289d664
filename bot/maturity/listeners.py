"""Clicks and windows of check-ins, and `/mlgov maturity …`."""

from pydantic import ValidationError

from bot import blocks
from bot.blocks import Block
from bot.maturity import messages, views, words
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from workflows import permissions
from workflows.errors import InvalidInput, NotAllowed
from workflows.maturity import service
from workflows.maturity.forms import GiveAnswer, SetTargets, Skip, WriteNote
from workflows.maturity.records import CycleResult, MyCheckIn

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
    router.action(words.START, start)
    router.action(words.CLOSE, close)
    router.action(words.EARLY, early)
    router.action(words.DETAILS, details)
    router.action(words.SINGLE, single)
    router.action(words.TARGETS, open_targets)
    router.submission(words.NEXT, next_)
    router.submission(words.KEEP_NOTE, keep_note)
    router.submission(words.KEEP_SKIP, skip)
    router.submission(words.KEEP_TARGETS, keep_targets)
    router.word(
        "maturity",
        "maturity [answers|targets|start|close|help]",
        "how mature we are, and your check-in",
        maturity,
    )


def _ids(value: str) -> tuple[int, int]:
    try:
        first, _, second = value.partition(":")
        return int(first), int(second or 0)
    except ValueError:
        raise InvalidInput(
            "This button is from another release of mlgov. Use `/mlgov maturity` instead."
        ) from None


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
        return service.get(session, on.actor, invitation_id, policy=on.deps.policy)


def _page(found: MyCheckIn, position: int) -> Block:
    if not found.is_open:
        return views.said_window(found)
    return views.dimension(found, min(max(0, position), len(found.dimensions) - 1))


def open_(click: Click) -> Reply:
    """Start, go on, or change: open a part, in place when a window of the check-in is open already."""
    invitation_id, position = _ids(click.value)
    page = _page(_own(click, invitation_id), position)
    in_modal = click.view is not None and click.view.get("type") == "modal"
    return Show(page) if in_modal else Open(page)


def back(click: Click) -> Reply:
    """Another part, in place of what the window shows; what it showed was kept tap by tap."""
    invitation_id, position = _ids(click.value)
    return Show(_page(_own(click, invitation_id), position))


def answer(click: Click) -> Reply:
    """A tap on an answer: kept at once. The window shows the choice by itself."""
    action = click.payload["actions"][0]
    invitation_id, _ = _ids(str((click.view or {}).get("private_metadata") or ""))
    form = GiveAnswer(
        invitation_id=invitation_id,
        statement=action["block_id"],
        answer=click.value,
        stamp=action["action_ts"],
    )
    deps = click.deps
    deps.db.run(
        lambda session: service.answer(
            session, click.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Done()


def next_(submission: Submission) -> Reply:
    """Next, or Finish: keep what a lost tap has not told, and show what follows."""
    invitation_id, position = _ids(submission.metadata)
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
        lambda session: service.catch_up(
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
    invitation_id, position = _ids(click.value)
    found = _own(click, invitation_id)
    return Show(
        views.note(found, position) if found.is_open else views.said_window(found)
    )


def keep_note(submission: Submission) -> Reply:
    """Keep them, and show the part again."""
    invitation_id, position = _ids(submission.metadata)
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
        lambda session: service.note(
            session, submission.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Show(views.dimension(after, position))


def open_skip(click: Click) -> Reply:
    """Ask why not."""
    found = _own(click, _ids(click.value)[0])
    if not found.waits:
        return Private(words.news(found), messages.short(found))
    return Open(views.skip(found))


def skip(submission: Submission) -> Reply:
    """The reason was given."""
    try:
        form = Skip(
            invitation_id=int(submission.metadata),
            reason=str(submission.values.get(views.REASON_FIELD) or "").strip(),
        )
    except ValidationError:
        return FieldErrors({views.REASON_FIELD: "Say in a few words why."})
    deps = submission.deps
    deps.db.run(
        lambda session: service.skip(
            session, submission.actor, form, policy=deps.policy, now=deps.now(session)
        )
    )
    return Done()


def said(click: Click) -> Reply:
    """Everything that one said."""
    return Open(views.said_window(_own(click, _ids(click.value)[0])))


# --- words


def maturity(command: Command) -> Reply:
    """`/mlgov maturity` and what may follow it."""
    permissions.require_member(command.actor, "maturity.read")
    first = command.words[0] if command.words else ""
    rest = " ".join(command.words[1:])
    match first:
        case "" | "status":
            return _status(command)
        case "answers":
            return _answers(command)
        case "targets":
            return _targets(command, rest)
        case "start":
            return _plan(command, rest)
        case "close":
            return _open_cycles(command)
        case _:
            return Private(HELP, [blocks.section(HELP)])


def _status(command: Command) -> Reply:
    deps = command.deps
    with deps.db.read() as session:
        own = service.mine(session, command.actor, policy=deps.policy)
        result = service.seen_by(
            session,
            command.actor,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
        leads = service.has_role(
            session,
            command.actor,
            service.LEADER,
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
        cycles = service.open_cycles(session, policy=deps.policy) if leads else []
    shown: list[Block] = []
    if own is not None and own.is_open:
        shown += messages.card(own)
    for one in cycles:
        shown += [*([blocks.divider()] if shown else []), *views.cycle(one)]
    if result is not None:
        shown += [
            *([blocks.divider()] if shown else []),
            *messages.result_blocks(result),
        ]
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
    return Private(text, shown)


def _answers(command: Command) -> Reply:
    with command.deps.db.read() as session:
        own = service.mine(session, command.actor, policy=command.deps.policy)
    if own is None:
        text = (
            "You were not asked in a check-in yet, so there is nothing that you said."
        )
        return Private(text, [blocks.section(text)])
    return Private(words.news(own), views.said(own))


def _plan(command: Command, unit: str) -> Reply:
    deps = command.deps
    with deps.db.read() as session:
        found = service.plan(
            session,
            command.actor,
            unit or None,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    return Private(
        f"This asks {found.people} people", views.plan(found, found.business_unit or "")
    )


def start(click: Click) -> Reply:
    """A leader has seen whom it asks, and starts it."""
    unit = None if click.value == "-" else click.value
    deps = click.deps
    cycle_id = deps.db.run(
        lambda session: service.start(
            session,
            click.actor,
            unit,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    with deps.db.read() as session:
        (found,) = [
            one
            for one in service.open_cycles(session, policy=deps.policy)
            if one.cycle_id == cycle_id
        ]
    text = f"Started: {found.invited} people are invited, each in their own working hours, {words.until(found.closes_at)}."
    return Private(text, [blocks.section(text)])


def _open_cycles(command: Command) -> Reply:
    deps = command.deps
    with deps.db.read() as session:
        if not service.has_role(
            session,
            command.actor,
            service.LEADER,
            policy=deps.policy,
            org_key=deps.team.org_key,
        ):
            raise NotAllowed(
                "Only people of role `leader` can close a check-in. `/mlgov maturity` shows yours."
            )
        cycles = service.open_cycles(session, policy=deps.policy)
    if not cycles:
        text = "No check-in is open. `/mlgov maturity start` opens one."
        return Private(text, [blocks.section(text)])
    return Private(
        f"{blocks.counted(len(cycles), 'check-in')} open",
        [block for one in cycles for block in views.cycle(one)],
    )


def close(click: Click) -> Reply:
    """Close a check-in before its time."""
    cycle_id = _ids(click.value)[0]
    deps = click.deps
    deps.db.run(
        lambda session: service.close(
            session,
            click.actor,
            cycle_id,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    with deps.db.read() as session:
        found = service.of_cycle(session, cycle_id)
    return _told(found) if found else Private("The check-in is closed.")


def early(click: Click) -> Reply:
    """What it would find by now."""
    deps = click.deps
    found = deps.db.run(
        lambda session: service.early(
            session,
            click.actor,
            _ids(click.value)[0],
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return _told(found)


def _told(found: CycleResult) -> Private:
    return Private(words.headline(found), messages.result_blocks(found))


def details(click: Click) -> Reply:
    """Everything that is told of a result; whoever can read its card may see it."""
    permissions.require_member(click.actor, "maturity.read")
    cycle_id = _ids(click.value)[0]
    deps = click.deps
    with deps.db.read() as session:
        found = service.of_cycle(session, cycle_id)
        if found is None:
            raise InvalidInput(
                "This result was an early one. `/mlgov maturity` shows how the check-in goes."
            )
        with_single = service.shows_single(
            session,
            click.actor,
            cycle_id,
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
    return Open(views.details(found, with_single=with_single))


def single(click: Click) -> Reply:
    """Single answers, for an assessor."""
    cycle_id = _ids(click.value)[0]
    deps = click.deps
    with deps.db.read() as session:
        found = service.single_answers(
            session,
            click.actor,
            cycle_id,
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
        result = service.of_cycle(session, cycle_id)
    return Open(views.single(found, words.name(result) if result else ""))


# --- targets


def _targets(command: Command, unit: str) -> Reply:
    deps = command.deps
    with deps.db.read() as session:
        found = service.targets(
            session,
            service.unit_named(session, unit, org_key=deps.team.org_key),
            policy=deps.policy,
            now=deps.now(session),
        )
        may_set = service.has_role(
            session,
            command.actor,
            service.LEADER,
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
    return Private("Targets", views.targets(found, may_set=may_set))


def open_targets(click: Click) -> Reply:
    """Choose what to aim for."""
    deps = click.deps
    with deps.db.read() as session:
        found = service.targets(
            session,
            None if click.value == "-" else click.value,
            policy=deps.policy,
            now=deps.now(session),
        )
    return Open(views.set_targets(found))


def keep_targets(submission: Submission) -> Reply:
    """Set the targets, and show what is missing."""
    form = SetTargets(
        business_unit="" if submission.metadata == "-" else submission.metadata,
        levels={
            key: value
            for key, value in submission.values.items()
            if value not in (None, views.NONE)
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
    return Show(views.targets_window(found))
