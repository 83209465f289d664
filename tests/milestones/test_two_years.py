"""Two years of reminders by moving the clock: each once, none outside working hours, whatever happens meanwhile.

Five people live through clock changes, holidays, journeys, days on which nothing ran, and crashes between any two steps.
What they should have heard is counted by a model of a few lines that knows nothing of the code under test.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest

from tests.milestones.conftest import PEOPLE, STARTS, Killed, Team
from workflows.milestones import service

ENDS = datetime(2028, 1, 3, tzinfo=UTC)
BEFORE, EVERY = (14, 7, 1, 0), 7
POINTS = ("timer.before_commit", "timer.after_commit", "claim.after_commit", "send.after")


@dataclass
class Promise:
    """A milestone of the test: whose, from when to when, and its day."""

    id: int
    people: tuple[str, str, str]
    since: date
    due: date
    until: date
    """The day on which it was done; what was to come that day may or may not have come."""


def off(name: str, day: date) -> bool:
    """Whether somebody is free that day."""
    country, _, part = PEOPLE[name][1].partition("-")
    kept = holidays.country_holidays(country, subdiv=part or None, years=day.year)
    return day.weekday() > 4 or day in kept


def working(name: str, day: date, step: int = -1) -> date:
    while off(name, day):
        day += timedelta(days=step)
    return day


def expected(promise: Promise) -> Iterator[tuple[str, int, date]]:
    """(who, which step, on which of their days) of everything that has to be told."""
    for before in BEFORE:
        yield (
            promise.people[0],
            -before,
            working(promise.people[0], promise.due - timedelta(days=before)),
        )
    for number in range(1, 200):
        day = promise.due + timedelta(days=EVERY * number)
        if day > promise.until + timedelta(days=40):
            return
        for name in promise.people[: number + 1]:
            on = working(name, day)
            if on <= promise.due:
                on = working(name, promise.due + timedelta(days=1), 1)
            yield name, EVERY * number, on


def at_work(name: str, zone: str, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(zone))
    return not off(name, local.date()) and time(9) <= local.time() < time(17, 30)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_reminder_once_and_none_outside_working_hours(team: Team) -> None:
    # PostgreSQL waits for its disk; the same life there ends after the clocks of spring.
    ends = ENDS if team.db.is_sqlite else STARTS + timedelta(days=130)
    chance = random.Random("two years")
    names = list(PEOPLE)
    parts: dict[str, tuple[str, str, str]] = {}
    for name in names:
        owner, manager, sponsor = (name, *chance.sample([n for n in names if n != name], 2))
        team.project(f"of-{name}", owner=owner, manager=manager, sponsor=sponsor)
        parts[name] = (owner, manager, sponsor)
    journeys = sorted(
        (
            STARTS + timedelta(days=chance.randrange(20, 700), hours=chance.randrange(24)),
            chance.choice(names),
            chance.choice(list(PEOPLE.values()))[0],
        )
        for _ in range(25)
    )
    down = sorted(
        STARTS + timedelta(days=chance.randrange(10, 715), hours=chance.randrange(24))
        for _ in range(15)
    )
    # The very hours in which clocks change, and a day of downtime over them.
    down += [datetime(2026, 3, 7, 20, tzinfo=UTC), datetime(2026, 10, 24, 20, tzinfo=UTC)]
    crashes = {
        STARTS + timedelta(days=chance.randrange(5, 720)): point
        for point in POINTS
        for _ in range(6)
    }
    zones: list[tuple[datetime, str, str]] = [
        (STARTS, name, zone) for name, (zone, _) in PEOPLE.items()
    ]
    promises, closing = _promise(team, chance, parts)
    events: list[tuple[datetime, str, object]] = [
        *((at, "journey", (name, zone)) for at, name, zone in journeys),
        *((at, "down", None) for at in down),
        *((at, "crash", point) for at, point in crashes.items()),
        *closing,
    ]
    for at, what, given in sorted(events, key=lambda event: (event[0], event[1])):
        if at > ends:
            break
        if at > team.now():
            team.live(at)
        if isinstance(given, tuple):
            team.travels(*given)
            zones.append((at, *given))
        elif what == "down":
            team.at(at + timedelta(days=1))
        elif isinstance(given, str):
            _die_at(team, given)
        elif callable(given):
            given()
    team.live(ends)
    _check(team, promises, zones, ends)


def _promise(
    team: Team, chance: random.Random, parts: dict[str, tuple[str, str, str]]
) -> tuple[list[Promise], list[tuple[datetime, str, object]]]:
    """Promises all over the two years; each is kept early, late, or very late."""
    made: list[Promise] = []
    acts: list[tuple[datetime, str, object]] = []
    for number in range(70):
        name = chance.choice(list(parts))
        begins = STARTS + timedelta(days=chance.randrange(0, 640), hours=3)
        due = begins.date() + timedelta(days=chance.randrange(20, 60))
        kept = due + timedelta(days=chance.choice([-3, 0, 2, 9, 20, 45]))
        promise = Promise(0, parts[name], begins.date(), due, kept)
        made.append(promise)

        def begin(promise: Promise = promise, name: str = name, number: int = number) -> None:
            promise.since = team.now().astimezone(ZoneInfo("Europe/London")).date()
            promise.id = team.add(name, f"of-{name}", f"Promise {number}", promise.due)

        def close(promise: Promise = promise, name: str = name) -> None:
            promise.until = team.now().date()
            team.act(service.complete, name, promise.id, proof="kept")

        acts.append((begins, "a promise", begin))
        acts.append((datetime.combine(kept, time(23), UTC), "kept", close))
    return made, acts


def _die_at(team: Team, point: str) -> None:
    """The next time that something reaches this point, everything ends there, and starts again later."""
    armed = [point]

    def probe(name: str) -> None:
        if armed and name == armed[0]:
            armed.clear()
            raise Killed(name)

    team.probe = probe
    for _ in range(40):
        team.at(max(team.next_moment(), team.now()) + timedelta(seconds=1))
        try:
            team.tick()
        except Killed:
            break
    team.probe = lambda name: None
    assert not armed, f"nothing reached {point}"
    # What was claimed and never sent meets the next day: too late for the one that it was for.
    team.at(team.now() + timedelta(hours=24 if point == "claim.after_commit" else 1))


def _check(
    team: Team, promises: list[Promise], zones: list[tuple[datetime, str, str]], ends: datetime
) -> None:
    told: dict[tuple[int, str, int], list[datetime]] = {}
    for sent in team.sent:
        zone = [z for at, name, z in zones if name == sent.person and at <= sent.at][-1]
        assert at_work(sent.person, zone, sent.at), f"{sent.person} at {sent.at} in {zone}"
        for id_, _, step in sent.told:
            told.setdefault((id_, sent.person, step), []).append(sent.at)
    twice = {key: when for key, when in told.items() if len(when) > 1}
    assert not twice
    missing, seen = [], 0
    for promise in promises:
        for name, step, on in expected(promise):
            # Late is fine after a day on which nothing ran, and after a weekend that followed it.
            by = on
            for _ in range(3):
                by = working(name, by + timedelta(days=1), 1)
            by_then = min(promise.until, ends.date())
            if not promise.id or on <= promise.since + timedelta(days=1) or by >= by_then:
                continue
            seen += 1
            when = told.pop((promise.id, name, step), None)
            if when is None or not on - timedelta(days=1) <= when[0].date() <= by:
                missing.append((promise.id, name, step, on, when))
    assert not missing
    share = (ends - STARTS) / (ENDS - STARTS)
    assert seen > 300 * share
    assert len(team.sent) > 200 * share
