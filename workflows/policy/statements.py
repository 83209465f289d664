"""How long what mlgov signs holds."""

from datetime import timedelta

from pydantic import field_validator

from workflows.policy.terms import Duration, Section


class Statements(Section):
    """Signed statements about approvals."""

    valid_for: Duration = timedelta(hours=24)
    """Counted from the decision."""

    @field_validator("valid_for")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=90):
            raise ValueError("a statement holds between 5m and 90d")
        return value
