"""Running until told to stop: Socket Mode or HTTP, the web beside it, and a clean end on SIGTERM."""

import json
import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Any

from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot import app, logs
from bot import opening as holding_words
from bot.background import keep_loaded
from bot.deps import Team
from bot.settings import Settings, SettingsRefused
from bot.slack import errors, installation
from bot.slack.client import socket_proxy, web_client
from bot.web.server import WebServer
from storage.enums import HoldReason
from workflows import operations
from workflows.delivery import holding
from workflows.delivery.records import HoldRecord

log = logging.getLogger("mlgov")

_HELLO_SECONDS = 10
_QUIET_SECONDS, _FINISH_SECONDS = 3.0, 7.0
"""Seconds at the end in which clicks are still taken, and then those in which what is under way may end."""
_URL_SECONDS = 20
"""How long an address from Slack is taken for one that still connects."""
_LONGEST_PAUSE = 60.0
"""Seconds between two questions to a Slack that doesn't answer."""


class _InFlight(SocketModeHandler):
    """Bolt's handler, which knows what Slack has sent and isn't acknowledged yet, and can stop taking more."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._changed = threading.Condition()
        self._taken: set[str] = set()
        """Envelopes that have arrived, waiting for a worker or with one."""
        self._answered: deque[str] = deque(maxlen=1_000)
        """Some may be answered before their arrival is told here."""
        self._is_ending = False
        super().__init__(*args, **named)
        self.client.on_message_listeners.append(self._arrived)

    def _arrived(self, message: str) -> None:
        try:
            envelope = json.loads(message).get("envelope_id")
        except (ValueError, AttributeError):
            return
        with self._changed:
            is_new = envelope is not None and envelope not in self._answered
            if is_new and not self._is_ending:
                self._taken.add(envelope)

    def handle(self, client: Any, req: SocketModeRequest) -> None:
        """Answer and acknowledge what was taken. Slack sends other events again, to whoever is connected."""
        with self._changed:
            if self._is_ending and req.envelope_id not in self._taken:
                return
        try:
            super().handle(client, req)
        finally:
            with self._changed:
                self._taken.discard(req.envelope_id)
                self._answered.append(req.envelope_id)
                self._changed.notify_all()

    def finish(self) -> bool:
        """Take no more, and wait until everything that was taken is acknowledged; whether it is.

        Slack repeats no click, so what arrives while others are being answered is answered too, for a moment.
        """
        with self._changed:
            is_quiet = self._changed.wait_for(lambda: not self._taken, _QUIET_SECONDS)
            self._is_ending = True
            return is_quiet or self._changed.wait_for(lambda: not self._taken, _FINISH_SECONDS)


class SocketMode:
    """Bolt's Socket Mode, with as many workers as the web has threads."""

    def __init__(self, bot: app.Bot) -> None:
        token = bot.deps.settings.slack_app_token
        if token is None:
            raise ValueError("Socket Mode needs SLACK_APP_TOKEN")
        settings = bot.deps.settings
        self._where = settings.slack_api_url
        opener = web_client(
            None, base_url=settings.slack_api_url, timeout=10, observer=bot.reach.observe
        )
        # Asked before anything runs: a token that Slack refuses ends the start here, in words.
        url = installation.open_socket_url(settings, opener)
        self._handler = _InFlight(
            bot.bolt, token.get_secret_value(), web_client=opener, concurrency=10
        )
        self._handler.client.wss_uri = url
        self._asked_at = time.monotonic()
        # The client reads HTTP(S)_PROXY and never NO_PROXY, and this machine is not behind a proxy.
        self._handler.client.proxy = socket_proxy(settings.slack_api_url)
        self._greeted = threading.Event()
        self._handler.client.message_listeners.append(self._listen)
        bot.reach.watch_socket(self._handler.client.is_connected)

    def start(self) -> None:
        """Connect, and return once Slack has said hello: before that it sends nothing here. Raises SettingsRefused."""
        if time.monotonic() - self._asked_at > _URL_SECONDS:
            # The first reading of Slack took its time; the client asks for another.
            self._handler.client.wss_uri = None
        try:
            self._handler.connect()  # type: ignore[no-untyped-call]
        except errors.TROUBLE as error:
            raise SettingsRefused(
                f"Socket Mode can't connect. {errors.describe_refusal(error, 'SLACK_APP_TOKEN', self._where)}"
            ) from None
        if not self._greeted.wait(_HELLO_SECONDS):
            log.warning("Slack took the connection and has not said hello yet")

    def _listen(
        self, _client: BaseSocketModeClient, message: dict[str, Any], _raw: str | None
    ) -> None:
        if message.get("type") == "hello":
            self._greeted.set()

    def stop(self) -> None:
        """Take nothing new, acknowledge what is under way, then disconnect."""
        if not self._handler.finish():
            log.warning("Slack's last requests took too long; they aren't acknowledged")
        self._handler.close()  # type: ignore[no-untyped-call]


