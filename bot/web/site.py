"""FastAPI: Slack's requests over HTTP, health, readiness and metrics."""

import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import installed
from bot.background import Seldom
from bot.slack.dispatcher import STARTED
from bot.web import metrics, server
from bot.web.api import PREFIX
from bot.web.metrics import Health
from bot.web.server import Announced, BodyRefused

log = logging.getLogger("mlgov")

MAX_BODY = 1_000_000
"""Bytes. Slack's own requests stay far below; a larger one is refused before it is read to its end."""

THREADS = 16
"""How many requests of Slack's are handled at once; the two-second rule bounds each. Nothing else takes these threads."""


API_THREADS = 8
"""As many more answer programs, fewer where the database's pool is small: they must leave connections to Slack's."""


WATCHING_THREADS = 4
"""As many more answer whoever watches, so that health and metrics come while everything else waits."""


PARSED = "socket_mode"
"""How Bolt is told that a body is parsed already: parsing a form twice costs more than all else that Bolt does."""


HARDENED = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'; sandbox",
}
"""On every answer: a page of ours loads and runs nothing, wherever it is opened, and is taken for nothing else."""


class Hardened:
    """Adds `HARDENED` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if name.lower() not in HARDENED
                ]
                message["headers"] = [*own, *HARDENED.items()]
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)


def create(
    *,
    bolt: App | None,
    verifier: SignatureVerifier | None,
    health: Health,
    exposition: Callable[[], bytes] = metrics.exposition,
    api: FastAPI | None = None,
    registry: APIRouter | None = None,
    pool: int = 4 * API_THREADS,
) -> FastAPI:
    """The web application. Without a Bolt app (Socket Mode) all but Slack's requests is served; `api` at /api/v1.

    `pool` is how many connections to the database there are.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        rest = anyio.to_thread.current_default_thread_limiter()
        rest.total_tokens = max(2, min(API_THREADS, pool // 4))
        yield

    web = FastAPI(title="mlgov", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    web.add_middleware(Hardened)
    web.add_middleware(Announced)
    _serve_watching(web, health, exposition)
    if bolt is not None and verifier is not None:
        _serve_slack(web, bolt, verifier)
    if registry is not None:
        web.include_router(registry)
    if api is not None:
        web.mount(PREFIX, api)
    return web


def _serve_watching(web: FastAPI, health: Health, exposition: Callable[[], bytes]) -> None:
    limiter = anyio.CapacityLimiter(WATCHING_THREADS)

    async def verdict(problem: Callable[[], str | None], fine: str) -> Response:
        failure = await anyio.to_thread.run_sync(problem, limiter=limiter)
        return _plain(503 if failure else 200, failure or fine)

    @web.get("/healthz")
    async def healthz() -> Response:
        return await verdict(health.stalled, f"ok {installed.describe_version()}")

    @web.get("/readyz")
    async def readyz() -> Response:
        return await verdict(health.not_ready, "ready")

    @web.get("/metrics")
    async def prometheus() -> Response:
        text = await anyio.to_thread.run_sync(exposition, limiter=limiter)
        return Response(text, media_type="text/plain; version=0.0.4")


def _serve_slack(web: FastAPI, bolt: App, verifier: SignatureVerifier) -> None:
    seldom = Seldom(log)
    limiter = anyio.CapacityLimiter(THREADS)

    def turned_away(reason: str, status: int, words: str, sentence: str) -> Response:
        metrics.TURNED_AWAY.labels(reason).inc()
        seldom.say(logging.WARNING, reason, "a request at /slack/events %s", sentence)
        return _plain(status, words)

    def unsigned() -> Response:
        return turned_away(
            "signature",
            401,
            "The request is not signed by Slack, or too old.",
            "was not taken: it is not signed with SLACK_SIGNING_SECRET, or too old. When Slack's own requests come to"
            " this, copy the secret anew from the app's page, or set this machine's clock",
        )

    @web.post("/slack/events")
    async def slack_events(request: Request) -> Response:
        started = time.monotonic()
        headers = dict(request.headers)
        try:
            server.require_short(request, MAX_BODY)
            if not _may_be_signed(headers, time.time()):
                return unsigned()
            raw = await server.whole(request, MAX_BODY)
        except BodyRefused as error:
            why = error.code.replace("-", "_")
            return turned_away(why, error.status, error.sentence, _REFUSED[error.code])
        if not _signed(verifier, raw, headers):
            return unsigned()
        body = _readable(raw, headers.get("content-type", ""))
        if body is None:
            return turned_away(
                "unreadable",
                400,
                "The body is neither a form nor JSON that mlgov understands.",
                "is neither a form nor JSON that mlgov understands",
            )
        asked = BoltRequest(
            body=body,
            headers={key: [value] for key, value in headers.items()},
            mode=PARSED,
            context={STARTED: started},
        )
        answer = await anyio.to_thread.run_sync(bolt.dispatch, asked, limiter=limiter)
        return Response(
            content=answer.body,
            status_code=answer.status,
            headers=answer.first_headers_without_set_cookie(),
        )


_FRESH = 60 * 5
"""Seconds by which Slack's clock and ours may differ, as its documentation says."""
_REFUSED = {
    "too-large": "was too large",
    "too-slow": "did not arrive in time",
    "gone": "was broken off",
}


def _may_be_signed(headers: dict[str, str], now: float) -> bool:
    """Whether the headers alone allow that a request is Slack's: no other one's body is read."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    return (
        bool(headers.get("x-slack-signature"))
        and timestamp.isascii()
        and timestamp.isdecimal()
        and len(timestamp) <= 12
        and abs(now - int(timestamp)) <= _FRESH
    )


def _signed(verifier: SignatureVerifier, raw: bytes, headers: dict[str, str]) -> bool:
    try:
        return verifier.is_valid_request(raw, headers)
    except (ValueError, TypeError):  # no number of seconds, no UTF-8, no ASCII
        return False


def _readable(raw: bytes, content_type: str) -> dict[str, Any] | None:
    """The parsed body when it is what Slack sends: an event, a command, or an interaction."""
    try:
        text = raw.decode("utf-8")
        if "json" in content_type or text.startswith("{"):
            event = json.loads(text)
            return event if _is_event(event) else None
        form = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=False))
        if "payload" in form:
            interaction = json.loads(form["payload"])
            return interaction if _is_interaction(interaction) else None
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    needed = ("command", "user_id", "channel_id")
    return form if all(form.get(name) for name in needed) or "ssl_check" in form else None


_OBJECTS = ("user", "view", "event", "container", "channel", "message")
_OBJECTS_OR_NONE = ("team", "enterprise")


def _has_shape(data: Any) -> bool:
    """Whether what must be an object is one: Bolt looks into these before any listener runs."""
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        return False
    if not all(isinstance(data[name], dict) for name in _OBJECTS if name in data):
        return False
    return all(
        isinstance(data[name], dict) for name in _OBJECTS_OR_NONE if data.get(name) is not None
    )


def _is_event(data: Any) -> bool:
    if not _has_shape(data):
        return False
    if data["type"] == "url_verification":
        return isinstance(data.get("challenge"), str)
    event = data.get("event")
    return (
        data["type"] == "event_callback"
        and isinstance(event, dict)
        and isinstance(event.get("type"), str)
    )


def _is_interaction(data: Any) -> bool:
    if (
        not _has_shape(data)
        or not isinstance(data.get("user"), dict)
        or not isinstance(data["user"].get("id"), str)
    ):
        return False
    view = data.get("view")
    if view is not None and not (isinstance(view, dict) and isinstance(view.get("id"), str)):
        return False
    if data["type"] == "message_action":
        return _has_message(data)
    if data["type"] == "block_actions":
        if not isinstance(data.get("trigger_id"), str):
            return False
        actions = data.get("actions")
        return (
            isinstance(actions, list)
            and bool(actions)
            and all(
                isinstance(action, dict) and isinstance(action.get("action_id"), str)
                for action in actions
            )
        )
    return view is not None or data["type"] not in {"view_submission", "view_closed"}


def _has_message(data: Any) -> bool:
    """Whether a message shortcut says which one it is, and of which message."""
    channel, message = data.get("channel"), data.get("message")
    return (
        all(isinstance(data.get(name), str) for name in ("callback_id", "trigger_id"))
        and isinstance(channel, dict)
        and isinstance(channel.get("id"), str)
        and isinstance(message, dict)
        and isinstance(message.get("ts"), str)
    )


def _plain(status: int, words: str) -> Response:
    return Response(words, status_code=status, media_type="text/plain")
