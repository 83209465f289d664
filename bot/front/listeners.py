"""The front door: `/mlgov` alone, `status`, `help`, `rollout`, and the buttons that lead on from there."""

from bot.front import messages, views, words
from bot.interactions import PageRef, ProjectRef
from bot.replies import Done, Open, Private, Reply
from bot.requests import Click, Command
from bot.router import Router, Word
from workflows import rollout, status, visibility
from workflows.status import pages

GROUPS = (
    ("Look", ("", "status", "budget", "milestones", "models", "model", "maturity")),
    ("Decide and ask", ("approvals", "checkin", "digest")),
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
    deps = click.deps
    with deps.db.read() as session:
        found = status.load_home(
            session,
            click.actor,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    return messages.what_waits(found)


def summary(command: Command) -> Reply:
    """`/mlgov`: one line of news, and buttons to what there is."""
    deps = command.deps
    with deps.db.read() as session:
        found = status.load_summary(
            session, command.actor, policy=deps.policy, now=deps.now(session)
        )
    return messages.summary(found)


def show(command: Command) -> Reply:
    """`/mlgov status`: my projects, all that I may see, or one by its key."""
    if not command.words:
        return _list(command, 0, everything=False)
    if command.words == (EVERYTHING,):
        return _list(command, 0, everything=True)
    deps = command.deps
    with deps.db.read() as session:
        found = status.load_project(
            session,
            command.actor,
            " ".join(command.words),
            policy=deps.policy,
            now=deps.now(session),
        )
    return messages.project(found)


def _list(asked: Command | Click, number: int, *, everything: bool) -> Private:
    deps = asked.deps
    with deps.db.read() as session:
        found = status.load_portfolio(
            session,
            asked.actor,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
            number=number,
            everything=everything,
        )
    return messages.portfolio(found)


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
        lambda session: pages.turn_page(session, click.actor.id, page.name, page.number)
    )
    return Done()


def open_project(click: Click, project: ProjectRef) -> Reply:
    """Everything about one project, in a window."""
    deps = click.deps
    with deps.db.read() as session:
        found = status.load_project(
            session, click.actor, project.key or "", policy=deps.policy, now=deps.now(session)
        )
    return Open(views.project_window(found))


def held(command: Command) -> Reply:
    """`/mlgov rollout`, for administrators and leaders."""
    deps = command.deps
    with deps.db.read() as session:
        rollout.require_overseer(session, command.actor, policy=deps.policy)
        found = rollout.load_report(session, policy=deps.policy, now=deps.now(session))
    return messages.withheld(found)


def _help(router: Router, asked: Command | Click) -> Private:
    with asked.deps.db.read() as session:
        roles = visibility.list_roles(session, asked.actor.id, policy=asked.deps.policy)
    hidden = frozenset() if roles & rollout.OVERSEERS else FOR_OVERSEERS
    shown = {name: word for name, word in router.words.items() if name not in hidden}
    placed = {name for _, names in GROUPS for name in names}
    groups = []
    for place, (title, names) in enumerate(GROUPS):
        here = [shown[name] for name in names if name in shown]
        if place == 0:
            here += [word for name, word in shown.items() if name not in placed]
        if here:
            groups.append((title, [_line(word) for word in here]))
    return messages.help_(groups)


def _line(word: Word) -> tuple[str, str]:
    return f"/mlgov {word.usage}".rstrip(), word.help
