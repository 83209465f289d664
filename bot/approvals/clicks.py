"""What every click on a request needs: the form of what its button carried, and what whoever clicked sees afterwards."""

from typing import Any, TypeVar

from bot import freshness
from bot.approvals import windows
from bot.slack.interactions import ConditionWindow, Request, RequestCondition, RequestWindow
from bot.slack.replies import Private, Reply, Show
from bot.slack.requests import Click, Submission
from workflows.approvals import door
from workflows.approvals.forms import OnRequest
from workflows.approvals.records import Card

F = TypeVar("F", bound=OnRequest)


def form(on: Click | Submission, request: Request, kind: type[F], **entered: Any) -> F:
    """The form of an act on what was shown. Raises the refusal of what an earlier release wrote."""
    revision = freshness.shown_revision(on.deps, on.actor, request, on.card)
    if isinstance(request, RequestCondition | ConditionWindow):
        if request.condition_id is None:
            raise request.refusal()
        if request.condition_revision is None:
            raise freshness.unmarked(on.deps, on.actor, request.approval_id, on.card)
        entered |= {
            "condition_id": request.condition_id,
            "condition_revision": request.condition_revision,
        }
    return kind(approval_id=request.approval_id, revision=revision, **entered)


def act(on: Click | Submission, request: Request, kind: type[F], **entered: Any) -> str:
    """Do about the request what the form says; the sentence for whoever did it. Raises GovernanceError."""
    return freshness.act(on.deps, on.actor, form(on, request, kind, **entered), on.card)


def load_entitled(click: Click, request: Request, kind: type[F], **entered: Any) -> Card:
    """The request, for whoever may do that about it. Raises what the door would, before anybody is asked to write."""
    freshness.require_entitled(
        click.deps, click.actor, form(click, request, kind, **entered), click.card
    )
    return load_card(click, request.approval_id)


def remember(card: Card, click: Click) -> str:
    """A window's metadata: the request and the revision that the window shows, and the card it came from."""
    return RequestWindow(card.id, card.revision, click.card).text


def load_card(click: Click, approval_id: int) -> Card:
    """The request as whoever clicked sees it. Raises NotFound for who may not."""
    return click.read(door.require_card, approval_id)


def details(click: Click, approval_id: int) -> dict[str, object]:
    """The modal with everything about the request. Raises NotFound for who may not see it."""
    with click.begin_read() as ctx:
        return windows.details_window(door.require_card(ctx, approval_id), now=ctx.now)


def reply_to_click(click: Click, approval_id: int, sentence: str) -> Reply:
    """What whoever clicked reads: in a modal everything as it is now, elsewhere the sentence, in private."""
    if click.in_modal:
        return Show(details(click, approval_id))
    return Private(sentence)
