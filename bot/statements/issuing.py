"""Statements at the edge: the key of this deployment, and handing out what it signs."""

import logging
from typing import TYPE_CHECKING

from bot.context import Deps
from bot.settings import Settings, SettingsRefused
from storage.db import DatabaseBusy
from workflows.actors import SYSTEM
from workflows.errors import GovernanceError
from workflows.record import telling
from workflows.record.looking import Look
from workflows.statements import envelopes, service
from workflows.statements.proof import RecordDisagrees

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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
                service.publish_key(session, SYSTEM, key, now=deps.now(session))
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
        return self._deps.db.run(
            lambda session: service.issue_statement(
                session, approval_id, key, policy=self._deps.policy, now=self._deps.now(session)
            )
        )

    def _notify_administrators(self, approval_id: int) -> None:
        deps = self._deps
        log.error(
            "request %d was changed outside mlgov; `mlgov audit verify` says how", approval_id
        )
        with deps.db.read() as session:
            faults = Look.at_one(session, "approval", str(approval_id))
        try:
            deps.db.run(
                lambda session: telling.notify_new_faults(
                    session,
                    faults,
                    policy=deps.policy,
                    org_key=deps.team.org_key,
                    now=deps.now(session),
                )
            )
        except DatabaseBusy:
            log.warning("that the record was changed could not be told just now")