def run(
    settings: Settings,
    *,
    http: bool,
    host: str,
    port: int,
    migrates: bool = True,
    hold: bool = False,
    announce: Callable[[str], None],
    notes: Sequence[str] = (),
) -> None:
    """Run a bot until SIGTERM or SIGINT. With `migrates` it upgrades the database first; with `hold` it
    sends nothing until that is released.

    Raises SettingsRefused or GovernanceError when it cannot start.

    `notes` are for the log: what looks wrong and hinders nothing.
    """
    logs.configure(settings.mlgov_log, settings.mlgov_log_format)
    for note in notes:
        log.warning("%s", note)
    ended = threading.Event()
    is_starting = True

    def end(number: int, _frame: FrameType | None) -> None:
        ended.set()
        if is_starting:  # nothing runs yet that would have to be finished
            raise KeyboardInterrupt if number == signal.SIGINT else _Ended

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        bot = app.create(settings, migrates=migrates, who=_patiently(ended))
    except _Ended:
        return
    is_starting = False
    with ExitStack() as ending:  # what was begun ends, however far the start came
        ending.callback(bot.stop)
        standing_hold = _held(bot, hold)
        server = WebServer(bot.web(serve_slack=http), host, port)
        ending.callback(server.stop)
        socket_mode = None if http else SocketMode(bot)
        if socket_mode is not None:
            ending.callback(socket_mode.stop)
        logging.getLogger("storage.db").disabled = False
        # Before the first reading of Slack is done, /readyz says what it waits for.
        server.start()
        if not bot.start(ended):
            return
        keep_loaded()
        if socket_mode is not None:
            socket_mode.start()
        how = (
            f"HTTP at {server.url}/slack/events"
            if http
            else f"Socket Mode, health at {server.url}/healthz"
        )
        announce(f"mlgov governs {bot.deps.team.name} over {how}. Ctrl+C stops it.")
        if standing_hold is not None:
            announce(f"{holding_words.describe_hold(standing_hold)} {holding_words.NEXT}")
        while not ended.wait(1):
            if bot.whose is not None and bot.whose.moved.is_set():
                raise SettingsRefused(bot.whose.sentence)


def _held(bot: app.Bot, hold: bool) -> HoldRecord | None:
    """The hold in force, begun now where it is asked for."""
    with bot.deps.db.begin(patient=True) as session:
        if hold:
            return holding.begin(operations.load_context(session), HoldReason.ASKED)
        return holding.find_current(session)


class _Ended(Exception):
    """Somebody stopped mlgov before it had begun."""


def _patiently(ended: threading.Event) -> Callable[[Settings, WebClient], Team]:
    """Ask Slack who mlgov is until it answers; a refusal ends it, and so does `ended`."""

    def ask(settings: Settings, slack: WebClient) -> Team:
        pause = 2.0
        while True:
            try:
                return installation.load_team(settings, slack)
            except installation.SlackAway as error:
                log.warning(
                    "%s mlgov can't start without it; it tries again in %.0f s.", error, pause
                )
            if ended.wait(pause):
                raise _Ended
            pause = min(pause * 2, _LONGEST_PAUSE)

    return ask
