"""How milestones stand, read as others see them, and who may change them. `changes` holds what people do with them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from storage.approvals import queries as approvals
from storage.audit.tables import PrivateText
from storage.milestones import queries
from storage.milestones import queries as statements
from storage.milestones.tables import Milestone, MilestoneMove
from storage.people import lookups
from storage.people.lookups import is_joined
from storage.projects.tables import Project
from workflows import outbox, permissions, resting
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import (
    GovernanceError,
    InvalidInput,
    NotAllowed,
    NotFound,
    RefusalFact,
    Stale,
    refuse,
)
from workflows.milestones import reads, reminders, rules
from workflows.milestones.forms import NO_PROOF, NO_REASON, AddMilestone, Reschedule
from workflows.milestones.notices import MilestoneCard
from workflows.milestones.records import Detail, MilestoneRecord, SnoozeChoice
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

# --- What follows a change of milestones
#
# every copy shows what is true, and the mornings of who is reminded are looked at.


def refresh_copies(ctx: Context, rows: Collection[Milestone]) -> None:
    """Every copy of these milestones, and of those linked to them, shows what is true now; mornings, and what waits for a
    decision about them, are looked at."""
    ctx.session.flush()
    resting.recheck_about(ctx.session, "milestone", [row.id for row in rows], now=ctx.now)
    net = reads.load_net(ctx.session, rows, reads.today_of(ctx.policy, ctx.now))
    for type_, id_ in queries.list_showing_subjects(ctx.session, net.rows):
        outbox.refresh(ctx, Subject(type_, id_))
    reminders.schedule_people_of(ctx, rows)


def refresh_milestone(ctx: Context, milestone_id: int) -> None:
    """Somebody clicked on what is not true any more: every copy is drawn as it is now."""
    row = queries.find(ctx.session, milestone_id)
    if row is not None:
        refresh_copies(ctx, [row])


# --- How milestones stand, read as others see them, and who may change them
#
# `changes` holds what people do with them.

TYPE = "milestone"
SOON = 14
"""Days ahead that count as due soon, where the policy's first reminder does not come earlier."""


# --- reading


def list_for_projects(
    ctx: Context, project_ids: Collection[int]
) -> dict[int, list[MilestoneRecord]]:
    """Project id → its milestones by day, met ones too; projects without one are left out."""
    rows = queries.list_of_projects(ctx.session, project_ids)
    by_project: dict[int, list[MilestoneRecord]] = {}
    for record in reads.load_records(ctx, rows):
        by_project.setdefault(record.project_id, []).append(record)
    return by_project


def list_due(ctx: Context) -> tuple[MilestoneRecord, ...]:
    """What is overdue or due soon and this person's own: as owner, or of a project of theirs where nobody owns it."""
    ahead = max(ctx.policy.milestones.days_before[:1] or (SOON,))
    today = reads.today_of(ctx.policy, ctx.now)
    return tuple(
        record
        for record in list_open(ctx)
        if (record.owner is None or record.owner.id == ctx.actor.id)
        and record.days_left(today) <= ahead
    )


def list_open(ctx: Context) -> list[MilestoneRecord]:
    """Open milestones that the person owns, or of projects they own, manage or sponsor, the earliest first."""
    rows = queries.list_open_of_person(ctx.session, ctx.actor.id)
    return reads.load_records(ctx, rows)


def load_detail(ctx: Context, milestone_id: int) -> Detail:
    """A milestone with its history, before somebody who may read it. Raises NotFound."""
    permissions.require_member(ctx.actor, "milestone.read", subject=(TYPE, milestone_id))
    row = queries.find(ctx.session, milestone_id)
    if row is None or not sees(ctx, row):
        raise reads.no_milestone()
    return reads.load_detail(ctx, milestone_id)

    # --- who may


def sees(ctx: Context, row: Milestone) -> bool:
    """Whether somebody may read a milestone: its project is in their sight, they answer for it or administer, or they
    have a message that shows it before them (`ctx.card`)."""
    project = queries.load_projects(ctx.session, [row.project_id])[row.project_id]
    return (
        ctx.actor.id in reads.answering_ids(row.owner_id, project)
        or permissions.sees_project(ctx, row.project_id)
        or is_administrator(ctx)
        or _is_before_them(ctx, row)
    )


