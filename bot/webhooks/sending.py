"""Sending one event, as delivery asks for it."""

import logging
import socket
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from bot.settings import Settings
from storage.db import Database
from workflows import clock
from workflows.delivery.records import Errand
from workflows.delivery.settling import Done, Dropped, Limited, NotSent, Outcome, Refused
from workflows.outbox import rebuild
from workflows.sources import http
from workflows.webhooks import service
from workflows.webhooks.service import WebhookEvent

# --- Where webhooks may go
#
# never into the own network, whatever a name resolves to, unless the deployment allows it.

_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("2002::/16"), ip_network("64:ff9b:1::/48"))
"""IPv6 ranges that stand for IPv4 addresses, private ones too."""

_SPECIAL = (
    ip_network("0.0.0.0/8"),
    ip_network("100.64.0.0/10"),
    ip_network("192.0.0.0/24"),
    ip_network("192.0.2.0/24"),
    ip_network("192.31.196.0/24"),
    ip_network("192.52.193.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("192.175.48.0/24"),
    ip_network("198.18.0.0/15"),
    ip_network("198.51.100.0/24"),
    ip_network("203.0.113.0/24"),
    ip_network("240.0.0.0/4"),
    ip_network("100::/64"),
    ip_network("2001::/23"),
    ip_network("2001:db8::/32"),
    ip_network("2620:4f:8000::/48"),
    ip_network("3fff::/20"),
    ip_network("5f00::/16"),
    ip_network("fec0::/10"),
)
"""The special-purpose ranges of IANA's registries (RFC 6890 and after).

`ipaddress.is_global` of each Python knows the list of its own year, and single addresses in these count as global:
192.0.0.192 is where one cloud keeps its credentials.
"""


class Forbidden(Exception):
    """This address is never called; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """The address to connect to, resolved once, so that a name cannot change what it means in between."""

    url: httpx.URL
    host: str
    """What the request names, and what the certificate must be for."""


def resolve_target(url: str, allowed: Collection[str]) -> Target:
    """Resolve a URL. `allowed` are hosts inside the own network that may be called, by plain http too.

    Raises Forbidden, and OSError when the name does not resolve.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise Forbidden("its address is no URL") from None
    host = parsed.host.casefold()
    is_allowed = host in allowed
    if parsed.scheme != "https" and not (is_allowed and parsed.scheme == "http"):
        raise Forbidden("its address is not https")
    if not host or parsed.userinfo:
        raise Forbidden("its address names no host, or a password")
    resolved = socket.getaddrinfo(host, parsed.port or 443, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in resolved]
    if not is_allowed and not all(is_public(one) for one in addresses):
        raise Forbidden(
            f"{host} lies in a private network; MLGOV_WEBHOOK_HOSTS allows single hosts"
        )
    return Target(parsed.copy_with(host=str(addresses[0])), host)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the internet could own this address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
    )


# --- Sending one event, as delivery asks for it

log = logging.getLogger("mlgov")

LONGEST_REST = 900.0
"""Seconds that a receiver can ask to be left alone for, at a time."""


class Courier:
    """Sends events. Safe to call from many threads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        key = settings.mlgov_webhook_key
        self._root = key.get_secret_value() if key else None
        hosts = settings.mlgov_webhook_hosts.split(",")
        self._allowed = frozenset(host.strip().casefold() for host in hosts) - {""}
        self._http = http.make_client(
            timeout=settings.mlgov_http_timeout_seconds,
            is_proxied=False,  # a proxy would resolve the name anew, and reach what is forbidden here
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def send(self, errand: Errand) -> Outcome:
        """Send it. Sending twice is no harm: receivers know an event by its id."""
        notice = rebuild(WebhookEvent, errand.notice)
        with self._database.read() as session:
            began = clock.real_now(session)
            event = (
                service.build_event(session, notice) if isinstance(notice, WebhookEvent) else None
            )
        if event is None:
            return Dropped("the webhook was removed")
        if self._root is None:
            return NotSent("MLGOV_WEBHOOK_KEY is not set, so nothing can be signed")
        try:
            target = resolve_target(event.url, self._allowed)
        except Forbidden as error:
            return Refused(str(error))
        except OSError:
            return NotSent("its host cannot be found")
        timestamp = int(began.timestamp())
        key = service.derive_secret(self._root, notice.facts()["webhook_id"])
        try:
            with self._http.stream(
                "POST",
                target.url,
                content=event.body,
                headers={
                    "host": _host(target),
                    "content-type": "application/json",
                    "user-agent": "mlgov",
                    "webhook-id": event.id,
                    "webhook-timestamp": str(timestamp),
                    "webhook-signature": service.sign_event(key, event.id, timestamp, event.body),
                },
                extensions={"sni_hostname": target.host},
            ) as answer:
                return _outcome(answer, Done(began))
        except httpx.HTTPError as error:
            return NotSent(f"does not answer ({type(error).__name__})")


def _host(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.url.port}" if target.url.port else host


def _outcome(answer: httpx.Response, done: Done) -> Outcome:
    if answer.is_success:
        return done
    if answer.status_code == 410:
        return Refused("says that it is gone (HTTP 410)")
    if answer.status_code == 429:
        try:
            rest = float(answer.headers.get("retry-after", "60"))
        except ValueError:
            rest = 60.0
        rest = min(max(rest, 1.0), LONGEST_REST) if rest == rest else 60.0
        return Limited("webhook", timedelta(seconds=rest), closes=False)
    return NotSent(f"answered HTTP {answer.status_code}")
