"""Bodies of requests: no longer than they may be, and whole within a time."""

import asyncio

from starlette.requests import ClientDisconnect, Request

SECONDS = 10.0
"""In which a body has to be here."""


class BodyRefused(Exception):
    """A body that is not taken: the status, the kind of problem, and a sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


def require_short(request: Request, most: int) -> None:
    """Refuse a body that is announced to be longer, having read nothing of it. Raises BodyRefused."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_long(most)


def _too_long(most: int) -> BodyRefused:
    return BodyRefused(
        413, "too-large", f"The body is longer than {most:,} bytes. Send it in parts."
    )


async def whole(request: Request, most: int, *, seconds: float | None = None) -> bytes:
    """The body. Raises BodyRefused: 413 beyond `most` bytes, 408 when it takes too long, 400 when its sender has gone."""
    seconds = SECONDS if seconds is None else seconds
    require_short(request, most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_long(most)
                parts.append(part)
    except TimeoutError:
        raise BodyRefused(
            408,
            "too-slow",
            f"The body did not arrive within {seconds:g} seconds. Send it again, or less of it.",
        ) from None
    except ClientDisconnect:
        # Nobody hears this: whoever sent it has closed the connection.
        raise BodyRefused(
            400, "gone", "The connection was closed before the body was whole."
        ) from None
    return b"".join(parts)