def _is_before_them(ctx: Context, row: Milestone) -> bool:
    subject = permissions.find_shown(ctx)
    match subject:
        case (type_, id_) if type_ == TYPE:
            return id_ == str(row.id)
        case ("reminder", id_):
            items = queries.list_items_of(ctx.session, int(id_))
            return any(item.milestone_id == row.id for item in items)
        case ("milestone_import", id_):
            return row.import_id == int(id_)
        case ("approval", id_):
            return approvals.find_subject(ctx.session, int(id_)) == (TYPE, row.id)
        case _:
            return False


def require_may_change(ctx: Context, milestone_id: int) -> None:
    """Refuse who may not change it, before they write anything. Raises GovernanceError."""
    row = queries.find(ctx.session, milestone_id)
    if row is None:
        raise reads.no_milestone()
    require_answering(ctx, row)


def require_answering(ctx: Context, row: Milestone) -> None:
    """Refuse whoever neither owns the milestone nor answers for its project, administrators apart.

    Raises NotFound for who may not even read it, as for one that is not there.
    """
    permissions.require_member(ctx.actor, "milestone.change", subject=(TYPE, row.id))
    project = queries.load_projects(ctx.session, [row.project_id])[row.project_id]
    ids = reads.answering_ids(row.owner_id, project)
    if ctx.actor.id in ids or is_administrator(ctx):
        return
    fact = RefusalFact("milestone.change", TYPE, str(row.id), why="not_answering")
    if not sees(ctx, row):
        raise reads.no_milestone(fact)
    people = lookups.find_people(ctx.session, ids)
    names = [people[one].name for one in ids if one in people and people[one].slack_id]
    who = " or ".join(names) or "an administrator"
    raise NotAllowed(
        f"Only those who answer for this milestone can change it. Ask {who}.", audit=fact
    )


def is_administrator(ctx: Context) -> bool:
    """Whether the actor holds the policy's role `admin`, or is mlgov itself or its operator."""
    return ctx.actor.kind is not ActorKind.PERSON or "admin" in permissions.list_roles(
        ctx.session, ctx.actor.id, policy=ctx.policy
    )


def may_add_for_others(ctx: Context, project: Project) -> bool:
    """Whether the person owns, manages or sponsors the project, or administers."""
    return ctx.actor.id in {
        project.owner_id,
        project.manager_id,
        project.sponsor_id,
    } or is_administrator(ctx)


# --- What people do with milestones
#
# Every change is one function: the record, the ledger, and every copy that follows.


