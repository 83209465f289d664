"""Odd answers of Prometheus: each is a sentence about its own query, never a traceback."""

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from workflows.errors import InvalidInput
from workflows.sources.prometheus import Prometheus

HISTOGRAM = {"metric": {}, "histogram": [1.0, {"count": "5", "sum": "2", "buckets": []}]}
ANSWERS: dict[str, Any] = {
    "good": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "0.25"]}]},
    "scalar": {"resultType": "scalar", "result": [1, "3"]},
    "histogram": {"resultType": "vector", "result": [HISTOGRAM]},
    "null": {"resultType": "vector", "result": [{"metric": {}, "value": None}]},
    "short": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]},
    "empty": {"resultType": "vector", "result": [{"metric": {}, "value": []}]},
    "null within": {"resultType": "vector", "result": [{"value": [1, None]}]},
    "no object": {"resultType": "vector", "result": ["0.25"]},
    "no list": {"resultType": "vector", "result": {"value": [1, "2"]}},
    "text": {"resultType": "vector", "result": "0.25"},
    "number": {"resultType": "scalar", "result": 7},
    "scalar null": {"resultType": "scalar", "result": [1, None]},
    "nested": {"resultType": "vector", "result": [{"value": [1, {"a": 1}]}]},
    "string": {"resultType": "string", "result": [1, "x"]},
    "nothing": None,
    "kind": {"resultType": ["vector"], "result": [{"value": [1, "2"]}]},
}


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            [query] = parse_qs(urlsplit(self.path).query)["query"]
            data = ANSWERS.get(query, ANSWERS["good"])
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    client = Prometheus(f"http://127.0.0.1:{server.server_address[1]}")
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def test_one_number_is_read(prometheus: Prometheus) -> None:
    assert prometheus.value("good") == Decimal("0.25")
    assert prometheus.value("scalar") == Decimal(3)


@pytest.mark.parametrize("query", sorted(ANSWERS.keys() - {"good", "scalar"}))
def test_an_odd_answer_costs_its_own_query(prometheus: Prometheus, query: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        prometheus.value(query)
    assert refusal.value.field == "query"
    if query == "histogram":
        assert "histogram_quantile" in refusal.value.sentence
