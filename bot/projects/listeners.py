"""`/mlgov status [project]`."""

from bot import blocks
from bot.projects import messages
from bot.replies import Private, Reply
from bot.requests import Command
from bot.router import Router
from workflows import status
from workflows.approvals.records import Card
from workflows.status import ProjectStatus

SHOWN = 15


def register(router: Router) -> None:
    """Answer the word `status`."""
    router.word(
        "status", "status [project]", "how your projects stand, or one of them", show
    )


def show(command: Command) -> Reply:
    """My projects, or one by its key."""
    with command.deps.db.read() as session:
        now = command.deps.now(session)
        if command.words:
            one = status.project(
                session,
                command.actor,
                command.words[0],
                policy=command.deps.policy,
                now=now,
            )
            return _one(one)
        mine = status.home(
            session, command.actor, policy=command.deps.policy, now=now
        ).projects
    if not mine:
        words = "You own, sponsor or manage no project. `/mlgov status PROJECT` shows any project by its key."
        return Private(words, [blocks.section(words)])
    lines = [messages.line(item.project, item.burns) for item in mine[:SHOWN]]
    if len(mine) > SHOWN:
        lines.append(f"…and {len(mine) - SHOWN} more: `/mlgov status PROJECT`")
    text = f"{blocks.counted(len(mine), 'project')} of yours"
    return Private(
        text, [blocks.section(f"*{text}*"), *(blocks.section(line) for line in lines)]
    )


def _one(found: ProjectStatus) -> Private:
    project = found.line.project
    shown = messages.card(project, found.line.burns)
    for item in found.pending:
        shown.append(blocks.context(_waiting(item)))
    shown.append(
        blocks.context(
            f"As of {blocks.when(found.now)} · `/mlgov budget {project.key}` shows the money"
        )
    )
    return Private(f"{blocks.escape(project.name)}: {project.status}", shown)


def _waiting(card: Card) -> str:
    asks = blocks.escape(card.words.asks, 200)
    progress = f"{card.round.approved} of {card.round.quorum} approved"
    return f"*Waiting*: request #{card.id} to {asks} · {blocks.escape(card.round.name, 60)}, {progress}"
