"""The reading of Slack at the start and every hour: one process reads, the others wait, and nothing is ready before."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from slack_sdk import WebClient

from bot.people import mirror
from bot.slack.directory import Directory
from sandbox.faults import RateLimits
from storage import leases, runtime
from storage.people import queries, readings
from storage.people.lookups import is_joined
from storage.people.tables import Channel, MirrorReading
from tests.contexts import POLICY
from tests.people.directory.conftest import FAY, FRED, OLA, Opened, Place, one_workspace, until
from tests.people.directory.test_mirror import closed, members
from workflows import clock
from workflows.people import service as people

pytestmark = pytest.mark.slow
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once, and so do tries."""
    monkeypatch.setattr(mirror, "LOOK", 0.05)
    monkeypatch.setattr(mirror, "LOOK_SOON", 0.02)
    monkeypatch.setattr(mirror, "FIRST_PAUSE", timedelta(seconds=0.2))


@contextmanager
def another(place: Place) -> Iterator[Directory]:
    """Another replica's directory, over the same database and workspace."""
    slack = WebClient(
        token=place.sandbox.bot_token, base_url=place.sandbox.api_url, retry_handlers=[]
    )
    slack.proxy = None
    made = Directory(slack, place.db, place.team, lambda: POLICY)
    try:
        yield made
    finally:
        made.close()


def age(place: Place, by: timedelta) -> None:
    """Let that much time have passed since the last reading; negative for a clock that was set back."""
    with place.db.begin() as session:
        for row in session.query(MirrorReading):
            assert row.read_at is not None
            row.read_at -= by


def test_a_start_reads_before_it_is_ready_and_one_replica_reads(open_place: Opened) -> None:
    place = open_place(one_workspace())
    assert place.directory.reader.waits_for() is not None
    with another(place) as other:
        for directory in (place.directory, other):
            directory.reader.start()
        for directory in (place.directory, other):
            assert directory.reader.wait(20)
            assert directory.reader.waits_for() is None
        assert place.asked("users.list") == 1
        assert place.asked("users.conversations") == 1
        assert members(place, "@finance") == {FAY, FRED}
        assert closed(place, "C0GOV")
        age(place, timedelta(hours=2))
        until(lambda: place.asked("usergroups.list") == 2)
        until(lambda: stands(place, "channels").age_is_new)
        threading.Event().wait(0.3)
        assert place.asked("users.list") == 2, "hourly, by one of them"


class stands:
    """How a part of the mirror stands now."""

    def __init__(self, place: Place, kind: str) -> None:
        with place.db.read() as session:
            self.row = readings.read_standing(session)[kind]
            self.now = runtime.real_now(session)

    @property
    def age_is_new(self) -> bool:
        found = self.row.age(self.now)
        return found is not None and found < timedelta(minutes=30)


@ONE
def test_a_mirror_from_before_serves_while_slack_is_slow(open_place: Opened) -> None:
    place = open_place(one_workspace())
    place.read()
    age(place, timedelta(minutes=20))
    with another(place) as other:
        place.sandbox.faults.slow("users.list", seconds=1.5)
        other.reader.start()
        assert other.reader.wait(1.0), "the start is not held up"
        until(lambda: stands(place, "people").age_is_new)
        until(lambda: place.asked("users.list") >= 2)


@ONE
def test_what_was_read_a_moment_ago_is_not_read_again(open_place: Opened) -> None:
    place = open_place(one_workspace())
    place.read()
    with another(place) as other:
        other.reader.start()
        assert other.reader.wait(5)
        threading.Event().wait(0.3)
    assert place.asked("users.list") == 1


@ONE
def test_a_clock_that_was_set_back_does_not_end_the_readings(open_place: Opened) -> None:
    place = open_place(one_workspace())
    place.read()
    age(place, -timedelta(hours=5))
    with another(place) as other:
        other.reader.start()
        until(lambda: place.asked("users.list") == 2)
        until(lambda: stands(place, "channels").row.read_at <= clock_now(place))
        threading.Event().wait(0.3)
        assert place.asked("users.list") == 2


def clock_now(place: Place):  # type: ignore[no-untyped-def]
    with place.db.read() as session:
        return clock.real_now(session)


