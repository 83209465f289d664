"""Requests that Slack did not make, or that arrive broken, are refused in words and never break anything."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier

from bot.web import site
from bot.web.metrics import Beat, Health
from bot.web.server import WebServer
from sandbox.outgoing.delivery import signed_headers
from storage.db import Database

pytestmark = pytest.mark.slow

SECRET = "s3cret"
FORM = "application/x-www-form-urlencoded"


@contextmanager
def served(made: FastAPI) -> Iterator[httpx.Client]:
    """The application on a real socket, and a client of it."""
    server = WebServer(made, "127.0.0.1", 0)
    server.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as opened:
            yield opened
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The web in front of a Bolt app that knows no listener."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('web') / 'empty.db'}")
    who = AuthorizeResult(enterprise_id=None, team_id="T1", bot_user_id="U0BOT", bot_token="xoxb-1")
    bolt = App(
        signing_secret=SECRET,
        process_before_response=True,
        request_verification_enabled=False,
        authorize=lambda enterprise_id, team_id: who,
    )
    beat = Beat()
    health = Health(database, {"ticking": beat.age, "delivery": beat.age})
    made = site.create(bolt=bolt, verifier=SignatureVerifier(SECRET), health=health)
    with served(made) as opened:
        yield opened
    database.close()


def send(
    client: httpx.Client,
    body: bytes,
    *,
    kind: str = FORM,
    at: float | None = None,
    secret: str = SECRET,
) -> int:
    headers = signed_headers(
        secret, body, kind, timestamp=int(at if at is not None else time.time())
    )
    return client.post("/slack/events", content=body, headers=headers).status_code


SSL_CHECK = b"ssl_check=1&token=x"


def test_a_signed_request_is_taken(client: httpx.Client) -> None:
    assert send(client, SSL_CHECK) == 200


def test_a_forged_late_or_unsigned_request_is_401(client: httpx.Client) -> None:
    assert send(client, SSL_CHECK, secret="other") == 401
    assert send(client, SSL_CHECK, at=time.time() - 301) == 401
    assert send(client, SSL_CHECK, at=time.time() + 400) == 401
    assert client.post("/slack/events", content=SSL_CHECK).status_code == 401
    headers = {"x-slack-request-timestamp": "soon", "x-slack-signature": "v0=1"}
    assert client.post("/slack/events", content=SSL_CHECK, headers=headers).status_code == 401


BROKEN = [
    b"payload={broken",
    b"payload=[]",
    b"payload=null",
    urlencode({"payload": json.dumps({"type": "block_actions"})}).encode(),
    urlencode(
        {"payload": json.dumps({"type": "block_actions", "user": {"id": "U1"}, "actions": []})}
    ).encode(),
    urlencode({"payload": json.dumps({"type": "view_submission", "user": {"id": "U1"}})}).encode(),
    *(
        urlencode(
            {"payload": json.dumps({"type": "message_action", "user": {"id": "U1"}, **shape})}
        ).encode()
        for shape in (
            {},
            {"callback_id": "a.b", "trigger_id": "1", "message": {"ts": "1.2"}},
            {"callback_id": "a.b", "trigger_id": "1", "channel": {"id": "C1"}},
            {
                "callback_id": ["a.b"],
                "trigger_id": "1",
                "channel": {"id": "C1"},
                "message": {"ts": "1.2"},
            },
        )
    ),
    urlencode({"payload": "[" * 100_000}).encode(),
    b"command=%2Fmlgov",
    b"",
    b"x",
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_a_signed_request_with_a_broken_body_is_400(client: httpx.Client, body: bytes) -> None:
    assert send(client, body) == 400


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"1", b'{"type": '])
def test_broken_json_is_400(client: httpx.Client, body: bytes) -> None:
    assert send(client, body, kind="application/json") == 400


def test_bytes_that_are_no_text_are_never_slacks(client: httpx.Client) -> None:
    assert send(client, b"\xff\xfe") == 401


def test_an_answer_before_the_body_says_that_the_connection_ends(client: httpx.Client) -> None:
    address = client.base_url.host, client.base_url.port
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(
            b"POST /slack/events HTTP/1.1\r\nHost: mlgov\r\nContent-Length: 999999999\r\n\r\n"
        )
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"\r\nconnection: close\r\n" in answer.lower()
    headers = signed_headers(SECRET, SSL_CHECK, FORM, timestamp=int(time.time()))
    heard = client.post("/slack/events", content=SSL_CHECK, headers=headers)
    assert heard.status_code == 200
    assert "connection" not in heard.headers


def test_a_body_without_end_is_413(client: httpx.Client) -> None:
    assert send(client, b"a" * (site.MAX_BODY + 1)) == 413


@settings(max_examples=60, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda text: f"payload={text}".encode())
    )
)
def test_no_signed_body_is_ever_answered_500(client: httpx.Client, body: bytes) -> None:
    assert send(client, body) in {200, 400, 401, 404}


@settings(max_examples=60, deadline=None)
@given(
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "user",
                        "actions",
                        "view",
                        "id",
                        "team",
                        "event",
                        "channel",
                        "message",
                        "callback_id",
                    ]
                ),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_no_signed_json_is_ever_answered_500(client: httpx.Client, payload: object) -> None:
    assert send(client, json.dumps(payload).encode(), kind="application/json") in {200, 400, 404}
    assert send(client, urlencode({"payload": json.dumps(payload)}).encode()) in {200, 400, 404}


def test_health_fails_when_a_loop_stops(database: Database) -> None:
    ages = {"ticking": 1.0, "delivery": 1.0}
    health = Health(
        database, {"ticking": lambda: ages["ticking"], "delivery": lambda: ages["delivery"]}
    )
    made = site.create(bolt=None, verifier=None, health=health)
    with served(made) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert client.post("/slack/events").status_code == 404
        ages["delivery"] = 61.0
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert "delivery" in answer.text
        assert client.get("/metrics").status_code == 200
