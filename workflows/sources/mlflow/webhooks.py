"""Whether a delivery of MLflow's is genuine and fresh. It is a hint to look, and never believed for more."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)


def sign_body(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; the secret is plain UTF-8, unlike Standard Webhooks'."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def find_fault(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Why a delivery is not taken; empty when it is. Header names are lower case."""
    delivery = headers.get("x-mlflow-delivery-id", "")
    timestamp = headers.get("x-mlflow-timestamp", "")
    given = headers.get("x-mlflow-signature", "")
    if not (delivery and timestamp and given):
        return "it is not signed"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "its timestamp is no number"
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        return "it is too old, or from the future"
    wanted = sign_body(secret, delivery, timestamp, body)
    if not any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given.split(" ")):
        return "its signature is wrong"
    return ""
