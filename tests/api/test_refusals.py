"""What the API refuses, it refuses in words, with the right status, and on the ledger once."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.audit.tables import AuditEntry
from tests.api.conftest import ASK, GATES, Api, served
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, OLA
from workflows import clock
from workflows.context import OPERATOR
from workflows.errors import InvalidInput
from workflows.tokens import service as tokens


@pytest.fixture
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """On one database: what differs between them is tried where it is decided."""
    with served(fresh_url("sqlite", request, tmp_path), tmp_path) as made:
        yield made


def refusals(api: Api) -> list[tuple[str, str]]:
    """(token, why) of the refused tokens on the ledger."""
    with api.office.db.read() as session:
        rows = session.execute(
            select(AuditEntry.subject_id, AuditEntry.body)
            .where(AuditEntry.action == "token.refused")
            .order_by(AuditEntry.seq)
        )
        return [(prefix, body.split('"why":"')[1].split('"')[0]) for prefix, body in rows]


def test_wrong_expired_revoked_and_under_scoped_tokens(api: Api) -> None:
    good, short = api.token(), api.token("short", lasts=timedelta(hours=1))
    gone = api.token("gone")
    with api.office.db.begin(patient=True) as session:
        tokens.revoke(make_context(session, actor=OPERATOR, now=clock.now(session)), gone[:16])
    api.office.move(timedelta(hours=2))
    changed = good[:-1] + ("A" if good[-1] != "A" else "B")
    for shown, status, why in [
        (None, 401, "missing"),
        ("x", 401, "unknown"),
        ("mlgov_m_aaaaaaaa_" + "b" * 43, 401, "unknown"),
        (changed, 401, "unknown"),
        (good + "x", 401, "unknown"),
        (short, 401, "expired"),
        (gone, 401, "revoked"),
    ]:
        for _ in range(3):
            answer = api.get("/approvals", shown)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith("Bearer")
            told = answer.json()
            assert told["type"] == f"urn:mlgov:problem:token-{why}"
            assert shown is None or len(shown) < 20 or shown not in answer.text
    assert (
        api.post("/approvals/1/decisions", good, {"verdict": "approve", "revision": 1}).status_code
        == 403
    )
    assert refusals(api) == [
        ("", "unknown"),
        (short[:16], "expired"),
        (gone[:16], "revoked"),
        (good[:16], "scope"),
    ]


def test_who_tries_tokens_cannot_flood_the_ledger(api: Api) -> None:
    for number in range(60):
        api.get("/approvals", f"mlgov_m_{number:08d}_{'x' * 43}")
    assert refusals(api) == [("", "unknown")]


def test_when_a_token_was_used_is_kept_to_the_minute(api: Api) -> None:
    good = api.token()
    api.get("/approvals", good)
    with api.office.db.read() as session:
        (token,) = tokens.list_tokens(session)
    assert token.last_used_at is not None
    api.get("/approvals", good)
    with api.office.db.read() as session:
        assert tokens.list_tokens(session)[0].last_used_at == token.last_used_at
    with pytest.raises(InvalidInput, match="in use"):
        api.token()


WRONG: list[tuple[dict[str, object], str]] = [
    ({"digest": "sha256:abc"}, "digest"),
    ({"digest": None}, "digest"),
    ({"subject": "fraud\u0000model"}, "subject"),
    ({"subject": "<!channel>"}, "subject"),
    ({"commit": "HEAD"}, "commit"),
    ({"url": "javascript:alert(1)"}, "url"),
    ({"reason": "a\u0000b"}, "reason"),
    ({"reason": "x" * 4000}, "reason"),
    ({"extra": 1}, "extra"),
    ({"project": ""}, "project"),
]


def test_a_wrong_field_is_named(api: Api) -> None:
    good = api.token()
    for changes, where in WRONG:
        answer = api.ask(good, **changes)
        assert answer.status_code == 422, answer.text
        assert answer.json()["faults"][0]["where"] == f"body.{where}"


def test_broken_bodies_and_addresses(api: Api) -> None:
    good = api.token()
    headers = {"Authorization": f"Bearer {good}", "Idempotency-Key": "k"}
    for body, status in [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 30_000, 400),
        (b"x" * 64_001, 413),
        (b"null", 422),
        (b"[]", 422),
        (b'{"gate": "\\ud800"}', 422),
    ]:
        answer = api.http.post(
            "/api/v1/approvals",
            content=body,
            headers=headers | {"content-type": "application/json"},
        )
        assert answer.status_code == status, (body[:20], answer.text)
        assert answer.json()["detail"]
    assert api.post("/approvals", good, ASK).status_code == 422  # no Idempotency-Key
    assert api.get("/nothing", good).status_code == 404
    assert api.http.put("/api/v1/keys").status_code == 405
    assert api.get("/approvals/99999999999", good).status_code == 422
    assert api.get("/approvals/7", good).status_code == 404
    assert api.get("/approvals/1?wait=61", good).status_code == 422
    assert api.get("/statements/st_" + "0" * 32).status_code == 404


def test_a_person_reads_what_is_theirs_and_no_more(api: Api) -> None:
    pipeline = api.token()
    api.ask(pipeline)
    for who, sees in [(OLA, True), (FAY, True), (ADA, False)]:
        token = api.personal(who)
        assert api.get("/approvals/1", token).status_code == (200 if sees else 404)
        assert api.get("/status/triage", token).status_code == (200 if who == OLA else 404)
        listed = api.get("/approvals", token).json()["approvals"]
        assert [one["id"] for one in listed] == ([1] if who == OLA else [])
    assert api.get("/approvals?state=pending", pipeline).json()["approvals"]


CONDITIONAL = (
    GATES
    + """\
  tiered_release:
    stages:
      - {name: Owner, approvers: [subject.owner]}
      - {name: Risk, approvers: [role:finance], when: "model.tier <= 2"}
    auto_approve: 'environment == "staging"'
    valid_for: 2h
"""
)


def test_what_a_gate_decides_by_must_be_said(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    with served(url, tmp_path, policy=CONDITIONAL) as api:
        pipeline = api.token()
        gate = {"gate": "tiered-release"}
        unsaid = api.ask(pipeline, **gate)
        assert (unsaid.status_code, unsaid.json()["faults"][0]["where"]) == (422, "tier")
        strict = api.ask(pipeline, key="k2", tier=1, **gate).json()
        loose = api.ask(pipeline, key="k3", tier=3, subject="fraud-model:8", **gate).json()
        assert [len(one["stages"]) for one in (strict, loose)] == [2, 1]
        passed = api.ask(
            pipeline, key="k4", tier=3, environment="staging", subject="fraud-model:9", **gate
        ).json()
        assert passed["news"].startswith("Approved by rule: "), passed
        told = json.loads(base64.b64decode(passed["statement"]["payload"]))["predicate"]
        assert told["deciders"] == []
        lasts = datetime.fromisoformat(told["expiresAt"]) - datetime.fromisoformat(
            told["decidedAt"]
        )
        assert lasts == timedelta(hours=2)
        reused = api.ask(pipeline, key="k3", tier=2, subject="fraud-model:8", **gate)
        assert reused.json()["type"] == "urn:mlgov:problem:key-reused"
