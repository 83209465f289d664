"""How amounts, days, durations and counts are written wherever people read them."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

# --- Durations as people write them
#
# Loads nothing, for commands that run in pipelines.

_DURATION = re.compile(r"^(\d{1,4})(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(value: object) -> object:
    """`7d`, `24h`, `90m`, `2w` as a timedelta. Raises ValueError for anything else."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    raise ValueError("a duration is a number and m, h, d or w, like 24h or 7d")


# --- How amounts, days, durations and counts are written wherever people read them


def money(amount: Decimal, currency: str) -> str:
    """An amount with its currency: thousands separated, cents only where they matter, never zero for what is not."""
    if amount == amount.to_integral_value() or abs(amount) >= 1000:
        places = 0
    elif abs(amount) < Decimal("0.1"):
        places = min(18, -amount.adjusted() + 1)
    else:
        places = 2
    return f"{amount:,.{places}f} {currency}"


def spent(cost: Decimal, amount: Decimal, currency: str, basis: str) -> str:
    """`32,110 of 40,000 EUR effective cost`."""
    return f"{money(cost, currency).removesuffix(' ' + currency)} of {money(amount, currency)} {basis} cost"


def percent(part: Decimal, whole: Decimal) -> str:
    """A share in whole per cent; what is not quite 100 is never shown as 100."""
    if not whole:
        return "—"
    share = part * 100 / whole
    rounded = int(share.to_integral_value())
    if rounded >= 100 > share:
        rounded = 99
    return f"{rounded:,} %"


def instant(moment: datetime, zone: ZoneInfo | None = None) -> str:
    """An instant in plain words, for texts where Slack's date syntax is not read: `Wed 28 Jan 09:00 UTC`."""
    local = moment.astimezone(zone or UTC)
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M} {local.tzname()}"


def day(value: date, today: date | None = None) -> str:
    """A calendar day: `Sun 25 Jan`; with `today` given, one of another year names it: `Mon 30 Sep 2024`."""
    year = f" {value.year}" if today is not None and value.year != today.year else ""
    return f"{value:%a} {value.day} {value:%b}{year}"


def through(value: date | None, today: date) -> str:
    """Until when cost is known: `data through Sun 25 Jan`."""
    return f"data through {day(value, today)}" if value else "no cost data yet"


def span(delta: timedelta) -> str:
    """A duration in its two largest units: `2 d 4 h`, `35 min`."""
    minutes = max(0, int(delta.total_seconds() // 60))
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{rest} min"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 project`, `2 projects`, `0 projects`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
