"""What people and programs say of returns: what came of a project, that it is right, or why it isn't measured."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from workflows.cases.amounts import parse_figure
from workflows.inputs import Input
from workflows.sources.tables import MOST, plausible_day, read_number

MOST_NOTE = 2000
_MINUS = ("-", "−", "–")


def _signed(value: object) -> object:
    """An amount as people write it (`4,000`, `12k`, `-500`, `EUR 0`) or as a program sends it."""
    if isinstance(value, str):
        text = value.strip()
        is_loss = text.startswith(_MINUS)
        amount = parse_figure(text[1:] if is_loss else text)
        return -amount if is_loss else amount
    amount = read_number(value)
    if abs(amount) > MOST:
        raise ValueError("an amount is at most 1,000,000,000,000,000")
    return amount


Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
SignedAmount = Annotated[Decimal, BeforeValidator(_signed)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_NOTE)]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=MOST_NOTE)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReportReturn(_Form):
    """What came of a project in a period. Its currency is that of the project's business case."""

    project_id: Id
    starts: Annotated[date, Input("From which day on?", empty="Pick the first day that counts.")]
    ends: Annotated[date, Input("Until which day?", empty="Pick the last day that counts.")]
    amount: Annotated[
        SignedAmount,
        Input(
            "How much came?",
            "What the project brought in these days. 0 for nothing, -500 for a loss.",
            most=40,
            placeholder="48,000",
            empty="Write an amount; 0 if nothing came.",
        ),
    ]
    note: Annotated[
        Note,
        Input(
            "How was it measured?", "Whoever attests it reads this.", multiline=True, most=MOST_NOTE
        ),
    ] = ""
    replaces: Id | None = None
    """The return that this one corrects."""
    request_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Names the submission; None where its caller sees to it that nothing is reported twice."""

    @field_validator("starts", "ends")
    @classmethod
    def _sensible(cls, value: date) -> date:
        return plausible_day(value) or value

    @model_validator(mode="after")
    def _is_in_order(self) -> "ReportReturn":
        if self.ends < self.starts:
            raise ValueError("the last day comes before the first")
        return self


class AttestReturn(_Form):
    """Somebody of the sponsor's or finance's side says that a return is right."""

    return_id: Id


class WithdrawReturn(_Form):
    """A return was no return at all."""

    return_id: Id
    reason: Annotated[
        Why,
        Input(
            "Why does it not count?",
            "The ledger keeps it with your reason.",
            multiline=True,
            least=3,
            most=MOST_NOTE,
        ),
    ]


class SkipAsking(_Form):
    """The figure won't be given, for a reason."""

    asking_id: Id
    reason: Annotated[
        Why,
        Input(
            "Why can't it be measured?",
            "The sponsor reads this if nothing is measured for long.",
            multiline=True,
            least=3,
            most=MOST_NOTE,
        ),
    ]
