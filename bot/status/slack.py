"""The three lines that follow somebody's first answer."""

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot import errors, freshness, logs
from bot.delivery.rendering import View
from bot.deps import Deps
from bot.slack import blocks
from bot.slack.interactions import PageRef, ProjectRef
from bot.slack.replies import Done, Open, Private, Reply
from bot.slack.requests import Click, Command, Router, Word
from bot.slack.responder import without_pictures
from bot.status import messages, windows, words
from storage.db import DatabaseBusy
from workflows import clock, outbox, permissions, rollout, status
from workflows.context import Actor, Context
from workflows.errors import GovernanceError
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.status import following
from workflows.status.records import Part

log = logging.getLogger("mlgov")

Greeter = Callable[[Actor, Private], Private]
"""From somebody and the answer to their command, to the answer with the three lines after it when it is their first."""


def greeter(deps: Deps) -> Greeter:
    """Adds the three lines once for each person. Whoever is known to this process costs nothing."""
    known: set[str] = set()

    def greet(actor: Actor, answer: Private) -> Private:
        if actor.id in known or not (answer.text or answer.blocks):
            return answer
        try:
            part = _part(deps, actor)
        except (DatabaseBusy, SQLAlchemyError) as error:
            # They asked something, and have their answer; they are greeted another time.
            log.warning("somebody was not greeted: %s", type(error).__name__)
            return answer
        known.add(actor.id)
        return answer if part is None else messages.introduced(answer, part)

    return greet


def _part(deps: Deps, actor: Actor) -> Part | None:
    """What the person is, when this is the first time that they meet mlgov."""
    with deps.db.read() as session:
        if rollout.is_known(session, actor.id):
            return None

    def work(ctx: Context) -> Part | None:
        if not rollout.record_meeting(ctx.session, actor.id, "command", now=ctx.now):
            return None
        return status.load_part(ctx)

    return deps.act(actor, work)


# --- App Home
#
# published when it is opened, and what delivery publishes as somebody's Home.


def opener(deps: Deps) -> Callable[[str, dict[str, Any]], None]:
    """What happens when somebody opens the Home tab: it is published anew by delivery, from its first page."""

    def opened(user_id: str, body: dict[str, Any]) -> None:
        actor = deps.directory.actor(
            user_id, team_id=body.get("team_id"), enterprise_id=body.get("enterprise_id")
        )
        logs.name_actor(actor.id)
        actor = freshness.confirm_actor(deps, actor, "home", "opened")

        def work(ctx: Context) -> None:
            session, to = ctx.session, Destination.person(ctx.org, actor.slack_id or user_id)
            people.note_home_opened(session, actor.id, now=clock.real_now(session))
            following.reset_pages(session, actor.id)
            if actor.is_member:
                rollout.record_meeting(session, actor.id, "home", now=ctx.now)
            outbox.publish_home(session, actor.id, to=to, now=ctx.now)

        try:
            deps.act(actor, work)
        except (DatabaseBusy, SQLAlchemyError) as error:
            log.warning("a Home is shown at once and not by delivery: %s", type(error).__name__)
            _publish(deps, actor, user_id)

    return opened


def _publish(deps: Deps, actor: Actor, user_id: str) -> None:
    """Show somebody their Home without writing anything down: its first pages, and in words what pictures say."""
    view = deps.read(actor, _view, {})
    deps.slack.views_publish(user_id=user_id, view=without_pictures(view.view))


def _view(ctx: Context, page_numbers: dict[str, Any]) -> View:
    try:
        permissions.require_member(ctx.actor, "home")
    except GovernanceError as error:
        return View(blocks.home([blocks.section(blocks.escape(errors.add_hint(error)))]))
    home_status = status.load_home(ctx, pages=page_numbers)
    return View(windows.home(home_status), windows.pictures(home_status))


def renderer(deps: Deps) -> Callable[[Session, str], View | None]:
    """What delivery publishes as a person's Home tab."""

    def render(session: Session, person_id: str) -> View | None:
        actor = people.actor(session, person_id)
        if actor is None or actor.slack_id is None:
            return None
        return _view(deps.context(session, actor), following.find_pages(session, person_id))

    return render


# --- The front door
#
# `/mlgov` alone, `status`, `help`, `rollout`, and the buttons that lead on from there.

