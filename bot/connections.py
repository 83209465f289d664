"""Connections of the web server: none may dawdle, be read byte by byte, or keep out those who ask for something.

uvicorn bounds how long a connection may idle between two requests. What it leaves open is bounded here: how long the head
of a request may take, in how many crumbs a body may come, how much of what arrives is looked at before others have their
turn, and how many connections there are.
"""

import asyncio
import resource
from collections.abc import Callable
from typing import Any

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0
"""Seconds for the head of a request, from the connection or from its first byte."""
IDLE = 5
"""Seconds between two requests on one connection."""
LINGER = 3.0
"""Seconds in which a sender may hear why the rest of a body is not wanted; what still comes is thrown away unread."""
SLICE = 16_384
"""Bytes that are looked at before others have their turn."""
CRUMB, MOST_CRUMBS = 256, 1_000
"""A piece of a body below so many bytes is a crumb; whoever sends more of them in one request means no good."""
MOST = 6_000
"""Connections at a time; more than wait for decisions."""
_SPARE = 200
"""Descriptors that databases, files and Slack need."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 32\r\nConnection: close\r\n\r\nToo many connections; try again."
)


def most() -> int:
    """How many connections there may be, as the system's limit of open files allows."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(50, min(MOST, soft - _SPARE))


class Announced:
    """Says `Connection: close` in an answer that does not wait for the rest of a body.

    The connection ends after such an answer. A client that was not told keeps it, and its next request is lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        is_whole = False

        async def received() -> Message:
            nonlocal is_whole
            message = await receive()
            if message["type"] == "http.request":
                is_whole = not message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_whole:
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, received, sent)


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


class Counting(h11.Connection):
    """h11, which counts crumbs."""

    def __init__(self, role: Any, most: int) -> None:
        super().__init__(role, most)
        self._crumbs = 0

    def next_event(self) -> Any:
        """As h11's. Raises RemoteProtocolError after too many crumbs."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._crumbs = 0
        elif isinstance(event, h11.Data) and len(event.data) < CRUMB:
            self._crumbs += 1
            if self._crumbs > MOST_CRUMBS:
                raise h11.RemoteProtocolError("a body in crumbs")
        return event


class _Transport:
    """The transport as uvicorn sees it: reading goes on only once everything was looked at, and closing lets answers out."""

    def __init__(self, real: asyncio.Transport, connection: "Connection") -> None:
        self._real = real
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def is_closing(self) -> bool:
        return self._connection.is_ending or self._real.is_closing()

    def resume_reading(self) -> None:
        if not self._connection.is_behind and not self._real.is_closing():
            self._real.resume_reading()

    def close(self) -> None:
        self._connection.end()


class Connection(H11Protocol):
    """One connection."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        limit = self.config.h11_max_incomplete_event_size or SLICE
        self.conn = Counting(h11.SERVER, limit)
        self.is_ending = False
        """Whether nothing that comes is looked at any more."""
        self.since = 0.0
        """When it began to wait for the head of a request, by the loop's clock."""
        self._real: asyncio.Transport
        self._left = b""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_behind(self) -> bool:
        """Whether there is something that was not looked at yet."""
        return bool(self._left)

    @property
    def is_asked(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's; where there is no room, whoever has asked for nothing for longest makes some."""
        self._real = transport
        super().connection_made(_Transport(transport, self))  # type: ignore[arg-type]
        self._await_head()
        if len(self.connections) <= most():
            return
        others = [
            one
            for one in self.connections
            if isinstance(one, Connection) and one is not self and not one.is_asked
        ]
        if others:
            min(others, key=lambda connection: connection.since).drop()
        else:
            transport.write(_FULL)
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._stop_timer()
        self._left = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Look at a slice; the rest waits until others had their turn."""
        if self.is_ending:
            return
        is_first = not self._left
        self._left += data
        if is_first:
            self._read_slice()
        elif not self._real.is_closing():
            self._real.pause_reading()

    def _read_slice(self) -> None:
        if self.is_ending or self._real.is_closing():
            self._left = b""
            return
        part, self._left = self._left[:SLICE], self._left[SLICE:]
        super().data_received(part)
        if self.is_asked:
            self._stop_timer()
        elif self._timer is None and not self.is_ending:
            self._await_head()
        if self._left:
            self._real.pause_reading()
            self.loop.call_soon(self._read_slice)
        elif not self.flow.read_paused and not self._real.is_closing():
            self._real.resume_reading()

    def on_response_complete(self) -> None:
        """As uvicorn's; whoever still sends a body that nobody wants is heard no longer."""
        super().on_response_complete()
        if self.is_ending or self.is_asked:
            return  # the next request came with this one
        if self.conn.their_state is h11.SEND_BODY:
            self.end()
        self.since = self.loop.time()

    def shutdown(self) -> None:
        """As uvicorn's."""
        if self.is_ending:
            self._real.close()
        else:
            super().shutdown()

    def end(self) -> None:
        """Close, so that an answer arrives even where a body is still under way: closing at once would break it off."""
        self._stop_timer()
        if self.is_ending or self._real.is_closing():
            self._real.close()
            return
        if self.conn.their_state not in (h11.SEND_BODY, h11.ERROR):
            self._real.close()
            return
        self.is_ending = True
        self._left = b""
        self._unset_keepalive_if_required()
        try:
            self._real.write_eof()
            self._real.resume_reading()
        except (OSError, RuntimeError):
            self._real.close()
            return
        self._after(LINGER, self._real.close)

    def drop(self) -> None:
        """Close at once: nobody is being answered."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.is_ending = True
        self._real.close()

    def _await_head(self) -> None:
        self.since = self.loop.time()
        self._after(HEAD, self.drop)

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, work)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _should_upgrade(self) -> bool:
        """Nothing here is upgraded, and whoever asks for it fills no log."""
        return False
