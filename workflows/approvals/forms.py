"""What people and programs hand in about requests."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from storage.enums import Verdict
from workflows.inputs import Input

MAX_REASON = 3000
"""Characters; what a text field of Slack takes."""
UNEXPLAINED = "Say in a sentence why this is needed; those who decide read it."
"""Of a request without a reason."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_REASON)]


class SubmitRequest(BaseModel):
    """Ask at a gate. `form` is the subject's own form; `request_key` names the asking, so that twice asks once."""

    model_config = ConfigDict(frozen=True)

    gate: str
    subject_type: str
    form: BaseModel
    reason: Reason
    request_key: str = Field(min_length=1, max_length=200)


class Terms(BaseModel):
    """A condition of an approval: what, by whom (Slack id), by the end of which day."""

    model_config = ConfigDict(frozen=True)

    text: Reason = Field(min_length=3)
    owner: str
    due: date


class OnRequest(BaseModel):
    """Something that is done about one request, on what was shown of it (`revision`).

    Every act has a form of its own, and each passes the door (`workflows.approvals.door`).
    """

    model_config = ConfigDict(frozen=True)

    approval_id: int = Field(ge=1, le=2**31 - 1)
    revision: int = Field(ge=1, le=2**31 - 1)


class Decide(OnRequest):
    """One approver's verdict. A rejection needs a reason.

    With `conditions`, an approval holds only while they can still be met.
    """

    verdict: Verdict
    reason: Reason = ""
    conditions: tuple[Terms, ...] = Field(default=(), max_length=10)


class Withdraw(OnRequest):
    """The requester takes the request back."""


class AskInformation(OnRequest):
    """Somebody who is asked to decide wants to know something first; the request waits for the answer."""

    question: Annotated[
        Reason,
        Input(
            "What do you want to know?",
            "Everyone who is asked reads it. The request waits for the answer and its clock stands still.",
            multiline=True,
            least=3,
        ),
    ]


class Answer(OnRequest):
    """The requester answers."""

    answer: Annotated[
        Reason,
        Input(
            "Your answer",
            "Everyone who is asked reads it, and the request goes on.",
            multiline=True,
            least=1,
        ),
    ]


class DropQuestion(OnRequest):
    """Whoever asked needs no answer any more."""


class HandOver(OnRequest):
    """Somebody gives their place in the stage to somebody else, by Slack id."""

    to: Annotated[str, Input("Who decides in your place?")]
    note: Annotated[
        Reason,
        Input(
            "What should they know?", "Everyone who is asked reads it.", multiline=True, most=1000
        ),
    ] = ""


class Nudge(OnRequest):
    """The requester reminds those who have not decided."""


class OnCondition(OnRequest):
    """Something that is done about a condition, on what was shown of that (`condition_revision`)."""

    condition_id: int = Field(ge=1, le=2**31 - 1)
    condition_revision: int = Field(ge=1, le=2**31 - 1)


class ClaimMet(OnCondition):
    """The owner of a condition says that it is met, with a word of proof."""

    proof: Annotated[Reason, Input("How does one see that it is met?", multiline=True, most=2000)]


class ConfirmMet(OnCondition):
    """Whoever set the condition agrees, or says what is missing."""

    is_met: bool
    why: Annotated[Reason, Input("What is missing?", multiline=True, most=2000)] = ""


class BreakGlass(OnRequest):
    """An emergency: approve at once, alone, and be reviewed afterwards."""

    reason: Annotated[Reason, Input("Why can't this wait?", multiline=True, least=10, most=2000)]


class ReviewGlass(OnRequest):
    """Somebody else looks afterwards at glass that was broken."""

    is_fine: bool
    note: Annotated[
        Reason,
        Input(
            "What was not right?",
            "It stays on record. The approval itself stays; ask for a change back if it is needed.",
            multiline=True,
            most=2000,
        ),
    ] = ""


class Edit(OnRequest):
    """The requester changes what they ask: the subject's own form anew, and the reason."""

    form: BaseModel
    reason: Reason
    subject_type: str = ""
    """What the form is about, where whoever sends it knows; another kind than the request's is refused."""


class AskAgain(OnRequest):
    """The requester asks for the same change to what there is by now, as it was shown to them (`stands`)."""

    stands: str = Field(min_length=1, max_length=100)


class TakeBack(OnRequest):
    """Somebody's own verdict counts no more."""
