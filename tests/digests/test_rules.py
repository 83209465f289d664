"""Which day, how late, what is ahead, and what fits on a screen: values in, values out."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.calendar import WorkingCalendar, local_instant
from workflows.digests import rules
from workflows.digests.records import Line

LONDON = ZoneInfo("Europe/London")


def calendar(*off: str, country: str | None = None) -> WorkingCalendar:
    return WorkingCalendar(
        LONDON,
        frozenset(range(5)),
        time(9),
        time(17, 30),
        country,
        frozenset(date.fromisoformat(day) for day in off),
    )


@pytest.mark.parametrize(
    ("planned", "off", "sent"),
    [
        ("2026-01-26", (), "2026-01-26"),
        ("2026-01-26", ("2026-01-26",), "2026-01-27"),
        ("2026-01-26", ("2026-01-26", "2026-01-27"), "2026-01-28"),
        ("2026-01-26", tuple(f"2026-01-{n}" for n in range(26, 31)), "2026-01-26"),
        ("2026-01-30", ("2026-01-30",), "2026-01-30"),
        ("2026-01-31", (), "2026-01-31"),
    ],
)
def test_a_day_off_moves_it_to_the_next_working_day_of_the_week(
    planned: str, off: tuple[str, ...], sent: str
) -> None:
    found = rules.send_day(date.fromisoformat(planned), calendar(*off))
    assert found == date.fromisoformat(sent)


@pytest.mark.parametrize(
    ("planned", "off", "until"),
    [
        ("2026-01-26T09:00", (), "2026-01-30T17:30"),
        ("2026-01-26T09:00", ("2026-01-30",), "2026-01-29T17:30"),
        ("2026-01-30T16:00", (), "2026-01-30T17:30"),
        ("2026-01-30T18:00", (), "2026-01-31T06:00"),
        ("2026-01-26T09:00", tuple(f"2026-01-{n}" for n in range(26, 31)), "2026-01-26T21:00"),
        ("2026-03-28T09:00", (), "2026-03-28T21:00"),
    ],
)
def test_how_late_it_may_come(planned: str, off: tuple[str, ...], until: str) -> None:
    def at(words: str) -> datetime:
        moment = datetime.fromisoformat(words)
        return local_instant(moment.date(), moment.time(), LONDON)

    assert rules.deadline(at(planned), calendar(*off)) == at(until)


@pytest.mark.parametrize(
    ("now", "sent"),
    [
        ("2026-01-26T09:00", "2026-01-26T09:00"),
        ("2026-01-26T09:59", "2026-01-26T09:00"),
        ("2026-01-26T15:00", "2026-01-26T15:00"),
        ("2026-01-27T04:07", "2026-01-27T09:00"),
        ("2026-01-29T23:00", "2026-01-30T09:00"),
        ("2026-01-30T18:00", "2026-01-30T18:00"),
    ],
)
def test_a_late_one_waits_until_its_reader_is_at_work(now: str, sent: str) -> None:
    def at(words: str) -> datetime:
        moment = datetime.fromisoformat(words)
        return local_instant(moment.date(), moment.time(), LONDON)

    planned, late_at = at("2026-01-26T09:00"), at("2026-01-31T06:00")
    assert rules.sent_at(planned, late_at, at(now), calendar()) == at(sent)


@given(
    day=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    off=st.sets(st.dates(date(2024, 1, 1), date(2030, 12, 31)), max_size=3),
)
def test_it_is_sent_in_its_own_week_and_before_it_is_too_late(day: date, off: set[date]) -> None:
    found = calendar(*(one.isoformat() for one in off))
    sent = rules.send_day(day, found)
    assert sent >= day
    assert sent.isocalendar()[:2] == day.isocalendar()[:2]
    at = local_instant(sent, time(9), LONDON)
    assert at < rules.deadline(local_instant(day, time(9), LONDON), found)


@pytest.mark.parametrize(
    ("spent", "through", "ahead"),
    [
        ("50", "2026-01-15", False),
        ("58", "2026-01-15", False),
        ("59", "2026-01-15", True),
        ("101", "2026-01-15", False),
        ("90", "2026-01-02", False),
        ("90", None, False),
        ("90", "2025-12-20", False),
    ],
)
def test_what_is_ahead_of_its_time(spent: str, through: str | None, ahead: bool) -> None:
    found = rules.is_ahead(
        Decimal(spent),
        Decimal(100),
        date(2026, 1, 1),
        date(2026, 1, 31),
        date.fromisoformat(through) if through else None,
    )
    assert found is ahead


@given(
    lines=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 400)), min_size=1, max_size=20),
    used=st.integers(2, 6),
    letters=st.integers(0, 1200),
)
def test_the_most_important_lines_are_kept_in_their_order(
    lines: list[tuple[int, int]], used: int, letters: int
) -> None:
    made = [(rank, Line("money", "x", "y" * size)) for rank, size in lines]
    kept = rules.fitting(made, used_lines=used, used_characters=letters)
    assert len(kept) <= rules.MOST_LINES - used
    assert sum(len(one.text) + 4 for one in kept) <= rules.MOST_CHARACTERS - letters
    order = [id(one) for _, one in made]
    assert [order.index(id(one)) for one in kept] == sorted(order.index(id(one)) for one in kept)
    if sum(size + 4 for _, size in lines) <= rules.MOST_CHARACTERS - letters:
        chosen = sorted(rank for rank, one in made if any(one is it for it in kept))
        assert chosen == sorted(rank for rank, _ in lines)[: len(kept)]


def test_numbers_and_lists_in_words() -> None:
    assert rules.numbered(1, "launch", "launches") == "one launch"
    assert rules.numbered(2, "launch", "launches") == "two launches"
    assert rules.numbered(12, "request") == "12 requests"
    assert rules.joined(["a"]) == "a"
    assert rules.joined(["a", "b"]) == "a and b"
    assert rules.joined(["a", "b", "c"]) == "a, b, and c"
    assert rules.listed(["a", "b", "c", "d"]) == "a, b and 2 more"
    assert rules.first_day(date(2026, 1, 26)) == date(2026, 1, 19)
    assert datetime(2026, 1, 26, tzinfo=UTC).isocalendar().week == 5
