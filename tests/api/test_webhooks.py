"""Events: every entry of the ledger that is followed arrives signed, in order, and never inside the own network."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from bot.webhooks import sending
from bot.webhooks.sending import Forbidden
from storage.db import Database
from tests.api.conftest import ASK, GATES
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import Office, eventually, opened
from workflows import clock
from workflows.context import OPERATOR
from workflows.delivery import dead_letters
from workflows.errors import InvalidInput
from workflows.webhooks import service

ROOT = "r" * 40


@dataclass
class Receiver:
    """A system outside: what it was told, and how it answers, in turn."""

    answers: list[int] = field(default_factory=list)
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def actions(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.told]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.told.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.send_header("location", made.url)
            self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def follow(office: Office, url: str, *events: str) -> str:
    with office.db.begin(patient=True) as session:
        return service.add(
            make_context(session, actor=OPERATOR, now=clock.now(session)), url, events
        ).id


def happen(office: Office, *actions: str) -> None:
    from workflows.audit import service as audit

    for action in actions:
        with office.db.begin(patient=True) as session:
            audit.record(
                make_context(session, actor=OPERATOR, now=clock.now(session)),
                action,
                ("approval", 7),
                digest=ASK["digest"],
            )


def test_what_is_followed_arrives_signed_and_in_order(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver
) -> None:
    url = fresh_url(backend, request, tmp_path)
    with opened(
        url, tmp_path, policy=GATES, mlgov_webhook_key=ROOT, mlgov_webhook_hosts="127.0.0.1"
    ) as office:
        happen(office, "approval.opened")
        webhook = follow(office, receiver.url, "approval.*", "budget.raised")
        receiver.answers = [500, 302, 429]
        happen(office, "approval.opened", "policy.adopted", "budget.raised", "outbox.dead")
        happen(office, "approval.approved")
        office.settle()
        eventually(lambda: len(receiver.told) >= 6, "all arrived")
        office.settle()
        assert receiver.actions == ["approval.opened"] * 4 + ["budget.raised", "approval.approved"]
        headers, body = receiver.told[-1]
        told = json.loads(body)
        assert told["data"]["link"] == "/api/v1/approvals/7"
        assert told["data"]["facts"] == {"digest": ASK["digest"]}
        key = base64.b64decode(service.derive_secret(ROOT, webhook).removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        proof = hmac.new(key, signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(proof).decode()}"
        ids = [one["webhook-id"] for one, _ in receiver.told]
        assert len(set(ids)) == 3
        assert len(set(ids[:4])) == 1
        receiver.answers = [410]
        happen(office, "approval.expired")
        office.settle()
        with office.db.read() as session:
            dead = dead_letters.list_rows(session, state="dead")
        assert [(row.op, row.kind) for row in dead] == [("webhook", "webhooks.event")]
        assert "410" in str(dead[0].last_error)
        with office.db.begin(patient=True) as session:
            service.remove(make_context(session, actor=OPERATOR, now=clock.now(session)), webhook)
        happen(office, "approval.withdrawn")
        office.settle()
        assert len(receiver.told) == 7


@pytest.mark.slow
def test_the_own_network_is_out_of_reach(
    request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver
) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, policy=GATES, mlgov_webhook_key=ROOT) as office:
        follow(office, receiver.url, "*")
        happen(office, "approval.opened")
        office.settle()
        assert not receiver.told
        with office.db.read() as session:
            assert dead_letters.list_rows(session, state="dead")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://0.0.0.0/",
        "https://localhost/",
        "https://user:word@1.1.1.1/",
        "ftp://1.1.1.1/",
        "https://2130706433/",
    ],
)
def test_a_private_address_is_forbidden(url: str) -> None:
    with pytest.raises((Forbidden, OSError)):
        sending.resolve_target(url, frozenset())


def test_public_addresses_are_resolved_once() -> None:
    found = sending.resolve_target("https://1.1.1.1:8443/hook?x=1", frozenset())
    assert (str(found.url), found.host) == ("https://1.1.1.1:8443/hook?x=1", "1.1.1.1")
    assert sending.is_public(ip_address("2606:4700:4700::1111"))
    for private in (
        "100.64.0.1",
        "224.0.0.1",
        "fe80::1",
        "fd00::1",
        "2002:a00:1::",
        "192.0.0.192",
        "192.0.0.9",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.1",
        "2001:db8::1",
        "::ffff:192.0.0.192",
        "64:ff9b:1::1",
        "2001::1",
        "3fff::1",
        "fec0::1",
    ):
        assert not sending.is_public(ip_address(private)), private


def test_what_is_no_event_is_refused(database: Database) -> None:
    for event in ("", "approval", "approval.approved.*", "Approval.*", "*.*", "a b.c"):
        with pytest.raises(InvalidInput), database.begin() as session:
            service.add(
                make_context(session, actor=OPERATOR, now=clock.now(session)),
                "https://x.test/",
                [event],
            )
