"""One person, several Slack ids: on an Enterprise Grid whoever was in a workspace before it joined has two.

Slack tells both when it describes somebody (`id` and `enterprise_user.id`), and may use either in what it sends. So every
id that was ever told leads to one entry here, and two entries that turn out to be one person become one.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import changing
from storage.delivery.queries import relocating
from storage.people import aliases as slack_aliases
from storage.people import identities, queries
from storage.people.tables import Person
from workflows import outbox
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.outbox import Destination, Subject
from workflows.people.forms import PersonSeen

log = logging.getLogger("mlgov")

JOINED = "approval.person_joined"
"""The entry that seals a request anew because people whom its stages name turned out to be one."""


def find(
    session: Session, org_key: str, wanted: Mapping[str, PersonSeen], now: datetime
) -> dict[str, Person]:
    """Slack id → the one entry there is of each of these people, by any of their ids."""
    ids = {id_ for seen in wanted.values() for id_ in (seen.slack_id, *seen.other_ids)}
    known = queries.find_by_slack_ids(session, org_key, ids)
    people: dict[str, Person] = {}
    for slack_id, seen in wanted.items():
        entries = {
            known[id_].id: known[id_] for id_ in (slack_id, *sorted(seen.other_ids)) if id_ in known
        }
        if len(entries) > 1:
            person = join(session, list(entries.values()), now=now)
            known |= {id_: person for id_, row in known.items() if row.id in entries}
            people[slack_id] = person
        elif entries:
            people[slack_id] = next(iter(entries.values()))
    return people


def keep(
    session: Session,
    org_key: str,
    entries: Mapping[str, Person],
    wanted: Mapping[str, PersonSeen],
    *,
    is_read: bool,
) -> None:
    """Let every id by which Slack just named these people lead to their entries; both are by the id they were named by.

    Where Slack was asked (`is_read`), the one that it described them by is the one to call them by. An event, which can
    be old, only adds to what is known.
    """
    ids: dict[str, set[str]] = {}
    before: dict[str, Person] = {}
    for slack_id, row in entries.items():
        seen = wanted[slack_id]
        if not seen.other_ids and row.slack_id == slack_id:
            continue
        ids.setdefault(row.id, set()).update({slack_id, *seen.other_ids})
        if is_read and row.slack_id is not None and row.slack_id != slack_id:
            before[row.slack_id], row.slack_id = row, slack_id
    if not ids:
        return
    for slack_id, row in before.items():
        ids[row.id].add(slack_id)
    called = {row.id: row.slack_id for row in entries.values()}
    slack_aliases.forget_aliases(session, org_key, {str(row.slack_id) for row in before.values()})
    known = slack_aliases.list_by_person(session, ids)
    slack_aliases.add_aliases(
        session,
        org_key,
        {
            alias: person_id
            for person_id, named in ids.items()
            for alias in named - {called[person_id], *known.get(person_id, ())}
        },
    )
    _relocate(session, org_key, before)


def _relocate(session: Session, org_key: str, before: Mapping[str, Person]) -> None:
    """What waits for people under the ids that they had goes to the ones that they have."""
    lanes: dict[str, str] = {}
    for slack_id, row in before.items():
        old = Destination.person(org_key, slack_id).key
        new = Destination.person(org_key, str(row.slack_id)).key
        lanes |= {old: new, f"home:{old}": f"home:{new}"}
    if lanes:
        relocating.rename(session, lanes)


def join(session: Session, entries: Sequence[Person], *, now: datetime) -> Person:
    """Entries that are one person become one: the one that has acted, else that Slack has described."""
    acted = identities.has_acted(session, [row.id for row in entries])
    kept, *others = sorted(
        entries, key=lambda row: (row.id not in acted, row.team_id is None, row.id)
    )
    queries.lock_people(session, [row.id for row in entries])
    for gone in others:
        _join(session, gone, kept, has_acted=gone.id in acted, now=now)
    session.flush()
    session.refresh(kept)
    return kept


def absorb(session: Session, gone: Person, kept: Person, *, now: datetime) -> None:
    """The first turns out to be the second, who stays: an entry of an organisation that becomes the second's."""
    acted = identities.has_acted(session, [gone.id])
    queries.lock_people(session, [gone.id, kept.id])
    _join(session, gone, kept, has_acted=bool(acted), now=now)


def _join(session: Session, gone: Person, kept: Person, *, has_acted: bool, now: datetime) -> None:
    before, org_key = gone.slack_id, gone.org_key
    audit.record(
        session, SYSTEM, "person.linked", ("person", kept.id), now=now, was=gone.id, by="slack"
    )
    names = [*slack_aliases.list_aliases(session, gone.id), *([before] if before else [])]
    named = identities.list_stages_naming(session, names) if names else []
    if has_acted:
        log.warning(
            "%s and %s are one person, by Slack's word, and both have acted: they are %s from now on.",
            gone.id,
            kept.id,
            kept.id,
        )
        identities.join_people(session, gone, kept)
        _take_back_doubles(session, gone, kept, now=now)
    else:
        gone.slack_id = None
        session.flush()
        identities.replace_people(session, {gone.id: kept.id})
    if before is not None and org_key == kept.org_key:
        slack_aliases.add_aliases(session, org_key, {before: kept.id})
    for approval_id in named:
        audit.record(session, SYSTEM, JOINED, ("approval", approval_id), now=now, person=kept.id)


def _take_back_doubles(session: Session, gone: Person, kept: Person, *, now: datetime) -> None:
    """Nobody decides on what they asked themselves, or twice: such verdicts in requests that wait are void, and the
    request is back with the stage in which they stood."""
    doubles = identities.list_waiting_doubles(session, [gone.id, kept.id])
    first: dict[int, int] = {}
    for row in doubles:
        at = first.get(row.approval_id, row.position)
        first[row.approval_id] = min(at, row.position)
    for row in doubles:
        audit.record(
            session,
            SYSTEM,
            "approval.taken_back",
            ("approval", row.approval_id),
            now=now,
            decision=row.id,
            verdict=row.verdict,
            stage=row.position,
            back_from=row.stage,
        )
    for approval_id, position in first.items():
        is_passed = any(row.approval_id == approval_id and row.stage > position for row in doubles)
        void = [row.id for row in doubles if row.approval_id == approval_id]
        if is_passed:
            void = identities.list_verdicts_from(session, approval_id, position)
        changing.void_decisions(session, sorted(set(void)), at=now)
        changing.revise(session, approval_id, **({"stage": position} if is_passed else {}))
        outbox.refresh(session, Subject.of("approval", approval_id), now=now)
