"""When people are at work: over clock changes, skipped days, holidays and odd weeks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.calendar import LONGEST_BREAK, WorkingCalendar, calendar_for, last_day, local_instant
from workflows.policy import Policy, parse

ZONES = [
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
]
COUNTRIES = [None, "US", "GB", "GB-ENG", "AU-NSW", "NP", "WS"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def calendar(
    zone: str = "UTC",
    *,
    country: str | None = None,
    hours: tuple[time, time] = (time(9), time(17, 30)),
    weekdays: frozenset[int] = frozenset(range(5)),
    off: frozenset[date] = frozenset(),
) -> WorkingCalendar:
    return WorkingCalendar(ZoneInfo(zone), weekdays, *hours, country, off)


def policy(more: str = "") -> Policy:
    return parse(
        f"version: 1\norganisation:\n  name: Test\n  timezone: Europe/London\n{more}"
    ).policy


@pytest.mark.parametrize(
    ("zone", "day", "wall", "expected"),
    [
        ("America/New_York", "2026-03-06", "09:00", "2026-03-06T14:00+00:00"),
        ("America/New_York", "2026-03-09", "09:00", "2026-03-09T13:00+00:00"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00+00:00"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30+00:00"),
        ("Europe/London", "2026-03-29", "01:30", "2026-03-29T01:00+00:00"),
        ("Europe/London", "2026-10-25", "01:30", "2026-10-25T00:30+00:00"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30+00:00"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45+00:00"),
        ("Asia/Kathmandu", "2026-01-26", "09:00", "2026-01-26T03:15+00:00"),
        ("Pacific/Apia", "2011-12-29", "09:00", "2011-12-29T19:00+00:00"),
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-30T10:00+00:00"),
        ("Pacific/Apia", "2011-12-31", "09:00", "2011-12-30T19:00+00:00"),
    ],
)
def test_clocks_show_it_then(zone: str, day: str, wall: str, expected: str) -> None:
    found = local_instant(date.fromisoformat(day), time.fromisoformat(wall), ZoneInfo(zone))
    assert found == at(expected)


@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2010, 1, 1), date(2035, 12, 31)),
    minutes=st.integers(0, 24 * 60 - 1),
)
def test_it_is_the_first_instant_that_is_not_before(zone: str, day: date, minutes: int) -> None:
    kept, wall = ZoneInfo(zone), time(minutes // 60, minutes % 60)
    found = local_instant(day, wall, kept)

    def shown(moment: datetime) -> datetime:
        return moment.astimezone(kept).replace(tzinfo=None)

    assert shown(found) >= datetime.combine(day, wall)
    assert shown(found - timedelta(seconds=1)) < datetime.combine(day, wall)


def test_a_day_that_a_zone_skipped_is_no_working_day() -> None:
    apia = calendar("Pacific/Apia")
    friday = date(2011, 12, 30)
    assert friday.weekday() == 4
    assert not apia.is_working_day(friday)
    assert calendar("Europe/London").is_working_day(friday)
    assert apia.on_or_before(friday) == date(2011, 12, 29)
    assert apia.next_open(at("2011-12-30T09:59+00:00")) == at("2012-01-01T19:00+00:00")


@pytest.mark.parametrize(
    ("country", "day", "works"),
    [
        (None, "2026-12-25", True),
        ("GB", "2026-12-25", False),
        ("gb", "2026-12-25", False),
        ("UK", "2026-12-25", False),
        ("GBR", "2026-12-25", False),
        ("United Kingdom", "2026-12-25", False),
        ("GB", "2026-08-31", True),  # the summer bank holiday is not all of Britain's
        ("GB-ENG", "2026-08-31", False),
        ("gb-eng", "2026-08-31", False),
        ("England", "2026-08-31", False),
        ("GB-SCT", "2026-08-31", True),
        ("Scotland", "2026-08-03", False),
        ("US", "2026-07-03", False),  # the fourth is a Saturday, so it is observed the day before
        ("US-CA", "2026-03-31", False),
        ("US", "2026-03-31", True),
        ("US-ZZ", "2026-11-26", False),  # an unknown part is still in its country
        ("Japan", "2026-02-11", False),
        ("DE-BY", "2026-01-06", False),
        ("DE", "2026-01-06", True),
        ("DE-Bayern", "2026-01-06", False),
        ("AU-NSW", "2026-06-08", False),
        ("NP", "2026-05-29", False),
        ("WS", "2026-06-01", False),
        ("Guinea-Bissau", "2026-09-24", False),  # and not Guinea
        ("Côte d'Ivoire", "2026-08-07", False),
        ("Czech Republic", "2026-10-28", False),
        ("Atlantis", "2026-12-25", True),
        ("-", "2026-12-25", True),
    ],
)
def test_public_holidays_by_code_part_and_name(country: str | None, day: str, works: bool) -> None:
    assert calendar(country=country).is_working_day(date.fromisoformat(day)) is works


def test_weekends_and_days_off_of_the_organisation() -> None:
    off = date(2026, 1, 28)
    kept = calendar(off=frozenset({off}))
    assert not kept.is_working_day(off)
    assert not kept.is_working_day(date(2026, 1, 31))
    assert kept.on_or_before(off) == date(2026, 1, 27)
    assert kept.on_or_before(date(2026, 2, 1)) == date(2026, 1, 30)
    sunday = calendar(weekdays=frozenset({6, 0, 1, 2, 3}))
    assert sunday.is_working_day(date(2026, 2, 1))
    assert not sunday.is_working_day(date(2026, 1, 30))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-26T08:59+00:00", "2026-01-26T09:00+00:00"),
        ("2026-01-26T09:00+00:00", "2026-01-26T09:00+00:00"),
        ("2026-01-26T12:34+00:00", "2026-01-26T12:34+00:00"),
        ("2026-01-26T17:30+00:00", "2026-01-27T09:00+00:00"),
        ("2026-01-30T17:30+00:00", "2026-02-02T09:00+00:00"),
        ("2026-03-27T18:00+00:00", "2026-03-30T08:00+00:00"),  # summer time began
        ("2026-10-23T18:00+00:00", "2026-10-26T09:00+00:00"),  # and ended
        ("2026-12-24T18:00+00:00", "2026-12-29T09:00+00:00"),  # Christmas, and a day for it
    ],
)
def test_the_next_time_at_work(moment: str, expected: str) -> None:
    london = calendar("Europe/London", country="GB")
    assert london.next_open(at(moment)) == at(expected)


def test_the_last_working_day_of_a_week() -> None:
    london = calendar("Europe/London", country="GB")
    assert london.last_of_week(date(2026, 1, 26)) == date(2026, 1, 30)
    assert london.last_of_week(date(2026, 4, 1)) == date(2026, 4, 2)  # Good Friday
    assert (
        calendar(
            off=frozenset(date(2026, 1, 26) + timedelta(days=n) for n in range(5))
        ).last_of_week(date(2026, 1, 28))
        is None
    )


def test_a_calendar_without_a_working_day_still_answers() -> None:
    never = calendar(weekdays=frozenset())
    monday = date(2026, 1, 26)
    assert never.on_or_before(monday) == monday
    assert never.next_open(at("2026-01-26T12:00+00:00")) == at("2026-01-27T09:00+00:00")


@given(
    zone=st.sampled_from(ZONES),
    country=st.sampled_from(COUNTRIES),
    opens=st.integers(0, 23),
    minutes=st.integers(0, 4 * 365 * 24 * 60),
)
def test_the_next_time_at_work_is_at_work_and_the_first(
    zone: str, country: str | None, opens: int, minutes: int
) -> None:
    kept = calendar(zone, country=country, hours=(time(opens), time(23, 59)))
    moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = kept.next_open(moment)
    assert kept.is_open(found)
    assert found >= moment
    assert found - moment < timedelta(days=LONGEST_BREAK)
    probe = moment
    while probe < found:
        assert not kept.is_open(probe)
        probe += timedelta(hours=5, minutes=7)


@given(
    zone=st.sampled_from(ZONES),
    country=st.sampled_from(COUNTRIES),
    day=st.dates(date(2025, 1, 1), date(2028, 12, 31)),
)
def test_the_last_working_day_before_is_one_with_none_between(
    zone: str, country: str | None, day: date
) -> None:
    kept = calendar(zone, country=country)
    found = kept.on_or_before(day)
    assert kept.is_working_day(found)
    assert found <= day
    between = (day - found).days
    assert not any(kept.is_working_day(day - timedelta(days=step)) for step in range(between))


def test_somebody_without_a_zone_or_country_has_the_organisations() -> None:
    said = policy("  country: GB\n  working_hours: Mon-Thu 08:00-16:00\n")
    here = calendar_for(said)
    assert here.zone == ZoneInfo("Europe/London")
    assert here.country == "GB"
    assert (here.opens, here.closes) == (time(8), time(16))
    there = calendar_for(said, tz="Asia/Kathmandu", country="NP")
    assert there.zone == ZoneInfo("Asia/Kathmandu")
    assert there.country == "NP"
    assert not there.is_working_day(date(2026, 1, 30))


@pytest.mark.parametrize("tz", ["", None, "Mars/Olympus", "../../etc/passwd", "a\0b"])
def test_a_zone_that_there_is_not_falls_back(tz: str | None) -> None:
    assert calendar_for(policy(), tz=tz).zone == ZoneInfo("Europe/London")


@given(
    day=st.dates(date(2020, 1, 1), date(2035, 1, 1)),
    zone=st.sampled_from(["Asia/Tokyo", "America/New_York", "Europe/London"]),
)
def test_what_ends_with_a_day_is_good_on_that_day(day: date, zone: str) -> None:
    where = ZoneInfo(zone)
    over = local_instant(day + timedelta(days=1), time(0), where)
    assert last_day(over, where) == day
    assert last_day(over + timedelta(hours=9), where) == day + timedelta(days=1)
