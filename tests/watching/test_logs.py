"""One line an action, whichever way it came, that names nobody; and everything in one form."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from bot import logs
from bot.web import metrics
from sandbox.outgoing.delivery import signed_headers
from tests.conftest import fresh_url
from tests.serving.test_run import environment, running, slack
from tests.stories.office import FAY, OLA, TIM, Office, eventually, opened
from workflows.context import SYSTEM

__all__ = ["slack"]


@pytest.fixture(params=["http", "socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, over=request.param) as running_office:
        running_office.project("triage", "Ticket triage")
        yield running_office


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is written as JSON from now on."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler, root = Keep(), logging.getLogger()
    handler.setFormatter(logs.Json())
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def actions(lines: list[str]) -> list[dict[str, object]]:
    found = [json.loads(line) for line in lines]
    return [line for line in found if line["logger"] == "mlgov.action"]


TYPED = "Xylophones cost more than we thought"


@pytest.mark.slow
def test_a_request_from_asking_to_deciding(office: Office, lines: list[str]) -> None:
    counted = metrics.REQUESTS.labels("command", "200", "ok")._value.get()
    tim = office.sandbox.seat(TIM)
    tim.slash("/mlgov", "", "C0TRIAGE")
    tim.slash("/mlgov", f"xyzzy {TYPED}", "C0TRIAGE")
    tim.slash("/mlgov", "budget triage", "C0TRIAGE")
    tim.open_home()
    eventually(lambda: len(actions(lines)) >= 4, "each is told")
    told = [line for line in actions(lines) if line["kind"] in {"command", "home"}]
    assert [(line["kind"], line["action"], line["outcome"]) for line in told[:4]] == [
        ("command", "/mlgov", "ok"),
        ("command", "unknown", "refused"),
        ("command", "/mlgov budget", "ok"),
        ("home", "home.opened", "ok"),
    ]
    for line in told:
        assert re.fullmatch(r"[0-9a-f]{6}", str(line["request"]))
        assert str(line["actor"]).startswith("p_")
        assert float(str(line["milliseconds"])) > 0
        assert line["level"] == "info"
    assert len({line["actor"] for line in told}) == 1
    assert len({line["request"] for line in told}) == len(told)
    whole = "\n".join(lines)
    for words in ("Tim", "Ola", TIM, OLA, "Xylophones", "xyzzy", "Ticket triage"):
        assert words not in whole, f"{words} stands in the log"
    assert metrics.REQUESTS.labels("command", "200", "ok")._value.get() == counted + 2, (
        "counted over Socket Mode too"
    )


@pytest.mark.slow
def test_the_reference_that_a_person_reads_finds_the_line_and_the_traceback(
    office: Office, lines: list[str]
) -> None:
    with office.db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE budget RENAME TO elsewhere"))
    said = str(office.sandbox.seat(TIM).slash("/mlgov", "budget triage", "C0TRIAGE").body)
    (reference,) = re.findall(r"\(ref ([0-9a-f]{6})\)", said)
    eventually(lambda: len(actions(lines)) >= 1, "it is told")
    found = [json.loads(line) for line in lines]
    about = [line for line in found if line.get("request") == reference]
    (line,) = (one for one in about if one["logger"] == "mlgov.action")
    assert (line["action"], line["outcome"]) == ("/mlgov budget", "failed")
    assert any("no such table" in one["message"] for one in about)


@pytest.mark.slow
def test_a_refusal_is_no_failure(office: Office, lines: list[str]) -> None:
    office.sandbox.seat(FAY).slash("/mlgov", "rollout", "C0TRIAGE")
    eventually(lambda: len(actions(lines)) >= 1, "it is told")
    assert actions(lines)[-1]["outcome"] == "refused"


@pytest.mark.slow
def test_the_api_and_jobs_are_told_the_same_way(
    request: pytest.FixtureRequest, tmp_path: Path, lines: list[str]
) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path) as office:
        answer = httpx.get(f"{office.base_url}/api/v1/approvals/5", trust_env=False)
        httpx.get(f"{office.base_url}/api/v1/no/{TYPED}", trust_env=False)
        eventually(lambda: len(actions(lines)) >= 2, "both are told")
        first, second = (line for line in actions(lines) if line["kind"] == "api")
        assert (first["action"], first["outcome"]) == ("GET /approvals/{approval_id}", "refused")
        assert first["request"] == answer.headers["x-request-id"]
        assert second["action"] == "GET other"
        lines.clear()
        office.move(timedelta(hours=1))
        (head,) = (line for line in actions(lines) if line["action"] == "ledger.head")
        assert (head["kind"], head["actor"], head["outcome"], head["about"]) == (
            "job",
            SYSTEM.id,
            "ok",
            "2026-01-26",
        )


@pytest.mark.slow
def test_a_wrong_signing_secret_leaves_one_line(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = metrics.TURNED_AWAY.labels("signature")._value.get()
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path) as office:
        caplog.clear()
        body = b"command=%2Fmlgov&text=secret-words&user_id=U1&channel_id=C1"
        kind = "application/x-www-form-urlencoded"
        for _ in range(20):
            headers = signed_headers("not-the-secret", body, kind)
            answer = httpx.post(
                f"{office.base_url}/slack/events", content=body, headers=headers, trust_env=False
            )
            assert answer.status_code == 401
        told = [one.getMessage() for one in caplog.records if one.name == "mlgov"]
        assert len(told) == 1, told
        assert "SLACK_SIGNING_SECRET" in told[0]
        assert "secret-words" not in caplog.text
    assert metrics.TURNED_AWAY.labels("signature")._value.get() == before + 20


def test_json_holds_what_was_added_and_the_traceback(lines: list[str]) -> None:
    with logs.log_act(logs.Act("click", reference="ab12cd")):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("it broke: %s", "“so”")
    first, action = (json.loads(line) for line in lines)
    assert first["message"] == "it broke: “so”"
    assert first["request"] == "ab12cd"
    assert first["exception"].endswith("ValueError: two\nlines")
    assert all("\n" not in line for line in lines)
    assert action["message"].startswith("click unknown: ok in ")


def test_a_block_that_breaks_is_a_failure(lines: list[str]) -> None:
    def breaks() -> None:
        with logs.log_act(logs.Act("click")):
            logs.note_refusal()
            raise KeyError

    with pytest.raises(KeyError):
        breaks()
    assert json.loads(lines[0])["outcome"] == "failed"
    assert logs.current() is None


SCRIPT = """
import logging, threading, warnings
from bot import logs
logs.configure("info", "json")
logging.getLogger("mlgov").info("ours")
logging.getLogger("uvicorn.error").info("chatter")
logging.getLogger("slack_sdk").warning("theirs")
for _ in range(50):
    logging.getLogger("mlgov.bolt").error("Failed to check the current session or reconnect")
