"""Reading a registry that is down, slow, wrong, endless or elsewhere."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from workflows.sources.mlflow import client as module
from workflows.sources.mlflow.client import (
    MlflowClient,
    RegistryMissing,
    RegistryRefused,
    RegistryTrouble,
)

Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers as a test says; remembers what was asked, and with which credentials."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str], Answer] = lambda method, path: (200, {}, b"{}")
        self.seen: list[tuple[str, str, str | None]] = []
        self.drips = 0.0
        """Seconds between two bytes of an answer; 0 gives it at once."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.seen.append((self.command, self.path, self.headers.get("authorization")))
                status, headers, body = outer.answer(self.command, self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "content-length" not in headers:
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                if not outer.drips:
                    self.wfile.write(body)
                    return
                with contextlib.suppress(OSError):
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        time.sleep(outer.drips)

            do_GET = do_POST = do_DELETE = _do

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def registry(server: Server) -> Iterator[MlflowClient]:
    made = MlflowClient(server.url, token="secret-token", timeout=0.5)
    yield made
    made.close()


def answer_json(found: object, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(found).encode()


def test_credentials_never_follow_a_redirect(server: Server, registry: MlflowClient) -> None:
    other = Server()
    server.answer = lambda method, path: (302, {"location": f"{other.url}{path}"}, b"")
    with pytest.raises(RegistryRefused, match="credentials follow no redirect"):
        registry.snapshot()
    with pytest.raises(RegistryRefused, match="redirect"):
        registry.set_alias("m", "champion", "1")
    assert other.seen == []
    assert {one[2] for one in server.seen} == {"Bearer secret-token"}
    other.stop()


def test_user_and_password_are_sent_as_basic_auth(server: Server) -> None:
    registry = MlflowClient(server.url, user="mlgov", password="pass")
    assert registry.snapshot().models == ()
    assert server.seen[0][2] == "Basic bWxnb3Y6cGFzcw=="
    registry.close()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ((200, {}, b"<html>sign in</html>"), RegistryTrouble, "no JSON"),
        ((200, {}, b'{"registered_models": [{"name": "a"'), RegistryTrouble, "no JSON"),
        ((200, {"content-length": "900"}, b'{"registered_models": []}'), RegistryTrouble, "does not answer"),
        (answer_json({"registered_models": "many"}), RegistryTrouble, "no list of registered_models"),
        (answer_json({"registered_models": [{"aliases": []}]}), RegistryTrouble, "lacks a name"),
        (answer_json([]), RegistryTrouble, "no JSON"),
        ((503, {}, b"busy"), RegistryTrouble, "HTTP 503"),
        ((429, {}, b""), RegistryTrouble, "HTTP 429"),
        ((401, {}, b""), RegistryRefused, "MLGOV_MLFLOW_TOKEN"),
        ((403, {}, b""), RegistryRefused, "credentials"),
        (answer_json({"error_code": "INVALID_PARAMETER_VALUE", "message": "no 'x'"}, 400), RegistryRefused, "INVALID_PARAMETER_VALUE"),
        (answer_json({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404), RegistryMissing, "does not have"),
    ],
)  # fmt: skip
def test_wrong_answers_are_told_apart_and_quote_no_secret(
    server: Server, registry: MlflowClient, answer: Answer, kind: type[Exception], said: str
) -> None:
    server.answer = lambda method, path: answer
    with pytest.raises(kind, match=said) as failed:
        registry.snapshot()
    assert "secret-token" not in str(failed.value)


def test_a_server_that_is_down_or_slow(server: Server, registry: MlflowClient) -> None:
    done = threading.Event()

    def slow(method: str, path: str) -> Answer:
        done.wait(2)
        return answer_json({})

    server.answer = slow
    with pytest.raises(RegistryTrouble, match="takes too long"):
        registry.snapshot()
    done.set()
    gone = MlflowClient("http://127.0.0.1:9", timeout=0.5)
    with pytest.raises(RegistryTrouble, match="does not answer"):
        gone.snapshot()
    gone.close()


def test_pages_are_followed_and_end(
    server: Server, registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paged(method: str, path: str) -> Answer:
        if "model-versions" in path:
            return answer_json({})
        second = "page_token=more" in urlsplit(path).query
        name = "b" if second else "a"
        return answer_json(
            {
                "registered_models": [
                    {"name": name, "aliases": [{"alias": "champion", "version": "3"}]}
                ],
                **({} if second else {"next_page_token": "more"}),
            }
        )

    server.answer = paged
    assert [(one.name, one.aliases) for one in registry.snapshot().models] == [
        ("a", {"champion": "3"}),
        ("b", {"champion": "3"}),
    ]
    numbers = iter(range(100))
    server.answer = lambda method, path: answer_json(
        {"registered_models": [], "next_page_token": str(next(numbers))}
    )
    monkeypatch.setattr(module, "MOST_PAGES", 5)
    with pytest.raises(RegistryTrouble, match="no end"):
        registry.snapshot()


def test_prompts_are_no_models_and_names_cannot_break_the_filter(
    server: Server, registry: MlflowClient
) -> None:
    def answer(method: str, path: str) -> Answer:
        if "registered-models" in path:
            return answer_json(
                {
                    "registered_models": [
                        {
                            "name": "p",
                            "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}],
                        },
                        {"name": "it's"},
                    ]
                }
            )
        assert "name%3D%22it%27s%22" in path
        return answer_json(
            {"model_versions": [{"name": "other", "version": "1"}, {"name": "it's", "version": 2}]}
        )

    server.answer = answer
    (model,) = registry.snapshot().models
    assert [one.version for one in model.versions] == ["2"]


def test_answers_have_a_limit(
    server: Server, registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    server.answer = lambda method, path: (200, {}, b" " * 5000)
    with pytest.raises(RegistryTrouble, match="too long"):
        registry.snapshot()


def _artifacts(
    files: dict[str, bytes], root: str = "1/run/artifacts/model"
) -> Callable[[str, str], Answer]:
    def answer(method: str, path: str) -> Answer:
        parsed = urlsplit(path)
        if "get-download-uri" in path:
            return answer_json({"artifact_uri": f"mlflow-artifacts:/{root}"})
        below = parsed.path.removeprefix("/api/2.0/mlflow-artifacts/artifacts").strip("/")
        if below:
            return 200, {}, files[below.removeprefix(f"{root}/")]
        place = parsed.query.removeprefix("path=").replace("%2F", "/").removeprefix(root).strip("/")
        inside = [one for one in files if one.startswith(f"{place}/" if place else "")]
        names = {
            one.removeprefix(place).strip("/").split("/")[0]: "/"
            in one.removeprefix(place).strip("/")
            for one in inside
        }
        return answer_json(
            {"files": [{"path": name, "is_dir": is_dir} for name, is_dir in names.items()]}
        )

    return answer


def test_the_digest_is_over_contents_and_never_their_address(
    server: Server, registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"MLmodel": b"flavors", "data/model.pkl": b"weights"}
    server.answer = _artifacts(files)
    first = registry.digest("m", "1")
    server.answer = _artifacts(files, "9/elsewhere/artifacts/model")
    assert registry.digest("m", "1") == first
    server.answer = _artifacts(files | {"data/model.pkl": b"Weights"})
    assert registry.digest("m", "1").sha256 != first.sha256
    server.answer = _artifacts({"MLmodel": b"flavors", "model.pkl": b"weights"})
    assert registry.digest("m", "1").sha256 != first.sha256, "where a file lies inside counts"
    monkeypatch.setattr(module, "MOST_ARTIFACT_BYTES", 3)
    assert "larger than" in registry.digest("m", "1").why
    monkeypatch.undo()
    server.answer = lambda method, path: answer_json({"artifact_uri": "s3://bucket/model"})
    assert registry.digest("m", "1") == module.Digest(
        None, "its artefacts lie at s3:, which the server does not hand out"
    )
    server.answer = _artifacts({})
    assert registry.digest("m", "1").why == "the server lists no files of it"


def test_who_ran_a_run_is_whom_the_server_kept_and_whom_its_tag_names(
    server: Server, registry: MlflowClient
) -> None:
    def asked(info: object, *users: str) -> tuple[str, ...]:
        tags = [{"key": "mlflow.user", "value": one} for one in users]
        run = {"info": info, "data": {"tags": tags}}
        server.answer = lambda method, path: answer_json({"run": run})
        return registry.run("r1")[1]

    kept = {"user_id": "dana@acme.test"}
    assert asked(kept, "mika@acme.test") == ("dana@acme.test", "mika@acme.test")
    assert asked(kept, "dana@acme.test") == ("dana@acme.test",)
    assert asked({}, "mika@acme.test") == ("mika@acme.test",)
    assert asked({"user_id": ""}) == ()
