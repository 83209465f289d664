"""A real Prometheus, asked by mlgov: values, what is refused, what takes too long, and a server that goes and comes."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from bot import doctor
from bot.inventory import monitoring
from storage.enums import ModelState
from storage.inventory.tables import ModelMetric, ModelVersion
from tests.api.conftest import Api
from tests.api.test_models import BOTH, NEW, call, on_sqlite
from tests.stories.office import OLA, OPENS, POLICY
from tests.stories.test_models import Person, record
from workflows import policy
from workflows.errors import InvalidInput
from workflows.sources.prometheus import Prometheus

pytestmark = [pytest.mark.heavy, pytest.mark.slow]
api = on_sqlite
BINARIES = ("prometheus", "promtool")
MEASURES = ("accuracy", "latency", "both", "wrong")
QUERIES = """\
readings:
  every: 1h
  prometheus:
    accuracy: avg(model_accuracy{model="$model", version="$version"})
    latency: max(model_latency_seconds{model="$model"})
    both: model_accuracy
    wrong: model_accuracy * on(model) model_accuracy
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a Prometheus kept of two versions around the time of the stories, a sample a minute."""
    if not all(shutil.which(one) for one in BINARIES):
        reason = f"no {' and '.join(BINARIES)} on the path; Debian's package prometheus has both"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    work = tmp_path_factory.mktemp("prometheus")
    lines = ["# HELP model_accuracy On labelled cases.", "# TYPE model_accuracy gauge"]
    begins = OPENS - timedelta(hours=12)
    for version, value in (("7", "0.7123456789012345"), ("8", "0.91")):
        labels = f'model="fraud-score",version="{version}"'
        lines += [
            f"model_accuracy{{{labels}}} {value} {(begins + timedelta(minutes=one)).timestamp():.0f}"
            for one in range(24 * 60)
        ]
    (work / "samples").write_text("\n".join([*lines, "# EOF", ""]))
    (work / "prometheus.yml").write_text("global: {}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", work / "samples", work / "data"],
        check=True,
        capture_output=True,
    )
    return work


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def served(data: Path, port: int) -> Iterator[str]:
    """The server, on what it kept."""
    with (data / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={data / 'prometheus.yml'}",
                f"--storage.tsdb.path={data / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while not is_ready(url):
            assert process.poll() is None, (data / "log").read_text()[-2000:]
            assert time.monotonic() < end, (data / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def in_use(api: Api) -> None:
    """A version in use for some hours, with four measures in its plan, and the policy's queries for them."""
    deps = api.office.bot.deps
    deps.holder.swap(policy.parse(POLICY + QUERIES), deps.holder.version_id)
    program = api.token("ci", scopes=BOTH, projects=("triage",))
    call(api, program, "", NEW)
    call(api, program, "/fraud-score/versions", {"version": "7", "developers": ["tim@acme.test"]})
    (version,) = record(api.office).versions
    with deps.db.begin() as session:
        row = session.get_one(ModelVersion, version.id)
        row.state, row.state_since = (
            ModelState.IN_USE.value,
            deps.now(session) - timedelta(hours=6),
        )
        for one in MEASURES:
            session.add(
                ModelMetric(
                    version_id=version.id,
                    name=one,
                    threshold=Decimal("0.85"),
                    better="higher",
                    every_days=7,
                )
            )


def test_what_is_watched_is_read_from_it(
    api: Api, data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    port = free_port()
    in_use(api)
    ola = Person(api.office, OLA)

    def watcher(url: str) -> monitoring.Watch:
        made = monitoring.Watch(api.office.bot.deps, Prometheus(url))
        request.addfinalizer(made.stop)
        return made

    with served(data, port) as url:
        watch = watcher(url)
        assert watch.read_due() == 1
        assert [one.words for one in record(api.office).findings] == [
            "accuracy is 0.712345678901, below the 0.85 of its monitoring plan"
        ]
        ola.ask("model fraud-score")
        ola.press("models.open")
        said = ola.window()
        for words in (
            "latency: no reading yet (at least 0.85, every 7 days) · ⚠️ not read: The query gives no value: no series matches it",
            "⚠️ not read: The query gives 2 values where one is needed.",
            "⚠️ not read: Prometheus refuses the query: found duplicate series for the match group",
        ):
            assert words in said
        file = tmp_path / "asks.yml"
        file.write_text(POLICY + QUERIES)
        settings = api.office.bot.deps.settings.model_copy(
            update={"mlgov_prometheus_url": url, "mlgov_policy": file}
        )
        (check,) = (one for one in doctor.run(settings) if one.name == "prometheus")
        assert check.words.startswith(
            "answers; 4 measures in use are read from it, 4 of them without a value"
        ), "at this moment nothing is scraped"
    api.office.move(timedelta(hours=1))
    assert watch.read_due() == 0
    ola.press("models.open")
    assert "accuracy: 0.712345678901 (at least 0.85" in ola.window()
    assert "⚠️ not read: Prometheus does not answer (ConnectError)." in ola.window()
    with served(data, port) as url:
        watch = monitoring.Watch(api.office.bot.deps, Prometheus(url))
        assert watch.read_due() == 1, "it is there again, and the reading of this hour comes"
        watch.stop()


def test_a_query_that_takes_too_long_is_of_that_query_alone(data: Path) -> None:
    with served(data, free_port()) as url:
        with (
            closing(Prometheus(url, timeout=1.0)) as hasty,
            pytest.raises(InvalidInput, match=r"takes longer than 1 s|timed out"),
        ):
            hasty.value("sum(sum_over_time(model_accuracy[12h:10ms]))", OPENS)
        with closing(Prometheus(url)) as prometheus:
            with pytest.raises(InvalidInput, match="parse error"):
                prometheus.value("model_accuracy{", OPENS)
            with pytest.raises(InvalidInput, match="gives a string, not values"):
                prometheus.value('"x"', OPENS)
            assert prometheus.value('model_accuracy{version="8"}', OPENS) == Decimal("0.91")
            assert prometheus.value("scalar(count(model_accuracy))", OPENS) == 2
