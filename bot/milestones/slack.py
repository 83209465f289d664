"""The windows of milestones, sent: what was entered becomes a change, or a sentence under its field."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Concatenate, ParamSpec, TypeVar

from bot import freshness
from bot.deps import Deps
from bot.milestones import messages, windows
from bot.slack import blocks
from bot.slack import replies as slack_windows
from bot.slack.interactions import (
    AddWindow,
    DayWindow,
    MilestoneChoice,
    MilestoneRef,
    MilestoneWindow,
    OverdueRef,
    Place,
    ProjectRef,
    Request,
    WrongFields,
    missing_of,
)
from bot.slack.replies import Done, Open, Private, Reply
from bot.slack.requests import Click, Command, Router, Shortcut, Submission
from workflows import status
from workflows.approvals import door, editing
from workflows.approvals import submission as approval_submission
from workflows.approvals.forms import UNEXPLAINED, Edit, SubmitRequest
from workflows.approvals.records import Card
from workflows.context import Actor, Context
from workflows.errors import InvalidInput, NotAllowed, Stale
from workflows.milestones import lists, reads, service
from workflows.milestones.forms import (
    NO_PROOF,
    NO_REASON,
    PICK_DAY,
    PICK_SOMEBODY,
    AddMilestone,
    Reschedule,
)
from workflows.milestones.records import MilestoneRecord
from workflows.milestones.reschedule import RESCHEDULE
from workflows.projects import reads as projects
from workflows.projects.records import ProjectRecord

A = ParamSpec("A")
T = TypeVar("T")


def register_submissions(router: Router) -> None:
    """Answer the windows."""
    router.submission(windows.SUBMIT_ADD, add, AddWindow)
    router.submission(windows.SUBMIT_DONE, done, MilestoneWindow)
    router.submission(windows.SUBMIT_RISK, at_risk, MilestoneWindow)
    router.submission(windows.SUBMIT_MOVE, reschedule, MilestoneWindow)
    router.submission(windows.SUBMIT_SNOOZE, snooze, MilestoneWindow)
    router.submission(windows.SUBMIT_HAND, hand_over, MilestoneWindow)
    router.submission(windows.SUBMIT_DROP, drop, MilestoneWindow)


def _act(
    on: Click | Submission,
    milestone_id: int,
    verb: Callable[Concatenate[Context, A], T],
    /,
    *args: A.args,
    **kwargs: A.kwargs,
) -> T:
    """Do it; when the milestone is not what was shown, its copies are drawn anew before the refusal is said."""
    with _shown_again(on, milestone_id):
        return on.act(verb, *args, **kwargs)


@contextmanager
def _shown_again(on: Click | Submission, milestone_id: int) -> Iterator[None]:
    """When the milestone is not what was shown, its copies are drawn anew before the refusal is said."""
    try:
        yield
    except Stale:
        on.act(_refresh, milestone_id)
        raise


def _refresh(ctx: Context, milestone_id: int) -> None:
    service.refresh_milestone(ctx.as_system(), milestone_id)


def _confirm(card: Place, text: str) -> Reply:
    """A card tells the change itself; where there is none, the window says it."""
    return Done() if card is not None else Private(text)


def _person(submission: Submission, field: str) -> str:
    """The opaque id of whom somebody picked, empty for nobody. Slack is asked about who was never met, before any
    transaction."""
    slack_id = submission.text(field)
    if not slack_id:
        return ""
    deps = submission.deps
    return deps.directory.actor(slack_id, team_id=None, enterprise_id=deps.team.enterprise_id).id

    # --- adding


def add(submission: Submission, window: AddWindow) -> Reply:
    """A milestone is written down."""
    deps = submission.deps
    if window.promise and not slack_windows.is_sealed(
        deps, submission.actor, window.promise, window.seal
    ):
        raise window.refusal()
    form = submission.form(
        AddMilestone,
        {
            "project": window.project or submission.text(windows.PROJECT),
            "title": submission.text(windows.TITLE),
            "due": submission.day(windows.DUE),
            "owner_id": _person(submission, windows.OWNER),
            "promise": window.promise or None,
            "request_key": submission.key,
        },
    )

    def work(ctx: Context) -> str:
        record = reads.load_record(ctx, service.add_milestone(ctx, form))
        today = reads.today_of(ctx.policy, ctx.now)
        owner = record.owner
        is_mine = owner is not None and owner.id == submission.actor.id
        whose = (
            "You are reminded"
            if is_mine
            else f"{owner.name if owner else 'Nobody'} is told, and reminded"
        )
        return f"Noted: {record.title}, {record.project}, {messages.due(record, today)}. {whose} before then."

    return Private(submission.act(work))

    # --- changing


def _change(
    submission: Submission,
    window: MilestoneWindow,
    act: Callable[Concatenate[Context, int, A], None],
    sentence: str,
    /,
    *args: A.args,
    **entered: A.kwargs,
) -> Reply:
    """Change the milestone that the window was about."""
    _act(submission, window.milestone_id, act, window.milestone_id, *args, **entered)
    return _confirm(window.card, sentence)


def done(submission: Submission, window: MilestoneWindow) -> Reply:
    """It is met."""
    submission.require({windows.ON: PICK_DAY}, also={windows.PROOF: NO_PROOF})
    return _change(
        submission,
        window,
        service.complete,
        "Noted: it is met. Reminders of it end here.",
        revision=window.revision,
        proof=submission.text(windows.PROOF),
        on=submission.day(windows.ON),
    )


def at_risk(submission: Submission, window: MilestoneWindow) -> Reply:
    """It may not be met in time."""
    return _change(
        submission,
        window,
        service.mark_at_risk,
        "Noted: it is at risk. Its day stays; reschedule to move it.",
        revision=window.revision,
        reason=submission.text(windows.REASON),
    )


def drop(submission: Submission, window: MilestoneWindow) -> Reply:
    """It is not wanted any more."""
    return _change(
        submission,
        window,
        service.drop,
        "Dropped: it leaves every list and reminder.",
        revision=window.revision,
        reason=submission.text(windows.REASON),
    )


def hand_over(submission: Submission, window: MilestoneWindow) -> Reply:
    """Somebody else answers for it."""
    submission.require({windows.TO: PICK_SOMEBODY})
    return _change(
        submission,
        window,
        service.hand_over,
        "Handed over: the new owner is told in their working hours.",
        revision=window.revision,
        to=_person(submission, windows.TO),
    )


def snooze(submission: Submission, window: MilestoneWindow) -> Reply:
    """This person's reminders of it wait."""
    until = submission.day(windows.UNTIL)
    if until is None:
        raise InvalidInput(PICK_DAY, field=windows.UNTIL)
    return _change(
        submission, window, service.snooze, f"Snoozed until {blocks.day(until)}.", until=until
    )


