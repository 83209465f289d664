"""What people write into the cells of their tables, and how it is read."""

import re

from workflows.sources.text import folded_email

CLEAR = "-"
"""The cell that empties a field; an empty cell leaves it as it is."""

_SLACK_ID = re.compile(r"^[UW][A-Z0-9]{2,31}$")
_MENTION = re.compile(r"^<@([UW][A-Z0-9]{2,31})(?:\|[^>]*)?>$")


def cleared(value: str) -> bool:
    """Whether the cell says that the field is to be emptied."""
    return value.strip() in {CLEAR, "–", "—"}


def slack_or_email(value: str) -> str | None:
    """A Slack id (also as `<@U…>`) in its own spelling, or a folded e-mail address; None for anything else."""
    text = value.strip()
    if match := _MENTION.match(text):
        return match[1]
    if _SLACK_ID.match(text.upper()) and any(char.isdigit() for char in text):
        return text.upper()
    return folded_email(text)
