"""Connections: nobody dawdles, sends in crumbs, or keeps others out; whoever is refused early hears why."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from bot.web import server as web_server
from bot.web.server import WebServer

PATIENCE = 60.0
"""Seconds that a test waits for what comes at once on an idle machine."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """/echo sends the body back; /deny refuses before it takes one."""
    if scope["type"] != "http":
        return
    status, body = 200, b"hello"
    if scope["path"] == "/deny":
        status = 401
    elif scope["path"] == "/echo":
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def server() -> Iterator[WebServer]:
    running = WebServer(app, "127.0.0.1", 0)
    running.start()
    yield running
    running.stop()


def opened(server: WebServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=PATIENCE)


def answer(line: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    heard = b""
    while part := line.recv(65_536):
        heard += part
    return heard


def status(line: socket.socket) -> int:
    """Of one answer of `app`, which is taken whole."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += line.recv(65_536)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += line.recv(65_536)
    return int(head.split(b" ")[1])


def post(path: str, length: int, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{more}\r\n".encode()


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_head_that_does_not_come_ends_the_connection(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "HEAD", 0.3)
    with closing(opened(server)) as silent, closing(opened(server)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert answer(silent) == answer(slow) == b""
    with closing(opened(server)) as again:
        again.sendall(GET)
        assert status(again) == 200
        again.sendall(b"GET / HTTP/1.1\r\nHo")  # the second head counts like the first
        assert answer(again) == b""


def test_requests_on_one_connection_are_answered_in_turn(server: WebServer) -> None:
    with closing(opened(server)) as line:
        line.sendall(GET * 3)
        heard = b""
        while heard.count(b"hello") < 3:
            part = line.recv(65_536)
            assert part
            heard += part
        for _ in range(3):
            line.sendall(GET)
            assert status(line) == 200


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_long_body_comes_whole(server: WebServer, is_chunked: bool) -> None:
    body = bytes(range(256)) * 12_000
    end = "Connection: close\r\n"
    head = post("/echo", len(body), end)
    sent = body
    if is_chunked:
        head = head.replace(f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked")
        pieces = [body[at : at + 5_000] for at in range(0, len(body), 5_000)]
        sent = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces)
        sent += b"0\r\n\r\n"
    with closing(opened(server)) as line:
        line.sendall(head + sent)
        assert answer(line).partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("end", ["", "Connection: close\r\n"])
def test_whoever_is_refused_before_the_body_hears_it_and_is_not_listened_to(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(web_server, "LINGER", 0.5)
    with closing(opened(server)) as line:
        line.sendall(post("/deny", 50_000_000, end) + b"x" * 200_000)
        assert b" 401 " in answer(line)
        with pytest.raises(OSError, match=r"reset|pipe|abort"):
            _send_on(line)


def _send_on(line: socket.socket) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        line.sendall(b"x" * 100_000)
        time.sleep(0.01)


def test_a_body_in_crumbs_is_refused(server: WebServer) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(opened(server)) as line:
        line.sendall(head + b"1\r\na\r\n" * 900 + b"0\r\n\r\n")
        assert status(line) == 200
    with closing(opened(server)) as line:
        line.sendall(head + b"1\r\na\r\n" * 100_000)
        assert b" 400 " in answer(line)


def test_whoever_asks_for_nothing_makes_room(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "most", lambda: 20)
    with ExitStack() as held:
        idle = [held.enter_context(closing(opened(server))) for _ in range(60)]
        for line in idle[::2]:
            line.sendall(b"GET / HT")
        with closing(opened(server)) as line:
            line.sendall(GET)
            assert status(line) == 200
        assert idle[1].recv(1) == b"", "the oldest went first"


def test_there_is_a_word_when_all_are_asking(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "most", lambda: 5)
    with ExitStack() as held:
        for _ in range(5):
            line = held.enter_context(closing(opened(server)))
            line.sendall(post("/echo", 10, "Expect: 100-continue\r\n"))
            assert b" 100 " in line.recv(1000)
        with closing(opened(server)) as line:
            assert b" 503 " in answer(line)
