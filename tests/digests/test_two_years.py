"""Two years of Mondays in five places: clock changes, holidays, journeys, downtime, and a process killed at each named point."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from storage import runtime
from storage.db import Database
from storage.delivery.tables import Outbox, Schedule, Timer
from storage.digests.tables import Digest, DigestRelease
from storage.enums import DigestState, ReleaseState, TimerState
from storage.people.tables import Person
from tests.contexts import make_context
from workflows import clock, policy
from workflows.calendar import calendar_for, local_instant
from workflows.digests import recipients
from workflows.digests.scheduling import PART
from workflows.job_runner import Runner
from workflows.people import service as people
from workflows.people.forms import PersonSeen

ORG = "T0ACME"
STARTS = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLACES = {
    "ny": ("America/New_York", "US"),
    "lon": ("Europe/London", "GB"),
    "howe": ("Australia/Lord_Howe", "AU"),
    "kat": ("Asia/Kathmandu", "NP"),
    "apia": ("Pacific/Apia", "WS"),
}
JOURNEYS = {
    "2026-03-09T12:00": ("ny", "Asia/Tokyo"),
    "2026-03-16T01:30": ("ny", "America/New_York"),
    "2026-06-14T20:30": ("apia", "Pacific/Honolulu"),
    "2026-06-22T10:00": ("apia", "Pacific/Apia"),
    "2026-10-04T16:00": ("howe", "Europe/London"),
    "2026-10-05T08:30": ("howe", "Australia/Lord_Howe"),
    "2027-01-03T23:30": ("kat", "America/Los_Angeles"),
    "2027-01-11T17:30": ("kat", "Asia/Kathmandu"),
}
"""When (UTC) who lives where from then on: across the date line both ways, just before and just after nine on a Monday."""
DOWN = ("2026-05-10T18:00", "2026-11-01T18:00", "2027-04-04T19:00")
"""From when nothing runs for a day, which holds most of the world's Monday mornings."""
LONG_DOWN = "2027-06-13T00:00"
"""From when nothing runs for nine days: a whole working week is over."""
POLICY = policy.parse(
    "version: 1\norganisation: {name: Acme, timezone: Europe/London}\n"
    "roles: {leader: [U0NY, U0LON, U0HOWE, U0KAT, U0APIA], admin: [U0ADA]}\n"
    "digests: {weekly: {audience: role:leader, at: Mon 09:00}}\n"
).policy
POINTS = (
    "schedule.before_commit",
    "schedule.after_commit",
    "timer.before_commit",
    "timer.after_commit",
)


class Killed(BaseException):
    """The process ends here, as by kill -9: what was not committed is gone."""


def killer(luck: random.Random, killed: Counter[str]) -> Callable[[str], None]:
    """Kills at one of twenty passes of a named point."""

    def probe(name: str) -> None:
        if luck.randrange(20) == 0:
            killed[name] += 1
            raise Killed(name)

    return probe


def settled(db: Database) -> None:
    """Everybody is there, and their audience was released."""
    with db.begin() as session:
        runtime.set_made_by(session, "demo")
        for name, (zone, country) in PLACES.items():
            session.add(
                Person(
                    id=f"p-{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    name=name,
                    tz=zone,
                    country=country,
                )
            )
        session.add(
            DigestRelease(
                kind="weekly",
                audience="role:leader",
                week="2025-W50",
                state=ReleaseState.SENT,
                contents={},
                first_day=STARTS.date(),
                created_at=STARTS,
            )
        )
    be_at(db, STARTS)
    with db.begin() as session:
        recipients.enrol_readers(
            make_context(session, policy=POLICY, org=ORG, now=clock.now(session))
        )


def be_at(db: Database, moment: datetime) -> None:
    with db.begin() as session:
        real = clock.real_now(session)
        runtime.set_offset(session, moment - real)


def next_event(db: Database) -> datetime:
    with db.read() as session:
        slots = session.execute(
            select(func.min(Schedule.next_at)).where(Schedule.kind == "digest.weekly")
        ).scalar_one()
        due = session.execute(
            select(func.min(Timer.due_at)).where(Timer.state == TimerState.DUE)
        ).scalar_one()
    return min(one for one in (slots, due) if one is not None)


