"""When people are at work: days off, public holidays and working hours, in a person's own zone."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from workflows.policy import Policy

LONGEST_BREAK = 60
"""Days without a working day after which a calendar is believed to be wrong."""


def local_instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The UTC instant at which clocks in `zone` show `wall` on that local day.

    A time that a clock change skips becomes the first instant after the gap; one that comes twice is the first.
    """
    naive = datetime.combine(day, wall)
    instant = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == naive:
        return instant
    low, high = instant - timedelta(days=1), instant + timedelta(days=1)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).replace(tzinfo=None) < naive:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def last_day(until: datetime, zone: ZoneInfo) -> date:
    """The local day on which what is good until an instant is good for the last time: midnight belongs to the day before."""
    return (until - timedelta(microseconds=1)).astimezone(zone).date()


ALSO_CALLED = {
    "england": "GB-ENG",
    "scotland": "GB-SCT",
    "wales": "GB-WLS",
    "northernireland": "GB-NIR",
    "greatbritain": "GB",
    "czechrepublic": "CZ",
    "cotedivoire": "CI",
}
"""Names that people write for a country and that the lists of holidays do not have."""


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Every name and code of a country, folded → its ISO code."""
    import holidays

    codes_by_name: dict[str, str] = {}
    for module, (name, *codes) in holidays.registry.COUNTRIES.items():
        for known in (module, name, *codes):
            codes_by_name[_folded(known)] = codes[0]
    return codes_by_name


@lru_cache(maxsize=256)
def _place(country: str) -> tuple[str, str | None] | None:
    """The ISO code of a country and of its part, however written: `GB`, `gb-eng`, `England`, `Timor-Leste`.

    An unknown part means the whole country; None for an unknown country.
    """
    import holidays

    country = ALSO_CALLED.get(_folded(country), country)
    words = country.split("-")
    for cut in range(len(words), 0, -1):
        code = _countries().get(_folded("-".join(words[:cut])))
        if code is not None:
            kept = getattr(holidays, code)
            known = {_folded(part): part for part in kept.subdivisions}
            aliases = getattr(kept, "subdivisions_aliases", {})
            known |= {_folded(alias): part for alias, part in aliases.items()}
            return code, known.get(_folded("-".join(words[cut:])))
    return None


@lru_cache(maxsize=1024)
def _holidays(country: str, year: int) -> frozenset[date]:
    """The public holidays of a country or a part of it (`GB`, `GB-ENG`, `Japan`); none where nobody keeps a list."""
    import holidays

    place = _place(country)
    if place is None:
        return frozenset()
    code, part = place
    return frozenset(holidays.country_holidays(code, subdiv=part, years=year))


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """One person's working time. `weekdays` counts from Monday as 0; `opens` and `closes` are wall times in `zone`."""

    zone: ZoneInfo
    weekdays: frozenset[int]
    opens: time
    closes: time
    country: str | None
    days_off: frozenset[date]

    def is_working_day(self, day: date) -> bool:
        """Neither weekend, public holiday nor a day off of the organisation; False for a day that the zone skipped."""
        if day.weekday() not in self.weekdays or day in self.days_off:
            return False
        if self.country and day in _holidays(self.country, day.year):
            return False
        return self.opening(day).astimezone(self.zone).date() == day

    def opening(self, day: date) -> datetime:
        """The UTC instant at which work starts on that local day."""
        return local_instant(day, self.opens, self.zone)

    def closing(self, day: date) -> datetime:
        """The UTC instant at which work ends on that local day."""
        return local_instant(day, self.closes, self.zone)

    def is_open(self, at: datetime) -> bool:
        """Whether the person is at work at that instant."""
        day = self.day(at)
        return self.is_working_day(day) and self.opening(day) <= at < self.closing(day)

    def day(self, at: datetime) -> date:
        """The local day at that instant."""
        return at.astimezone(self.zone).date()

    def next_open(self, at: datetime) -> datetime:
        """`at` itself when the person is at work then, else the next start of work."""
        if self.is_open(at):
            return at
        day = self.day(at)
        for step in range(LONGEST_BREAK):
            candidate = day + timedelta(days=step)
            if self.is_working_day(candidate) and self.opening(candidate) > at:
                return self.opening(candidate)
        return self.opening(day + timedelta(days=1))

    def on_or_before(self, day: date) -> date:
        """That day, or the last working day before it; the day itself when there is none for two months."""
        for step in range(LONGEST_BREAK):
            candidate = day - timedelta(days=step)
            if self.is_working_day(candidate):
                return candidate
        return day

    def last_of_week(self, day: date) -> date | None:
        """The last working day of that day's ISO week; None for a week without one."""
        monday = day - timedelta(days=day.weekday())
        week = (monday + timedelta(days=step) for step in range(6, -1, -1))
        return next((each for each in week if self.is_working_day(each)), None)


def calendar_for(
    policy: Policy, *, tz: str | None = None, country: str | None = None
) -> WorkingCalendar:
    """The calendar of somebody with this zone and country; the organisation's where theirs are unknown."""
    organisation = policy.organisation
    hours = organisation.working_hours
    return WorkingCalendar(
        zone=known_zone(tz) or organisation.zone,
        weekdays=hours.weekdays,
        opens=hours.opens,
        closes=hours.closes,
        country=country or organisation.country,
        days_off=frozenset(organisation.days_off),
    )


def known_zone(tz: str | None) -> ZoneInfo | None:
    """The IANA zone of that name; None where there is none, which Slack may well say."""
    if not tz:
        return None
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
