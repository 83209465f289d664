"""One line in the log and one count for each request of the API."""

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import errors, installed, logs
from bot.deps import Deps
from bot.slack.directory import CannotVerify
from bot.web import metrics
from bot.web.authentication import TooMany
from bot.web.server import BodyRefused
from storage.db import CannotWrite, DatabaseAway, DatabaseBusy
from workflows.approvals.refusals import AlreadyDecided
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, Stale
from workflows.releases.service import KeyReused
from workflows.sources.apart import Busy, Faulty, TooMuch
from workflows.statements.service import RecordDisagrees
from workflows.tokens.service import TokenRefused

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
        act = logs.Act("api")
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
        with logs.log_act(act, began=began):
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
        return logs.OK
    return logs.REFUSED if status < 500 else logs.FAILED


# --- Every refusal of the API as problem+json (RFC 9457)
#
# what is wrong, in a sentence, with the way on.

log = logging.getLogger("mlgov")

MEDIA_TYPE = "application/problem+json"
HOW_TO_MAKE_OWN = "People make their own by `/mlgov token` in Slack."


class Fault(BaseModel):
    """One thing that is wrong with what was sent."""

    where: str
    why: str


class Problem(BaseModel):
    """Why something was not done, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    faults: list[Fault] = []


class NotTaken(GovernanceError):
    """What was sent is sound, but the record does not take it."""


class Unavailable(Exception):
    """Nothing is wrong with what was sent; the same again, a little later, may pass."""


_STATUS: tuple[tuple[type[GovernanceError], int, str], ...] = (
    (NotFound, 404, "not-found"),
    (NotAllowed, 403, "not-allowed"),
    (KeyReused, 422, "key-reused"),
    (TooMuch, 413, "too-large"),
    (InvalidInput, 422, "invalid"),
    (AlreadyDecided, 409, "already-decided"),
    (Stale, 409, "stale"),
    (RecordDisagrees, 409, "record-disagrees"),
)
_TITLES = {
    400: "This cannot be read",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not there",
    405: "No such method here",
    408: "Too slow",
    409: "Not as things stand",
    413: "Too large",
    415: "Not in this format",
    422: "Something sent is wrong",
    429: "Too many at a time",
    500: "Something broke",
    503: "Not just now",
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that says why not."""
    body = Problem(
        type=f"urn:mlgov:problem:{code}",
        title=_TITLES.get(status, "Not done"),
        status=status,
        detail=detail,
        faults=list(faults),
    )
    return JSONResponse(
        body.model_dump(exclude_defaults=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


BIGGEST = 2**31 - 1
"""The largest id that a database column takes."""
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this asking: the same key again opens nothing new.",
    ),
]


