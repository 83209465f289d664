"""Clicks on milestones, the message shortcut, and `/mlgov milestones [project]`."""

import json
import re
from collections.abc import Callable
from datetime import date

from sqlalchemy.orm import Session

from bot import blocks, seals
from bot.context import Deps
from bot.milestones import asking, submissions, views, windows, words
from bot.replies import Done, Open, Private, Reply
from bot.requests import Click, Command, Shortcut
from bot.router import Router
from workflows import status
from workflows.actors import Actor
from workflows.errors import InvalidInput, NotFound
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
    router.action(words.DONE, open_done)
    router.action(words.RESCHEDULE, open_reschedule)
    router.action(words.MORE, more)
    router.action(words.ADD, open_add)
    router.action(words.START, start)
    router.action(words.LOOK, look_through)
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


def open_done(click: Click) -> Reply:
    """Ask for the proof."""
    milestone, today = _shown(click, click.value)
    return Open(windows.done(milestone, today, metadata=_metadata(click, click.value)))


def open_reschedule(click: Click) -> Reply:
    """Ask for another day."""
    return _reschedule(click, click.value)


def more(click: Click) -> Reply:
    """What stands behind the menu of a milestone."""
    verb, _, value = click.value.partition(":")
    found = _MENU.get(verb)
    if found is None:
        raise InvalidInput(submissions.OTHER_RELEASE)
    return found(click, value)


def _done(click: Click, value: str) -> Reply:
    milestone, today = _shown(click, value)
    return Open(windows.done(milestone, today, metadata=_metadata(click, value)))


def _reschedule(click: Click, value: str) -> Reply:
    milestone, _ = _shown(click, value)
    return asking.window(click, milestone, _metadata(click, value))


def _risk(click: Click, value: str) -> Reply:
    milestone, today = _shown(click, value)
    return Open(windows.at_risk(milestone, today, metadata=_metadata(click, value)))


def _track(click: Click, value: str) -> Reply:
    milestone_id, revision = submissions.ids(value)
    deps = click.deps

    def work(session: Session) -> None:
        changes.mark_on_track(
            session,
            click.actor,
            milestone_id,
            revision=revision,
            policy=deps.policy,
            now=deps.now(session),
            clicked=_card(click),
        )

    submissions.run(deps, milestone_id, _card(click), work)
    if _is_private(click):
        return Private("Noted: it is on track again.")
    return Done()


def _snooze(click: Click, value: str) -> Reply:
    milestone_id, _ = submissions.ids(value)
    deps = click.deps

    def look(session: Session) -> Open:
        now = deps.now(session)
        choices = snoozing.list_choices(
            session, click.actor, milestone_id, policy=deps.policy, now=now, clicked=click.card
        )
        record = reads.load_record(session, milestone_id, policy=deps.policy, now=now)
        today = snoozing.own_day(session, click.actor, policy=deps.policy, now=now)
        return Open(
            windows.snooze(
                record,
                today,
                choices,
                snoozed_until=snoozing.snoozed_until(
                    session, click.actor.id, milestone_id, today=today
                ),
                metadata=_metadata(click, value),
            )
        )

    return submissions.run(deps, milestone_id, _card(click), look)


def _hand(click: Click, value: str) -> Reply:
    milestone, today = _shown(click, value)
    return Open(windows.hand_over(milestone, today, metadata=_metadata(click, value)))


def _drop(click: Click, value: str) -> Reply:
    milestone, today = _shown(click, value)
    return Open(windows.drop(milestone, today, metadata=_metadata(click, value)))


def _details(click: Click, value: str) -> Reply:
    milestone_id, _ = submissions.ids(value)
    with click.deps.db.read() as session:
        now = click.deps.now(session)
        found = service.load_detail(
            session,
            click.actor,
            milestone_id,
            policy=click.deps.policy,
            now=now,
            clicked=click.card,
        )
        today = reads.today_of(click.deps.policy, now)
    return Open(windows.details(found, today))


_MENU: dict[str, Callable[[Click, str], Reply]] = {
    words.DONE: _done,
    words.RESCHEDULE: _reschedule,
    words.RISK: _risk,
    words.TRACK: _track,
    words.SNOOZE: _snooze,
    words.HAND: _hand,
    words.DROP: _drop,
    words.DETAILS: _details,
}


