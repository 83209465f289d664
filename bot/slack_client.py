"""The one place where Slack's own clients are made: by the company's certificates, through its proxy, and without repeats.

slack_sdk takes a proxy from the environment and knows no NO_PROXY, and its clients repeat a call whose connection
broke, which posts twice when only the answer was lost.
"""

from typing import cast
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.slack_reach import ObservedClient, Observer
from workflows.sources import http


def web_client(
    token: str | None, *, base_url: str, timeout: float, observer: Observer | None = None
) -> ObservedClient:
    """A Web API client whose calls fail after `timeout` seconds, are tried once, and are told to `observer`.

    Raises CertificatesUnreadable.
    """
    client = ObservedClient(
        token=token,
        base_url=base_url,
        timeout=cast(int, timeout),
        ssl=http.make_tls(),
        retry_handlers=[],
    )
    client.proxy = _proxy(base_url)
    client.observer = observer
    return client


def copy_client(slack: WebClient, *, timeout: float) -> ObservedClient:
    """The same with another patience."""
    return web_client(
        slack.token,
        base_url=slack.base_url,
        timeout=timeout,
        observer=getattr(slack, "observer", None),
    )


def response_client(response_url: str, *, timeout: float) -> WebhookClient:
    """A client that answers at a response URL, once. Raises CertificatesUnreadable."""
    client = WebhookClient(
        response_url, timeout=cast(int, timeout), ssl=http.make_tls(), retry_handlers=[]
    )
    client.proxy = _proxy(response_url)
    return client


def socket_proxy(base_url: str) -> str | None:
    """The proxy of Socket Mode: it connects to other hosts than the Web API, under the same rules."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    for slack in ("slack.com", "slack-gov.com"):
        if host == slack or host.endswith(f".{slack}"):
            return _proxy(f"https://wss-primary.{slack}")
    return _proxy(base_url)


def _proxy(url: str) -> str | None:
    if urlsplit(url).hostname in http.LOOPBACK:
        http.spare_loopback()
    return http.proxy_of(url)
