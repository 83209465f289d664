"""FastAPI: Slack's requests over HTTP, health, readiness and metrics."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

from bot import metrics
from bot.health import Health

MAX_BODY = 1_000_000
"""Bytes. Slack's own requests stay far below; a larger one is refused before it is read to its end."""

THREADS = 16
"""How many requests are handled at once: fewer than the database pool holds, and the two-second rule bounds each."""


def create(
    *,
    bolt: App | None,
    verifier: SignatureVerifier | None,
    health: Health,
    refresh_metrics: Callable[[], None],
) -> FastAPI:
    """The web application. Without a Bolt app (Socket Mode) only health, readiness and metrics are served."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    web = FastAPI(
        title="mlgov",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )

    @web.get("/healthz")
    def healthz() -> Response:
        problem = health.stalled()
        return Response(
            problem or "ok",
            status_code=503 if problem else 200,
            media_type="text/plain",
        )

    @web.get("/readyz")
    def readyz() -> Response:
        problem = health.not_ready()
        return Response(
            problem or "ready",
            status_code=503 if problem else 200,
            media_type="text/plain",
        )

    @web.get("/metrics")
    def prometheus() -> Response:
        refresh_metrics()
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    if bolt is not None and verifier is not None:
        _serve_slack(web, bolt, verifier)
    return web


def _serve_slack(web: FastAPI, bolt: App, verifier: SignatureVerifier) -> None:
    @web.post("/slack/events")
    async def slack_events(request: Request) -> Response:
        started = time.monotonic()
        raw = await _body(request)
        if raw is None:
            return _plain(413, "The request is too large.")
        headers = dict(request.headers)
        if not _signed(verifier, raw, headers):
            return _plain(401, "The request is not signed by Slack, or too old.")
        text = _readable(raw, headers.get("content-type", ""))
        if text is None:
            return _plain(
                400, "The body is neither a form nor JSON that mlgov understands."
            )
        answer = await run_in_threadpool(
            bolt.dispatch,
            BoltRequest(
                body=text, headers={key: [value] for key, value in headers.items()}
            ),
        )
        kind = "event" if text.startswith("{") else "interaction"
        metrics.REQUESTS.labels(kind, str(answer.status)).inc()
        metrics.REQUEST_SECONDS.labels(kind).observe(time.monotonic() - started)
        return Response(
            content=answer.body,
            status_code=answer.status,
            headers=answer.first_headers_without_set_cookie(),
        )


async def _body(request: Request) -> bytes | None:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _signed(verifier: SignatureVerifier, raw: bytes, headers: dict[str, str]) -> bool:
    try:
        return verifier.is_valid_request(raw, headers)
    except (ValueError, UnicodeDecodeError):
        return False


def _readable(raw: bytes, content_type: str) -> str | None:
    """The body as text when it is what Slack sends: a JSON object, or a form whose `payload` is one."""
    try:
        text = raw.decode("utf-8")
        if "json" in content_type or text.startswith("{"):
            return text if isinstance(json.loads(text), dict) else None
        form = parse_qs(text, keep_blank_values=True, strict_parsing=False)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    if "payload" in form:
        return text if _is_interaction(form["payload"][0]) else None
    needed = ("command", "user_id", "channel_id")
    return (
        text if all(form.get(name) for name in needed) or "ssl_check" in form else None
    )


def _is_interaction(payload: str) -> bool:
    try:
        data: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("user"), dict)
        or not data["user"].get("id")
    ):
        return False
    if data.get("type") == "block_actions":
        actions = data.get("actions")
        return (
            bool(actions)
            and isinstance(actions, list)
            and isinstance(actions[0], dict)
            and "action_id" in actions[0]
        )
    if data.get("type") in {"view_submission", "view_closed"}:
        return isinstance(data.get("view"), dict) and "id" in data["view"]
    return isinstance(data.get("type"), str)


def _plain(status: int, words: str) -> Response:
    return Response(words, status_code=status, media_type="text/plain")