def _shown(click: Click, value: str) -> tuple[MilestoneRecord, date]:
    """The milestone that was clicked, still open and as it was shown, for who may change it."""
    milestone_id, revision = submissions.ids(value)
    deps = click.deps

    def look(session: Session) -> tuple[MilestoneRecord, date]:
        now = deps.now(session)
        changes.lock_open(
            session, click.actor, milestone_id, revision, policy=deps.policy, clicked=click.card
        )
        record = reads.load_record(session, milestone_id, policy=deps.policy, now=now)
        return record, reads.today_of(deps.policy, now)

    return submissions.run(deps, milestone_id, _card(click), look)


def _is_private(click: Click) -> bool:
    return bool((click.payload.get("container") or {}).get("is_ephemeral"))


def _card(click: Click) -> tuple[str, str] | None:
    """The message that was clicked, where it is one that follows."""
    return None if _is_private(click) else click.card


def _metadata(click: Click, value: str) -> str:
    """`id:revision:channel:ts`, the place empty where nothing there can follow."""
    return f"{value}:{':'.join(_card(click) or ('', ''))}"


# --- adding


def open_add(click: Click) -> Reply:
    """A new milestone, for the project of the list that the button stood under."""
    key = None if click.value in ("", "-") else click.value
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
            promise=f"{shortcut.channel}:{shortcut.ts}",
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
    promise: str = "",
) -> dict[str, object]:
    """The window that adds a milestone, also for App Home."""
    with deps.db.read() as session:
        mine = projects.list_for(session, actor)
        every = status.seen_projects(session, actor, policy=deps.policy)
        channel = promise.partition(":")[0]
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
            raise NotFound(projects.out_of_sight(project_key, ()))
        found = service.list_for_projects(session, ids, policy=deps.policy, now=deps.now(session))
    others = [one for rows in found.values() for one in rows if one.is_open]
    return windows.add(
        projects=[(one.key, one.name) for one in offered],
        chosen=chosen,
        is_fixed=is_fixed,
        title=title,
        owner=owner or actor.slack_id,
        others=others[:MOST_NEEDED],
        metadata=json.dumps(
            {
                "project": project_key if is_fixed else None,
                "promise": promise,
                "seal": seals.seal(deps, actor, promise) if promise else "",
            }
        ),
    )


def _offered(
    mine: list[ProjectRecord], every: list[ProjectRecord], chosen: str | None
) -> list[ProjectRecord]:
    """The person's own projects first, then the others, as many as a menu takes; the chosen one is among them."""
    keys = {one.key for one in mine}
    found = [*mine, *(one for one in every if one.key not in keys)]
    found.sort(key=lambda one: one.key != chosen)
    return found[: blocks.SELECT_OPTIONS]


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
            found = service.list_for_projects(session, [project.id], policy=deps.policy, now=now)
            return views.answer(
                found.get(project.id, []), today, title=project.name, project_key=project.key
            )
        mine = service.list_open(session, command.actor, policy=deps.policy, now=now)
    return views.answer(mine, today, title="Your milestones", project_key=None)


def look_through(click: Click) -> Reply:
    """What is on a list of overdue milestones, each with its menu."""
    import_id = submissions.number(click.value)
    with click.deps.db.read() as session:
        found = lists.load_list_for(
            session, click.actor, import_id, policy=click.deps.policy, now=click.deps.now(session)
        )
    if not found.milestones:
        return Private("Nothing on this list is overdue any more.")
    answer = views.answer(
        found.milestones,
        found.today,
        title="Overdue when imported",
        project_key=None,
        with_picture=False,
    )
    return answer


def start(click: Click) -> Reply:
    """Reminders of what was overdue begin."""
    import_id = submissions.number(click.value)
    deps = click.deps
    deps.db.run(
        lambda session: lists.start_reminding(
            session,
            click.actor,
            import_id,
            policy=deps.policy,
            now=deps.now(session),
            clicked=click.card,
        )
    )
    return Done()
