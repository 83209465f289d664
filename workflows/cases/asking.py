"""Asking what came of projects: each period once, a long silence once, each in the working hours of whoever is asked.

Once a day it is looked up, set-wise, about which projects something is due, and each of them is looked at in a
transaction of its own. What was asked is written down with the message, so that no crash or clock change asks twice. A
message that was not sent while its reader was at work is written again.
"""

from datetime import date

from sqlalchemy.orm import Session

from storage import leases
from storage.cases import returns as queries
from storage.cases.returns import LiveRow
from storage.cases.tables import ReturnAsking
from storage.enums import AskingKind
from storage.people import lookups
from storage.people.tables import Person
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows import permissions, rollout, timers
from workflows.audit import service as audit
from workflows.calendar import calendar_for
from workflows.cases.realisation import Rhythm, Span, find_due, find_gaps, find_silence
from workflows.cases.returns import ASKING, ReturnAsked
from workflows.context import Context
from workflows.job_runner import DueSlot, Lock, Registry, in_batches
from workflows.outbox import Destination, Subject
from workflows.policy import Policy
from workflows.projects.service import note_live
from workflows.timers import DueTimer

LOOK = "returns.look"
"""The timer in which a project is looked at; its subject is `returns`, the project."""
SUBJECT = "returns"
NOTE = "returns.note"
"""The timer in which the next batch of projects is noted as live."""
WORK = "returns.due"
BATCH = 200
"""Projects of one transaction."""


def read_rhythm(policy: Policy) -> Rhythm:
    """When owners are asked, as the policy says."""
    returns = policy.cases.returns
    return Rhythm(
        returns.first_after.days,
        returns.every.days,
        returns.silent_after.days,
        returns.sponsor_after.days,
    )


def begin(ctx: Context) -> None:
    """Note which projects are live by now, and begin to look up of which something is due today."""
    note_live_projects(ctx)
    leases.begin(ctx.session, WORK)


def wake_due(ctx: Context, after: int, most: int = BATCH) -> int | None:
    """Of the next projects in use after id `after`, have those looked at of which something is due today; the last one's
    id, None at the end."""
    ids = queries.list_live_ids(ctx.session, after=after, most=most)
    today, rhythm = calendar_for(ctx.policy).day(ctx.now), read_rhythm(ctx.policy)
    due = [
        Subject.of(SUBJECT, row.project_id)
        for row in queries.list_live(ctx.session, ids, now=ctx.now)
        if row.is_lost or _is_due(row, today, rhythm)
    ]
    timers.wake(ctx.session, due, LOOK, ctx.now)
    return ids[-1] if len(ids) == most else None


def note_live_projects(ctx: Context) -> None:
    """Projects that are live by their state count as in use from today on, where nobody noted since when; a batch of
    them, and the rest in transactions of their own."""
    projects = queries.list_live_without_day(ctx.session, most=BATCH)
    for project in projects:
        note_live(ctx, project)
    if len(projects) == BATCH:
        timers.keep_going(ctx.session, Subject(NOTE, "all"), NOTE, ctx.now)


def _is_due(row: LiveRow, today: date, rhythm: Rhythm) -> bool:
    if find_due(row.live_on, row.due_on, row.asked_until, today, rhythm) is not None:
        return True
    silence = _find_silence(row, today, rhythm)
    return silence is not None and (
        row.silence != silence.starts or _is_for_sponsor(row, silence, today, rhythm)
    )


def _find_silence(row: LiveRow, today: date, rhythm: Rhythm) -> Span | None:
    until = row.measured_until
    covered = [Span(until, until)] if until is not None else []
    return find_silence(row.live_on, covered, today, rhythm)


def _is_for_sponsor(row: LiveRow, silence: Span, today: date, rhythm: Rhythm) -> bool:
    """Whether the owner was asked about a silence so long ago that its sponsor is shown it, once."""
    return (
        row.silence == silence.starts
        and row.silence_on is not None
        and (today - row.silence_on).days >= rhythm.sponsor_after
        and row.shown_since != silence.starts
    )


# --- One project


def run_look(ctx: Context, project_id: int) -> None:
    """Ask whatever is due about a project, which is locked. Again changes nothing."""
    project = project_queries.lock(ctx.session, project_id)
    row = next(iter(queries.list_live(ctx.session, [project_id], now=ctx.now)), None)
    if row is not None and project is not None:
        _Look(ctx, project, row).ask()


