"""One row of a file becomes a milestone, or a change of one."""

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.enums import MilestoneType
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.projects.tables import Project
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.milestones import changes, reads
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.service import TYPE
from workflows.policy import Policy
from workflows.sources.rows import FieldChange, Outcome


@dataclass(slots=True)
class AcceptedRow:
    """A good row, with its project, the milestone that it means, and what it changes."""

    line: int
    row: MilestoneRow
    project: Project
    milestone: Milestone | None
    owner: tuple[str | None, str] | None
    fields: list[FieldChange] = field(default_factory=list)
    is_new: bool = False
    is_overdue: bool = False


class RowWriter:
    """Writes rows, and knows the milestones that there are by source and by title."""

    def __init__(self, session: Session, actor: Actor, policy: Policy, now: datetime) -> None:
        self.session = session
        self.actor = actor
        self.policy = policy
        self.now = now
        self.today = reads.today_of(policy, now)
        self.outcome = Outcome()
        self.by_source: dict[str, Milestone] = {}
        self.by_title: dict[tuple[int, str], Milestone] = {}

    def index_milestone(self, row: Milestone) -> None:
        """Later rows may mean this milestone."""
        for name in source_names(row.source):
            self.by_source[name] = row
        if row.dropped_at is None:
            self.by_title[(row.project_id, row.title.casefold())] = row

    def write(self, accepted: AcceptedRow) -> None:
        """Add or change the milestone that a row means."""
        row, milestone = accepted.row, accepted.milestone
        if milestone is None:
            if row.github_state == "deleted":
                self.outcome.unchanged += 1
                return
            self._add(accepted)
            return
        written_at = milestone.source_at
        if row.github_at and written_at and row.github_at < written_at:
            self.outcome.unchanged += 1
            return
        source = source_of(accepted.project, row)
        if not milestone.source or (row.github and "@" in row.github):
            milestone.source = source  # its repository may have another name by now
        milestone.source_at = row.github_at or written_at
        self._change(accepted, milestone)

    def _add(self, accepted: AcceptedRow) -> None:
        row = accepted.row
        forecast = row.forecast or row.baseline
        baseline = row.baseline or row.forecast
        if forecast is None or baseline is None:
            raise ValueError("a row without a day was taken")
        accepted.is_new = True
        accepted.is_overdue = forecast < self.today and row.actual is None
        milestone = Milestone(
            project_id=accepted.project.id,
            title=row.title,
            type=(row.type or MilestoneType.OTHER).value,
            owner_id=accepted.owner[0] if accepted.owner else None,
            baseline=baseline,
            forecast=forecast,
            actual=row.actual,
            reminds_from=None if accepted.is_overdue else self.now,
            source=source_of(accepted.project, row),
            source_at=row.github_at,
            created_at=self.now,
        )
        self.session.add(milestone)
        self.session.flush()
        accepted.milestone = milestone
        self.index_milestone(milestone)
        audit.record(
            self.session,
            self.actor,
            "milestone.imported",
            (TYPE, milestone.id),
            now=self.now,
            new=True,
            project=accepted.project.id,
            due=forecast.isoformat(),
            baseline=baseline.isoformat(),
            actual=milestone.actual.isoformat() if milestone.actual else None,
        )

    def _change(self, accepted: AcceptedRow, row: Milestone) -> None:
        wanted = accepted.row
        if wanted.github_state == "deleted" and row.dropped_at is None:
            row.dropped_at = self.now
            accepted.fields.append(FieldChange("state", "open", "dropped"))
        self._set(accepted, row, "title", wanted.title)
        if wanted.type is not None:
            self._set(accepted, row, "type", wanted.type.value)
        if accepted.owner is not None and accepted.owner[0] != row.owner_id:
            old = lookups.people(self.session, [row.owner_id] if row.owner_id else [])
            names = [person.name for person in old.values()]
            accepted.fields.append(FieldChange("owner", "".join(names), accepted.owner[1]))
            row.owner_id = accepted.owner[0]
        if wanted.baseline is not None:
            self._set(accepted, row, "baseline", wanted.baseline)
        self._meet(accepted, row)
        self._move(accepted, row)
        if accepted.fields:
            row.revision += 1
            audit.record(
                self.session,
                self.actor,
                "milestone.imported",
                (TYPE, row.id),
                now=self.now,
                new=False,
                fields=sorted(change.field for change in accepted.fields),
                due=row.forecast.isoformat(),
                baseline=row.baseline.isoformat(),
                actual=row.actual.isoformat() if row.actual else None,
            )

    def _set(self, accepted: AcceptedRow, row: Milestone, name: str, new: str | date) -> None:
        old = getattr(row, name)
        if old != new:
            accepted.fields.append(FieldChange(name, str(old), str(new)))
            setattr(row, name, new)

    def _meet(self, accepted: AcceptedRow, row: Milestone) -> None:
        """Met when the file says so; open again only where a file and no person had said that it is met."""
        wanted = accepted.row
        if wanted.actual is not None and row.done_by is None:
            self._set(accepted, row, "actual", wanted.actual)
        elif wanted.github_state == "open" and row.actual and row.done_by is None:
            accepted.fields.append(FieldChange("actual", str(row.actual), ""))
            row.actual = None
            row.reminds_from = self.now

    def _move(self, accepted: AcceptedRow, row: Milestone) -> None:
        new = accepted.row.forecast
        if new is None or new == row.forecast:
            return
        accepted.fields.append(FieldChange("forecast", str(row.forecast), str(new)))
        if row.actual is not None or row.dropped_at is not None:
            row.forecast = new
            return
        was_quiet = row.reminds_from is None
        changes.move(self.session, self.actor, row, new, policy=self.policy, now=self.now)
        if was_quiet and new < self.today:
            row.reminds_from = None


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
