"""The API as one application, mounted at /api/v1 beside whatever else mlgov serves."""

from fastapi import APIRouter, FastAPI

from bot.api import problems
from bot.api.limits import BodyLimit
from bot.api.problems import Problem, answers
from bot.context import Deps

PREFIX = "/api/v1"


def create(deps: Deps, routers: tuple[APIRouter, ...]) -> FastAPI:
    """Put the nouns' endpoints together. /api/v1/openapi.json describes them; no page loads scripts from elsewhere."""
    api = FastAPI(
        title="mlgov",
        summary="Ask, follow and decide approvals; bring in cost; read how projects stand.",
        description="Refusals are problem+json (RFC 9457): `detail` says what to do.",
        version="1",
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
    return api


__all__ = ["PREFIX", "Problem", "answers", "create"]
