"""App Home and the window of one project: pure."""

import json
from datetime import date

from bot import blocks
from bot.approvals import views as approval_views
from bot.approvals import words as approval_words
from bot.blocks import Block, Element
from bot.front import words
from bot.interactions import PageRef
from bot.inventory import views as model_views
from bot.maturity import messages as maturity_messages
from bot.maturity import pictures as maturity_pictures
from bot.milestones import words as milestone_words
from bot.pictures import Picture
from bot.projects import messages as project_messages
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


def home(found: HomeStatus) -> Block:
    """What waits for me first, then what I asked for, then my projects."""
    shown = [*_waiting(found), *_asked(found), *_projects(found), *_maturity(found)]
    if found.introduces is not None:
        shown += [
            blocks.divider(),
            blocks.context(words.bulleted(words.introduction(found.introduces))),
        ]
    shown.append(blocks.context(f"As of {blocks.when(found.now)} · `/mlgov help` lists the words"))
    pages = {
        WAITING: found.waiting.number,
        DUE: found.due.number,
        ASKED: found.asked.number,
        PROJECTS: found.projects.number,
    }
    return blocks.home(shown) | {"private_metadata": json.dumps(pages)}


def _waiting(found: HomeStatus) -> list[Block]:
    news = words.waits(
        found.waiting.total,
        due=found.due.total,
        models=len(found.models),
        check_in=found.check_in is not None,
    )
    if not news:
        return [
            blocks.header("Nothing waits for you"),
            blocks.section(words.with_others(found.pending, found.first_answer)),
        ]
    shown = [blocks.header(news)]
    for card in found.waiting.items:
        shown += approval_views.waiting(card)
    shown += approval_views.several(found.waiting.total)
    shown += turn(found.waiting, WAITING, "the most urgent first")
    if found.waiting.total and (found.due.total or found.models or found.check_in):
        shown.append(blocks.divider())
    shown += [_due(one, found.today) for one in found.due.items]
    shown += turn(found.due, DUE, "the earliest first")
    shown += model_views.needing(found.models, found.today)
    if found.check_in is not None:
        shown += maturity_messages.in_home(found.check_in)
    return shown


def what_waits(found: HomeStatus) -> list[Block]:
    """The same in a private answer, as much as one holds; Home shows the rest."""
    decisions = found.waiting.items[:ANSWER_DECISIONS]
    due = found.due.items[:ANSWER_DUE]
    shown: list[Block] = []
    for card in decisions:
        shown += approval_views.waiting(card)
    shown += approval_views.several(len(decisions))
    shown += [_due(one, found.today) for one in due]
    shown += model_views.needing(found.models, found.today)
    if found.check_in is not None:
        shown += maturity_messages.in_home(found.check_in)
    more = found.waiting.total + found.due.total - len(decisions) - len(due)
    if more:
        shown.append(blocks.context(f"…and {more:,} more: the Home tab shows them all"))
    return shown


def _due(milestone: MilestoneRecord, today: date) -> Block:
    """A milestone of one's own, with everything that can be done about it."""
    return blocks.section(
        milestone_words.line(milestone, today),
        block_id=f"milestone:{milestone.id}:{milestone.revision}",
        accessory=milestone_words.menu(milestone),
    )


def _asked(found: HomeStatus) -> list[Block]:
    if not found.asked.total:
        return []
    return [
        blocks.divider(),
        blocks.header("You asked for"),
        *(approval_views.asked(card) for card in found.asked.items),
        *turn(found.asked, ASKED, "those that wait first"),
    ]


def _projects(found: HomeStatus) -> list[Block]:
    shown = [blocks.divider(), blocks.header("Your projects")]
    if not found.projects.total:
        return [
            *shown,
            blocks.section(
                "You own, sponsor or manage no project. When you do, its money, milestones and requests stand here."
            ),
        ]
    lines, day = projects(found.projects)
    facts = [words.over(found.over, found.projects.total), day]
    return [
        *shown,
        blocks.context(" · ".join(filter(None, facts))),
        *lines,
        *turn(found.projects, PROJECTS, "those that need you most first"),
    ]


def _maturity(found: HomeStatus) -> list[Block]:
    if found.maturity is None:
        return []
    return [
        blocks.divider(),
        blocks.header("Maturity"),
        *maturity_messages.result_blocks(found.maturity),
        *(picture.block() for picture in pictures(found)),
    ]


def pictures(found: HomeStatus) -> tuple[Picture, ...]:
    """What the Home's image blocks show: the newest result of a check-in, as a radar."""
    radar = maturity_pictures.radar(found.maturity) if found.maturity else None
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
    made = []
    if page.has_previous:
        made.append(blocks.button("‹ Previous", ids[0], PageRef(section, page.number - 1).text))
    if page.has_next:
        made.append(blocks.button("Next ›", ids[1], PageRef(section, page.number + 1).text))
    return made


def project_blocks(found: ProjectStatus) -> list[Block]:
    """Everything about a project, for a private answer and for its window."""
    project_ = found.line.project
    shown = project_messages.card(project_, found.line.burns)
    if found.line.overdue:
        shown.append(blocks.section(f"*{blocks.counted(found.line.overdue, 'milestone')} overdue*"))
    shown += [
        blocks.section(
            milestone_words.line(one, found.today, with_project=False),
            block_id=f"milestone:{one.id}:{one.revision}",
            accessory=milestone_words.menu(one),
        )
        for one in found.milestones[:MOST_MILESTONES]
    ]
    if found.caution is not None:
        shown.append(
            blocks.context(
                blocks.escape(found.caution, 600).replace(
                    "/mlgov maturity targets", "`/mlgov maturity targets`"
                )
            )
        )
    later = len(found.milestones) - MOST_MILESTONES
    if later > 0:
        shown.append(blocks.context(f"…and {later} later: `/mlgov milestones {project_.key}`"))
    shown += [_pending(card) for card in found.pending[:MOST_WAITING]]
    more = found.line.waiting - len(found.pending[:MOST_WAITING])
    if more > 0:
        shown.append(blocks.context(f"…and {blocks.counted(more, 'request')} more that wait"))
    elif not found.pending:
        shown.append(blocks.context("No request about it waits."))
    shown.append(
        blocks.context(
            f"As of {blocks.when(found.now)} · `/mlgov budget {project_.key}` shows the money"
        )
    )
    return shown


def _pending(card: Card) -> Block:
    asks = blocks.escape(card.words.asks, 200)
    progress = f"{card.round.approved} of {card.round.quorum} approved"
    return blocks.section(
        f"*Waiting* · request #{card.id} to {asks}\n{blocks.escape(card.round.name, 60)}, {progress} · "
        f"answer by {blocks.when(card.expires_at)}",
        accessory=approval_words.details_button(card),
        block_id=f"approval:{card.id}:{card.revision}:project",
    )


def project_window(found: ProjectStatus) -> Block:
    """The window of one project."""
    return blocks.modal(
        found.line.name,
        project_blocks(found),
        callback_id=words.PROJECT_VIEW,
        close="Close",
        metadata=found.line.project.key,
    )
