"""Why a source of outside facts was refused. Each carries the sentence that the person who gave it reads."""

from workflows.errors import GovernanceError


class CostFileRefused(GovernanceError):
    """A cost file, or the folder it lies in, cannot be read; nothing of the whole load was counted."""


class NotFocus(CostFileRefused):
    """The file is not FOCUS: another format, or FOCUS with columns missing that no cost can do without."""


class DamagedFile(CostFileRefused):
    """The file is cut off, empty, wrongly encoded, or its rows cannot be told apart."""


class FileTooLarge(CostFileRefused):
    """Reading the file would pass a limit that protects the machine: unpacked size, columns, memory or disk."""
