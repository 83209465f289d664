"""What one token may ask at a time and in a minute, so that no program takes what others need."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Message, Receive

from bot import freshness, logs
from bot.deps import Deps, Refusals
from bot.web import server
from storage.db import DatabaseBusy
from storage.enums import Scope
from workflows.audit import service as audit
from workflows.context import SYSTEM, Actor
from workflows.errors import InvalidInput
from workflows.tokens import service as tokens
from workflows.tokens.service import USED_WITHIN, Token, TokenRefused

SMALL = 64_000
"""Bytes of a body, as a rule."""
LARGE = 8_000_000
"""Bytes of an upload: a delivery of cost, a file of predictions, evidence with its figures."""
LARGE_SECONDS = 60.0
"""In which an upload has to be here."""
RUNNING, AT_ONCE = 6, 64
"""Requests of one token that are worked on, and that are here at all; the others wait for their turn."""
WAITING = 1_000
"""Requests of one token that wait for a decision; they hold nothing."""
UPLOADS_AT_ONCE = 3
"""Uploads of one token that are here; one of them is read, the others wait."""


class TooMany(Exception):
    """A token asks for more than it may just now; `seconds` until it is worth another try."""

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class _Use:
    """What one token uses."""

    left: float
    at: float
    here: int = 0
    waiting: int = 0
    uploads: int = 0
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING))
    upload: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


class Allowance:
    """Counts by token, in this process. For the event loop alone."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._clock = clock
        self._uses: dict[int, _Use] = {}

    @asynccontextmanager
    async def request(self, token: int, *, waits: bool) -> AsyncIterator[None]:
        """One request, once it is its turn. Raises TooMany."""
        use = self._use(token)
        self._spend(use)
        if waits:
            if use.waiting >= WAITING:
                raise _at_once(WAITING, "requests wait")
            use.waiting += 1
            try:
                yield
            finally:
                use.waiting -= 1
            return
        if use.here >= AT_ONCE:
            raise _at_once(AT_ONCE, "requests are under way")
        use.here += 1
        try:
            async with use.turn:
                yield
        finally:
            use.here -= 1

    @asynccontextmanager
    async def upload(self, token: int) -> AsyncIterator[None]:
        """One upload, once it is its turn. Raises TooMany."""
        use = self._use(token)
        if use.uploads >= UPLOADS_AT_ONCE:
            raise _at_once(UPLOADS_AT_ONCE, "uploads are under way")
        use.uploads += 1
        try:
            async with use.upload:
                yield
        finally:
            use.uploads -= 1

    def _use(self, token: int) -> _Use:
        return self._uses.setdefault(token, _Use(self._most, self._clock()))

    def _spend(self, use: _Use) -> None:
        """Requests come back evenly: a minute's worth at once, then so many a second."""
        now, each = self._clock(), self._most / 60
        use.left = min(self._most, use.left + (now - use.at) * each)
        use.at = now
        if use.left < 1:
            raise TooMany(
                f"This token has asked more than {self._most:,} times a minute. Slow down; the same call passes later.",
                math.ceil((1 - use.left) / each),
            )
        use.left -= 1


def _at_once(most: int, what: str) -> TooMany:
    return TooMany(
        f"{most:,} {what} by this token already. The same call passes once one of them is done.", 1
    )


# --- Who calls
#
# from the token in a request to somebody who acts, and what becomes of a token that opens
# nothing.

log = logging.getLogger("mlgov")

TOLD_MOST = 200
"""Different refusals of tokens that are told apart at a time: whoever tries tokens cannot flood the ledger."""

_BEARER = HTTPBearer(
    auto_error=False, description="A token from `mlgov token create` or `/mlgov token`."
)
Shown = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


SCOPE = "x-mlgov-scope"


