"""Everything that people do about a request beside deciding it, by its form."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from workflows.actors import Actor
from workflows.approvals import (
    breakglass,
    conditions,
    handover,
    information,
    nudge,
    retraction,
)
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import (
    Answer,
    AskInformation,
    BreakGlass,
    ClaimMet,
    ConfirmMet,
    DropQuestion,
    HandOver,
    Nudge,
    OnRequest,
    ReviewGlass,
    TakeBack,
)

Act = Callable[[Session, Actor, Any, Circumstances], str]

ACTS: Mapping[type[OnRequest], Act] = {
    BreakGlass: breakglass.break_glass,
    ReviewGlass: breakglass.review,
    ClaimMet: conditions.claim,
    ConfirmMet: conditions.confirm,
    Answer: information.answer,
    AskInformation: information.ask,
    DropQuestion: information.drop,
    HandOver: handover.hand_over,
    Nudge: nudge.nudge,
    TakeBack: retraction.take_back,
}
