"""Erasing a person: identity and words go, decisions stay under an opaque id, and the ledger still verifies."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from storage.people import erasure, identities, queries
from storage.people.erasure import Stone
from storage.people.tables import Person
from storage.runtime import real_now
from storage.tokens import queries as token_queries
from workflows import outbox, resting
from workflows.audit import heads
from workflows.audit import service as audit
from workflows.audit.service import NotedErasure
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound
from workflows.outbox import Subject
from workflows.people.forms import PersonSeen
from workflows.people.records import Erasure
from workflows.sources.text import folded_email

# --- Erased people when Slack or a file tells of them again
#
# leavers stay away, whoever is active is who they were.

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
    return erasure.read_standing(session).people > 0


def find_erased(session: Session, org_key: str, slack_ids: Collection[str]) -> Mapping[str, Stone]:
    """Of these Slack ids, those of people who were erased. Raises ErasureKeyMissing."""
    return _find(session, erasure.SLACK, org_key, slack_ids)


def find_erased_addresses(
    session: Session, org_key: str, emails: Collection[str]
) -> Mapping[str, Stone]:
    """Of these addresses (folded), those of people who were erased. Raises ErasureKeyMissing."""
    return _find(session, erasure.EMAIL, org_key, emails)


T = TypeVar("T")


def build_hiding(ctx: Context, values: object) -> Callable[[T], T]:
    """What puts opaque ids in the place of erased people's addresses, in values like these, as JSON has them.

    For what other systems tell again and again. Raises ErasureKeyMissing.
    """
    folded = {one: folded_email(one) for one in erasure.list_addresses(values)}
    stones = find_erased_addresses(ctx.session, ctx.org, {one for one in folded.values() if one})

    def hide(value: T) -> T:
        for address in erasure.list_addresses(value) if stones else ():
            stone = stones.get(folded.get(address) or "")
            if stone is not None:
                value = erasure.swap_value(value, erasure.build_swap([address], stone.person_id))
        return value

    return hide


def _find(session: Session, kind: str, org_key: str, names: Collection[str]) -> Mapping[str, Stone]:
    try:
        return erasure.find(session, kind, org_key, names)
    except erasure.WrongKey:
        raise _refusal(session) from None


def _refusal(session: Session) -> ErasureKeyMissing:
    has_other = session.info.get(erasure.KEY) is not None
    return key_missing(erasure.read_standing(session).people, has_other)


def bury(session: Session, person: Person) -> None:
    """Make somebody's tombstones, before their identity goes. Raises GovernanceError without the key."""
    try:
        erasure.put(session, person, real_now(session))
    except erasure.WrongKey:
        if erasure.read_standing(session).people:
            raise _refusal(session) from None
        if session.info.get(erasure.KEY) is None:
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


def bring_back(ctx: Context, stone: Stone, slack_id: str) -> Person:
    """Let an erased person have their Slack id again: they are who they were, with all parts that they had."""
    person = queries.lock_people(ctx.session, [stone.person_id])[0]
    if person.erased_at is not None:
        person.slack_id, person.erased_at = slack_id, None
        erasure.lift(ctx.session, person.id)
        queries.forget_group_reads(ctx.session, person.org_key)
        audit.record(ctx.as_system(), RETURNED, ("person", person.id))
        ctx.session.flush()
    return person


def start_with(session: Session, key: bytes | None) -> None:
    """Take this key for the database's, where nobody was erased under another. Raises ErasureKeyMissing."""
    standing = erasure.read_standing(session)
    if standing.is_of(key):
        return
    if standing.people:
        raise key_missing(standing.people, key is not None)
    if key is not None:
        erasure.set_check(session, key)


def start_anew(ctx: Context, key: bytes) -> int:
    """Give up tombstones whose key is lost, and take this key; how many people come back when Slack tells of them."""
    people = erasure.forget_all(ctx.session)
    erasure.set_check(ctx.session, key)
    ctx.session.info[erasure.KEY] = key
    audit.record(ctx, "erasure_key.replaced", ("runtime", 1), people=people)
    return people


# --- Erasing a person
#
# identity and words go, decisions stay under an opaque id, and the ledger still verifies.

NAME = "an erased person"


