"""Everything that people do about a request, by its form: what the door asks of it, and what is done then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.approvals import (
    conditions,
    delegation,
    door,
    editing,
    emergency,
    escalation,
    notifications,
    rereading,
    service,
)
from workflows.approvals.door import Entered, Rule
from workflows.approvals.forms import (
    Answer,
    AskAgain,
    AskInformation,
    BreakGlass,
    ClaimMet,
    ConfirmMet,
    Decide,
    DropQuestion,
    Edit,
    HandOver,
    Nudge,
    OnRequest,
    ReviewGlass,
    TakeBack,
    Withdraw,
)
from workflows.context import Context

Do = Callable[[Context, Any, Entered], str]


@dataclass(frozen=True, slots=True)
class Act:
    """What the door asks, and what is done behind it; it returns a sentence (not escaped) for whoever did it."""

    rule: Rule
    do: Do


_DECIDES = Rule("approval.decide", door.require_entitled)

ACTS: Mapping[type[OnRequest], Act] = {
    Decide: Act(_DECIDES, service.decide),
    HandOver: Act(_DECIDES, delegation.hand_over),
    AskInformation: Act(_DECIDES, editing.ask_question),
    BreakGlass: Act(
        Rule("approval.break_glass", emergency.require_glass_breaker), emergency.break_glass
    ),
    ReviewGlass: Act(
        Rule("approval.review", emergency.require_reviewer, waits=False), emergency.review_glass
    ),
    ClaimMet: Act(
        Rule("approval.condition", conditions.require_owner, waits=False), conditions.claim_met
    ),
    ConfirmMet: Act(
        Rule("approval.condition", conditions.require_setter, waits=False), conditions.confirm_met
    ),
    TakeBack: Act(Rule("approval.take_back", service.require_decided), service.take_back_decision),
    DropQuestion: Act(Rule("approval.answer", editing.require_asker), editing.drop_question),
    Answer: Act(
        Rule(
            "approval.answer",
            door.only_requester(
                "approval.answer",
                "Only the person who asked for this can answer. If you know the answer, tell them, or write it in the thread.",
            ),
        ),
        editing.answer_question,
    ),
    Nudge: Act(
        Rule(
            "approval.nudge",
            door.only_requester("approval.nudge", escalation.NOT_YOURS, hint="approvals.waiting"),
        ),
        escalation.nudge_approvers,
    ),
    Edit: Act(
        Rule("approval.edit", door.only_requester("approval.edit", editing.NOT_YOURS)),
        editing.edit_request,
    ),
    AskAgain: Act(
        Rule("approval.ask_again", door.only_requester("approval.ask_again", editing.NOT_YOURS)),
        rereading.ask_request_again,
    ),
    Withdraw: Act(
        Rule(
            "approval.withdraw",
            door.only_requester(
                "approval.withdraw",
                "Only the person who asked for this can withdraw it. If you decide on it, you can reject it with a reason.",
            ),
            programs=True,
        ),
        service.withdraw,
    ),
}
"""Every act on a request there is."""


def perform_act(ctx: Context, form: OnRequest) -> str:
    """Do about a request what the form says, through the door; a sentence (not escaped) for whoever did it.

    The card that was clicked (`ctx.card`) is redrawn first. Raises Unconfirmed where the act rests on something that
    Slack told before `ctx.fresh_since`, and GovernanceError with a sentence for everyone who may not do it, or not any
    more, or on what was shown; nothing is changed then.
    """
    act = ACTS[type(form)]
    at = door.enter(ctx, form, act.rule)
    sentence = act.do(ctx, form, at)
    if not isinstance(form, Decide):  # which knows whether anything shows the request
        notifications.refresh_showing(ctx, form.approval_id)
    return sentence


def list_takers(ctx: Context, form: HandOver, *, query: str = "") -> delegation.Takers:
    """Who could take the actor's place. Raises what the door would."""
    at = door.enter(ctx, form, ACTS[type(form)].rule)
    return delegation.list_takers(ctx, at, query=query)


def require_entitled(ctx: Context, form: OnRequest) -> None:
    """Raise what the door would, before somebody is asked to write anything."""
    door.enter(ctx, form, ACTS[type(form)].rule)