def new_day(submission: Submission, window: MilestoneWindow, no_reason: str) -> Reschedule:
    """The form of another day. Raises WrongFields, also for a reason that is missing beside it."""
    try:
        return submission.form(
            Reschedule,
            {
                "milestone_id": window.milestone_id,
                "revision": window.revision,
                "new": submission.day(windows.NEW),
            },
        )
    except WrongFields as wrong:
        unexplained = missing_of({windows.REASON: no_reason}, submission.values)
        raise WrongFields(wrong.faults | unexplained) from None


def reschedule(submission: Submission, window: MilestoneWindow) -> Reply:
    """Another day: at once, or asked for where the policy names a gate for a later one."""
    reason = submission.text(windows.REASON)
    form = new_day(submission, window, NO_REASON)

    def work(ctx: Context) -> str:
        service.require_may_change(ctx, window.milestone_id)
        record = reads.load_record(ctx, window.milestone_id)
        if service.is_decided_elsewhere(ctx.policy, record, form.new):
            request = SubmitRequest(
                gate=RESCHEDULE.gate,
                subject_type=service.TYPE,
                form=form,
                reason=reason,
                request_key=submission.key,
            )
            approval_id = approval_submission.submit_request(ctx, request)
            return f"Asked: request #{approval_id} waits for a decision. Until then the day stays."
        service.reschedule(ctx, form, reason=reason)
        moved = reads.load_record(ctx, window.milestone_id)
        today = reads.today_of(ctx.policy, ctx.now)
        others = ", ".join(
            f"{one.title} to {messages.day(one.new, today)}" for one in moved.pushes[:5]
        )
        also = f" It moves {others}." if others else ""
        return f"Rescheduled to {messages.day(form.new, today)}.{also}"

    return _confirm(window.card, _act(submission, window.milestone_id, work))


