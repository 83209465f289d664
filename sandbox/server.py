"""The stand-in as one object: a local server with Slack's API, its deliveries and people's seats."""

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from sandbox.errors import SlackError
from sandbox.faults import Faults, RateLimits
from sandbox.inspector import Inspector
from sandbox.installation import ACK_SECONDS, TRIGGER_SECONDS, Installation
from sandbox.manifest import Manifest
from sandbox.outgoing import delivery
from sandbox.outgoing.delivery import Delivery
from sandbox.outgoing.events import RETRY_SECONDS, Events
from sandbox.seat import Seat
from sandbox.submission import Outcome, Parcel, body_of, error_of
from sandbox.web_api.endpoint import PREFIXES, WebApi
from sandbox.world import GovernedClock, World

if TYPE_CHECKING:
    from sandbox.page_api import Strip

# --- The site
#
# `/api/`, response URLs, the WebSocket for Socket Mode, and the page when it is there.

_GONE = ("expired_url", "used_url", "invalid_url")
_log = logging.getLogger(__name__)


class Site:
    """The ASGI application of a sandbox. Web API calls go past the router: they are many."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.web_api = WebApi(sandbox.installation, sandbox.inspector)
        self._rest = Starlette(
            routes=[
                *(
                    Route(f"/{kind}/{{team}}/{{link}}/{{secret}}", self._answer, methods=["POST"])
                    for kind in ("actions", "commands", "app")
                ),
                Route("/files-pri/{team}-{file}/{_:path}", self._file),
                WebSocketRoute("/link/", self._link),
                *_page_routes(sandbox),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a socket."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIXES):
            await self.web_api(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def close(self) -> None:
        """Let go of what is still to happen."""
        await self._sandbox.delivery.sockets.close()
        await self.web_api.close()

    async def _link(self, websocket: WebSocket) -> None:
        await self._sandbox.delivery.sockets.serve(websocket)

    async def _file(self, request: Request) -> Response:
        """A file at its `url_private`, for the app alone."""
        installation = self._sandbox.installation
        file = installation.world.files.visible(request.path_params["file"])
        given = request.headers.get("authorization", "")
        may = "files:read" in installation.granted
        if given != f"Bearer {installation.bot_token}" or not may:
            # Slack sends a browser to its sign-in page instead.
            return PlainTextResponse("", status_code=302, headers={"location": "/"})
        if file is None or file.data is None:
            return PlainTextResponse("", status_code=404)
        kind = file.kind[0] or "application/octet-stream"
        return Response(file.data, media_type=kind)

    async def _answer(self, request: Request) -> Response:
        sandbox = self._sandbox
        body = await request.body()
        link, secret = request.path_params["link"], request.path_params["secret"]
        reply: Response
        try:
            delivery.answer(sandbox.installation, link, secret, body)
            reply = PlainTextResponse("ok")
        except SlackError as error:
            if error.code in _GONE:
                reply = JSONResponse(error.as_json(), status_code=404)
            else:
                reply = PlainTextResponse(error.code, status_code=400)
        number = sandbox.inspector.record(
            "to_slack",
            "POST",
            "response_url",
            headers=dict(request.headers),
            body=body,
            status=reply.status_code,
            answer=bytes(reply.body),
            ms=0.0,
        )
        sandbox.world.feed.append("exchange", exchange=number)
        return reply


def _page_routes(sandbox: "Sandbox") -> list[BaseRoute]:
    """The page's routes, or one that says that there is none."""
    if importlib.util.find_spec("sandbox.page_api") is not None:
        page_api = importlib.import_module("sandbox.page_api")
        return list(page_api.routes(sandbox))

    async def no_page(request: Request) -> Response:
        return PlainTextResponse(f"Slack's stand-in. Web API: {sandbox.api_url}\n")

    return [Route("/", no_page)]


# --- The stand-in as one object
#
# a local server with Slack's API, its deliveries and people's seats.

_START_SECONDS = 10.0


class _Server(uvicorn.Server):
    """Uvicorn, stopped at once instead of at its next tick: tests stop it often."""

    _asked: asyncio.Event | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Tick until somebody asks to stop."""
        self._loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._asked = asked
        counter = 0
        while not await self.on_tick(counter) and not asked.is_set():
            counter = (counter + 1) % 864_000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything, and wait no longer than for what is being answered."""
        for listening in [*self.servers, *(sockets or ())]:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()

    def ask_to_stop(self) -> None:
        """Stop soon; from any thread."""
        self.should_exit = True
        if self._loop is not None and self._asked is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended on its own
                self._loop.call_soon_threadsafe(self._asked.set)


class Sandbox:
    """A local Slack for one app.

    `manifest` is the app's manifest as a dictionary. `limits` is True for Slack's rate limits,
    False for none, or a `RateLimits` of your own. `ack_seconds` is how long the app may take to
    answer, `trigger_seconds` how long a trigger id lives, `event_retries` the waits in seconds
    before an event is sent again: Slack's, unless a test scales time. Secrets that are not given are made up; `port` 0 takes a free one.

    Use it as a context manager, or call `start()` and `stop()`. `url` is the page, `api_url` what
    a Slack client takes as its base URL.
    """

    def __init__(
        self,
        world: World,
        manifest: dict[str, Any],
        *,
        signing_secret: str | None = None,
        bot_token: str | None = None,
        app_token: str | None = None,
        faults: Faults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        strip: "Strip | None" = None,
        limits: RateLimits | bool = True,
        ack_seconds: float = ACK_SECONDS,
        trigger_seconds: float = TRIGGER_SECONDS,
        event_retries: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        self.world = world
        self.manifest = Manifest(manifest)
        self.faults = faults or Faults()
        self.inspector = Inspector()
        self.strip = strip
        self.prepares = ""
        """What is still being made ready; while it says something the page waits for it, and opens by itself."""
        self.installation = Installation(
            world,
            self.manifest,
            self.faults,
            RateLimits() if limits is True else limits or None,
            signing_secret or secrets.token_hex(16),
            bot_token or f"xoxb-{secrets.token_hex(12)}",
            app_token or f"xapp-1-{world.app.id}-{secrets.token_hex(12)}",
            ack_seconds=ack_seconds,
            trigger_seconds=trigger_seconds,
        )
        self.delivery = Delivery(self.installation, self.inspector)
        self.events = Events(self.installation, self.delivery, event_retries)
        self._host, self._port = host, port
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._site: Site | None = None

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen and serve from a thread of its own; returns when requests are taken."""
        if self._thread is not None:
            raise RuntimeError("the sandbox is running already")
        listening = socket.create_server((self._host, self._port), backlog=512)
        # Inherited by what it accepts; asyncio leaves sockets that it did not make itself alone, and
        # Nagle's algorithm would hold every answer back for 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = listening
        self._port = listening.getsockname()[1]
        self.installation.base_url = self.url
        self.installation.socket_url = self.url.replace("http://", "ws://")
        try:
            self._site = Site(self)
        except BaseException:
            listening.close()
            raise
        config = uvicorn.Config(
            self._site,
            http="h11",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            # Slack pings too; its Python client notices a close() only when something arrives.
            ws_ping_interval=0.1,
            ws_ping_timeout=30,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._serve, name="sandbox", daemon=True)
        self._thread.start()
        deadline = threading.Event()
        waited = 0.0
        while not self._server.started:
            if waited > _START_SECONDS or not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start; see the log")
            deadline.wait(0.005)
            waited += 0.005
        self.events.start()
        return self

    def _serve(self) -> None:
        server, listening, site = self._server, self._socket, self._site
        if server is None or listening is None or site is None:
            raise RuntimeError("call start()")

        async def serve() -> None:
            await server.serve(sockets=[listening])
            await site.close()

        asyncio.run(serve())

    def stop(self) -> None:
        """Stop serving and delivering; may be called twice."""
        self.events.stop()
        self.world.feed.close()
        if self._thread is not None and self._server is not None:
            with contextlib.suppress(TimeoutError, RuntimeError):
                self.delivery.sockets.drop()
            self._server.ask_to_stop()
            self._thread.join()
        if self._socket is not None:
            self._socket.close()
        self.delivery.close()
        self._thread = self._server = self._socket = None

    def rest(self) -> None:
        """Slack's allowances are whole again: for a clock that jumps by hours, in which nobody called."""
        if self.installation.limits is not None:
            self.installation.limits.rest()

    @contextlib.contextmanager
    def without_limits(self) -> Iterator[None]:
        """Take calls however fast they come, for telling what happened long ago; then the limits hold again."""
        kept, self.installation.limits = self.installation.limits, None
        try:
            yield
        finally:
            self.installation.limits = kept

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- addresses and secrets -----------------------------------------------------------------

    @property
    def url(self) -> str:
        """The page."""
        return f"http://{self._host}:{self._port}"

    @property
    def api_url(self) -> str:
        """The base URL of the Web API, with its closing slash."""
        return f"{self.url}/api/"

    @property
    def bot_token(self) -> str:
        """The app's bot token."""
        return self.installation.bot_token

    @property
    def app_token(self) -> str:
        """The app-level token, for Socket Mode."""
        return self.installation.app_token

    @property
    def signing_secret(self) -> str:
        """What requests to the app are signed with."""
        return self.installation.signing_secret

    @property
    def clock(self) -> GovernedClock:
        """What messages are stamped by."""
        return self.world.clock

    # --- the app -------------------------------------------------------------------------------

    def deliver_to(self, http_url: str | None) -> None:
        """Deliver to the app's request URL over signed HTTP; None goes back to Socket Mode."""
        self.delivery.to_url(http_url)

    def verify_url(self) -> Outcome:
        """Ask the request URL for its url_verification challenge, as Slack does on saving it."""
        challenge = secrets.token_urlsafe(24)
        payload = {
            "token": self.installation.verification_token,
            "challenge": challenge,
            "type": "url_verification",
        }
        answer = self.delivery.send(Parcel("events_api", "url_verification", payload))
        body, error = body_of(answer), error_of(answer)
        if (
            error is None
            and (body.get("challenge") if isinstance(body, dict) else body) != challenge
        ):
            error = "challenge_failed"
        return Outcome(error is None, answer.status, error, ms=answer.ms, body=body)

    def wait_for_socket(self, timeout: float = 5.0) -> bool:
        """Wait until the app has opened a Socket Mode connection."""
        pause = threading.Event()
        waited = 0.0
        while self.delivery.sockets.count == 0:
            if waited >= timeout:
                return False
            pause.wait(0.01)
            waited += 0.01
        return True

    def drop_sockets(self) -> None:
        """Close the app's sockets without a word."""
        self.delivery.sockets.drop()

    def refresh_sockets(self, reason: str = "refresh_requested") -> None:
        """Send `disconnect` over the app's sockets: `warning`, `refresh_requested`, …"""
        self.delivery.sockets.disconnect(reason)

    def wait_idle(self, timeout: float = 5.0) -> bool:
        """Wait until every event due was delivered; False when it took longer."""
        return self.events.wait_idle(timeout)

    def send_raw(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send exactly these bytes to the app's request URL, as anybody could; status and body."""
        return self.delivery.raw(body, headers)

    # --- people --------------------------------------------------------------------------------

    def seat(self, user_id: str, team_id: str | None = None) -> Seat:
        """Act as this person, in a workspace of theirs."""
        return Seat(self, user_id, team_id)

    def environment(self) -> dict[str, str]:
        """What to set for an app that reads Slack's usual environment variables."""
        return {
            "SLACK_BOT_TOKEN": self.bot_token,
            "SLACK_APP_TOKEN": self.app_token,
            "SLACK_SIGNING_SECRET": self.signing_secret,
            "SLACK_API_URL": self.api_url,
        }
