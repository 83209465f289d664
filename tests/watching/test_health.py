"""Readiness follows Slack and the database and comes back by itself; liveness falls only for a process that is stuck."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from bot import installed
from storage.db import Database
from tests.conftest import fresh_url
from tests.elsewhere import OwnPostgres
from tests.stories.office import OLA, Office, eventually, opened
from tests.watching.promtool import scrape

pytestmark = pytest.mark.slow

ALIVE = (200, f"ok {installed.describe_version()}")


def asked(office: Office, path: str) -> tuple[int, str]:
    """The status and the line at this address."""
    answer = httpx.get(f"{office.base_url}/{path}", trust_env=False, timeout=30)
    return answer.status_code, answer.text


def is_ready(office: Office) -> bool:
    return asked(office, "readyz") == (200, "ready")


def figure(office: Office, name: str) -> float | None:
    return scrape(office.base_url).samples.get((name, ()))


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path) as running:
        eventually(lambda: is_ready(running), "it is ready")
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    with OwnPostgres() as server:
        yield server


def lines(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


def test_slack_out_of_reach(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.sandbox.faults.fail_before("*")
    eventually(lambda: not is_ready(office), "readiness falls")
    status, line = asked(office, "readyz")
    assert status == 503
    assert line.startswith("Slack has been out of reach for ")
    assert line.endswith(" seconds (HTTP 503 service_unavailable)")
    assert asked(office, "healthz") == ALIVE, "a restart would not mend it"
    trouble = "not ready: Slack has been out of reach"
    eventually(lambda: bool(lines(caplog, trouble)), "the log tells")
    office.sandbox.faults.clear()
    eventually(lambda: is_ready(office), "it comes back by itself")
    eventually(lambda: bool(lines(caplog, "Slack answers again")), "the log tells")
    assert len(lines(caplog, trouble)) == 1
    assert lines(caplog, "Slack answers again") == ["Slack answers again"]


def test_a_token_that_was_revoked(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.sandbox.faults.revoke_token()
    eventually(lambda: not is_ready(office), "readiness falls")
    status, line = asked(office, "readyz")
    assert status == 503
    assert line == (
        "Slack refuses SLACK_BOT_TOKEN (token_revoked): install the app again, and start mlgov with its new token"
    )
    assert asked(office, "healthz") == ALIVE
    trouble = "not ready: Slack refuses SLACK_BOT_TOKEN"
    eventually(lambda: bool(lines(caplog, trouble)), "the log tells")
    office.sandbox.faults.restore_token()
    eventually(lambda: is_ready(office), "it comes back by itself")
    assert len(lines(caplog, trouble)) == 1


def test_errors_of_slacks_own_and_limits_are_no_outage(office: Office) -> None:
    office.sandbox.faults.rate_limit("*", retry_after=1)
    time.sleep(office.bot.reach.limit * 2)
    assert is_ready(office), "who limits us is there"


def test_the_socket(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, over="socket") as office:
        eventually(lambda: is_ready(office), "it is ready")
        office.sandbox.faults.refuse("apps.connections.open", error="invalid_auth")
        office.sandbox.faults.drop_socket("slash_commands", count=1)
        office.sandbox.seat(OLA).slash("/mlgov", "help", "C0TRIAGE")
        eventually(lambda: not is_ready(office), "readiness falls", 30)
        assert asked(office, "readyz")[1].startswith(
            ("Slack refuses SLACK_APP_TOKEN (invalid_auth)", "Slack's socket")
        )
        assert asked(office, "healthz") == ALIVE
        office.sandbox.faults.clear()
        eventually(lambda: is_ready(office), "the socket is opened again", 30)


def test_postgresql_is_stopped_and_comes_back(
    postgres: OwnPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), opened(postgres.url, tmp_path) as office:
        eventually(lambda: is_ready(office), "it is ready")
        office.bot.health.limit = 2.0
        caplog.clear()
        postgres.stop()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            began = time.monotonic()
            assert figure(office, "mlgov_database_up") == 0
            assert figure(office, "mlgov_outbox_oldest_seconds") is None
            assert figure(office, "process_start_time_seconds") is not None
            assert time.monotonic() - began < 20, "three answers"
            assert asked(office, "healthz") == ALIVE, "a restart would not help"
            status, line = asked(office, "readyz")
            assert status == 503
            assert line.startswith("the database cannot be reached")
            said = office.sandbox.seat(OLA).slash("/mlgov", "", "C0TRIAGE")
            assert "mlgov can't reach its database just now" in str(said.body)
            time.sleep(0.5)
        trouble = [one for one in caplog.records if one.levelno >= logging.WARNING]
        assert len(trouble) == 1, [one.getMessage() for one in trouble]
        assert "the database cannot be reached" in trouble[0].getMessage()
        postgres.start()
        eventually(lambda: is_ready(office), "it is ready again")
        eventually(lambda: figure(office, "mlgov_database_up") == 1, "it is read again")
        assert len(lines(caplog, "the database is back")) == 1
        assert not any(record.exc_info for record in caplog.records)
        age = figure(office, "mlgov_tick_age_seconds")
        assert age is not None
        eventually(lambda: (figure(office, "mlgov_tick_age_seconds") or 99) < 3, "it ticks")


def test_postgresql_hangs(postgres: OwnPostgres, tmp_path: Path) -> None:
    """It takes connections and answers nothing, as a machine that swaps does."""
    with opened(postgres.url, tmp_path) as office:
        eventually(lambda: is_ready(office), "it is ready")
        office.bot.health.limit = 2.0
        with frozen(postgres):
            began = time.monotonic()
            assert figure(office, "mlgov_database_up") == 0
            assert time.monotonic() - began < 10, "it never hangs; alone it takes one"
            time.sleep(3)
            assert asked(office, "healthz") == ALIVE
            assert asked(office, "readyz")[0] == 503
        eventually(lambda: is_ready(office), "it is ready again")


class frozen:
    """The server and all that it started stand still."""

    def __init__(self, postgres: OwnPostgres) -> None:
        main = psutil.Process(postgres.pid)
        self._all = [main, *main.children(recursive=True)]

    def __enter__(self) -> None:
        for one in self._all:
            os.kill(one.pid, signal.SIGSTOP)

    def __exit__(self, *error: object) -> None:
        for one in self._all:
            os.kill(one.pid, signal.SIGCONT)


def test_a_process_that_is_stuck(office: Office) -> None:
    office.bot.health.limit = 1.0
    with office.bot.scheduler._turn:
        eventually(lambda: asked(office, "healthz")[0] == 503, "liveness falls")
        assert asked(office, "healthz")[1].startswith("ticking has not run for ")
    office.bot.health.limit = 60.0
    assert asked(office, "healthz") == ALIVE


def test_sqlite_is_locked_by_somebody_else(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.bot.health.limit = 3.0
    other = Database(office.db.url)
    with other.begin() as session:
        session.execute(text("SELECT 1"))
        time.sleep(4)
        assert figure(office, "mlgov_database_up") == 1, "reading takes no lock"
        assert asked(office, "healthz") == ALIVE
    other.close()
    trouble = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(trouble) <= 2, [one.getMessage() for one in trouble]


def test_the_file_of_sqlite_is_spoilt_and_put_back(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(str(office.db.url.database))
    with office.db.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    office.db.engine.dispose()
    office.db._read_engine.dispose()
    whole = file.read_bytes()
    with file.open("r+b") as held:
        held.write(b"no database at all" * 300)
    eventually(lambda: figure(office, "mlgov_database_up") == 0, "it is noticed")
    assert asked(office, "healthz") == ALIVE
    assert asked(office, "readyz")[0] == 503
    time.sleep(3)
    trouble = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(trouble) <= 2, [one.getMessage() for one in trouble]
    with file.open("r+b") as held:
        held.write(whole)
    eventually(lambda: is_ready(office), "it is ready again")
