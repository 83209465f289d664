"""What people write into the cells of their tables, and how it is read."""

import difflib
import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator

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


def _somebody(value: str) -> str:
    known = slack_or_email(value)
    if known is None:
        raise ValueError(f"{value!r} is neither a Slack id nor an e-mail address")
    return known


Somebody = Annotated[str, AfterValidator(_somebody)]
"""A Slack id or a folded e-mail address."""
SomebodyOrNobody = Annotated[
    str, AfterValidator(lambda value: value if cleared(value) else _somebody(value))
]
"""The same, or `-`."""


def words_of(kinds: type[StrEnum], others: Mapping[str, StrEnum]) -> dict[str, StrEnum]:
    """Every word for one of these kinds, folded: their own names, and what people call them otherwise."""
    return {_folded(kind.value): kind for kind in kinds} | {
        _folded(word): kind for word, kind in others.items()
    }


def chosen(value: Any, words: Mapping[str, Any]) -> Any:
    """What a word stands for; anything but text as it is. Raises ValueError, with the nearest, for an unknown one."""
    if not isinstance(value, str):
        return value
    folded = _folded(value)
    if folded not in words:
        near = difflib.get_close_matches(folded, words, n=1, cutoff=0.7)
        meant = f"; did you mean {_name(near[0], words)}?" if near else ""
        known = ", ".join(dict.fromkeys(_name(word, words) for word in words))
        raise ValueError(f"{value[:60]!r} is none of {known}{meant}")
    return words[folded]


def _folded(value: str) -> str:
    return " ".join(re.split(r"[\s_-]+", value.strip().casefold()))


def _name(word: str, words: Mapping[str, Any]) -> str:
    meaning = words[word]
    return str(meaning.value) if isinstance(meaning, StrEnum) else word