def needs(scope: Scope) -> dict[str, Any]:
    """For `openapi_extra`: the scope without which a request is refused before its body is taken."""
    return {SCOPE: scope.value}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and by which token."""

    token: Token
    actor: Actor


class Door:
    """Recognises callers. One instance per process; safe to call from many threads."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._refusals = Refusals(most=TOLD_MOST)
        self.allowance = Allowance(deps.settings.mlgov_api_per_minute)

    @property
    def route(self) -> type[APIRoute]:
        """Routes that let a request in before they take its body: known, in the scope of its token, and its turn."""
        door = self

        class Guarded(APIRoute):
            @property
            def act(self) -> str:
                """The verb and the path, as `bot.freshness` has them."""
                return f"{min(self.methods or {'GET'})} {self.path}"

            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                within = super().get_route_handler()
                if not _asks_who(self.dependant, door.caller):
                    return within
                named = (self.openapi_extra or {}).get(SCOPE)
                has_body = self.body_field is not None
                may_wait = any(one.alias == "wait" for one in self.dependant.query_params)

                async def guarded(request: Request) -> Response:
                    credentials = await _BEARER(request)
                    caller = await run_in_threadpool(door.recognise, request, credentials, self.act)
                    request.state.caller = caller
                    asked = request.query_params.get("wait", "0")
                    waits = may_wait and asked != "0"
                    async with door.allowance.request(caller.token.id, waits=waits):
                        if named is not None:
                            await run_in_threadpool(door.require, caller, Scope(named))
                        if has_body:
                            body = await server.whole(request, SMALL)
                            replayed = _replayed(body, request.receive)
                            request = Request(request.scope, replayed)
                        return await within(request)

                return guarded

        return Guarded

    def caller(self, request: Request, credentials: Shown) -> Caller:
        """Who calls, as the guarded route has found. Raises TokenRefused."""
        known: Caller | None = getattr(request.state, "caller", None)
        return known or self.recognise(request, credentials)

    def recognise(
        self, request: Request, credentials: HTTPAuthorizationCredentials | None, act: str = ""
    ) -> Caller:
        """Who calls; a person as Slack has them now, where what they call (`act`) rests on it.

        Raises TokenRefused, and CannotVerify where Slack has to be asked and does not answer.
        """
        deps = self._deps
        token, actor, now = self._known(credentials)
        if freshness.confirm_actor(deps, actor, "api", act) != actor:
            token, actor, now = self._known(credentials)
        request.state.actor = actor
        logs.name_actor(actor.id)
        if token.last_used_at is None or now - token.last_used_at >= USED_WITHIN:
            try:
                deps.db.run(lambda session: tokens.note_used(session, token, now=now))
            except DatabaseBusy:
                log.info("when %s was used could not be kept", token.prefix)
        return Caller(token, actor)

    def _known(
        self, credentials: HTTPAuthorizationCredentials | None
    ) -> tuple[Token, Actor, datetime]:
        """The token, whose it is by the record, and the governed time. Raises TokenRefused."""
        deps = self._deps
        try:
            with deps.begin_read() as ctx:
                now = ctx.now
                token, actor = tokens.recognise(
                    ctx, credentials.credentials if credentials else None
                )
        except TokenRefused as error:
            self._tell(error)
            raise
        return token, actor, now

    def require(
        self, caller: Caller, scope: Scope, *, project: str | None = None, gate: str | None = None
    ) -> None:
        """Refuse what the caller's token is not for. Raises TokenRefused."""
        try:
            tokens.require(caller.token, scope, project=project, gate=gate)
        except TokenRefused as error:
            self._tell(error)
            raise

    def reaches(
        self, caller: Caller, scope: Scope, *, project: str, gate: str | None = None
    ) -> bool:
        """Whether what a call names by its id is within the bounds of the caller's token.

        What is not is answered like what is not there, so that ids tell nothing; the try goes on the ledger. Raises
        TokenRefused for a scope that the token has not.
        """
        tokens.require(caller.token, scope)
        try:
            tokens.require(caller.token, scope, project=project, gate=gate)
        except TokenRefused as error:
            self._tell(error)
            return False
        return True

    def project(self, caller: Caller, given: str | None) -> str:
        """The project that is meant, by its key: as given, else the one that the token is bound to."""
        if given is not None:
            return given.strip().casefold()
        if len(caller.token.projects) == 1:
            return caller.token.projects[0]
        raise InvalidInput(
            "Say which project this is for (`project`): this token is bound to none, or to several.",
            field="project",
        )

    def _tell(self, error: TokenRefused) -> None:
        """Put a refusal on the ledger; a call without any token is no news."""
        if error.code == "missing":
            return
        is_due, kept_back = self._refusals.is_due(error.prefix, error.code)
        if not is_due:
            return
        try:
            self._deps.act(
                SYSTEM,
                lambda ctx: audit.record(
                    ctx,
                    "token.refused",
                    ("token", error.prefix),
                    why=error.code,
                    **({"kept_back": kept_back} if kept_back else {}),
                ),
            )
        except DatabaseBusy:
            log.warning("a refused token could not be put on the ledger")


def _asks_who(dependant: Dependant, caller: Callable[..., Caller]) -> bool:
    return any(one.call == caller or _asks_who(one, caller) for one in dependant.dependencies)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever else comes."""
    is_told = False

    async def again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
