"""The model registry that follows, and that is watched."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from workflows.policy.terms import Duration, Section


class RegistryRules(Section):
    """How the registry is read, and what may be written into it."""

    poll: Duration = timedelta(minutes=5)
    """How often it is read whole; webhooks bring a look forward."""
    alias: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "champion"
    """The alias by which teams load what is in use: mlgov sets it, and watches it."""
    restore_alias: bool = False
    """Put the alias back to the version in use when somebody moved it to one that nobody approved."""
    verify: Duration = timedelta(days=1)
    """How often the contents of what is approved or in use are read and compared again."""
    writes_per_hour: int = Field(default=60, ge=1, le=10_000)
    storm: int = Field(default=5, ge=1, le=10_000)
    """More aliases than this, moved at one time to what nobody approved, are one alarm, and stop all writing."""
