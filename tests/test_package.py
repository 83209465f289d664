"""An installed mlgov, away from its checkout: what a user gets from `pip install .`."""

import os
import re
import shutil
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
    policy.write_text(run(installed, tmp_path, "policy", "example").stdout, encoding="utf-8")
    assert "good" in run(installed, tmp_path, "policy", "check").stdout


@pytest.mark.slow
def test_the_demo_runs_in_an_empty_directory_and_stops_cleanly(
    installed: Path, tmp_path: Path
) -> None:
    _runs_the_demo(
        [sys.executable, "-u", "-m", "bot.cli.main"],
        tmp_path,
        os.environ | {"PYTHONPATH": str(installed)},
    )


def _runs_the_demo(program: list[str], cwd: Path, env: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*program, "demo", "--port", "0", "--no-browser"],
        cwd=cwd,
        env=env | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        # All of it, since what is read ahead here is not there for what reads the rest.
        told = "".join(process.stdout.readline() for _ in range(4))
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
        told,
    ), told
    assert rest == ""
    time.sleep(0.1)
    assert list(cwd.iterdir()) == [], "the demo leaves nothing behind"


def core_only(code: str, cwd: Path) -> str:
    """What that code prints in an interpreter that has only what a plain installation brings."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.core_only", code],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SWEEP = """
import importlib, pkgutil, sys
for extra in ("fairlearn", "sklearn", "skops", "cloudpickle", "scipy", "pytest", "hypothesis"):
    try:
        importlib.import_module(extra)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{extra} was to be hidden")
count = 0
for root in ("storage", "workflows", "bot", "sandbox"):
    package = importlib.import_module(root)
    for found in pkgutil.walk_packages(package.__path__, f"{root}."):
        if "migrations.versions" in found.name or found.name.endswith("migrations.env"):
            continue
        if found.name.endswith(("__main__", "permutation.child")):
            continue
        importlib.import_module(found.name)
        count += 1
import typer
from typer.testing import CliRunner
from bot.cli.main import app
def walk(command, words):
    yield words
    for name, each in sorted(getattr(command, "commands", {}).items()):
        yield from walk(each, [*words, name])
commands = list(walk(typer.main.get_command(app), []))
for words in commands:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, (words, done.output, done.exception)
print(count, len(commands))
"""


@pytest.mark.slow
def test_everything_loads_and_helps_with_what_a_plain_installation_brings(tmp_path: Path) -> None:
    modules, commands = core_only(SWEEP, tmp_path).split()
    assert int(modules) > 400
    assert int(commands) > 60


DEMO = """
import datetime, json
from sqlalchemy import text
from bot.demo.command import Demo
demo = Demo(at=datetime.datetime(2026, 1, 26, 8, 50, tzinfo=datetime.UTC))
try:
    demo.start()
    with demo.running.deps.db.read() as session:
        asked = text("SELECT content FROM evidence WHERE type = 'fairness_report'")
        found = [str(one) for one in session.execute(asked).scalars()]
    print("FAIRNESS", sum("demographic_parity_ratio" in one for one in found))
finally:
    demo.stop()
"""


@pytest.mark.slow
def test_the_demo_is_whole_with_what_a_plain_installation_brings(tmp_path: Path) -> None:
    (figures,) = re.findall(r"FAIRNESS (\d+)", core_only(DEMO, tmp_path))
    assert int(figures) >= 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_a_plain_installation_runs_the_demo_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """`pip install .` into a virtual environment that has nothing else, then `mlgov demo` in an empty folder."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    source = tmp_path / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__")
    )
    subprocess.run([python, "-m", "pip", "install", "--quiet", source], check=True, timeout=1000)
    listed = subprocess.run(
        [python, "-m", "pip", "list"], capture_output=True, text=True, check=True
    ).stdout.casefold()
    assert not {"fairlearn", "pytest", "ruff"} & set(listed.split())
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    _runs_the_demo([str(python.with_name("mlgov"))], empty, env)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (("gate", "--gate", "x", "--subject", "m:7", "--digest", f"sha256:{'a' * 64}", "--timeout", "0s"), 1),
        (("approvals", "list"), 1),
        (("verify", "x", "--key", "y"), 2),
    ],
)  # fmt: skip
def test_commands_of_pipelines_load_no_server(
    words: tuple[str, ...], ends: int, tmp_path: Path
) -> None:
    code = f"""
import sys
sys.argv = ["mlgov", *{words!r}]
from bot.cli.main import main
try:
    main()
except SystemExit as ended:
    print("ENDED", ended.code)
heavy = {{"slack_bolt", "slack_sdk", "sqlalchemy", "duckdb", "fastapi", "alembic", "pandas", "numpy",
          "matplotlib", "cel_expr_python", "holidays", "openpyxl"}} & set(sys.modules)
print("HEAVY", sorted(heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(ROOT)}
        | {"MLGOV_URL": "http://127.0.0.1:9", "MLGOV_TOKEN": "mlgov_m_x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"ENDED {ends}" in done.stdout, done.stderr
    assert "HEAVY []" in done.stdout


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
