"""The API as one application, mounted at /api/v1 beside whatever else mlgov serves."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import version
from bot.api import problems
from bot.api.limits import BodyLimit
from bot.api.observing import Observed
from bot.api.problems import Fault, Problem
from bot.context import Deps

PREFIX = "/api/v1"


def create(deps: Deps, routers: tuple[APIRouter, ...]) -> FastAPI:
    """Put the nouns' endpoints together. /api/v1/openapi.json describes them; no page loads scripts from elsewhere."""
    api = FastAPI(
        title="mlgov",
        summary="Ask, follow and decide approvals; bring in cost; read how projects stand.",
        description="Refusals are problem+json (RFC 9457): `detail` says what to do.",
        version=version.version(),
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        api.include_router(router)
    problems.handle(api, deps)
    api.add_middleware(BodyLimit)
    api.add_middleware(Versioned)
    api.add_middleware(Observed)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign]
    return api


class Versioned:
    """Says on every answer, refusals too, which release gave it: while an upgrade rolls, two of them answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Mlgov-Version"] = version.version()
            await send(message)

        await self._app(scope, receive, named)


def _document(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what refusals look like: FastAPI adds only the models of sound answers."""
    if api.openapi_schema is None:
        made = get_openapi(
            title=api.title,
            summary=api.summary,
            description=api.description,
            version=api.version,
            servers=api.servers,
            routes=api.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        place = "#/components/schemas/{model}"
        for model in (Fault, Problem):
            schema = model.model_json_schema(ref_template=place)
            schema.pop("$defs", None)
            schemas[model.__name__] = schema
        api.openapi_schema = made
    return api.openapi_schema
