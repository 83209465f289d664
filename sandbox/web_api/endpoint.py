"""`/api/<method>` as an ASGI application: tokens, scopes, limits, the fault knobs, the log."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope, Send

from sandbox import coverage, render
from sandbox.errors import SlackError
from sandbox.faults import Fault
from sandbox.inspector import Inspector
from sandbox.installation import Installation
from sandbox.web_api import chat, conversations, files, users, views
from sandbox.web_api.call import Answer, Call

# --- The table of methods
#
# what runs, which scopes it asks for, which token it takes.


@dataclass(frozen=True, slots=True)
class Method:
    """`scopes`: one of them is needed; further ones depend on the channel and are asked within."""

    run: Callable[[Call], Answer]
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app", "any", "none"] = "bot"  # noqa: S105 - a kind of token
    limited_inside: bool = False
    takes_any_id: bool = False
    """Whether user ids pass as they are, whatever the app hears otherwise."""


def connections_open(call: Call) -> Answer:
    """apps.connections.open."""
    return {"ok": True, "url": call.installation.issue_ticket()}


_READ = ("channels:read", "groups:read", "mpim:read", "im:read")
_HISTORY = ("channels:history", "groups:history", "mpim:history", "im:history")

_MANAGE = ("channels:manage", "groups:write", "im:write", "mpim:write")

METHODS: dict[str, Method] = {
    "api.test": Method(users.api_test, token="none"),  # noqa: S106 - a kind of token
    "apps.connections.open": Method(connections_open, token="app"),  # noqa: S106 - a kind of token
    "auth.teams.list": Method(users.teams),
    "auth.test": Method(users.auth_test, token="any"),  # noqa: S106
    "bots.info": Method(users.bot_info, ("users:read",)),
    "chat.delete": Method(chat.delete, ("chat:write",)),
    "chat.getPermalink": Method(chat.get_permalink),
    "chat.postEphemeral": Method(chat.post_ephemeral, ("chat:write",)),
    "chat.postMessage": Method(chat.post_message, ("chat:write",), limited_inside=True),
    "chat.unfurl": Method(chat.unfurl, ("links:write",)),
    "chat.update": Method(chat.update, ("chat:write",)),
    "conversations.create": Method(conversations.create, _MANAGE),
    "conversations.history": Method(conversations.history, _HISTORY),
    "conversations.info": Method(conversations.info, _READ),
    "conversations.invite": Method(
        conversations.invite, (*_MANAGE, "channels:write.invites", "groups:write.invites")
    ),
    "conversations.join": Method(conversations.join, ("channels:join",)),
    "conversations.list": Method(conversations.list_, _READ),
    "conversations.members": Method(conversations.members, _READ),
    "conversations.open": Method(conversations.open_, _MANAGE),
    "conversations.replies": Method(conversations.replies, _HISTORY),
    "conversations.setTopic": Method(
        conversations.set_topic,
        (
            *_MANAGE,
            "channels:write.topic",
            "groups:write.topic",
            "im:write.topic",
            "mpim:write.topic",
        ),
    ),
    "files.completeUploadExternal": Method(files.complete_upload, ("files:write",)),
    "files.delete": Method(files.delete, ("files:write",)),
    "files.getUploadURLExternal": Method(files.get_upload_url, ("files:write",)),
    "files.info": Method(files.info, ("files:read",)),
    "files.list": Method(files.list_, ("files:read",)),
    "migration.exchange": Method(users.exchange, ("tokens.basic",), takes_any_id=True),
    "reactions.add": Method(chat.add, ("reactions:write",)),
    "reactions.get": Method(chat.get, ("reactions:read",)),
    "reactions.list": Method(chat.list_, ("reactions:read",)),
    "reactions.remove": Method(chat.remove, ("reactions:write",)),
    "team.info": Method(users.team_info, ("team:read",)),
    "usergroups.list": Method(users.usergroups, ("usergroups:read",)),
    "usergroups.users.list": Method(users.usergroup_users, ("usergroups:read",)),
    "users.conversations": Method(conversations.of_user, _READ),
    "users.info": Method(users.info, ("users:read",)),
    "users.list": Method(users.list_, ("users:read",)),
    "users.lookupByEmail": Method(users.lookup_by_email, ("users:read.email",)),
    "users.profile.get": Method(users.profile, ("users.profile:read",)),
    "views.open": Method(views.open_),
    "views.publish": Method(views.publish),
    "views.push": Method(views.push),
    "views.update": Method(views.update),
}


# --- `/api/<method>` as an ASGI application
#
# tokens, scopes, limits, the fault knobs, the log.

PREFIX = "/api/"
PREFIXES = (PREFIX, files.UPLOAD)
"""What this application answers: methods, and the URLs that take the bytes of files."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way out."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class _Request:
    name: str
    verb: str
    query: bytes
    headers: dict[str, str]
    body: bytes
    secret: str = ""
    """Of a file, when this is its upload."""