# --- The window of another day
#
# for a new request, for one that waits, and for one that ended.


def register_rescheduling(router: Router) -> None:
    """Answer the buttons of requests for another day, and the window."""
    router.action(f"{service.TYPE}.change", open_change, Request)
    router.action(f"{service.TYPE}.again", open_again, Request)
    router.submission(windows.SUBMIT_CHANGE, change, DayWindow)


def open_change(click: Click, request: Request) -> Reply:
    """Open the window for a request that waits."""
    with click.begin_read() as ctx:
        card = editing.require_editable(ctx, request.approval_id)
        _require_own_kind(card, request)
        milestone = reads.load_record(ctx, int(card.facts["milestone_id"]))
    metadata = DayWindow(milestone.id, milestone.revision, click.card, card.id, card.revision).text
    return window(click, milestone, metadata, before=_entered(card), is_change=True)


def open_again(click: Click, request: Request) -> Reply:
    """Open the window for a new request, as one that ended was filled in."""
    with click.begin_read() as ctx:
        card = door.require_card(ctx, request.approval_id)
        if card.requester.id != click.actor.id:
            raise NotAllowed(
                "Somebody else asked for this. `/mlgov milestones` has a button to ask yourself."
            )
        _require_own_kind(card, request)
        milestone = reads.load_record(ctx, int(card.facts["milestone_id"]))
    metadata = MilestoneWindow(milestone.id, milestone.revision).text
    return window(click, milestone, metadata, before=_entered(card))


def window(
    click: Click,
    milestone: MilestoneRecord,
    metadata: str,
    *,
    before: windows.Entered | None = None,
    is_change: bool = False,
) -> Reply:
    """Ask for another day, telling whom a later one would go to."""
    decided_by = None
    with click.begin_read() as ctx:
        today = reads.today_of(ctx.policy, ctx.now)
        gate = ctx.policy.milestones.reschedule
        if gate is not None:
            people = RESCHEDULE.people(ctx.session, milestone.id)
            route = approval_submission.preview_route(ctx, gate, people)
            decided_by = slack_windows.describe_route(route)
    return Open(
        windows.reschedule(
            milestone,
            today,
            decided_by=decided_by,
            metadata=metadata,
            before=before,
            is_change=is_change,
        )
    )


def change(submission: Submission, sent: DayWindow) -> Reply:
    """The window was sent: change the request."""
    request = sent.request
    edit = Edit(
        approval_id=request.approval_id,
        revision=freshness.shown_revision(submission.deps, submission.actor, request, sent.card),
        form=new_day(submission, sent, UNEXPLAINED),
        reason=submission.text(windows.REASON),
        subject_type=service.TYPE,
    )
    with _shown_again(submission, sent.milestone_id):
        return Private(freshness.act(submission.deps, submission.actor, edit, sent.card))


def _require_own_kind(card: Card, request: Request) -> None:
    """Raise for a request about something else, which no button of ours carries."""
    if card.subject_type != service.TYPE:
        raise request.refusal()


def _entered(card: Card) -> windows.Entered:
    return windows.Entered(date.fromisoformat(card.facts["new"]), card.reason)


# --- Clicks on milestones, the message shortcut, and `/mlgov milestones [project]`

PROMISE = "milestones.promise"
"""The message shortcut."""
MOST_NEEDED = 60
"""Open milestones that the window offers as needed before."""
_TAG = re.compile(r"<(?:[@#!][^>|]*\|?|[^>|]*\|)([^>]*)>|<([^>]*)>")


