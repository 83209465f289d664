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
class Taken:
    """A good row, with its project, the milestone that it means, and what it changes."""

    line: int
    row: MilestoneRow
    project: Project
    milestone: Milestone | None
    owner: tuple[str | None, str] | None
    fields: list[FieldChange] = field(default_factory=list)
    is_new: bool = False
    is_overdue: bool = False


class Writing:
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

    def know(self, row: Milestone) -> None:
        """Later rows may mean this milestone."""
        for name in names_of(row.source):
            self.by_source[name] = row
        if row.dropped_at is None:
            self.by_title[(row.project_id, row.title.casefold())] = row

    def write(self, one: Taken) -> None:
        """Add or change the milestone that a row means."""
        row, milestone = one.row, one.milestone
        if milestone is None:
            if row.github_state == "deleted":
                self.outcome.unchanged += 1
                return
            self._add(one)
            return
        told = milestone.source_at
        if row.github_at and told and row.github_at < told:
            self.outcome.unchanged += 1
            return
        source = source_of(one.project, row)
        if not milestone.source or (row.github and "@" in row.github):
            milestone.source = source  # its repository may have another name by now
        milestone.source_at = row.github_at or told
        self._change(one, milestone)

    def _add(self, one: Taken) -> None:
        row = one.row
        forecast = row.forecast or row.baseline
        baseline = row.baseline or row.forecast
        if forecast is None or baseline is None:
            raise ValueError("a row without a day was taken")
        one.is_new = True
        one.is_overdue = forecast < self.today and row.actual is None
        made = Milestone(
            project_id=one.project.id,
            title=row.title,
            type=(row.type or MilestoneType.OTHER).value,
            owner_id=one.owner[0] if one.owner else None,
            baseline=baseline,
            forecast=forecast,
            actual=row.actual,
            reminds_from=None if one.is_overdue else self.now,
            source=source_of(one.project, row),
            source_at=row.github_at,
            created_at=self.now,
        )
        self.session.add(made)
        self.session.flush()
        one.milestone = made
        self.know(made)
        audit.record(
            self.session,
            self.actor,
            "milestone.imported",
            (TYPE, made.id),
            now=self.now,
            new=True,
            project=one.project.id,
            due=forecast.isoformat(),
            baseline=baseline.isoformat(),
            actual=made.actual.isoformat() if made.actual else None,
        )

    def _change(self, one: Taken, row: Milestone) -> None:
        wanted = one.row
        if wanted.github_state == "deleted" and row.dropped_at is None:
            row.dropped_at = self.now
            one.fields.append(FieldChange("state", "open", "dropped"))
        self._set(one, row, "title", wanted.title)
        if wanted.type is not None:
            self._set(one, row, "type", wanted.type.value)
        if one.owner is not None and one.owner[0] != row.owner_id:
            old = lookups.find_people(self.session, [row.owner_id] if row.owner_id else [])
            names = [person.name for person in old.values()]
            one.fields.append(FieldChange("owner", "".join(names), one.owner[1]))
            row.owner_id = one.owner[0]
        if wanted.baseline is not None:
            self._set(one, row, "baseline", wanted.baseline)
        self._meet(one, row)
        self._move(one, row)
        if one.fields:
            row.revision += 1
            audit.record(
                self.session,
                self.actor,
                "milestone.imported",
                (TYPE, row.id),
                now=self.now,
                new=False,
                fields=sorted(change.field for change in one.fields),
                due=row.forecast.isoformat(),
                baseline=row.baseline.isoformat(),
                actual=row.actual.isoformat() if row.actual else None,
            )

    def _set(self, one: Taken, row: Milestone, name: str, new: str | date) -> None:
        old = getattr(row, name)
        if old != new:
            one.fields.append(FieldChange(name, str(old), str(new)))
            setattr(row, name, new)

    def _meet(self, one: Taken, row: Milestone) -> None:
        """Met when the file says so; open again only where a file and no person had said that it is met."""
        wanted = one.row
        if wanted.actual is not None and row.done_by is None:
            self._set(one, row, "actual", wanted.actual)
        elif wanted.github_state == "open" and row.actual and row.done_by is None:
            one.fields.append(FieldChange("actual", str(row.actual), ""))
            row.actual = None
            row.reminds_from = self.now

    def _move(self, one: Taken, row: Milestone) -> None:
        new = one.row.forecast
        if new is None or new == row.forecast:
            return
        one.fields.append(FieldChange("forecast", str(row.forecast), str(new)))
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


def names_of(source: str | None) -> list[str]:
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
