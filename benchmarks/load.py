"""A client that is not the limit: signs every request as Slack does and keeps its connections, on raw sockets.

    python -m benchmarks.load PLAN.json

The plan says `host`, `port`, `path`, `secret`, `requests` (a file with one form body a line), `first` and `count` of
them, `at_once` (connections) and `every` (seconds between two starts, 0 for as fast as answers come). It prints
JSON: for each request its line, when it was sent (monotonic seconds, the same clock for all processes of a machine),
how long it took, and its status.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.outgoing.delivery import signature

PATIENCE = 30.0


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    line: int = -1
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def _request(plan: dict[str, Any], body: bytes) -> bytes:
    at = int(time.time())
    head = (
        f"POST {plan['path']} HTTP/1.1\r\nHost: {plan['host']}:{plan['port']}\r\n"
        "User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept: */*\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"X-Slack-Request-Timestamp: {at}\r\nX-Slack-Signature: {signature(plan['secret'], body, at)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _status(received: bytearray) -> int | None:
    """The status once the whole answer is there."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = 0
    for line in bytes(received[:end]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return int(received[9:12]) if len(received) >= end + 4 + length else None


def run(plan: dict[str, Any], bodies: list[bytes]) -> list[tuple[int, float, float, int]]:
    """Send them; (line, sent at, seconds, status) of each, in the order of the answers."""
    waiting = deque(range(plan["first"], plan["first"] + plan["count"]))
    done: list[tuple[int, float, float, int]] = []
    selector = selectors.DefaultSelector()
    idle: deque[_Connection] = deque()
    for _ in range(min(plan["at_once"], len(waiting))):
        opened = socket.create_connection((plan["host"], plan["port"]), 5)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(opened)
        selector.register(opened, selectors.EVENT_READ, connection)
        idle.append(connection)
    every = float(plan.get("every", 0))
    next_at = time.monotonic()
    while waiting or len(idle) < len(selector.get_map()):
        now = time.monotonic()
        while waiting and idle and now >= next_at:
            connection = idle.popleft()
            connection.line = waiting.popleft()
            message = _request(plan, bodies[connection.line])
            connection.received.clear()
            connection.sent_at = time.monotonic()
            connection.socket.sendall(message)
            next_at = max(next_at + every, now) if every else now
        wait = max(0.0, next_at - now) if waiting and idle else PATIENCE
        ready = selector.select(wait)
        if not ready and not (waiting and idle):
            raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
        for key, _ in ready:
            connection = key.data
            data = connection.socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed a connection that was kept")
            connection.received += data
            status = _status(connection.received)
            if status is not None:
                took = time.monotonic() - connection.sent_at
                done.append((connection.line, connection.sent_at, took, status))
                idle.append(connection)
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    return done


def main() -> None:
    """Read the plan, send, print."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    bodies = Path(plan["requests"]).read_bytes().splitlines()
    json.dump(run(plan, bodies), sys.stdout)


if __name__ == "__main__":
    main()
