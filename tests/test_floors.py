"""The oldest releases that `pyproject.toml` admits: without known holes, and mlgov works on all of them at once."""

import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.stories.office import eventually

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+(?:\[[a-z]+\])?)>=([0-9.]+)")

WITHOUT_HOLES = {
    "h11": (0, 16),  # CVE-2025-43859: bodies in chunks that two servers read differently
    "jinja2": (3, 1, 6),  # CVE-2025-27516: a way out of its sandbox
    "skops": (0, 13),  # CVE-2025-54412, 54413, 54886: code in models that count as harmless
    "starlette": (0, 49, 1),  # CVE-2025-62727: a Range header that takes a processor
}  # fmt: skip


def floors() -> dict[str, str]:
    """Each requirement of the package, of what it loads models with and of the fund line, and its oldest release."""
    extras = PROJECT["optional-dependencies"]
    asked = [
        *PROJECT["dependencies"],
        *(line for extra in ("fairness", "models", "optimise") for line in extras[extra]),
    ]
    matches = [_REQUIREMENT.match(one) for one in asked]
    assert all(matches), asked
    return {match[1]: match[2] for match in matches if match}


def test_the_oldest_releases_have_no_known_hole() -> None:
    admitted = {
        name.partition("[")[0]: tuple(map(int, version.split(".")))
        for name, version in floors().items()
    }
    for name, without in WITHOUT_HOLES.items():
        assert admitted[name] >= without, name


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the oldest of everything."""
    place = tmp_path_factory.mktemp("oldest")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=120)
    python = place / "bin" / "python"
    wanted = [f"{name}=={version}" for name, version in floors().items()]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    got = subprocess.run([*pip, *wanted], capture_output=True, text=True, timeout=900, check=False)
    if got.returncode and "No matching distribution" in got.stderr and sys.version_info >= (3, 13):
        pytest.skip("some of the oldest releases came before this Python")
    assert got.returncode == 0, got.stderr[-2000:]
    (packages,) = place.glob("lib/python3*/site-packages")
    (packages / "mlgov.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    return python


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_the_demo_runs_on_the_oldest_releases(oldest: Path, tmp_path: Path) -> None:
    output = tmp_path / "said.txt"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [str(oldest), "-u", "-m", "bot.cli.main", "demo", "--no-browser", "--port", "0"],
            cwd=tmp_path,
            stdout=out,
            stderr=out,
        )
    try:
        eventually(
            lambda: "A pipeline can ask" in output.read_text() or process.poll() is not None,
            "the demo is ready",
            120,
        )
        said = output.read_text()
        assert process.poll() is None, said
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert address, said
        assert httpx.get(address.group(), trust_env=False, timeout=30).is_success
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert "Traceback" not in output.read_text()


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_models_are_loaded_by_the_oldest_releases(oldest: Path, tmp_path: Path) -> None:
    script = """
import json, pathlib, sys
import numpy, pandas, skops.io, yaml
from sklearn.linear_model import LogisticRegression
from workflows.sources.permutation import runner
place = pathlib.Path(sys.argv[1])
frame = pandas.DataFrame({"income": numpy.arange(100.0), "age": numpy.ones(100)})
truth = (frame.income > 50).astype(int)
(place / "model").mkdir()
skops.io.dump(LogisticRegression().fit(frame, truth), place / "model" / "file")
(place / "model" / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": {
    "pickled_model": "file", "serialization_format": "skops", "sklearn_version": "1"}}}))
frame.assign(fraud=truth).to_csv(place / "cases.csv", index=False)
answer = runner.run_importance(place / "model", place / "cases.csv", seconds=100, target="fraud",
    sandbox=False, needs_isolation=False)
print(json.dumps(answer.features))
"""
    done = subprocess.run(
        [str(oldest), "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert '["income", "age"]' in done.stdout, done.stderr[-2000:]


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_the_fund_line_is_drawn_by_the_oldest_releases(oldest: Path) -> None:
    script = """
from workflows.cases.funding import Candidate, Problem, choose
projects = [Candidate(number, 1, 10**9 + number, 10**10, 10**9 - number, 5) for number in range(40)]
choice = choose(Problem(projects, 7 * 10**9, 99, [frozenset({0, 1})], [frozenset({38, 39})]))
print(sorted(choice.chosen), choice.is_proved)
"""
    done = subprocess.run(
        [str(oldest), "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert "[32, 33, 34, 35, 36, 37, 39] True" in done.stdout, done.stderr[-2000:]
