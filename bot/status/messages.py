"""The private answers of the front door, and its messages: pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.maturity import messages as maturity_words
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.replies import Private
from bot.status import windows, words
from workflows import rollout, status
from workflows.people import service as people
from workflows.rollout import Introduction, Report, WithheldWeek
from workflows.status.records import HomeStatus, Part, Portfolio, ProjectStatus, Summary

NAMED = 3
"""Projects over budget that the summary names."""


def summary(overview: Summary) -> Private:
    """`/mlgov`: one line of news, the projects in one line, and buttons to what there is."""
    text = _news(overview)
    buttons = [
        blocks.button(
            "What waits", words.WAITING, "-", style="primary" if overview.waiting else None
        ),
        blocks.button("My projects", words.PROJECTS, "0"),
        blocks.button("All projects", words.ALL, "0")
        if overview.sees_all
        else blocks.button("Help", words.HELP, "-"),
    ]
    return Private(
        text,
        [
            blocks.section(f"*{text}*"),
            blocks.context(f"{_own(overview)} · as of {blocks.when(overview.now)}"),
            blocks.actions(buttons, block_id="front"),
        ],
    )


def _news(overview: Summary) -> str:
    news = words.waits(
        overview.waiting, due=overview.due, models=overview.models, check_in=overview.has_check_in
    )
    if news:
        return f"{news}."
    if overview.asked:
        are = "is" if overview.asked == 1 else "are"
        return f"Nothing waits for you. {blocks.counted(overview.asked, 'request')} of yours {are} with others."
    return "Nothing waits for you."


def what_waits(home_status: HomeStatus) -> Private:
    """The button What waits: decisions, milestones and a check-in, each with its buttons."""
    news = windows.news(home_status)
    if not news:
        text = f"Nothing waits for you. {words.with_others(home_status.pending, home_status.first_answer)}"
        return Private(text, [blocks.section(text)])
    return Private(f"{news}.", [blocks.section(f"*{news}.*"), *windows.what_waits(home_status)])


def _own(overview: Summary) -> str:
    if not overview.projects:
        return "You own, sponsor or manage no project"
    over = [line for line in overview.projects if line.is_over]
    count = f"{blocks.counted(len(overview.projects), 'project')} of yours"
    if not over:
        return f"{count}; none is over budget"
    names = ", ".join(blocks.escape(line.name, 60) for line in over[:NAMED])
    more = f" and {len(over) - NAMED} more" if len(over) > NAMED else ""
    return f"{count}; over budget: {names}{more}"


def portfolio(listing: Portfolio) -> Private:
    """`/mlgov status` and `/mlgov status all`: what matters in one line, then a page of projects."""
    if not listing.lines.total:
        text = _none(listing)
        return Private(text, [blocks.section(text)])
    text = _project_state(listing)
    section = "all" if listing.is_all else "mine"
    lines, day = windows.projects(listing.lines)
    facts = []
    if listing.lines.total > len(listing.lines.items):
        facts.append(
            f"{listing.lines.first:,}–{listing.lines.last:,} of {listing.lines.total:,}, those that need you most first"
        )
    if listing.is_all and not listing.sees_all:
        facts.append("all that you may see: yours, and those of people who report to you")
    facts += [day] if day else []
    facts.append(f"as of {blocks.when(listing.now)}")
    facts_line = " · ".join(facts)
    body = [
        blocks.section(f"*{text}*"),
        *lines,
        blocks.context(facts_line[0].upper() + facts_line[1:]),
    ]
    if listing.maturity is not None:
        body.append(blocks.context(maturity_words.headline(listing.maturity)))
    turners = windows.turners(listing.lines, words.LIST, section)
    if turners:
        body.append(blocks.actions(turners, block_id=f"list:{section}"))
    return Private(text, body)


def _none(listing: Portfolio) -> str:
    if listing.is_all and listing.sees_all:
        return "There is no project yet. An administrator can import them: `mlgov import projects FILE`."
    if listing.is_all:
        return (
            "You can see no project yet: you see those that you, or people who report to you, "
            "own, sponsor or manage."
        )
    others = "every project" if listing.sees_all else "those of people who report to you"
    return f"You own, sponsor or manage no project. `/mlgov status all` shows {others}."


def _project_state(listing: Portfolio) -> str:
    whose = "projects" if listing.is_all else "projects of yours"
    total = listing.lines.total
    if total == 1:
        counted_one = "1 project" if listing.is_all else "1 project of yours"
        head = f"{counted_one}, {'over' if listing.over else 'within'} budget"
    elif listing.over:
        head = f"{listing.over:,} of {total:,} {whose} {'is' if listing.over == 1 else 'are'} over budget"
    else:
        head = f"{total:,} {whose}, none over budget"
    facts = [head]
    if listing.overdue:
        facts.append(f"{blocks.counted(listing.overdue, 'milestone')} overdue")
    if listing.waiting:
        facts.append(
            f"{blocks.counted(listing.waiting, 'request')} {'waits' if listing.waiting == 1 else 'wait'}"
        )
    return " · ".join(facts)


def project(status: ProjectStatus) -> Private:
    """`/mlgov status PROJECT`."""
    name, state = status.line.name, status.line.project.status.replace("_", " ")
    over = ", over budget" if status.line.is_over else ""
    return Private(f"{blocks.escape(name)}: {state}{over}", windows.project_blocks(status))


def help_(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> Private:
    """`/mlgov help`: the words by what they are for; each with one line."""
    body: list[Block] = [blocks.section("*mlgov* governs machine learning where you already talk.")]
    for title, lines in groups:
        usage_lines = "\n".join(f"`{usage}`  {line}" for usage, line in lines)
        body.append(blocks.section(f"*{title}*\n{usage_lines}"))
    body.append(
        blocks.context(
            "The same words work in a direct message to mlgov, without `/mlgov`. "
            "The Home tab shows what waits for you, and you decide right there."
        )
    )
    return Private("What mlgov understands", body)


def withheld_message(report: Report) -> Private:
    """`/mlgov rollout`: who is messaged unasked, and what was held back."""
    text = words.withheld(report)
    body = [blocks.section(f"*{text}*\n{words.WHO[report.rollout]}")]
    if report.messages:
        body.append(blocks.section(_kinds(report)))
        body.append(blocks.section("\n".join(_held(report))))
    body.append(
        blocks.context(
            "What was held back is never sent later, also when the rollout widens. "
            "Cards that ask for a decision reach those who decide under every rollout. "
            f"As of {blocks.when(report.now)}."
        )
    )
    return Private(text, body)


def _kinds(report: Report) -> str:
    return "\n".join(
        f"• {words.kind_of(kind, messages)} to {blocks.counted(people, 'person', 'people')}"
        for kind, messages, people in report.kinds[:10]
    )


def _held(report: Report) -> list[str]:
    lines = [
        f"• {blocks.escape(item.name, 60)} · {words.kind_of(item.kind, 1).removeprefix('1 ')} · {blocks.when(item.at)}"
        for item in report.newest
    ]
    before = report.messages - len(report.newest)
    return ["The newest:", *lines, *([f"…and {before:,} before"] if before > 0 else [])]


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


def introduction_message(record: Part, notice: Introduction, scene: Scene) -> Rendered:
    """What follows somebody's first card."""
    lines = words.introduction(record)
    return Rendered(
        f"What mlgov does for you: {lines[0]}",
        [blocks.context(words.bulleted(lines))],
        is_final=True,
    )


def introduced(answer: Private, part: Part) -> Private:
    """An answer, with the three lines after it."""
    body = answer.blocks or [blocks.section(answer.text)]
    return Private(
        answer.text,
        [*body, blocks.divider(), blocks.context(words.bulleted(words.introduction(part)))],
        answer.pictures,
    )


# --- How the front door's own notices are shown


def _part(session: Session, notice: Introduction, scene: Scene) -> Part | None:
    actor = people.actor(session, notice.person_id)
    if actor is None or not actor.is_member:
        return None
    return status.load_part(replace(scene.context(session), actor=actor))


def _report(session: Session, notice: WithheldWeek, scene: Scene) -> Report | None:
    report = rollout.load_report(scene.context(session))
    return report if report.messages and scene.is_closed else None


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(Introduction, _part, introduction_message),
    Renderer(WithheldWeek, _report, withheld_week),
)
