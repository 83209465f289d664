"""Identifiers of the kind Slack makes."""

import hashlib
import itertools
import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_counter = itertools.count(1)


def new_id(prefix: str) -> str:
    """A fresh id such as `V0A1B2C3D4E`: eleven characters, never given twice in a process."""
    number = next(_counter)
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _ALPHABET[rest] + digits
    noise = "".join(secrets.choice(_ALPHABET) for _ in range(5))
    return f"{prefix}0{noise}{digits.rjust(4, '0')}"


def stable_id(prefix: str, *facts: str) -> str:
    """An id that is the same for the same facts, for things that nobody named."""
    number = int.from_bytes(hashlib.sha256("\0".join((prefix, *facts)).encode()).digest()[:8])
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, 36)
        digits += _ALPHABET[rest]
    return f"{prefix}0{digits}"


def new_hash() -> str:
    """The hash of a view's version."""
    return f"{next(_counter)}.{secrets.token_hex(4)}"


def new_trigger_id() -> str:
    """A trigger id: long, unguessable."""
    return f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**11)}.{secrets.token_hex(16)}"
