"""Bodies of requests: no longer than they may be, and whole within a time."""

import asyncio
import errno
import os
import resource
import socket
import threading
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from workflows.errors import GovernanceError

SECONDS = 10.0
"""In which a body has to be here."""


class BodyRefused(Exception):
    """A body that is not taken: the status, the kind of problem, and a sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


def require_short(request: Request, most: int) -> None:
    """Refuse a body that is announced to be longer, having read nothing of it. Raises BodyRefused."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_long(most)


def _too_long(most: int) -> BodyRefused:
    return BodyRefused(
        413, "too-large", f"The body is longer than {most:,} bytes. Send it in parts."
    )


async def whole(request: Request, most: int, *, seconds: float | None = None) -> bytes:
    """The body. Raises BodyRefused: 413 beyond `most` bytes, 408 when it takes too long, 400 when its sender has gone."""
    seconds = SECONDS if seconds is None else seconds
    require_short(request, most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_long(most)
                parts.append(part)
    except TimeoutError:
        raise BodyRefused(
            408,
            "too-slow",
            f"The body did not arrive within {seconds:g} seconds. Send it again, or less of it.",
        ) from None
    except ClientDisconnect:
        # Nobody hears this: whoever sent it has closed the connection.
        raise BodyRefused(
            400, "gone", "The connection was closed before the body was whole."
        ) from None
    return b"".join(parts)


# --- Connections of the web server
#
# none may dawdle, be read byte by byte, or keep out those who ask for something. uvicorn bounds
# how long a connection may idle between two requests. What it leaves open is bounded here: how
# long the head of a request may take, in how many crumbs a body may come, how much of what
# arrives is looked at before others have their turn, and how many connections there are.

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


# --- uvicorn in a thread of its own


class CannotListen(GovernanceError):
    """The address cannot be listened on; the sentence says why, and what to do."""


class WebServer:
    """uvicorn in a thread of its own, on a socket that was bound before."""

    def __init__(self, web: Any, host: str, port: int) -> None:
        """Bind the address. Raises CannotListen."""
        try:
            self._socket = socket.create_server((host, port), backlog=512)
        except (OSError, UnicodeError) as error:
            raise CannotListen(explain_failure(error, host, port)) from None
        self.host, self.port = self._socket.getsockname()[:2]
        self._server = uvicorn.Server(
            uvicorn.Config(
                web,
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=5,
            )
        )
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="web", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Serve; returns when requests are taken."""
        self._thread.start()
        waiting = threading.Event()
        while not self._server.started and self._thread.is_alive():
            waiting.wait(0.005)

    def stop(self) -> None:
        """Finish what is being answered, then stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(10)
        self._socket.close()


def explain_failure(error: OSError | UnicodeError, host: str, port: int) -> str:
    """Why an address cannot be listened on, with the mend."""
    number = error.errno if isinstance(error, OSError) else None
    # getaddrinfo's codes are negative, and create_server wraps them.
    if number is None or number < 0:
        return f"--host {host}: there is no such address. Give 127.0.0.1, 0.0.0.0, or an address of this machine."
    if number == errno.EADDRINUSE:
        return (
            f"Port {port} at {host} is taken by another program. Stop it, or give another --port."
        )
    if number in (errno.EACCES, errno.EPERM):
        return f"Port {port} is for administrators. Give a --port of 1024 or more, behind a proxy that listens there."
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"--host {host}: this machine has no such address. Give 127.0.0.1, 0.0.0.0, or an address of its own."
    return f"Port {port} at {host} can't be listened on ({os.strerror(number)})."
