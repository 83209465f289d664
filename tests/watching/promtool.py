"""What a bot says at /metrics before and after something happens, made into what promtool evaluates the rules on."""

import math
import os
import shutil
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "mlgov.rules.yml"

Key = tuple[str, tuple[tuple[str, str], ...]]
STEP = 30
"""Seconds between two samples."""
CALM, LONG = 30, 100
"""Samples while all is well, and afterwards."""


def promtool() -> str:
    """Where promtool is; skips without it, and fails in continuous integration."""
    found = shutil.which("promtool")
    if found is None:
        reason = "no promtool on the path; Debian's package prometheus has it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass(slots=True)
class Scrape:
    """What was read at once; nothing but `up` when nobody answered."""

    at: float
    samples: dict[Key, float]


def scrape(base_url: str | None) -> Scrape:
    """Ask as Prometheus does."""
    at = time.monotonic()
    try:
        answer = httpx.get(f"{base_url}/metrics", trust_env=False, timeout=10)
        answer.raise_for_status()
    except httpx.HTTPError:
        return Scrape(at, {("up", ()): 0.0})
    made = Scrape(at, {("up", ()): 1.0})
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if family.type == "histogram" or math.isnan(sample.value):
                continue
            made.samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return made


def _values(key: Key, calm: Scrape, first: Scrape, second: Scrape, *, grows: bool) -> str:
    """The samples of one series: as it was, then as it became; what grows by a second a second goes on growing."""
    before = calm.samples.get(key)
    head = f"_x{CALM}" if before is None else f"{before:f}x{CALM}"
    if (now := second.samples.get(key)) is None:
        return f"{head} stale _x{LONG}"
    if grows:
        assert now - first.samples[key] > 0.5, f"{key[0]} does not grow"
        return f"{head} {now:f}+{STEP}x{LONG}"
    return f"{head} {now:f}x{LONG}"


def fired(
    work: Path,
    calm: Scrape,
    first: Scrape,
    second: Scrape,
    expected: Collection[str],
    *,
    grows: str = "",
) -> None:
    """Assert that no alert fires while it is calm, and that exactly these do afterwards, while `grows` goes on growing."""
    keys = calm.samples.keys() | first.samples.keys() | second.samples.keys()
    series = []
    for key in sorted(keys):
        name, labels = key
        where = {"job": "mlgov", "instance": "a"} | dict(labels)
        shown = ", ".join(f'{label}="{value}"' for label, value in where.items())
        series.append(
            {
                "series": f"{name}{{{shown}}}",
                "values": _values(key, calm, first, second, grows=name == grows),
            }
        )
    fires = 'ALERTS{alertstate="firing"}'
    file = work / "alerts.test.yml"
    file.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": f"{STEP}s",
                "tests": [
                    {
                        "interval": f"{STEP}s",
                        "input_series": series,
                        "promql_expr_test": [
                            {"expr": fires, "eval_time": f"{CALM * STEP}s", "exp_samples": []},
                            {
                                "expr": f"group by (alertname) (max_over_time({fires}[{LONG * STEP}s]))",
                                "eval_time": f"{(CALM + LONG) * STEP}s",
                                "exp_samples": [
                                    {"labels": f'{{alertname="{name}"}}', "value": 1}
                                    for name in sorted(expected)
                                ],
                            },
                        ],
                    }
                ],
            }
        )
    )
    done = subprocess.run(
        [promtool(), "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