GROUPS = (
    ("Look", ("", "status", "portfolio", "budget", "milestones", "models", "model", "maturity")),
    ("Decide and ask", ("approvals", "propose", "checkin", "digest")),
    ("More", ("rollout", "token", "help")),
)
"""Words by what they are for, in the order in which help lists them; other words stand under the first group."""
FOR_OVERSEERS = frozenset({"rollout"})
"""Words that help shows only to administrators and leaders."""
EVERYTHING = "all"
"""The word after `status` that means every project in sight, and the name of that list on its buttons."""


def register(router: Router) -> None:
    """Answer the words and the buttons of the front door."""

    def help_(asked: Command | Click) -> Reply:
        return _help(router, asked)

    router.word("", "", "what waits for you, in one look", summary)
    router.word(
        "status",
        "status [project | all]",
        "how your projects stand, one of them, or all that you may see",
        show,
    )
    router.word("help", "help", "what mlgov understands", help_)
    router.word("rollout", "rollout", "who is messaged unasked, and what was held back", held)
    router.action(words.WAITING, waiting)
    router.action(words.PROJECTS, mine)
    router.action(words.ALL, everything)
    router.action(words.HELP, help_)
    router.action(words.PROJECT, open_project, ProjectRef)
    for action_id in words.PAGE:
        router.action(action_id, turn_home, PageRef)
    for action_id in words.LIST:
        router.action(action_id, turn_list, PageRef)


def waiting(click: Click) -> Reply:
    """What waits for me, with its buttons, from the summary."""
    loaded = click.read(status.load_home)
    return messages.what_waits(loaded)


def summary(command: Command) -> Reply:
    """`/mlgov`: one line of news, and buttons to what there is."""
    loaded = command.read(status.load_summary)
    return messages.summary(loaded)


def show(command: Command) -> Reply:
    """`/mlgov status`: my projects, all that I may see, or one by its key."""
    if not command.words:
        return _list(command, 0, everything=False)
    if command.words == (EVERYTHING,):
        return _list(command, 0, everything=True)
    loaded = command.read(status.load_project, " ".join(command.words))
    return messages.project(loaded)


def _list(asked: Command | Click, number: int, *, everything: bool) -> Private:
    loaded = asked.read(status.load_portfolio, number=number, everything=everything)
    return messages.portfolio(loaded)


def mine(click: Click) -> Reply:
    """My projects, from the summary."""
    return _list(click, 0, everything=False)


def everything(click: Click) -> Reply:
    """All projects that I may see, from the summary."""
    return _list(click, 0, everything=True)


def turn_list(click: Click, page: PageRef) -> Reply:
    """Another page of a list of projects, in the place of the one that was clicked."""
    answer = _list(click, page.number, everything=page.name == EVERYTHING)
    return Private(answer.text, answer.blocks, replaces=True)


def turn_home(click: Click, page: PageRef) -> Reply:
    """Another page of a section of App Home; the edge shows the Home anew after every click in it."""
    click.deps.db.run(
        lambda session: following.turn_page(session, click.actor.id, page.name, page.number)
    )
    return Done()


def open_project(click: Click, project: ProjectRef) -> Reply:
    """Everything about one project, in a window."""
    loaded = click.read(status.load_project, project.key or "")
    return Open(windows.project_window(loaded))


def held(command: Command) -> Reply:
    """`/mlgov rollout`, for administrators and leaders."""
    with command.begin_read() as ctx:
        rollout.require_overseer(ctx)
        loaded = rollout.load_report(ctx)
    return messages.withheld_message(loaded)


def _help(router: Router, asked: Command | Click) -> Private:
    with asked.begin_read() as ctx:
        roles = permissions.list_roles(ctx.session, ctx.actor.id, policy=ctx.policy)
    hidden = frozenset() if roles & rollout.OVERSEERS else FOR_OVERSEERS
    listed = {name: word for name, word in router.words.items() if name not in hidden}
    placed = {name for _, names in GROUPS for name in names}
    groups = []
    for place, (title, names) in enumerate(GROUPS):
        here = [listed[name] for name in names if name in listed]
        if place == 0:
            here += [word for name, word in listed.items() if name not in placed]
        if here:
            groups.append((title, [_line(word) for word in here]))
    return messages.help_(groups)


def _line(word: Word) -> tuple[str, str]:
    return f"/mlgov {word.usage}".rstrip(), word.help
