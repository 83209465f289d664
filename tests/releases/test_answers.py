"""`mlgov gate` takes no answer for its own that is about anything but what it asked, and ends with 1."""

import base64
import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from workflows.releases import rules
from workflows.releases.forms import AskRelease
from workflows.releases.rules import AnotherQuestion

BODY: dict[str, Any] = {
    "gate": "prod-env",
    "subject": "lane-model:7",
    "digest": "sha256:" + "ab" * 32,
    "project": "triage",
    "commit": "9c1e2f4a77",
    "environment": "production",
    "tier": 2,
    "data_class": "internal",
    "region": "eu",
    "developer": "tim@acme.test",
    "validator": "U0FRED",
    "contributors": ["tim@acme.test", "U0FAY"],
    "url": "https://ci.test/1",
    "reason": "Recall is up.",
}
FORM = AskRelease.model_validate(BODY)
PEOPLE = {"tim@acme.test": "p_tim", "U0FRED": "p_fred", "U0FAY": "p_fay"}
OTHER: dict[str, Any] = {
    "gate": "production_release",
    "subject": "lane-model:8",
    "digest": "sha256:" + "00" * 32,
    "project": "vision",
    "commit": "0000000",
    "environment": "staging",
    "tier": 3,
    "data_class": "public",
    "region": "us",
    "developer": "p_fay",
    "validator": "p_ola",
    "contributors": ["p_tim"],
    "url": "https://ci.test/2",
    "reason": "0" * 64,
}
"""For each field something else, as an answer tells it."""


def about(asked: dict[str, Any]) -> dict[str, Any]:
    """An answer about this question, in itself without a contradiction."""
    told = {
        "id": 7,
        "state": "approved",
        "news": "Approved by Ola.",
        "asks": "Triage asks to release lane-model:7",
        "mark": "2.1",
        "reason": BODY["reason"],
        "people": PEOPLE,
        "asked": asked,
        "question": rules.digest_question(asked),
        "decide_by": "2026-01-27T08:50:00+00:00",
    }
    return told | {
        name: asked.get(name)
        for name in ("gate", "subject", "digest", "commit", "environment", "project")
    }


ASKED = rules.build_question(rules.list_fields(FORM, "triage", PEOPLE), {"reason": "f" * 64})
RIGHT = about(ASKED)


def envelope(answer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A statement about the answer's question, as the API tells it."""
    asked = answer["asked"]
    statement = {
        "subject": [
            {
                "name": asked["subject"],
                "digest": {"sha256": asked["digest"].removeprefix("sha256:")},
            }
        ],
        "predicate": {
            "approval": answer["id"],
            "question": answer["question"],
            "asked": {name: value for name, value in asked.items() if name != "reason"},
            **{name: asked.get(name) for name in ("gate", "project", "commit", "environment")},
        }
        | changes,
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    return {"payload": payload, "payloadType": "x", "signatures": []}


def test_the_right_answer_is_taken() -> None:
    assert OTHER.keys() == AskRelease.model_fields.keys() == BODY.keys()
    first = rules.require_answer(FORM, RIGHT, None)
    later = {name: value for name, value in RIGHT.items() if name != "people"}
    later |= {"statement": envelope(RIGHT)}
    assert rules.require_answer(FORM, later, first)["id"] == 7
    unsaid = AskRelease.model_validate(BODY | {"project": None})
    assert rules.require_answer(unsaid, RIGHT, None)


@pytest.mark.parametrize("field", sorted(OTHER))
def test_an_answer_about_anything_else_is_none(field: str) -> None:
    other = about(ASKED | {field: OTHER[field]})
    less = about({name: value for name, value in ASKED.items() if name != field})
    lied = RIGHT | {"asked": ASKED | {field: OTHER[field]}}
    for answer in (other, less, lied):
        for first in (None, RIGHT):
            if field == "reason" and answer is other and first is None:
                # The words themselves are compared: their digest is salted by mlgov.
                answer = answer | {"reason": "Other words."}
            with pytest.raises(AnotherQuestion) as refused:
                rules.require_answer(FORM, answer, first)
            assert "Nothing here is approved by it." in refused.value.sentence
    asked_less = AskRelease.model_validate(
        {name: value for name, value in BODY.items() if name != field}
        | ({} if field not in ("gate", "subject", "digest") else {field: BODY[field]})
    )
    if field not in ("gate", "subject", "digest", "project"):
        with pytest.raises(AnotherQuestion):
            rules.require_answer(asked_less, RIGHT, None)
    if field != "reason":
        stated = RIGHT | {"statement": envelope(other, question=RIGHT["question"])}
        with pytest.raises(AnotherQuestion, match="statement is about another"):
            rules.require_answer(FORM, stated, RIGHT)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": 8},
        {"question": "0" * 64},
        {"environment": "staging"},
        {"asked": ASKED | {"extra": "x"}, "question": rules.digest_question(ASKED | {"extra": "x"})},
        {"asked": None},
        {"asked": []},
        {"reason": "Other words."},
        {"statement": envelope(RIGHT, approval=8)},
        {"statement": envelope(RIGHT, question="0" * 64)},
        {"statement": {"payload": "!"}},
        {"statement": {}},
    ],
)  # fmt: skip
def test_a_later_answer_must_not_wander(changed: dict[str, Any]) -> None:
    with pytest.raises(AnotherQuestion):
        rules.require_answer(FORM, RIGHT | changed, RIGHT)


