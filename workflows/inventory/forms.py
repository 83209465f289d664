"""What people and programs hand in about models."""

import hashlib
import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from storage.enums import ChangeClass, EuClass, Exposure, ModelKind, PurposeClass, Severity
from workflows.inputs import Input
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


_EXPOSURE = Input("How much depends on it?", "Volume, money and people it reaches.")
_PURPOSE_CLASS = Input("What does its output do?")
_EU_CLASS = Input("Class under the EU AI Act")


class ModelFacts(Form):
    """What is said of a model in the same words by people and programs: who it names is a form's own."""

    name: Annotated[
        Line, Field(min_length=2), Input("Name", "As people call it, like Fraud score.", most=80)
    ]
    kind: Annotated[ModelKind, Input("What is it?")] = ModelKind.INTERNAL
    vendor: Annotated[
        Line | None, Input("Vendor", "For a model that is not your own.", most=80)
    ] = Field(default=None, validate_default=True)
    project: Annotated[Line | None, Input("Project")] = Field(
        default=None, description="Key of its project."
    )
    purpose: Annotated[
        Words,
        Input(
            "What is it for?", "A sentence or two that an executive understands.", multiline=True
        ),
    ] = ""
    intended_use: Annotated[
        Words, Input("Intended use", "Who uses its output, for what.", multiline=True)
    ] = ""
    out_of_scope: Annotated[
        Words, Input("Not meant for", "Uses that nobody validated.", multiline=True)
    ] = ""
    technique: Annotated[Line, Input("Technique", "Like gradient boosting.", most=200)] = ""
    affects_people: Annotated[bool, Input("Does its output bear on people one by one?")] = False
    registry_name: Annotated[str, Field(max_length=250)] | None = None
    exposure: Annotated[Exposure | None, _EXPOSURE] = None
    purpose_class: Annotated[PurposeClass | None, _PURPOSE_CLASS] = None
    eu_class: Annotated[EuClass | None, _EU_CLASS] = None
    """How material it is, all three or none; asked when it is registered, and by an assessment afterwards."""


class RegisterModel(ModelFacts):
    """A model for the inventory. People are person ids."""

    key: Key
    owner_id: Annotated[str | None, Input("Owner", placeholder="Who answers for it")] = None
    data_sources: Annotated[
        tuple[Line, ...],
        Input("Data that it is made from", "Names, separated by commas.", most=1000),
    ] = Field(default=(), max_length=50)
    upstream: Annotated[tuple[Key, ...], Input("Takes the output of", placeholder="None")] = Field(
        default=(), max_length=50
    )
    request_key: str

    @field_validator("name")
    @classmethod
    def _is_unmixed(cls, value: str) -> str:
        return unmixed(value)

    @field_validator("vendor")
    @classmethod
    def _whose(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("kind") is ModelKind.VENDOR and not value:
            raise ValueError("say which vendor it comes from")
        return value


class AssessTier(Form):
    """How material a model is. `override` is model risk's own tier, with a reason."""

    model_id: int
    revision: int
    exposure: Annotated[Exposure, _EXPOSURE]
    purpose_class: Annotated[PurposeClass, _PURPOSE_CLASS]
    eu_class: Annotated[EuClass, _EU_CLASS]
    override: Annotated[
        Annotated[int, Field(ge=1, le=3)] | None,
        Input(
            "Another tier than what follows",
            "Only model risk sees this. Leave it empty to take what follows.",
        ),
    ] = None
    reason: Annotated[Words, Input("Why another tier?", multiline=True)] = ""


class Generative(Form):
    """What a use of a generative model consists of; together it is the version's digest."""

    model: Annotated[
        Line,
        Field(min_length=1),
        Input("Model it uses", "The vendor's own id, with its date or version.", most=200),
    ]
    """The vendor's own id of the model, with its date or version."""
    prompt_sha256: Annotated[str, Field(pattern=DIGEST)] | None = None
    tools: Annotated[
        tuple[Line, ...], Input("Tools it may use", "Names, separated by commas.", most=500)
    ] = Field(default=(), max_length=50)


class VersionFacts(Form):
    """What is said of a version in the same words by people and programs."""

    version: Annotated[VersionName, Input("Version", most=60)]
    digest: Annotated[
        Annotated[str, Field(pattern=DIGEST)] | None,
        Input(
            "Digest of its contents",
            "sha256:… of what will be deployed. What is approved is exactly that.",
            most=80,
        ),
    ] = None
    generative: Generative | None = None
    run_id: Annotated[str, Field(max_length=120)] | None = None


class AddVersion(VersionFacts):
    """A version of a model; who made it are person ids."""

    model_id: int
    developers: Annotated[
        tuple[str, ...],
        Input(
            "Developed by",
            "They can't validate or approve it. A pipeline can name several.",
            placeholder="Who made it",
        ),
    ] = Field(default=(), max_length=50)
    contributors: tuple[str, ...] = Field(default=(), max_length=100)

    @field_validator("version")
    @classmethod
    def _no_colon(cls, value: str) -> str:
        return value.removeprefix("v") or value


class StepFacts(Form):
    """What is said with a step in the same words by people and programs."""

    reason: Annotated[
        Words, Input("Why?", "It stays with the record.", multiline=True, most=1000)
    ] = ""
    change_class: Annotated[ChangeClass | None, Input("How much does the change weigh?")] = None
    new_version: Annotated[
        VersionName | None, Input("Name of the new version", "For a material change.", most=60)
    ] = None
    """The version that a material change leads to."""


class TakeStep(StepFacts):
    """A step of a version, as it was shown. `validator_id` names who validates it, where the step asks for somebody."""

    version_id: int
    revision: int
    verb: Annotated[str, Field(pattern=r"^[a-z_]{2,30}$")]
    validator_id: Annotated[
        str | None,
        Input(
            "Who validates it?",
            "They are asked at once. Whoever made or owns it can't.",
            placeholder="Somebody who did not make it",
        ),
    ] = None
    request_key: str


class AskApproval(Form):
    """A validated version, for the gate `model_approval`."""

    version_id: int
    revision: int


class FindingFacts(Form):
    """What is said of something wrong in the same words by people and programs."""

    words: Annotated[Words, Field(min_length=3), Input("What is wrong?", multiline=True, most=2000)]
    severity: Annotated[Severity, Input("How grave is it?")]
    due: Annotated[
        date | None, Input("By when?", "Left empty, the policy's time for that severity.")
    ] = None


class FileFinding(FindingFacts):
    """Something wrong, in a person's words."""

    model_id: int
    version_id: int | None = None
    owner_id: Annotated[str | None, Input("Who mends it?", placeholder="Its owner")] = None


class SettleFinding(Form):
    """What becomes of a finding, as it was shown."""

    finding_id: int
    revision: int
    how: Annotated[Literal["progress", "resolve", "accept", "reopen"], Input("What becomes of it?")]
    word: Annotated[Words, Input("How can one see it, or why?", multiline=True)] = ""
    until: Annotated[date | None, Input("Accepted until", "Only where it is accepted.")] = None


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