warnings.warn("beware")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
"""


def test_everything_a_process_says_is_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in found] == [
        "mlgov",
        "slack_sdk",
        "mlgov.bolt",
        "py.warnings",
        "mlgov",
    ]
    assert "ZeroDivisionError" in found[-1]["exception"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_setting(slack: object, tmp_path: Path, form: str) -> None:
    from sandbox.server import Sandbox

    assert isinstance(slack, Sandbox)
    env = environment(slack, tmp_path, MLGOV_LOG_FORMAT=form)
    with running(env, tmp_path, "--http") as (process, url):
        slack.deliver_to(f"{url}/slack/events")
        slack.seat(OLA).slash("/mlgov", "help", "C0TRIAGE")
        assert process.stdout is not None
        for line in process.stdout:
            if "/mlgov help" in line:
                break
    if form == "json":
        assert json.loads(line)["action"] == "/mlgov help"
    else:
        assert re.search(
            r" INFO mlgov\.action command /mlgov help: ok in \d+ ms \(actor p_\w+, ref [0-9a-f]{6}\)",
            line,
        )


def test_a_format_that_is_none_is_refused() -> None:
    from bot.settings import SettingsRefused, read

    with pytest.raises(SettingsRefused, match="MLGOV_LOG_FORMAT"):
        read({"MLGOV_LOG_FORMAT": "xml"})
    assert read({}).mlgov_log_format == "text"
