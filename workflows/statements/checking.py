"""Whether a statement proves what it is shown for. Pure; needs no database and no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workflows.statements import envelopes
from workflows.statements.envelopes import StatementRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the statement must be about; None is not asked for."""

    digest: str | None = None
    gate: str | None = None
    subject: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """What a statement that holds says."""

    id: str
    subject: str
    digest: str
    gate: str
    environment: str | None
    approval: int
    deciders: int
    decided_at: datetime
    expires_at: datetime
    key_id: str
    dated_at: datetime
    """The latest of the times at which it says that it was decided and issued."""
    entry: int | None = None
    """The entry of the ledger that it rests on; None in one of an older release."""
    ahead: timedelta = timedelta(0)
    """How far the times of a demonstration are ahead of real ones (negative: behind); zero for everything else."""


def check_statement(
    envelope: bytes,
    keys: Mapping[str, "Ed25519PublicKey"],
    wanted: Wanted,
    *,
    at: datetime,
    is_now: bool = False,
    retired: Mapping[str, datetime] = MappingProxyType({}),
) -> Proven:
    """What the statement proves at that moment. Raises StatementRefused when it does not prove what is wanted.

    `is_now` says that the moment is this machine's clock: then a demonstration's statement, which says of itself that
    it is one, is judged by the demonstration's clock. `retired` says since when keys sign nothing any more.
    """
    statement, key_id = envelopes.open_envelope(envelope, keys)
    try:
        proven = _read_proven(statement, key_id)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        raise StatementRefused(
            "It is signed, but by a release of mlgov that this one does not understand."
        ) from None
    for name, is_, asked in (
        ("digest", proven.digest, wanted.digest),
        ("gate", proven.gate, wanted.gate),
        ("subject", proven.subject, wanted.subject),
        ("environment", proven.environment, wanted.environment),
    ):
        if asked is not None and asked != is_:
            raise StatementRefused(f"It is about another {name}: {is_ or 'none'}, not {asked}.")
    ended = retired.get(key_id)
    if ended is not None and proven.dated_at >= ended:
        raise StatementRefused(
            f"It is dated {proven.dated_at:%d %b %Y %H:%M} UTC, after the key that signed it was retired on "
            f"{ended:%d %b %Y %H:%M} UTC: mlgov didn't issue it. Find out who still has that key."
        )
    if is_now:
        at += proven.ahead
    if at < proven.decided_at:
        raise StatementRefused(
            f"It is of {proven.decided_at:%d %b %Y %H:%M} UTC, which has not come yet; check this machine's clock."
        )
    if at >= proven.expires_at:
        raise StatementRefused(
            f"It expired on {proven.expires_at:%d %b %Y %H:%M} UTC. Ask again at the gate."
        )
    return proven


def _read_proven(statement: dict[str, Any], key_id: str) -> Proven:
    (subject,) = statement["subject"]
    predicate = statement["predicate"]
    decided_at = datetime.fromisoformat(predicate["decidedAt"])
    issued_at = datetime.fromisoformat(predicate.get("issuedAt", predicate["decidedAt"]))
    ledger = predicate.get("ledger")
    return Proven(
        id=str(predicate["id"]),
        subject=str(subject["name"]),
        digest=f"sha256:{subject['digest']['sha256']}",
        gate=str(predicate["gate"]),
        environment=predicate["environment"],
        approval=int(predicate["approval"]),
        deciders=len(predicate["deciders"]),
        decided_at=decided_at,
        expires_at=datetime.fromisoformat(predicate["expiresAt"]),
        key_id=key_id,
        dated_at=max(decided_at, issued_at),
        entry=None if ledger is None else int(ledger["seq"]),
        ahead=timedelta(seconds=float(predicate.get("demonstration", {}).get("ahead", 0))),
    )
