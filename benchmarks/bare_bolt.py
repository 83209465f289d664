"""The yardsticks of `clicks`: a Bolt app that only acks, behind the same FastAPI and uvicorn, or commits before it acks.

python -m benchmarks.bare_bolt SIGNING_SECRET [SQLITE_FILE]

With a file it writes as many rows as a decision does, by bare sqlite3 in one durable transaction, and decides nothing:
what no bot that acks only what is written down can be quicker than.
"""

import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from slack_bolt.authorization import AuthorizeResult

from bot.web.server import WebServer
from bot.web.site import THREADS

ROWS = 5
"""A decision, an audit entry, and three rows of the outbox."""


def committer(path: str) -> Callable[[], None]:
    """Writes the rows of one click, in one transaction that survives a power cut."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, body TEXT)",
    ):
        connection.execute(statement)
    lock = threading.Lock()
    body = "x" * 300

    def commit() -> None:
        with lock:
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(ROWS):
                connection.execute("INSERT INTO row (body) VALUES (?)", (body,))
            connection.execute("COMMIT")

    return commit


def build(secret: str, commit: Callable[[], None] = lambda: None) -> FastAPI:
    """Bolt verifies the signature, finds its one listener, commits if it is to, and acks."""
    who = AuthorizeResult(
        enterprise_id=None, team_id="T0ACME", bot_user_id="U0BOT", bot_token="xoxb-1"
    )
    bolt = App(
        signing_secret=secret,
        process_before_response=True,
        authorize=lambda enterprise_id, team_id: who,
    )

    @bolt.action(re.compile(".*"))
    def _action(ack: Any) -> None:
        commit()
        ack()

    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @web.post("/slack/events")
    async def _events(request: Request) -> Response:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        asked = to_bolt_request(request, await request.body())
        return to_starlette_response(await run_in_threadpool(bolt.dispatch, asked))

    return web


def main() -> None:
    """Serve on a free port until SIGTERM."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())
    secret, *files = sys.argv[1:]
    web = build(secret, committer(files[0])) if files else build(secret)
    server = WebServer(web, "127.0.0.1", 0)
    server.start()
    print(f"ready at {server.url}/slack/events", flush=True)
    over.wait()
    server.stop()


if __name__ == "__main__":
    main()
