"""What people and files ask of milestones."""

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from storage.enums import MilestoneType
from workflows.inputs import Input
from workflows.sources.tables import SomebodyOrNobody, chosen, cleared, plausible_day, words_of
from workflows.sources.text import NAME, storable

MAX_NEEDS = 50
REASON = 1000
PICK_DAY, PICK_SOMEBODY = "Pick a day.", "Pick somebody."
NO_PROOF = "Say in a word how one can see it, or give a link."
NO_REASON = "Say why in a sentence; those who follow it read this."

_TYPE_WORDS = words_of(
    MilestoneType,
    {
        "idea approved": MilestoneType.INTAKE_APPROVED,
        "intake": MilestoneType.INTAKE_APPROVED,
        "business case": MilestoneType.BUSINESS_CASE_SIGNED,
        "data": MilestoneType.DATA_READY,
        "poc": MilestoneType.PROTOTYPE,
        "proof of concept": MilestoneType.PROTOTYPE,
        "validation started": MilestoneType.VALIDATION_START,
        "validation": MilestoneType.VALIDATION_DONE,
        "validated": MilestoneType.VALIDATION_DONE,
        "approved": MilestoneType.APPROVAL,
        "sign off": MilestoneType.APPROVAL,
        "launch": MilestoneType.DEPLOYED,
        "go live": MilestoneType.DEPLOYED,
        "release": MilestoneType.DEPLOYED,
        "deployment": MilestoneType.DEPLOYED,
        "value": MilestoneType.FIRST_VALUE,
        "benefits review": MilestoneType.BENEFITS_REVIEW_90D,
        "review": MilestoneType.PERIODIC_REVIEW,
        "retirement": MilestoneType.RETIRED,
    },
)


def _day(value: object) -> object:
    if isinstance(value, str):
        text = value.strip()
        # A workbook writes a day as its midnight.
        return text.removesuffix("T00:00:00").removesuffix(" 00:00:00") or None
    return value


Day = Annotated[date, BeforeValidator(_day), Field()]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _title(value: object) -> object:
    text = storable(str(value or ""), 10_000)
    if not text:
        raise ValueError("say in a few words what is to be reached")
    if len(text) > NAME:
        raise ValueError(f"a title has at most {NAME} characters; this has {len(text)}")
    return text


Title = Annotated[str, BeforeValidator(_title)]


class AddMilestone(_Form):
    """Somebody promises something by a day."""

    project: Annotated[str, Input("Project")]
    title: Annotated[
        Title, Input("What will be reached", most=200, placeholder="Validation report accepted")
    ]
    type: Annotated[MilestoneType, Input("What kind of step")] = MilestoneType.OTHER
    due: Annotated[Day, Input("By which day", empty=PICK_DAY)]
    owner_id: Annotated[
        str | None,
        Input(
            "Who answers for it",
            "They are reminded before it is due, in their own working hours.",
            placeholder="Pick somebody",
            empty=PICK_SOMEBODY,
        ),
    ] = None
    """Opaque id; none means whoever adds it."""
    needs: Annotated[
        tuple[int, ...],
        Input(
            "What has to be met before",
            "When one of these slips, this one can only be met later; mlgov says by when.",
        ),
    ] = Field(default=(), max_length=MAX_NEEDS)
    promise: str | None = None
    request_key: str

    @field_validator("due")
    @classmethod
    def _sensible(cls, value: date) -> date:
        return plausible_day(value) or value


class Reschedule(_Form):
    """Another day for a milestone that was shown at `revision`."""

    milestone_id: int
    revision: int
    new: Annotated[Day, Input("New day", empty=PICK_DAY)]

    @field_validator("new")
    @classmethod
    def _sensible(cls, value: date) -> date:
        return plausible_day(value) or value


class MilestoneRow(_Form):
    """One row of a table of milestones. An empty cell leaves what is there; `-` empties it."""

    project: str = Field(min_length=1, max_length=80)
    title: Title
    key: str | None = Field(default=None, max_length=100)
    type: MilestoneType | None = None
    owner: SomebodyOrNobody | None = None
    baseline: Day | None = None
    forecast: Day | None = None
    actual: Day | None = None
    needs: tuple[str, ...] | None = None
    """Titles or keys of milestones of the same project; `project/title` for one of another."""
    github: str | None = None
    """`owner/repository#number`, for a milestone that came from GitHub."""
    github_at: datetime | None = None
    """As of when GitHub told of it."""
    github_state: Literal["open", "closed", "deleted"] | None = None

    @field_validator("project")
    @classmethod
    def _folded(cls, value: str) -> str:
        return value.strip().casefold()

    @field_validator("key", mode="after")
    @classmethod
    def _short(cls, value: str | None) -> str | None:
        return storable(value, 100) or None if value else None

    @field_validator("type", mode="before")
    @classmethod
    def _type(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return chosen(value, _TYPE_WORDS) if value.strip() else None

    @field_validator("baseline", "forecast", "actual")
    @classmethod
    def _sensible(cls, value: date | None) -> date | None:
        return plausible_day(value)

    @field_validator("needs", mode="before")
    @classmethod
    def _needs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if cleared(value):
            return ()
        parts = [" ".join(part.split()) for part in re.split(r"[;\n]", value)]
        found = tuple(dict.fromkeys(part for part in parts if part))
        if len(found) > MAX_NEEDS:
            raise ValueError(f"{len(found)} milestones; one needs at most {MAX_NEEDS} others")
        return found
