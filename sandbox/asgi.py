"""The site: `/api/`, response URLs, the WebSocket for Socket Mode, and the page when it is there."""

import importlib
import importlib.util
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from sandbox.errors import SlackError
from sandbox.outgoing import response_url
from sandbox.web_api.endpoint import PREFIXES, WebApi

if TYPE_CHECKING:
    from sandbox.server import Sandbox

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
            response_url.answer(sandbox.installation, link, secret, body)
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
