"""What was entered into a window of models, and what stands there afterwards."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from bot.context import Deps
from bot.interactions import ModelRef
from bot.inventory import acting, views
from bot.inventory.evidence import figures
from bot.replies import Reply, Show
from bot.requests import Submission
from workflows.actors import Actor
from workflows.errors import InvalidInput
from workflows.inventory import reads
from workflows.people import service as people


def details(
    deps: Deps, actor: Actor, model_id: int, version_id: int | None, sentence: str = ""
) -> Show:
    """The window with everything about a model; `sentence` says what just happened."""
    found, spend = acting.load_model(deps, actor, model_id, version_id)
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    seen, _ = acting.prefilled(deps, found)
    drawn = figures.draw_pictures(found.evidence.values())
    return Show(
        views.details_window(
            found, deps.policy, today, drawn, spend=spend, news=sentence, seen=seen
        ),
        tuple(drawn.values()),
    )


def person_id(session: Session, submission: Submission, block: str) -> str | None:
    """The person id of who was picked."""
    picked = submission.text(block)
    if not picked:
        return None
    person = people.find_by_slack_id(session, submission.deps.team.org_key, picked)
    if person is None:
        raise InvalidInput("Choose somebody else: mlgov does not know that person.", field=block)
    return person.id


def confirm(submission: Submission, ref: ModelRef, sentence: str) -> Reply:
    """The window with everything, and what was done."""
    return details(submission.deps, submission.actor, ref.model_id, ref.version_id, sentence)


def run(submission: Submission, work: Callable[[Session], Any]) -> Any:
    """Carry it out in a transaction of its own, with what it returns."""
    return submission.deps.db.run(work)