class WebApi:
    """Slack's Web API for one installed app."""

    def __init__(self, installation: Installation, inspector: Inspector) -> None:
        self._installation = installation
        self._inspector = inspector
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = time.perf_counter()
        body = await _read(receive)
        if body is None:
            return
        is_upload = scope["path"].startswith(files.UPLOAD)
        request = _Request(
            "upload" if is_upload else scope["path"].removeprefix(PREFIX),
            scope["method"],
            scope["query_string"],
            {name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
            body,
            scope["path"].removeprefix(files.UPLOAD) if is_upload else "",
        )
        fault = self._installation.faults.draw(
            request.name,
            "fail_before",
            "refuse",
            "rate_limit",
            "lose_answer",
            "fail_after",
            "slow",
            "accept_late",
        )
        if fault is None:
            reply: Reply | None = self.answer(request)
        else:
            reply = await self._faulty(request, fault, receive)
        ms = (time.perf_counter() - started) * 1000
        self._log(request, reply, ms, fault)
        if reply is None:
            await _hang_up(receive, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [
                    (b"content-type", b"application/json; charset=utf-8"),
                    (b"content-length", str(len(reply.body)).encode()),
                    *reply.headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    async def close(self) -> None:
        """Forget what was to be accepted late."""
        for task in tuple(self._late):
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    # --- faults --------------------------------------------------------------------------------

    async def _faulty(self, request: _Request, fault: Fault, receive: Receive) -> Reply | None:
        """What comes back when a fault strikes; None when nothing does."""
        match fault.kind:
            case "fail_before":
                return Reply(fault.status, b'{"ok":false,"error":"service_unavailable"}')
            case "refuse":
                return self._reply({"ok": False, "error": fault.error})
            case "rate_limit":
                return _limited(int(fault.seconds))
            case "lose_answer":
                self.answer(request)
                return None
            case "fail_after":
                self.answer(request)
                return Reply(fault.status, b'{"ok":false,"error":"internal_error"}')
            case "slow":
                reply = self.answer(request)
                await asyncio.sleep(fault.seconds)
                return reply
            case _:
                while (await receive())["type"] != "http.disconnect":
                    pass
                task = asyncio.create_task(self._later(request, fault.seconds))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                return None

    async def _later(self, request: _Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.answer(request)

    # --- answering -----------------------------------------------------------------------------

    def answer(self, request: _Request) -> Reply:
        """Do what is asked and say what came of it."""
        if request.secret:
            return self._take(request)
        try:
            args = _arguments(request)
            with self._installation.world.lock:
                return self._reply(self._run(request, args))
        except SlackError as error:
            if error.code == "ratelimited":
                return _limited(error.more["retry_after"])
            return self._reply(error.as_json())

    def _take(self, request: _Request) -> Reply:
        kind = request.headers.get("content-type", "")
        try:
            upload = files.take(self._installation, request.secret, kind, request.body)
        except SlackError as error:
            # Slack documents no codes here, only that anything but 200 is a failed upload.
            return Reply(400, error.code.encode())
        return Reply(200, upload.encode())

    def _run(self, request: _Request, args: dict[str, Any]) -> dict[str, Any]:
        method = METHODS.get(request.name)
        if method is None:
            gap = coverage.method(request.name)
            if gap is None:
                raise SlackError("unknown_method", req_method=request.name)
            raise SlackError(
                "not_covered", findings=[coverage.words(request.name, gap)], req_method=request.name
            )
        self._authorise(method, _token(request, args))
        limits = self._installation.limits
        if limits is not None and not method.limited_inside:
            team_id = self._installation.world.app.team_id
            retry_after = limits.refusal(request.name, team_id)
            if retry_after is not None:
                raise SlackError("ratelimited", retry_after=retry_after)
        if method.scopes:
            self._installation.require(*method.scopes)
        refused = coverage.argument(request.name, args)
        if refused is not None:
            raise SlackError("not_covered", findings=[coverage.words(*refused)])
        if method.takes_any_id:
            return method.run(Call(request.name, args, self._installation))
        world = self._installation.world
        args = render.incoming(world, args)
        answer = method.run(Call(request.name, args, self._installation))
        return cast(dict[str, Any], render.outgoing(world, answer))

    def _authorise(self, method: Method, token: str) -> None:
        installation = self._installation
        if method.token == "none":  # noqa: S105 - a kind of token
            return
        if not token:
            raise SlackError("not_authed")
        if token == installation.bot_token:
            if installation.faults.token_revoked:
                raise SlackError("token_revoked")
            if method.token == "app":  # noqa: S105 - a kind of token
                raise SlackError("not_allowed_token_type")
        elif token == installation.app_token:
            if method.token == "bot":  # noqa: S105
                raise SlackError("not_allowed_token_type")
        else:
            raise SlackError("invalid_auth")

    def _reply(self, answer: dict[str, Any]) -> Reply:
        scopes = ",".join(self._installation.granted).encode()
        return Reply(
            200,
            json.dumps(answer, separators=(",", ":")).encode(),
            ((b"x-oauth-scopes", scopes), (b"x-slack-req-id", b"sandbox")),
        )

    def _log(self, request: _Request, reply: Reply | None, ms: float, fault: Fault | None) -> None:
        number = self._inspector.record(
            "to_slack",
            request.verb,
            PREFIX + request.name,
            headers={} if request.secret else request.headers,
            body=f"({len(request.body)} bytes)".encode()
            if request.secret
            else request.body or request.query,
            status=reply.status if reply else None,
            answer=reply.body if reply else b"",
            ms=ms,
            note=fault.kind if fault else None,
        )
        self._installation.world.feed.append("exchange", exchange=number)


def _limited(retry_after: int) -> Reply:
    return Reply(
        429, b'{"ok":false,"error":"ratelimited"}', ((b"retry-after", str(retry_after).encode()),)
    )


def _arguments(request: _Request) -> dict[str, Any]:
    """Arguments from the query, then from a form or JSON body."""
    try:
        args: dict[str, Any] = dict(parse_qsl(request.query.decode(), keep_blank_values=True))
        if not request.body:
            return args
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            parsed = json.loads(request.body)
            if not isinstance(parsed, dict):
                raise SlackError("json_not_object")
            return args | parsed
        if kind in ("application/x-www-form-urlencoded", ""):
            return args | dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise SlackError("invalid_charset") from None
    except ValueError:
        raise SlackError("invalid_json") from None
    raise SlackError("invalid_post_type")


def _token(request: _Request, args: dict[str, Any]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    given = args.get("token")
    return given if isinstance(given, str) else ""


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before it was sent."""
    parts: list[bytes] = []
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the connection without a word.

    ASGI has no way to say it, so this reaches for the transport that uvicorn's `send` is bound to.
    """
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("a lost answer needs uvicorn's h11 protocol to serve the sandbox")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