def travel(db: Database, name: str, zone: str) -> None:
    with db.begin() as session:
        seen = PersonSeen(ORG, f"U0{name.upper()}", ORG, name, tz=zone)
        people.upsert_from_slack(
            make_context(session, now=clock.now(session)), [seen], read_at=clock.real_now(session)
        )


def live(db: Database, until: datetime, luck: random.Random) -> Counter[str]:
    """Go from one thing that is due to the next, with all that happens in between; how often it was killed where."""
    killed: Counter[str] = Counter()
    pauses = {_utc(at): timedelta(days=1) for at in DOWN} | {_utc(LONG_DOWN): timedelta(days=9)}
    trips = {_utc(at): trip for at, trip in JOURNEYS.items()}
    runner = make_runner(db, luck, killed)
    now = STARTS
    while (event := next_event(db)) <= until:
        for at in sorted(trips.keys() | pauses.keys()):
            if now < at <= max(event, now):
                now = at
                be_at(db, at)
                if at in trips:
                    travel(db, *trips[at])
                else:
                    event = at + pauses[at]
                break
        else:
            now = max(event, now) + timedelta(seconds=1)
            be_at(db, now)
        if now in pauses:
            now += pauses[now]
            be_at(db, now)
        while True:
            try:
                if not runner.run():
                    break
            except Killed:
                runner = make_runner(db, luck, killed)
    return killed


def make_runner(db: Database, luck: random.Random, killed: Counter[str]) -> Runner:
    return Runner(db, PART, policy=lambda: (POLICY, 1), org_key=ORG, probe=killer(luck, killed))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.slow
def test_each_person_gets_each_week_once(database: Database) -> None:
    years = 2.0 if database.is_sqlite else 0.5
    until = STARTS + timedelta(days=365 * years)
    settled(database)
    killed = live(database, until, random.Random(20260126))
    assert set(killed) == set(POINTS), "every named point was hit"
    with database.read() as session:
        rows = session.execute(select(Digest).order_by(Digest.week)).scalars().all()
        posts = Counter(
            session.execute(select(Outbox.dedupe_key).where(Outbox.kind == "digest.sent")).scalars()
        )
        session.expunge_all()
    for name in PLACES:
        mine = [row for row in rows if row.person_id == f"p-{name}"]
        weeks = [row.week for row in mine]
        first = date.fromisocalendar(int(weeks[0][:4]), int(weeks[0][6:]), 1)
        assert weeks == [
            f"{monday.isocalendar().year}-W{monday.isocalendar().week:02}"
            for n in range(len(mine))
            for monday in (first + timedelta(weeks=n),)
        ], f"{name}: every week, and each once"
        assert len(weeks) >= int(52 * years) - 1
        for row in mine:
            look(row, posts)
    missed = [row for row in rows if row.state == DigestState.MISSED]
    late = {row.week for row in missed}
    assert late == ({"2027-W24"} if years == 2 else set())
    assert sum(posts.values()) == len(rows) - len(missed)
    prompt = [
        row for row in rows if row.built_at and row.built_at - row.planned_at < timedelta(seconds=5)
    ]
    assert len(prompt) > 0.9 * len(rows), "only downtime and journeys make one late"


def look(row: Digest, posts: Counter[str]) -> None:
    """One digest: one message, in its own week, at nine local time on a working day unless it came late."""
    key = f"digest:{row.person_id}:weekly:{row.week}"
    if row.state == DigestState.MISSED:
        assert posts[key] == 0
        return
    assert row.state == DigestState.SENT
    assert posts[key] == 1
    assert row.built_at is not None
    assert row.built_at < row.late_at
    zone = ZoneInfo(row.tz)
    year, week, _ = row.planned_at.astimezone(zone).isocalendar()
    assert f"{year}-W{week:02}" == row.week
    planned = row.planned_at.astimezone(zone)
    assert planned.time() == time(9)
    who = PLACES[row.person_id.removeprefix("p-")]
    calendar = calendar_for(POLICY, tz=row.tz, country=who[1])
    monday = date.fromisocalendar(year, week, 1)
    if calendar.is_working_day(monday):
        assert row.planned_at == local_instant(monday, time(9), zone)
    elif calendar.last_of_week(monday) is not None:
        assert calendar.is_working_day(planned.date())
    assert row.first_day == monday - timedelta(days=7)
