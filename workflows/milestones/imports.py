"""One row of a file becomes a milestone, or a change of one."""

import difflib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from storage.enums import MilestoneType
from storage.milestones import queries
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.projects.tables import Project
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput
from workflows.milestones import lists, reads, rules, service
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.service import TYPE, refresh_copies
from workflows.sources.rows import Item, NamingTable


@dataclass(slots=True)
class MilestoneItem(Item[MilestoneRow]):
    """A row of a table of milestones, with its project and the milestone that it means."""

    project: Project = field(init=False)
    milestone: Milestone | None = None
    owner: tuple[str | None, str] | None = None
    """Opaque id and name; None where the row says nothing of an owner."""
    is_overdue: bool = False
    """New, and its day has passed."""

    @property
    def node(self) -> int:
        """What stands for it among needs: its id, or one of its own while it has none."""
        return -self.line if self.milestone is None else self.milestone.id


class MilestoneWriter(NamingTable[MilestoneRow, MilestoneItem]):
    """Writes rows, and knows the milestones that there are by source and by title."""

    form, item = MilestoneRow, MilestoneItem

    def begin(self, ctx: Context, *, writes: bool = True) -> None:
        """Nothing is known yet."""
        super().begin(ctx, writes=writes)
        self.today = reads.today_of(ctx.policy, ctx.now)
        self.by_source: dict[str, Milestone] = {}
        self.by_title: dict[tuple[int, str], Milestone] = {}

    def know(self, milestone: Milestone) -> None:
        """Later rows may mean this milestone."""
        for name in source_names(milestone.source):
            self.by_source[name] = milestone
        if milestone.dropped_at is None:
            self.by_title[(milestone.project_id, milestone.title.casefold())] = milestone

    def write_record(self, item: MilestoneItem) -> None:
        """Add or change the milestone that a row means, unless the record has later news of it from GitHub."""
        row, milestone = item.row, item.milestone
        if milestone is None:
            if row.github_state == "deleted":
                return
            milestone = item.milestone = self._add(item)
        else:
            as_of = milestone.source_at
            if row.github_at and as_of and row.github_at < as_of:
                return
            if not milestone.source or (row.github and "@" in row.github):
                # its repository may have another name by now
                milestone.source = source_of(item.project, row)
            milestone.source_at = row.github_at or as_of
            self._change(item, milestone)
        item.name = f"{item.project.key}: {milestone.title}"
        self.know(milestone)
        if item.is_new or item.fields:
            facts = (
                {"project": item.project.id}
                if item.is_new
                else {"fields": sorted(change.field for change in item.fields)}
            )
            audit.record(
                self.ctx,
                "milestone.imported",
                (TYPE, milestone.id),
                new=item.is_new,
                due=milestone.forecast.isoformat(),
                baseline=milestone.baseline.isoformat(),
                actual=milestone.actual.isoformat() if milestone.actual else None,
                **facts,
            )

    def _add(self, item: MilestoneItem) -> Milestone:
        row = item.row
        forecast = row.forecast or row.baseline
        if forecast is None:
            raise ValueError("a row without a day was taken")
        item.is_new = True
        item.is_overdue = forecast < self.today and row.actual is None
        milestone = Milestone(
            project_id=item.project.id,
            title=row.title,
            type=(row.type or MilestoneType.OTHER).value,
            owner_id=item.owner[0] if item.owner else None,
            baseline=row.baseline or forecast,
            forecast=forecast,
            actual=row.actual,
            reminds_from=None if item.is_overdue else self.ctx.now,
            source=source_of(item.project, row),
            source_at=row.github_at,
            created_at=self.ctx.now,
        )
        self.ctx.session.add(milestone)
        self.ctx.session.flush()
        return milestone

    def _change(self, item: MilestoneItem, milestone: Milestone) -> None:
        row = item.row
        if row.github_state == "deleted" and milestone.dropped_at is None:
            milestone.dropped_at = self.ctx.now
            item.change("state", "open", "dropped")
        item.put(milestone, "title", row.title)
        if row.type is not None:
            item.put(milestone, "type", row.type.value)
        if item.owner is not None and item.owner[0] != milestone.owner_id:
            before = lookups.find_people(
                self.ctx.session, [milestone.owner_id] if milestone.owner_id else []
            )
            names = "".join(person.name for person in before.values())
            item.put(milestone, "owner_id", item.owner[0], names, item.owner[1])
        if row.baseline is not None:
            item.put(milestone, "baseline", row.baseline)
        if milestone.done_by is None:
            # Met when the file says so; open again only where a file and no person had said that it is met.
            if row.actual is not None:
                item.put(milestone, "actual", row.actual)
            elif row.github_state == "open" and milestone.actual:
                item.put(milestone, "actual", None)
                milestone.reminds_from = self.ctx.now
        self._move(item, milestone)
        if item.fields:
            milestone.revision += 1

    def _move(self, item: MilestoneItem, milestone: Milestone) -> None:
        new = item.row.forecast
        if new is None or new == milestone.forecast:
            return
        if milestone.actual is not None or milestone.dropped_at is not None:
            item.put(milestone, "forecast", new)
            return
        item.change("forecast", milestone.forecast, new)
        was_quiet = milestone.reminds_from is None
        service.move(self.ctx, milestone, new)
        if was_quiet and new < self.today:
            milestone.reminds_from = None


