"""What people enter in a check-in."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from storage.enums import Answer, Level
from workflows.inputs import Input
from workflows.maturity.rules import DIMENSIONS

COMMENT, LINK, REASON = 1000, 500, 500
"""The most characters of each."""
UNSAID = "Say in a few words why."
"""Of skipping without a reason."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GiveAnswer(_Form):
    """One answer to one statement. `stamp` is Slack's time of the tap."""

    invitation_id: int
    statement: str = Field(max_length=40)
    answer: Answer
    stamp: str = Field(pattern=r"^\d{1,12}(\.\d{1,9})?$")


class WriteNote(_Form):
    """A comment and a link to proof; empty takes back what was there."""

    invitation_id: int
    dimension: str
    comment: Annotated[
        str, Field(max_length=COMMENT), Input("Comment", multiline=True, most=COMMENT)
    ] = ""
    link: Annotated[
        str,
        Field(max_length=LINK),
        Input(
            "Link to proof",
            "A page, a run or a dashboard that shows it.",
            most=LINK,
            placeholder="https://…",
        ),
    ] = ""

    @field_validator("comment", "link", mode="before")
    @classmethod
    def _trimmed(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value or ""

    @field_validator("link")
    @classmethod
    def _is_link(cls, value: str) -> str:
        if value and (
            urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc
        ):
            raise ValueError("a link starts with https://, like https://wiki/page")
        return value


class Skip(_Form):
    """Why somebody does not take part this time."""

    invitation_id: int
    reason: Annotated[
        str,
        Field(max_length=REASON),
        Input(
            "Why",
            "Like “on leave until March” or “I don't work with models”. Seen like your answers.",
            multiline=True,
            least=3,
            most=REASON,
            empty=UNSAID,
        ),
    ]

    @field_validator("reason")
    @classmethod
    def _says_why(cls, value: str) -> str:
        if len(value) < 3:
            raise ValueError(UNSAID.rstrip("."))
        return value


class SetTargets(_Form):
    """The level to aim for by dimension; a dimension that is left out has no target."""

    business_unit: str = ""
    levels: dict[str, Level]
    shown: dict[str, Level] | None = None
    """What was aimed for when the form was opened: only what differs from it is changed. None where nobody knows."""

    @field_validator("levels", "shown")
    @classmethod
    def _known(cls, value: dict[str, Level] | None) -> dict[str, Level] | None:
        if set(value or ()) - set(DIMENSIONS):
            raise ValueError("there are six dimensions, and this is none of them")
        return value
