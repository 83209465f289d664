"""Statements at the edge: the key of this deployment, and handing out what it signs."""

from typing import TYPE_CHECKING

from bot.context import Deps
from bot.settings import Settings, SettingsRefused
from workflows.actors import SYSTEM
from workflows.errors import GovernanceError
from workflows.statements import envelopes, service

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def key_of(settings: Settings) -> "Ed25519PrivateKey | None":
    """The key that this deployment signs with; None when it has none. Raises SettingsRefused."""
    if settings.mlgov_signing_key is None:
        return None
    try:
        return envelopes.private_key(settings.mlgov_signing_key.get_secret_value())
    except GovernanceError as error:
        raise SettingsRefused(f"MLGOV_SIGNING_KEY: {error.sentence}") from None


class Issuer:
    """Hands out statements. Safe to call from many threads."""

    def __init__(self, deps: Deps) -> None:
        """Publish this deployment's key, where it has one. Raises SettingsRefused for one that was retired."""
        self._deps = deps
        self._key = key = key_of(deps.settings)
        if key is None:
            return
        try:
            with deps.db.begin(patient=True) as session:
                service.publish(session, SYSTEM, key, now=deps.now(session))
        except GovernanceError as error:
            raise SettingsRefused(error.sentence) from None

    def of(self, approval_id: int) -> str | None:
        """The statement about an approved release, as its envelope; None where there is no key to sign with."""
        with self._deps.db.read() as session:
            known = service.envelope_of(session, approval_id)
        key = self._key
        if known is not None or key is None:
            return known
        return self._deps.db.run(
            lambda session: service.issue(
                session,
                approval_id,
                key,
                policy=self._deps.policy,
                now=self._deps.now(session),
            )
        )
