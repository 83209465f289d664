"""Running until told to stop: Socket Mode or HTTP, the web beside it, and a clean end on SIGTERM."""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk.socket_mode.client import BaseSocketModeClient

from bot import app
from bot.server import WebServer
from bot.settings import Settings
from bot.slack_client import socket_proxy, web_client

log = logging.getLogger("mlgov")

_HELLO_SECONDS = 10


class SocketMode:
    """Bolt's Socket Mode, with as many workers as the web has threads."""

    def __init__(self, bot: app.Bot) -> None:
        token = bot.deps.settings.slack_app_token
        if token is None:
            raise ValueError("Socket Mode needs SLACK_APP_TOKEN")
        settings = bot.deps.settings
        opener = web_client(None, base_url=settings.slack_api_url, timeout=10)
        self._handler = SocketModeHandler(
            bot.bolt, token.get_secret_value(), web_client=opener, concurrency=10
        )
        # The client reads HTTP(S)_PROXY and never NO_PROXY, and this machine is not behind a proxy.
        self._handler.client.proxy = socket_proxy(settings.slack_api_url)
        self._greeted = threading.Event()
        self._handler.client.message_listeners.append(self._listen)

    def start(self) -> None:
        """Connect, and return once Slack has said hello: before that it sends nothing here."""
        self._handler.connect()  # type: ignore[no-untyped-call]
        if not self._greeted.wait(_HELLO_SECONDS):
            log.warning("Slack took the connection and has not said hello yet")

    def _listen(
        self, _client: BaseSocketModeClient, message: dict[str, Any], _raw: str | None
    ) -> None:
        if message.get("type") == "hello":
            self._greeted.set()

    def stop(self) -> None:
        """Disconnect."""
        self._handler.close()  # type: ignore[no-untyped-call]


def run(
    settings: Settings,
    *,
    http: bool,
    host: str,
    port: int,
    announce: Callable[[str], None],
) -> None:
    """Run a bot until SIGTERM or SIGINT. Raises SettingsRefused or GovernanceError when it cannot start."""
    configure_log(settings.mlgov_log)
    bot = app.create(settings)
    server = WebServer(bot.web(serve_slack=http), host, port)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    socket_mode = None if http else SocketMode(bot)
    bot.start()
    try:
        server.start()
        if socket_mode is not None:
            socket_mode.start()
        how = (
            f"HTTP at {server.url}/slack/events"
            if http
            else f"Socket Mode, health at {server.url}/healthz"
        )
        announce(f"mlgov governs {bot.deps.team.name} over {how}. Ctrl+C stops it.")
        ended.wait()
    finally:
        if socket_mode is not None:
            socket_mode.stop()
        server.stop()
        bot.stop()


def configure_log(level: str) -> None:
    """Log to standard error; Slack's and the database's own chatter only when it warns."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for name in (
        "slack_bolt",
        "slack_sdk",
        "apscheduler",
        "sqlalchemy",
        "httpx",
        "uvicorn",
        "alembic",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