def register(router: Router) -> None:
    """Answer the buttons, the windows, the shortcut and the word `milestones`."""
    router.action(messages.DONE, open_done, MilestoneRef)
    router.action(messages.RESCHEDULE, open_reschedule, MilestoneRef)
    router.action(messages.MORE, more, MilestoneChoice)
    router.action(messages.ADD, open_add, ProjectRef)
    router.action(messages.START, start, OverdueRef)
    router.action(messages.LOOK, look_through, OverdueRef)
    router.shortcut(PROMISE, from_message)
    register_submissions(router)
    register_rescheduling(router)
    router.word(
        "milestones",
        "milestones [project]",
        "what is to be met by when, and what slipped",
        milestones,
    )

    # --- opening windows


def open_done(click: Click, ref: MilestoneRef) -> Reply:
    """Ask for the proof."""
    milestone, today = _load(click, ref)
    return Open(windows.done(milestone, today, metadata=_metadata(click, ref)))


def open_reschedule(click: Click, ref: MilestoneRef) -> Reply:
    """Ask for another day."""
    milestone, _ = _load(click, ref)
    return window(click, milestone, _metadata(click, ref))


def more(click: Click, choice: MilestoneChoice) -> Reply:
    """What stands behind the menu of a milestone."""
    handler = _MENU.get(choice.verb)
    if handler is None:
        raise choice.refusal()
    return handler(click, choice.on)


def _open_risk(click: Click, ref: MilestoneRef) -> Reply:
    milestone, today = _load(click, ref)
    return Open(windows.at_risk(milestone, today, metadata=_metadata(click, ref)))


def _track(click: Click, ref: MilestoneRef) -> Reply:
    _act(click, ref.milestone_id, service.mark_on_track, ref.milestone_id, revision=ref.revision)
    if click.is_private:
        return Private("Noted: it is on track again.")
    return Done()


def _open_snooze(click: Click, ref: MilestoneRef) -> Reply:
    def load(ctx: Context) -> Open:
        choices = service.list_choices(ctx, ref.milestone_id)
        record = reads.load_record(ctx, ref.milestone_id)
        today = service.own_day(ctx)
        until = service.find_snooze_end(ctx, ref.milestone_id, today=today)
        metadata = _metadata(click, ref)
        return Open(windows.snooze(record, today, choices, snoozed_until=until, metadata=metadata))

    return _act(click, ref.milestone_id, load)


def _open_hand_over(click: Click, ref: MilestoneRef) -> Reply:
    milestone, today = _load(click, ref)
    return Open(windows.hand_over(milestone, today, metadata=_metadata(click, ref)))


def _open_drop(click: Click, ref: MilestoneRef) -> Reply:
    milestone, today = _load(click, ref)
    return Open(windows.drop(milestone, today, metadata=_metadata(click, ref)))


def _open_details(click: Click, ref: MilestoneRef) -> Reply:
    with click.begin_read() as ctx:
        detail = service.load_detail(ctx, ref.milestone_id)
        today = reads.today_of(ctx.policy, ctx.now)
    return Open(windows.details(detail, today))


_MENU: dict[str, Callable[[Click, MilestoneRef], Reply]] = {
    messages.DONE: open_done,
    messages.RESCHEDULE: open_reschedule,
    messages.RISK: _open_risk,
    messages.TRACK: _track,
    messages.SNOOZE: _open_snooze,
    messages.HAND: _open_hand_over,
    messages.DROP: _open_drop,
    messages.DETAILS: _open_details,
}


def _load(click: Click, ref: MilestoneRef) -> tuple[MilestoneRecord, date]:
    """The milestone that was clicked, still open and as it was shown, for who may change it."""

    def load(ctx: Context) -> tuple[MilestoneRecord, date]:
        service.lock_open(ctx, ref.milestone_id, ref.revision)
        record = reads.load_record(ctx, ref.milestone_id)
        return record, reads.today_of(ctx.policy, ctx.now)

    return _act(click, ref.milestone_id, load)


def _card(click: Click) -> Place:
    """The message that was clicked, where it is one that follows."""
    return None if click.is_private else click.card


def _metadata(click: Click, ref: MilestoneRef) -> str:
    return MilestoneWindow(ref.milestone_id, ref.revision, _card(click)).text

    # --- adding


