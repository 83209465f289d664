"""Every benchmark runs, at sizes that prove nothing but that, and prints its ratios."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parents[2]


LONG = ("clicks", "card", "delivery")
"""They start several servers each, and wait for Slack's pace."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.heavy if one in LONG else ()) for one in NAMES]
)
def test_it_runs_and_prints_its_ratios(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--small"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((report.RESULTS / f"{name}-small.json").read_text())
    assert found["rows"]
    assert found["ratios"]
    for ratio in found["ratios"]:
        assert math.isfinite(ratio["value"]), ratio
        may_be_none = "429" in ratio["name"] or ratio["name"] == "refused"
        assert ratio["value"] > 0 or may_be_none, ratio
        assert f"{ratio['name']}: " in " ".join(done.stdout.split()), ratio["name"]


def test_an_aim_is_a_least_or_a_most() -> None:
    assert report.Ratio("rate", 0.5, 0.5, is_least=True).is_met is True
    assert report.Ratio("rate", 0.49, 0.5, is_least=True).is_met is False
    assert report.Ratio("time", 1.21, 1.2).is_met is False
    assert report.Ratio("time", 1.21).is_met is None
    assert "MISSED" in report.Ratio("time", 1.21, 1.2).words


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert report.percentile(values, 0.99) == 99.0
    assert report.percentile(values, 0.5) == 50.0
    assert report.percentile([7.0], 0.99) == 7.0
