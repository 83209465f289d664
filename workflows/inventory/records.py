"""Models as others see them. Names and words are unescaped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from storage.enums import (
    EuClass,
    Exposure,
    FindingSource,
    FindingStatus,
    ModelKind,
    ModelState,
    Part,
    PurposeClass,
    Severity,
)
from workflows.evidence.records import Item
from workflows.evidence.rules import Lack
from workflows.inventory.rules import Move
from workflows.policy.sections import Step
from workflows.projects.records import PersonRef


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version as it stands."""

    id: int
    version: str
    state: ModelState
    since: datetime
    digest: str | None
    approval_id: int | None
    approved_until: datetime | None
    digest_changed: bool
    people: Mapping[Part, tuple[PersonRef, ...]]
    about: Mapping[str, object]
    run_id: str | None
    revision: int

    def named(self, part: Part) -> tuple[PersonRef, ...]:
        """Those who have this part in it."""
        return self.people.get(part, ())


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A finding as it stands. `words` are whoever filed it said, or what mlgov found."""

    id: int
    model_id: int
    model: str
    version: str
    words: str
    severity: Severity
    status: FindingStatus
    source: FindingSource
    owner: PersonRef | None
    due: date | None
    accepter: PersonRef | None
    accepted_until: date | None
    word: str
    created_at: datetime
    revision: int

    def is_open(self, today: date) -> bool:
        """Whether it still has to be mended: an acceptance that is over does not count."""
        if self.status is FindingStatus.ACCEPTED:
            return self.accepted_until is not None and self.accepted_until < today
        return self.status is not FindingStatus.RESOLVED


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model with its versions, newest first."""

    id: int
    key: str
    name: str
    kind: ModelKind
    vendor: str | None
    project_id: int | None
    project_key: str | None
    project: str | None
    owner: PersonRef | None
    purpose: str
    intended_use: str
    out_of_scope: str
    technique: str
    data_sources: tuple[str, ...]
    affects_people: bool
    exposure: Exposure | None
    purpose_class: PurposeClass | None
    eu_class: EuClass | None
    tier: int | None
    tier_follows: int | None
    """The tier that follows from exposure and purpose, where model risk set another."""
    tier_reason: str
    tier_by: PersonRef | None
    tier_at: datetime | None
    own_state: ModelState
    versions: tuple[VersionRecord, ...]
    findings: tuple[FindingRecord, ...]
    """Those that are open, the most severe first."""
    next_review: date | None
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    """Names of models that take its output; those in use are `dependants` of a situation."""
    registry_name: str | None
    revision: int
    lead: VersionRecord | None = None

    @property
    def state(self) -> ModelState:
        """How the model stands: as its leading version."""
        return self.lead.state if self.lead else self.own_state

    def version(self, name: str) -> VersionRecord | None:
        """The version of that name."""
        return next((one for one in self.versions if one.version == name), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """A step that leads on from where a version stands, and what stands in the reader's way."""

    move: Move
    refusals: tuple[str, ...]

    @property
    def is_free(self) -> bool:
        """Whether the reader can take it now."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class Reading:
    """The latest reading of a measure in use."""

    metric: str
    threshold: Decimal
    better: str
    every_days: int
    value: Decimal | None
    at: datetime | None
    is_breach: bool
    trouble: str = ""
    """Why mlgov itself could not read it when it last tried; a server's words, unescaped."""


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One step that was taken."""

    version: str
    verb: str
    source: ModelState
    target: ModelState
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model before one reader, about one of its versions where it has any."""

    model: ModelRecord
    version: VersionRecord | None
    evidence: Mapping[str, Item] = field(default_factory=dict)
    lacks: Mapping[Step, tuple[Lack, ...]] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    readings: tuple[Reading, ...] = ()
    history: tuple[StepTaken, ...] = ()
    can_edit: bool = False
    can_hand_in: bool = False
    """Whether the reader may hand in evidence now."""
    can_risk: bool = False
    """Whether the reader is model risk."""
    can_accept: tuple[Item, ...] = ()
    """Evidence that the reader may accept or reject."""
    agreed: tuple[str, ...] = ()
    """Who has agreed already to a step that needs two, each a phrase."""


@dataclass(frozen=True, slots=True)
class Need:
    """A model that needs somebody, and why: `validation`, `review` or `finding`."""

    model: ModelRecord
    version: VersionRecord | None
    why: str
    due: date | None = None


@dataclass(frozen=True, slots=True)
class StepCheck:
    """A step from where a version stands, and what bars it, whoever takes it."""

    verb: str
    label: str
    """As the button says it: `Implement`."""
    missing: tuple[str, ...]
    """The guards of the step that don't hold, in the words in which the step itself is refused."""
    asks: tuple[str, ...] = ()
    """What whoever takes it says with it: `who validates it`."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a version lacks to go on, for pipelines."""

    model: str
    version: str
    state: ModelState
    tier: int | None
    next_step: str
    missing: tuple[str, ...]
    """What bars the next step."""
    steps: tuple[StepCheck, ...]
    """Every step that there is from here."""
    waived: tuple[str, ...]
    findings: int
    approval_id: int | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing
