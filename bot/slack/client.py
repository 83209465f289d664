"""Whether Slack can be reached, with the token that we have: seen on every call, and asked for where nobody calls."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from bot.background import Seldom
from bot.slack.errors import Effect, Failure, classify
from bot.web import metrics
from workflows.sources import http

log = logging.getLogger("mlgov")

LIMIT = 60.0
"""Seconds out of reach after which this process says that it is not ready."""
PROBE = 20.0
"""Seconds without a call that went well, after which `auth.test` is asked."""
PROBE_AGAIN = 5.0
"""The same while Slack is out of reach, so that its return is noticed soon."""
_SHORTEST = 0.25
"""No test is in such a hurry."""
_SOCKET_OPENS = 10.0
"""However much a demo hurries: a socket takes real seconds to open, on a busy machine many."""

APP_TOKEN_METHOD = "apps.connections.open"  # noqa: S105 - the name of a method
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Observer = Callable[[str, Failure | None, float], None]
"""Hears of a call: its method, how it failed if it did, and how many seconds it took."""


class ObservedClient(WebClient):
    """A Web API client that tells how each call went. It never repeats a call by itself."""

    observer: Observer | None = None

    def api_call(self, api_method: str, **more: Any) -> SlackResponse:
        """As slack_sdk's."""
        began = time.monotonic()
        try:
            answer = super().api_call(api_method, **more)
        except (SlackApiError, SlackClientError, OSError) as error:
            self._tell(api_method, classify(error), began)
            raise
        self._tell(api_method, None, began)
        return answer

    def _tell(self, method: str, failure: Failure | None, began: float) -> None:
        if self.observer is not None:
            self.observer(method, failure, time.monotonic() - began)


def call_result(failure: Failure | None) -> str:
    """The word for it in metrics: one of metrics.CALL_RESULTS."""
    if failure is None:
        return "ok"
    if _is_silence(failure):
        return "failed"
    match failure.effect:
        case Effect.LIMITED:
            return "limited"
        case Effect.TOKEN:
            return "token"
        case _:
            return "refused"


def _is_silence(failure: Failure) -> bool:
    """Whether Slack gave no answer of its own: no connection, an answer that never came, a server's or proxy's error."""
    return failure.effect is Effect.UNKNOWN or (
        failure.effect is Effect.PASSING and failure.code.startswith(("not connected", "HTTP "))
    )


class Reach:
    """What is known of Slack in this process. Safe to call from many threads. `scale` shortens all waits, for tests."""

    def __init__(self, *, scale: float = 1.0) -> None:
        self.limit = LIMIT * scale
        self.socket_limit = max(self.limit, _SOCKET_OPENS)
        self._probe_after = max(PROBE * scale, 4 * _SHORTEST)
        self._probe_again = max(PROBE_AGAIN * scale, _SHORTEST)
        self._lock = threading.Lock()
        self._answered = time.monotonic()
        self._failing_since: float | None = None
        self._why = ""
        self._refused = ""
        self._app_refused = ""
        self._socket: Callable[[], bool] | None = None
        self._socket_down_since: float | None = None
        self._seldom = Seldom(log)
        self._is_told = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._asked = time.monotonic()

    # --- what is seen

    def observe(self, method: str, failure: Failure | None, seconds: float) -> None:
        """A call ended so; None went well."""
        metrics.count_slack_call(method, call_result(failure), seconds)
        now = time.monotonic()
        refused = failure.code if failure and failure.effect is Effect.TOKEN else ""
        is_silent = failure is not None and _is_silence(failure)
        is_limited = failure is not None and failure.effect is Effect.LIMITED
        with self._lock:
            if is_silent and failure is not None:
                self._failing_since = self._failing_since or now
                self._why = failure.code
                return
            self._failing_since = None
            if is_limited:
                return  # Slack is there, and may not even have looked at the token
            if method == APP_TOKEN_METHOD:
                self._app_refused = refused
                return
            self._refused = refused
            if not refused:
                self._answered = now

    def watch_socket(self, is_up: Callable[[], bool]) -> None:
        """Socket Mode is used; ask here whether its socket stands."""
        self._socket = is_up
        self._look_at_socket()

    def _look_at_socket(self) -> bool | None:
        if self._socket is None:
            return None
        is_up = self._socket()
        with self._lock:
            if is_up:
                self._socket_down_since = None
            elif self._socket_down_since is None:
                self._socket_down_since = time.monotonic()
        return is_up

    # --- what follows

    @property
    def is_socket_up(self) -> bool | None:
        """Whether the socket stands; None without Socket Mode."""
        return self._look_at_socket()

    @property
    def answer_age(self) -> float:
        """Seconds since Slack last answered a call as it should."""
        return time.monotonic() - self._answered

    def away(self) -> str | None:
        """Why Slack is no use, in a sentence: the token is refused, or it was out of reach for a minute."""
        with self._lock:
            if self._refused:
                return (
                    f"Slack refuses SLACK_BOT_TOKEN ({self._refused}): install the app again, and start mlgov with its "
                    "new token"
                )
            since, why = self._failing_since, self._why
        if since is None or (seconds := time.monotonic() - since) < self.limit:
            return None
        return f"Slack has been out of reach for {seconds:.0f} seconds ({why})"

    def trouble(self) -> str | None:
        """Why requests from Slack cannot be answered here, in one line; None when they can."""
        if (why := self.away()) is not None:
            return why
        if self._look_at_socket() is not False:
            return None
        with self._lock:
            refused, since = self._app_refused, self._socket_down_since
        if refused:
            return f"Slack refuses SLACK_APP_TOKEN ({refused}): make a new app-level token, and start mlgov with it"
        if since is None or (seconds := time.monotonic() - since) < self.socket_limit:
            return None
        return f"Slack's socket has been down for {seconds:.0f} seconds"

    # --- asking where nobody calls

    def start(self, probe: Callable[[], object]) -> None:
        """Begin to watch: `probe` asks Slack something cheap, whenever no call went well for a while."""
        self._stop.clear()
        self._thread = threading.Thread(
            target=self._watch, args=(probe,), name="slack-reach", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1)

    def _watch(self, probe: Callable[[], object]) -> None:
        while not self._stop.wait(min(self._probe_again, 1.0)):
            try:
                if self._wants_probe():
                    self._asked = time.monotonic()
                    probe()
            except (SlackApiError, SlackClientError, OSError):
                pass  # seen where all calls are seen
            except Exception:
                self._seldom.say(logging.ERROR, "probe", "Slack could not be asked", exc_info=True)
            self._tell()

    def _wants_probe(self) -> bool:
        now = time.monotonic()
        with self._lock:
            is_well = not self._refused and self._failing_since is None
        pause = self._probe_after if is_well else self._probe_again
        return now - max(self._answered, self._asked) >= pause

    def _tell(self) -> None:
        why = self.trouble()
        if why is not None:
            self._is_told = True
            self._seldom.say(logging.ERROR, why[:24], "not ready: %s", why)
        elif self._is_told:
            self._is_told = False
            log.warning("Slack answers again")


# --- The one place where Slack's own clients are made
#
# by the company's certificates, through its proxy, and without repeats. slack_sdk takes a proxy
# from the environment and knows no NO_PROXY, and its clients repeat a call whose connection
# broke, which posts twice when only the answer was lost.


def web_client(
    token: str | None, *, base_url: str, timeout: float, observer: Observer | None = None
) -> ObservedClient:
    """A Web API client whose calls fail after `timeout` seconds, are tried once, and are told to `observer`.

    Raises CertificatesUnreadable.
    """
    client = ObservedClient(
        token=token,
        base_url=base_url,
        timeout=cast(int, timeout),
        ssl=http.make_tls(),
        retry_handlers=[],
    )
    client.proxy = _proxy(base_url)
    client.observer = observer
    return client


def copy_client(slack: WebClient, *, timeout: float) -> ObservedClient:
    """The same with another patience."""
    return web_client(
        slack.token,
        base_url=slack.base_url,
        timeout=timeout,
        observer=getattr(slack, "observer", None),
    )


def response_client(response_url: str, *, timeout: float) -> WebhookClient:
    """A client that answers at a response URL, once. Raises CertificatesUnreadable."""
    client = WebhookClient(
        response_url, timeout=cast(int, timeout), ssl=http.make_tls(), retry_handlers=[]
    )
    client.proxy = _proxy(response_url)
    return client


def socket_proxy(base_url: str) -> str | None:
    """The proxy of Socket Mode: it connects to other hosts than the Web API, under the same rules."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    for slack in ("slack.com", "slack-gov.com"):
        if host == slack or host.endswith(f".{slack}"):
            return _proxy(f"https://wss-primary.{slack}")
    return _proxy(base_url)


def _proxy(url: str) -> str | None:
    if urlsplit(url).hostname in http.LOOPBACK:
        http.spare_loopback()
    return http.proxy_of(url)
