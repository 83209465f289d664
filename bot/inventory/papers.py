"""Documents of a version for programs and the command line: its model card, and its approval pack."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from bot.api.door import Caller, Door
from bot.api.problems import describe_answers
from bot.context import Deps
from bot.inventory import pages
from bot.inventory.reaching import Reach
from storage.enums import Scope
from workflows.inventory import cards, model_cards, reads
from workflows.inventory.forms import KEY, VERSION
from workflows.packs import service as packs
from workflows.packs.records import Pack

Key = Annotated[str, Path(pattern=KEY, description="The model's key.")]
Version = Annotated[str, Path(pattern=VERSION)]
_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}


def router(deps: Deps, door: Door) -> APIRouter:
    """The endpoints for documents under /models."""
    api = APIRouter(prefix="/models", tags=["models"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]
    told_errors = describe_answers(400, 401, 403, 404, 422, 429)
    at = Reach(deps, door)

    @api.get(
        "/{key}/versions/{version}/card",
        response_class=Response,
        responses={
            **told_errors,
            200: {
                "content": {
                    "text/html": {"schema": {"type": "string"}},
                    "text/markdown": {"schema": {"type": "string"}},
                }
            },
        },
    )
    def card(
        key: Key,
        version: Version,
        caller: Calls,
        format: Annotated[
            Literal["html", "markdown"], Query(description="How it is written.")
        ] = "html",
    ) -> Response:
        """The model card, made from the record; what is missing is shown as missing."""
        with deps.db.read() as session:
            model, record = at.version(session, caller, Scope.MODELS_READ, key, version)
            now = deps.now(session)
            today = reads.today_of(deps.policy, now)
            version_card = cards.load_card(
                session, caller.actor, model.id, record.id, policy=deps.policy, now=now
            )
        built = model_cards.build_card(version_card, deps.policy, today)
        organisation = deps.policy.organisation.name
        if format == "markdown":
            return PlainTextResponse(
                pages.card_markdown(built, organisation=organisation, today=today),
                media_type="text/markdown",
            )
        return HTMLResponse(pages.card_html(built, organisation=organisation, today=today))

    def packed(caller: Caller, key: str, version: str) -> Pack:
        with deps.db.read() as session:
            _, record = at.version(session, caller, Scope.MODELS_READ, key, version)
            return packs.make_pack(
                session, caller.actor, record.id, policy=deps.policy, now=deps.now(session)
            )

    @api.get("/{key}/versions/{version}/pack", responses=told_errors)
    def pack(key: Key, version: Version, caller: Calls) -> Pack:
        """Everything that an auditor asks about a version: evidence, decisions, policy text, findings, ledger entries."""
        return packed(caller, key, version)

    @api.get(
        "/{key}/versions/{version}/pack.html",
        response_class=HTMLResponse,
        responses={**told_errors, 200: _PAGE},
    )
    def pack_page(key: Key, version: Version, caller: Calls) -> HTMLResponse:
        """The same as a page that stands alone, with its JSON inside."""
        return HTMLResponse(pages.pack_html(packed(caller, key, version)))

    return api
