"""What is said about models."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class ModelShown(Notice):
    """A model's card in its project's channel, which follows the record."""

    kind: ClassVar[str] = "model.card"
    model_id: int


@dataclass(frozen=True, slots=True)
class StepTold(Notice):
    """A step that was taken, told under the card; a suspension is told beside it, and to whom it concerns."""

    kind: ClassVar[str] = "model.step"
    step_id: int


@dataclass(frozen=True, slots=True)
class ValidationAsked(Notice):
    """To who was named to validate a version."""

    kind: ClassVar[str] = "model.validation"
    version_id: int


@dataclass(frozen=True, slots=True)
class AgreementAsked(Notice):
    """To those whose agreement a step of two still needs."""

    kind: ClassVar[str] = "model.agreement"
    version_id: int
    step: str


@dataclass(frozen=True, slots=True)
class ReviewDue(Notice):
    """A model is to be reviewed; `is_late` when that was told before, and to model risk as well."""

    kind: ClassVar[str] = "model.review"
    model_id: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class FindingFiled(Notice):
    """To who has to mend a finding."""

    kind: ClassVar[str] = "model.finding"
    finding_id: int
