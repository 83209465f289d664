"""How long what mlgov signs holds."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from workflows.policy.terms import Duration, Section


class Statements(Section):
    """Signed statements about approvals."""

    valid_for: Duration = timedelta(hours=24)
    """Counted from the decision."""
    keys: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")], ...] = ()
    """Fingerprints of the keys that count, as `mlgov keys list` prints them: retired ones too, for as long as what they
    signed is met. None is every key that the ledger knows of."""

    @field_validator("valid_for")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=90):
            raise ValueError("a statement holds between 5m and 90d")
        return value
