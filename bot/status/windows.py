"""App Home and the window of one project: pure."""

import json
from datetime import date

from bot.approvals import windows as approval_views
from bot.approvals import words as approval_words
from bot.cases import words as case_words
from bot.charts.drawing import Picture
from bot.inventory import cards as model_views
from bot.maturity import messages as maturity_messages
from bot.maturity import messages as maturity_pictures
from bot.milestones import messages as milestone_words
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import PageRef
from bot.status import words
from bot.status import words as project_messages
from workflows.approvals.records import Card
from workflows.milestones.records import MilestoneRecord
from workflows.status.reads import ASKED, DUE, PROJECTS, WAITING
from workflows.status.records import HomeStatus, Page, ProjectLine, ProjectStatus

Listed = Page[Card] | Page[ProjectLine] | Page[MilestoneRecord]
ANSWER_DECISIONS, ANSWER_DUE = 4, 3
"""Decisions and milestones in a private answer, which takes about 13,200 characters."""
MOST_MILESTONES = 6
"""Open milestones in the window of one project; `/mlgov milestones PROJECT` shows them all."""
MOST_WAITING = 10
"""Requests that wait, in the window of one project; the rest is counted."""


def home(status: HomeStatus) -> Block:
    """What waits for me first, then what I asked for, then my projects."""
    body = [*_waiting(status), *_asked(status), *_projects(status), *_maturity(status)]
    if status.introduces is not None:
        body += [
            blocks.divider(),
            blocks.context(words.bulleted(words.introduction(status.introduces))),
        ]
    propose = blocks.button("Propose an idea", case_words.NEW, "-")
    body.append(blocks.actions([propose], block_id="propose"))
    body.append(blocks.context(f"As of {blocks.when(status.now)} · `/mlgov help` lists the words"))
    pages = {
        WAITING: status.waiting.number,
        DUE: status.due.number,
        ASKED: status.asked.number,
        PROJECTS: status.projects.number,
    }
    return blocks.home(body) | {"private_metadata": json.dumps(pages)}


def news(status: HomeStatus) -> str:
    """How much waits for somebody, in one line; empty when nothing does."""
    return words.waits(
        status.waiting.total,
        due=status.due.total,
        models=len(status.models),
        check_in=status.check_in is not None,
    )


def _waiting(status: HomeStatus) -> list[Block]:
    first_line = news(status)
    if not first_line:
        return [
            blocks.header("Nothing waits for you"),
            blocks.section(words.with_others(status.pending, status.first_answer)),
        ]
    body = [blocks.header(first_line)]
    for card in status.waiting.items:
        body += approval_views.waiting_row(card)
    body += approval_views.decide_several_row(status.waiting.total)
    body += turn(status.waiting, WAITING, "the most urgent first")
    if status.waiting.total and (status.due.total or status.models or status.check_in):
        body.append(blocks.divider())
    body += [_due(one, status.today) for one in status.due.items]
    body += turn(status.due, DUE, "the earliest first")
    body += model_views.need_blocks(status.models, status.today)
    if status.check_in is not None:
        body += maturity_messages.in_home(status.check_in)
    return body


def what_waits(status: HomeStatus) -> list[Block]:
    """The same in a private answer, as much as one holds; Home shows the rest."""
    decisions = status.waiting.items[:ANSWER_DECISIONS]
    due = status.due.items[:ANSWER_DUE]
    body: list[Block] = []
    for card in decisions:
        body += approval_views.waiting_row(card)
    body += approval_views.decide_several_row(len(decisions))
    body += [_due(one, status.today) for one in due]
    body += model_views.need_blocks(status.models, status.today)
    if status.check_in is not None:
        body += maturity_messages.in_home(status.check_in)
    left_out = status.waiting.total + status.due.total - len(decisions) - len(due)
    if left_out:
        body.append(blocks.context(f"…and {left_out:,} more: the Home tab shows them all"))
    return body


def _due(milestone: MilestoneRecord, today: date) -> Block:
    """A milestone of one's own, with everything that can be done about it."""
    return blocks.section(
        milestone_words.milestone_line(milestone, today),
        block_id=f"milestone:{milestone.id}:{milestone.revision}",
        accessory=milestone_words.menu(milestone),
    )


def _asked(status: HomeStatus) -> list[Block]:
    if not status.asked.total:
        return []
    return [
        blocks.divider(),
        blocks.header("You asked for"),
        *(approval_views.asked_row(card) for card in status.asked.items),
        *turn(status.asked, ASKED, "those that wait first"),
    ]


