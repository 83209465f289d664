"""What people and programs hand in about requests."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from storage.enums import Verdict

MAX_REASON = 3000
"""Characters; what a text field of Slack takes."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_REASON)]


class SubmitRequest(BaseModel):
    """Ask at a gate. `form` is the subject's own form; `request_key` names the asking, so that twice asks once."""

    model_config = ConfigDict(frozen=True)

    gate: str
    subject_type: str
    form: BaseModel
    reason: Reason
    request_key: str = Field(min_length=1, max_length=200)


class Decide(BaseModel):
    """One approver's verdict on what a card showed (`revision`). A rejection needs a reason."""

    model_config = ConfigDict(frozen=True)

    approval_id: int = Field(ge=1, le=2**31 - 1)
    revision: int = Field(ge=1, le=2**31 - 1)
    verdict: Verdict
    reason: Reason = ""


class Withdraw(BaseModel):
    """The requester takes the request back."""

    model_config = ConfigDict(frozen=True)

    approval_id: int = Field(ge=1, le=2**31 - 1)


class OnRequest(BaseModel):
    """Something that is done about one request, beside deciding or withdrawing it."""

    model_config = ConfigDict(frozen=True)

    approval_id: int = Field(ge=1, le=2**31 - 1)


class OnStage(OnRequest):
    """The same, on what a card showed (`revision`)."""

    revision: int = Field(ge=1, le=2**31 - 1)


class AskInformation(OnStage):
    """Somebody who is asked to decide wants to know something first; the request waits for the answer."""

    question: Reason


class Answer(OnRequest):
    """The requester answers."""

    answer: Reason


class DropQuestion(OnRequest):
    """Whoever asked needs no answer any more."""


class HandOver(OnStage):
    """Somebody gives their place in the stage to somebody else, by Slack id."""

    to: str
    note: Reason = ""


class Nudge(OnRequest):
    """The requester reminds those who have not decided."""


class TakeBack(OnRequest):
    """Somebody's own verdict counts no more."""
