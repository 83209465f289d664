"""What a table says about models."""

import re
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from storage.enums import EuClass, Exposure, ModelKind, PurposeClass
from workflows.inventory.forms import KEY
from workflows.sources.cells import cleared, slack_or_email
from workflows.sources.text import NAME

_KEY = re.compile(KEY)
_KINDS = {
    "internal": ModelKind.INTERNAL, "own": ModelKind.INTERNAL, "in-house": ModelKind.INTERNAL,
    "vendor": ModelKind.VENDOR, "third party": ModelKind.VENDOR, "bought": ModelKind.VENDOR,
    "generative": ModelKind.GENERATIVE, "llm": ModelKind.GENERATIVE, "genai": ModelKind.GENERATIVE,
}  # fmt: skip
_EXPOSURES = {one.value: one for one in Exposure} | {"moderate": Exposure.MEDIUM}
_PURPOSES = {
    "informational": PurposeClass.INFORMATIONAL,
    "information": PurposeClass.INFORMATIONAL,
    "decision support": PurposeClass.DECISION_SUPPORT,
    "support": PurposeClass.DECISION_SUPPORT,
    "automated": PurposeClass.AUTOMATED,
    "automatic": PurposeClass.AUTOMATED,
    "regulatory": PurposeClass.AUTOMATED,
}
_EU = {one.value: one for one in EuClass} | {
    "high risk": EuClass.HIGH,
    "limited risk": EuClass.LIMITED,
    "transparency": EuClass.LIMITED,
    "minimal risk": EuClass.MINIMAL,
}
_YES = {
    "yes": True,
    "y": True,
    "true": True,
    "1": True,
    "no": False,
    "n": False,
    "false": False,
    "0": False,
}

T = TypeVar("T")


def _word(value: object, words: dict[str, T]) -> object:
    if not isinstance(value, str):
        return value
    folded = " ".join(re.split(r"[\s_-]+", value.strip().casefold()))
    known = {" ".join(re.split(r"[\s_-]+", word)): found for word, found in words.items()}
    if folded not in known:
        raise ValueError(f"{value[:60]!r} is none of {', '.join(dict.fromkeys(words))}")
    return known[folded]


class ModelRow(BaseModel):
    """One row of a table of models. Empty leaves what is there; `-` empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    name: str | None = Field(default=None, max_length=NAME)
    kind: ModelKind | None = None
    vendor: str | None = Field(default=None, max_length=NAME)
    project: str | None = None
    owner: str | None = None
    purpose: str | None = Field(default=None, max_length=3000)
    intended_use: str | None = Field(default=None, max_length=3000)
    out_of_scope: str | None = Field(default=None, max_length=3000)
    technique: str | None = Field(default=None, max_length=NAME)
    data_sources: tuple[str, ...] | None = None
    affects_people: bool | None = None
    upstream: tuple[str, ...] | None = None
    exposure: Exposure | None = None
    purpose_class: PurposeClass | None = None
    eu_class: EuClass | None = None

    @field_validator("key", mode="before")
    @classmethod
    def _is_key(cls, value: object) -> object:
        key = str(value or "").strip().casefold()
        if not _KEY.match(key):
            raise ValueError(
                f"{str(value)[:60]!r} is no key; write 1 to 80 of a-z, 0-9, dot, dash and underscore, like fraud-score"
            )
        return key

    @field_validator("owner")
    @classmethod
    def _names_somebody(cls, value: str | None) -> str | None:
        if value is None:
            return None
        known = slack_or_email(value)
        if known is None:
            raise ValueError(f"{value!r} is neither a Slack id nor an e-mail address")
        return known

    @field_validator("project")
    @classmethod
    def _folded(cls, value: str | None) -> str | None:
        return value.strip().casefold() if value else value

    @field_validator("kind", mode="before")
    @classmethod
    def _kind(cls, value: object) -> object:
        return _word(value, _KINDS)

    @field_validator("exposure", mode="before")
    @classmethod
    def _exposure(cls, value: object) -> object:
        return _word(value, _EXPOSURES)

    @field_validator("purpose_class", mode="before")
    @classmethod
    def _purpose(cls, value: object) -> object:
        return _word(value, _PURPOSES)

    @field_validator("eu_class", mode="before")
    @classmethod
    def _eu(cls, value: object) -> object:
        return _word(value, _EU)

    @field_validator("affects_people", mode="before")
    @classmethod
    def _yes_or_no(cls, value: object) -> object:
        return _word(value, _YES)

    @field_validator("data_sources", "upstream", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if cleared(value):
            return ()
        parts = re.split(r"[;,\r\n]", value)
        return tuple(dict.fromkeys(one.strip() for one in parts if one.strip()))
