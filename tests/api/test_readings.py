"""Readings from the command line: one, from Prometheus, and from a table."""

import json
import time
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bot import doctor
from bot.inventory import monitoring
from storage.enums import ModelState
from storage.inventory.tables import ModelMetric, ModelVersion
from tests.api.conftest import Api
from tests.api.test_models import BOTH, NEW, call, mlgov, on_sqlite
from tests.registry.test_client import Answer, Server
from tests.stories.office import OLA, POLICY
from tests.stories.test_models import Person, record
from workflows import policy
from workflows.errors import InvalidInput
from workflows.sources.prometheus import NOTHING, Prometheus, PrometheusTrouble

api = on_sqlite


@pytest.fixture
def token(api: Api) -> str:
    """A program, and a version whose accuracy is watched."""
    made = api.token("ci", scopes=BOTH, projects=("triage",))
    call(api, made, "", NEW)
    call(api, made, "/fraud-score/versions", {"version": "7", "developers": ["tim@acme.test"]})
    (version,) = record(api.office).versions
    with api.office.db.begin() as session:
        session.add(
            ModelMetric(
                version_id=version.id,
                name="accuracy",
                threshold=Decimal("0.85"),
                better="higher",
                every_days=7,
            )
        )
    return made


def test_one_reading_and_one_from_prometheus(api: Api, token: str) -> None:
    given = ("model", "reading", "fraud-score:7", "accuracy")
    assert mlgov(api, token, *given, "0.9") == (0, "Kept.\n")
    assert mlgov(api, token, *given)[0] == 2
    assert mlgov(api, token, *given, "0.9", "--prometheus", "http://127.0.0.1:9")[0] == 2
    prometheus = Server()
    asked = ("--prometheus", prometheus.url, "--query", 'avg(accuracy{model="fraud"})')

    def answers(data: object, status: str = "success") -> None:
        body = json.dumps({"status": status, "data": data, "error": "parse error"}).encode()
        prometheus.answer = lambda method, path: (200, {}, body)

    answers({"resultType": "vector", "result": [{"metric": {}, "value": [1.0, "0.71"]}]})
    code, said = mlgov(api, token, *given, *asked)
    assert (code, said) == (
        21,
        "Prometheus says 0.71.\nKept: it is a breach, and a finding is open.\n",
    )
    assert [one.words for one in record(api.office).findings] == [
        "accuracy is 0.71, below the 0.85 of its monitoring plan"
    ]
    assert "query=avg%28accuracy" in prometheus.seen[-1][1]
    answers({"resultType": "scalar", "result": [1.0, "0.93"]})
    assert mlgov(api, token, *given, *asked) == (0, "Prometheus says 0.93.\nKept.\n")
    for data, status, words in (
        ({"resultType": "vector", "result": []}, "success", "gives no value: no series matches"),
        (
            {"resultType": "vector", "result": [{"value": [1, "NaN"]}]},
            "success",
            "gives NaN, which is no reading",
        ),
        ({}, "error", "refuses the query: parse error"),
    ):
        answers(data, status)
        code, said = mlgov(api, token, *given, *asked)
        assert (code, words in said) == (1, True), said
    prometheus.answer = lambda method, path: (200, {}, b"<html>")
    assert "no Prometheus" in mlgov(api, token, *given, *asked)[1]
    prometheus.stop()
    assert "does not answer" in mlgov(api, token, *given, *asked)[1]


def test_a_table_of_readings(api: Api, token: str, tmp_path: Path) -> None:
    table = tmp_path / "r.csv"
    table.write_text(
        "Model,Version,Metric,Value,At\n"
        "fraud-score,7,accuracy,0.91,2026-01-20T09:00:00Z\n"
        "fraud-score,7,accuracy,0.80,2026-01-21T09:00:00Z\n"
    )
    told = (21, "Kept: 2 readings, 1 of them a breach.\n")
    assert mlgov(api, token, "model", "readings", str(table)) == told
    assert mlgov(api, token, "model", "readings", str(table)) == told, (
        "the same again changes nothing"
    )
    assert len(record(api.office).findings) == 1
    table.write_text(
        "model,version,metric,value,at\nfraud-score,7,accuracy,,2026-01-20T09:00:00Z\n"
    )
    code, said = mlgov(api, token, "model", "readings", str(table))
    assert (code, said) == (
        1,
        "Line 2 has no value. The columns are model, version, metric, value and at; nothing was sent.\n",
    )
    table.write_text(
        "model,version,metric,value,at\nfraud-score,7,horoscope,1,2026-01-20T09:00:00Z\n"
    )
    assert "has no measure 'horoscope'" in mlgov(api, token, "model", "readings", str(table))[1]
    table.write_bytes(b"\xff\xfe")
    assert "no CSV in UTF-8" in mlgov(api, token, "model", "readings", str(table))[1]
    table.write_text("model,version,metric,value,at\n")
    assert "holds no reading" in mlgov(api, token, "model", "readings", str(table))[1]


