"""What was entered into a window of models, and what stands there afterwards."""

from collections.abc import Callable
from datetime import date
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot.context import Deps
from bot.inventory import acting, fields, views
from bot.inventory.acting import At
from bot.inventory.evidence import figures
from bot.replies import FieldErrors, Reply, Show
from bot.requests import UNREADABLE, Submission
from workflows.actors import Actor
from workflows.errors import InvalidInput, first_fault
from workflows.inventory import reads
from workflows.people import service as people


def details(
    deps: Deps, actor: Actor, model_id: int, version_id: int | None, said: str = ""
) -> Show:
    """The window with everything about a model; `said` is what just happened."""
    found, spend = acting.look(deps, actor, model_id, version_id)
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    seen, _ = acting.prefilled(deps, found)
    drawn = figures.draw_pictures(found.evidence.values())
    return Show(
        views.details_window(found, deps.policy, today, drawn, spend=spend, news=said, seen=seen),
        tuple(drawn.values()),
    )


def told(handler: Callable[[Submission], Reply]) -> Callable[[Submission], Reply]:
    """What a form refuses stands under its field, where it names one that the window has."""

    def answer(submission: Submission) -> Reply:
        try:
            return handler(submission)
        except ValidationError as error:
            place, sentence = first_fault(error)
            return FieldErrors({_field(submission, place.partition(".")[0]): sentence})

    return answer


_PLACES = {
    "key": fields.NAME,
    "words": fields.WORD,
    "generative": fields.BASE,
    "watched": fields.METRICS,
    "model": fields.BASE,
    "": fields.SUMMARY,
}


def _field(submission: Submission, place: str) -> str:
    """The block of a field, or the last one of the window for what stands in none."""
    ids = [one["block_id"] for one in submission.view["blocks"] if one["type"] == "input"]
    if not ids:
        raise InvalidInput(UNREADABLE)
    wanted = _PLACES.get(place, place)
    return wanted if wanted in ids else ids[-1]


def text(submission: Submission, block: str) -> str:
    """What was typed into a field."""
    return str(submission.values.get(block) or "").strip()


def listed(submission: Submission, block: str) -> tuple[str, ...]:
    """What was typed into a field, apart at its commas."""
    return tuple(one.strip() for one in text(submission, block).split(",") if one.strip())


def day(submission: Submission, block: str) -> date | None:
    """The day that was picked."""
    value = submission.values.get(block)
    return date.fromisoformat(value) if value else None


def person(session: Session, submission: Submission, block: str) -> str | None:
    """The person id of who was picked."""
    picked = submission.values.get(block)
    if not picked:
        return None
    found = people.find_by_slack_id(session, submission.deps.team.org_key, str(picked))
    if found is None:
        raise InvalidInput("Choose somebody else: mlgov does not know that person.", field=block)
    return found.id


def done(submission: Submission, at: At, said: str) -> Reply:
    """The window with everything, and what was done."""
    return details(submission.deps, submission.actor, at.model_id, at.version_id, said)


def run(submission: Submission, work: Callable[[Session], Any]) -> Any:
    """Carry it out in a transaction of its own, with what it returns."""
    return submission.deps.db.run(work)
