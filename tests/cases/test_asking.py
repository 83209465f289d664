"""Asking what came of projects: each period once, at work, whatever happens meanwhile; and a long silence."""

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
import pytest
from sqlalchemy import select, update

from storage.cases.tables import ReturnAsking
from storage.db import Database
from storage.delivery.tables import Outbox
from storage.projects.tables import Project
from tests.cases.conftest import FIN, LEA, NED, OLA, POLICY, SPO
from tests.cases.returning import BOSS, MAX, Works, begin
from tests.milestones.conftest import Killed, Team, fill
from workflows import clock, jobs, timers
from workflows.cases import realised
from workflows.cases.asking import BATCH, wake_due
from workflows.cases.realisation import Span, merge
from workflows.errors import NotAllowed, NotFound
from workflows.policy import parse

LIVE = date(2026, 3, 1)
FIRST = LIVE + timedelta(days=90)
QUARTER = Span(LIVE, date(2026, 4, 30))


@pytest.fixture
def works(database: Database) -> Works:
    return begin(database)


def messages(works: Works, kind: str = "returns.asked") -> list[Outbox]:
    return [row for row in works.sent(kind) if row.op != "update"]


def asked(works: Works, project_id: int) -> list[tuple[str, Span]]:
    return [(row.kind, Span(row.starts, row.ends)) for row in works.askings(project_id)]


# --- Asking about a period


def test_the_owner_is_asked_after_ninety_days_and_then_quarterly(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST - timedelta(days=1))
    assert asked(works, project) == []
    works.wake_up(FIRST)
    assert asked(works, project) == [("period", QUARTER)]
    (message,) = messages(works)
    assert message.lane_key.endswith("U0OLA")
    # 30 May is a Saturday; Ola starts at nine in London, on Monday.
    assert message.due_at == datetime(2026, 6, 1, 8, tzinfo=UTC)
    assert message.expires_at is not None
    assert message.expires_at.date() == date(2026, 6, 1)
    for _ in range(3):
        works.wake_up(FIRST)
    works.deliver()
    works.wake_up(FIRST + timedelta(days=89))
    assert len(messages(works)) == 1
    works.report(project, "1", LIVE, date(2026, 7, 31))
    works.wake_up(FIRST + timedelta(days=90))
    assert asked(works, project)[1:] == [("period", Span(date(2026, 5, 1), date(2026, 7, 31)))]
    # What was reported before nobody is asked about.
    assert len(messages(works)) == 1
    works.ledger_holds()


def test_the_manager_is_asked_where_no_owner_can_be(works: Works) -> None:
    project = works.in_use()
    works.flag(OLA, is_deactivated=True)
    works.wake_up(FIRST)
    assert works.told("returns.asked") == ["U0MAX"]
    other = works.standing("nobody", status="live", live_on=LIVE)
    works.flag(MAX, is_deactivated=True)
    works.wake_up(FIRST + timedelta(days=1))
    assert asked(works, other) == []
    works.flag(OLA, is_deactivated=False)
    works.wake_up(FIRST + timedelta(days=2))
    assert asked(works, other) == [("period", Span(LIVE, date(2026, 5, 31)))]
    assert len(asked(works, project)) == 1


@pytest.mark.parametrize("status", ["closed", "cancelled", "on_hold", "draft"])
def test_nobody_is_asked_about_what_is_not_in_use(works: Works, status: str) -> None:
    works.standing("ended", status=status, live_on=LIVE)
    works.standing("never", status="in_progress", live_on=None)
    works.wake_up(FIRST)
    assert messages(works) == []


def test_what_is_live_by_its_state_counts_from_the_day_it_was_seen(works: Works) -> None:
    project = works.standing("imported", status="live")
    works.wake_up(LIVE)
    with works.db.read() as session:
        assert session.get_one(Project, project).live_on == LIVE
    works.wake_up(FIRST)
    assert asked(works, project) == [("period", QUARTER)]
    works.ledger_holds()


