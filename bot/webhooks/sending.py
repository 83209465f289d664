"""Sending one event, as delivery asks for it."""

import logging
from datetime import timedelta

import httpx

from bot.settings import Settings
from bot.webhooks import guard
from bot.webhooks.guard import Forbidden
from storage.db import Database
from workflows import clock
from workflows.delivery.outcomes import Done, Dropped, Limited, NotSent, Outcome, Refused
from workflows.delivery.records import Errand
from workflows.outbox import rebuild
from workflows.sources import http
from workflows.webhooks import service
from workflows.webhooks.service import WebhookEvent

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
            target = guard.target(event.url, self._allowed)
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


def _host(target: guard.Target) -> str:
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
