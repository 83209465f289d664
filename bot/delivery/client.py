"""The Slack client that delivery sends with: it never repeats a call by itself."""

from typing import Any

from slack_sdk import WebClient

from bot.slack_client import web_client
from bot.slack_reach import Observer


def client(
    token: str,
    *,
    base_url: str = "https://slack.com/api/",
    timeout: float = 10.0,
    observer: Observer | None = None,
) -> WebClient:
    """A client whose calls fail after `timeout` seconds and are tried once.

    slack_sdk's own default repeats a call whose connection broke, which posts twice when only the answer was lost.
    """
    return web_client(token, base_url=base_url, timeout=timeout, observer=observer)


def check(slack: Any) -> None:
    """Refuse a client that repeats calls. Raises ValueError."""
    if slack.retry_handlers:
        raise ValueError(
            "Delivery needs a WebClient(retry_handlers=[]): a client that repeats calls posts twice."
        )
