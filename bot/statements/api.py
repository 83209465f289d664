"""Public keys, and whether a statement still stands. Neither needs a token: a statement's id cannot be guessed."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from bot.api.problems import describe_answers
from bot.context import Deps
from workflows.statements import service


class KeyTold(BaseModel):
    """A public key. What a retired one signed stays provable by it."""

    keyid: str
    algorithm: Literal["ed25519"] = "ed25519"
    public_key: str
    published_at: datetime
    retired_at: datetime | None = None


class KeysTold(BaseModel):
    """Every key that counts, the newest first: those that the policy pins, or all that the ledger knows of."""

    keys: list[KeyTold]


class StandingTold(BaseModel):
    """Whether a statement still stands: `valid`, `suspended`, `withdrawn` or `expired`."""

    id: str
    state: str
    expires_at: datetime


def router(deps: Deps) -> APIRouter:
    """The endpoints under /keys and /statements."""
    api = APIRouter(tags=["statements"])

    @api.get("/keys", response_model_exclude_none=True)
    def keys() -> KeysTold:
        """The public keys that prove statements."""
        with deps.db.read() as session:
            trusted = service.list_trusted_keys(session, pins=deps.policy.statements.keys)
        return KeysTold(
            keys=[
                KeyTold(
                    keyid=key.key_id,
                    public_key=key.public_pem,
                    published_at=key.published_at,
                    retired_at=key.retired_at,
                )
                for key in trusted
            ]
        )

    @api.get("/statements/{statement_id}", responses=describe_answers(404, 422))
    def standing(statement_id: Annotated[str, Path(pattern=r"^st_[0-9a-f]{32}$")]) -> StandingTold:
        """Whether a statement still stands."""
        with deps.db.read() as session:
            now = deps.now(session)
            record = service.find_statement(session, statement_id)
        return StandingTold(id=record.id, state=record.state(now), expires_at=record.expires_at)

    return api
