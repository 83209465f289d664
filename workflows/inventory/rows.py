"""What a table says about models."""

import re
from functools import partial
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from storage.enums import EuClass, Exposure, ModelKind, PurposeClass
from workflows.inventory.forms import KEY
from workflows.sources.cells import Somebody, chosen, cleared, words_of
from workflows.sources.text import NAME

_KEY = re.compile(KEY)
_KINDS = words_of(
    ModelKind,
    {
        "own": ModelKind.INTERNAL,
        "in-house": ModelKind.INTERNAL,
        "third party": ModelKind.VENDOR,
        "bought": ModelKind.VENDOR,
        "llm": ModelKind.GENERATIVE,
        "genai": ModelKind.GENERATIVE,
    },
)
_EXPOSURES = words_of(Exposure, {"moderate": Exposure.MEDIUM})
_PURPOSES = words_of(
    PurposeClass,
    {
        "information": PurposeClass.INFORMATIONAL,
        "support": PurposeClass.DECISION_SUPPORT,
        "automatic": PurposeClass.AUTOMATED,
        "regulatory": PurposeClass.AUTOMATED,
    },
)
_EU = words_of(
    EuClass,
    {
        "high risk": EuClass.HIGH,
        "limited risk": EuClass.LIMITED,
        "transparency": EuClass.LIMITED,
        "minimal risk": EuClass.MINIMAL,
    },
)
_YES = dict.fromkeys(("yes", "y", "true", "1"), True) | dict.fromkeys(
    ("no", "n", "false", "0"), False
)


class ModelRow(BaseModel):
    """One row of a table of models. Empty leaves what is there; `-` empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    name: str | None = Field(default=None, max_length=NAME)
    kind: Annotated[ModelKind | None, BeforeValidator(partial(chosen, words=_KINDS))] = None
    vendor: str | None = Field(default=None, max_length=NAME)
    project: str | None = None
    owner: Somebody | None = None
    purpose: str | None = Field(default=None, max_length=3000)
    intended_use: str | None = Field(default=None, max_length=3000)
    out_of_scope: str | None = Field(default=None, max_length=3000)
    technique: str | None = Field(default=None, max_length=NAME)
    data_sources: tuple[str, ...] | None = None
    affects_people: Annotated[bool | None, BeforeValidator(partial(chosen, words=_YES))] = None
    upstream: tuple[str, ...] | None = None
    exposure: Annotated[Exposure | None, BeforeValidator(partial(chosen, words=_EXPOSURES))] = None
    purpose_class: Annotated[
        PurposeClass | None, BeforeValidator(partial(chosen, words=_PURPOSES))
    ] = None
    eu_class: Annotated[EuClass | None, BeforeValidator(partial(chosen, words=_EU))] = None

    @field_validator("key", mode="before")
    @classmethod
    def _is_key(cls, value: object) -> object:
        key = str(value or "").strip().casefold()
        if not _KEY.match(key):
            raise ValueError(
                f"{str(value)[:60]!r} is no key; write 1 to 80 of a-z, 0-9, dot, dash and underscore, like fraud-score"
            )
        return key

    @field_validator("project")
    @classmethod
    def _folded(cls, value: str | None) -> str | None:
        return value.strip().casefold() if value else value

    @field_validator("data_sources", "upstream", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if cleared(value):
            return ()
        parts = re.split(r"[;,\r\n]", value)
        return tuple(dict.fromkeys(one.strip() for one in parts if one.strip()))