def test_when_the_reader_dies_another_takes_over(
    open_place: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = open_place(one_workspace())

    def die(session: object) -> None:
        leases.take(
            session,  # type: ignore[arg-type]
            mirror.LEASE,
            owner="dead",
            length=timedelta(seconds=30),
            real_now=runtime.real_now(session) - timedelta(seconds=29),  # type: ignore[arg-type]
        )

    place.db.run(die)
    place.directory.reader.start()
    assert not place.directory.reader.wait(0.3)
    assert "Another replica" in (place.directory.reader.waits_for() or "")
    assert place.directory.reader.wait(20)


@ONE
def test_a_slack_that_says_nothing_is_told_and_asked_again(
    open_place: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    place = open_place(one_workspace())
    place.sandbox.faults.refuse("users.list", error="missing_scope")
    with caplog.at_level(logging.INFO):
        place.directory.reader.start()
        until(lambda: "missing_scope" in (place.directory.reader.waits_for() or ""))
        assert not place.directory.reader.wait(0.1)
        told = [one for one in caplog.messages if "could not be read" in one]
        assert "people: missing_scope" in told[0]
        assert "not ready" in told[0]
        assert stands(place, "people").row.failures >= 1
        assert stands(place, "groups").row.read_at is not None
        place.sandbox.faults.clear()
        assert place.directory.reader.wait(20)
    assert place.asked("usergroups.list") == 1, "what was read is not read again"


@ONE
def test_a_plan_without_user_groups_has_none(open_place: Opened) -> None:
    place = open_place(one_workspace())
    place.sandbox.faults.refuse("usergroups.list", error="plan_upgrade_required")
    assert place.read().entries == {"people": 6, "groups": 0, "channels": 3}


@ONE
def test_too_long_a_page_is_asked_for_in_halves(open_place: Opened) -> None:
    place = open_place(one_workspace())
    place.sandbox.faults.refuse("users.list", error="internal_error", count=3)
    place.directory.reader._refresher._reads._stop.wait = (  # type: ignore[method-assign]
        lambda timeout=None: False
    )
    assert place.read().entries["people"] == 6
    asked = place.sandbox.inspector.calls("/api/users.list")
    assert "limit=250" in str(asked[-1]) or "'limit': '250'" in str(asked[-1])


def test_a_channel_that_mlgov_left_is_not_spoken_in(acme: Place) -> None:
    acme.world.leave("C0GUEST", "U0BOT")
    acme.world.archive("C0SHARED")
    acme.read()
    with acme.db.read() as session:
        assert is_joined(session, "T0ACME", "C0GOV")
        assert not is_joined(session, "T0ACME", "C0GUEST")
        assert not is_joined(session, "T0ACME", "C0SHARED")
    assert not closed(acme, "C0GUEST")


@ONE
def test_one_joined_while_slack_lists_them_stays_joined(open_place: Opened) -> None:
    place = open_place(one_workspace())
    with place.db.read() as session:
        began = runtime.real_now(session)
    place.read()
    place.db.run(
        lambda session: people.leave_other_channels(session, (), org_key="T0ACME", began=began)
    )
    with place.db.read() as session:
        assert is_joined(session, "T0ACME", "C0GOV"), "it was read after the list began"


def test_the_channels_that_matter_are_looked_at_first(acme: Place) -> None:
    with acme.db.begin() as session:
        for row in session.query(Channel):
            row.refreshed_at = None
    with acme.db.read() as session:
        found = people.list_audiences_to_read(
            session, "T0ACME", ["#with-a-guest"], since=runtime.real_now(session)
        )
        assert next(channel for channel, _ in found) == "C0GUEST"
        assert len(found) == 3


@ONE
def test_a_reading_hears_that_its_turn_is_over(open_place: Opened) -> None:
    place = open_place(one_workspace())

    class Lost:
        is_lost = True

    with pytest.raises(mirror.Interrupted):
        place.directory.reader._read(Lost(), readings.KINDS)  # type: ignore[arg-type]
    with place.db.read() as session:
        assert readings.list_unread(session) == ("people", "user groups", "channels")
        assert queries.find_by_slack_id(session, "T0ACME", OLA) is None


@ONE
def test_limits_are_waited_out_and_told(
    open_place: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    place = open_place(one_workspace(), RateLimits(scale=0.01))
    place.sandbox.faults.rate_limit("users.list", retry_after=6, count=1)
    place.directory.reader._refresher._reads._stop.wait = (  # type: ignore[method-assign]
        lambda timeout=None: False
    )
    with caplog.at_level(logging.INFO):
        place.read()
    assert "Slack asks mlgov to wait 6 s before it reads on." in caplog.messages
