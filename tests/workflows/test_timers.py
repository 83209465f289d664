"""Local wall times over clock changes, skipped days and odd offsets."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.db import Database
from storage.delivery.tables import Schedule
from workflows import timers
from workflows.outbox import Subject

ZONES = [
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Asia/Tokyo",
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "wall", "after", "expected"),
    [
        (
            "America/New_York",
            "02:30",
            "2026-03-08T00:00-05:00",
            "2026-03-08T07:00+00:00",
        ),  # the gap: first instant after it
        (
            "America/New_York",
            "01:30",
            "2026-11-01T00:00-04:00",
            "2026-11-01T05:30+00:00",
        ),  # the fold: the first of the two
        (
            "America/New_York",
            "01:30",
            "2026-11-01T05:30+00:00",
            "2026-11-02T06:30+00:00",
        ),  # and not the second
        (
            "Australia/Lord_Howe",
            "02:15",
            "2026-10-03T23:00+10:30",
            "2026-10-03T15:30+00:00",
        ),  # a gap of half an hour
        ("Asia/Kathmandu", "09:00", "2026-01-26T00:00+00:00", "2026-01-26T03:15+00:00"),
        ("Europe/London", "09:00", "2026-03-28T10:00+00:00", "2026-03-29T08:00+00:00"),
        (
            "Pacific/Apia",
            "09:00",
            "2011-12-29T20:00+00:00",
            "2011-12-30T19:00+00:00",
        ),  # 30 December 2011 never was
    ],
)
def test_the_next_time_clocks_show_it(zone: str, wall: str, after: str, expected: str) -> None:
    found = timers.next_occurrence(at(after), time.fromisoformat(wall), ZoneInfo(zone))
    assert found == at(expected)


@given(
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 24 * 60 - 1),
    start=st.integers(0, 3 * 365 * 24 * 60),
)
def test_every_local_day_has_one_and_they_are_in_order(zone: str, minutes: int, start: int) -> None:
    wall = time(minutes // 60, minutes % 60)
    moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    days: list[date] = []
    for _ in range(5):
        moment = timers.next_occurrence(moment, wall, ZoneInfo(zone))
        days.append(moment.astimezone(ZoneInfo(zone)).date())
    assert days == [days[0] + timedelta(days=n) for n in range(5)]


def test_a_weekday_comes_once_a_week() -> None:
    monday = timers.next_occurrence(
        at("2026-01-26T09:00+00:00"), time(9), ZoneInfo("Europe/London"), weekday=0
    )
    assert monday == at("2026-02-02T09:00+00:00")


def test_a_schedule_runs_each_slot_once_and_only_the_latest_after_a_pause(
    database: Database,
) -> None:
    start = at("2026-01-26T08:50+00:00")
    with database.begin() as session:
        timers.schedule(session, "org", "ledger.head", "09:00", "Europe/London", now=start)
    with database.begin() as session:
        assert list(timers.list_due_schedules(session, now=start)) == []
        (row,) = timers.list_due_schedules(session, now=start + timedelta(minutes=10))
        taken = timers.take_schedule(session, row, now=start + timedelta(minutes=10))
        assert taken == timers.Taken(
            "org", "ledger.head", "2026-01-26", start + timedelta(minutes=10)
        )
        assert timers.take_schedule(session, row, now=start + timedelta(minutes=10)) is None
    later = start + timedelta(days=5)
    with database.begin() as session:
        (row,) = timers.list_due_schedules(session, now=later)
        taken = timers.take_schedule(session, row, now=later)
        assert taken is not None
        assert taken.slot == "2026-01-30"
        assert taken.skipped == ("2026-01-27", "2026-01-28", "2026-01-29")
        assert list(timers.list_due_schedules(session, now=later)) == []


def test_moving_west_does_not_run_a_slot_again(database: Database) -> None:
    start = at("2026-01-25T23:59+00:00")
    with database.begin() as session:
        timers.schedule(session, "p_1", "digest", "09:00", "Asia/Tokyo", now=start)
        (row,) = timers.list_due_schedules(session, now=start + timedelta(hours=1))
        assert timers.take_schedule(session, row, now=start + timedelta(hours=1)) is not None
        timers.schedule(
            session, "p_1", "digest", "09:00", "America/New_York", now=start + timedelta(hours=2)
        )
        evening = start + timedelta(hours=15)
        assert list(timers.list_due_schedules(session, now=evening)) == []
        (row,) = timers.list_due_schedules(session, now=evening + timedelta(days=1))
        taken = timers.take_schedule(session, row, now=evening + timedelta(days=1))
        assert taken is not None
        assert taken.slot == "2026-01-27"


@given(
    moves=st.lists(st.tuples(st.integers(1, 5 * 24 * 60), st.sampled_from(ZONES)), max_size=40),
    weekday=st.integers(0, 6),
    wall=st.sampled_from(["00:05", "02:30", "09:00", "23:45"]),
)
@settings(max_examples=60, deadline=None)
def test_whoever_travels_has_each_week_once(
    moves: list[tuple[int, str]], weekday: int, wall: str
) -> None:
    """Time goes on and the zone changes at any moment; runs are taken as soon as they are due."""
    now = at("2026-01-19T00:00+00:00")
    row = Schedule(
        owner="p_1",
        kind="digest",
        local_time=wall,
        weekday=weekday,
        tz="Asia/Tokyo",
        last_slot=None,
        next_at=timers.next_occurrence(
            now, time.fromisoformat(wall), ZoneInfo("Asia/Tokyo"), weekday=weekday
        ),
        is_enabled=True,
    )
    slots: list[str] = []
    steps = [*moves, *((24 * 60, row.tz) for _ in range(15))]
    for minutes, zone in steps:
        now += timedelta(minutes=minutes)
        while row.next_at <= now:
            taken = timers.advance_schedule(row, now)
            assert taken is not None
            slots += [*taken.skipped, taken.slot]
        if (minutes, zone) in moves:
            timers.move_schedule(row, zone)
    first = date.fromisocalendar(int(slots[0][:4]), int(slots[0][6:]), 1)
    weeks = [first + timedelta(weeks=n) for n in range(len(slots))]
    assert slots == [f"{w.isocalendar().year}-W{w.isocalendar().week:02}" for w in weeks]


def test_a_weekly_run_keeps_its_week_when_its_day_is_moved(database: Database) -> None:
    """On Wednesday it is moved from Friday to Monday: this week's has not run, so it runs at once, and once."""
    wednesday = at("2026-01-28T12:00+00:00")
    with database.begin() as session:
        timers.schedule(
            session, "p_1", "digest", "16:00", "Europe/London", now=wednesday, weekday=4
        )
        timers.schedule(
            session, "p_1", "digest", "09:00", "Europe/London", now=wednesday, weekday=0
        )
        (row,) = timers.list_due_schedules(session, now=wednesday)
        taken = timers.take_schedule(session, row, now=wednesday)
        assert taken is not None
        assert (taken.slot, taken.skipped) == ("2026-W05", ())
        later = at("2026-02-02T09:00+00:00")
        assert list(timers.list_due_schedules(session, now=later - timedelta(hours=1))) == []
        taken = timers.take_schedule(session, row, now=later)
        assert taken is not None
        assert taken.slot == "2026-W06"


