"""Deliveries of MLflow's: genuine ones are taken, once; others are refused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from storage.registry import queries
from tests.conftest import fresh_url
from tests.stories.office import Office, opened
from tests.stories.test_models import MODELS, world
from workflows.sources.mlflow import client

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "mlflow"
SECRET = "a-secret-of-ours"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def _headers(
    body: bytes, *, delivery: str = "d-1", at: datetime = NOW, secret: str = SECRET
) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    return {
        "x-mlflow-delivery-id": delivery,
        "x-mlflow-timestamp": timestamp,
        "x-mlflow-signature": client.sign_body(secret, delivery, timestamp, body),
    }


def test_only_what_is_signed_and_fresh_is_taken() -> None:
    body = b'{"entity": "model_version"}'
    sound = _headers(body)
    assert client.find_fault(SECRET, sound, body, NOW) == ""
    assert client.find_fault(SECRET, sound, body + b" ", NOW) == "its signature is wrong"
    assert (
        client.find_fault(SECRET, _headers(body, secret="other"), body, NOW)
        == "its signature is wrong"
    )
    assert (
        client.find_fault(SECRET, sound | {"x-mlflow-delivery-id": "d-2"}, body, NOW)
        == "its signature is wrong"
    )
    for off in (timedelta(minutes=6), -timedelta(minutes=6)):
        assert "too old" in client.find_fault(SECRET, _headers(body, at=NOW + off), body, NOW)
    assert client.find_fault(SECRET, {}, body, NOW) == "it is not signed"
    assert (
        client.find_fault(SECRET, sound | {"x-mlflow-timestamp": "now"}, body, NOW)
        == "its timestamp is no number"
    )


@pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the captured deliveries are not beside the project"
)
def test_captured_deliveries_verify() -> None:
    deliveries = [json.loads(one.read_text()) for one in sorted(SAMPLES.glob("webhook_*.json"))]
    assert deliveries
    for one in deliveries:
        headers = {key.casefold(): value for key, value in one["headers"].items()}
        at = datetime.fromtimestamp(one["received_at"], UTC)
        body = one["body"].encode()
        assert client.find_fault("mlgov-test-secret", headers, body, at) == ""
        assert client.find_fault("another-secret", headers, body, at) == "its signature is wrong"
    retried = [one["headers"]["X-MLflow-Delivery-Id"] for one in deliveries[-3:]]
    assert len(set(retried)) == 1, "a repetition has the same id, so it counts once"


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(
        url, tmp_path, policy=MODELS, world=world(), mlgov_mlflow_webhook_secret=SecretStr(SECRET)
    ) as running:
        yield running


def test_a_delivery_is_a_hint_that_counts_once(office: Office) -> None:
    body = b'{"entity": "model_version", "action": "created"}'
    now = datetime.now(UTC)
    with httpx.Client(base_url=str(office.base_url), trust_env=False) as http:

        def send(headers: dict[str, str]) -> int:
            return http.post("/mlflow/webhook", content=body, headers=headers).status_code

        def hinted() -> bool:
            with office.db.begin() as session:
                state = queries.lock_state(session)
                was, state.hinted_at = state.hinted_at, None
            return was is not None

        assert send({}) == 401
        assert send(_headers(body, at=now, secret="other")) == 401
        assert not hinted()
        assert send(_headers(body, at=now)) == 200
        assert hinted()
        assert send(_headers(body, at=now)) == 200
        assert not hinted(), "a repeated delivery is harmless, and no news"
        assert http.post("/mlflow/webhook", content=b"x" * 1_000_001).status_code == 413
