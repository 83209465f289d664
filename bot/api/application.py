"""The API as one application, mounted at /api/v1 beside whatever else mlgov serves."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import version
from bot.api import problems
from bot.api.observing import Observed
from bot.api.problems import Fault, Problem
from bot.context import Deps

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
                MutableHeaders(scope=message)["Mlgov-Version"] = version.version()
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