def table_source(project: Project, key: str) -> str:
    """What names a milestone that a table gave a key."""
    return f"table:{project.key}:{key.casefold()}"


def source_names(source: str | None) -> list[str]:
    """What a milestone is found by, the surest first: GitHub's id of it, which stays when a repository is renamed, then its place."""
    if not source:
        return []
    place, at, number = source.rpartition("@")
    if source.startswith("github:") and at and number.isdigit():
        return [f"github@{number}", place]
    return [source]


def source_of(project: Project, row: MilestoneRow) -> str | None:
    """What names a milestone where it comes from; None when only its title does."""
    if row.github:
        return f"github:{row.github}"
    return table_source(project, row.key) if row.key else None


# --- Milestones from tables and from GitHub
#
# added, changed, met or dropped as a file says; the same again changes nothing.

_NOBODY = ("", "")


class MilestoneTable(MilestoneWriter):
    """Brings in milestones.

    A row means the milestone of its GitHub number or key, else of its title in its project. What is overdue when it
    is new goes on one list for whoever manages its project, and nobody is reminded of it before they say so.
    """

    repeated = "stands in line {line} already; keep one of them"
    repeated_field = "title"

    def __init__(self, *, file: str, sha256: str, list_to: str | None = None) -> None:
        """`list_to` names to whom the overdue ones of this file are shown, instead of the managers."""
        super().__init__()
        self._file, self._sha256, self._list_to = file, sha256, list_to
        self._overdue: dict[tuple[str, str], set[int]] = defaultdict(set)
        """Id and name of who gets a list → lines of the file; empty ones for those that nobody gets."""

    def load_records(self, rows: Sequence[MilestoneRow]) -> None:
        """The milestones of the file's projects, and the titles of those of others that rows need."""
        receiver = self.find_person(self._list_to) if self._list_to else None
        if isinstance(receiver, str):
            raise InvalidInput(f"--list-to: {receiver}.")
        self._receiver = receiver[0] if receiver else None
        own = {row.project for row in rows}
        others = {
            name.partition("/")[0].strip().casefold()
            for row in rows
            for name in row.needs or ()
            if "/" in name
        }
        self._projects = queries.load_projects_by_keys(self.ctx.session, own | others)
        ids = {key: project.id for key, project in self._projects.items()}
        owned = [ids[key] for key in own & ids.keys()]
        for known in queries.every_of_projects(self.ctx.session, owned, lock=self.writes):
            self.know(known)
        needed = [ids[key] for key in (others - own) & ids.keys()]
        for other in queries.list_of_projects(self.ctx.session, needed):
            self.by_title[(other.project_id, other.title.casefold())] = other

    def find_record(self, item: MilestoneItem) -> Hashable:
        """The milestone that the row means, in its project."""
        row = item.row
        project = self._projects.get(row.project)
        if project is None:
            keys = queries.list_project_keys(self.ctx.session)
            near = difflib.get_close_matches(row.project, keys, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise InvalidInput(
                f"there is no project {row.project[:60]!r}{meant} Import projects first.",
                field="project",
            )
        item.project = project
        item.milestone = self._find_match(project, row)
        if item.milestone is not None:
            return item.milestone.id
        return project.id, row.github or row.key or "", row.title.casefold()

    def _find_match(self, project: Project, row: MilestoneRow) -> Milestone | None:
        source = source_of(project, row)
        names = source_names(source)
        for name in names:
            known = self.by_source.get(name)
            # the place of a milestone with another id is another milestone's by now
            if known is not None and not (
                len(names) == 2 == len(source_names(known.source))
                and names[0] != source_names(known.source)[0]
            ):
                return known
        titled = self.by_title.get((project.id, row.title.casefold()))
        if titled is not None and titled.source and source and titled.source != source:
            return None
        return titled

    def read_cells(self, item: MilestoneItem) -> None:
        """Its owner, and whether its days can be."""
        row = item.row
        item.owner = self.find_named(item, "owner")
        if item.faults:
            return
        if item.milestone is None and not (row.forecast or row.baseline):
            if row.github_state != "deleted":
                item.fault("forecast", "a new milestone needs a day")
        elif row.actual is not None and row.actual > self.today:
            item.fault("actual", f"{row.actual} is still to come")

            # --- what needs what

    def check_together(self, items: Sequence[MilestoneItem]) -> None:
        """A need that nobody has, in the record or in the file, is a fault, and so is a circle of needs."""
        needing = [item for item in items if item.row.needs]
        if not needing:
            return
        titles = {(item.project.id, item.row.title.casefold()): item for item in items}
        keys = {(item.project.id, (item.row.key or "").casefold()): item for item in items}
        targets: dict[int, dict[str, int]] = {}
        involved = [item.milestone for item in items if item.milestone is not None]
        for item in needing:
            targets[item.line] = {}
            for name in item.row.needs or ():
                known = self._named(item.project, name)
                at = (item.project.id, name.casefold())
                coming = titles.get(at) or keys.get(at) or titles.get(self._elsewhere(name))
                if known is not None:
                    involved.append(known)
                    targets[item.line][name] = known.id
                elif coming is not None:
                    targets[item.line][name] = coming.node
                else:
                    item.fault(
                        "needs", f"there is no milestone {name[:60]!r} in {item.project.key}"
                    )
                    break
        needs = reads.load_net(self.ctx.session, involved, self.today).needs
        for item in items:
            if item.row.needs is not None:
                needs[item.node] = set()
        for item in needing:
            for name, node in targets[item.line].items() if not item.faults else ():
                if rules.closes_a_circle(needs, item.node, node):
                    item.fault(
                        "needs", f"{name[:60]!r} needs this one itself, directly or through others"
                    )
                else:
                    needs[item.node].add(node)

    def _elsewhere(self, name: str) -> tuple[int, str]:
        """Where `project/title` stands among titles."""
        key, _, title = name.partition("/")
        project = self._projects.get(key.strip().casefold())
        return project.id if project else 0, title.strip().casefold()

    def _named(self, project: Project, name: str) -> Milestone | None:
        return (
            self.by_title.get((project.id, name.casefold()))
            or self.by_source.get(table_source(project, name))
            or self.by_title.get(self._elsewhere(name))
        )

    def _link(self, items: Sequence[MilestoneItem]) -> None:
        needing = [item for item in items if item.row.needs is not None and item.milestone]
        if not needing:
            return
        queries.lock_links(self.ctx.session)
        before: dict[int, set[int]] = defaultdict(set)
        for id_, needed in queries.list_links(self.ctx.session, [item.node for item in needing]):
            before[id_].add(needed)
        for item in needing:
            named = (self._named(item.project, name) for name in item.row.needs or ())
            wanted = {needed.id for needed in named if needed is not None}
            milestone, old = item.milestone, before[item.node]
            if milestone is None or wanted == old:
                continue
            queries.set_needs(self.ctx.session, milestone.id, wanted)
            audit.record(self.ctx, "milestone.linked", (TYPE, milestone.id), needs=sorted(wanted))
            if not item.is_new:
                milestone.revision += 1
                item.change("needs", len(old), len(wanted))

                # --- who is told

    def follow_up(self, items: Sequence[MilestoneItem]) -> None:
        """Needs are linked, copies follow, and what was overdue goes on its list."""
        self._link(items)
        changed = [i.milestone for i in items if i.milestone and (i.is_new or i.fields)]
        refresh_copies(self.ctx, changed)
        self._list([item for item in items if item.is_overdue])

    def _list(self, overdue: Sequence[MilestoneItem]) -> None:
        answering = {
            id_
            for item in overdue
            for id_ in (
                item.project.manager_id,
                item.project.owner_id,
                item.project.sponsor_id,
                item.owner[0] if item.owner else None,
                self._receiver,
            )
            if id_
        }
        people = lookups.find_people(self.ctx.session, answering)
        listed: dict[str, list[Milestone]] = defaultdict(list)
        for item in overdue:
            if item.milestone is None:
                continue
            person = people.get(self._receiver or "") or lists.choose_receiver(
                item.milestone, item.project, people
            )
            self._overdue[(person.id, person.name) if person else _NOBODY].add(item.line)
            if person is not None:
                listed[person.id].append(item.milestone)
        for id_ in sorted(listed):
            lists.send_list(
                self.ctx, people[id_], listed[id_], file=self._file, sha256=self._sha256
            )

    def list_notes(self) -> Iterator[str]:
        """What is overdue already, and who gets a list of it."""
        for id_, name in sorted(self._overdue.keys() - {_NOBODY}):
            yield f"Overdue already: {len(self._overdue[id_, name])}. {name} gets one list of them, and nobody is reminded before it is started there."
        if unlisted := len(self._overdue.get(_NOBODY, ())):
            yield f"Overdue already, with nobody to show them to: {unlisted}. Nobody is reminded of them before somebody reschedules them."
        yield from super().list_notes()
