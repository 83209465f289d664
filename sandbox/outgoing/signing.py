"""Slack's request signature, version v0."""

import hashlib
import hmac
import time


def signature(secret: str, body: bytes, timestamp: int) -> str:
    """The value of X-Slack-Signature for these bytes at this unix time."""
    base = b"v0:%d:%s" % (timestamp, body)
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def signed_headers(
    secret: str, body: bytes, content_type: str, timestamp: int | None = None
) -> dict[str, str]:
    """The headers of a request as Slack sends it; real time unless a `timestamp` is given."""
    at = int(time.time()) if timestamp is None else timestamp
    return {
        "Content-Type": content_type,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": str(at),
        "X-Slack-Signature": signature(secret, body, at),
    }
