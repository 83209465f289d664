"""Socket Mode: WebSockets that the app opened, envelopes with ids, acknowledgements."""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.inspector import Inspector
from sandbox.installation import Installation
from sandbox.outgoing.answers import Answer, Parcel

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