def test_many_that_are_live_already_are_noted_in_batches(works: Works) -> None:
    with works.db.begin() as session:
        session.add_all(
            Project(key=f"p-{number}", name="P", status="live", created_at=works.now)
            for number in range(BATCH + 5)
        )
    works.wake_up(LIVE)
    with works.db.read() as session:
        days = session.execute(select(Project.live_on)).scalars().all()
    assert set(days) == {LIVE}
    works.ledger_holds()


def test_who_is_due_is_looked_up_in_batches(works: Works) -> None:
    for number in range(5):
        works.standing(f"used-{number}")
    with works.db.begin() as session:
        ids = [row.id for row in session.scalars(select(Project).order_by(Project.id))]
        session.execute(update(Project).values(status="live", live_on=LIVE))
    works.until(datetime.combine(FIRST, time(5), UTC))

    def wake(after: int) -> int | None:
        return works.db.run(
            lambda session: wake_due(works.context(session, OLA).as_system(), after, 2)
        )

    assert [wake(0), wake(ids[1]), wake(ids[3])] == [ids[1], ids[3], None]
    works.until(works.now)
    assert all(asked(works, each) for each in ids)


def test_what_the_policy_says_decides_when(database: Database) -> None:
    rhythm = "returns: {first_after: 40d, every: 30d, silent_after: 1000d}"
    works = begin(database, POLICY.replace("currency: EUR}", f"currency: EUR, {rhythm}}}"))
    project = works.in_use()
    works.live_through(date(2026, 4, 8), date(2026, 6, 12))
    assert asked(works, project) == [
        ("period", Span(LIVE, date(2026, 3, 31))),
        ("period", Span(date(2026, 4, 1), date(2026, 4, 30))),
        ("period", Span(date(2026, 5, 1), date(2026, 5, 31))),
    ]
    assert [row.due_on for row in works.askings(project)] == [
        LIVE + timedelta(days=40 + 30 * number) for number in range(3)
    ]


def test_after_a_long_time_without_anybody_one_question_covers_it(works: Works) -> None:
    project = works.in_use()
    works.wake_up(date(2027, 2, 10))
    period, silence = asked(works, project)
    assert period == ("period", Span(LIVE, date(2027, 1, 31)))
    assert silence[0] == "silence"
    assert len(messages(works)) == 1
    # The next one keeps to the rhythm: 24 Feb 2027 is 360 days after it came into use.
    works.wake_up(date(2027, 2, 23))
    assert len(works.askings(project)) == 2
    works.wake_up(date(2027, 2, 24))
    assert asked(works, project)[2][0] == "sponsor"


# --- What is lost, and what is skipped


