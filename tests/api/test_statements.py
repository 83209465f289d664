"""A signed statement proves what it says, and nothing once a byte of it, the key, the digest or the time differs."""

import base64
import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.statements import envelopes
from workflows.statements.envelopes import KeyRefused, StatementRefused, Wanted

DECIDED = datetime(2026, 1, 26, 9, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
KEY = envelopes.load_private_key(envelopes.make_private_pem())
OTHER = envelopes.load_private_key(envelopes.make_private_pem())
KEYS = envelopes.load_public_keys(envelopes.public_pem(KEY.public_key()))
STATEMENT: dict[str, Any] = {
    "_type": envelopes.STATEMENT_TYPE,
    "subject": [{"name": "fraud-model:7", "digest": {"sha256": "ab" * 32}}],
    "predicateType": envelopes.PREDICATE_TYPE,
    "predicate": {
        "id": "st_1",
        "approval": 7,
        "gate": "production_release",
        "environment": "production",
        "deciders": [{"person": "p_1", "stage": 1, "at": DECIDED.isoformat()}],
        "decidedAt": DECIDED.isoformat(),
        "expiresAt": (DECIDED + timedelta(days=1)).isoformat(),
    },
}
ENVELOPE = envelopes.sign_statement(STATEMENT, KEY).encode()


def check(
    envelope: bytes, *, at: datetime = DECIDED, keys: Any = KEYS, **wanted: str
) -> envelopes.Proven:
    return envelopes.check_statement(envelope, keys, Wanted(**wanted), at=at)


def test_it_proves_what_it_says() -> None:
    for envelope in (ENVELOPE, ENVELOPE + b"\n"):
        proven = check(
            envelope,
            digest=DIGEST,
            gate="production_release",
            subject="fraud-model:7",
            environment="production",
        )
        assert (proven.approval, proven.deciders) == (7, 1)


@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, len(ENVELOPE) - 1),
    byte=st.integers(0, 255),
    how=st.sampled_from(["change", "insert", "delete"]),
)
def test_any_one_byte_changed_is_refused(place: int, byte: int, how: str) -> None:
    one = bytes([byte])
    rest = ENVELOPE[place + (how != "insert") :]
    changed = ENVELOPE[:place] + (b"" if how == "delete" else one) + rest
    if changed == ENVELOPE:
        return
    with pytest.raises(StatementRefused):
        check(changed)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_any_byte_of_the_payload_or_the_signature_counts(place: int, byte: int) -> None:
    for part in ("payload", "sig"):
        read = json.loads(ENVELOPE)
        holder = read if part == "payload" else read["signatures"][0]
        raw = bytearray(base64.b64decode(holder[part]))
        raw[place % len(raw)] ^= byte
        holder[part] = base64.b64encode(bytes(raw)).decode()
        with pytest.raises(StatementRefused):
            check(envelopes.encode_canonical(read))


def test_another_key_digest_gate_or_time_is_refused() -> None:
    others = envelopes.load_public_keys(envelopes.public_pem(OTHER.public_key()))
    with pytest.raises(StatementRefused, match="none of those given"):
        check(ENVELOPE, keys=others)
    # The same id with another key behind it: whoever mixes up the files.
    (name,) = KEYS
    with pytest.raises(StatementRefused, match="byte for byte"):
        check(ENVELOPE, keys={name: next(iter(others.values()))})
    for name, value in [
        ("digest", "sha256:" + "0" * 64),
        ("gate", "staging_release"),
        ("subject", "fraud-model:8"),
        ("environment", "staging"),
    ]:
        with pytest.raises(StatementRefused, match=f"another {name}"):
            check(ENVELOPE, **{name: value})
    check(ENVELOPE, at=DECIDED + timedelta(hours=23, minutes=59))
    with pytest.raises(StatementRefused, match="expired"):
        check(ENVELOPE, at=DECIDED + timedelta(days=1))
    with pytest.raises(StatementRefused, match="not come yet"):
        check(ENVELOPE, at=DECIDED - timedelta(seconds=1))


def test_a_demonstration_is_judged_by_its_clock_and_only_now() -> None:
    told = copy.deepcopy(STATEMENT)
    told["predicate"]["demonstration"] = {"ahead": -86_400.0 * 300}
    envelope = envelopes.sign_statement(told, KEY).encode()

    def at(moment: datetime, *, is_now: bool = True) -> envelopes.Proven:
        return envelopes.check_statement(envelope, KEYS, Wanted(), at=moment, is_now=is_now)

    real = DECIDED + timedelta(days=300)
    assert at(real).ahead == timedelta(days=-300)
    with pytest.raises(StatementRefused, match="expired"):
        at(real + timedelta(days=1))
    with pytest.raises(StatementRefused, match="expired"):
        at(real, is_now=False)
    assert at(DECIDED, is_now=False)
    with pytest.raises(StatementRefused, match="expired"):
        envelopes.check_statement(ENVELOPE, KEYS, Wanted(), at=real, is_now=True)
    for wrong in ("soon", {"ahead": "x"}, {"ahead": 1e300}):
        told["predicate"]["demonstration"] = wrong
        with pytest.raises(StatementRefused, match="does not understand"):
            check(envelopes.sign_statement(told, KEY).encode())


