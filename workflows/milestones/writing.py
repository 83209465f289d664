"""One row of a file becomes a milestone, or a change of one."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import MilestoneType
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.projects.tables import Project
from workflows.audit import service as audit
from workflows.milestones import changes, reads
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.service import TYPE
from workflows.sources.rows import Item, Table


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


class MilestoneWriter(Table[MilestoneRow, MilestoneItem]):
    """Writes rows, and knows the milestones that there are by source and by title."""

    form, item = MilestoneRow, MilestoneItem

    def begin(self, session: Session, *, now: datetime, writes: bool = True) -> None:
        """Nothing is known yet."""
        super().begin(session, now=now, writes=writes)
        self.today = reads.today_of(self.policy, now)
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
                self.session,
                self.actor,
                "milestone.imported",
                (TYPE, milestone.id),
                now=self.now,
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
            reminds_from=None if item.is_overdue else self.now,
            source=source_of(item.project, row),
            source_at=row.github_at,
            created_at=self.now,
        )
        self.session.add(milestone)
        self.session.flush()
        return milestone

    def _change(self, item: MilestoneItem, milestone: Milestone) -> None:
        row = item.row
        if row.github_state == "deleted" and milestone.dropped_at is None:
            milestone.dropped_at = self.now
            item.change("state", "open", "dropped")
        item.put(milestone, "title", row.title)
        if row.type is not None:
            item.put(milestone, "type", row.type.value)
        if item.owner is not None and item.owner[0] != milestone.owner_id:
            before = lookups.find_people(
                self.session, [milestone.owner_id] if milestone.owner_id else []
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
                milestone.reminds_from = self.now
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
        changes.move(self.session, self.actor, milestone, new, policy=self.policy, now=self.now)
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
