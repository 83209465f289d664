"""App Home: what waits for me first, then what I asked for, then my projects."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from bot import blocks
from bot.approvals import views as approval_views
from bot.context import Deps
from bot.projects import messages as project_messages
from bot.rendering import View
from workflows import clock, outbox, permissions, status
from workflows.errors import GovernanceError
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.status import HomeStatus

MOST = 20
"""Entries of one kind; the rest is counted. Slack takes 100 blocks in a Home tab."""


def opener(deps: Deps) -> Callable[[str, dict[str, Any]], None]:
    """What happens when somebody opens the Home tab: it is published anew by delivery."""

    def opened(user_id: str, body: dict[str, Any]) -> None:
        actor = deps.directory.actor(
            user_id,
            team_id=body.get("team_id"),
            enterprise_id=body.get("enterprise_id"),
        )

        def work(session: Session) -> None:
            now = deps.now(session)
            people.home_opened(session, actor.id, now=clock.real_now(session))
            outbox.publish_home(
                session,
                actor.id,
                to=Destination.person(deps.team.org_key, user_id),
                now=now,
            )

        deps.db.run(work)

    return opened


def renderer(deps: Deps) -> Callable[[Session, str], View | None]:
    """What delivery publishes as a person's Home tab."""

    def render(session: Session, person_id: str) -> View | None:
        actor = people.actor(session, person_id)
        if actor is None or actor.slack_id is None:
            return None
        try:
            permissions.require_member(actor, "home")
        except GovernanceError as error:
            return View(blocks.home([blocks.section(blocks.escape(error.sentence))]))
        found = status.home(session, actor, policy=deps.policy, now=deps.now(session))
        return View(view(found))

    return render


def view(found: HomeStatus) -> dict[str, Any]:
    """The Home tab's blocks."""
    shown = [
        *approval_views.home_blocks(
            found.waiting[:MOST], found.asked[:MOST], now=found.now
        )
    ]
    more = max(0, len(found.waiting) - MOST) + max(0, len(found.asked) - MOST)
    if more:
        shown.append(blocks.context(f"…and {more} more: `/mlgov approvals`"))
    shown += [blocks.divider(), blocks.header("My projects")]
    if not found.projects:
        shown.append(
            blocks.section(
                "You own, sponsor or manage no project yet. `/mlgov status PROJECT` shows any of them."
            )
        )
    shown += [
        blocks.section(project_messages.line(item.project, item.burns))
        for item in found.projects[:MOST]
    ]
    if len(found.projects) > MOST:
        shown.append(
            blocks.context(f"…and {len(found.projects) - MOST} more: `/mlgov status`")
        )
    shown.append(blocks.context(f"As of {blocks.when(found.now)}"))
    return blocks.home(shown)
