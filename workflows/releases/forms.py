"""What a program hands in to ask for a release."""

import re
from enum import Enum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

NAME = r"^[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,119}$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
COMMIT = r"^[0-9a-f]{7,64}$"
ENVIRONMENT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$"
GATE = r"^[a-z][a-z0-9_-]{0,59}$"
PROJECT = r"^[^\x00-\x20\x7f-\x9f]{1,80}$"
URL = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*)?$"


class Kind(Enum):
    """What the values of a field are, where that decides how they are kept: the marker stands in the field's type."""

    PERSON = "person"
    """Names somebody: kept as their opaque id."""
    WORDS = "words"
    """Free text: kept beside the ledger, which holds its salted digest alone."""


_WORD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _written(value: object) -> object:
    if isinstance(value, str) and _WORD.search(value):
        raise ValueError("control characters are no part of a reason")
    return value


Gate = Annotated[str, StringConstraints(pattern=GATE)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Digest = Annotated[str, BeforeValidator(_lower), StringConstraints(pattern=DIGEST)]
Commit = Annotated[str, BeforeValidator(_lower), StringConstraints(pattern=COMMIT)]
Environment = Annotated[str, StringConstraints(pattern=ENVIRONMENT)]
Url = Annotated[str, StringConstraints(pattern=URL, max_length=500)]
ProjectKey = Annotated[str, StringConstraints(pattern=PROJECT)]
WHO = r"^([UW][A-Z0-9]{2,20}|[^@\x00-\x20\x7f-\x9f]{1,64}@[A-Za-z0-9.-]{1,190})$"
Who = Annotated[str, StringConstraints(strip_whitespace=True, pattern=WHO), Kind.PERSON]
"""A Slack id or an e-mail address."""
Words = Annotated[
    str,
    BeforeValidator(_written),
    StringConstraints(strip_whitespace=True, max_length=3000),
    Kind.WORDS,
]


class AskRelease(BaseModel):
    """One version of one thing, which a gate decides about.

    Every field is part of the question (`workflows.releases.rules`): two askings that differ in one are two requests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Gate = Field(description="The gate of governance.yml, like production-release.")
    subject: Name = Field(description="What is to be released, with its version: fraud-model:7.")
    digest: Digest = Field(
        description="sha256: and 64 hexadecimal digits: what exactly is released."
    )
    project: ProjectKey | None = Field(
        default=None,
        description="Key of the project; may be left out when the token is bound to one.",
    )
    commit: Commit | None = None
    environment: Environment | None = None
    tier: Annotated[int, Field(ge=1, le=9)] | None = Field(
        default=None, description="The model's risk tier, where the gate asks for it."
    )
    data_class: Environment | None = Field(
        default=None, description="Class of the data, where the gate asks for it."
    )
    region: Environment | None = Field(
        default=None, description="Where it runs, where the gate asks for it."
    )
    developer: Who | None = Field(
        default=None,
        description="Who developed it (member id or e-mail), where the gate keeps developers apart.",
    )
    validator: Who | None = Field(
        default=None,
        description="Who validated it (member id or e-mail), where the gate keeps validators apart.",
    )
    contributors: tuple[Who, ...] | None = Field(
        default=None,
        max_length=100,
        description="Who else wrote it (member ids or e-mails), where the gate keeps contributors apart; [] for nobody.",
    )
    url: Url | None = Field(
        default=None, description="Where the run can be looked at; http or https."
    )
    reason: Words = ""

    @property
    def gate_name(self) -> str:
        """The gate as governance.yml writes it."""
        return self.gate.replace("-", "_")
