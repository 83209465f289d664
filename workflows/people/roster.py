"""Importing people: who reports to whom, and where they work. Identity and names stay Slack's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.people import queries, readings
from storage.people.tables import Person
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.people import linking, mirror, tombstones
from workflows.people.forms import PersonRow
from workflows.sources.cells import cleared
from workflows.sources.rows import FieldChange, Outcome, RowChange, RowFault
from workflows.sources.text import storable

Rows = Sequence[tuple[int, PersonRow]]
_TEXTS = ("business_unit", "persona", "country")
_ERASED = (
    "{word} was erased here, and no file brings anybody back; take the row out. Who is active in the workspace is known again "
    "once mlgov has read it"
)


class People:
    """Everybody of an organisation, by Slack id and e-mail address, while a table is read.

    Only here, where an operator brings a file, does an e-mail address say who is meant.
    """

    def __init__(self, session: Session, org_key: str) -> None:
        self._session = session
        self._org_key = org_key
        self.by_id: dict[str, Person] = {}
        self._by_slack: dict[str, Person] = {}
        self._by_email: dict[str, list[Person]] = {}
        self.unseen: set[str] = set()
        """Slack ids that Slack has not told of yet."""
        self.added: set[str] = set()
        """Opaque ids of who was not known before the row that is being read."""
        self._has_erased = tombstones.is_anybody_erased(session)
        for row in queries.list_organisation(session, org_key):
            self.add(row)

    def add(self, row: Person) -> None:
        """Know one more person."""
        self.by_id[row.id] = row
        if row.slack_id:
            self._by_slack[row.slack_id] = row
        if row.email:
            self._by_email.setdefault(row.email, []).append(row)

    def with_slack_id(self, slack_id: str) -> Person | str:
        """The person with this id, or a sentence about who was erased; a place is made for who was never seen, and
        Slack is asked before they can act."""
        row = self._by_slack.get(slack_id)
        if row is None:
            person_id = mirror.find_or_add_person(self._session, self._org_key, slack_id)
            if person_id is None:
                return _ERASED.format(word=slack_id)
            person = queries.find_person(self._session, person_id)
            if person is None:
                raise RuntimeError("a person who was just added is not there")
            row = person
            self.add(row)
            self.added.add(row.id)
        if row.team_id is None:
            self.unseen.add(slack_id)
        return row

    def with_email(self, email: str) -> Person | str | None:
        """The one person with this address; a sentence when several have it; None when nobody has."""
        matches = [row for row in self._by_email.get(email, ()) if row.id in self.by_id]
        known = [row for row in matches if row.slack_id] or matches
        active = [row for row in known if not row.is_deactivated] or known
        if len(active) > 1:
            return f"{len(active)} people have the address {email}; give the member id instead"
        if active:
            return active[0]
        if self._has_erased and tombstones.find_erased_addresses(
            self._session, self._org_key, [email]
        ):
            return _ERASED.format(word=email)
        return None

    def named(self, word: str) -> Person | str:
        """Whoever a Slack id or e-mail address names, or a sentence that says what to do."""
        if "@" not in word:
            return self.with_slack_id(word)
        return self.with_email(word) or (
            f"nobody is known by the address {word}, and mlgov hasn't read the workspace's people yet; "
            "read them by `mlgov sync`, or import people first"
            if readings.list_unread(self._session)
            else f"nobody is known by the address {word}; give the member id, or import people first"
        )

    def unlinked(self, email: str) -> list[Person]:
        """People whom a file named by this address before they were seen in Slack."""
        return [
            row
            for row in self._by_email.get(email, ())
            if row.slack_id is None and row.id in self.by_id
        ]

    def forget(self, person_id: str) -> None:
        """This entry became another one."""
        self.by_id.pop(person_id, None)


def apply_rows(
    session: Session, actor: Actor, rows: Rows, *, org_key: str, now: datetime
) -> Outcome:
    """Add and change people as a file says. Rows with faults change nothing; the caller decides about the others."""
    people, outcome = People(session, org_key), Outcome()
    taken: dict[str, int] = {}
    chosen: list[tuple[int, PersonRow, Person, bool]] = []
    for line, row in rows:
        match = _whose(session, actor, people, row, org_key=org_key, now=now)
        if isinstance(match, str):
            outcome.faults.append(RowFault(line, "email", match))
            continue
        person, is_new = match
        if person.id in taken:
            outcome.faults.append(
                RowFault(
                    line,
                    None,
                    f"is about the same person as line {taken[person.id]}; keep one of them",
                )
            )
            continue
        taken[person.id] = line
        chosen.append((line, row, person, is_new))
    managers = _managers(people, chosen, outcome)
    faulty = {fault.line for fault in outcome.faults}
    for line, row, person, is_new in chosen:
        if line in faulty:
            continue
        changes = _change(people, person, row, managers.get(person.id))
        if not changes and not is_new:
            outcome.unchanged += 1
            continue
        outcome.changes.append(RowChange(line, person.name, is_new, tuple(changes)))
        audit.record(
            session,
            actor,
            "person.imported",
            ("person", person.id),
            now=now,
            new=is_new,
            fields=sorted(change.field for change in changes),
        )
    session.flush()
    note_unseen(people, outcome)
    return outcome


def note_unseen(people: People, outcome: Outcome) -> None:
    """Say whom a table named by a Slack id that Slack has not told of."""
    if people.unseen:
        some = ", ".join(sorted(people.unseen)[:5])
        more = f" and {len(people.unseen) - 5} more" if len(people.unseen) > 5 else ""
        outcome.notes.append(
            f"Nobody has seen {some}{more} in the workspace yet; they can act once they are there. Check the ids if mlgov has been running."
        )


def _whose(
    session: Session, actor: Actor, people: People, row: PersonRow, *, org_key: str, now: datetime
) -> tuple[Person, bool] | str:
    """Whom a row is about and whether they are new here, or what is wrong with it."""
    either = row.person or ""
    slack_id = row.slack_id or (either if "@" not in either else None) or None
    email = row.email or (either if "@" in either else None)
    people.added.clear()
    if slack_id is not None:
        by_id = people.with_slack_id(slack_id)
        if isinstance(by_id, str):
            return by_id
        person = by_id
        if email and person.email is None:
            person.email = email
            people.add(person)
    elif email is not None:
        matches = people.with_email(email)
        if isinstance(matches, str):
            return matches
        person = matches or _named_by_email(session, people, email, org_key)
    else:
        return "no member id and no e-mail address; write one of them"
    if email and person.slack_id is not None:
        for earlier in people.unlinked(email):
            people.forget(earlier.id)
            linking.link(session, actor, [(earlier, person)], now=now)
            session.expunge(earlier)
    return person, person.id in people.added


def _named_by_email(session: Session, people: People, email: str, org_key: str) -> Person:
    person = Person(
        id=mirror.new_id(),
        org_key=org_key,
        slack_id=None,
        name=storable(email.partition("@")[0]),
        email=email,
        title="",
    )
    session.add(person)
    session.flush()
    people.add(person)
    people.added.add(person.id)
    return person


def _managers(
    people: People, chosen: Sequence[tuple[int, PersonRow, Person, bool]], outcome: Outcome
) -> dict[str, str | None]:
    """The line manager that each row asks for. Unknown ones, and circles, are faults."""
    wanted: dict[str, str | None] = {}
    lines: dict[str, int] = {}
    for line, row, person, _ in chosen:
        if row.manager is None:
            continue
        lines[person.id] = line
        if cleared(row.manager):
            wanted[person.id] = None
            continue
        matches = people.named(row.manager)
        if isinstance(matches, str):
            outcome.faults.append(RowFault(line, "manager", matches))
        else:
            wanted[person.id] = matches.id
    above = {row.id: row.manager_id for row in people.by_id.values()} | wanted
    for person_id in list(wanted):
        circle = _circle(above, person_id)
        if circle:
            names = " → ".join(people.by_id[one].name for one in (*circle, person_id))
            outcome.faults.append(
                RowFault(
                    lines[person_id], "manager", f"would make a circle of line managers: {names}"
                )
            )
            del wanted[person_id]
            above[person_id] = people.by_id[person_id].manager_id
    return wanted


def _circle(above: dict[str, str | None], start: str) -> list[str]:
    """The people from `start` up to whoever reports to `start` again; empty when the line ends."""
    line, seen = [start], {start}
    current = above.get(start)
    while current is not None and current not in seen:
        line.append(current)
        seen.add(current)
        current = above.get(current)
    return line if current == start else []


def _change(
    people: People, person: Person, row: PersonRow, manager: str | None
) -> list[FieldChange]:
    changes: list[FieldChange] = []

    def put(name: str, value: str | None, old: str, new: str) -> None:
        if getattr(person, name) != value:
            changes.append(FieldChange(name.removesuffix("_id"), old, new))
            setattr(person, name, value)

    if row.manager is not None:

        def known(person_id: str | None) -> str:
            return people.by_id[person_id].name if person_id in people.by_id else ""

        put("manager_id", manager, known(person.manager_id), known(manager))
    for name in _TEXTS:
        value = getattr(row, name)
        if value is not None:
            text = None if cleared(value) else storable(value)
            put(name, text, getattr(person, name) or "", text or "")
    if row.name is not None and person.team_id is None:
        put("name", storable(row.name), person.name, storable(row.name))
    return changes
