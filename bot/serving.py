"""Running until told to stop: Socket Mode or HTTP, the web beside it, and a clean end on SIGTERM."""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.socket_mode.client import BaseSocketModeClient

from bot import app, installation
from bot.context import Team
from bot.server import WebServer
from bot.settings import Settings

log = logging.getLogger("mlgov")

_HELLO_SECONDS = 10
_LONGEST_PAUSE = 60.0
"""Seconds between two questions to a Slack that doesn't answer."""


class SocketMode:
    """Bolt's Socket Mode, with as many workers as the web has threads."""

    def __init__(self, bot: app.Bot) -> None:
        token = bot.deps.settings.slack_app_token
        if token is None:
            raise ValueError("Socket Mode needs SLACK_APP_TOKEN")
        settings = bot.deps.settings
        opener = WebClient(base_url=settings.slack_api_url, timeout=10)
        self._handler = SocketModeHandler(
            bot.bolt, token.get_secret_value(), web_client=opener, concurrency=10
        )
        if not settings.is_real_slack:
            # The client reads HTTP(S)_PROXY and never NO_PROXY; a stand-in on this machine is not behind a proxy.
            self._handler.client.proxy = opener.proxy = None
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
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        bot = app.create(settings, who=_patiently(ended))
    except _Ended:
        return
    server = WebServer(bot.web(serve_slack=http), host, port)
    socket_mode = None if http else SocketMode(bot)
    try:
        # Before the first reading of Slack is done, /readyz says what it waits for.
        server.start()
        if not bot.start(ended):
            return
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


class _Ended(Exception):
    """Somebody stopped mlgov before it had begun."""


def _patiently(
    ended: threading.Event,
) -> Callable[[Settings, WebClient], Team]:
    """Ask Slack who mlgov is until it answers; a refusal ends it, and so does `ended`."""

    def ask(settings: Settings, slack: WebClient) -> Team:
        pause = 2.0
        while True:
            try:
                return installation.who_am_i(settings, slack)
            except installation.SlackAway as error:
                log.warning(
                    "%s mlgov can't start without it; it tries again in %.0f s.",
                    error,
                    pause,
                )
            if ended.wait(pause):
                raise _Ended
            pause = min(pause * 2, _LONGEST_PAUSE)

    return ask


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
