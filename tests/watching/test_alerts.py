"""Each alert is caused in a running bot: quiet before, and exactly what is promised afterwards."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text, update

from storage.people.tables import MirrorReading
from tests.api.conftest import served
from tests.conftest import fresh_url
from tests.elsewhere import OwnPostgres
from tests.stories.office import OLA, Office, eventually, opened
from tests.watching import promtool
from tests.watching.promtool import RULES, scrape
from workflows import clock, outbox
from workflows.audit.notices import LedgerHead
from workflows.outbox import Destination

pytestmark = pytest.mark.slow


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path) as running:
        yield running


@contextmanager
def causing(office: Office, *alerts: str, grows: str = "") -> Iterator[None]:
    """Scrape before and, twice, after what the block does; exactly these alerts fire, while `grows` goes on growing."""
    calm = scrape(office.base_url)
    yield
    first = scrape(office.base_url)
    time.sleep(1.1)
    second = scrape(office.base_url)
    promtool.fired(office.work, calm, first, second, alerts, grows=grows)


def move(office: Office, by: timedelta) -> None:
    """Move governed time without waiting for what follows."""
    with office.db.begin(patient=True) as session:
        clock.move(session, by)
    office.sandbox.clock.advance(by)


def figure(office: Office, name: str, **labels: str) -> float | None:
    return scrape(office.base_url).samples.get((name, tuple(sorted(labels.items()))))


def post(office: Office) -> None:
    """Something that is to be sent."""
    with office.db.begin() as session:
        outbox.post(
            session,
            LedgerHead("test"),
            to=Destination.channel(office.bot.deps.team.org_key, "C0AUDIT"),
            dedupe_key="test",
            now=office.bot.deps.now(session),
        )


def test_the_rules_are_sound() -> None:
    for words in (("check", "rules", RULES.name), ("test", "rules", "mlgov.rules.test.yml")):
        done = subprocess.run(
            [promtool.promtool(), *words],
            cwd=RULES.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith((".", "ago."))
        assert len(rule["annotations"]["description"]) > 100
    here = Path(__file__).read_text()
    for name in {rule["alert"] for rule in rules}:
        assert re.search(f'"{name}"', here), f"no test here causes {name}"


def test_nobody_answers(office: Office, tmp_path: Path) -> None:
    calm, gone = scrape(office.base_url), scrape("http://127.0.0.1:1")
    promtool.fired(tmp_path, calm, gone, gone, ["MlgovGone"])


def test_the_token_is_revoked(office: Office) -> None:
    with causing(office, "MlgovSlackOutOfReach"):
        office.sandbox.faults.revoke_token()
        eventually(lambda: figure(office, "mlgov_slack_up") == 0, "it is noticed")


def test_slack_does_not_answer(office: Office) -> None:
    with causing(office, "MlgovSlackOutOfReach"):
        office.sandbox.faults.fail_before("*")
        eventually(lambda: figure(office, "mlgov_slack_up") == 0, "it is noticed")
    office.sandbox.faults.clear()
    eventually(lambda: figure(office, "mlgov_slack_up") == 1, "it comes back by itself")


def test_the_socket_does_not_come_back(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, over="socket") as office:
        eventually(lambda: figure(office, "mlgov_socket_up") == 1, "the socket is up")
        with causing(office, "MlgovSocketDown"):
            office.sandbox.faults.refuse("apps.connections.open", error="invalid_auth")
            office.sandbox.faults.drop_socket("slash_commands")
            office.sandbox.seat(OLA).slash("/mlgov", "help", "C0TRIAGE")
            eventually(lambda: figure(office, "mlgov_socket_up") == 0, "it is noticed")


def test_the_database_is_stopped(tmp_path: Path) -> None:
    with OwnPostgres() as postgres, opened(postgres.url, tmp_path) as office:
        with causing(office, "MlgovDatabaseAway"):
            postgres.stop()
            assert figure(office, "mlgov_database_up") == 0
        postgres.start()
        eventually(lambda: figure(office, "mlgov_database_up") == 1, "it is back")


def test_the_clock_hand_is_stuck(office: Office) -> None:
    with (
        office.bot.scheduler._turn,
        causing(office, "MlgovStopped", grows="mlgov_tick_age_seconds"),
    ):
        eventually(lambda: (figure(office, "mlgov_tick_age_seconds") or 0) > 3, "it stands")


def test_a_request_does_not_expire(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with served(fresh_url("sqlite", request, tmp_path), tmp_path) as api:
        assert api.ask(api.token()).status_code == 201
        api.office.settle()
        with api.office.bot.scheduler._turn, causing(api.office, "MlgovApprovalsNotExpired"):
            move(api.office, timedelta(hours=25))
            assert figure(api.office, "mlgov_approvals_overdue") == 1


def test_slack_limits_what_is_sent(office: Office) -> None:
    with causing(office, "MlgovDeliveryStuck"):
        office.sandbox.faults.rate_limit("chat.postMessage", retry_after=3600)
        post(office)
        move(office, timedelta(minutes=20))
        eventually(lambda: (figure(office, "mlgov_outbox_oldest_seconds") or 0) > 900, "it waits")


def test_slack_will_not_take_a_message(office: Office) -> None:
    with causing(office, "MlgovDeadLetters"):
        office.sandbox.faults.refuse("chat.postMessage", error="is_archived")
        post(office)
        eventually(
            lambda: (figure(office, "mlgov_outbox_rows", state="dead") or 0) > 0, "it is given up"
        )


def test_a_job_fails_again_and_again(office: Office) -> None:
    with causing(office, "MlgovJobsFailing"):
        with office.db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE webhook RENAME TO elsewhere"))
        for _ in range(3):
            office.bot.scheduler.hurry()


def test_the_ledgers_head_goes_nowhere(office: Office) -> None:
    office.move(timedelta(hours=1))
    assert figure(office, "mlgov_ledger_head_age_seconds", place="anchor") is not None
    with office.bot.scheduler._turn, causing(office, "MlgovLedgerHeadNotPublished"):
        move(office, timedelta(hours=27))


def test_the_anchor_takes_nothing(office: Office) -> None:
    with causing(office, "MlgovAnchorFailing"):
        office.anchor.unlink(missing_ok=True)
        office.anchor.mkdir()
        move(office, timedelta(hours=1))
        office.bot.scheduler.hurry()
        eventually(
            lambda: (figure(office, "mlgov_anchor_failures_total") or 0) >= 3,
            "it failed three times",
        )


def test_slack_was_not_read_for_hours(office: Office) -> None:
    office.sandbox.faults.refuse("users.list", error="missing_scope")
    with causing(office, "MlgovMirrorStale"), office.db.begin() as session:
        # Readings go by real time, which no test moves: the last one was three hours ago.
        session.execute(
            update(MirrorReading).values(read_at=clock.real_now(session) - timedelta(hours=3))
        )
