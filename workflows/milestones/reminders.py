"""Reminders: on each of a person's working mornings everything that fell due for them is said in one message.

A reminder is a fact with a key: this milestone, this person, this forecast, so many days before or after it. It is
written down in the transaction that announces it, so that no crash, clock change or journey tells it twice. A message
that did not arrive while the person was at work is dropped, and what it told is told on their next working morning.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from storage.milestones import queries
from storage.milestones import queries as statements
from storage.milestones.tables import Milestone, Reminder, ReminderItem
from storage.people import lookups
from storage.people.tables import Person
from storage.projects.tables import Project
from workflows import outbox, rollout, timers
from workflows.audit import service as audit
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.context import Actor, Context
from workflows.milestones import reads, rules
from workflows.milestones.notices import MilestoneCard, RemindersDue
from workflows.milestones.records import PersonRef
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

LOOK = "milestones.look"
"""The timer of a person's working mornings; its subject is `reminding`, the person."""
SUBJECT = "reminding"


def calendar_of(person: Person, policy: Policy) -> WorkingCalendar:
    """When this person is at work."""
    return calendar_for(policy, tz=person.tz, country=person.country)


def rhythm(policy: Policy) -> rules.Rhythm:
    """When reminders come, as the policy says."""
    reminders = policy.milestones
    return rules.Rhythm(reminders.days_before, reminders.overdue_every.days)


def chain_ids(row: Milestone, project: Project, policy: Policy) -> list[str | None]:
    """Whom the policy names, in order; a milestone without an owner is its project's owner's."""
    parts = {
        "owner": row.owner_id or project.owner_id,
        "manager": project.manager_id,
        "sponsor": project.sponsor_id,
    }
    return [parts[one] for one in policy.milestones.tell]

    # --- whose mornings are looked at


def schedule_people_of(ctx: Context, rows: Collection[Milestone]) -> None:
    """See to it that the mornings of everybody whom these milestones' reminders could reach are looked at."""
    wanted = [
        row for row in rows if row.actual is None and row.dropped_at is None and row.reminds_from
    ]
    projects = queries.load_projects(ctx.session, {row.project_id for row in wanted})
    ids = {
        one for row in wanted for one in chain_ids(row, projects[row.project_id], ctx.policy) if one
    }
    _schedule(ctx, ids)


def ensure_scheduled(ctx: Context) -> None:
    """Once a day: whoever has a part in an open milestone is looked after, also who got it by a change of project."""
    _schedule(ctx, queries.list_people_with_a_part(ctx.session))


def _schedule(ctx: Context, ids: Collection[str]) -> None:
    for person in sorted(
        lookups.find_people(ctx.session, ids).values(), key=lambda known: known.id
    ):
        if person.is_member:
            statements.add_person(ctx.session, person.id)
            at = calendar_of(person, ctx.policy).next_open(ctx.now)
            timers.keep_going(ctx.session, Subject(SUBJECT, person.id), LOOK, at)

            # --- one morning of one person


def run_reminders(ctx: Context, person_id: str) -> None:
    """What fell due for this person by today, in one message; then the next working morning. Their row is locked.

    Outside their working hours, as after a journey, it only waits for the next time that they are at work.
    """
    person = lookups.find_people(ctx.session, [person_id]).get(person_id)
    if person is None or not person.is_member:
        return
    subject, calendar = Subject(SUBJECT, person_id), calendar_of(person, ctx.policy)
    if not calendar.is_open(ctx.now):
        timers.keep_going(ctx.session, subject, LOOK, calendar.next_open(ctx.now))
        return
    today = calendar.day(ctx.now)
    morning = statements.load_morning(ctx.session, person_id)
    if morning.looked_on is None or morning.looked_on < today:
        morning.looked_on = today
        rows = queries.list_open_of_person(ctx.session, person_id)
        ReminderRun(ctx, person, calendar, today).announce(
            [row for row in rows if row.reminds_from], ctx.org
        )
    tomorrow = calendar.next_open(calendar.closing(today))
    timers.keep_going(ctx.session, subject, LOOK, tomorrow)


@dataclass(slots=True)
class _DueReminders:
    """What fell due of one milestone: reminders not written down before, and those whose message was lost."""

    row: Milestone
    new: list[rules.Step]
    lost: list[ReminderItem]
    is_told: bool


