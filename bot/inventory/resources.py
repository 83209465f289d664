"""Models as programs see and send them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from storage.enums import (
    ChangeClass,
    EuClass,
    Exposure,
    ModelKind,
    ModelState,
    Part,
    PurposeClass,
    Severity,
)
from workflows.evidence.carding import CardText
from workflows.evidence.explaining import Explained
from workflows.evidence.fairness import Counts
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import rules
from workflows.inventory.forms import DIGEST, KEY, Generative, GiveReading, Line, VersionName
from workflows.inventory.forms import Words as Text
from workflows.inventory.records import Check, ModelRecord, VersionRecord

Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=254)]
"""A Slack id or an e-mail address."""


def _measure(value: object) -> object:
    return Measure.read(value) if isinstance(value, str) else value


def _watched(value: object) -> object:
    return Watched.read(value) if isinstance(value, str) else value


class Body(BaseModel):
    """Strict: an unknown field is a mistake that is told."""

    model_config = ConfigDict(extra="forbid")


class NewModel(Body):
    """A model for the inventory."""

    name: Annotated[Line, Field(min_length=2)]
    key: Annotated[str, Field(pattern=KEY)] | None = Field(
        default=None, description="What people type; made from the name when left out."
    )
    kind: ModelKind = ModelKind.INTERNAL
    vendor: Line | None = None
    project: Line | None = Field(default=None, description="Key of its project.")
    owner: Who | None = Field(
        default=None,
        description="Who answers for it: a Slack id or e-mail address. The project's owner when left out.",
    )
    purpose: Text = ""
    intended_use: Text = ""
    out_of_scope: Text = ""
    technique: Line = ""
    data_sources: list[Line] = []
    affects_people: bool = False
    upstream: list[Annotated[str, Field(pattern=KEY)]] = []
    registry_name: Annotated[str, Field(max_length=250)] | None = None
    exposure: Exposure | None = None
    purpose_class: PurposeClass | None = None
    eu_class: EuClass | None = None


class NewVersion(Body):
    """A version of a model."""

    version: VersionName
    digest: Annotated[str, Field(pattern=DIGEST)] | None = None
    run_id: Annotated[str, Field(max_length=120)] | None = None
    developers: list[Who] = Field(default=[], max_length=50)
    contributors: list[Who] = Field(default=[], max_length=100)
    generative: Generative | None = None


class NewEvidence(Body):
    """An item of evidence. Metrics may be written as text: `accuracy = 0.91 >= 0.85`."""

    type: str
    sha256: str | None = None
    uri: str | None = None
    summary: Text = ""
    metrics: list[Annotated[Measure, BeforeValidator(_measure)]] = Field(default=[], max_length=50)
    watched: list[Annotated[Watched, BeforeValidator(_watched)]] = Field(default=[], max_length=50)
    outcome: Literal["pass", "conditional", "fail"] | None = None
    fairness: Counts | None = Field(
        default=None,
        description="For a fairness report: how many people of each group were selected and not, rightly and wrongly. Groups only, never rows of people.",
    )
    card: CardText | None = Field(
        default=None, description="For a model card: its sections, as Markdown."
    )
    explained: Explained | None = Field(
        default=None,
        description="For an explainability report: what drives the answers, over all and in examples.",
    )
    valid_until: date | None = None

    def form(self) -> SubmitEvidence:
        """As the evidence keeps it. Raises ValidationError."""
        return SubmitEvidence.model_validate(self.model_dump(exclude_none=True))


class NewStep(Body):
    """A step of a version: submit, return, pass, implement, deploy, change, suspend, resume, retire and so on."""

    step: Annotated[str, Field(pattern=r"^[a-z_]{2,30}$")]
    reason: Text = ""
    validator: Who | None = None
    change_class: ChangeClass | None = None
    new_version: VersionName | None = None
    revision: int | None = Field(
        default=None, ge=1, description="The revision that was seen; the present one when left out."
    )


class NewReading(GiveReading):
    """A value of a measure of the monitoring plan."""


class NewFinding(Body):
    """Something wrong."""

    words: Annotated[Text, Field(min_length=3)]
    severity: Severity
    version: VersionName | None = None
    owner: Who | None = None
    due: date | None = None


class VersionTold(BaseModel):
    """A version as it stands."""

    version: str
    state: ModelState
    since: datetime
    digest: str | None
    approval: int | None
    approved_until: datetime | None
    developers: list[str]
    validators: list[str]
    steps: list[str] = Field(description="The steps that lead on from here, whoever takes them.")
    revision: int


class ModelTold(BaseModel):
    """A model as it stands."""

    key: str
    name: str
    kind: ModelKind
    vendor: str | None
    project: str | None
    owner: str | None
    purpose: str
    state: ModelState
    tier: int | None
    eu_class: EuClass | None
    next_review: date | None
    open_findings: int
    upstream: list[str]
    downstream: list[str]
    versions: list[VersionTold]


class ModelsTold(BaseModel):
    """Models by name; `next` is where to go on, where there are more."""

    models: list[ModelTold]
    next: str | None


class StepLacks(BaseModel):
    """A step from where a version stands, and what bars it: the step itself is refused by the same list."""

    step: str
    label: str
    missing: list[str]
    asks: list[str]
    """What whoever takes it says with it."""


class CheckTold(BaseModel):
    """What a version lacks for its next step, and for every other."""

    model: str
    version: str
    state: ModelState
    tier: int | None
    next_step: str
    is_complete: bool
    missing: list[str]
    steps: list[StepLacks]
    waived: list[str]
    open_findings: int
    approval: int | None


class StepTold(BaseModel):
    """What came of a step."""

    said: str
    version: VersionTold


class ReadingTold(BaseModel):
    """A reading that was kept, and whether it is a breach."""

    metric: str
    is_breach: bool


class FindingTold(BaseModel):
    """A finding that was filed."""

    id: int


class EvidenceTold(BaseModel):
    """An item that was kept."""

    id: int
    check: CheckTold


def version(record: VersionRecord) -> VersionTold:
    """A version for programs."""
    return VersionTold(
        version=record.version,
        state=record.state,
        since=record.since,
        digest=f"sha256:{record.digest}" if record.digest else None,
        approval=record.approval_id,
        approved_until=record.approved_until,
        developers=[one.name for one in record.named(Part.DEVELOPER)],
        validators=[one.name for one in record.named(Part.VALIDATOR)],
        steps=[move.verb for move in rules.list_moves(record.state)],
        revision=record.revision,
    )


def model(record: ModelRecord, today: date) -> ModelTold:
    """A model for programs."""
    return ModelTold(
        key=record.key,
        name=record.name,
        kind=record.kind,
        vendor=record.vendor,
        project=record.project_key,
        owner=record.owner.name if record.owner else None,
        purpose=record.purpose,
        state=record.state,
        tier=record.tier,
        eu_class=record.eu_class,
        next_review=record.next_review,
        open_findings=sum(one.is_open(today) for one in record.findings),
        upstream=list(record.upstream),
        downstream=list(record.downstream),
        versions=[version(one) for one in record.versions],
    )


def check(record: Check) -> CheckTold:
    """A check for programs."""
    return CheckTold(
        model=record.model,
        version=record.version,
        state=record.state,
        tier=record.tier,
        next_step=record.next_step,
        is_complete=record.is_complete,
        missing=list(record.missing),
        steps=[
            StepLacks(
                step=one.verb, label=one.label, missing=list(one.missing), asks=list(one.asks)
            )
            for one in record.steps
        ],
        waived=list(record.waived),
        open_findings=record.findings,
        approval=record.approval_id,
    )