def describe_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the OpenAPI document tells of these answers."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def handle(api: FastAPI, deps: Deps) -> None:
    """Turn everything that is raised into a problem; what must be audited is."""

    @api.exception_handler(GovernanceError)
    def refused(request: Request, error: GovernanceError) -> JSONResponse:
        if isinstance(error, TokenRefused):
            return _token(error)
        actor = getattr(request.state, "actor", None)
        sentence = errors.sentence_for(error, deps, actor, in_slack=False)
        if isinstance(error, CannotVerify):
            return problem(503, "unverified", sentence, headers={"Retry-After": "60"})
        if isinstance(error, Busy):
            return problem(503, "busy", sentence, headers={"Retry-After": "5"})
        if isinstance(error, Faulty):
            return _wrong([Fault(where=at, why=why) for at, why in error.faults], error.is_json)
        status, code = next(
            ((status, code) for kind, status, code in _STATUS if isinstance(error, kind)),
            (409, "not-taken"),
        )
        faults = [Fault(where=error.field, why=sentence)] if error.field else []
        if isinstance(error, KeyReused):
            faults = [Fault(where=one.field, why=one.words) for one in error.differences]
        return problem(status, code, sentence, faults=faults)

    @api.exception_handler(RequestValidationError)
    def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            Fault(
                where=".".join(str(part) for part in fault["loc"])[:200],
                why=str(fault["msg"]).removeprefix("Value error, ")[:300],
            )
            for fault in error.errors()[:20]
        ]
        invalid = any(fault["type"] == "json_invalid" for fault in error.errors())
        return _wrong(faults, not invalid)

    @api.exception_handler(BodyRefused)
    def not_taken(request: Request, error: BodyRefused) -> JSONResponse:
        return problem(error.status, error.code, error.sentence)

    @api.exception_handler(TooMany)
    def too_many(request: Request, error: TooMany) -> JSONResponse:
        wait = {"Retry-After": str(error.seconds)}
        return problem(429, "too-many", error.sentence, headers=wait)

    @api.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        words = {
            404: "There is nothing at this address. /api/v1/openapi.json lists what there is.",
            405: "This address does not take that method. /api/v1/openapi.json lists what it takes.",
        }
        return problem(
            error.status_code,
            f"http-{error.status_code}",
            words.get(error.status_code, str(error.detail)),
            headers=error.headers,
        )

    @api.exception_handler(DatabaseBusy)
    @api.exception_handler(Unavailable)
    def busy(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, CannotWrite):
            return problem(503, "unwritable", errors.CANNOT_WRITE, headers={"Retry-After": "30"})
        if isinstance(error, DatabaseAway):
            return problem(503, "away", errors.AWAY, headers={"Retry-After": "30"})
        return problem(503, "busy", errors.BUSY, headers={"Retry-After": "1"})

    @api.exception_handler(Exception)
    def broke(request: Request, error: Exception) -> JSONResponse:
        act = getattr(request.state, "act", None)
        reference = act.reference if act else logs.new_reference()
        log.error(
            "the API broke (ref %s)\n%s", reference, "".join(traceback.format_exception(error))
        )
        return problem(
            500,
            "broken",
            f"Something broke on our side. Nothing was changed; if it happens again, tell an administrator. (ref {reference})",
        )


def _wrong(faults: list[Fault], is_json: bool) -> JSONResponse:
    if not is_json:
        return problem(400, "not-json", "The body is no JSON.", faults=faults[:1])
    first = faults[0] if faults else Fault(where="body", why="it cannot be used")
    return problem(422, "invalid", f"{first.where}: {first.why}", faults=faults)


def _token(error: TokenRefused) -> JSONResponse:
    detail = f"{error.sentence} {HOW_TO_MAKE_OWN}" if error.helps_own else error.sentence
    if error.code in ("scope", "bound"):
        return problem(403, f"token-{error.code}", detail)
    return problem(
        401, f"token-{error.code}", detail, headers={"WWW-Authenticate": 'Bearer realm="mlgov"'}
    )


# --- The API as one application, mounted at /api/v1 beside whatever else mlgov serves

PREFIX = "/api/v1"


def create(
    deps: Deps, routers: tuple[APIRouter, ...], forms: tuple[type[BaseModel], ...] = ()
) -> FastAPI:
    """Put the nouns' endpoints together. /api/v1/openapi.json describes them; no page loads scripts from elsewhere.

    `forms` are those of bodies that are read apart, where FastAPI does not see them.
    """
    api = FastAPI(
        title="mlgov",
        summary="Ask, follow and decide approvals; bring in cost; read how projects stand.",
        description="Refusals are problem+json (RFC 9457): `detail` says what to do.",
        version=installed.version(),
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        api.include_router(router)
    handle(api, deps)
    api.add_middleware(Versioned)
    api.add_middleware(Observed)
    api.openapi = lambda: _document(api, forms)  # type: ignore[method-assign]
    return api


class Versioned:
    """Says on every answer, refusals too, which release gave it: while an upgrade rolls, two of them answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Mlgov-Version"] = installed.version()
            await send(message)

        await self._app(scope, receive, named)


def _document(api: FastAPI, forms: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """The OpenAPI document, with what refusals and uploads look like: FastAPI knows only the models that it handles."""
    if api.openapi_schema is None:
        document = get_openapi(
            title=api.title,
            summary=api.summary,
            description=api.description,
            version=api.version,
            servers=api.servers,
            routes=api.routes,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        models: tuple[type[BaseModel], ...] = (Fault, Problem, *forms)
        _, definitions = models_json_schema(
            [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
        )
        for name, schema in definitions["$defs"].items():
            schemas.setdefault(name, schema)
        api.openapi_schema = document
    return api.openapi_schema
