"""What drives a model's answers: over all cases, and in a few of them. Figures, and their reading in plain words. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from workflows.sources import explanations

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Number = Annotated[Decimal, Field(max_digits=30, decimal_places=15, allow_inf_nan=False)]
MOST_DRIVERS, MOST_EXAMPLES = explanations.MOST_DRIVERS, explanations.MOST_CASES
"""As many as a file is read into."""
READ = 3
"""Drivers that a reading names."""


class Driver(BaseModel):
    """One input, and how much it moves the answers over all cases; less than zero when shuffling it did no harm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: Label
    importance: Number
    spread: Annotated[Number, Field(ge=0)] | None = None
    """Standard deviation over repetitions."""


class Contribution(BaseModel):
    """How much one input moved the answer of one case, up or down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: Label
    contribution: Number
    value: Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)] = ""


class Example(BaseModel):
    """One case: what the model answered, from which usual answer, and through what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Label
    answer: Number | None = None
    usual: Number | None = None
    contributions: tuple[Contribution, ...] = Field(min_length=1, max_length=MOST_DRIVERS)


class Explained(BaseModel):
    """The result of SHAP, permutation importance or another method: global drivers and local examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Label
    drivers: tuple[Driver, ...] = Field(min_length=1, max_length=MOST_DRIVERS)
    examples: tuple[Example, ...] = Field(default=(), max_length=MOST_EXAMPLES)
    limits: Annotated[str, StringConstraints(strip_whitespace=True, max_length=600)] = ""
    """What this explanation does not tell, in the words of who made it."""

    @model_validator(mode="after")
    def _once(self) -> "Explained":
        names = [one.feature for one in self.drivers]
        if len(set(names)) != len(names):
            raise ValueError("the same driver stands twice")
        return self

    @property
    def ranked(self) -> tuple[tuple[Driver, Decimal], ...]:
        """Drivers with their share of all that moves the answers (0 to 1), the strongest first."""
        whole = sum((max(one.importance, Decimal(0)) for one in self.drivers), Decimal(0))
        shares = [
            (one, max(one.importance, Decimal(0)) / whole if whole else Decimal(0))
            for one in self.drivers
        ]
        return tuple(sorted(shares, key=lambda pair: (-pair[1], pair[0].feature)))


def describe_drivers(explained: Explained) -> tuple[str, ...]:
    """What the figures say, a sentence each; whoever accepts them confirms it. Unescaped."""
    ranked = [(one, share) for one, share in explained.ranked if share > 0]
    if not ranked:
        sentences = [f"By {explained.method}, no input moves its answers."]
    else:
        named = [f"{one.feature} ({_percent(share)})" for one, share in ranked[:READ]]
        rest = sum((share for _, share in ranked[READ:]), Decimal(0))
        sentences = [
            f"By {explained.method}, its answers are moved most by {_join_phrases(named)}"
            + (f"; everything else together moves {_percent(rest)}." if rest else ".")
        ]
    sentences += [_describe_example(one) for one in explained.examples]
    return tuple(sentences)


def _describe_example(example: Example) -> str:
    moves = sorted(example.contributions, key=lambda each: -abs(each.contribution))[:READ]
    answer = ""
    if example.answer is not None and example.usual is not None:
        side = (
            "above"
            if example.answer > example.usual
            else "below"
            if example.answer < example.usual
            else "at"
        )
        answer = (
            f" the answer {_short(example.answer)} is {side} the usual {_short(example.usual)}:"
        )
    elif example.answer is not None:
        answer = f" the answer is {_short(example.answer)}:"
    phrases = [
        f"{each.feature}{f' {each.value}' if each.value else ''} moved it {'up' if each.contribution > 0 else 'down'} by {_short(abs(each.contribution))}"
        for each in moves
        if each.contribution
    ]
    return (
        f"For “{example.name}”{answer} {_join_phrases(phrases)}."
        if phrases
        else f"For “{example.name}” nothing moved the answer."
    )


def _percent(share: Decimal) -> str:
    return f"{share * 100:.0f} %" if share >= Decimal("0.01") else "under 1 %"


def _short(value: Decimal) -> str:
    """At most three significant digits of what is not whole."""
    if value == value.to_integral_value() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}').normalize():f}"


def _join_phrases(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
