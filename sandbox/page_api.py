"""The page and what it asks for, under `/sandbox/`.

The page can act as anybody, so it answers only requests that come from itself: the Host must be
the sandbox's own, and a POST must be JSON from the same origin. A web site that somebody visits
beside it can therefore neither read nor click here.
"""

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import page_acts, page_boot, page_log, page_view
from sandbox.outcome import NotPossible
from sandbox.page_acts import Unreadable
from sandbox.page_strip import StripDesk

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Json = dict[str, Any]
PAGE = Path(__file__).with_name("page")
_WAITING = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Opening…</title><link rel="stylesheet" href="/sandbox/page/waiting.css"><p role="status">{}</p><script src="/sandbox/page/waiting.js"></script></html>'
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: http: https:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_WAIT_SECONDS = 10.0
_BIGGEST_BODY = 12_000_000


def routes(sandbox: "Sandbox") -> list[BaseRoute]:
    """The page's routes, for the sandbox's own server."""
    desk = StripDesk(sandbox)
    # Feeds are followed in threads of their own, so that open tabs never use up the others'.
    feeds = anyio.CapacityLimiter(200)
    life = secrets.token_hex(6)

    def of(request: Request, name: str) -> str:
        return page_acts.text_of(dict(request.query_params), name)

    def number(request: Request, name: str) -> int:
        words = request.query_params.get(name, "0")
        return int(words) if words.isdigit() else 0

    reads: dict[str, Callable[[Request], Json]] = {
        "boot": lambda request: page_boot.boot(sandbox) | {"life": life},
        "clock": lambda request: {"now": sandbox.clock.now().isoformat()},
        "sidebar": lambda request: page_view.sidebar(sandbox, of(request, "user")),
        "conversation": lambda request: page_view.conversation(
            sandbox, of(request, "user"), of(request, "channel")
        ),
        "thread": lambda request: page_view.thread(
            sandbox, of(request, "user"), of(request, "channel"), of(request, "ts")
        ),
        "views": lambda request: page_view.views(sandbox, of(request, "user")),
        "strip": lambda request: desk.story(),
        "requests": lambda request: page_log.newest(sandbox, number(request, "after")),
        "requests/{n:int}": lambda request: page_log.whole(sandbox, request.path_params["n"]),
    }
    acts: dict[str, Callable[[Request, Json], Json]] = {
        act.__name__: lambda request, body, act=act: act(sandbox, body)  # type: ignore[misc]
        for act in (
            page_acts.say,
            page_acts.react,
            page_acts.share,
            page_acts.upload,
            page_acts.slash,
            page_acts.shortcut,
            page_acts.click,
            page_acts.options,
            page_acts.submit,
            page_acts.close,
            page_acts.home,
            page_acts.read,
            page_acts.dismiss,
            page_acts.join,
        )
    }
    acts["clock"] = lambda request, body: desk.move(body)
    acts["strip/actions/{id}"] = lambda request, body: desk.act(request.path_params["id"])

    async def index(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused is None and sandbox.prepares:
            page = _WAITING.format(escape(sandbox.prepares))
            return HTMLResponse(page, 503, _HEADERS | {"retry-after": "1"})
        return refused or FileResponse(PAGE / "index.html", headers=_HEADERS)

    async def events(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused:
            return refused
        after = number(request, "after")
        return StreamingResponse(
            _follow(sandbox, after, life, feeds), media_type="text/event-stream", headers=_HEADERS
        )

    async def shared(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused:
            return refused
        file = sandbox.world.files.find(request.path_params["id"])
        if file is None or file.data is None:
            return _refused(404, "There is no such file.")
        kept = {
            "cache-control": "private, max-age=3600",
            "cross-origin-resource-policy": "same-origin",
        }
        if not file.is_picture:
            # A page that somebody shared must not run as one of ours.
            kept |= {"content-disposition": "attachment"}
        return Response(
            file.data,
            media_type=file.kind[0] or "application/octet-stream",
            headers=_HEADERS | kept,
        )

    return [
        Route("/", index),
        Route("/sandbox/files/{id}", shared),
        Route("/sandbox/events", events),
        *(Route(f"/sandbox/{path}", _read(sandbox, work)) for path, work in reads.items()),
        *(
            Route(f"/sandbox/{path}", _act(sandbox, work), methods=["POST"])
            for path, work in acts.items()
        ),
        Mount("/sandbox/page", _Files(directory=PAGE)),
    ]


class _Files(StaticFiles):
    """The page's files, asked for afresh after each change."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_HEADERS)
        return response


def _foreign(sandbox: "Sandbox", request: Request) -> Response | None:
    """A refusal for a request that the page itself did not make."""
    own = urlsplit(sandbox.url).hostname or ""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if host != own and not (own in _LOOPBACK and host in _LOOPBACK):
        return _refused(421, f"This sandbox is at {sandbox.url}, not at {host[:80]}.")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return _refused(403, "Only the sandbox's own page may ask this.")
    return None


def _refused(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status_code=status, headers=_HEADERS)


async def _answer(work: Callable[[], Json]) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(work), headers=_HEADERS)
    except Unreadable as error:
        return _refused(400, str(error))
    except NotPossible as error:
        return _refused(409, str(error))
    except ValueError as error:
        return _refused(404, str(error))


def _read(sandbox: "Sandbox", work: Callable[[Request], Json]) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        return _foreign(sandbox, request) or await _answer(lambda: work(request))

    return endpoint


def _act(sandbox: "Sandbox", work: Callable[[Request, Json], Json]) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused:
            return refused
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            return _refused(415, "Send JSON.")
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > _BIGGEST_BODY:
                return _refused(413, "That is too much at once.")
        try:
            body = json.loads(raw)
        except ValueError:
            return _refused(400, "That is no JSON.")
        if not isinstance(body, dict):
            return _refused(400, "Send a JSON object.")
        return await _answer(lambda: work(request, body))

    return endpoint


async def _follow(
    sandbox: "Sandbox", after: int, life: str, feeds: anyio.CapacityLimiter
) -> AsyncIterator[str]:
    """The feed as server-sent events, until the sandbox stops."""
    feed = sandbox.world.feed
    known = feed.since(after)
    missed = after > feed.last or bool(known and known[0]["n"] > after + 1)
    hello = {"life": life, "last": feed.last, "missed": missed}
    yield f"retry: 1000\nevent: hello\ndata: {json.dumps(hello)}\n\n"
    n = feed.last if missed else after
    while True:
        started = time.monotonic()
        items = await to_thread.run_sync(
            feed.since, n, _WAIT_SECONDS, limiter=feeds, abandon_on_cancel=True
        )
        if items:
            n = items[-1]["n"]
            yield "".join(
                f"id: {item['n']}\nevent: change\ndata: {json.dumps(item)}\n\n" for item in items
            )
        elif time.monotonic() - started < _WAIT_SECONDS / 2:
            return  # the feed was closed: nothing waits that briefly otherwise
        else:
            yield ": still here\n\n"