def _projects(status: HomeStatus) -> list[Block]:
    body = [blocks.divider(), blocks.header("Your projects")]
    if not status.projects.total:
        return [
            *body,
            blocks.section(
                "You own, sponsor or manage no project. When you do, its money, milestones and requests stand here."
            ),
        ]
    lines, day = projects(status.projects)
    facts = [words.over(status.over, status.projects.total), day]
    return [
        *body,
        blocks.context(" · ".join(filter(None, facts))),
        *lines,
        *turn(status.projects, PROJECTS, "those that need you most first"),
    ]


def _maturity(status: HomeStatus) -> list[Block]:
    if status.maturity is None:
        return []
    return [
        blocks.divider(),
        blocks.header("Maturity"),
        *maturity_messages.result_blocks(status.maturity),
        *(picture.block() for picture in pictures(status)),
    ]


def pictures(status: HomeStatus) -> tuple[Picture, ...]:
    """What the Home's image blocks show: the newest result of a check-in, as a radar."""
    radar = maturity_pictures.radar_picture(status.maturity) if status.maturity else None
    return () if radar is None else (radar,)


def projects(page: Page[ProjectLine]) -> tuple[list[Block], str | None]:
    """Each project in two lines, with a button to all of it; and through which day there is data, where that is the
    same for all of them and so stands in none."""
    day = project_messages.shared_day(line.burns for line in page.items)
    return [_project(line, with_day=day is None) for line in page.items], day


def _project(line: ProjectLine, *, with_day: bool) -> Block:
    return blocks.section(
        project_messages.line(
            line.project, line.burns, waiting=line.waiting, overdue=line.overdue, with_day=with_day
        ),
        block_id=f"project:{line.project.id}",
        accessory=blocks.button(
            "Open", words.PROJECT, line.project.key, hint=f"Open {line.project.key}"
        ),
    )


def turn(page: Listed, section: str, order: str) -> list[Block]:
    """Where in the list this is, and the buttons that turn the page; nothing for a list that is shown whole."""
    if not page.has_previous and not page.has_next:
        return []
    return [
        blocks.context(f"{page.first:,}–{page.last:,} of {page.total:,}, {order}"),
        blocks.actions(turners(page, words.PAGE, section), block_id=f"page:{section}"),
    ]


def turners(page: Listed, ids: tuple[str, str], section: str) -> list[Element]:
    """Previous and Next, where there is such a page."""
    buttons = []
    if page.has_previous:
        buttons.append(blocks.button("‹ Previous", ids[0], PageRef(section, page.number - 1).text))
    if page.has_next:
        buttons.append(blocks.button("Next ›", ids[1], PageRef(section, page.number + 1).text))
    return buttons


def project_blocks(status: ProjectStatus) -> list[Block]:
    """Everything about a project, for a private answer and for its window."""
    project_ = status.line.project
    body = project_messages.card(project_, status.line.burns)
    if status.line.overdue:
        body.append(blocks.section(f"*{blocks.counted(status.line.overdue, 'milestone')} overdue*"))
    body += [
        blocks.section(
            milestone_words.milestone_line(one, status.today, with_project=False),
            block_id=f"milestone:{one.id}:{one.revision}",
            accessory=milestone_words.menu(one),
        )
        for one in status.milestones[:MOST_MILESTONES]
    ]
    if status.caution is not None:
        body.append(
            blocks.context(
                f"{blocks.escape(status.caution, 600).removesuffix('.')}: `/mlgov maturity targets`"
            )
        )
    later = len(status.milestones) - MOST_MILESTONES
    if later > 0:
        body.append(blocks.context(f"…and {later} later: `/mlgov milestones {project_.key}`"))
    body += [_pending(card) for card in status.pending[:MOST_WAITING]]
    left_out = status.line.waiting - len(status.pending[:MOST_WAITING])
    if left_out > 0:
        body.append(blocks.context(f"…and {blocks.counted(left_out, 'request')} more that wait"))
    elif not status.pending:
        body.append(blocks.context("No request about it waits."))
    body.append(
        blocks.context(
            f"As of {blocks.when(status.now)} · `/mlgov budget {project_.key}` shows the money"
        )
    )
    return body


def _pending(card: Card) -> Block:
    asks = blocks.escape(card.words.asks, 200)
    progress = f"{card.round.approved} of {card.round.quorum} approved"
    return blocks.section(
        f"*Waiting* · request #{card.id} to {asks}\n{blocks.escape(card.round.name, 60)}, {progress} · "
        f"answer by {blocks.when(card.expires_at)}",
        accessory=approval_words.details_button(card),
        block_id=f"approval:{card.id}:{card.revision}:project",
    )


def project_window(status: ProjectStatus) -> Block:
    """The window of one project."""
    return blocks.modal(
        status.line.name,
        project_blocks(status),
        callback_id=words.PROJECT_VIEW,
        close="Close",
        metadata=status.line.project.key,
    )
