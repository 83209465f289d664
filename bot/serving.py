"""Running until told to stop: Socket Mode or HTTP, the web beside it, and a clean end on SIGTERM."""

import logging
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler

from bot import app
from bot.settings import Settings

log = logging.getLogger("mlgov")


class WebServer:
    """uvicorn in a thread of its own, on a socket that was bound before."""

    def __init__(self, web: Any, host: str, port: int) -> None:
        self._socket = socket.create_server((host, port), backlog=512)
        self.host, self.port = self._socket.getsockname()[:2]
        self._server = uvicorn.Server(
            uvicorn.Config(
                web, log_config=None, access_log=False, timeout_graceful_shutdown=5
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
        self._thread.join(10)
        self._socket.close()


class SocketMode:
    """Bolt's Socket Mode, with as many workers as the web has threads."""

    def __init__(self, bot: app.Bot) -> None:
        token = bot.deps.settings.slack_app_token
        if token is None:
            raise ValueError("Socket Mode needs SLACK_APP_TOKEN")
        self._handler = SocketModeHandler(
            bot.bolt, token.get_secret_value(), concurrency=10
        )
        self._handler.client.web_client.base_url = bot.deps.settings.slack_api_url
        self._handler.client.web_client.token = token.get_secret_value()
        if not bot.deps.settings.is_real_slack:
            # The client reads HTTP(S)_PROXY and never NO_PROXY; a stand-in on this machine is not behind a proxy.
            self._handler.client.proxy = None
            self._handler.client.web_client.proxy = None

    def start(self) -> None:
        """Connect and take envelopes."""
        self._handler.connect()

    def stop(self) -> None:
        """Disconnect."""
        self._handler.close()


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
