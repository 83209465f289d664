"""What people write into the cells of their tables, and how it is read."""

import re
from datetime import date

from workflows.sources.text import folded_email

CLEAR = "-"
"""The cell that empties a field; an empty cell leaves it as it is."""

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)
_SLACK_ID = re.compile(r"^[UW][A-Z0-9]{2,31}$")
_MENTION = re.compile(r"^<@([UW][A-Z0-9]{2,31})(?:\|[^>]*)?>$")


def cleared(value: str) -> bool:
    """Whether the cell says that the field is to be emptied."""
    return value.strip() in {CLEAR, "–", "—"}


def listed(value: str) -> tuple[str, ...]:
    """The parts of a cell that holds several, each once: separated by `;` or a line break, ids also by a comma.

    Raises ValueError for a comma that may be part of a name; with a `;` anywhere in the cell commas belong to names.
    """
    parts = [" ".join(part.split()) for part in re.split(r"[;\r\n\v\u2028]", value)]
    cells = [part for part in parts if part]
    if len(parts) == 1 and "," in value:
        ids = [part.strip() for part in value.split(",")]
        if not all(re.fullmatch(r"\S*\d\S*", one) for one in ids if one):
            raise ValueError(
                "could be one with a comma in its name or several; separate several by ; and end a single one with ;"
            )
        cells = [one for one in ids if one]
    return tuple(dict.fromkeys(cells))


def plausible_day(value: date | None) -> date | None:
    """A day as it is. Raises ValueError for years that are slips of the keyboard, like 0206."""
    if value is not None and not FIRST_DAY <= value < LAST_DAY:
        raise ValueError(f"{value} lies outside 2000 to 2099; is the year right?")
    return value


def slack_or_email(value: str) -> str | None:
    """A Slack id (also as `<@U…>`) in its own spelling, or a folded e-mail address; None for anything else."""
    text = value.strip()
    if match := _MENTION.match(text):
        return match[1]
    if _SLACK_ID.match(text.upper()) and any(char.isdigit() for char in text):
        return text.upper()
    return folded_email(text)
