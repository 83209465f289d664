"""What every click on a request needs: what its button carried, a mirror that is recent enough, and cards that follow."""

from datetime import timedelta

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot.approvals import deciding, views
from bot.approvals.deciding import Clicked
from bot.context import Deps
from bot.replies import Private, Reply, Show
from bot.requests import Click, Submission
from storage.enums import Verdict
from workflows import clock, decisions
from workflows.actors import Actor
from workflows.approvals.forms import Decide, OnRequest
from workflows.approvals.records import Card
from workflows.errors import InvalidInput, Stale


def form_of(value: str, verdict: Verdict, reason: str = "") -> Decide:
    """What a button's value (`id:revision`) and a verdict make."""
    try:
        approval_id, revision = value.split(":")[:2]
        return Decide(
            approval_id=int(approval_id),
            revision=int(revision),
            verdict=verdict,
            reason=reason,
        )
    except (ValueError, ValidationError):
        raise InvalidInput(
            "This button is from another release of mlgov. `/mlgov approvals` lists what waits for you."
        ) from None


def id_of(value: str) -> int:
    """The request that a button is about."""
    return form_of(value, Verdict.APPROVE).approval_id


def revision_of(value: str) -> int:
    """The revision that a button's card showed."""
    return form_of(value, Verdict.APPROVE).revision


def remember(value: str, click: Click) -> str:
    """A modal's metadata: the button's value, and the card it stood on."""
    return f"{value}:{':'.join(click.card) if click.card else ':'}"


def split(metadata: str) -> tuple[str, Clicked]:
    """`id:revision:channel:ts` as the value of the button and the card it stood on."""
    parts = metadata.split(":")
    value, place = ":".join(parts[:2]), parts[2:4]
    clicked = (place[0], place[1]) if len(place) == 2 and all(place) else None
    return value, clicked


def words_of(submission: Submission, block: str) -> str:
    """What was typed into a field."""
    return str(submission.values.get(block) or "").strip()


def do(deps: Deps, actor: Actor, form: OnRequest, clicked: Clicked) -> str:
    """Do about a request what the form says; the sentence for whoever did it."""

    def work(session: Session, actor: Actor, max_age: timedelta | None) -> str:
        real, now = clock.both(session)
        return decisions.act(
            session,
            actor,
            form,
            policy=deps.policy,
            now=now,
            org_key=deps.team.org_key,
            clicked=clicked,
            mirrored_since=real - max_age if max_age else None,
        )

    try:
        return deciding.confirmed(deps, actor, form.approval_id, work)
    except Stale as stale:
        deciding.show_again(deps, form.approval_id, clicked, stale)
        raise


def card(click: Click, approval_id: int) -> Card:
    """The request as whoever clicked sees it."""
    with click.deps.db.read() as session:
        return decisions.card(
            session,
            approval_id,
            policy=click.deps.policy,
            now=click.deps.now(session),
            reader_id=click.actor.id,
        )


def details(click: Click, approval_id: int) -> dict[str, object]:
    """The modal with everything about the request."""
    with click.deps.db.read() as session:
        now = click.deps.now(session)
        found = decisions.card(
            session,
            approval_id,
            policy=click.deps.policy,
            now=now,
            reader_id=click.actor.id,
        )
    return views.details(found, now=now)


def told(click: Click, approval_id: int, sentence: str) -> Reply:
    """What whoever clicked reads: in a modal everything as it is now, elsewhere the sentence, in private."""
    if click.view is not None and click.view.get("type") == "modal":
        return Show(details(click, approval_id))
    return Private(sentence)
