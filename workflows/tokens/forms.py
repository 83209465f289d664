"""What is said of a token when it is made."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from storage.enums import Scope

LONGEST = timedelta(days=366)
MACHINE_SCOPES = (Scope.ASK, Scope.READ, Scope.COSTS, Scope.STATUS, Scope.MODELS_READ, Scope.MODELS)
PERSONAL_SCOPES = (Scope.READ, Scope.DECIDE, Scope.STATUS, Scope.MODELS_READ, Scope.MODELS)


class NewToken(BaseModel):
    """A machine's token: what it is for, where it may be used, and for how long."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$")]
    scopes: tuple[Scope, ...] = Field(min_length=1)
    projects: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    lasts: timedelta

    @field_validator("scopes")
    @classmethod
    def _never_decides(cls, value: tuple[Scope, ...]) -> tuple[Scope, ...]:
        if Scope.DECIDE in value:
            raise ValueError("a machine can ask and never decides; people make tokens of their own")
        return tuple(dict.fromkeys(value))

    @field_validator("lasts")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= LONGEST:
            raise ValueError("a token lasts between 5m and 366d")
        return value
