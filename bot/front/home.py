"""App Home: published when it is opened, and what delivery publishes as somebody's Home."""

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot import acts, blocks, standing
from bot.answers import without_pictures
from bot.context import Deps
from bot.front import views
from bot.rendering import View
from storage.db import DatabaseBusy
from workflows import clock, meeting, outbox, permissions, status
from workflows.actors import Actor
from workflows.errors import GovernanceError
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.status import pages

log = logging.getLogger("mlgov")


def opener(deps: Deps) -> Callable[[str, dict[str, Any]], None]:
    """What happens when somebody opens the Home tab: it is published anew by delivery, from its first page."""

    def opened(user_id: str, body: dict[str, Any]) -> None:
        actor = deps.directory.actor(
            user_id, team_id=body.get("team_id"), enterprise_id=body.get("enterprise_id")
        )
        acts.name_actor(actor.id)
        actor = standing.confirm_actor(deps, actor, "home", "opened")

        def work(session: Session) -> None:
            now = deps.now(session)
            people.note_home_opened(session, actor.id, now=clock.real_now(session))
            pages.reset_pages(session, actor.id)
            if actor.is_member:
                meeting.record_meeting(session, actor.id, "home", now=now)
            outbox.publish_home(
                session,
                actor.id,
                to=Destination.person(deps.team.org_key, actor.slack_id or user_id),
                now=now,
            )

        try:
            deps.db.run(work)
        except (DatabaseBusy, SQLAlchemyError) as error:
            log.warning("a Home is shown at once and not by delivery: %s", type(error).__name__)
            _publish(deps, actor, user_id)

    return opened


def _publish(deps: Deps, actor: Actor, user_id: str) -> None:
    """Show somebody their Home without writing anything down: its first pages, and in words what pictures say."""
    with deps.db.read() as session:
        view = _view(deps, session, actor, {})
    deps.slack.views_publish(user_id=user_id, view=without_pictures(view.view))


def _view(deps: Deps, session: Session, actor: Actor, page_numbers: dict[str, Any]) -> View:
    try:
        permissions.require_member(actor, "home")
    except GovernanceError as error:
        return View(blocks.home([blocks.section(blocks.escape(error.sentence))]))
    home_status = status.load_home(
        session,
        actor,
        policy=deps.policy,
        org_key=deps.team.org_key,
        now=deps.now(session),
        pages=page_numbers,
    )
    return View(views.home(home_status), views.pictures(home_status))


def renderer(deps: Deps) -> Callable[[Session, str], View | None]:
    """What delivery publishes as a person's Home tab."""

    def render(session: Session, person_id: str) -> View | None:
        actor = people.actor(session, person_id)
        if actor is None or actor.slack_id is None:
            return None
        return _view(deps, session, actor, pages.find_pages(session, person_id))

    return render
