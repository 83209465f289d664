"""One line in the log and one count for each request of the API."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import acts, metrics

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_HEADER = b"x-request-id"


class Observed:
    """Stands before everything else. The answer names the reference under which the log knows the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500
        act = acts.Act("api")
        scope.setdefault("state", {})["act"] = act

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (_HEADER, act.reference.encode()),
                ]
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else metrics.OTHER
        with acts.log_act(act, began=began):
            try:
                await self._app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", metrics.OTHER)
                act.action = f"{method} {route}"
                act.outcome = _outcome(status)
                metrics.API_REQUESTS.labels(method, route, str(status)).inc()
                metrics.API_SECONDS.labels(route).observe(time.monotonic() - began)


def _outcome(status: int) -> str:
    if status < 400:
        return acts.OK
    return acts.REFUSED if status < 500 else acts.FAILED
