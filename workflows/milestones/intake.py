"""Milestones from tables and from GitHub: added, changed, met or dropped as a file says; the same again changes nothing."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.milestones import queries
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.projects.tables import Project
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.milestones import lists, reads, rules
from workflows.milestones.following import refresh_copies
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.service import TYPE
from workflows.milestones.writing import (
    AcceptedRow,
    RowWriter,
    source_names,
    source_of,
    table_source,
)
from workflows.policy import Policy
from workflows.sources.cells import cleared
from workflows.sources.rows import FieldChange, Outcome, RowChange, RowFault

Rows = Sequence[tuple[int, MilestoneRow]]
FindPerson = Callable[[str], tuple[str, str] | str]
"""Whom a Slack id or e-mail address names: (opaque id, name), or a sentence that says why nobody."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that rows came from. `list_to` is the opaque id of whom the overdue ones are shown to, if not the managers."""

    file: str
    sha256: str
    list_to: str | None = None


def apply_rows(
    session: Session,
    actor: Actor,
    rows: Rows,
    *,
    origin: Origin,
    find_person: FindPerson,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> Outcome:
    """Bring in milestones. Rows with faults change nothing; the caller decides about the others.

    A row means the milestone of its GitHub number or key, else of its title in its project. What is overdue when it
    is new goes on one list for whoever manages its project, and nobody is reminded of it before they say so.
    """
    importer = _Importer(session, actor, find_person, policy, now)
    taken = importer.accept_rows(rows)
    for accepted in taken:
        importer.write(accepted)
    session.flush()
    importer.write_links(taken)
    importer.finish(taken, origin, org_key)
    return importer.outcome


class _Importer(RowWriter):
    def __init__(
        self, session: Session, actor: Actor, find_person: FindPerson, policy: Policy, now: datetime
    ) -> None:
        super().__init__(session, actor, policy, now)
        self.find_person = find_person

    # --- which rows, and what they mean

    def accept_rows(self, rows: Rows) -> list[AcceptedRow]:
        """The rows that can be taken; the others are faults."""
        projects = queries.load_projects_by_keys(self.session, {row.project for _, row in rows})
        for known in queries.lock_of_projects(
            self.session, [project.id for project in projects.values()]
        ):
            self.index_milestone(known)
        seen: dict[object, int] = {}
        taken = []
        for line, row in rows:
            project = projects.get(row.project)
            if project is None:
                self._fault(line, "project", self._unknown(row.project))
                continue
            milestone = self._find_match(project, row)
            key: object = (
                milestone.id
                if milestone
                else (project.id, row.github or row.key or "", row.title.casefold())
            )
            if key in seen:
                self._fault(line, "title", f"stands in line {seen[key]} already; keep one of them")
                continue
            seen[key] = line
            accepted = self._check_row(line, row, project, milestone)
            if accepted is not None:
                taken.append(accepted)
        return self._with_known_needs(taken)

    def _with_known_needs(self, taken: list[AcceptedRow]) -> list[AcceptedRow]:
        """The rows whose needs there are, or will be once these rows are written."""
        while True:
            coming = {(accepted.project.id, accepted.row.title.casefold()) for accepted in taken}
            coming |= {
                (accepted.project.id, accepted.row.key.casefold())
                for accepted in taken
                if accepted.row.key
            }
            good = []
            for accepted in taken:
                missing = [
                    name
                    for name in accepted.row.needs or ()
                    if (accepted.project.id, name.casefold()) not in coming
                    and self._find_named(accepted.project, name) is None
                    and not self._is_coming(name, taken)
                ]
                if missing:
                    self._fault(
                        accepted.line,
                        "needs",
                        f"there is no milestone {missing[0][:60]!r} in {accepted.project.key}",
                    )
                else:
                    good.append(accepted)
            if len(good) == len(taken):
                return taken
            taken = good

    @staticmethod
    def _is_coming(name: str, taken: Sequence[AcceptedRow]) -> bool:
        """Whether `project/title` names a row of another project in the same file."""
        key, slash, title = name.partition("/")
        named = (key.strip().casefold(), title.strip().casefold())
        return bool(slash) and any(
            (one.project.key, one.row.title.casefold()) == named for one in taken
        )

    def _fault(self, line: int, field_: str | None, sentence: str) -> None:
        self.outcome.faults.append(RowFault(line, field_, sentence))

    def _unknown(self, key: str) -> str:
        near = difflib.get_close_matches(
            key, queries.list_project_keys(self.session), n=1, cutoff=0.5
        )
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"there is no project {key[:60]!r}{meant} Import projects first."

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
        same_title = self.by_title.get((project.id, row.title.casefold()))
        if same_title is not None and same_title.source and source and same_title.source != source:
            return None
        return same_title

    def _check_row(
        self, line: int, row: MilestoneRow, project: Project, milestone: Milestone | None
    ) -> AcceptedRow | None:
        owner: tuple[str | None, str] | None = None
        if row.owner is not None:
            person = (None, "") if cleared(row.owner) else self.find_person(row.owner)
            if isinstance(person, str):
                self._fault(line, "owner", person)
                return None
            owner = person
        if milestone is None and not (row.forecast or row.baseline):
            if row.github_state != "deleted":
                self._fault(line, "forecast", "a new milestone needs a day")
            return None
        if row.actual is not None and row.actual > self.today:
            self._fault(line, "actual", f"{row.actual} is still to come")
            return None
        return AcceptedRow(line, row, project, milestone, owner)

    # --- links, and who is told

    def write_links(self, taken: Sequence[AcceptedRow]) -> None:
        """Draw the links that rows name; a name that nobody has, and a circle, are faults."""
        queries.lock_links(self.session)
        for accepted in taken:
            if accepted.row.needs is None or accepted.milestone is None:
                continue
            wanted = set()
            for name in accepted.row.needs:
                target = self._find_named(accepted.project, name)
                if target is None or self._closes_circle(accepted.milestone, target):
                    self._fault(
                        accepted.line,
                        "needs",
                        f"{name[:60]!r} needs this one itself, directly or through others",
                    )
                else:
                    wanted.add(target.id)
            before = {
                needed
                for id_, needed in queries.list_links(self.session, [accepted.milestone.id])
                if id_ == accepted.milestone.id
            }
            if wanted != before:
                queries.set_needs(self.session, accepted.milestone.id, wanted)
                audit.record(
                    self.session,
                    self.actor,
                    "milestone.linked",
                    (TYPE, accepted.milestone.id),
                    now=self.now,
                    needs=sorted(wanted),
                )
                if not accepted.is_new:
                    accepted.milestone.revision += 1
                    accepted.fields.append(FieldChange("needs", str(len(before)), str(len(wanted))))

    def _find_named(self, project: Project, name: str) -> Milestone | None:
        own = self.by_title.get((project.id, name.casefold()))
        own = own or self.by_source.get(table_source(project, name))
        if own is not None or "/" not in name:
            return own
        key, _, title = name.partition("/")
        other = queries.load_projects_by_keys(self.session, [key.strip().casefold()])
        for named in other.values():
            for row in queries.list_of_projects(self.session, [named.id]):
                if row.title.casefold() == title.strip().casefold():
                    return row
        return None

    def _closes_circle(self, milestone: Milestone, needed: Milestone) -> bool:
        net = reads.load_net(self.session, [milestone, needed], self.today)
        return rules.closes_a_circle(net.needs, milestone.id, needed.id)

    def finish(self, taken: Sequence[AcceptedRow], origin: Origin, org_key: str) -> None:
        """Count what happened, let copies follow, and put what was overdue on its list."""
        touched = []
        for accepted in taken:
            if accepted.milestone is None or accepted.line in {
                fault.line for fault in self.outcome.faults
            }:
                continue
            if accepted.is_new or accepted.fields:
                touched.append(accepted.milestone)
                self.outcome.changes.append(
                    RowChange(
                        accepted.line,
                        f"{accepted.project.key}: {accepted.milestone.title}",
                        accepted.is_new,
                        tuple(accepted.fields),
                    )
                )
            else:
                self.outcome.unchanged += 1
        refresh_copies(self.session, touched, policy=self.policy, now=self.now)
        self._list_overdue([accepted for accepted in taken if accepted.is_overdue], origin, org_key)

    def _list_overdue(self, overdue: Sequence[AcceptedRow], origin: Origin, org_key: str) -> None:
        ids = {
            id_
            for accepted in overdue
            for id_ in (
                accepted.project.manager_id,
                accepted.project.owner_id,
                accepted.project.sponsor_id,
                accepted.milestone.owner_id if accepted.milestone else None,
                origin.list_to,
            )
            if id_
        }
        people = lookups.people(self.session, ids)
        by_receiver: dict[str, list[Milestone]] = {}
        nobody = 0
        for accepted in overdue:
            if accepted.milestone is None:
                continue
            person = people.get(origin.list_to or "") or lists.choose_receiver(
                accepted.milestone, accepted.project, people
            )
            if person is None:
                nobody += 1
            else:
                by_receiver.setdefault(person.id, []).append(accepted.milestone)
        for id_ in sorted(by_receiver):
            lists.send_list(
                self.session,
                self.actor,
                people[id_],
                by_receiver[id_],
                file=origin.file,
                sha256=origin.sha256,
                policy=self.policy,
                now=self.now,
                org_key=org_key,
            )
            self.outcome.notes.append(
                f"Overdue already: {len(by_receiver[id_])}. {people[id_].name} gets one list of them, and nobody is reminded before it is started there."
            )
        if nobody:
            self.outcome.notes.append(
                f"Overdue already, with nobody to show them to: {nobody}. Nobody is reminded of them before somebody reschedules them."
            )
