"""Which cost counts, whose it is, and when a budget speaks up."""

from pydantic import Field, field_validator, model_validator

from storage.enums import CostBasis
from workflows.policy.terms import Section


class Allocation(Section):
    """A rule that says whose cost a row is: by sub-account (id or name) or by one tag."""

    project: str = Field(min_length=1)
    sub_account: str | None = None
    tag: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> "Allocation":
        if self.sub_account is None and not self.tag:
            raise ValueError("a rule needs sub_account or tag, else it would claim every row")
        if self.tag is not None and len(self.tag) != 1:
            raise ValueError("a rule matches one tag; write two rules for two tags")
        return self


class Costs(Section):
    """Which cost counts, and whose it is."""

    basis: CostBasis = CostBasis.EFFECTIVE
    allocate: tuple[Allocation, ...] = ()

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """The tag keys that decide whose cost a row is, folded; `project` always does."""
        keys = {"project"} | {
            key.strip().casefold() for rule in self.allocate for key in rule.tag or ()
        }
        return tuple(sorted(keys))


class Budgets(Section):
    """When a budget speaks up."""

    thresholds: tuple[int, ...] = (50, 80, 100)

    @field_validator("thresholds")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(not 1 <= item <= 1000 for item in value):
            raise ValueError(
                "thresholds are whole per cents between 1 and 1000, like [50, 80, 100]"
            )
        return tuple(sorted(set(value)))
