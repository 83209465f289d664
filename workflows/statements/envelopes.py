"""The signed form of a statement: in-toto Statement v1 in a DSSE envelope, Ed25519. Pure, and checked offline.

An envelope is one exact text: JSON with sorted keys and no spaces, base64 without variants. So no byte of it can be
changed unnoticed, not even one that says the same to a JSON reader.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workflows.errors import GovernanceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:mlgov:approval:v1"
BIGGEST = 1_000_000
"""Bytes of an envelope that is looked at."""


class KeyRefused(GovernanceError):
    """A key that cannot be used."""


class StatementRefused(GovernanceError):
    """A statement that proves nothing; the sentence says why."""


def encode_canonical(value: object) -> bytes:
    """The one way in which a statement and its envelope are written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def encode_for_signing(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of the payload and its type."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def load_private_key(pem: str) -> "Ed25519PrivateKey":
    """A private key from PEM (PKCS #8, not encrypted). Raises KeyRefused, which never quotes it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused(
            "The signing key is no Ed25519 private key in PEM. `mlgov keys new` makes one."
        )
    return key


def make_private_pem() -> str:
    """A new private key in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_pem(key: "Ed25519PublicKey") -> str:
    """A public key in PEM."""
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def key_id(key: "Ed25519PublicKey") -> str:
    """What names a key: 32 hexadecimal digits of the SHA-256 over its SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives import serialization

    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:32]


def load_public_keys(text: str) -> dict[str, "Ed25519PublicKey"]:
    """Public keys by id, from PEM (one or several) or from the JSON of `GET /api/v1/keys`. Raises KeyRefused."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    end = "-----END PUBLIC KEY-----"
    keys = {}
    try:
        if text.lstrip().startswith("{"):
            text = "\n".join(str(one["public_key"]) for one in json.loads(text)["keys"])
        for part in text.split(end)[:-1]:
            begin = part.index("-----BEGIN PUBLIC KEY-----")
            key = load_pem_public_key((part[begin:] + end + "\n").encode())
            if isinstance(key, Ed25519PublicKey):
                keys[key_id(key)] = key
    except (ValueError, KeyError, TypeError, RecursionError, UnsupportedAlgorithm):
        keys = {}
    if not keys:
        raise KeyRefused(
            "There is no Ed25519 public key in it. `mlgov keys publish` prints it, and so does GET /api/v1/keys."
        )
    return keys


def sign_statement(statement: Mapping[str, Any], key: "Ed25519PrivateKey") -> str:
    """The envelope of a statement, as its one exact text."""
    payload = encode_canonical(statement)
    return encode_canonical(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": key_id(key.public_key()),
                    "sig": base64.b64encode(key.sign(encode_for_signing(payload))).decode(),
                }
            ],
        }
    ).decode()


def open_envelope(
    envelope: bytes, keys: Mapping[str, "Ed25519PublicKey"]
) -> tuple[dict[str, Any], str]:
    """The statement in an envelope, and the id of the key that proves it.

    Raises StatementRefused when a byte differs from what was issued, or another key signed it.
    """
    from cryptography.exceptions import InvalidSignature

    changed = StatementRefused(
        "This is not, byte for byte, a statement that mlgov issued: it was changed or reformatted. Fetch it again."
    )
    if len(envelope) > BIGGEST:
        raise changed
    envelope = envelope.removesuffix(b"\n")
    try:
        read = json.loads(envelope)
        if encode_canonical(read) != envelope:
            raise changed
        signature = _one_signature(read)
        if read["payloadType"] != PAYLOAD_TYPE:
            raise changed
        keyid, sig = signature["keyid"], _decode(signature["sig"])
        payload = _decode(read["payload"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise changed from None
    key = keys.get(keyid) if isinstance(keyid, str) else None
    if key is None:
        raise StatementRefused(
            f"It names the key {str(keyid)[:40]!r}, which is none of those given. If the key was rotated, fetch "
            "GET /api/v1/keys from an mlgov that you trust."
        )
    try:
        key.verify(sig, encode_for_signing(payload))
        statement = json.loads(payload)
    except (InvalidSignature, ValueError, RecursionError):
        raise changed from None
    if (
        not isinstance(statement, dict)
        or statement.keys() != _STATEMENT
        or statement.get("_type") != STATEMENT_TYPE
        or statement.get("predicateType") != PREDICATE_TYPE
    ):
        raise StatementRefused("It is signed, but it is no statement about an approval.")
    return statement, keyid


_ENVELOPE = {"payload", "payloadType", "signatures"}
_SIGNATURE = {"keyid", "sig"}
_STATEMENT = {"_type", "subject", "predicateType", "predicate"}
"""The members that mlgov writes, and no others: what nobody looks at must not say anything."""


def _one_signature(read: Mapping[str, Any]) -> dict[str, Any]:
    """The signature of an envelope that has what ours have, and nothing else. Raises StatementRefused, or what reading raises."""
    signatures = read["signatures"]
    _require_known(read, _ENVELOPE, "the envelope")
    if not isinstance(signatures, list) or not signatures:
        raise StatementRefused("It isn't signed, so it proves nothing.")
    for signature in signatures:
        _require_known(signature, _SIGNATURE, "its signature")
    if len(signatures) > 1:
        raise StatementRefused(
            f"It has {len(signatures)} signatures. mlgov gives one; somebody else added to it. Fetch it again."
        )
    (signature,) = signatures
    if not signature.get("keyid"):
        raise StatementRefused(
            "Its signature names no key (`keyid`), so it's not known whose it is. mlgov always names it. Fetch it again."
        )
    return dict(signature)


def _require_known(read: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(read.keys() - known)
    if unknown:
        raise StatementRefused(
            f"There is {unknown[0][:40]!r} in {where}, which mlgov never writes: somebody put it there. Fetch it again."
        )


def load_retirements(text: str) -> dict[str, datetime]:
    """When keys were retired, by id, from the JSON of `GET /api/v1/keys`; PEM says nothing of it. Raises KeyRefused."""
    if not text.lstrip().startswith("{"):
        return {}
    retired = {}
    try:
        for entry in json.loads(text)["keys"]:
            if entry.get("retired_at") is not None:
                at = datetime.fromisoformat(str(entry["retired_at"]))
                for name in load_public_keys(str(entry["public_key"])):
                    retired[name] = at.replace(tzinfo=at.tzinfo or UTC)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise KeyRefused(
            "It can't be read when a key in it was retired. Fetch GET /api/v1/keys again."
        ) from None
    return retired


def _decode(text: str) -> bytes:
    """Base64 without variants. Raises ValueError."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical")
    return data


# --- Whether a statement proves what it is shown for
#
# Pure; needs no database and no network.


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
    statement, key_id = open_envelope(envelope, keys)
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
