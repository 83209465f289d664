"""Who moves models through their life, how often they are looked at again, and which evidence each step asks for."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from workflows.policy.terms import Approver, Duration, Section

Step = Literal["validation", "approval", "implementation", "retirement"]
"""What evidence comes before: being validated, approved, implemented or retired."""
Tier = Annotated[int, Field(ge=1, le=3)]
EvidenceType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


ReviewTrigger = Literal["breach", "silent", "contents", "alias"]
"""A reading beyond the plan, one that did not come, other contents than approved, the alias at what nobody approved."""
Weight = Literal["low", "medium", "high", "critical"]

_REVIEW: dict[int, timedelta] = {
    1: timedelta(days=180),
    2: timedelta(days=365),
    3: timedelta(days=730),
}
_FINDING_DUE: dict[Weight, timedelta] = {
    "low": timedelta(days=90),
    "medium": timedelta(days=60),
    "high": timedelta(days=30),
    "critical": timedelta(days=7),
}


class Inventory(Section):
    """The parts that people have in a model's life beside its owner, and when models are reviewed."""

    model_risk: tuple[Approver, ...] = Field(default=("role:model_risk",), min_length=1)
    """Who may override a tier, say that something is not a model, resume what was suspended, and accept a finding."""
    operations: tuple[Approver, ...] = Field(default=("role:operations",), min_length=1)
    """Who implements what was approved and takes it into use, beside the model's owner."""
    review: dict[Tier, Duration] = Field(default=_REVIEW)
    """How long after it was taken into use, or reviewed, a model is reviewed again; by tier."""
    review_on: tuple[ReviewTrigger, ...] = ("breach", "contents")
    """Which new findings about what is used ask for a review at once, before its day."""
    review_grace: Duration = timedelta(days=14)
    """After which time a review that nobody did is told to model risk as well, again and again."""
    finding_due: dict[Weight, Duration] = Field(default=_FINDING_DUE)
    """Until when a finding has to be mended, by severity."""
    accept_at_most: Duration = timedelta(days=180)
    """The longest time for which a finding can be accepted."""

    @field_validator("review", mode="after")
    @classmethod
    def _every_tier(cls, value: dict[int, timedelta]) -> dict[int, timedelta]:
        return {**_REVIEW, **_sensible(value)}

    @field_validator("finding_due", mode="after")
    @classmethod
    def _every_severity(cls, value: dict[Weight, timedelta]) -> dict[Weight, timedelta]:
        return {**_FINDING_DUE, **_sensible(value)}


K = TypeVar("K")


def _sensible(value: dict[K, timedelta]) -> dict[K, timedelta]:
    for span in value.values():
        if not timedelta(days=1) <= span <= timedelta(days=3660):
            raise ValueError("a time from 1d to 3660d")
    return value


class Required(Section):
    """Before which step a type of evidence has to be there, for which tiers, and for how long it is good."""

    before: Step
    tiers: tuple[Tier, ...] = (1, 2, 3)
    people: bool = False
    """Also at every other tier, where the model's output bears on people."""
    valid_for: Duration | None = None
    name: str | None = Field(default=None, min_length=2, max_length=60)


_ALL, _TWO, _ONE = (1, 2, 3), (1, 2), (1,)
DEFAULT: Mapping[str, Required] = MappingProxyType(
    {
        "model_card": Required(before="validation", tiers=_ALL),
        "datasheet": Required(before="validation", tiers=_TWO),
        "data_lineage_and_quality": Required(before="validation", tiers=_ALL),
        "performance_report": Required(before="validation", tiers=_ALL),
        "fairness_report": Required(before="approval", tiers=_TWO, people=True),
        "explainability_report": Required(before="approval", tiers=_TWO),
        "robustness_test": Required(before="approval", tiers=_ONE),
        "security_assessment": Required(before="approval", tiers=_TWO),
        "privacy_impact_assessment": Required(before="approval", tiers=_ONE),
        "impact_assessment": Required(before="approval", tiers=_ONE),
        "validation_report": Required(before="approval", tiers=_ALL),
        "monitoring_plan": Required(before="implementation", tiers=_ALL),
        "human_oversight_plan": Required(before="implementation", tiers=_TWO),
        "rollback_plan": Required(before="implementation", tiers=_TWO),
        "deployment_runbook": Required(before="implementation", tiers=_TWO),
        "cost_estimate": Required(before="implementation", tiers=_ALL),
        "decommission_plan": Required(before="retirement", tiers=_ALL),
    }
)
"""What is asked where the policy says nothing else."""


class FairnessRules(Section):
    """When a comparison of groups can be told, and when it is flagged."""

    least: int = Field(default=30, ge=2, le=100_000)
    """People that a group needs to be judged; smaller ones are named, not judged."""
    ratio: Decimal = Field(default=Decimal("0.8"), gt=0, le=1)
    """The lowest selection rate, of the highest, under which the validator has to say something: four fifths."""
    rows_in_slack: bool = False
    """Whether mlgov counts files with rows of people that are handed in through Slack, where the file itself stays."""


class EvidenceRules(Section):
    """Types of evidence by name: what differs from the defaults, and types of one's own. `tiers: []` asks for none."""

    types: dict[EvidenceType, Required] = Field(default={}, max_length=40)
    waive_at_most: Duration = timedelta(days=180)
    """The longest time for which evidence can be waived."""
    fairness: FairnessRules = FairnessRules()

    @property
    def all_types(self) -> Mapping[str, Required]:
        """Every type that there is, with where it is asked for."""
        return {**DEFAULT, **self.types}

    def required(self, step: Step, tier: int, *, affects_people: bool) -> tuple[str, ...]:
        """The types that a version of this tier needs before a step."""
        return tuple(
            name
            for name, rule in self.all_types.items()
            if rule.before == step and (tier in rule.tiers or (rule.people and affects_people))
        )

    def words(self, name: str) -> str:
        """How people read a type: `fairness report`."""
        rule = self.all_types.get(name)
        return (rule.name if rule else None) or name.replace("_", " ")
