"""The way to the app: its request URL when one is set, else its sockets."""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import ssl
import time
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox import coverage, render
from sandbox.errors import SlackError
from sandbox.inspector import Inspector
from sandbox.installation import Installation, ResponseUrl
from sandbox.submission import Answer, Failure, Parcel
from sandbox.web_api import call
from sandbox.web_api.call import Call

# --- Slack's request signature, version v0


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


# --- Signed HTTP to the app's request URL, with Slack's three seconds

_FORM = "application/x-www-form-urlencoded"


class HttpOut:
    """Sends parcels to one URL. Thread-safe; `close()` it."""

    def __init__(self, url: str, installation: Installation, inspector: Inspector) -> None:
        self.url = url
        self._installation = installation
        self._inspector = inspector
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(
                verify=urlsplit(url).scheme == "https",
                limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            ),
            timeout=installation.ack_seconds,
            follow_redirects=True,
            trust_env=False,
        )
        self._client.max_redirects = 2

    def send(self, parcel: Parcel) -> Answer:
        """Send and wait at most three seconds."""
        body, kind = encode(parcel)
        headers = signed_headers(self._installation.signing_secret, body, kind)
        if parcel.retry is not None:
            headers["x-slack-retry-num"] = str(parcel.retry.number)
            headers["x-slack-retry-reason"] = parcel.retry.reason
        started = time.perf_counter()
        response: httpx.Response | None = None
        failure: Failure | None = None
        try:
            response = self._client.post(self.url, content=body, headers=headers)
            if not response.is_success:
                failure = "http_error"
        except httpx.TimeoutException:
            failure = "http_timeout"
        except httpx.TooManyRedirects:
            failure = "too_many_redirects"
        except httpx.HTTPError as error:
            failure = "ssl_error" if _is_tls(error) else "connection_failed"
        except RuntimeError:
            # The app was taken away while an event was on its way to it.
            if not self._client.is_closed:
                raise
            failure = "connection_failed"
        ms = (time.perf_counter() - started) * 1000
        answer = Answer(
            failure,
            ms,
            response.status_code if response is not None else None,
            response.content if response is not None else b"",
            dict(response.headers) if response is not None else {},
        )
        number = self._inspector.record(
            "to_app",
            "POST",
            parcel.name,
            headers=headers,
            body=body,
            status=answer.status,
            answer=answer.body,
            ms=ms,
            note=failure,
        )
        self._installation.world.feed.append("exchange", exchange=number)
        return answer

    def raw(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send exactly this; raises httpx.HTTPError when there is no answer."""
        response = self._client.post(self.url, content=body, headers=headers)
        return response.status_code, response.content

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _is_tls(error: BaseException | None) -> bool:
    """Whether TLS is what went wrong; httpx keeps the reason as the cause of its own errors."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def encode(parcel: Parcel) -> tuple[bytes, str]:
    """The body and content type of a parcel as Slack sends it over HTTP."""
    if parcel.kind == "events_api":
        return json.dumps(parcel.payload, separators=(",", ":")).encode(), "application/json"
    if parcel.kind == "slash_commands":
        return urlencode(parcel.payload).encode(), _FORM
    text = json.dumps(parcel.payload, separators=(",", ":"))
    return urlencode({"payload": text}).encode(), _FORM


# --- Answers of the app at a response_url, or in the body of its answer to a slash command

_KNOWN = {
    "text", "blocks", "attachments", "response_type", "replace_original", "delete_original",
    "thread_ts", "unfurl_links", "unfurl_media", "mrkdwn", "metadata", "link_names", "parse",
    "as_user", "username", "icon_emoji", "icon_url",
}  # fmt: skip


def answer(installation: Installation, link_id: str, secret: str, body: bytes) -> None:
    """Take what the app posts to a response_url; raises SlackError when Slack would not."""
    link = installation.use_response_url(link_id, secret)
    try:
        payload = json.loads(body)
    except ValueError:
        raise SlackError("invalid_payload") from None
    if not isinstance(payload, dict):
        raise SlackError("invalid_payload")
    with installation.world.lock:
        apply(installation, link, payload)


def apply(installation: Installation, link: ResponseUrl, body_: dict[str, Any]) -> None:
    """Post, replace or delete as the app says."""
    messages = installation.world.messages
    channel = installation.world.channels[link.channel_id]
    if body_.get("delete_original"):
        if link.ephemeral_id is not None:
            messages.dismiss_ephemeral(link.ephemeral_id)
        elif link.ts is not None and link.ts in channel.messages:
            messages.delete(channel.id, link.ts)
        return
    unknown = body_.keys() - _KNOWN
    if unknown:
        raise SlackError("invalid_payload")
    refused = coverage.argument("chat.postMessage", body_)
    if refused is not None:
        raise SlackError("not_covered", findings=[coverage.words(*refused)])
    what = call.of(Call("response_url", body_, installation))
    if what.is_empty:
        raise SlackError("no_text")
    changes: dict[str, Any] = {
        "text": what.text or "",
        "blocks": what.blocks or [],
        "attachments": what.attachments or [],
    }
    if body_.get("replace_original"):
        if link.ephemeral_id is not None and link.ephemeral_id in messages.ephemerals:
            messages.edit_ephemeral(link.ephemeral_id, **changes)
            return
        if link.ts is not None and link.ts in channel.messages:
            messages.edit(channel.id, link.ts, mark_edited=not what.blocks, **changes)
            return
    app = installation.world.app
    thread_ts = body_.get("thread_ts") or (link.thread_ts if link.ts or link.ephemeral_id else None)
    author: dict[str, Any] = {"bot_id": app.bot_id, "app_id": app.id, "thread_ts": thread_ts}
    if body_.get("response_type") == "in_channel":
        messages.post(
            channel.id, app.bot_user_id, metadata=what.metadata or None, **changes, **author
        )
    else:
        messages.post_ephemeral(channel.id, link.user_id, app.bot_user_id, **changes, **author)


# --- Socket Mode
#
# WebSockets that the app opened, envelopes with ids, acknowledgements.

_CLOSE_SECONDS = 3.0
MOST_CONNECTIONS = 10
_LIFE_SECONDS = 360


class _Lost(Exception):
    """The connection went before the app acknowledged."""


class _Connection:
    def __init__(self, socket: WebSocket, id_: str) -> None:
        self.socket = socket
        self.id = id_
        self.waiting: dict[str, Future[dict[str, Any]]] = {}


class Sockets:
    """The app's open connections; each payload goes to any one of them."""

    def __init__(self, installation: Installation, inspector: Inspector) -> None:
        self._installation = installation
        self._inspector = inspector
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: list[_Connection] = []
        self._turn = itertools.count()
        self.ever_connected = False

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from the handshake to its end."""
        self._loop = asyncio.get_running_loop()
        if not self._installation.use_ticket(socket.query_params.get("ticket", "")):
            await socket.close(code=1008)
            return
        await socket.accept()
        if not self._installation.manifest.socket_mode:
            await _bye(socket, "link_disabled")
            return
        if self.count >= MOST_CONNECTIONS:
            await _bye(socket, "too_many_websockets")
            return
        connection = _Connection(socket, uuid.uuid4().hex[:12])
        hello = {
            "type": "hello",
            "num_connections": self.count + 1,
            "debug_info": {
                "host": "sandbox",
                "build_number": 1,
                "approximate_connection_time": _LIFE_SECONDS,
            },
            "connection_info": {"app_id": self._installation.world.app.id},
        }
        # Whoever has heard hello may be sent to, so it counts before; what is sent queues behind it.
        self._connections.append(connection)
        self.ever_connected = True
        await self._send(connection, json.dumps(hello))
        try:
            while True:
                _acknowledge(connection, await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self._forget(connection)

    def send(self, parcel: Parcel) -> Answer:
        """Send from any thread and wait at most three seconds for the acknowledgement."""
        loop, connections = self._loop, tuple(self._connections)
        if loop is None or not connections:
            return Answer("connection_failed" if self.ever_connected else "no_app", 0.0)
        connection = connections[next(self._turn) % len(connections)]
        envelope_id = str(uuid.uuid4())
        envelope: dict[str, Any] = {
            "envelope_id": envelope_id,
            "payload": parcel.payload,
            "type": parcel.kind,
            "accepts_response_payload": parcel.kind != "events_api",
        }
        if parcel.kind == "events_api":
            retry = parcel.retry
            envelope["retry_attempt"] = retry.number if retry else 0
            envelope["retry_reason"] = retry.reason if retry else ""
        body = json.dumps(envelope, separators=(",", ":"))
        faults = self._installation.faults
        fault = faults.draw(parcel.name, "drop_socket_before", "drop_socket_after")
        started = time.perf_counter()
        acknowledged: Future[dict[str, Any]] = Future()
        connection.waiting[envelope_id] = acknowledged
        if connection not in self._connections:  # it went just now, and told only its old waiters
            self._forget(connection)
        if fault is not None and fault.kind == "drop_socket_before":
            sending = asyncio.run_coroutine_threadsafe(self._drop(connection), loop)
        elif fault is not None:
            sending = asyncio.run_coroutine_threadsafe(self._send_and_drop(connection, body), loop)
        else:
            sending = asyncio.run_coroutine_threadsafe(self._send(connection, body), loop)
        answer = self._wait(acknowledged, started)
        connection.waiting.pop(envelope_id, None)
        sending.cancel()
        number = self._inspector.record(
            "to_app",
            "SEND",
            parcel.name,
            headers={"content-type": "application/json"},
            body=body.encode(),
            status=None,
            answer=answer.body,
            ms=answer.ms,
            transport="socket",
            note=fault.kind if fault else answer.failure,
        )
        self._installation.world.feed.append("exchange", exchange=number)
        return answer

    def _wait(self, acknowledged: "Future[dict[str, Any]]", started: float) -> Answer:
        def ms() -> float:
            return (time.perf_counter() - started) * 1000

        try:
            answer = acknowledged.result(self._installation.ack_seconds)
        except FutureTimeout:
            return Answer("http_timeout", ms())
        except _Lost:
            return Answer("connection_failed", ms())
        payload = answer.get("payload")
        return Answer(None, ms(), body=json.dumps(payload).encode() if payload else b"")

    # --- ends ----------------------------------------------------------------------------------

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tell every connection to go (`warning`, `refresh_requested`); all but a warning close."""
        loop = self._loop
        if loop is None:
            return

        async def tell() -> None:
            for connection in tuple(self._connections):
                if reason == "warning":
                    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                        await connection.socket.send_json(_farewell(reason))
                else:
                    self._forget(connection)
                    await _bye(connection.socket, reason)

        asyncio.run_coroutine_threadsafe(tell(), loop).result(_CLOSE_SECONDS)

    def drop(self) -> None:
        """Close every connection without a word."""
        loop = self._loop
        if loop is None:
            return

        async def cut() -> None:
            for connection in tuple(self._connections):
                await self._drop(connection)

        asyncio.run_coroutine_threadsafe(cut(), loop).result(_CLOSE_SECONDS)

    async def close(self) -> None:
        """Close every connection; the server stops."""
        for connection in tuple(self._connections):
            await self._drop(connection)

    async def _send(self, connection: _Connection, body: str) -> None:
        try:
            await connection.socket.send_text(body)
        except (RuntimeError, WebSocketDisconnect):
            self._forget(connection)

    async def _send_and_drop(self, connection: _Connection, body: str) -> None:
        await self._send(connection, body)
        await self._drop(connection)

    async def _drop(self, connection: _Connection) -> None:
        self._forget(connection)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await connection.socket.close(code=1012)

    def _forget(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        for waiting in tuple(connection.waiting.values()):
            if not waiting.done():
                waiting.set_exception(_Lost())


def _acknowledge(connection: _Connection, text: str) -> None:
    try:
        frame = json.loads(text)
    except ValueError:
        return
    if not isinstance(frame, dict):
        return
    waiting = connection.waiting.get(str(frame.get("envelope_id")))
    if waiting is not None and not waiting.done():
        waiting.set_result(frame)


def _farewell(reason: str) -> dict[str, Any]:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}


async def _bye(socket: WebSocket, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_json(_farewell(reason))
        await socket.close(code=1000)


# --- The way to the app
#
# its request URL when one is set, else its sockets.


class Delivery:
    """Sends parcels to the app and plays the faults of delivery."""

    def __init__(self, installation: Installation, inspector: Inspector) -> None:
        self._installation = installation
        self._inspector = inspector
        self.sockets = Sockets(installation, inspector)
        self._http: HttpOut | None = None

    def to_url(self, url: str | None) -> None:
        """Deliver over HTTP from now on; None goes back to Socket Mode."""
        old, self._http = self._http, None
        if old is not None:
            old.close()
        if url is not None:
            self._http = HttpOut(url, self._installation, self._inspector)

    @property
    def has_app(self) -> bool:
        """Whether an app was ever there to hear anything."""
        return self._http is not None or self.sockets.ever_connected

    def send(self, parcel: Parcel) -> Answer:
        """Send a parcel and wait for the answer; twice when a fault says so."""
        payload = render.outgoing(self._installation.world, parcel.payload)
        parcel = replace(parcel, payload=payload)
        answer = self._send(parcel)
        if self._installation.faults.draw(parcel.name, "duplicate_delivery"):
            self._send(parcel)
        return answer

    def raw(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send exactly these bytes to the request URL; its status and body."""
        if self._http is None:
            raise RuntimeError("there is no request URL: call deliver_to(url) first")
        return self._http.raw(body, headers)

    def _send(self, parcel: Parcel) -> Answer:
        http = self._http
        return http.send(parcel) if http is not None else self.sockets.send(parcel)

    def close(self) -> None:
        """Close the connections to the app's request URL."""
        self.to_url(None)
