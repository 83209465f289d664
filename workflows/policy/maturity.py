"""When teams are asked how mature they are, who is asked, and who may see what they said."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from storage.enums import SeenBy
from workflows.policy.terms import Duration, Section

Every = Literal["quarterly", "half_yearly", "yearly", "off"]

MONTHS_APART = {"quarterly": 3, "half_yearly": 6, "yearly": 12}

FEWEST = 5
"""No figure is ever told of fewer people; a policy may only ask for more."""

_INVITED = re.compile(
    r"^(?:persona:.{1,80}|role:[a-z][a-z0-9_]*|[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)$"
)


def _invited(value: object) -> object:
    if not isinstance(value, str) or not _INVITED.match(value):
        raise ValueError(
            f"{value!r} invites nobody; write persona:NAME, role:NAME, @group or an id (U…, W…, S…)"
        )
    return value


def _cycle(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


Invited = Annotated[str, BeforeValidator(_invited)]


class Maturity(Section):
    """How often a check-in opens, whom it asks, and what is shown to whom."""

    cycle: Annotated[Every, BeforeValidator(_cycle)] = "quarterly"
    """The schedule opens one on the first working day of the period; leaders can start others."""
    lasts: Duration = timedelta(days=21)
    leaders: tuple[Invited, ...] = ("persona:executive", "persona:leader")
    practitioners: tuple[Invited, ...] = (
        "persona:data scientist",
        "persona:citizen data scientist",
        "persona:ml engineer",
        "persona:machine learning engineer",
        "persona:data engineer",
        "persona:software engineer",
        "persona:business analyst",
        "persona:it operations",
        "persona:product manager",
        "persona:project manager",
    )
    minimum_group: int = Field(default=FEWEST, ge=FEWEST, le=100)
    answers_seen_by: SeenBy = SeenBy.NOBODY
    """`assessor` and `assessor_by_name` let people of role `assessor` see single answers, without or with names."""
    channel: str | None = None
    """Where the result is told; `channels.governance` when this is left out."""
    rubric: str | None = None
    """A rubric file of one's own, beside this file or by its full path."""

    @field_validator("lasts")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(days=3) <= value <= timedelta(days=60):
            raise ValueError("a check-in is open for 3d to 60d")
        return value
