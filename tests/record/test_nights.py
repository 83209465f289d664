"""Which night's check is due, and where one that was broken off goes on."""

from datetime import UTC, datetime, timedelta

from storage import ledger
from storage.db import Database
from tests.contexts import make_context
from workflows import policy
from workflows.audit import service as audit
from workflows.context import SYSTEM
from workflows.record import telling
from workflows.record.scanning import Look

POLICY = policy.parse("version: 1\norganisation: {name: Acme, timezone: Europe/Berlin}\n").policy
EVENING = datetime(2026, 1, 26, 20, tzinfo=UTC)


def test_a_night_begins_at_four_where_the_organisation_is() -> None:
    for at, night in (
        (datetime(2026, 1, 27, 2, 59, tzinfo=UTC), "2026-01-26"),
        (datetime(2026, 1, 27, 3, 0, tzinfo=UTC), "2026-01-27"),
        (datetime(2026, 7, 27, 2, 0, tzinfo=UTC), "2026-07-27"),
    ):
        assert telling.find_night(at, POLICY)[0] == night


def test_the_check_is_due_once_and_goes_on_where_it_was_broken_off(database: Database) -> None:
    morning = EVENING + timedelta(hours=8)
    night, begins = telling.find_night(morning, POLICY)
    with database.read() as session:
        assert not telling.is_due(session, night, begins)
    with database.begin() as session:
        for number in range(5):
            audit.record(
                make_context(session, actor=SYSTEM, now=EVENING), "case.noted", ("case", number)
            )
    with database.read() as session:
        assert telling.is_due(session, night, begins)
        # What began after four in the morning has nothing to check yet.
        assert not telling.is_due(session, night, EVENING - timedelta(hours=1))
        assert telling.find_checkpoint(session, night) == ledger.Head(0, ledger.GENESIS)
        halfway = ledger.walk(session, ledger.Head(0, ledger.GENESIS), {}, limit=3)
        assert isinstance(halfway, ledger.Head)
    with database.begin() as session:
        telling.checkpoint(make_context(session, now=morning), night, halfway)
    with database.read() as session:
        assert telling.find_checkpoint(session, night) == halfway
        # Another night begins anew.
        assert telling.find_checkpoint(session, "2026-01-28").seq == 0
        look = Look(at=telling.find_checkpoint(session, night)).all(session, morning)
        assert (look.faults, look.at) == ([], ledger.head(session))
    with database.begin() as session:
        telling.finish_night(
            make_context(session, policy=POLICY, org="T0", now=morning), night, look
        )
    with database.read() as session:
        assert not telling.is_due(session, night, begins)
