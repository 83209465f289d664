"""What people and files ask of budgets."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from storage.enums import CostBasis, Period
from workflows.inputs import Input
from workflows.sources.tables import Amount, plausible_day

_CURRENCY = re.compile(r"^[A-Z]{3}$")


class BudgetRow(BaseModel):
    """One row of a table of budgets. `owner` is a Slack id or an e-mail address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(min_length=1, max_length=80)
    period: Period = Period.MONTH
    starts: date
    ends: date | None = None
    amount: Amount
    currency: str
    basis: CostBasis | None = None
    owner: str | None = None
    thresholds: tuple[int, ...] | None = None

    @field_validator("period", mode="before")
    @classmethod
    def _period_words(cls, value: object) -> object:
        text = str(value or "month").strip().casefold().replace(" ", "_").replace("-", "_")
        words = {
            "monthly": "month",
            "quarterly": "quarter",
            "year": "fiscal_year",
            "yearly": "fiscal_year",
        }
        return words.get(text, text)

    @field_validator("basis", "ends", "owner", "thresholds", mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        if isinstance(value, str):
            value = value.strip()
        return None if value in ("", None) else value

    @field_validator("basis", mode="before")
    @classmethod
    def _basis_words(cls, value: object) -> object:
        return value.casefold() if isinstance(value, str) else value

    @field_validator("currency", mode="before")
    @classmethod
    def _currency(cls, value: object) -> object:
        text = str(value or "").strip().upper()
        if not _CURRENCY.match(text):
            raise ValueError("a currency is three letters, like EUR")
        return text

    @field_validator("thresholds", mode="before")
    @classmethod
    def _thresholds(cls, value: object) -> object:
        if isinstance(value, str):
            parts = [part.strip().rstrip("%").strip() for part in re.split(r"[;|/]|,\s*", value)]
            if not all(part.isdigit() for part in parts):
                raise ValueError("thresholds are whole per cents, like 50;80;100")
            value = tuple(int(part) for part in parts)
        if isinstance(value, int) and not isinstance(value, bool):
            value = (value,)
        return value

    @field_validator("thresholds")
    @classmethod
    def _ascending(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is None:
            return None
        if not value or len(value) > 10 or any(not 1 <= item <= 1000 for item in value):
            raise ValueError(
                "thresholds are one to ten whole per cents between 1 and 1000, like 50;80;100"
            )
        return tuple(sorted(set(value)))

    @field_validator("starts", "ends")
    @classmethod
    def _in_a_plausible_year(cls, value: date | None) -> date | None:
        return plausible_day(value)

    @model_validator(mode="after")
    def _fixed_dates(self) -> "BudgetRow":
        if self.period is Period.FIXED and self.ends is None:
            raise ValueError("fixed dates need ends, the last day that counts")
        if self.ends is not None and self.ends < self.starts:
            raise ValueError("ends lies before starts")
        if self.period is not Period.FIXED and self.ends is not None:
            raise ValueError(
                "only fixed dates have ends; leave it empty for a month, quarter or fiscal_year"
            )
        return self


class IncreaseBudget(BaseModel):
    """Somebody asks for more: a new amount, for the round that is open or from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget_id: int
    revision: int
    """The budget's revision that the form showed."""
    amount: Annotated[Amount, Input("New amount", most=40)]
    scope: Annotated[Literal["period", "onwards"], Input("For how long")]
    first: date | None = None
    """The first day of the round that the form showed, where it says so."""
    meant: Amount | None = None
    """The amount of which whoever asks says that it's meant, where it was asked again (`workflows.budgets.increase`)."""


class SummaryForm(BaseModel):
    """What totals are wanted. Days are UTC and both counted; none means no limit."""

    model_config = ConfigDict(frozen=True)

    by: Literal["project", "service", "day"] = "project"
    basis: CostBasis = CostBasis.EFFECTIVE
    first: date | None = None
    last: date | None = None
    project_id: int | None = None