def test_a_message_that_did_not_go_out_at_work_is_written_again(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    works.wake_up(date(2026, 6, 2))
    first, second = messages(works)
    assert first.dedupe_key != second.dedupe_key
    assert second.due_at == datetime(2026, 6, 2, 8, tzinfo=UTC)
    works.deliver()
    works.live_through(date(2026, 6, 3), date(2026, 6, 9))
    assert len(messages(works)) == 2
    assert len(works.askings(project)) == 1


def test_what_was_answered_before_it_arrived_is_not_written_again(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    works.report(project, "1", QUARTER.starts, QUARTER.ends)
    works.live_through(date(2026, 6, 2), date(2026, 6, 4))
    assert len(messages(works)) == 1


def test_skipping_needs_a_reason_and_somebody_who_may(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    (asking,) = works.askings(project)
    with pytest.raises(NotAllowed):
        works.skip(asking.id, SPO)
    for who in (NED, FIN):
        with pytest.raises(NotFound):
            works.skip(asking.id, who)
    with pytest.raises(ValueError, match="reason"):
        works.skip(asking.id, OLA, " ")
    works.skip(asking.id, OLA, "The system is new.")
    works.skip(asking.id, MAX, "Another reason.")
    with works.db.read() as session:
        record = realised.load_asking(works.context(session, OLA), asking.id)
    assert record is not None
    assert (record.reason, record.skipped_by and record.skipped_by.name) == (
        "The system is new.",
        "Ola",
    )
    works.live_through(date(2026, 6, 1), date(2026, 6, 10))
    assert len(messages(works)) == 1
    works.ledger_holds()


def test_a_message_tells_how_it_stands(works: Works) -> None:
    project = works.in_use()
    works.wake_up(FIRST)
    (asking,) = works.askings(project)
    with works.db.read() as session:
        record = realised.require_asking(works.context(session, OLA), asking.id)
        for who, refusal in ((NED, NotFound), (SPO, NotAllowed)):
            with pytest.raises(refusal):
                realised.require_asking(works.context(session, who), asking.id)
    assert (record.planned, record.missing, record.lines) == (40_000, (QUARTER,), ())
    assert record.reporters == {"p-ola", "p-max", "p-pia"}
    works.report(project, "15,000", LIVE, date(2026, 3, 31))
    with works.db.read() as session:
        record = realised.require_asking(works.context(session, OLA), asking.id)
    assert record.missing == (Span(date(2026, 4, 1), date(2026, 4, 30)),)
    assert (record.missing_planned, [line.amount for line in record.lines]) == (20_000, [15_000])


# --- Silence


SILENT = LIVE + timedelta(days=180)


def test_a_long_silence_is_asked_about_and_then_shown_to_the_sponsor(works: Works) -> None:
    project = works.in_use()
    works.live_through(FIRST, FIRST)
    works.deliver()
    works.live_through(SILENT, SILENT)
    kinds = Counter(kind for kind, _ in asked(works, project))
    assert kinds == {"period": 2, "silence": 1}
    # One message asks about the quarter and the silence.
    assert works.told("returns.asked") == ["U0OLA", "U0OLA"]
    works.deliver()
    works.skip(works.askings(project)[1].id, OLA, "Nobody counts it.")
    works.live_through(SILENT + timedelta(days=1), SILENT + timedelta(days=13))
    assert len(messages(works)) == 2
    works.wake_up(SILENT + timedelta(days=14))
    works.deliver()
    works.live_through(SILENT + timedelta(days=15), SILENT + timedelta(days=40))
    assert works.told("returns.asked")[2:] == ["U0SPO"]
    shown = works.askings(project)[-1]
    with works.db.read() as session:
        record = realised.load_asking(works.context(session, SPO), shown.id)
    assert record is not None
    assert (record.kind, record.silent_since, record.reason) == (
        "sponsor",
        LIVE,
        "Nobody counts it.",
    )


def test_a_return_ends_the_silence(works: Works) -> None:
    project = works.in_use()
    works.wake_up(SILENT)
    works.deliver()
    works.report(project, "1", LIVE, QUARTER.ends)
    works.live_through(SILENT + timedelta(days=1), SILENT + timedelta(days=60))
    assert works.told("returns.asked") == ["U0OLA"]
    # 180 days after the last day that was measured, a new one begins.
    works.deliver()
    works.wake_up(date(2026, 10, 28))
    works.deliver()
    works.wake_up(date(2026, 11, 11))
    assert [kind for kind, _ in asked(works, project)].count("silence") == 2
    assert works.told("returns.asked")[-1] == "U0SPO"


def test_an_owner_who_sponsors_is_not_shown_their_own_silence(works: Works) -> None:
    works.in_use(owner=SPO)
    works.live_through(SILENT, SILENT + timedelta(days=30))
    assert set(works.told("returns.asked")) == {"U0SPO"}
    assert "sponsor" not in {row.kind for row in works.askings(1)}


# --- Two years

ZONES = {
    OLA: ("Europe/London", "GB-ENG"),
    LEA: ("America/New_York", "US"),
    BOSS: ("Australia/Lord_Howe", "AU-NSW"),
}


def is_at_work(name: str, moment: datetime) -> bool:
    zone, place = ZONES[name]
    country, _, part = place.partition("-")
    local = moment.astimezone(ZoneInfo(zone))
    free = holidays.country_holidays(country, subdiv=part or None, years=local.year)
    return (
        local.weekday() < 5 and local.date() not in free and time(9) <= local.time() < time(17, 30)
    )


def test_two_years_ask_each_period_once_and_at_work(works: Works) -> None:
    """Days on which nothing ran, messages that are lost, figures that come, that don't, and that come unasked."""
    chance = random.Random("two years")
    for name, (zone, country) in ZONES.items():
        works.put(name, tz=zone, country=country)
    owners = {
        works.standing(
            f"of-{name}", owner=name, status="live", live_on=LIVE + timedelta(days=nth * 11)
        ): name
        for nth, name in enumerate(ZONES)
    }
    day = LIVE
    until = LIVE + timedelta(days=730)
    arrived: list[Outbox] = []
    while day < until:
        works.wake_up(day)
        lost = chance.random() < 0.1
        for row in messages(works):
            if row.expires_at is None or row.expires_at <= works.now:
                continue
            if row.state == "pending" and row.due_at <= works.now + timedelta(hours=30):
                arrived += [] if lost else [row]
                settle(works, row.id, "cancelled" if lost else "sent")
        for project, name in owners.items():
            if chance.random() < 0.02:
                answer(works, project, chance, name)
        day += timedelta(days=chance.choice([1, 1, 1, 1, 1, 2, 9]))
    for row in arrived:
        name = row.lane_key.rsplit(":", 1)[-1].removeprefix("U0").casefold()
        assert is_at_work(name, row.due_at), (name, row.due_at)
        assert row.expires_at is not None
        assert row.expires_at - row.due_at <= timedelta(hours=8.5)
    keys = Counter(row.notice["asking_id"] for row in arrived)
    assert max(keys.values()) == 1
    assert len(keys) > 9
    for project in owners:
        rows = works.askings(project)
        periods = [row for row in rows if row.kind == "period"]
        spans = [Span(row.starts, row.ends) for row in periods]
        assert len(merge(spans)) == 1, "a gap"
        assert sum(span.days for span in spans) == merge(spans)[0].days, "a day asked about twice"
        assert len(periods) >= (until - LIVE).days // 90 - 2


def settle(works: Works, row_id: int, state: str) -> None:
    with works.db.begin() as session:
        session.execute(update(Outbox).where(Outbox.id == row_id).values(state=state))


def answer(works: Works, project: int, chance: random.Random, name: str) -> None:
    """The next days that nobody measured are reported up to yesterday, or what was asked last is skipped."""
    rows = works.askings(project)
    lines = works.returns_of(project, name).lines
    if rows and chance.random() < 0.4:
        works.skip(rows[-1].id, name)
        return
    starts = lines[-1].span.ends + timedelta(days=1) if lines else LIVE
    ends = works.now.date() - timedelta(days=2)
    if starts <= ends:
        works.report(project, "1,000", starts, ends, name)


# --- A process that dies


@pytest.mark.parametrize(
    "point", ["timer.before_commit", "timer.after_commit", "claim.after_commit", "send.after"]
)
def test_whenever_it_dies_the_owner_is_asked_once(
    database: Database, tmp_path: Path, point: str
) -> None:
    fill(database)
    team = Team(database, tmp_path, parse(POLICY).policy)
    team.at(datetime(2026, 5, 29, 3, tzinfo=UTC))
    project = team.project("lane")
    with database.begin() as session:
        row = session.get_one(Project, project)
        row.status, row.live_on = "live", LIVE
        timers.schedule(
            session,
            jobs.ORGANISATION,
            "returns.due",
            "05:00",
            "Europe/London",
            now=clock.now(session),
        )
    armed = [point]

    def probe(name: str) -> None:
        if armed and name == armed[0]:
            armed.clear()
            raise Killed(name)

    team.probe = probe
    for _ in range(30):
        team.at(max(team.next_moment(), team.now()) + timedelta(seconds=1))
        try:
            team.tick()
        except Killed:
            # What was claimed and never sent meets the next day.
            team.at(team.now() + timedelta(hours=30))
        if team.now() > datetime(2026, 6, 12, tzinfo=UTC):
            break
    assert not armed
    sent = [key for key in team.arrived if key.startswith("returns:")]
    assert len(sent) == 1
    with database.read() as session:
        assert len(session.execute(select(ReturnAsking)).scalars().all()) == 1