def open_add(click: Click, project: ProjectRef) -> Reply:
    """A new milestone, for the project of the list that the button stood under."""
    key = project.key
    return Open(add_window(click.deps, click.actor, project_key=key, is_fixed=key is not None))


def from_message(shortcut: Shortcut) -> Reply:
    """A promise that somebody made in a channel becomes a milestone."""
    text = blocks.plain(_TAG.sub(lambda tag: tag[1] or tag[2] or "", shortcut.text), 200)
    with shortcut.begin_read() as ctx:
        here = [
            one.key
            for one in projects.list_all(ctx.session, shortcut.actor)
            if one.channel == shortcut.channel
        ]
    return Open(
        add_window(
            shortcut.deps,
            shortcut.actor,
            project_key=here[0] if here else None,
            # A sentence becomes a name: it is read in the middle of others.
            title="" if text == "—" else text.rstrip(" .!"),
            owner=shortcut.author,
            promise=(shortcut.channel, shortcut.ts),
        )
    )


def add_window(
    deps: Deps,
    actor: Actor,
    *,
    project_key: str | None = None,
    is_fixed: bool = False,
    title: str = "",
    owner: str | None = None,
    promise: Place = None,
) -> dict[str, object]:
    """The window that adds a milestone, also for App Home."""
    with deps.begin_read(actor) as ctx:
        mine = projects.list_for(ctx.session, actor)
        every = status.list_seen_projects(ctx)
        channel = promise[0] if promise else ""
        if channel and project_key not in {one.key for one in every}:
            every += [
                one for one in projects.list_all(ctx.session, actor) if one.channel == channel
            ]
        chosen = project_key or (mine[0].key if len(mine) == 1 else None)
        offered = _offered(mine, every, chosen)
        if not offered:
            raise InvalidInput(
                "You see no project to add it to. Ask who owns or manages it, or use the shortcut on a message in its channel."
            )
        ids = [one.id for one in every if one.key == project_key]
        if project_key is not None and not ids:
            raise projects.project_out_of_sight(project_key, ())
        known = service.list_for_projects(ctx, ids)
    others = [one for rows in known.values() for one in rows if one.is_open]
    place = ":".join(promise or ())
    return windows.add(
        projects=[(one.key, one.name) for one in offered],
        chosen=chosen,
        is_fixed=is_fixed,
        title=title,
        owner=owner or actor.slack_id,
        others=others[:MOST_NEEDED],
        metadata=AddWindow(
            project_key if is_fixed else None,
            place,
            slack_windows.seal(deps, actor, place) if place else "",
        ).text,
    )


def _offered(
    mine: list[ProjectRecord], every: list[ProjectRecord], chosen: str | None
) -> list[ProjectRecord]:
    """The person's own projects first, then the others, as many as a menu takes; the chosen one is among them."""
    keys = {one.key for one in mine}
    offered = [*mine, *(one for one in every if one.key not in keys)]
    offered.sort(key=lambda one: one.key != chosen)
    return offered[: blocks.SELECT_OPTIONS]

    # --- lists


def milestones(command: Command) -> Reply:
    """My milestones, or those of one project: a timeline and the list."""
    with command.begin_read() as ctx:
        today = reads.today_of(ctx.policy, ctx.now)
        if command.words:
            project = status.find_project(ctx, command.words[0])
            known = service.list_for_projects(ctx, [project.id])
            return windows.answer(
                known.get(project.id, []), today, title=project.name, project_key=project.key
            )
        mine = service.list_open(ctx)
    return windows.answer(mine, today, title="Your milestones", project_key=None)


def look_through(click: Click, ref: OverdueRef) -> Reply:
    """What is on a list of overdue milestones, each with its menu."""
    overdue = click.read(lists.load_list_for, ref.import_id)
    if not overdue.milestones:
        return Private("Nothing on this list is overdue any more.")
    return windows.answer(
        overdue.milestones,
        overdue.today,
        title="Overdue when imported",
        project_key=None,
        with_picture=False,
    )


def start(click: Click, ref: OverdueRef) -> Reply:
    """Reminders of what was overdue begin."""
    click.act(lists.start_reminding, ref.import_id)
    return Done()
