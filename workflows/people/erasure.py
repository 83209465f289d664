"""Erasing a person: identity and words go, decisions stay under an opaque id, and the ledger still verifies."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.people import aliases, erasure, queries
from storage.people.tables import Person
from storage.tokens import queries as token_queries
from workflows import outbox, resting
from workflows.actors import Actor, ActorKind
from workflows.audit import heads
from workflows.audit import service as audit
from workflows.audit.records import NotedErasure
from workflows.errors import InvalidInput, NotAllowed, NotFound
from workflows.outbox import Subject
from workflows.people import tombstones
from workflows.people.records import Erasure

NAME = "an erased person"


def erase(
    session: Session,
    actor: Actor,
    person_id: str,
    *,
    now: datetime,
    noted: NotedErasure | None = None,
) -> Erasure:
    """Remove everything that identifies a person, and what they wrote. Only an operator may; it cannot be undone.

    With `noted` it was done before, and is done once more in a copy that did not know; nobody is asked about that then.
    The anchor hears of it either way, so that no copy brings the person back.

    What is left are tombstones, by which a leaver stays away, and who is active becomes who they were
    (`workflows.people.tombstones`). Raises NotFound; InvalidInput while requests wait that they opened or have decided
    in, which would be nobody's, and where there is no key for tombstones; ErasureKeyMissing for a key that is another.
    """
    if actor.kind is not ActorKind.OPERATOR and noted is None:
        raise NotAllowed("Only who operates mlgov can erase a person, by `mlgov people erase`.")
    person = _find_erasable(session, person_id)
    # A reading of Slack that runs at this moment must not write into what is emptied here.
    queries.lock_people(session, [person_id])
    tombstones.bury(session, person)
    slack_id = person.slack_id
    slack_ids = [*([slack_id] if slack_id else []), *aliases.list_aliases(session, person_id)]
    names = [*slack_ids, *([person.email] if person.email else [])]
    others = queries.list_by_email(session, person.email) if person.email else ()
    same_address = tuple(row.id for row in others if row.id != person_id)
    before = heads.list_erasures(session, person_id)
    owned = erasure.list_owned_projects(session, person_id)
    shown_texts = erasure.list_shown_in(session, person_id)
    aliases.forget_aliases_of(session, person_id)
    _empty(person, now)
    session.flush()
    texts = erasure.erase_texts(session, person_id, now)
    answers = erasure.forget_answers(session, person_id)
    tokens = token_queries.forget_tokens(session, person_id)
    erasure.forget_digests(session, person_id)
    erasure.end_absences(session, person_id, now)
    memberships = erasure.delete_memberships(session, person_id)
    resting.recheck_all(session, at=now)
    erasure.forget_manager(session, person_id)
    erasure.forget_meeting(session, person_id)
    in_policy = any(erasure.is_named_in_policy(session, one) for one in slack_ids)
    messages = 0
    requests: list[int] = []
    if names:
        word = f"{person_id}-{before + 1}" if before else person_id
        messages, requests = erasure.replace_names(session, names, slack_ids, word, now)
    for request in requests:
        # It seals the request as it is now: what only lost a name is not what somebody changed outside.
        audit.record(
            session, actor, "approval.name_erased", ("approval", request), now=now, person=person_id
        )
    for type_, id_ in shown_texts:
        outbox.refresh(session, Subject(type_, id_), now=now)
    audit.record(
        session,
        actor,
        heads.ERASED,
        ("person", person_id),
        now=now,
        texts=texts,
        memberships=memberships,
        **({"answers": answers} if answers else {}),
        **({"tokens": tokens} if tokens else {}),
        # Their facts are no longer those whose digests the ledger has.
        **({"requests": requests} if requests else {}),
        **({"replayed": noted.at.isoformat()} if noted is not None else {}),
    )
    if noted is None:
        heads.note_erasure(session, person_id, now=now)
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
