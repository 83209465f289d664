"""Dates, times and instants as Slack's pickers hold them."""

import re
from datetime import date
from typing import Any

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def is_date(value: Any) -> bool:
    """`2026-01-26`, a day that the calendar has."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def is_time(value: Any) -> bool:
    """`09:05`, on a clock of 24 hours."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def is_instant(value: Any) -> bool:
    """Seconds since 1970, ten digits."""
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 1_000_000_000 <= value <= 9_999_999_999
    )
