"""What somebody hands in as evidence, checked by its type."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from workflows.evidence.explanations import Explained
from workflows.evidence.fairness import Counts
from workflows.inputs import Input

# --- The nine sections of a model card, as somebody wrote them (Mitchell et al., Model Cards
#     for Model Reporting, 2019)

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=6000)]

TITLES = {
    "details": "Model details",
    "intended_use": "Intended use",
    "factors": "Factors",
    "metrics": "Metrics",
    "evaluation_data": "Evaluation data",
    "training_data": "Training data",
    "analyses": "Quantitative analyses",
    "ethics": "Ethical considerations",
    "caveats": "Caveats and recommendations",
}


class CardText(BaseModel):
    """What a card says in each section, as Markdown; empty where it says nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    details: Text = ""
    intended_use: Text = ""
    factors: Text = ""
    metrics: Text = ""
    evaluation_data: Text = ""
    training_data: Text = ""
    analyses: Text = ""
    ethics: Text = ""
    caveats: Text = ""

    @model_validator(mode="after")
    def _says_something(self) -> "CardText":
        if not any(getattr(self, name) for name in TITLES):
            raise ValueError("a model card says something in at least one of its nine sections")
        return self

    @property
    def missing(self) -> tuple[str, ...]:
        """Titles of the sections in which it says nothing."""
        return tuple(title for name, title in TITLES.items() if not getattr(self, name))


# --- What somebody hands in as evidence, checked by its type

DIGEST = r"^(sha256:)?[0-9a-f]{64}$"
URI = r"^(https?|s3|gs|az|abfss|dbfs|mlflow-artifacts|runs|git)://?[^\s<>|]{1,480}$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._@%/()-]{0,59}$"
WORDS = 3000
FAIRNESS, EXPLAINED, CARD = ("fairness_report", "explainability_report", "model_card")

Name = Annotated[str, StringConstraints(pattern=NAME, strip_whitespace=True)]
Number = Annotated[Decimal, Field(max_digits=24, decimal_places=12, allow_inf_nan=False)]
Outcome = Literal["pass", "conditional", "fail"]
Better = Literal["higher", "lower"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=WORDS)]

_MEASURE = re.compile(
    r"^\s*(?P<name>[^=<>]{1,60}?)\s*=\s*(?P<value>-?[0-9.]+)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>-?[0-9.]+)\s*$"
)
_WATCH = re.compile(
    r"^\s*(?P<name>[^=<>]{1,60}?)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>-?[0-9.]+)(?:\s+every\s+(?P<days>[0-9]{1,3})d?)?\s*$"
)


class Measure(BaseModel):
    """A metric that was measured, and what it must reach (`better: higher`) or stay under (`better: lower`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    value: Number
    threshold: Number
    better: Better = "higher"

    @classmethod
    def read(cls, text: str) -> "Measure":
        """`accuracy = 0.91 >= 0.85`. Raises ValueError."""
        found = _MEASURE.match(text)
        if found is None:
            raise ValueError(
                "a metric is written like accuracy = 0.91 >= 0.85, or latency_ms = 80 <= 120"
            )
        return cls(
            name=found["name"],
            value=Decimal(found["value"]),
            threshold=Decimal(found["limit"]),
            better="higher" if found["sign"].startswith(">") else "lower",
        )

    @property
    def is_met(self) -> bool:
        """Whether the value keeps to the threshold; the threshold itself does."""
        if self.better == "higher":
            return self.value >= self.threshold
        return self.value <= self.threshold


class Watched(BaseModel):
    """A measure of a monitoring plan: its threshold, and how many days may pass without a reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    threshold: Number
    better: Better = "higher"
    every_days: Annotated[int, Field(ge=1, le=366)] = 7

    @classmethod
    def read(cls, text: str) -> "Watched":
        """`accuracy >= 0.85 every 7`. Raises ValueError."""
        found = _WATCH.match(text)
        if found is None:
            raise ValueError(
                "a measure to watch is written like accuracy >= 0.85 every 7, the number of days between readings"
            )
        return cls(
            name=found["name"],
            threshold=Decimal(found["limit"]),
            better="higher" if found["sign"].startswith(">") else "lower",
            every_days=int(found["days"] or 7),
        )


