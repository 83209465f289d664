"""The yardstick of `clicks`: a Bolt app that only acks, behind the same FastAPI and uvicorn.

python -m benchmarks.bare_bolt SIGNING_SECRET
"""

import re
import signal
import sys
import threading
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import (
    to_bolt_request,
    to_starlette_response,
)
from slack_bolt.authorization import AuthorizeResult

from bot.server import WebServer
from bot.web import THREADS


def build(secret: str) -> FastAPI:
    """Bolt verifies the signature, finds its one listener and acks."""
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
    server = WebServer(build(sys.argv[1]), "127.0.0.1", 0)
    server.start()
    print(f"ready at {server.url}/slack/events", flush=True)
    over.wait()
    server.stop()


if __name__ == "__main__":
    main()