@contextmanager
def answering(reply: Callable[[str, str], Any]) -> Iterator[str]:
    """An mlgov that says whatever `reply` gives for method and path; its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            body = json.dumps(reply(self.command, self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def gate(url: str, *more: str) -> Any:
    words = ["gate", "--timeout", "20s", *more]
    for name, value in BODY.items():
        option = {"contributors": "contributor"}.get(name, name.replace("_", "-"))
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{option}", str(each)]
    env = {"MLGOV_URL": url, "MLGOV_TOKEN": "mlgov_m_x", "NO_PROXY": "127.0.0.1"}
    return CliRunner().invoke(app, words, env=env)


WAITS = RIGHT | {"state": "pending", "news": "Waiting for Owner."}
STAGING = about(ASKED | {"environment": "staging"})


@pytest.mark.parametrize(
    ("asked", "waited", "stated"),
    [
        (STAGING, STAGING, RIGHT),
        (WAITS, STAGING, RIGHT),
        (WAITS, RIGHT | {"statement": envelope(STAGING)}, RIGHT),
        (RIGHT, RIGHT, STAGING),
        (about(ASKED | {"developer": "p_fay"}), RIGHT, RIGHT),
        (RIGHT | {"asked": None}, RIGHT, RIGHT),
    ],
    ids=["asking", "waiting", "statement told", "statement kept", "developer", "old"],
)
def test_the_gate_ends_with_1(asked: Any, waited: Any, stated: Any, tmp_path: Path) -> None:
    def reply(method: str, path: str) -> Any:
        if method == "POST":
            return asked
        return envelope(stated) if path.endswith("/statement") else waited

    file = tmp_path / "statement.json"
    with answering(reply) as url:
        done = gate(url, "--statement", str(file))
    assert done.exit_code == 1, done.output
    assert not file.exists()
    assert "Approved by Ola" not in done.stdout


def test_the_gate_takes_the_right_one(tmp_path: Path) -> None:
    def reply(method: str, path: str) -> Any:
        if method == "POST":
            return copy.deepcopy(WAITS)
        return envelope(RIGHT) if path.endswith("/statement") else RIGHT

    file = tmp_path / "statement.json"
    with answering(reply) as url:
        done = gate(url, "--statement", str(file))
    assert (done.exit_code, done.stdout, file.exists()) == (0, "Approved by Ola.\n", True)
