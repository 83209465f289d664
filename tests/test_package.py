"""An installed mlgov, away from its checkout: what a user gets from `pip install .`."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed into a folder of its own; its dependencies are those of this environment."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--disable-pip-version-check",
            "--target",
            str(target),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
        timeout=110,
    )
    return target


def run(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.cli.main", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_the_files_that_come_with_it_are_there(installed: Path, tmp_path: Path) -> None:
    assert "socket_mode_enabled: true" in run(installed, tmp_path, "manifest").stdout
    policy = tmp_path / "governance.yml"
    policy.write_text(
        run(installed, tmp_path, "policy", "example").stdout, encoding="utf-8"
    )
    assert "good" in run(installed, tmp_path, "policy", "check").stdout


@pytest.mark.slow
def test_the_demo_runs_in_an_empty_directory_and_stops_cleanly(
    installed: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "bot.cli.main",
            "demo",
            "--port",
            "0",
            "--no-browser",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        answer = httpx.get(found.group(), timeout=10, trust_env=False)
        assert answer.status_code == 200
        assert answer.text.startswith("<!doctype html>")
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=30)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, rest
    assert re.fullmatch(
        r"A pipeline can ask[^\n]*\nMLGOV_URL=[^\n]*\nOnce you approved[^\n]*\ncurl [^\n]* mlgov verify [^\n]*\n",
        rest,
    ), rest
    time.sleep(0.1)
    assert list(tmp_path.iterdir()) == [], "the demo leaves nothing behind"


@pytest.mark.slow
def test_help_is_quick_because_it_loads_neither_slack_nor_the_database(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "sys.argv = ['mlgov', '--help']\n"
        "from bot.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'slack_bolt', 'slack_sdk', 'sqlalchemy', 'duckdb', 'fastapi', 'alembic', 'pydantic'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "HEAVY []" in done.stdout
