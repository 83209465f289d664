"""The button with which model risk accepts the registry as it is."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from bot.deps import Deps
from bot.registry import messages
from bot.slack.interactions import RegistryRef
from bot.slack.replies import Private, Reply
from bot.slack.requests import Click, Router
from bot.web import server
from bot.web.server import BodyRefused
from storage import runtime
from workflows import inbox
from workflows.context import SYSTEM, Context
from workflows.errors import Stale
from workflows.registry import reads, service
from workflows.sources.mlflow import client


def register(router: Router) -> None:
    """Answer the button."""
    router.action(messages.ACCEPT, accept, RegistryRef)


def accept(click: Click, registry: RegistryRef) -> Reply:
    """What the card listed is taken; on an older card nothing is, and it shows what waits now."""
    deps = click.deps
    try:
        sentence = click.act(
            service.accept_offers, -1 if registry.revision is None else registry.revision
        )
    except Stale:
        deps.act(SYSTEM, reads.refresh_messages)
        raise
    return Private(sentence)


# --- MLflow's webhooks
#
# a genuine one brings the next look forward, and is believed for nothing more.

MOST_BYTES = 1_000_000


def router(deps: Deps) -> APIRouter | None:
    """/mlflow/webhook, when a secret is set; None without one, since an unsigned hint could be anybody's."""
    secret = deps.settings.mlgov_mlflow_webhook_secret
    if secret is None:
        return None
    api = APIRouter()

    def hear(headers: dict[str, str], body: bytes) -> Response:
        with deps.db.read() as session:
            now = runtime.real_now(session)
        why = client.find_fault(secret.get_secret_value(), headers, body, now)
        if why:
            return Response(f"Not taken: {why}.", status_code=401, media_type="text/plain")
        name = f"mlflow:{headers['x-mlflow-delivery-id'][:80]}"

        def take(ctx: Context) -> None:
            # One transaction: what was marked as seen has been heeded.
            if inbox.note_first_seen(ctx.session, name):
                service.note_hint(ctx.session, now=ctx.now)

        deps.act(SYSTEM, take)
        return Response("ok", media_type="text/plain")

    @api.post("/mlflow/webhook", include_in_schema=False)
    async def webhook(request: Request) -> Response:
        try:
            server.require_short(request, MOST_BYTES)
            if "x-mlflow-signature" not in request.headers:
                return Response(
                    "Not taken: it is not signed.", status_code=401, media_type="text/plain"
                )
            body = await server.whole(request, MOST_BYTES)
        except BodyRefused as error:
            return Response(error.sentence, status_code=error.status, media_type="text/plain")
        headers = {key.lower(): value for key, value in request.headers.items()}
        return await run_in_threadpool(hear, headers, body)

    return api
