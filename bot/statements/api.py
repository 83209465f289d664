"""Public keys, and whether a statement still stands. Neither needs a token: a statement's id cannot be guessed."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from bot.deps import Deps
from bot.settings import Settings, SettingsRefused
from bot.web.api import describe_answers
from storage.db import DatabaseBusy
from workflows.context import SYSTEM
from workflows.errors import GovernanceError
from workflows.record import telling
from workflows.record.scanning import Look
from workflows.statements import envelopes, service
from workflows.statements.service import RecordDisagrees

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# --- Statements at the edge
#
# the key of this deployment, and handing out what it signs.

log = logging.getLogger("mlgov")


def load_key(settings: Settings) -> "Ed25519PrivateKey | None":
    """The key that this deployment signs with; None when it has none. Raises SettingsRefused."""
    if settings.mlgov_signing_key is None:
        return None
    try:
        return envelopes.load_private_key(settings.mlgov_signing_key.get_secret_value())
    except GovernanceError as error:
        raise SettingsRefused(f"MLGOV_SIGNING_KEY: {error.sentence}") from None


class Issuer:
    """Hands out statements. Safe to call from many threads."""

    def __init__(self, deps: Deps) -> None:
        """Publish this deployment's key, where it has one. Raises SettingsRefused for one that was retired."""
        self._deps = deps
        self._key = key = load_key(deps.settings)
        if key is None:
            return
        self._require_pinned(key)
        try:
            with deps.db.begin(patient=True) as session:
                service.publish_key(deps.context(session, SYSTEM), key)
        except GovernanceError as error:
            raise SettingsRefused(error.sentence) from None

    def _require_pinned(self, key: "Ed25519PrivateKey") -> None:
        pins, name = (self._deps.policy.statements.keys, envelopes.key_id(key.public_key()))
        if pins and name not in pins:
            raise SettingsRefused(
                f"The signing key {name} isn't pinned in the policy, so nothing that it signs would count. Add it to "
                "`statements: keys`, or set MLGOV_SIGNING_KEY_FILE to one that stands there."
            )

    def find_or_issue(self, approval_id: int) -> str | None:
        """The statement about an approved release, as its envelope; None where there is no key to sign with.

        Raises RecordDisagrees when the tables call it approved and the ledger does not, with a key or without; whoever
        administers mlgov is told then.
        """
        try:
            return self._find_or_issue(approval_id)
        except RecordDisagrees:
            self._notify_administrators(approval_id)
            raise

    def _find_or_issue(self, approval_id: int) -> str | None:
        with self._deps.db.read() as session:
            if service.require_proven(session, approval_id) and Look.faults_of(
                session, "approval", str(approval_id)
            ):
                # The rows are as the last entry sealed them, and what led to them isn't what the entries say.
                raise RecordDisagrees(approval_id)
            known = service.find_envelope(session, approval_id)
        key = self._key
        if known is not None or key is None:
            return known
        return self._deps.act(SYSTEM, service.issue_statement, approval_id, key)

    def _notify_administrators(self, approval_id: int) -> None:
        deps = self._deps
        log.error(
            "request %d was changed outside mlgov; `mlgov audit verify` says how", approval_id
        )
        with deps.db.read() as session:
            faults = Look.at_one(session, "approval", str(approval_id))
        try:
            deps.act(SYSTEM, telling.notify_new_faults, faults)
        except DatabaseBusy:
            log.warning("that the record was changed could not be told just now")


# --- Public keys, and whether a statement still stands
#
# Neither needs a token: a statement's id cannot be guessed.


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
        with deps.begin_read() as ctx:
            record = service.find_statement(ctx.session, statement_id)
        return StandingTold(id=record.id, state=record.state(ctx.now), expires_at=record.expires_at)

    return api
