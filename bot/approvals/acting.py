"""What every click on a request needs: what its button carried, and what whoever clicked sees afterwards."""

from dataclasses import replace
from datetime import datetime

from bot import door
from bot.approvals import views, words
from bot.context import Deps
from bot.door import Clicked, Seen
from bot.replies import Private, Reply, Show
from bot.requests import Click, Submission
from workflows import decisions
from workflows.actors import Actor
from workflows.approvals.records import Card
from workflows.errors import InvalidInput


def seen(click: Click) -> Seen:
    """What the button carries, `id:revision` and more. Raises the refusal of what it does not carry."""
    return _seen(click.deps, click.actor, click.value, click.card, behind=2)


def request_of(click: Click) -> int:
    """The request that a button is about, for what only reads it. Raises InvalidInput."""
    approval_id = door.number(click.value.split(":")[0])
    if approval_id is None:
        raise InvalidInput(door.ANOTHER_RELEASE)
    return approval_id


def of_window(submission: Submission) -> Seen:
    """What the window carries, `id:revision:channel:ts` and more. Raises the refusal of what it does not carry."""
    parts = submission.metadata.split(":")
    place = (parts[2], parts[3]) if len(parts) > 3 and all(parts[2:4]) else None
    return _seen(submission.deps, submission.actor, submission.metadata, place, behind=4)


def of_value(submission: Submission, value: str) -> Seen:
    """What a field of a window carries, `id:revision`. Raises the refusal of what it does not carry."""
    return _seen(submission.deps, submission.actor, value, None, behind=2)


def _seen(deps: Deps, actor: Actor, value: str, clicked: Clicked, *, behind: int) -> Seen:
    parts = value.split(":")
    at = door.of_parts(deps, actor, parts[0], "".join(parts[1:2]), clicked)
    return replace(at, rest=tuple(parts[behind:]))


def condition_of(on: Click | Submission, at: Seen) -> tuple[int, int]:
    """The condition that a button or window is about, and its revision. Raises the refusal of one that has none."""
    numbers = [door.number(part) for part in (*at.rest, "", "")[:2]]
    condition_id, revision = numbers
    if condition_id is None:
        raise InvalidInput(door.ANOTHER_RELEASE)
    if revision is None:
        raise door.unmarked(on.deps, on.actor, at.approval_id, at.clicked)
    return condition_id, revision


def remember(card: Card, click: Click, *rest: object) -> str:
    """A window's metadata: the request and the revision that the window shows, the card it came from, and the rest."""
    place = ":".join(click.card) if click.card else ":"
    return ":".join([words.value(card), place, *map(str, rest)])


def words_of(submission: Submission, block: str) -> str:
    """What was typed into a field."""
    return str(submission.values.get(block) or "").strip()


def card(click: Click, approval_id: int) -> Card:
    """The request as whoever clicked sees it. Raises NotFound for who may not."""
    return _looked_at(click, approval_id)[0]


def details(click: Click, approval_id: int) -> dict[str, object]:
    """The modal with everything about the request. Raises NotFound for who may not see it."""
    found, now = _looked_at(click, approval_id)
    return views.details_window(found, now=now)


def _looked_at(click: Click, approval_id: int) -> tuple[Card, datetime]:
    deps = click.deps
    with deps.db.read() as session:
        now = deps.now(session)
        found = decisions.require_card(
            session, click.actor, approval_id, policy=deps.policy, now=now, clicked=click.card
        )
    return found, now


def told(click: Click, approval_id: int, sentence: str) -> Reply:
    """What whoever clicked reads: in a modal everything as it is now, elsewhere the sentence, in private."""
    if click.view is not None and click.view.get("type") == "modal":
        return Show(details(click, approval_id))
    return Private(sentence)