def test_what_else_the_key_signed_is_no_approval() -> None:
    other = copy.deepcopy(STATEMENT) | {"predicateType": "https://slsa.dev/provenance/v1"}
    with pytest.raises(StatementRefused, match="no statement about an approval"):
        check(envelopes.sign_statement(other, KEY).encode())
    lacking = copy.deepcopy(STATEMENT)
    del lacking["predicate"]["expiresAt"]
    with pytest.raises(StatementRefused, match="does not understand"):
        check(envelopes.sign_statement(lacking, KEY).encode())


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": [{}]}', "-----END PUBLIC KEY-----", "[" * 100_000]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        envelopes.load_public_keys(text)
    with pytest.raises(KeyRefused) as refused:
        envelopes.load_private_key(text)
    assert "[[[" not in refused.value.sentence


def test_the_signature_is_dsses() -> None:
    """Against the specification's own encoding, written out."""
    payload = base64.b64decode(json.loads(ENVELOPE)["payload"])
    signed = (
        b"DSSEv1 28 application/vnd.in-toto+json " + str(len(payload)).encode() + b" " + payload
    )
    assert envelopes.encode_for_signing(payload) == signed
    sig = base64.b64decode(json.loads(ENVELOPE)["signatures"][0]["sig"])
    KEY.public_key().verify(sig, signed)


def changed(**members: Any) -> bytes:
    return envelopes.encode_canonical(json.loads(ENVELOPE) | members)


SIGNATURE = json.loads(ENVELOPE)["signatures"][0]


@pytest.mark.parametrize(
    ("envelope", "told"),
    [
        (changed(alg="none"), "'alg' in the envelope, which mlgov never writes"),
        (
            changed(signatures=[SIGNATURE | {"alg": "none"}]),
            "'alg' in its signature, which mlgov never writes",
        ),
        (changed(signatures=[]), "isn't signed"),
        (changed(signatures=[SIGNATURE, SIGNATURE]), "It has 2 signatures"),
        (changed(signatures=[{"sig": SIGNATURE["sig"]}]), "names no key"),
        (changed(signatures=[SIGNATURE | {"keyid": ""}]), "names no key"),
        (changed(signatures={"keyid": "x"}), "isn't signed"),
        (changed(signatures=[7]), "byte for byte"),
        (b"[]", "byte for byte"),
    ],
)
def test_members_of_an_envelope_are_told_as_what_they_are(envelope: bytes, told: str) -> None:
    with pytest.raises(StatementRefused, match=told):
        check(envelope)


def test_a_signed_statement_has_no_members_that_nobody_looks_at() -> None:
    with pytest.raises(StatementRefused, match="no statement about an approval"):
        check(envelopes.sign_statement(STATEMENT | {"also": "everything"}, KEY).encode())


def test_what_a_retired_key_signs_afterwards_is_refused() -> None:
    (name,) = KEYS
    ended = DECIDED + timedelta(hours=1)
    text = json.dumps(
        {
            "keys": [
                {
                    "keyid": name,
                    "public_key": envelopes.public_pem(KEY.public_key()),
                    "retired_at": ended.isoformat(),
                }
            ]
        }
    )
    retired = envelopes.load_retirements(text)
    assert retired == {name: ended}
    # What it signed before it was retired still counts, for as long as it says.
    at = DECIDED + timedelta(hours=2)
    assert envelopes.check_statement(ENVELOPE, KEYS, Wanted(), at=at, retired=retired)
    late = copy.deepcopy(STATEMENT)
    late["predicate"]["issuedAt"] = (ended + timedelta(minutes=1)).isoformat()
    envelope = envelopes.sign_statement(late, KEY).encode()
    with pytest.raises(StatementRefused, match="after the key that signed it was retired"):
        envelopes.check_statement(envelope, KEYS, Wanted(), at=at, retired=retired)
    assert envelopes.check_statement(envelope, KEYS, Wanted(), at=at)


@pytest.mark.parametrize("retired_at", ["soon", 7, [], "9" * 40])
def test_a_key_of_whose_end_nothing_can_be_read_is_refused(retired_at: Any) -> None:
    key = {"public_key": envelopes.public_pem(KEY.public_key()), "retired_at": retired_at}
    with pytest.raises(KeyRefused, match="when a key in it was retired"):
        envelopes.load_retirements(json.dumps({"keys": [key]}))
