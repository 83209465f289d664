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
from workflows.milestones.following import follow
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.service import TYPE
from workflows.milestones.writing import Taken, Writing, names_of, source_of, table_source
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
    bringing = _Bringing(session, actor, find_person, policy, now)
    taken = bringing.take(rows)
    for one in taken:
        bringing.write(one)
    session.flush()
    bringing.link(taken)
    bringing.tell(taken, origin, org_key)
    return bringing.outcome


class _Bringing(Writing):
    def __init__(
        self, session: Session, actor: Actor, find_person: FindPerson, policy: Policy, now: datetime
    ) -> None:
        super().__init__(session, actor, policy, now)
        self.find_person = find_person

    # --- which rows, and what they mean

    def take(self, rows: Rows) -> list[Taken]:
        """The rows that can be taken; the others are faults."""
        projects = queries.projects_by_keys(self.session, {row.project for _, row in rows})
        for known in queries.of_projects_for_update(
            self.session, [project.id for project in projects.values()]
        ):
            self.know(known)
        seen: dict[object, int] = {}
        taken = []
        for line, row in rows:
            project = projects.get(row.project)
            if project is None:
                self._fault(line, "project", self._unknown(row.project))
                continue
            milestone = self._meant(project, row)
            key: object = (
                milestone.id
                if milestone
                else (project.id, row.github or row.key or "", row.title.casefold())
            )
            if key in seen:
                self._fault(line, "title", f"stands in line {seen[key]} already; keep one of them")
                continue
            seen[key] = line
            one = self._checked(line, row, project, milestone)
            if one is not None:
                taken.append(one)
        return self._with_known_needs(taken)

    def _with_known_needs(self, taken: list[Taken]) -> list[Taken]:
        """The rows whose needs there are, or will be once these rows are written."""
        while True:
            coming = {(one.project.id, one.row.title.casefold()) for one in taken}
            coming |= {(one.project.id, one.row.key.casefold()) for one in taken if one.row.key}
            good = []
            for one in taken:
                missing = [
                    name
                    for name in one.row.needs or ()
                    if (one.project.id, name.casefold()) not in coming
                    and self._named(one.project, name) is None
                    and not self._is_coming(name, taken)
                ]
                if missing:
                    self._fault(
                        one.line,
                        "needs",
                        f"there is no milestone {missing[0][:60]!r} in {one.project.key}",
                    )
                else:
                    good.append(one)
            if len(good) == len(taken):
                return taken
            taken = good

    @staticmethod
    def _is_coming(name: str, taken: Sequence[Taken]) -> bool:
        """Whether `project/title` names a row of another project in the same file."""
        key, slash, title = name.partition("/")
        named = (key.strip().casefold(), title.strip().casefold())
        return bool(slash) and any(
            (one.project.key, one.row.title.casefold()) == named for one in taken
        )

    def _fault(self, line: int, field_: str | None, sentence: str) -> None:
        self.outcome.faults.append(RowFault(line, field_, sentence))

    def _unknown(self, key: str) -> str:
        near = difflib.get_close_matches(key, queries.project_keys(self.session), n=1, cutoff=0.5)
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"there is no project {key[:60]!r}{meant} Import projects first."

    def _meant(self, project: Project, row: MilestoneRow) -> Milestone | None:
        source = source_of(project, row)
        names = names_of(source)
        for name in names:
            known = self.by_source.get(name)
            # the place of a milestone with another id is another milestone's by now
            if known is not None and not (
                len(names) == 2 == len(names_of(known.source))
                and names[0] != names_of(known.source)[0]
            ):
                return known
        found = self.by_title.get((project.id, row.title.casefold()))
        if found is not None and found.source and source and found.source != source:
            return None
        return found

    def _checked(
        self, line: int, row: MilestoneRow, project: Project, milestone: Milestone | None
    ) -> Taken | None:
        owner: tuple[str | None, str] | None = None
        if row.owner is not None:
            found = (None, "") if cleared(row.owner) else self.find_person(row.owner)
            if isinstance(found, str):
                self._fault(line, "owner", found)
                return None
            owner = found
        if milestone is None and not (row.forecast or row.baseline):
            if row.github_state != "deleted":
                self._fault(line, "forecast", "a new milestone needs a day")
            return None
        if row.actual is not None and row.actual > self.today:
            self._fault(line, "actual", f"{row.actual} is still to come")
            return None
        return Taken(line, row, project, milestone, owner)

    # --- links, and who is told

    def link(self, taken: Sequence[Taken]) -> None:
        """Draw the links that rows name; a name that nobody has, and a circle, are faults."""
        queries.lock_links(self.session)
        for one in taken:
            if one.row.needs is None or one.milestone is None:
                continue
            wanted = set()
            for name in one.row.needs:
                found = self._named(one.project, name)
                if found is None or self._circles(one.milestone, found):
                    self._fault(
                        one.line,
                        "needs",
                        f"{name[:60]!r} needs this one itself, directly or through others",
                    )
                else:
                    wanted.add(found.id)
            before = {
                needed
                for id_, needed in queries.links(self.session, [one.milestone.id])
                if id_ == one.milestone.id
            }
            if wanted != before:
                queries.set_needs(self.session, one.milestone.id, wanted)
                audit.record(
                    self.session,
                    self.actor,
                    "milestone.linked",
                    (TYPE, one.milestone.id),
                    now=self.now,
                    needs=sorted(wanted),
                )
                if not one.is_new:
                    one.milestone.revision += 1
                    one.fields.append(FieldChange("needs", str(len(before)), str(len(wanted))))

    def _named(self, project: Project, name: str) -> Milestone | None:
        own = self.by_title.get((project.id, name.casefold()))
        own = own or self.by_source.get(table_source(project, name))
        if own is not None or "/" not in name:
            return own
        key, _, title = name.partition("/")
        other = queries.projects_by_keys(self.session, [key.strip().casefold()])
        for found in other.values():
            for row in queries.of_projects(self.session, [found.id]):
                if row.title.casefold() == title.strip().casefold():
                    return row
        return None

    def _circles(self, milestone: Milestone, needed: Milestone) -> bool:
        net = reads.net(self.session, [milestone, needed], self.today)
        return rules.closes_a_circle(net.needs, milestone.id, needed.id)

    def tell(self, taken: Sequence[Taken], origin: Origin, org_key: str) -> None:
        """Count what happened, let copies follow, and put what was overdue on its list."""
        touched = []
        for one in taken:
            if one.milestone is None or one.line in {fault.line for fault in self.outcome.faults}:
                continue
            if one.is_new or one.fields:
                touched.append(one.milestone)
                self.outcome.changes.append(
                    RowChange(
                        one.line,
                        f"{one.project.key}: {one.milestone.title}",
                        one.is_new,
                        tuple(one.fields),
                    )
                )
            else:
                self.outcome.unchanged += 1
        follow(self.session, touched, policy=self.policy, now=self.now)
        self._list([one for one in taken if one.is_overdue], origin, org_key)

    def _list(self, overdue: Sequence[Taken], origin: Origin, org_key: str) -> None:
        ids = {
            id_
            for one in overdue
            for id_ in (
                one.project.manager_id,
                one.project.owner_id,
                one.project.sponsor_id,
                one.milestone.owner_id if one.milestone else None,
                origin.list_to,
            )
            if id_
        }
        people = lookups.find_people(self.session, ids)
        shown: dict[str, list[Milestone]] = {}
        nobody = 0
        for one in overdue:
            if one.milestone is None:
                continue
            person = people.get(origin.list_to or "") or lists.receiver(
                one.milestone, one.project, people
            )
            if person is None:
                nobody += 1
            else:
                shown.setdefault(person.id, []).append(one.milestone)
        for id_ in sorted(shown):
            lists.tell(
                self.session,
                self.actor,
                people[id_],
                shown[id_],
                file=origin.file,
                sha256=origin.sha256,
                policy=self.policy,
                now=self.now,
                org_key=org_key,
            )
            self.outcome.notes.append(
                f"Overdue already: {len(shown[id_])}. {people[id_].name} gets one list of them, and nobody is reminded before it is started there."
            )
        if nobody:
            self.outcome.notes.append(
                f"Overdue already, with nobody to show them to: {nobody}. Nobody is reminded of them before somebody reschedules them."
            )
