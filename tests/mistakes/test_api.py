"""MLGOV_URL that leads to something else than mlgov, or to nothing."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from tests.mistakes.others import untrusted_tls
from tests.mistakes.typed import assert_told, typed
from tests.registry.test_client import Answer, Server, server

__all__ = ["server"]

DIGEST = "sha256:" + "a" * 64
GATE = ("gate", "--gate", "release", "--subject", "m:1", "--digest", DIGEST, "--timeout", "1s")
COMMANDS = {
    "approvals list": ("approvals", "list"),
    "approvals show": ("approvals", "show", "1"),
    "approvals decide": ("approvals", "decide", "1", "approve", "--yes"),
    "gate": GATE,
    "model list": ("model", "list"),
    "model show": ("model", "show", "m"),
    "model register": ("model", "register", "M"),
    "model version": ("model", "version", "m:1"),
    "model check": ("model", "check", "m:1"),
    "model evidence": ("model", "evidence", "m:1", "model_card"),
    "model move": ("model", "move", "m:1", "submit"),
    "model card": ("model", "card", "m:1"),
    "model pack": ("model", "pack", "m:1", "--format", "json"),
    "model reading": ("model", "reading", "m:1", "accuracy", "0.9"),
}


def others_json(body: object) -> Answer:
    return 200, {"content-type": "application/json"}, json.dumps(body).encode()


STRANGE = [
    ["x"],
    {},
    {"ok": True},
    {"approvals": "x", "models": ["x"], "next": None, "id": "x", "state": 1},
    {"approvals": [{"id": 1}], "models": [{"key": None}], "next": None},
    5,
    None,
]


@pytest.mark.parametrize("command", COMMANDS)
def test_something_else_answers(command: str, server: Server, tmp_path: Path) -> None:
    environment = {"MLGOV_URL": server.url, "MLGOV_TOKEN": "hush-hush"}
    page = (200, {"content-type": "text/html"}, b"<html>Sign in</html>")
    for answer, words in (
        (page, "isn't an answer of mlgov's. Does MLGOV_URL lead to it"),
        ((500, {}, b"oops"), "HTTP 500: no answer of mlgov's. Does MLGOV_URL lead to it?"),
        ((404, {}, b"<html>"), "HTTP 404: no answer of mlgov's"),
        (
            (302, {"location": "https://login.example.com/"}, b""),
            "sends on to https://login.example.com/",
        ),
    ):
        server.answer = lambda method, path, given=answer: given  # type: ignore[misc]
        ended = typed(environment, tmp_path, *COMMANDS[command])
        assert_told(ended, words)
        assert "hush-hush" not in ended.said
    for body in STRANGE:
        answer = others_json(body)
        server.answer = lambda method, path, given=answer: given  # type: ignore[misc]
        ended = typed(environment, tmp_path, *COMMANDS[command])
        assert ended.code in (1, 2), (body, ended)
        foreign = "isn't an answer of mlgov's", "doesn't say what it is about"
        assert any(words in ended.err for words in foreign), (body, ended)
        assert "Traceback" not in ended.said


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_answers(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
    ended = typed({"MLGOV_URL": url, "MLGOV_TOKEN": "t"}, tmp_path, *COMMANDS[command])
    assert (ended.code, "Traceback" in ended.said) == (1, False)
    assert "does not answer (ConnectError)" in ended.err


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with untrusted_tls(tmp_path) as url:
        environment = {"MLGOV_URL": url, "MLGOV_TOKEN": "t"}
        for words in (("approvals", "list"), GATE):
            ended = typed(environment, tmp_path, *words)
            assert_told(ended, "its certificate isn't trusted. Set SSL_CERT_FILE")


def test_without_an_address_or_a_token(tmp_path: Path) -> None:
    assert_told(typed({}, tmp_path, "approvals", "list"), "MLGOV_URL is not set")
    ended = typed({"MLGOV_URL": "http://x"}, tmp_path, *GATE)
    assert_told(ended, "MLGOV_TOKEN is not set")


def test_verify_without_its_files(tmp_path: Path) -> None:
    ended = typed({}, tmp_path, "verify", "statement.json", "--key", "keys.pem")
    assert_told(ended, "keys.pem cannot be read", code=2)
    (tmp_path / "keys.pem").write_text("no key")
    ended = typed({}, tmp_path, "verify", "statement.json", "--key", "keys.pem")
    assert (ended.code, "Traceback" in ended.said) == (2, False)


def test_the_registry_without_mlflow_or_a_token(
    right: dict[str, str], tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "mlgov.db")
    assert typed(right, tmp_path, "policy", "apply").code == 0
    assert_told(typed(right, tmp_path, "registry", "sync"), "MLGOV_MLFLOW_URL is not set")
    right |= {"MLGOV_MLFLOW_URL": "http://127.0.0.1:1"}
    assert_told(typed(right, tmp_path, "registry", "sync"), "MLflow")
    del right["SLACK_BOT_TOKEN"]
    assert_told(typed(right, tmp_path, "registry", "sync"), "SLACK_BOT_TOKEN is not set")