def lock_open(ctx: Context, milestone_id: int, revision: int) -> Milestone:
    """The milestone, locked, open, and as it was shown. Raises GovernanceError."""
    row = queries.lock(ctx.session, milestone_id)
    if row is None:
        raise reads.no_milestone()
    require_answering(ctx, row)
    if row.actual is not None:
        raise Stale(f"This milestone is done already, on {_day(row.actual)}. Nothing was changed.")
    if row.dropped_at is not None:
        raise Stale("This milestone was dropped. Nothing was changed.")
    if row.revision != revision:
        raise Stale(
            "This milestone changed since it was shown to you. Nothing was changed; look at it again and repeat."
        )
    return row


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def add_milestone(ctx: Context, form: AddMilestone) -> int:
    """Write down a promise; its id. The same `request_key` again changes nothing.

    Whoever sees the project, or stands in its channel with a promise, may add one of their own; for somebody else only
    who answers for the project, or an administrator.
    """
    permissions.require_member(ctx.actor, "milestone.add", subject=("project", form.project))
    known = queries.find_by_request(ctx.session, form.request_key)
    if known is not None:
        if known.created_by != ctx.actor.id:
            raise reads.no_milestone()
        return known.id
    project = queries.load_projects_by_keys(ctx.session, [form.project]).get(form.project)
    channel = (form.promise or "").partition(":")[0]
    if project is None or not (
        (channel and channel == project.channel)
        or permissions.sees_project(ctx, project.id)
        or is_administrator(ctx)
    ):
        raise NotFound(
            "There is no such project here, so nothing was added.",
            field="project",
            hint="projects.list",
        )
    owner_id = form.owner_id or ctx.actor.id
    if owner_id != ctx.actor.id and not may_add_for_others(ctx, project):
        raise NotAllowed(
            f"You can add milestones of your own to {project.name}. For somebody else, ask who owns, manages or sponsors it.",
            field="owner",
        )
    owner = lookups.find_people(ctx.session, [owner_id]).get(owner_id)
    if owner is None or not owner.is_member:
        raise InvalidInput(
            "A milestone needs an owner who is a member of the organisation.", field="owner"
        )
    if form.due < reads.today_of(ctx.policy, ctx.now):
        raise InvalidInput("That day has passed already; pick today or a later day.", field="due")
    same = [
        row
        for row in queries.list_of_projects(ctx.session, [project.id])
        if row.title.casefold() == form.title.casefold() and row.actual is None
    ]
    if same:
        raise InvalidInput(
            f"{project.name} has an open milestone of that name, due {_day(same[0].forecast)}. Reschedule it, or find another name.",
            field="title",
        )
    row = Milestone(
        project_id=project.id,
        title=form.title,
        type=form.type.value,
        owner_id=owner_id,
        baseline=form.due,
        forecast=form.due,
        reminds_from=ctx.now,
        promise=form.promise,
        request_key=form.request_key,
        created_by=ctx.actor.id,
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    if form.needs:
        _link(ctx, row, form.needs)
    audit.record(
        ctx,
        "milestone.added",
        (TYPE, row.id),
        project=project.id,
        type=row.type,
        owner=owner_id,
        due=form.due.isoformat(),
        needs=sorted(form.needs),
    )
    if owner_id != ctx.actor.id:
        reminders.notify_owner(ctx, row.id, owner, "named", by=ctx.actor)
    channel = (form.promise or "").partition(":")[0]
    if channel and is_joined(ctx.session, ctx.org, channel):
        outbox.post(
            ctx.session,
            MilestoneCard(row.id, "promised", ctx.actor.id),
            to=Destination.channel(ctx.org, channel),
            dedupe_key=f"milestone:{row.id}:promised",
            subject=Subject.of(TYPE, row.id),
            now=ctx.now,
        )
    refresh_copies(ctx, [row])
    return row.id


def _link(ctx: Context, row: Milestone, needs: Iterable[int]) -> None:
    queries.lock_links(ctx.session)
    wanted = set(needs)
    there = {
        id_: needed
        for id_, needed in queries.load_by_ids(ctx.session, wanted).items()
        if needed.project_id == row.project_id or sees(ctx, needed)
    }
    if wanted - there.keys():
        raise InvalidInput(
            "There is no such milestone here for this one to need.", field="needs", hint="window"
        )
    all_ = reads.load_net(ctx.session, [row, *there.values()], row.forecast).needs
    for needed in sorted(wanted):
        if rules.closes_a_circle(all_, row.id, needed):
            raise InvalidInput(
                f"“{there[needed].title}” needs this milestone itself, directly or through others; that would go round in a circle.",
                field="needs",
            )
    queries.set_needs(ctx.session, row.id, wanted)


def complete(
    ctx: Context, milestone_id: int, *, revision: int, proof: str, on: date | None = None
) -> None:
    """It is met, with a word or a link as proof; on that day, or today."""
    row = lock_open(ctx, milestone_id, revision)
    today = reads.today_of(ctx.policy, ctx.now)
    faults = {} if proof.strip() else {"proof": NO_PROOF}
    if on is not None and on > today:
        faults["on"] = "That day is still to come; pick today or an earlier day."
    refuse(faults)
    text = audit.write_text(ctx.session, ctx.actor, proof.strip(), now=ctx.now)
    row.actual, row.proof_id, row.done_by = on or today, text.id, ctx.actor.id
    row.revision += 1
    audit.record(
        ctx,
        "milestone.done",
        (TYPE, row.id),
        on=row.actual.isoformat(),
        slip=(row.actual - row.baseline).days,
        proof=audit.text_fact(text),
    )
    refresh_copies(ctx, [row])


@dataclass(frozen=True, slots=True)
class Proven:
    """A milestone that is met by what mlgov's own record says: on which day, what proves it in words, and the entry of
    the ledger that does."""

    milestone: Milestone
    on: date
    words: str
    entry: int


def complete_proven(ctx: Context, proven: Sequence[Proven]) -> None:
    """Mark milestones as done that nobody has to say is done. Their rows are locked and open; the entries are mlgov's."""
    for each in proven:
        row = each.milestone
        row.actual, row.proven = each.on, each.words
        row.revision += 1
        audit.record(
            ctx.as_system(),
            "milestone.done",
            (TYPE, row.id),
            on=each.on.isoformat(),
            slip=(each.on - row.baseline).days,
            entry=each.entry,
        )
    refresh_copies(ctx, [each.milestone for each in proven])


def drop_open(ctx: Context, project_id: int, text: PrivateText) -> int:
    """Drop what is still to be met of a project that goes on no more, for the reason in `text`; how many that was."""
    rows = [
        row
        for row in queries.every_of_projects(ctx.session, [project_id], lock=True)
        if row.actual is None and row.dropped_at is None
    ]
    for row in rows:
        row.dropped_at = ctx.now
        row.revision += 1
        audit.record(ctx, "milestone.dropped", (TYPE, row.id), reason=audit.text_fact(text))
    refresh_copies(ctx, rows)
    return len(rows)


def mark_at_risk(ctx: Context, milestone_id: int, *, revision: int, reason: str) -> None:
    """It may not be met in time, and why."""
    row = lock_open(ctx, milestone_id, revision)
    text = audit.write_text(ctx.session, ctx.actor, _require_reason(reason), now=ctx.now)
    row.risk_id = text.id
    row.revision += 1
    audit.record(ctx, "milestone.at_risk", (TYPE, row.id), reason=audit.text_fact(text))
    refresh_copies(ctx, [row])


def mark_on_track(ctx: Context, milestone_id: int, *, revision: int) -> None:
    """It is no longer at risk."""
    row = lock_open(ctx, milestone_id, revision)
    if row.risk_id is None:
        return
    row.risk_id = None
    row.revision += 1
    audit.record(ctx, "milestone.on_track", (TYPE, row.id))
    refresh_copies(ctx, [row])


def is_decided_elsewhere(policy: Policy, record: MilestoneRecord, new: date) -> bool:
    """Whether the policy wants this other day to be approved: a later one, where it names a gate."""
    return policy.milestones.reschedule is not None and new > record.forecast


def reschedule(ctx: Context, form: Reschedule, *, reason: str) -> None:
    """Another day, and why. Raises GovernanceError, also for a later day that the policy wants approved."""
    row = lock_open(ctx, form.milestone_id, form.revision)
    check_new_day(ctx, row, form.new)
    if ctx.policy.milestones.reschedule is not None and form.new > row.forecast:
        raise GovernanceError(
            "A later day for this milestone has to be approved.", hint="milestones.reschedule"
        )
    text = audit.write_text(ctx.session, ctx.actor, _require_reason(reason), now=ctx.now)
    move(ctx, row, form.new, reason_id=text.id, reason=audit.text_fact(text))


def check_new_day(ctx: Context, row: Milestone, new: date, *, replacing: int | None = None) -> None:
    """Raise InvalidInput for a day that is none to move to, or while another request than `replacing` is decided."""
    if new == row.forecast:
        raise InvalidInput(f"It is due on {_day(new)} already.", field="new")
    if new < reads.today_of(ctx.policy, ctx.now):
        raise InvalidInput("That day has passed already; pick today or a later day.", field="new")
    pending = queries.find_move_requests(ctx.session, [row.id]).get(row.id)
    if pending is not None and pending.id != replacing:
        raise InvalidInput(
            f"Request #{pending.id} to move this milestone waits for a decision already.",
            field="new",
        )


def move(
    ctx: Context,
    row: Milestone,
    new: date,
    *,
    reason_id: int | None = None,
    approval_id: int | None = None,
    **facts: object,
) -> None:
    """Put a locked milestone on another day. What was said of its risk goes; reminders count from the new day."""
    old, row.forecast = row.forecast, new
    row.risk_id, row.reminds_from = None, ctx.now
    row.revision += 1
    ctx.session.add(
        MilestoneMove(
            milestone_id=row.id,
            old=old,
            new=new,
            reason_id=reason_id,
            moved_by=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
            approval_id=approval_id,
            created_at=ctx.now,
        )
    )
    if approval_id is not None:
        facts["approval"] = approval_id
    audit.record(
        ctx,
        "milestone.rescheduled",
        (TYPE, row.id),
        old=old.isoformat(),
        new=new.isoformat(),
        slip=(new - row.baseline).days,
        **facts,
    )
    refresh_copies(ctx, [row])


def hand_over(ctx: Context, milestone_id: int, *, revision: int, to: str) -> None:
    """Somebody else answers for it from now on, and is told. `to` is an opaque id."""
    row = lock_open(ctx, milestone_id, revision)
    owner = lookups.find_people(ctx.session, [to]).get(to)
    if owner is None or not owner.is_member:
        raise InvalidInput(
            "Pick a member of the organisation; a guest, a bot or somebody who left cannot own a milestone.",
            field="to",
        )
    if to == row.owner_id:
        raise InvalidInput(f"{owner.name} owns it already; pick somebody else.", field="to")
    old, row.owner_id = row.owner_id, to
    row.revision += 1
    audit.record(ctx, "milestone.handed_over", (TYPE, row.id), old=old, new=to)
    ctx.session.flush()
    reminders.mark_as_reminded(ctx, row, owner)
    if to != ctx.actor.id:
        reminders.notify_owner(ctx, row.id, owner, "handed", by=ctx.actor, nth=row.revision)
    refresh_copies(ctx, [row])


def drop(ctx: Context, milestone_id: int, *, revision: int, reason: str) -> None:
    """It is not wanted any more: it leaves every list and reminder, and holds nothing up."""
    row = lock_open(ctx, milestone_id, revision)
    text = audit.write_text(ctx.session, ctx.actor, _require_reason(reason), now=ctx.now)
    row.dropped_at = ctx.now
    row.revision += 1
    audit.record(ctx, "milestone.dropped", (TYPE, row.id), reason=audit.text_fact(text))
    refresh_copies(ctx, [row])


def _require_reason(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise InvalidInput(NO_REASON, field="reason")
    return text


# --- Putting off
#
# one person hears nothing of one milestone for a while, and sees beforehand what that swallows.


def list_choices(ctx: Context, milestone_id: int) -> tuple[SnoozeChoice, ...]:
    """Until when this person can put off what they hear of a milestone, and which reminders that swallows.

    Raises NotFound, and InvalidInput for somebody whom its reminders never reach.
    """
    row, mine = _lock_reminded(ctx, milestone_id)
    return _choices(row, mine)


def _choices(row: Milestone, mine: reminders.ReminderRun) -> tuple[SnoozeChoice, ...]:
    """Days until which something is swallowed; where the next reminder is far, the working day after it."""
    far = max(row.forecast, mine.today) + timedelta(days=400)
    coming = sorted(
        {step.on for step in mine.steps(row, mine.chain(row), far) if step.on > mine.today}
    )
    days = rules.snooze_days(mine.calendar, mine.today)
    offered = [day for day in days if coming and coming[0] < day]
    if not offered and coming:
        offered = [rules.on_or_after(mine.calendar, coming[0] + timedelta(days=1))]
    return tuple(
        SnoozeChoice(until, tuple(on for on in coming if on < until))
        for until in offered or days[:1]
    )


def snooze(ctx: Context, milestone_id: int, *, until: date) -> None:
    """This person hears nothing of a milestone before `until`; today means that they hear of it again.

    Others still do: nobody silences what somebody else is to hear.
    """
    row, mine = _lock_reminded(ctx, milestone_id)
    offered = {one.until for one in _choices(row, mine)}
    if until != mine.today and until not in offered:
        raise Stale("That day is no choice any more. Nothing was changed; choose another.")
    statements.snooze(ctx.session, row.id, ctx.actor.id, until, ctx.now)
    audit.record(ctx, "milestone.snoozed", ("milestone", row.id), until=until.isoformat())
    latest = statements.find_latest(ctx.session, ctx.actor.id, [row.id]).get(row.id)
    if latest is not None:
        outbox.refresh(ctx, Subject.of("reminder", latest))


def find_snooze_end(ctx: Context, milestone_id: int, *, today: date) -> date | None:
    """Until when the actor hears nothing of a milestone; None when they do."""
    day = statements.find_snoozes(ctx.session, ctx.actor.id, [milestone_id]).get(milestone_id)
    return day if day is not None and day > today else None


def own_day(ctx: Context) -> date:
    """The person's own day."""
    person = lookups.find_people(ctx.session, [ctx.actor.id])[ctx.actor.id]
    return reminders.calendar_of(person, ctx.policy).day(ctx.now)


def _lock_reminded(ctx: Context, milestone_id: int) -> tuple[Milestone, reminders.ReminderRun]:
    permissions.require_member(ctx.actor, "milestone.snooze", subject=("milestone", milestone_id))
    row = queries.lock(ctx.session, milestone_id)
    person = lookups.find_people(ctx.session, [ctx.actor.id]).get(ctx.actor.id)
    if row is None or person is None:
        raise reads.no_milestone()
    mine = reminders.build_run(ctx, person)
    if ctx.actor.id not in mine.chain(row):
        if not sees(ctx, row):
            raise reads.no_milestone()
        raise InvalidInput(
            "Reminders of this milestone do not reach you, so there is nothing to put off."
        )
    if row.actual is not None or row.dropped_at is not None:
        raise Stale("This milestone is closed, so nobody is reminded of it any more.")
    return row, mine
