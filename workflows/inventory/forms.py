"""What people and programs hand in about models."""

import hashlib
import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from storage.enums import ChangeClass, EuClass, Exposure, ModelKind, PurposeClass, Severity
from workflows.sources.text import unmixed, visible

KEY = r"^[a-z0-9][a-z0-9._-]{0,79}$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,59}$"
DIGEST = r"^(sha256:)?[0-9a-f]{64}$"

Key = Annotated[str, StringConstraints(pattern=KEY)]
VersionName = Annotated[str, StringConstraints(pattern=VERSION, strip_whitespace=True)]


def _seen(value: object) -> object:
    return visible(value) if isinstance(value, str) else value


Line = Annotated[
    str, BeforeValidator(_seen), StringConstraints(strip_whitespace=True, max_length=200)
]
Words = Annotated[
    str, BeforeValidator(_seen), StringConstraints(strip_whitespace=True, max_length=3000)
]


class Form(BaseModel):
    """Strict, and not changed once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RegisterModel(Form):
    """A model for the inventory. People are person ids."""

    key: Key
    name: Annotated[Line, Field(min_length=2), AfterValidator(unmixed)]
    kind: ModelKind = ModelKind.INTERNAL
    vendor: Line | None = None
    project: Line | None = None
    """Key of the project."""
    owner_id: str | None = None
    purpose: Words = ""
    intended_use: Words = ""
    out_of_scope: Words = ""
    technique: Line = ""
    data_sources: tuple[Line, ...] = Field(default=(), max_length=50)
    affects_people: bool = False
    upstream: tuple[Key, ...] = Field(default=(), max_length=50)
    registry_name: Annotated[str, Field(max_length=250)] | None = None
    exposure: Exposure | None = None
    purpose_class: PurposeClass | None = None
    eu_class: EuClass | None = None
    """How material it is, all three or none; asked when it is registered, and by an assessment afterwards."""
    request_key: str

    @model_validator(mode="after")
    def _whose(self) -> "RegisterModel":
        if self.kind is ModelKind.VENDOR and not self.vendor:
            raise ValueError("say which vendor it comes from")
        return self


class AssessTier(Form):
    """How material a model is. `override` is model risk's own tier, with a reason."""

    model_id: int
    revision: int
    exposure: Exposure
    purpose_class: PurposeClass
    eu_class: EuClass
    override: Annotated[int, Field(ge=1, le=3)] | None = None
    reason: Words = ""


class Generative(Form):
    """What a use of a generative model consists of; together it is the version's digest."""

    model: Annotated[Line, Field(min_length=1)]
    """The vendor's own id of the model, with its date or version."""
    prompt_sha256: Annotated[str, Field(pattern=DIGEST)] | None = None
    tools: tuple[Line, ...] = Field(default=(), max_length=50)


class AddVersion(Form):
    """A version of a model; who made it are person ids."""

    model_id: int
    version: VersionName
    digest: Annotated[str, Field(pattern=DIGEST)] | None = None
    generative: Generative | None = None
    run_id: Annotated[str, Field(max_length=120)] | None = None
    developers: tuple[str, ...] = Field(default=(), max_length=50)
    contributors: tuple[str, ...] = Field(default=(), max_length=100)

    @field_validator("version")
    @classmethod
    def _no_colon(cls, value: str) -> str:
        return value.removeprefix("v") or value


class TakeStep(Form):
    """A step of a version, as it was shown. `validator_id` names who validates it, where the step asks for somebody."""

    version_id: int
    revision: int
    verb: Annotated[str, Field(pattern=r"^[a-z_]{2,30}$")]
    reason: Words = ""
    validator_id: str | None = None
    change_class: ChangeClass | None = None
    new_version: VersionName | None = None
    """The version that a material change leads to."""
    request_key: str


class AskApproval(Form):
    """A validated version, for the gate `model_approval`."""

    version_id: int
    revision: int


class FileFinding(Form):
    """Something wrong, in a person's words."""

    model_id: int
    version_id: int | None = None
    words: Annotated[Words, Field(min_length=3)]
    severity: Severity
    owner_id: str | None = None
    due: date | None = None


class SettleFinding(Form):
    """What becomes of a finding, as it was shown."""

    finding_id: int
    revision: int
    how: Literal["progress", "resolve", "accept", "reopen"]
    word: Words = ""
    until: date | None = None


class GiveReading(Form):
    """A value of a measure of the monitoring plan."""

    metric: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
    value: Annotated[Decimal, Field(max_digits=24, decimal_places=12, allow_inf_nan=False)]
    at: datetime | None = None


def slug(name: str) -> str:
    """The key that is made of a name: `Fraud score (EU)` → `fraud-score-eu`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    made = re.sub(r"[^a-z0-9]+", "-", plain.casefold()).strip("-")[:80]
    return made or f"model-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