NOT_REJECTED = "Say in a sentence why you reject it."
NOT_WAIVED = "Say in a sentence why it can be waived."
"""Of a rejection or a waiver without a reason."""
_NEEDED: dict[tuple[object, object], str] = {
    (
        "performance_report",
        "metrics",
    ): "a performance report needs at least one metric with its threshold, like accuracy = 0.91 >= 0.85",
    (
        "monitoring_plan",
        "watched",
    ): "a monitoring plan needs at least one measure to watch, like accuracy >= 0.85 every 7",
    (
        "validation_report",
        "outcome",
    ): "a validation report has an outcome: pass, conditional or fail",
}
"""Type of evidence and field → what is said where that is empty."""


class SubmitEvidence(BaseModel):
    """An item of evidence for one version: a document by its digest and place, or metrics that mlgov judges itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9_]{1,39}$"),
        Input("What is it?", "What is missing stands first."),
    ]
    sha256: Annotated[str, Field(pattern=DIGEST)] | None = None
    uri: Annotated[
        Annotated[str, Field(pattern=URI)] | None, Input("Where it is kept", most=500)
    ] = None
    summary: Annotated[
        Words, Input("What it shows, in words", "Approvers read it.", multiline=True)
    ] = ""
    metrics: tuple[Measure, ...] = Field(default=(), max_length=50, validate_default=True)
    """For a performance report, or any other that measures."""
    watched: tuple[Watched, ...] = Field(default=(), max_length=50, validate_default=True)
    """For a monitoring plan."""
    outcome: Annotated[Outcome | None, Input("What did the validation come to?")] = Field(
        default=None, validate_default=True
    )
    """For a validation report."""
    fairness: Counts | None = None
    """For a fairness report: groups counted, which mlgov compares itself."""
    explained: Explained | None = None
    """For an explainability report: what drives the answers."""
    card: CardText | None = None
    """For a model card: its sections."""
    valid_until: Annotated[date | None, Input("Good until")] = None

    @field_validator("metrics", "watched", "outcome")
    @classmethod
    def _has_what_its_type_needs(cls, value: object, info: ValidationInfo) -> object:
        """Said of the field itself, so that it is said along with what is wrong elsewhere."""
        sentence = _NEEDED.get((info.data.get("type"), info.field_name))
        if sentence and not value:
            raise ValueError(sentence)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> "SubmitEvidence":
        for name, found in (
            (FAIRNESS, self.fairness),
            (EXPLAINED, self.explained),
            (CARD, self.card),
        ):
            if found is not None and self.type != name:
                raise ValueError(f"that belongs to a {name.replace('_', ' ')}")
        names = [one.name.casefold() for one in self.metrics]
        names += [f"watched {one.name.casefold()}" for one in self.watched]
        if len(set(names)) != len(names):
            raise ValueError("the same metric stands twice")
        computed = self.metrics or self.watched or self.fairness or self.explained or self.card
        if not (self.uri or self.summary or computed or self.sha256):
            raise ValueError("give where it is kept (a link), or say in words what it shows")
        return self

    def content(self) -> dict[str, Any]:
        """What mlgov keeps to judge and draw, as JSON; numbers as exact text. What it computes itself is added by the service."""
        made: dict[str, Any] = {}
        if self.metrics:
            made["metrics"] = [one.model_dump(mode="json") for one in self.metrics]
        if self.watched:
            made["watched"] = [one.model_dump(mode="json") for one in self.watched]
        if self.outcome:
            made["outcome"] = self.outcome
        if self.card:
            made["card"] = self.card.model_dump(mode="json", exclude_defaults=True)
        if self.explained:
            made["explained"] = self.explained.model_dump(mode="json")
        if self.sha256:
            made["digest_of"] = "file"
        return made
