"""No body is read further than it may be long."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.api.problems import problem

SMALL = 64_000
"""Bytes of a body, as a rule."""
LARGE = 8_000_000
"""Bytes of a delivery of costs, of a file of predictions, and of evidence with its figures."""
_LARGE = re.compile(r"/(costs|predictions|evidence)/?$")


class BodyLimit:
    """Takes a body in whole, up to its limit, before anything else looks at it; 413 for a longer one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = LARGE if _LARGE.search(scope["path"]) else SMALL
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                refusal = problem(
                    413,
                    "too-large",
                    f"The body is longer than {limit:,} bytes. Send it in parts.",
                    headers={"Connection": "close"},
                )
                await refusal(scope, receive, send)
                return
            more = message.get("more_body", False)
        body: bytes | None = b"".join(parts)

        async def replay() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            whole, body = body, None
            return {"type": "http.request", "body": whole, "more_body": False}

        await self._app(scope, replay, send)
