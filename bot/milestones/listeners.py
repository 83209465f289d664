"""Clicks on milestones, the message shortcut, and `/mlgov milestones [project]`."""

import re
from collections.abc import Callable
from datetime import date

from sqlalchemy.orm import Session

from bot import blocks, seals
from bot.context import Deps
from bot.interactions import (
    AddWindow,
    MilestoneChoice,
    MilestoneRef,
    MilestoneWindow,
    OverdueRef,
    Place,
    ProjectRef,
)
from bot.milestones import asking, submissions, views, windows, words
from bot.replies import Done, Open, Private, Reply
from bot.requests import Click, Command, Shortcut
from bot.router import Router
from workflows import status
from workflows.actors import Actor
from workflows.errors import InvalidInput
from workflows.milestones import changes, lists, reads, service, snoozing
from workflows.milestones.records import MilestoneRecord
from workflows.projects import service as projects
from workflows.projects.records import ProjectRecord

PROMISE = "milestones.promise"
"""The message shortcut."""
MOST_NEEDED = 60
"""Open milestones that the window offers as needed before."""
_TAG = re.compile(r"<(?:[@#!][^>|]*\|?|[^>|]*\|)([^>]*)>|<([^>]*)>")


def register(router: Router) -> None:
    """Answer the buttons, the windows, the shortcut and the word `milestones`."""
    router.action(words.DONE, open_done, MilestoneRef)
    router.action(words.RESCHEDULE, open_reschedule, MilestoneRef)
    router.action(words.MORE, more, MilestoneChoice)
    router.action(words.ADD, open_add, ProjectRef)
    router.action(words.START, start, OverdueRef)
    router.action(words.LOOK, look_through, OverdueRef)
    router.shortcut(PROMISE, from_message)
    submissions.register(router)
    asking.register(router)
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
    return asking.window(click, milestone, _metadata(click, ref))


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
    deps = click.deps

    def work(session: Session) -> None:
        changes.mark_on_track(
            session,
            click.actor,
            ref.milestone_id,
            revision=ref.revision,
            policy=deps.policy,
            now=deps.now(session),
            clicked=_card(click),
        )

    submissions.run(deps, ref.milestone_id, _card(click), work)
    if click.is_private:
        return Private("Noted: it is on track again.")
    return Done()


def _open_snooze(click: Click, ref: MilestoneRef) -> Reply:
    deps = click.deps

    def load(session: Session) -> Open:
        now = deps.now(session)
        choices = snoozing.list_choices(
            session, click.actor, ref.milestone_id, policy=deps.policy, now=now, clicked=click.card
        )
        record = reads.load_record(session, ref.milestone_id, policy=deps.policy, now=now)
        today = snoozing.own_day(session, click.actor, policy=deps.policy, now=now)
        return Open(
            windows.snooze(
                record,
                today,
                choices,
                snoozed_until=snoozing.snoozed_until(
                    session, click.actor.id, ref.milestone_id, today=today
                ),
                metadata=_metadata(click, ref),
            )
        )

    return submissions.run(deps, ref.milestone_id, _card(click), load)


def _open_hand_over(click: Click, ref: MilestoneRef) -> Reply:
    milestone, today = _load(click, ref)
    return Open(windows.hand_over(milestone, today, metadata=_metadata(click, ref)))


def _open_drop(click: Click, ref: MilestoneRef) -> Reply:
    milestone, today = _load(click, ref)
    return Open(windows.drop(milestone, today, metadata=_metadata(click, ref)))


def _open_details(click: Click, ref: MilestoneRef) -> Reply:
    with click.deps.db.read() as session:
        now = click.deps.now(session)
        detail = service.load_detail(
            session,
            click.actor,
            ref.milestone_id,
            policy=click.deps.policy,
            now=now,
            clicked=click.card,
        )
        today = reads.today_of(click.deps.policy, now)
    return Open(windows.details(detail, today))


_MENU: dict[str, Callable[[Click, MilestoneRef], Reply]] = {
    words.DONE: open_done,
    words.RESCHEDULE: open_reschedule,
    words.RISK: _open_risk,
    words.TRACK: _track,
    words.SNOOZE: _open_snooze,
    words.HAND: _open_hand_over,
    words.DROP: _open_drop,
    words.DETAILS: _open_details,
}


def _load(click: Click, ref: MilestoneRef) -> tuple[MilestoneRecord, date]:
    """The milestone that was clicked, still open and as it was shown, for who may change it."""
    deps = click.deps

    def load(session: Session) -> tuple[MilestoneRecord, date]:
        now = deps.now(session)
        changes.lock_open(
            session,
            click.actor,
            ref.milestone_id,
            ref.revision,
            policy=deps.policy,
            clicked=click.card,
        )
        record = reads.load_record(session, ref.milestone_id, policy=deps.policy, now=now)
        return record, reads.today_of(deps.policy, now)

    return submissions.run(deps, ref.milestone_id, _card(click), load)


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
    with shortcut.deps.db.read() as session:
        here = [
            one.key
            for one in projects.list_all(session, shortcut.actor)
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
    with deps.db.read() as session:
        mine = projects.list_for(session, actor)
        every = status.list_seen_projects(session, actor, policy=deps.policy)
        channel = promise[0] if promise else ""
        if channel and project_key not in {one.key for one in every}:
            every += [one for one in projects.list_all(session, actor) if one.channel == channel]
        chosen = project_key or (mine[0].key if len(mine) == 1 else None)
        offered = _offered(mine, every, chosen)
        if not offered:
            raise InvalidInput(
                "You see no project to add it to. Ask who owns or manages it, or use the shortcut on a message in its channel."
            )
        ids = [one.id for one in every if one.key == project_key]
        if project_key is not None and not ids:
            raise projects.project_out_of_sight(project_key, ())
        known = service.list_for_projects(session, ids, policy=deps.policy, now=deps.now(session))
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
            seals.seal(deps, actor, place) if place else "",
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
    deps = command.deps
    with deps.db.read() as session:
        now = deps.now(session)
        today = reads.today_of(deps.policy, now)
        if command.words:
            project = status.find_project(
                session, command.actor, command.words[0], policy=deps.policy
            )
            known = service.list_for_projects(session, [project.id], policy=deps.policy, now=now)
            return views.answer(
                known.get(project.id, []), today, title=project.name, project_key=project.key
            )
        mine = service.list_open(session, command.actor, policy=deps.policy, now=now)
    return views.answer(mine, today, title="Your milestones", project_key=None)


def look_through(click: Click, ref: OverdueRef) -> Reply:
    """What is on a list of overdue milestones, each with its menu."""
    deps = click.deps
    with deps.db.read() as session:
        overdue = lists.load_list_for(
            session, click.actor, ref.import_id, policy=deps.policy, now=deps.now(session)
        )
    if not overdue.milestones:
        return Private("Nothing on this list is overdue any more.")
    return views.answer(
        overdue.milestones,
        overdue.today,
        title="Overdue when imported",
        project_key=None,
        with_picture=False,
    )


def start(click: Click, ref: OverdueRef) -> Reply:
    """Reminders of what was overdue begin."""
    deps = click.deps
    deps.db.run(
        lambda session: lists.start_reminding(
            session,
            click.actor,
            ref.import_id,
            policy=deps.policy,
            now=deps.now(session),
            clicked=click.card,
        )
    )
    return Done()
