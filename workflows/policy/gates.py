"""How requests are decided."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from storage.enums import Ask
from workflows.policy.terms import Approver, Duration, Section


class Stage(Section):
    """Approvers who are asked together, and how many of them must approve."""

    name: str = Field(min_length=1, max_length=60)
    approvers: tuple[Approver, ...] = Field(min_length=1, max_length=50)
    quorum: int = Field(default=1, ge=1, le=20)
    ask: Ask | None = None


class Gate(Section):
    """How a kind of request is decided: stages in order, and the time there is."""

    for_: Literal["budget", "milestone", "release"] | None = Field(
        default=None, alias="for"
    )
    """What is decided here; left out, what mlgov itself decides at a gate of that name, else a release."""
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=10)
    ask: Ask = Ask.CHANNEL
    expires_after: Duration = timedelta(days=7)

    @field_validator("expires_after")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=365):
            raise ValueError("a request can wait between 5m and 365d")
        return value

    @model_validator(mode="after")
    def _distinct_names(self) -> "Gate":
        names = [stage.name.casefold() for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(
                "two stages have the same name; people must be able to tell them apart"
            )
        return self

    def subject_type(self, name: str) -> str:
        """What is decided at this gate, which the policy calls `name`."""
        return self.for_ or _OWN.get(name, "release")


_OWN = {"budget_increase": "budget", "milestone_reschedule": "milestone"}
"""The gates at which mlgov's own records are decided, and what these are."""
