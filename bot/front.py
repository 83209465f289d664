"""The front door: `/mlgov` alone, `/mlgov help`, and a wrong word's nearest right one (see `bot.edge`)."""

from bot import blocks
from bot.replies import Private, Reply
from bot.requests import Click, Command
from bot.router import Router, Word
from workflows import status
from workflows.status import Summary

WAITING, PROJECTS, HELP = "front.waiting", "front.projects", "front.help"


def register(router: Router) -> None:
    """Answer `/mlgov` and `/mlgov help`, and the buttons of the summary."""

    def help_(command: Command | Click) -> Reply:
        return Private(_help_text(router), [blocks.section(_help_text(router))])

    def waiting(click: Click) -> Reply:
        return router.words["approvals"].handler(_as_command(click))

    def projects(click: Click) -> Reply:
        return router.words["status"].handler(_as_command(click))

    router.word("", "", "what waits for you, in one look", summary)
    router.word("help", "help", "what mlgov understands", help_)
    router.action(WAITING, waiting)
    router.action(PROJECTS, projects)
    router.action(HELP, help_)


def _as_command(click: Click) -> Command:
    return Command(click.deps, click.actor, (), click.channel or "", click.trigger_id)


def summary(command: Command) -> Reply:
    """`/mlgov`: one line of news, and buttons to what there is."""
    with command.deps.db.read() as session:
        now = command.deps.now(session)
        found = status.summary(
            session, command.actor, policy=command.deps.policy, now=now
        )
    return Private(
        news(found),
        [blocks.section(f"*{news(found)}*"), *_lines(found), _buttons(found)],
    )


def news(found: Summary) -> str:
    """The first line: what waits for this person, else how it stands."""
    if found.waiting:
        waits = (
            "1 decision waits for you"
            if found.waiting == 1
            else f"{found.waiting} decisions wait for you"
        )
        return f"{waits}."
    if found.asked:
        return f"Nothing waits for you. {blocks.counted(found.asked, 'request')} of yours {'is' if found.asked == 1 else 'are'} with others."
    return "Nothing waits for you."


def _lines(found: Summary) -> list[blocks.Block]:
    if not found.projects:
        return [
            blocks.context(
                "You own, sponsor or manage no project. `/mlgov status PROJECT` shows any of them."
            )
        ]
    over = [line for line in found.projects if line.is_over]
    words = f"{blocks.counted(len(found.projects), 'project')} of yours"
    if over:
        names = ", ".join(blocks.escape(line.name, 60) for line in over[:3])
        return [blocks.context(f"{words}; over budget: {names}")]
    return [blocks.context(f"{words}; none is over budget")]


def _buttons(found: Summary) -> blocks.Block:
    waiting = blocks.button(
        "What waits", WAITING, "-", style="primary" if found.waiting else None
    )
    return blocks.actions(
        [
            waiting,
            blocks.button("My projects", PROJECTS, "-"),
            blocks.button("Help", HELP, "-"),
        ],
        block_id="front",
    )


def _help_text(router: Router) -> str:
    def line(word: Word) -> str:
        return f"`/mlgov {word.usage}`".replace(" `", "`") + f"  {word.help}"

    lines = [line(word) for word in router.words.values()]
    return (
        "*mlgov* governs machine learning where you already talk.\n"
        + "\n".join(lines)
        + ("\nThe same words work in a direct message to mlgov, without `/mlgov`.")
    )