def test_what_was_stopped_and_started_again_repeats_nothing(database: Database) -> None:
    start = at("2026-01-26T08:50+00:00")
    with database.begin() as session:

        def say(now: datetime) -> None:
            timers.schedule(session, "p_1", "digest", "09:00", "UTC", now=now, weekday=0)

        say(start)
        (row,) = timers.list_due_schedules(session, now=start + timedelta(hours=1))
        assert timers.take_schedule(session, row, now=start + timedelta(hours=1))
        timers.unschedule(session, "p_1", "digest")
        assert list(timers.list_due_schedules(session, now=start + timedelta(days=30))) == []
        say(start + timedelta(days=16))
        later = start + timedelta(days=22)
        (row,) = timers.list_due_schedules(session, now=later)
        taken = timers.take_schedule(session, row, now=later)
        assert taken is not None
        assert (taken.slot, taken.skipped) == ("2026-W08", ())


def test_a_timer_is_started_once_and_taken_once(database: Database) -> None:
    subject = Subject.of("approval", 42)
    due = at("2026-01-26T09:00+00:00")
    with database.begin() as session:
        timers.start(session, subject, "approval.expire", due)
        timers.start(session, subject, "approval.expire", due + timedelta(days=1))
    with database.begin() as session:
        assert timers.list_due(session, due_now=due - timedelta(seconds=1), real_now=due) == []
        (found,) = timers.list_due(session, due_now=due, real_now=due)
        assert (found.subject, found.kind) == (subject, "approval.expire")
        assert timers.take_timer(session, found.id, due_now=due)
    with database.begin() as session:
        assert not timers.take_timer(session, found.id, due_now=due)


def test_a_cancelled_timer_never_falls_due(database: Database) -> None:
    subject = Subject.of("approval", 42)
    due = at("2026-01-26T09:00+00:00")
    with database.begin() as session:
        timers.start(session, subject, "approval.expire", due)
        timers.cancel(session, subject)
        assert timers.list_due(session, due_now=due, real_now=due) == []
