"""Erased people when Slack or a file tells of them again: leavers stay away, whoever is active is who they were."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.people import queries, sweeping, tombstones
from storage.people.tables import Person
from storage.people.tombstones import Stone
from storage.runtime import real_now
from workflows.actors import SYSTEM, Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput
from workflows.people.forms import PersonSeen
from workflows.sources.text import folded_email

RETURNED = "person.returned"
"""The entry of the ledger that says that an erased person is active in Slack, and known again."""
WANTED = (
    "Set MLGOV_ERASURE_KEY (32 random characters or more, the same wherever mlgov runs), or MLGOV_ERASURE_KEY_FILE "
    "to where mlgov may make one."
)


class ErasureKeyMissing(GovernanceError):
    """Erased people cannot be told from others here, so nothing is read of anybody."""


def key_missing(people: int, has_other: bool) -> ErasureKeyMissing:
    """The refusal where so many people were erased under a key that is not here."""
    counted = "1 person was" if people == 1 else f"{people:,} people were"
    why = "MLGOV_ERASURE_KEY is another one" if has_other else "that key isn't here"
    return ErasureKeyMissing(
        f"{counted} erased from this database under a key, and {why}, so mlgov reads nothing of people: it would bring "
        "them back. Put the key back (MLGOV_ERASURE_KEY, or the file that held it); where it is lost, `mlgov people new-key`."
    )


def is_anybody_erased(session: Session) -> bool:
    """Whether anybody was erased from this database and is known again."""
    return tombstones.read_standing(session).people > 0


def find_erased(session: Session, org_key: str, slack_ids: Collection[str]) -> Mapping[str, Stone]:
    """Of these Slack ids, those of people who were erased. Raises ErasureKeyMissing."""
    return _find(session, tombstones.SLACK, org_key, slack_ids)


def find_erased_addresses(
    session: Session, org_key: str, emails: Collection[str]
) -> Mapping[str, Stone]:
    """Of these addresses (folded), those of people who were erased. Raises ErasureKeyMissing."""
    return _find(session, tombstones.EMAIL, org_key, emails)


def build_hiding(session: Session, org_key: str, values: Any) -> Callable[[Any], Any]:
    """What puts opaque ids in the place of erased people's addresses, in values like these, as JSON has them.

    For what other systems tell again and again. Raises ErasureKeyMissing.
    """
    folded = {one: folded_email(one) for one in sweeping.list_addresses(values)}
    stones = find_erased_addresses(session, org_key, {one for one in folded.values() if one})

    def hide(value: Any) -> Any:
        for address in sweeping.list_addresses(value) if stones else ():
            stone = stones.get(folded.get(address) or "")
            if stone is not None:
                value = sweeping.swap_value(value, sweeping.build_swap([address], stone.person_id))
        return value

    return hide


def _find(session: Session, kind: str, org_key: str, names: Collection[str]) -> Mapping[str, Stone]:
    try:
        return tombstones.find(session, kind, org_key, names)
    except tombstones.WrongKey:
        raise _refusal(session) from None


def _refusal(session: Session) -> ErasureKeyMissing:
    has_other = session.info.get(tombstones.KEY) is not None
    return key_missing(tombstones.read_standing(session).people, has_other)


def bury(session: Session, person: Person) -> None:
    """Make somebody's tombstones, before their identity goes. Raises GovernanceError without the key."""
    try:
        tombstones.put(session, person, real_now(session))
    except tombstones.WrongKey:
        if tombstones.read_standing(session).people:
            raise _refusal(session) from None
        if session.info.get(tombstones.KEY) is None:
            raise InvalidInput(
                f"Whoever is erased has to stay away when the workspace is read again, and mlgov knows them by a key for that. {WANTED}"
            ) from None
        raise InvalidInput(
            "Another mlgov on this database has another MLGOV_ERASURE_KEY. Give all of them the same one, start them "
            "again, then erase."
        ) from None


def is_back(seen: PersonSeen, stone: Stone, read_at: datetime | None) -> bool:
    """Whether Slack, asked after the erasure, says that somebody who was erased is active.

    Events come late: one that was sent before the erasure must not undo it.
    """
    return not seen.is_deactivated and read_at is not None and read_at > stone.made_at


def bring_back(session: Session, stone: Stone, slack_id: str, *, now: datetime) -> Person:
    """Let an erased person have their Slack id again: they are who they were, with all parts that they had."""
    person = queries.lock_people(session, [stone.person_id])[0]
    if person.erased_at is not None:
        person.slack_id, person.erased_at = slack_id, None
        tombstones.lift(session, person.id)
        queries.forget_group_reads(session, person.org_key)
        audit.record(session, SYSTEM, RETURNED, ("person", person.id), now=now)
        session.flush()
    return person


def start_with(session: Session, key: bytes | None) -> None:
    """Take this key for the database's, where nobody was erased under another. Raises ErasureKeyMissing."""
    standing = tombstones.read_standing(session)
    if standing.is_of(key):
        return
    if standing.people:
        raise key_missing(standing.people, key is not None)
    if key is not None:
        tombstones.set_check(session, key)


def start_anew(session: Session, actor: Actor, key: bytes, *, now: datetime) -> int:
    """Give up tombstones whose key is lost, and take this key; how many people come back when Slack tells of them."""
    people = tombstones.forget_all(session)
    tombstones.set_check(session, key)
    session.info[tombstones.KEY] = key
    audit.record(session, actor, "erasure_key.replaced", ("runtime", 1), now=now, people=people)
    return people
