"""Durations as people write them. Loads nothing, for commands that run in pipelines."""

import re
from datetime import timedelta

_DURATION = re.compile(r"^(\d{1,4})(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(value: object) -> object:
    """`7d`, `24h`, `90m`, `2w` as a timedelta. Raises ValueError for anything else."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    raise ValueError("a duration is a number and m, h, d or w, like 24h or 7d")
