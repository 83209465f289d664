"""Runs and contents of which the registry gives some, and fails to give others."""

from collections.abc import Iterator
from typing import Any

import pytest

from bot.registry import sync
from bot.registry.sync import Reader
from tests.registry.test_client import Answer, Server, answer_json
from workflows.sources import http
from workflows.sources.mlflow import client as module
from workflows.sources.mlflow.client import MlflowClient, RegistryTrouble

BROKEN: Answer = answer_json({"error_code": "INTERNAL_ERROR"}, 500)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def registry(server: Server) -> Iterator[MlflowClient]:
    made = MlflowClient(server.url, timeout=2)
    yield made
    made.close()


def contents(broken: tuple[str, ...], below: bytes = b"weights") -> Any:
    """Every version has one file; the stores of some are broken."""

    def answer(method: str, path: str) -> Answer:
        if "get-download-uri" in path:
            version = path.rsplit("version=", 1)[1]
            return answer_json({"artifact_uri": f"mlflow-artifacts:/{version}"})
        if "?path=" in path:
            version = path.rsplit("path=", 1)[1]
            return BROKEN if version in broken else answer_json({"files": [{"path": "model.bin"}]})
        return 200, {}, below

    return answer


def test_a_broken_store_costs_its_own_versions_their_digest(
    server: Server, registry: MlflowClient
) -> None:
    reader = Reader(registry)
    server.answer = contents(("1", "3"))
    wanted = [("m", one) for one in "1234"]
    found = reader.contents(wanted)
    assert [found[one].sha256 is not None for one in wanted] == [False, True, False, True]
    assert found["m", "1"].why == "MLflow answers HTTP 500."
    assert found["m", "1"].for_now
    server.answer = contents(())
    assert set(reader.contents(wanted)) == {("m", "2"), ("m", "4")}, "not at every look"
    assert Reader(registry).contents(wanted[:1])["m", "1"].sha256 == found["m", "2"].sha256


def test_a_file_that_fails_is_tried_again_and_one_that_is_refused_is_not(
    server: Server, registry: MlflowClient
) -> None:
    good = contents(())
    status = 503

    def answer(method: str, path: str) -> Answer:
        return (status, {}, b"") if path.endswith("model.bin") else good(method, path)

    server.answer = answer
    assert registry_digest(registry) == (
        "trouble",
        "MLflow does not hand out model.bin (HTTP 503).",
    )
    status = 403
    assert registry_digest(registry) == (
        "unverified",
        "MLflow does not hand out model.bin (HTTP 403).",
    )


def registry_digest(registry: MlflowClient) -> tuple[str, str]:
    try:
        return "unverified", registry.digest("m", "1").why
    except RegistryTrouble as error:
        return "trouble", error.sentence


def test_after_some_troubles_the_rest_waits_for_the_next_look(
    server: Server, registry: MlflowClient
) -> None:
    reader = Reader(registry)
    server.answer = lambda method, path: BROKEN
    wanted = [("m", str(one)) for one in range(8)]
    assert len(reader.contents(wanted)) == sync.TROUBLES
    assert len(server.seen) == sync.TROUBLES
    assert set(reader.contents(wanted)) == set(wanted[3:6]), "those that failed let others go first"


def test_a_run_that_fails_holds_up_no_other(server: Server, registry: MlflowClient) -> None:
    reader = Reader(registry)

    def answer(method: str, path: str) -> Answer:
        run = path.rsplit("=", 1)[1]
        if run == "bad":
            return BROKEN
        if run == "gone":
            return answer_json({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404)
        return answer_json({"run": {"data": {"metrics": [{"key": "auc", "value": 0.9}]}}})

    server.answer = answer
    found = reader.runs(["bad", "gone", "good"])
    assert found == {"gone": ({}, ()), "good": ({"auc": 0.9}, ())}
    assert reader.runs(["bad"]) == {}
    assert sum("=bad" in one[1] for one in server.seen) == 1
    server.answer = lambda method, path: BROKEN
    assert reader.runs([f"r{one}" for one in range(9)]) == {}
    assert sum("=r" in one[1] for one in server.seen) == sync.TROUBLES


def test_a_look_that_has_read_enough_leaves_the_rest(
    server: Server, registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "ENOUGH", 0.0)
    server.answer = contents(())
    wanted = [("m", "1"), ("m", "2")]
    assert list(Reader(registry).contents(wanted)) == wanted[:1]


def test_folders_without_an_end_have_one(
    server: Server, registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ARTIFACTS", 20)

    def answer(method: str, path: str) -> Answer:
        if "get-download-uri" in path:
            return answer_json({"artifact_uri": "mlflow-artifacts:/1"})
        return answer_json({"files": [{"path": "again", "is_dir": True}]})

    server.answer = answer
    assert registry.digest("m", "1").why == "it has more than 20 files"
    assert len(server.seen) < 25


def test_an_answer_that_drips_is_given_up(
    server: Server, registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PATIENCE", 0.3)
    server.drips = 0.05
    server.answer = lambda method, path: (200, {}, b" " * 200)
    with pytest.raises(RegistryTrouble, match="takes too long to answer"):
        registry.snapshot()
