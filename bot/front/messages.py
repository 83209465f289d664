"""The private answers of the front door, and its messages: pure."""

from collections.abc import Sequence

from bot import blocks
from bot.blocks import Block
from bot.front import views, words
from bot.maturity import words as maturity_words
from bot.rendering import Rendered, Scene
from bot.replies import Private
from workflows.meeting import Introduction
from workflows.rollout import Report, WithheldWeek
from workflows.status.records import HomeStatus, Part, Portfolio, ProjectStatus, Summary

NAMED = 3
"""Projects over budget that the summary names."""


def summary(found: Summary) -> Private:
    """`/mlgov`: one line of news, the projects in one line, and buttons to what there is."""
    text = _news(found)
    buttons = [
        blocks.button("What waits", words.WAITING, "-", style="primary" if found.waiting else None),
        blocks.button("My projects", words.PROJECTS, "0"),
        blocks.button("All projects", words.ALL, "0")
        if found.sees_all
        else blocks.button("Help", words.HELP, "-"),
    ]
    return Private(
        text,
        [
            blocks.section(f"*{text}*"),
            blocks.context(f"{_own(found)} · as of {blocks.when(found.now)}"),
            blocks.actions(buttons, block_id="front"),
        ],
    )


def _news(found: Summary) -> str:
    news = words.waits(
        found.waiting, due=found.due, models=found.models, check_in=found.has_check_in
    )
    if news:
        return f"{news}."
    if found.asked:
        are = "is" if found.asked == 1 else "are"
        return f"Nothing waits for you. {blocks.counted(found.asked, 'request')} of yours {are} with others."
    return "Nothing waits for you."


def what_waits(found: HomeStatus) -> Private:
    """The button What waits: decisions, milestones and a check-in, each with its buttons."""
    news = words.waits(
        found.waiting.total,
        due=found.due.total,
        models=len(found.models),
        check_in=found.check_in is not None,
    )
    if not news:
        text = f"Nothing waits for you. {words.with_others(found.pending, found.first_answer)}"
        return Private(text, [blocks.section(text)])
    return Private(f"{news}.", [blocks.section(f"*{news}.*"), *views.what_waits(found)])


def _own(found: Summary) -> str:
    if not found.projects:
        return "You own, sponsor or manage no project"
    over = [line for line in found.projects if line.is_over]
    count = f"{blocks.counted(len(found.projects), 'project')} of yours"
    if not over:
        return f"{count}; none is over budget"
    names = ", ".join(blocks.escape(line.name, 60) for line in over[:NAMED])
    more = f" and {len(over) - NAMED} more" if len(over) > NAMED else ""
    return f"{count}; over budget: {names}{more}"


def portfolio(found: Portfolio) -> Private:
    """`/mlgov status` and `/mlgov status all`: what matters in one line, then a page of projects."""
    if not found.lines.total:
        text = _none(found)
        return Private(text, [blocks.section(text)])
    text = _state(found)
    section = "all" if found.is_all else "mine"
    lines, day = views.projects(found.lines)
    facts = []
    if found.lines.total > len(found.lines.items):
        facts.append(
            f"{found.lines.first:,}–{found.lines.last:,} of {found.lines.total:,}, those that need you most first"
        )
    if found.is_all and not found.sees_all:
        facts.append("all that you may see: yours, and those of people who report to you")
    facts += [day] if day else []
    facts.append(f"as of {blocks.when(found.now)}")
    told = " · ".join(facts)
    shown = [blocks.section(f"*{text}*"), *lines, blocks.context(told[0].upper() + told[1:])]
    if found.maturity is not None:
        shown.append(blocks.context(maturity_words.headline(found.maturity)))
    turners = views.turners(found.lines, words.LIST, section)
    if turners:
        shown.append(blocks.actions(turners, block_id=f"list:{section}"))
    return Private(text, shown)


def _none(found: Portfolio) -> str:
    if found.is_all and found.sees_all:
        return "There is no project yet. An administrator can import them: `mlgov import projects FILE`."
    if found.is_all:
        return (
            "You can see no project yet: you see those that you, or people who report to you, "
            "own, sponsor or manage."
        )
    others = "every project" if found.sees_all else "those of people who report to you"
    return f"You own, sponsor or manage no project. `/mlgov status all` shows {others}."


