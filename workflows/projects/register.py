"""Importing projects: what they are called, who answers for them, where they talk, and whose cost is theirs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from storage.enums import ProjectStatus
from storage.people import queries as people_queries
from storage.projects import cards, queries
from storage.projects.tables import Project
from workflows import outbox, resting
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.outbox import Subject
from workflows.projects.forms import ProjectRow
from workflows.sources.cells import cleared
from workflows.sources.rows import FieldChange, Outcome, RowChange, RowFault
from workflows.sources.text import storable

Rows = Sequence[tuple[int, ProjectRow]]
FindPerson = Callable[[str], tuple[str, str] | str]
"""Whom a Slack id or e-mail address names: (opaque id, name), or a sentence that says why nobody."""
FindChannel = Callable[[str], tuple[str | None, bool]]
"""The Slack id of `#name` or `C…`, None when it is not known, and whether the bot is in it."""

_PEOPLE = ("owner", "sponsor", "manager")
_SHOWN = {"name", "owner", "sponsor", "manager", "channel"}
"""Fields that cards show or that say where they go."""


def apply_rows(
    session: Session,
    actor: Actor,
    rows: Rows,
    *,
    find_person: FindPerson,
    find_channel: FindChannel,
    org_key: str,
    now: datetime,
) -> Outcome:
    """Add and change projects as a file says. Rows with faults change nothing; the caller decides about the others."""
    outcome = Outcome()
    chosen = _once_each(rows, outcome)
    known = {
        row.key: row
        for row in queries.list_by_keys_for_update(session, [row.key for _, row in chosen])
    }
    asked: dict[int, _Change] = {}
    for line, row in chosen:
        change = _Change(session, row, known.get(row.key), find_person, find_channel, now)
        outcome.faults += change.look(line)
        asked[line] = change
    faulty = {fault.line for fault in outcome.faults}
    accounts = _Accounts(session)
    chosen = accounts.settle([(line, row) for line, row in chosen if line not in faulty], outcome)
    touched: list[Project] = []
    changed: list[int] = []
    for line, row in chosen:
        change = asked[line]
        if change.uninvited:
            outcome.uninvited.append(change.uninvited)
        project, fields = change.write()
        fields += accounts.give(project, row)
        if not fields and not change.is_new:
            outcome.unchanged += 1
            continue
        outcome.changes.append(RowChange(line, project.key, change.is_new, tuple(fields)))
        audit.record(
            session,
            actor,
            "project.imported",
            ("project", project.id),
            now=now,
            new=change.is_new,
            fields=sorted(one.field for one in fields),
        )
        changed.append(project.id)
        if any(one.field in _SHOWN for one in fields):
            touched.append(project)
    accounts.write(session)
    session.flush()
    resting.recheck_projects(session, changed, now=now)
    _follow(session, touched, now=now)
    return outcome


def _once_each(rows: Rows, outcome: Outcome) -> list[tuple[int, ProjectRow]]:
    first: dict[str, int] = {}
    chosen = []
    for line, row in rows:
        if row.key in first:
            outcome.faults.append(
                RowFault(
                    line,
                    "key",
                    f"{row.key} stands in line {first[row.key]} already; keep one of them",
                )
            )
            continue
        first[row.key] = line
        chosen.append((line, row))
    return chosen


class _Accounts:
    """Whose account is whose: an account belongs to one project, before and after."""

    def __init__(self, session: Session) -> None:
        names = {row.id: row.key for row in queries.list_projects(session)}
        self._before: dict[str, str] = {
            account: names[project] for project, account in queries.list_accounts(session)
        }
        self._given_up: set[str] = set()
        self._gained: dict[str, int] = {}
        self._of_project: dict[str, set[str]] = {}
        for account, key in self._before.items():
            self._of_project.setdefault(key, set()).add(account)

    def settle(
        self, rows: list[tuple[int, ProjectRow]], outcome: Outcome
    ) -> list[tuple[int, ProjectRow]]:
        """The rows whose accounts nobody else claims; the others are faults, and their projects keep what they have."""
        while True:
            faults = self._clashes(rows)
            if not faults:
                return rows
            outcome.faults += faults
            lines = {fault.line for fault in faults}
            rows = [(line, row) for line, row in rows if line not in lines]

    def _clashes(self, rows: Sequence[tuple[int, ProjectRow]]) -> list[RowFault]:
        given_anew = {row.key for _, row in rows if row.accounts is not None}
        claims: dict[str, tuple[str, int | None]] = {
            account: (key, None) for account, key in self._before.items() if key not in given_anew
        }
        faults = []
        for line, row in rows:
            clash = next((one for one in row.accounts or () if one in claims), None)
            if clash is None:
                claims |= dict.fromkeys(row.accounts or (), (row.key, line))
                continue
            key, other = claims[clash]
            where = f"in line {other}" if other else "already"
            faults.append(
                RowFault(
                    line,
                    "accounts",
                    f"{clash!r} belongs to {key} {where}; an account belongs to one project",
                )
            )
        return faults

    def give(self, project: Project, row: ProjectRow) -> list[FieldChange]:
        """The project is to have exactly the accounts that the row says."""
        if row.accounts is None:
            return []
        before, after = self._of_project.get(project.key, set()), set(row.accounts)
        if before == after:
            return []
        self._given_up |= before - after
        self._gained |= dict.fromkeys(after - before, project.id)
        return [FieldChange("accounts", "; ".join(sorted(before)), "; ".join(sorted(after)))]

    def write(self, session: Session) -> None:
        """Let accounts change hands, all at once: one may go to a project before another gives it up."""
        queries.delete_accounts(session, self._given_up | self._gained.keys())
        queries.insert_accounts(session, self._gained)


class _Change:
    """What one row asks of one project."""

    def __init__(
        self,
        session: Session,
        row: ProjectRow,
        project: Project | None,
        find_person: FindPerson,
        find_channel: FindChannel,
        now: datetime,
    ) -> None:
        self._session = session
        self._row = row
        self._project = project
        self._find_person = find_person
        self._find_channel = find_channel
        self._now = now
        self._values: dict[str, tuple[str | None, str]] = {}
        self.is_new = project is None
        self._named: str | Literal[False] | None = False
        """The name of a channel that nobody knows yet; False where the row says nothing of a channel."""
        self.uninvited = ""

    def look(self, line: int) -> list[RowFault]:
        """Find out what everything in the row means; what is wrong with it."""
        row, faults = self._row, []
        if self.is_new and not row.name:
            faults.append(RowFault(line, "name", "a new project needs a name"))
        for role in _PEOPLE:
            word = getattr(row, role)
            if word is None:
                continue
            if cleared(word):
                self._values[f"{role}_id"] = (None, "")
                continue
            found = self._find_person(word)
            if isinstance(found, str):
                faults.append(RowFault(line, role, found))
            else:
                self._values[f"{role}_id"] = found
        for name in ("business_unit", "category"):
            value = getattr(row, name)
            if value is not None:
                text = None if cleared(value) else storable(value)
                self._values[name] = (text, text or "")
        for name in ("name", "status"):
            value = getattr(row, name)
            if value is not None:
                self._values[name] = (storable(value), storable(value))
        self._look_at_channel()
        return faults

    def _look_at_channel(self) -> None:
        word = self._row.channel
        if word is None:
            return
        if cleared(word):
            self._values["channel"] = (None, "")
            self._named = None
            return
        channel_id, is_in = self._find_channel(word)
        if channel_id is not None:
            self._values["channel"] = (channel_id, word)
        self._named = word.removeprefix("#") if channel_id is None else None
        if channel_id is None or not is_in:
            self.uninvited = word

    def write(self) -> tuple[Project, list[FieldChange]]:
        """Make or change the project."""
        project = self._project
        if project is None:
            project = Project(
                key=self._row.key,
                name=self._row.key,
                status=ProjectStatus.IN_PROGRESS.value,
                created_at=self._now,
            )
            self._session.add(project)
        changes = []
        old_names = self._old_names(project)
        for column, (value, shown) in self._values.items():
            old = getattr(project, column)
            if old != value:
                setattr(project, column, value)
                field = column.removesuffix("_id")
                changes.append(FieldChange(field, old_names.get(old or "", old or ""), shown))
        if self._named is not False and self._named != project.channel_name:
            if self._named is not None:
                named = FieldChange("channel", project.channel or "", f"#{self._named}")
                changes.append(named)
            project.channel_name = self._named
        self._session.flush()
        return project, changes

    def _old_names(self, project: Project) -> dict[str, str]:
        changing = {
            old
            for role in _PEOPLE
            if f"{role}_id" in self._values
            and (old := getattr(project, f"{role}_id")) is not None
            and old != self._values[f"{role}_id"][0]
        }
        return {row.id: row.name for row in people_queries.list_people(self._session, changing)}


def _follow(session: Session, projects: Sequence[Project], *, now: datetime) -> None:
    """Cards that show these projects are shown anew; Home tabs follow the ledger."""
    if not projects:
        return
    for type_, id_ in cards.list_subjects(session, [row.id for row in projects]):
        outbox.refresh(session, Subject.of(type_, id_), now=now)
