"""`mlgov run` and `mlgov doctor` as processes of their own, against the stand-in."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bot import installed
from sandbox.faults import Faults
from sandbox.server import Sandbox
from sandbox.world import World
from storage import migrate, runtime
from storage.db import Database
from tests.storage.test_host import held_elsewhere
from tests.stories.office import OLA, POLICY, eventually, organisation

pytestmark = pytest.mark.slow


@pytest.fixture
def slack() -> Iterator[Sandbox]:
    with Sandbox(
        World.from_dict(organisation()), installed.load_manifest(), limits=False, faults=Faults()
    ) as running:
        yield running


def environment(slack: Sandbox, work: Path, **more: str) -> dict[str, str]:
    (work / "governance.yml").write_text(POLICY, encoding="utf-8")
    secret = work / "bot-token"
    secret.write_text(slack.bot_token, encoding="utf-8")
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("SLACK_", "MLGOV_"))
    }
    return (
        clean
        | {
            "SLACK_BOT_TOKEN_FILE": str(secret),
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_API_URL": slack.api_url,
            "MLGOV_DATABASE_URL": f"sqlite:///{work / 'mlgov.db'}",
            "MLGOV_POLICY": str(work / "governance.yml"),
            "MLGOV_ANCHOR": str(work / "heads.jsonl"),
        }
        | more
    )


def mlgov(env: dict[str, str], cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.cli.main", *words],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@contextmanager
def running(
    env: dict[str, str], cwd: Path, *words: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the address it serves at."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "bot.cli.main", "run", "--port", "0", *words],
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = ""
        for line in process.stdout:
            if "mlgov governs" in line:
                break
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        yield process, found.group()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            rest = process.communicate(timeout=90)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, rest
    for secret in (env.get("SLACK_SIGNING_SECRET"), env.get("SLACK_APP_TOKEN")):
        assert secret is None or secret not in rest


def test_over_http(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    with running(env, tmp_path, "--http") as (_process, url):
        slack.deliver_to(f"{url}/slack/events")
        assert slack.verify_url().ok
        assert "Nothing waits for you" in str(slack.seat(OLA).slash("/mlgov", "", "C0TRIAGE").body)
        for path in ("healthz", "readyz"):
            assert httpx.get(f"{url}/{path}", trust_env=False).status_code == 200
        assert "mlgov_outbox_rows" in httpx.get(f"{url}/metrics", trust_env=False).text
        assert httpx.post(f"{url}/slack/events", content=b"x", trust_env=False).status_code == 401


def test_over_socket_mode(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path, SLACK_APP_TOKEN=slack.app_token)
    with running(env, tmp_path) as (_process, url):
        eventually(
            lambda: slack.seat(OLA).slash("/mlgov", "help", "C0TRIAGE").ok,
            "it answers over the socket",
            10,
        )
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        assert httpx.post(f"{url}/slack/events", content=b"x", trust_env=False).status_code == 404


def test_without_tokens_it_says_which(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    missing = mlgov(env, tmp_path, "run")
    assert (missing.returncode, "SLACK_APP_TOKEN" in missing.stderr) == (1, True)
    del env["SLACK_SIGNING_SECRET"]
    assert "SLACK_SIGNING_SECRET" in mlgov(env, tmp_path, "run", "--http").stderr


def test_a_wrong_token_is_refused_in_words(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    del env["SLACK_BOT_TOKEN_FILE"]
    env["SLACK_BOT_TOKEN"] = "xoxb-wrong"
    done = mlgov(env, tmp_path, "run", "--http")
    assert done.returncode == 1
    assert "invalid_auth" in done.stderr
    assert "xoxb-wrong" not in done.stderr + done.stdout


def test_a_sqlite_file_that_another_machine_has_open_is_refused(
    slack: Sandbox, tmp_path: Path
) -> None:
    env = environment(slack, tmp_path)
    with held_elsewhere(tmp_path / "mlgov.db"):
        for words in (("run", "--http"), ("import", "people", "people.csv")):
            done = mlgov(env, tmp_path, *words)
            assert done.returncode == 1
            assert "in use on another machine, mlgov-2" in done.stderr
            assert "PostgreSQL" in done.stderr


def test_it_leaves_the_demos_database_alone(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    database = Database(env["MLGOV_DATABASE_URL"])
    migrate.upgrade(database)
    with database.begin() as session:
        runtime.set_made_by(session, "demo")
        runtime.set_facts(session, {"org_key": "T0"})
    database.close()
    assert "the demo made" in mlgov(env, tmp_path, "run", "--http").stderr


def test_a_bad_policy_is_refused_with_its_line(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    (tmp_path / "governance.yml").write_text(
        "version: 1\norganisation: {name: Acme}\ngate: {}\n", encoding="utf-8"
    )
    assert (
        "governance.yml:3: gate: there is no such key here"
        in mlgov(env, tmp_path, "run", "--http").stderr
    )


def test_doctor_finds_everything_sound(slack: Sandbox, tmp_path: Path) -> None:
    done = mlgov(environment(slack, tmp_path), tmp_path, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert {line[:8] for line in lines} == {"ok      "}
    assert "ok      administrators: Ada" in lines
    assert "ok      groups: Slack has @finance and @mlgov-admins" in lines


def test_doctor_says_how_to_mend(slack: Sandbox, tmp_path: Path) -> None:
    slack.faults.withhold_scope("usergroups:read")
    env = environment(slack, tmp_path, MLGOV_DATABASE_URL="postgresql://127.0.0.1:1/none")
    del env["SLACK_SIGNING_SECRET"]
    (tmp_path / "governance.yml").write_text("version: 2", encoding="utf-8")
    done = mlgov(env, tmp_path, "doctor")
    assert done.returncode == 1
    bad = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    assert [line.split(":")[0] for line in bad] == [
        "failed  scopes",
        "failed  transport",
        "failed  database",
        "failed  policy",
    ]
    assert "usergroups:read" in bad[0]


def test_the_ledger_is_checked_from_outside(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    with running(env, tmp_path, "--http"):
        pass
    del env["MLGOV_ANCHOR"]
    head = mlgov(env, tmp_path, "audit", "head").stdout.strip()
    assert (
        "The ledger holds" in mlgov(env, tmp_path, "audit", "verify", "--expect-head", head).stdout
    )
    forged = head.split(":")[0] + ":" + "0" * 64
    done = mlgov(env, tmp_path, "audit", "verify", "--expect-head", forged)
    assert (done.returncode, "BROKEN at entry" in done.stdout) == (1, True)
    assert mlgov(env, tmp_path, "outbox", "list").stdout.startswith("Nothing waits")


def test_before_slack_has_answered_nothing_is_ready_and_that_is_said(
    slack: Sandbox, tmp_path: Path
) -> None:
    """A token that may not list people: mlgov serves, says what it waits for, and goes on when it may."""
    env = environment(slack, tmp_path)
    slack.faults.refuse("users.list", error="missing_scope")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "bot.cli.main", "run", "--http", "--port", "0"],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if "Slack could not be read" in line:
                break
        assert "people: missing_scope" in said[-1]
        assert "not ready" in said[-1]
        told = mlgov(env, tmp_path, "doctor")
        assert "failed  mirror: people (never read, the last try failed" in told.stdout
        refused = mlgov(env, tmp_path, "sync")
        assert refused.returncode == 1
        assert "people: missing_scope" in refused.stderr
        slack.faults.clear()
        for line in process.stdout:
            said.append(line)
            if "mlgov governs" in line:
                break
        assert "mlgov governs" in said[-1], said
        assert "Traceback" not in "".join(said)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)
    assert process.returncode == 0


def test_one_that_has_governed_waits_for_slack_to_come_back(slack: Sandbox, tmp_path: Path) -> None:
    env = environment(slack, tmp_path)
    with running(env, tmp_path, "--http"):
        pass
    slack.faults.refuse("auth.test", error="internal_error", count=1)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "bot.cli.main", "run", "--http", "--port", "0"],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if "mlgov governs" in line:
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)
    (waits,) = (line for line in said if "can't start without it" in line)
    assert "Slack is in trouble just now (internal_error)." in waits
    assert "mlgov governs" in said[-1]
    assert process.returncode == 0


def test_how_old_the_mirror_is_stands_in_the_metrics(slack: Sandbox, tmp_path: Path) -> None:
    with running(environment(slack, tmp_path), tmp_path, "--http") as (_process, url):
        told = httpx.get(f"{url}/metrics", trust_env=False).text
    ages = dict(re.findall(r'mlgov_mirror_age_seconds\{kind="(\w+)"\} (\S+)', told))
    assert set(ages) == {"people", "groups", "channels"}
    assert all(0 <= float(age) < 600 for age in ages.values())
