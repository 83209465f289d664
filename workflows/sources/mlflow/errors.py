"""Why the registry could not be read or written. Each carries a sentence for whoever operates it."""

from workflows.errors import GovernanceError


class RegistryTrouble(GovernanceError):
    """The registry is down, slow or wrong; the same call may pass later."""


class RegistryRefused(GovernanceError):
    """The registry says no: to the credentials, or to what was asked."""


class RegistryMissing(RegistryRefused):
    """What was asked for is not there."""
