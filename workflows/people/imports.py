"""Importing people: who reports to whom, and where they work. Identity and names stay Slack's."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from storage.people import queries, readings
from storage.people.tables import Person
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput
from workflows.people import erasure, identities, mirror
from workflows.people.forms import PersonRow
from workflows.sources.rows import I, Item, NamingTable, R
from workflows.sources.tables import cleared
from workflows.sources.text import storable

_ERASED = (
    "{word} was erased here, and no file brings anybody back; take the row out. Who is active in the workspace is known again "
    "once mlgov has read it"
)


class People:
    """Everybody of an organisation, by Slack id and e-mail address, while a table is read.

    Only here, where an operator brings a file, does an e-mail address say who is meant.
    """

    def __init__(self, session: Session, org_key: str, *, writes: bool = True) -> None:
        """Unless it `writes`, places for who was never seen are made in memory alone."""
        self._session = session
        self._org_key = org_key
        self._writes = writes
        self.by_id: dict[str, Person] = {}
        self._by_slack: dict[str, Person] = {}
        self._by_email: dict[str, list[Person]] = {}
        self.unseen: set[str] = set()
        """Slack ids that Slack has not told of yet."""
        self.added: set[str] = set()
        """Opaque ids of who was not known before the row that is being read."""
        self._has_erased = erasure.is_anybody_erased(session)
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
            row = self._place_by_slack_id(slack_id)
            if row is None:
                return _ERASED.format(word=slack_id)
            self.add(row)
            self.added.add(row.id)
        if row.team_id is None:
            self.unseen.add(slack_id)
        return row

    def _place_by_slack_id(self, slack_id: str) -> Person | None:
        """None for who was erased."""
        if self._writes:
            person_id = mirror.find_or_add_person(self._session, self._org_key, slack_id)
            return queries.find_person(self._session, person_id) if person_id else None
        if erasure.find_erased(self._session, self._org_key, [slack_id]):
            return None
        return Person(id=mirror.new_id(), org_key=self._org_key, slack_id=slack_id, name=slack_id)

    def place_by_email(self, email: str) -> Person:
        """An entry for somebody who is known by their address alone, until Slack tells of them."""
        person = Person(
            id=mirror.new_id(),
            org_key=self._org_key,
            slack_id=None,
            name=storable(email.partition("@")[0]),
            email=email,
            title="",
        )
        if self._writes:
            self._session.add(person)
            self._session.flush()
        self.add(person)
        self.added.add(person.id)
        return person

    def with_email(self, email: str) -> Person | str | None:
        """The one person with this address; a sentence when several have it; None when nobody has."""
        people = [row for row in self._by_email.get(email, ()) if row.id in self.by_id]
        known = [row for row in people if row.slack_id] or people
        active = [row for row in known if not row.is_deactivated] or known
        if len(active) > 1:
            return f"{len(active)} people have the address {email}; give the member id instead"
        if active:
            return active[0]
        if self._has_erased and erasure.find_erased_addresses(
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


class NamesPeople(NamingTable[R, I]):
    """A table in which people are named by Slack id or e-mail address."""

    def __init__(self) -> None:
        self.unseen: set[str] = set()

    def begin(self, ctx: Context, *, writes: bool = True) -> None:
        """Everybody of the organisation is known again."""
        super().begin(ctx, writes=writes)
        self.people = People(ctx.session, ctx.org, writes=writes)
        self.people.unseen = self.unseen

    def find_person(self, word: str) -> tuple[str, str] | str:
        """Whom a word names: their opaque id and name, or why nobody."""
        person = self.people.named(word)
        return person if isinstance(person, str) else (person.id, person.name)

    def list_notes(self) -> Iterator[str]:
        """Whom the table named by a Slack id that Slack has not told of."""
        if self.unseen:
            some = ", ".join(sorted(self.unseen)[:5])
            more = f" and {len(self.unseen) - 5} more" if len(self.unseen) > 5 else ""
            yield f"Nobody has seen {some}{more} in the workspace yet; they can act once they are there. Check the ids if mlgov has been running."
        yield from super().list_notes()


@dataclass(slots=True)
class PersonItem(Item[PersonRow]):
    """A row of a table of people."""

    person: Person = field(init=False)
    manager: Person | None = None
    """Whom the row names as the line manager."""


class PeopleTable(NamesPeople[PersonRow, PersonItem]):
    """Adds and changes people as a file says."""

    form, item = PersonRow, PersonItem
    repeated = "is about the same person as line {line}; keep one of them"
    repeated_field = None

    def find_record(self, item: PersonItem) -> Hashable:
        """The entry of the person; one is made for who was never seen."""
        row, people = item.row, self.people
        either = row.person or ""
        slack_id = row.slack_id or (either if "@" not in either else None)
        email = row.email or (either if "@" in either else None)
        person: Person | str | None = None
        if slack_id:
            person = people.with_slack_id(slack_id)
        elif email:
            person = people.with_email(email) or people.place_by_email(email)
        if not isinstance(person, Person):
            raise InvalidInput(
                person or "no member id and no e-mail address; write one of them", field="email"
            )
        item.is_new = person.id in people.added
        people.added.clear()
        if email and person.slack_id is not None:
            if person.email is None:
                person.email = email
                people.add(person)
            self._link(person, email)
        item.person, item.name = person, person.name
        return person.id

    def _link(self, person: Person, email: str) -> None:
        """Whoever was named by this address before they were seen in Slack becomes this person."""
        for earlier in self.people.unlinked(email):
            self.people.forget(earlier.id)
            if self.writes:
                identities.link(self.ctx, [(earlier, person)])
                self.ctx.session.expunge(earlier)

    def check_together(self, items: Sequence[PersonItem]) -> None:
        """Find the line managers, once everybody in the file is known. Unknown ones, and circles, are faults."""
        above = {row.id: row.manager_id for row in self.people.by_id.values()}
        for item in items:
            if item.row.manager is None:
                continue
            manager = None if cleared(item.row.manager) else self.people.named(item.row.manager)
            if isinstance(manager, str):
                item.fault("manager", manager)
            else:
                item.manager = manager
                above[item.person.id] = manager.id if manager else None
        for item in items:
            start = item.person.id
            if item.row.manager is not None and (circle := _circle(above, start)):
                names = " → ".join(self.people.by_id[id_].name for id_ in (*circle, start))
                item.fault("manager", f"would make a circle of line managers: {names}")
                above[start] = item.person.manager_id

    def write_record(self, item: PersonItem) -> None:
        """Change what the row says."""
        row, person = item.row, item.person
        if row.manager is not None:
            before = self.people.by_id.get(person.manager_id or "")
            manager = item.manager
            item.put(
                person,
                "manager_id",
                manager.id if manager else None,
                before.name if before else "",
                manager.name if manager else "",
            )
        for column in ("business_unit", "persona", "country"):
            if (cell := getattr(row, column)) is not None:
                item.put(person, column, None if cleared(cell) else storable(cell))
        if row.name is not None and person.team_id is None:
            item.put(person, "name", storable(row.name))
        item.name = person.name
        if item.is_new or item.fields:
            audit.record(
                self.ctx,
                "person.imported",
                ("person", person.id),
                new=item.is_new,
                fields=sorted(change.field for change in item.fields),
            )


def _circle(above: dict[str, str | None], start: str) -> list[str]:
    """The people from `start` up to whoever reports to `start` again; empty when the line ends."""
    line, seen = [start], {start}
    current = above.get(start)
    while current is not None and current not in seen:
        line.append(current)
        seen.add(current)
        current = above.get(current)
    return line if current == start else []
