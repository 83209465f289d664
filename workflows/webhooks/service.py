"""Telling systems outside what happened: events are entries of the ledger, which names people by opaque ids alone.

So whatever is audited can be followed, and nothing that acts has to know that somebody listens.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from storage.webhooks import queries
from storage.webhooks.tables import Webhook
from workflows import outbox
from workflows.anonymity.service import UNTOLD_EVENTS
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput, NotFound
from workflows.job_runner import Registry, Watcher
from workflows.outbox import Notice

_EVENT = re.compile(r"^(?:\*|[a-z_]+\.(?:\*|[a-z_.]+))$")
_URL = re.compile(r"^https?://[A-Za-z0-9.\-\[\]:]+(/[\x21-\x7e]*)?$")
_UNTOLD = ("outbox.", "webhook.")
"""What delivery itself does is no news: a webhook that fails would tell itself of it, for ever."""
BATCH = 500


@dataclass(frozen=True, slots=True)
class WebhookEvent(Notice):
    """An entry of the ledger, for one webhook."""

    kind: ClassVar[str] = "webhooks.event"
    webhook_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """A subscription."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent: to where, under which id (the same with every attempt), and the body."""

    id: str
    url: str
    body: bytes


def add(ctx: Context, url: str, events: Sequence[str]) -> WebhookRecord:
    """Follow the ledger from now on. Raises InvalidInput."""
    if len(url) > 500 or not _URL.match(url):
        raise InvalidInput("A webhook's address is an https URL.", field="url")
    wrong = [event for event in events if not _EVENT.match(event)]
    if wrong or not events:
        raise InvalidInput(
            f"{wrong[0] if wrong else ''!r} is no event; write approval.approved, approval.* or *.",
            field="events",
        )
    webhook = Webhook(
        id=f"wh_{secrets.token_hex(8)}",
        url=url,
        events=list(dict.fromkeys(events)),
        seq=queries.find_last_seq(ctx.session),
        created_at=ctx.now,
        removed_at=None,
    )
    ctx.session.add(webhook)
    ctx.session.flush()
    audit.record(
        ctx,
        "webhook.added",
        ("webhook", webhook.id),
        events=webhook.events,
        url_sha256=hashlib.sha256(url.encode()).hexdigest(),
    )
    return _record(webhook)


def remove(ctx: Context, webhook_id: str) -> None:
    """Tell it nothing more; what waits to be sent is dropped. Raises NotFound."""
    webhook = queries.find_webhook(ctx.session, webhook_id, lock=True)
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id!r}. `mlgov webhook list` shows them.")
    webhook.removed_at = ctx.now
    ctx.session.flush()
    audit.record(ctx, "webhook.removed", ("webhook", webhook.id))


def list_webhooks(session: Session) -> list[WebhookRecord]:
    """All subscriptions."""
    return [_record(row) for row in queries.list_webhooks(session)]


def are_behind(session: Session) -> bool:
    """Whether `announce` would find something new."""
    return queries.are_behind(session)


def announce(session: Session, *, now: datetime) -> int:
    """Queue what the ledger says since the last time for those who follow it; how many events that was."""
    queued = 0
    for listed in queries.list_webhooks(session):
        row = queries.find_webhook(session, listed.id, lock=True)
        if row is None:
            continue
        entries = queries.list_entries(session, row.seq, most=BATCH)
        for seq, action in entries:
            if _follows(row.events, action):
                outbox.send_event(
                    session,
                    WebhookEvent(row.id, seq),
                    webhook_id=row.id,
                    dedupe_key=f"webhook:{row.id}:{seq}",
                    now=now,
                )
                queued += 1
        if entries:
            row.seq, _ = entries[-1]
            session.flush()
    return queued


def build_event(session: Session, notice: WebhookEvent) -> Event | None:
    """What to send; None when the webhook was removed."""
    row = queries.find_webhook(session, notice.webhook_id)
    body = queries.find_body(session, notice.seq)
    if row is None or body is None:
        return None
    entry = json.loads(body)
    type_, id_ = entry["subject"]
    data: dict[str, Any] = {
        "seq": entry["seq"],
        "actor": entry["actor"],
        "subject": {"type": type_, "id": id_},
        "facts": entry["facts"],
    }
    if type_ == "approval":
        data["link"] = f"/api/v1/approvals/{id_}"
    payload = {"type": entry["action"], "timestamp": entry["at"], "data": data}
    return Event(
        _event_id(session, row.id, notice.seq, body),
        row.url,
        json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode(),
    )


def _event_id(session: Session, webhook_id: str, seq: int, body: str) -> str:
    """The same whenever the event is sent again. After a copy came back, entries of the ledger have numbers that others
    had before; receivers know an event by its id, so that it tells these from those."""
    name = f"{webhook_id}_{seq}"
    if seq <= queries.find_first_restored(session):
        return name
    return f"{name}_{hashlib.sha256(body.encode()).hexdigest()[:12]}"


def derive_secret(root: str, webhook_id: str) -> str:
    """A webhook's secret: it follows from the deployment's key, so that the database holds none."""
    digest = hmac.new(root.encode(), f"webhook:{webhook_id}".encode(), hashlib.sha256)
    return f"whsec_{base64.b64encode(digest.digest()).decode()}"


def sign_event(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature` (standardwebhooks.com)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b"%b.%d.%b" % (event_id.encode(), timestamp, body)
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _follows(events: Sequence[str], action: str) -> bool:
    if action.startswith(_UNTOLD) or action in UNTOLD_EVENTS:
        return False
    noun = action.partition(".")[0]
    return any(one in ("*", action, f"{noun}.*") for one in events)


def _record(row: Webhook) -> WebhookRecord:
    return WebhookRecord(row.id, row.url, tuple(row.events), row.created_at)


# --- What is looked at with every tick
#
# whether the ledger says something that somebody outside follows.


def _announce(ctx: Context, real_now: datetime) -> int:
    return announce(ctx.session, now=ctx.now)


PART = Registry(watchers={"webhooks": Watcher(are_behind, _announce)})
"""What jobs take over from here."""