def _state(found: Portfolio) -> str:
    whose = "projects" if found.is_all else "projects of yours"
    total = found.lines.total
    if total == 1:
        one = "1 project" if found.is_all else "1 project of yours"
        head = f"{one}, {'over' if found.over else 'within'} budget"
    elif found.over:
        head = (
            f"{found.over:,} of {total:,} {whose} {'is' if found.over == 1 else 'are'} over budget"
        )
    else:
        head = f"{total:,} {whose}, none over budget"
    told = [head]
    if found.overdue:
        told.append(f"{blocks.counted(found.overdue, 'milestone')} overdue")
    if found.waiting:
        told.append(
            f"{blocks.counted(found.waiting, 'request')} {'waits' if found.waiting == 1 else 'wait'}"
        )
    return " · ".join(told)


def project(found: ProjectStatus) -> Private:
    """`/mlgov status PROJECT`."""
    name, state = found.line.name, found.line.project.status.replace("_", " ")
    over = ", over budget" if found.line.is_over else ""
    return Private(f"{blocks.escape(name)}: {state}{over}", views.project_blocks(found))


def help_(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> Private:
    """`/mlgov help`: the words by what they are for; each with one line."""
    shown: list[Block] = [
        blocks.section("*mlgov* governs machine learning where you already talk.")
    ]
    for title, lines in groups:
        told = "\n".join(f"`{usage}`  {line}" for usage, line in lines)
        shown.append(blocks.section(f"*{title}*\n{told}"))
    shown.append(
        blocks.context(
            "The same words work in a direct message to mlgov, without `/mlgov`. "
            "The Home tab shows what waits for you, and you decide right there."
        )
    )
    return Private("What mlgov understands", shown)


def withheld(report: Report) -> Private:
    """`/mlgov rollout`: who is messaged unasked, and what was held back."""
    text = words.withheld(report)
    shown = [blocks.section(f"*{text}*\n{words.WHO[report.rollout]}")]
    if report.messages:
        shown.append(blocks.section(_kinds(report)))
        shown.append(blocks.section("\n".join(_held(report))))
    shown.append(
        blocks.context(
            "What was held back is never sent later, also when the rollout widens. "
            "Cards that ask for a decision reach those who decide under every rollout. "
            f"As of {blocks.when(report.now)}."
        )
    )
    return Private(text, shown)


def _kinds(report: Report) -> str:
    return "\n".join(
        f"• {words.kind(kind, messages)} to {blocks.counted(people, 'person', 'people')}"
        for kind, messages, people in report.kinds[:10]
    )


def _held(report: Report) -> list[str]:
    lines = [
        f"• {blocks.escape(item.name, 60)} · {words.kind(item.kind, 1).removeprefix('1 ')} · {blocks.when(item.at)}"
        for item in report.newest
    ]
    more = report.messages - len(report.newest)
    return ["The newest:", *lines, *([f"…and {more:,} before"] if more > 0 else [])]


def withheld_week(record: Report, notice: WithheldWeek, scene: Scene) -> Rendered:
    """The weekly line to those who govern."""
    text = words.withheld(record)
    return Rendered(
        f"{text} (rollout {record.rollout})",
        [
            blocks.section(f"*{text}*\n{_kinds(record)}"),
            blocks.context(
                f"{words.WHO[record.rollout]} `/mlgov rollout` lists to whom. None of it is sent later."
            ),
        ],
        is_final=True,
    )


def introduction(record: Part, notice: Introduction, scene: Scene) -> Rendered:
    """What follows somebody's first card."""
    told = words.introduction(record)
    return Rendered(
        f"What mlgov does for you: {told[0]}", [blocks.context(words.bulleted(told))], is_final=True
    )


def introduced(answer: Private, part: Part) -> Private:
    """An answer, with the three lines after it."""
    told = answer.blocks or [blocks.section(answer.text)]
    return Private(
        answer.text,
        [*told, blocks.divider(), blocks.context(words.bulleted(words.introduction(part)))],
        answer.pictures,
    )