def test_mlgov_asks_prometheus_itself(api: Api, token: str) -> None:
    deps = api.office.bot.deps
    text = policy.parse(
        f'{POLICY}readings:\n  every: 1h\n  prometheus: {{accuracy: \'acc{{m="$model",v="$version"}}\', latency: up}}\n'
    )
    deps.holder.swap(text, deps.holder.version_id)
    (version,) = record(api.office).versions
    with deps.db.begin() as session:
        row = session.get_one(ModelVersion, version.id)
        row.state, row.state_since = (
            ModelState.IN_USE.value,
            deps.now(session) - timedelta(hours=2),
        )
    server = Server()
    watch = monitoring.Watch(deps, Prometheus(server.url, token="sesame"))

    def answers(value: str) -> None:
        body = json.dumps(
            {
                "status": "success",
                "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, value]}]},
            }
        ).encode()
        server.answer = lambda method, path: (200, {}, body)

    answers("NaN")
    assert watch.read_due() == 0
    answers("0.7123456789012345678")
    assert watch.read_due() == 0, "what gave nothing is asked again later"
    assert len(server.seen) == 1
    ola = Person(api.office, OLA)
    ola.ask("model fraud-score")
    ola.press("models.open")
    assert (
        "accuracy: no reading yet (at least 0.85, every 7 days) · ⚠️ not read: The query gives NaN, which is no reading."
        in ola.window()
    )
    watch.stop()
    watch = monitoring.Watch(deps, Prometheus(server.url, token="sesame"))
    assert watch.read_due() == 1
    assert watch.read_due() == 0, "once a round"
    ola.press("models.open")
    assert "not read" not in ola.window()
    _, path, credentials = server.seen[-1]
    assert credentials == "Bearer sesame"
    assert parse_qs(urlsplit(path).query)["query"] == ['acc{m="fraud-score",v="7"}']
    assert parse_qs(urlsplit(path).query)["time"][0].endswith("00.000")
    assert [one.words for one in record(api.office).findings] == [
        "accuracy is 0.712345678901, below the 0.85 of its monitoring plan"
    ]
    server.stop()
    api.office.move(timedelta(hours=1))
    assert watch.read_due() == 0, "a server that is down costs nothing but the reading"
    ola.press("models.open")
    assert "⚠️ not read: Prometheus does not answer (ConnectError)." in ola.window()
    watch.stop()


def test_doctor_asks_every_query_once(api: Api, token: str, tmp_path: Path) -> None:
    (version,) = record(api.office).versions
    with api.office.db.begin() as session:
        session.get_one(ModelVersion, version.id).state = ModelState.IN_USE.value
    file = tmp_path / "asks.yml"
    file.write_text(f"{POLICY}readings: {{prometheus: {{accuracy: up}}}}\n")
    server = Server()
    settings = api.office.bot.deps.settings.model_copy(
        update={"mlgov_prometheus_url": server.url, "mlgov_policy": file}
    )

    def found() -> tuple[bool, str]:
        (check,) = (one for one in doctor.run(settings) if one.name == "prometheus")
        return check.ok, check.words

    one = {"resultType": "vector", "result": [{"value": [1, "0.9"]}]}
    none = {"resultType": "vector", "result": []}

    def answer(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        data = one if "vector" in path or good else none
        return 200, {}, json.dumps({"status": "success", "data": data}).encode()

    server.answer = answer
    good = True
    assert found() == (True, "answers; 1 measure in use is read from it")
    good = False
    ok, words = found()
    assert not ok
    assert "fraud-score:7 accuracy: The query gives no value" in words
    server.stop()
    assert found() == (False, "Prometheus does not answer (ConnectError).")


def test_one_slow_query_is_told_from_a_server_that_is_silent() -> None:
    server = Server()
    one = {"resultType": "vector", "result": [{"value": [1, "0.9"]}]}
    good = 200, {}, json.dumps({"status": "success", "data": one}).encode()

    def answer(method: str, path: str) -> Answer:
        if "slow" in path or silent:
            time.sleep(0.8)
        return good

    silent = False
    server.answer = answer
    with closing(Prometheus(server.url, timeout=0.4)) as prometheus:
        with pytest.raises(InvalidInput, match=r"takes longer than 0\.4 s"):
            prometheus.value("slow")
        assert prometheus.value("quick") == Decimal("0.9")
        silent = True
        with pytest.raises(PrometheusTrouble, match="takes longer"):
            prometheus.value("slow")
        silent = False
        for status, body, kind in (
            (
                503,
                {"status": "error", "errorType": "unavailable", "error": "starting"},
                "refuses the query: starting",
            ),
            (
                500,
                {"status": "error", "errorType": "internal", "error": "disk"},
                "refuses the query: disk",
            ),
            (401, "no", r"refuses the token \(HTTP 401\)"),
            (503, "Service Unavailable", "That is no Prometheus: HTTP 503"),
        ):
            told = status, {}, json.dumps(body).encode()
            server.answer = lambda method, path, told=told: told
            with pytest.raises(PrometheusTrouble, match=kind):
                prometheus.value("up")
    server.stop()


def test_a_query_that_fails_in_the_server_holds_up_no_other(api: Api, token: str) -> None:
    deps = api.office.bot.deps
    found = policy.parse(
        f"{POLICY}readings:\n  every: 1h\n  prometheus: {{accuracy: bad, latency: good}}\n"
    )
    deps.holder.swap(found, deps.holder.version_id)
    (version,) = record(api.office).versions
    with deps.db.begin() as session:
        session.add(
            ModelMetric(
                version_id=version.id,
                name="latency",
                threshold=Decimal("0.85"),
                better="higher",
                every_days=7,
            )
        )
        row = session.get_one(ModelVersion, version.id)
        row.state, row.state_since = (
            ModelState.IN_USE.value,
            deps.now(session) - timedelta(hours=2),
        )
    server = Server()
    one = {"resultType": "vector", "result": [{"value": [1, "0.9"]}]}
    answers = {
        "bad": (500, {"status": "error", "errorType": "internal", "error": "disk"}),
        "good": (200, {"status": "success", "data": one}),
        NOTHING: (200, {"status": "success", "data": one}),
    }

    def answer(method: str, path: str) -> Answer:
        status, body = answers[parse_qs(urlsplit(path).query)["query"][0]]
        return status, {}, json.dumps(body).encode()

    server.answer = answer
    watch = monitoring.Watch(deps, Prometheus(server.url))
    assert watch.read_due() == 1
    watch.stop()
    server.stop()