def erase(ctx: Context, person_id: str, *, noted: NotedErasure | None = None) -> Erasure:
    """Remove everything that identifies a person, and what they wrote. Only an operator may; it cannot be undone.

    With `noted` it was done before, and is done once more in a copy that did not know; nobody is asked about that then.
    The anchor hears of it either way, so that no copy brings the person back.

    What is left are tombstones, by which a leaver stays away, and who is active becomes who they were
    (`workflows.people.erasure`). Raises NotFound; InvalidInput while requests wait that they opened or have decided
    in, which would be nobody's, and where there is no key for tombstones; ErasureKeyMissing for a key that is another.
    """
    if ctx.actor.kind is not ActorKind.OPERATOR and noted is None:
        raise NotAllowed("Only who operates mlgov can erase a person, by `mlgov people erase`.")
    person = _find_erasable(ctx.session, person_id)
    # A reading of Slack that runs at this moment must not write into what is emptied here.
    queries.lock_people(ctx.session, [person_id])
    bury(ctx.session, person)
    slack_id = person.slack_id
    slack_ids = [
        *([slack_id] if slack_id else []),
        *identities.list_aliases(ctx.session, person_id),
    ]
    names = [*slack_ids, *([person.email] if person.email else [])]
    others = queries.list_by_email(ctx.session, person.email) if person.email else ()
    same_address = tuple(row.id for row in others if row.id != person_id)
    before = heads.list_erasures(ctx.session, person_id)
    owned = erasure.list_owned_projects(ctx.session, person_id)
    shown_texts = erasure.list_shown_in(ctx.session, person_id)
    identities.forget_aliases_of(ctx.session, person_id)
    _empty(person, ctx.now)
    ctx.session.flush()
    texts = erasure.erase_texts(ctx.session, person_id, ctx.now)
    answers = erasure.forget_answers(ctx.session, person_id)
    tokens = token_queries.forget_tokens(ctx.session, person_id)
    erasure.forget_digests(ctx.session, person_id)
    erasure.end_absences(ctx.session, person_id, ctx.now)
    memberships = erasure.delete_memberships(ctx.session, person_id)
    resting.recheck_all(ctx.session, at=ctx.now)
    erasure.forget_manager(ctx.session, person_id)
    erasure.forget_meeting(ctx.session, person_id)
    in_policy = any(erasure.is_named_in_policy(ctx.session, one) for one in slack_ids)
    messages = 0
    requests: list[int] = []
    if names:
        word = f"{person_id}-{before + 1}" if before else person_id
        messages, requests = erasure.replace_names(ctx.session, names, slack_ids, word, ctx.now)
    for request in requests:
        # It seals the request as it is now: what only lost a name is not what somebody changed outside.
        audit.record(ctx, "approval.name_erased", ("approval", request), person=person_id)
    for type_, id_ in shown_texts:
        outbox.refresh(ctx, Subject(type_, id_))
    audit.record(
        ctx,
        heads.ERASED,
        ("person", person_id),
        texts=texts,
        memberships=memberships,
        **({"answers": answers} if answers else {}),
        **({"tokens": tokens} if tokens else {}),
        # Their facts are no longer those whose digests the ledger has.
        **({"requests": requests} if requests else {}),
        **({"replayed": noted.at.isoformat()} if noted is not None else {}),
    )
    if noted is None:
        heads.note_erasure(ctx, person_id)
    return Erasure(person_id, texts, memberships, messages, tuple(owned), in_policy, same_address)


def _find_erasable(session: Session, person_id: str) -> Person:
    person = queries.find_person(session, person_id)
    if person is None:
        raise NotFound(f"Nobody here has the id {person_id!r}.")
    if person.erased_at is not None:
        raise InvalidInput(f"{person_id} is erased already.")
    if waiting := erasure.open_requests(session, person_id):
        listed = ", ".join(f"#{one}" for one in waiting[:10])
        raise InvalidInput(
            f"{person_id} asked, or has decided, in requests that still wait: {listed}. Let them be decided or withdrawn first."
        )
    return person


def _empty(person: Person, now: datetime) -> None:
    person.slack_id = person.team_id = person.email = person.tz = None
    person.manager_id = person.business_unit = None
    person.persona = person.country = None
    person.name, person.title = NAME, ""
    person.is_deactivated = True
    person.refreshed_at = person.home_opened_at = None
    person.away_until = person.stands_in_until = person.status_away_until = None
    person.erased_at = now