class ReminderRun:
    """One look at one person's day."""

    def __init__(
        self, ctx: Context, person: Person, calendar: WorkingCalendar, today: date
    ) -> None:
        self.ctx = ctx
        self.person = person
        self.calendar = calendar
        self.today = today

    def announce(self, rows: Sequence[Milestone], org_key: str) -> None:
        """Write down what fell due, and say it."""
        due = self._list_due(rows)
        announced = [due_reminder for due_reminder in due if due_reminder.is_told]
        reminder = None
        if announced:
            ids = [due_reminder.row.id for due_reminder in announced]
            before = statements.find_latest(self.ctx.session, self.person.id, ids)
            reminder = statements.add_reminder(
                self.ctx.session, self.person.id, self.today, self.ctx.now
            )
        for due_reminder in due:
            into = reminder.id if reminder is not None and due_reminder.is_told else None
            self.record_items(due_reminder, into)
        if reminder is None:
            return
        self.ctx.session.flush()
        self._post(reminder, announced, org_key)
        for id_ in sorted(set(before.values())):
            outbox.refresh(self.ctx, Subject.of("reminder", id_))

    def _list_due(self, rows: Sequence[Milestone]) -> list[_DueReminders]:
        ids = [row.id for row in rows]
        projects = queries.load_projects(self.ctx.session, {row.project_id for row in rows})
        known: dict[int, list[ReminderItem]] = {}
        for item in statements.list_items(self.ctx.session, self.person.id, ids):
            known.setdefault(item.milestone_id, []).append(item)
        lost = statements.list_lost(self.ctx.session, self.person.id, self.ctx.now)
        snoozes = statements.find_snoozes(self.ctx.session, self.person.id, ids)
        chains = self._chains(rows, projects)
        fell_due = []
        for row in rows:
            mine = self.steps(row, chains[row.id], self.today)
            written = {
                item.step: item for item in known.get(row.id, ()) if item.due == row.forecast
            }
            new = [step for step in mine if step.days not in written]
            late = [item for item in written.values() if item.reminder_id in lost]
            if not new and not late:
                continue
            until = snoozes.get(row.id, date.min)
            # What fell on a snoozed day stays swallowed, also when nobody looked before the snooze was over.
            latest = bool(new) and new[-1] == mine[-1] and new[-1].on >= until
            is_told = latest or (bool(late) and until <= self.today)
            fell_due.append(_DueReminders(row, new, late, is_told))
        return fell_due

    def steps(self, row: Milestone, chain: Sequence[str], through: date) -> list[rules.Step]:
        """The reminders of a milestone for this person up to a day."""
        if row.reminds_from is None:
            return []
            # By the organisation's day: the person's own would be another one after a journey.
        since = reads.today_of(self.ctx.policy, row.reminds_from)
        return [
            step
            for step in rules.steps(
                row.forecast, since, through, rhythm(self.ctx.policy), self.calendar
            )
            if rules.is_told(step, chain, self.person.id)
        ]

    def _chains(
        self, rows: Sequence[Milestone], projects: dict[int, Project]
    ) -> dict[int, list[str]]:
        named = {row.id: chain_ids(row, projects[row.project_id], self.ctx.policy) for row in rows}
        people = lookups.find_people(
            self.ctx.session, {one for ids in named.values() for one in ids if one}
        )
        reachable = {id_ for id_, person in people.items() if person.is_member}
        return {id_: rules.chain(ids, reachable) for id_, ids in named.items()}

    def chain(self, row: Milestone) -> list[str]:
        """Whom the reminders of one milestone reach, in order."""
        projects = queries.load_projects(self.ctx.session, [row.project_id])
        return self._chains([row], projects)[row.id]

    def next_reminder(self, row: Milestone) -> tuple[date | None, PersonRef | None]:
        """When this person hears of it next if nothing changes, and who else hears of it for the first time then."""
        chain = self.chain(row)
        horizon = max(row.forecast, self.today) + timedelta(
            days=2 * rhythm(self.ctx.policy).every + 14
        )
        coming = [step for step in self.steps(row, chain, horizon) if step.on > self.today]
        if not coming or self.person.id not in chain:
            return None, None
        step = coming[0]
        new = chain[step.rank - 1 : step.rank] if step.rank > 1 else []
        also = lookups.find_people(self.ctx.session, [one for one in new if one != self.person.id])
        return step.on, next((reads.person_ref(one) for one in also.values()), None)

    def record_items(self, fell_due: _DueReminders, into: int | None) -> None:
        """Write down that reminders fell due, told by the message `into` or by none."""
        for step in fell_due.new:
            statements.add_item(
                self.ctx.session,
                {
                    "milestone_id": fell_due.row.id,
                    "person_id": self.person.id,
                    "due": fell_due.row.forecast,
                    "step": step.days,
                    "reminder_id": into,
                    "created_at": self.ctx.now,
                },
            )
        if into is not None:
            for item in fell_due.lost:
                item.reminder_id = into

    def _post(self, reminder: Reminder, announced: Sequence[_DueReminders], org_key: str) -> None:
        audit.record(
            self.ctx.as_system(),
            "milestones.reminded",
            ("person", self.person.id),
            milestones=[one.row.id for one in announced],
            day=self.today.isoformat(),
        )
        reminder.outbox_id = rollout.message_unasked(
            self.ctx,
            self.person.id,
            RemindersDue(reminder.id),
            to=Destination.person(org_key, self.person.slack_id or ""),
            dedupe_key=f"reminder:{self.person.id}:{self.today.isoformat()}",
            subject=Subject.of("reminder", reminder.id),
            expires_at=self.calendar.closing(self.today),
        )


def build_run(ctx: Context, person: Person) -> ReminderRun:
    """A person's day as reminders see it."""
    calendar = calendar_of(person, ctx.policy)
    return ReminderRun(ctx, person, calendar, calendar.day(ctx.now))


def mark_as_reminded(ctx: Context, row: Milestone, person: Person) -> None:
    """Whoever gets a milestone reads its card now: reminders up to today are written down, and not said again."""
    mine = build_run(ctx, person)
    steps = mine.steps(row, mine.chain(row), mine.today)
    mine.record_items(_DueReminders(row, steps, [], False), None)


def notify_owner(
    ctx: Context, milestone_id: int, owner: Person, why: str, *, by: Actor, nth: int = 1
) -> None:
    """Show a milestone to whom it belongs now, in their working hours."""
    rollout.message_unasked(
        ctx,
        owner.id,
        MilestoneCard(milestone_id, why, by.id),
        to=Destination.person(ctx.org, owner.slack_id or ""),
        dedupe_key=f"milestone:{milestone_id}:{why}:{owner.id}:{nth}",
        subject=Subject.of("milestone", milestone_id),
        due_at=calendar_of(owner, ctx.policy).next_open(ctx.now),
    )