class _Look:
    """One look at one project."""

    def __init__(self, ctx: Context, project: Project, row: LiveRow) -> None:
        self.ctx, self.project, self.row = ctx, project, row
        self.today = calendar_for(ctx.policy).day(ctx.now)
        self.rhythm = read_rhythm(ctx.policy)
        self.covered = [
            Span(each.starts, each.ends)
            for each in queries.list_standing(ctx.session, [project.id])
        ]
        ids = [project.owner_id, project.manager_id, project.sponsor_id]
        people = lookups.find_people(ctx.session, {id_ for id_ in ids if id_})
        owner, manager, sponsor = (people.get(id_ or "") for id_ in ids)
        self.owner = _choose_reachable(owner, manager)
        """Who is asked: the owner, or the manager where nobody reachable owns the project."""
        self.sponsor = _choose_reachable(sponsor) if sponsor is not self.owner else None

    def ask(self) -> None:
        """Write again what was lost, then ask about the period and the silence that are due."""
        for asking in queries.list_lost(self.ctx.session, self.project.id, self.ctx.now):
            self._write_again(asking)
        if self.owner is None:
            return
        is_asked = self._ask_about_period(self.owner)
        silence = _find_silence(self.row, self.today, self.rhythm)
        if silence is None:
            return
        if self.row.silence != silence.starts:
            # One message is enough: that about the period says since when nothing was measured.
            self._add(AskingKind.SILENCE, silence, self.owner, is_silent=is_asked)
        elif _is_for_sponsor(self.row, silence, self.today, self.rhythm) and self.sponsor:
            self._add(AskingKind.SPONSOR, silence, self.sponsor)

    def _ask_about_period(self, owner: Person) -> bool:
        """Whether somebody is asked about a period now."""
        row = self.row
        due = find_due(row.live_on, row.due_on, row.asked_until, self.today, self.rhythm)
        if due is None:
            return False
        due_on, span = due
        is_open = bool(find_gaps(span, self.covered))
        self._add(AskingKind.PERIOD, span, owner if is_open else None, due_on=due_on)
        return is_open

    def _add(
        self,
        kind: AskingKind,
        span: Span,
        person: Person | None,
        *,
        due_on: date | None = None,
        is_silent: bool = False,
    ) -> None:
        """Write an asking down, and send its message unless it `is_silent`."""
        asking = ReturnAsking(
            project_id=self.project.id,
            kind=kind.value,
            starts=span.starts,
            ends=span.ends,
            due_on=due_on or self.today,
            person_id=person.id if person is not None else None,
            outbox_id=None,
            attempt=1,
            asked_at=self.ctx.now,
            skipped_by=None,
            skipped_at=None,
            reason_id=None,
        )
        self.ctx.session.add(asking)
        self.ctx.session.flush()
        if person is None:
            return
        if not is_silent:
            self._send(asking, person)
        audit.record(
            self.ctx,
            "return.asked",
            ("project", self.project.id),
            kind=kind.value,
            starts=span.starts.isoformat(),
            ends=span.ends.isoformat(),
            person=person.id,
        )

    def _write_again(self, asking: ReturnAsking) -> None:
        """Send once more what was not sent in time, to whoever it concerns now, while it is open."""
        person = self.sponsor if asking.kind == AskingKind.SPONSOR else self.owner
        is_open = find_gaps(Span(asking.starts, asking.ends), self.covered)
        if person is None or not is_open:
            asking.outbox_id = None
            return
        asking.attempt += 1
        asking.person_id = person.id
        self._send(asking, person)

    def _send(self, asking: ReturnAsking, person: Person) -> None:
        calendar = calendar_for(self.ctx.policy, tz=person.tz, country=person.country)
        due_at = calendar.next_open(self.ctx.now)
        asking.outbox_id = rollout.message_unasked(
            self.ctx,
            person.id,
            ReturnAsked(asking.id),
            to=Destination.person(self.ctx.org, person.slack_id or ""),
            dedupe_key=f"returns:{asking.id}:{asking.attempt}",
            subject=Subject.of(ASKING, asking.id),
            due_at=due_at,
            expires_at=calendar.closing(calendar.day(due_at)),
        )


def _choose_reachable(*people: Person | None) -> Person | None:
    """The first of them who is a member and can be written to."""
    return next(
        (
            person
            for person in people
            if person is not None and permissions.is_member(person) and person.slack_id
        ),
        None,
    )


# --- What falls due


def _run_daily(ctx: Context, slot: DueSlot) -> None:
    begin(ctx)


def _run_look(ctx: Context, timer: DueTimer) -> None:
    run_look(ctx, int(timer.subject.id))


def _run_note(ctx: Context, timer: DueTimer) -> None:
    note_live_projects(ctx)


def _lock(session: Session, project_id: str) -> Lock:
    return Lock(queries.try_lock_project(session, int(project_id)))


PART = Registry(
    timers={LOOK: _run_look, NOTE: _run_note},
    schedules={WORK: _run_daily},
    locks={SUBJECT: _lock},
    daily={WORK: "05:00"},
    long={WORK: in_batches(WORK, wake_due)},
)
