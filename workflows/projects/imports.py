"""Importing projects: what they are called, who answers for them, where they talk, and whose cost is theirs."""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.orm import Session

from storage.enums import ProjectStatus
from storage.people import queries as people_queries
from storage.projects import queries
from storage.projects.tables import Project
from workflows import outbox, resting
from workflows.audit import service as audit
from workflows.outbox import Subject
from workflows.projects import service
from workflows.projects.forms import ProjectRow
from workflows.sources.rows import Item, NamingTable
from workflows.sources.tables import cleared
from workflows.sources.text import storable

_PEOPLE = ("owner", "sponsor", "manager")
_SHOWN = {"name", "owner", "sponsor", "manager", "channel"}
"""Fields that cards show or that say where they go."""


@dataclass(slots=True)
class ProjectItem(Item[ProjectRow]):
    """A row of a table of projects."""

    project: Project | None = None
    values: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    """Column → what it is to hold, and how people are shown it."""
    channel_name: str | Literal[False] | None = False
    """The name of a channel that nobody knows yet; False where the row says nothing of a channel."""
    uninvited: str = ""
    """A channel that the bot is not in, as `#name` or id."""


class ProjectTable(NamingTable[ProjectRow, ProjectItem]):
    """Adds and changes projects as a file says."""

    form, item = ProjectRow, ProjectItem

    def __init__(self) -> None:
        super().__init__()
        self.uninvited: dict[str, None] = {}

    @abstractmethod
    def find_channel(self, word: str) -> tuple[str | None, bool]:
        """The Slack id of `#name` or `C…`, None when it is not known, and whether the bot is in it."""

    def load_records(self, rows: Sequence[ProjectRow]) -> None:
        """The projects that there are, and whose account is whose."""
        keys = [row.key for row in rows]
        projects = queries.list_by_keys(self.ctx.session, keys, lock=self.writes)
        self._projects = {project.key: project for project in projects}
        self._accounts = _Accounts(self.ctx.session)

    def find_record(self, item: ProjectItem) -> Hashable:
        """A project is known by its key."""
        item.name = item.row.key
        item.project = self._projects.get(item.name)
        item.is_new = item.project is None
        return item.name

    def read_cells(self, item: ProjectItem) -> None:
        """What each cell says, with everybody and every channel that it names."""
        row = item.row
        if item.is_new and not row.name:
            item.fault("name", "a new project needs a name")
        for role in _PEOPLE:
            person = self.find_named(item, role)
            if person is not None:
                item.values[f"{role}_id"] = person
        for column in ("business_unit", "category", "name", "status"):
            if (cell := getattr(row, column)) is not None:
                text = None if cleared(cell) else storable(cell)
                item.values[column] = (text, text or "")
        if row.channel is None:
            return
        channel, is_in = (None, True) if cleared(row.channel) else self.find_channel(row.channel)
        is_unknown = channel is None and not cleared(row.channel)
        if not is_unknown:
            item.values["channel"] = (channel, row.channel if channel else "")
        item.channel_name = row.channel.removeprefix("#") if is_unknown else None
        item.uninvited = row.channel if is_unknown or not is_in else ""

    def check_together(self, items: Sequence[ProjectItem]) -> None:
        """An account belongs to one project, before and after."""
        self._accounts.check(items)

    def write_record(self, item: ProjectItem) -> None:
        """Make or change the project."""
        project = item.project
        if project is None:
            project = Project(
                key=item.row.key,
                name=item.row.key,
                status=ProjectStatus.IN_PROGRESS.value,
                created_at=self.ctx.now,
            )
            self.ctx.session.add(project)
            item.project = project
        names, before = self._names_of_replaced(project, item), project.status
        for column, (value, shown) in item.values.items():
            old = getattr(project, column)
            item.put(project, column, value, names.get(old or "", old or ""), shown)
        if item.channel_name is not False and item.channel_name != project.channel_name:
            if item.channel_name is not None:
                item.change("channel", project.channel, f"#{item.channel_name}")
            project.channel_name = item.channel_name
        self.ctx.session.flush()
        if item.is_new or project.status != before:
            was = None if item.is_new else before
            queries.add_move(self.ctx.session, project, was, self.ctx.now)
        self._accounts.give(project, item)
        if item.uninvited:
            self.uninvited[item.uninvited] = None
        if project.status == ProjectStatus.LIVE:
            service.note_live(self.ctx, project)
        if item.is_new or item.fields:
            audit.record(
                self.ctx,
                "project.imported",
                ("project", project.id),
                new=item.is_new,
                fields=sorted(change.field for change in item.fields),
            )

    def _names_of_replaced(self, project: Project, item: ProjectItem) -> dict[str, str]:
        """Opaque id → name, of whom other people take the place."""
        replaced = {
            old
            for role in _PEOPLE
            if (old := getattr(project, f"{role}_id")) is not None
            and old != item.values.get(f"{role}_id", (old, ""))[0]
        }
        return {row.id: row.name for row in people_queries.list_people(self.ctx.session, replaced)}

    def follow_up(self, items: Sequence[ProjectItem]) -> None:
        """Accounts change hands; what waits and what is shown follows. Home tabs follow the ledger."""
        self._accounts.write(self.ctx.session)
        self.ctx.session.flush()
        changed = {
            item.project.id: {change.field for change in item.fields}
            for item in items
            if item.project is not None and (item.is_new or item.fields)
        }
        resting.recheck_projects(self.ctx.session, list(changed), now=self.ctx.now)
        on_cards = [id_ for id_, fields in changed.items() if fields & _SHOWN]
        for type_, id_ in queries.list_subjects(self.ctx.session, on_cards) if on_cards else ():
            outbox.refresh(self.ctx, Subject.of(type_, id_))


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

    def check(self, items: Sequence[ProjectItem]) -> None:
        """An account that somebody else has or claims is a fault, and the project keeps what it has."""
        given_anew = {item.row.key for item in items if item.row.accounts is not None}
        claims: dict[str, tuple[str, int | None]] = {
            account: (key, None) for account, key in self._before.items() if key not in given_anew
        }
        for item in items:
            accounts = item.row.accounts or ()
            clash = next((account for account in accounts if account in claims), None)
            if clash is None:
                claims |= dict.fromkeys(accounts, (item.row.key, item.line))
                continue
            key, line = claims[clash]
            where = f"in line {line}" if line else "already"
            item.fault(
                "accounts", f"{clash!r} belongs to {key} {where}; an account belongs to one project"
            )

    def give(self, project: Project, item: ProjectItem) -> None:
        """The project is to have exactly the accounts that the row says."""
        if item.row.accounts is None:
            return
        before, after = self._of_project.get(project.key, set()), set(item.row.accounts)
        if before != after:
            self._given_up |= before - after
            self._gained |= dict.fromkeys(after - before, project.id)
            item.change("accounts", "; ".join(sorted(before)), "; ".join(sorted(after)))

    def write(self, session: Session) -> None:
        """Let accounts change hands, all at once: one may go to a project before another gives it up."""
        queries.delete_accounts(session, self._given_up | self._gained.keys())
        queries.insert_accounts(session, self._gained)
