"""Tombstones: by what an erased person is known when Slack or a file tells of them again. They name nobody.

Each is an HMAC-SHA256 of organisation and Slack id, or e-mail address, under a key that never stands in the database:
without it nobody can tell whose they are, not even by trying every id there is.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from storage.delivery.tables import Runtime
from storage.people import aliases
from storage.people.lookups import parts
from storage.people.tables import Person, Tombstone

KEY = "erasure_key"
"""Where sessions carry the key of their database (bytes); not there, or None, where it is not known."""
SLACK, EMAIL = "slack", "email"


class WrongKey(Exception):
    """There are tombstones, and the key that they were made with is not known here."""


@dataclass(frozen=True, slots=True)
class Stone:
    """Whose tombstone it is, and since when (real time): what Slack told before that says nothing."""

    person_id: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What a database knows of its key: a value that only the key gives, and how many people have tombstones."""

    check: str | None
    people: int

    def is_of(self, key: bytes | None) -> bool:
        """Whether this is the key."""
        return (
            key is not None
            and self.check is not None
            and hmac.compare_digest(self.check, check_value(key))
        )


def check_value(key: bytes) -> str:
    """What a database keeps to tell its key from another."""
    return _digest(key, "check")


def _digest(key: bytes, *words: str) -> str:
    return hmac.new(key, json.dumps(words).encode(), hashlib.sha256).hexdigest()


def read_standing(session: Session) -> Standing:
    """What the database knows of its key."""
    people = select(func.count(Tombstone.person_id.distinct())).scalar_subquery()
    row = session.execute(select(Runtime.erasure_check, people).where(Runtime.id == 1)).one()
    return Standing(row[0], row[1])


def set_check(session: Session, key: bytes | None) -> None:
    """From now on this is the key."""
    session.execute(
        update(Runtime)
        .where(Runtime.id == 1)
        .values(erasure_check=None if key is None else check_value(key))
    )


def put(session: Session, person: Person, made_at: datetime) -> int:
    """Make the tombstones of a person whose identity still stands in their row; how many that was.

    Raises WrongKey where the key is not the database's.
    """
    names = [(SLACK, person.slack_id), (EMAIL, person.email)]
    names += [(SLACK, alias) for alias in aliases.list_aliases(session, person.id)]
    rows: list[dict[str, Any]] = []
    for kind, name in names:
        if name is not None:
            key = _key(session, must_be=True)
            rows.append(
                {
                    "mark": _digest(key, kind, person.org_key, name),
                    "person_id": person.id,
                    "made_at": made_at,
                }
            )
    for row in rows:
        # Somebody else who was erased may have had the address before.
        session.execute(delete(Tombstone).where(Tombstone.mark == row["mark"]))
        session.execute(insert(Tombstone).values(row))
    return len(rows)


def lift(session: Session, person_id: str) -> None:
    """The person is back: nothing says any more that they were erased."""
    session.execute(
        delete(Tombstone)
        .where(Tombstone.person_id == person_id)
        .execution_options(synchronize_session=False)
    )


def forget_all(session: Session) -> int:
    """Give all of them up; how many people had any."""
    people = read_standing(session).people
    session.execute(delete(Tombstone))
    return people


def find(session: Session, kind: str, org_key: str, names: Collection[str]) -> Mapping[str, Stone]:
    """Of these Slack ids or addresses (folded), those of erased people. Raises WrongKey."""
    if not names or (key := _key(session)) is None:
        return {}
    marks = {
        _digest(key, kind, known_as, name): name
        for known_as in _keys_of(session, org_key)
        for name in names
    }
    stones: dict[str, Stone] = {}
    for part in parts(marks):
        rows = session.execute(
            select(Tombstone.mark, Tombstone.person_id, Tombstone.made_at).where(
                Tombstone.mark.in_(part)
            )
        )
        stones |= {marks[row.mark]: Stone(row.person_id, row.made_at) for row in rows}
    return stones


def _keys_of(session: Session, org_key: str) -> list[str]:
    """The organisation's key, and those that it had before it moved: whoever was erased then is known by them."""
    facts = session.execute(select(Runtime.facts).where(Runtime.id == 1)).scalar_one()
    is_ours = facts.get("org_key") == org_key
    return [org_key, *(facts.get("was") or () if is_ours else ())]


def copy_marks(session: Session, org_key: str, global_ids: Mapping[str, str], new_key: str) -> int:
    """Whoever was erased under one of these Slack ids is known by the other from now on, too; how many people.

    `global_ids` says by which id of the organisation `new_key` Slack names whom. Raises WrongKey.
    """
    stones = find(session, SLACK, org_key, global_ids.keys())
    key = _key(session)
    rows = {
        _digest(key, SLACK, new_key, name): {"person_id": stone.person_id, "made_at": stone.made_at}
        for slack_id, stone in stones.items()
        for name in (slack_id, global_ids[slack_id])
    }
    for part in parts(rows):
        session.execute(delete(Tombstone).where(Tombstone.mark.in_(part)))
    if rows:
        session.execute(insert(Tombstone), [{"mark": mark} | row for mark, row in rows.items()])
    return len({stone.person_id for stone in stones.values()})


def _key(session: Session, *, must_be: bool = False) -> Any:
    """The key; None where there is nothing that it could open."""
    key, known = session.info.get(KEY), read_standing(session)
    if not must_be and not known.people:
        return None
    if not known.is_of(key):
        raise WrongKey
    return key
