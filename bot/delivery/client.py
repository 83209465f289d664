"""The Slack client that delivery sends with: it never repeats a call by itself."""

from typing import Any, cast
from urllib.parse import urlsplit

from slack_sdk import WebClient

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def client(
    token: str, *, base_url: str = "https://slack.com/api/", timeout: float = 10.0
) -> WebClient:
    """A client whose calls fail after `timeout` seconds and are tried once.

    slack_sdk's own default repeats a call whose connection broke, which posts twice when only the answer was lost.
    """
    made = WebClient(
        token=token, base_url=base_url, timeout=cast(int, timeout), retry_handlers=[]
    )
    if urlsplit(base_url).hostname in _LOOPBACK:
        made.proxy = None
    return made


def check(slack: Any) -> None:
    """Refuse a client that repeats calls. Raises ValueError."""
    if slack.retry_handlers:
        raise ValueError(
            "Delivery needs a WebClient(retry_handlers=[]): a client that repeats calls posts twice."
        )
