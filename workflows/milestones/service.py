"""How milestones stand, read as others see them, and who may change them. `changes` holds what people do with them."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from storage.approvals import queries as approvals
from storage.milestones import queries
from storage.milestones import queries as statements
from storage.milestones.tables import Milestone, MilestoneMove
from storage.people import lookups
from storage.people.lookups import is_joined
from storage.projects.tables import Project
from workflows import outbox, permissions, resting
from workflows.actors import Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, RefusalFact, Stale
from workflows.milestones import reads, reminders, rules
from workflows.milestones.forms import AddMilestone, Reschedule
from workflows.milestones.notices import MilestoneCard
from workflows.milestones.records import Detail, MilestoneRecord, SnoozeChoice
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

# --- What follows a change of milestones
#
# every copy shows what is true, and the mornings of who is reminded are looked at.

Clicked = tuple[str, str] | None


def refresh_copies(
    session: Session,
    rows: Collection[Milestone],
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """Every copy of these milestones, and of those linked to them, shows what is true now; mornings, and what waits for a
    decision about them, are looked at."""
    session.flush()
    resting.recheck_about(session, "milestone", [row.id for row in rows], now=now)
    net = reads.load_net(session, rows, reads.today_of(policy, now))
    for type_, id_ in queries.list_showing_subjects(session, net.rows):
        outbox.refresh(session, Subject(type_, id_), now=now, clicked=clicked)
    reminders.schedule_people_of(session, rows, policy=policy, now=now)


def refresh_milestone(
    session: Session, milestone_id: int, *, policy: Policy, now: datetime, clicked: Clicked
) -> None:
    """Somebody clicked on what is not true any more: every copy is drawn as it is now."""
    row = queries.find(session, milestone_id)
    if row is not None:
        refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


# --- How milestones stand, read as others see them, and who may change them
#
# `changes` holds what people do with them.

TYPE = "milestone"
SOON = 14
"""Days ahead that count as due soon, where the policy's first reminder does not come earlier."""


# --- reading


def list_for_projects(
    session: Session, project_ids: Collection[int], *, policy: Policy, now: datetime
) -> dict[int, list[MilestoneRecord]]:
    """Project id → its milestones by day, met ones too; projects without one are left out."""
    rows = queries.list_of_projects(session, project_ids)
    by_project: dict[int, list[MilestoneRecord]] = {}
    for record in reads.load_records(session, rows, policy=policy, now=now):
        by_project.setdefault(record.project_id, []).append(record)
    return by_project


def list_due(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> tuple[MilestoneRecord, ...]:
    """What is overdue or due soon and this person's own: as owner, or of a project of theirs where nobody owns it."""
    ahead = max(policy.milestones.days_before[:1] or (SOON,))
    today = reads.today_of(policy, now)
    return tuple(
        record
        for record in list_open(session, actor, policy=policy, now=now)
        if (record.owner is None or record.owner.id == actor.id)
        and record.days_left(today) <= ahead
    )


def list_open(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> list[MilestoneRecord]:
    """Open milestones that the person owns, or of projects they own, manage or sponsor, the earliest first."""
    rows = queries.list_open_of_person(session, actor.id)
    return reads.load_records(session, rows, policy=policy, now=now)


def load_detail(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> Detail:
    """A milestone with its history, before somebody who may read it. Raises NotFound."""
    permissions.require_member(actor, "milestone.read", subject=(TYPE, milestone_id))
    row = queries.find(session, milestone_id)
    if row is None or not sees(session, actor, row, policy=policy, clicked=clicked):
        raise reads.no_milestone()
    return reads.load_detail(session, milestone_id, policy=policy, now=now)

    # --- who may


def sees(
    session: Session, actor: Actor, row: Milestone, *, policy: Policy, clicked: Clicked = None
) -> bool:
    """Whether somebody may read a milestone: its project is in their sight, they answer for it or administer, or they
    have a message that shows it before them (`clicked`)."""
    project = queries.load_projects(session, [row.project_id])[row.project_id]
    return (
        actor.id in reads.answering_ids(row.owner_id, project)
        or permissions.sees_project(session, actor, row.project_id, policy=policy)
        or is_administrator(session, actor, policy)
        or _is_before_them(session, actor, row, clicked)
    )


def _is_before_them(session: Session, actor: Actor, row: Milestone, clicked: Clicked) -> bool:
    subject = permissions.find_shown(session, actor, clicked)
    match subject:
        case (type_, id_) if type_ == TYPE:
            return id_ == str(row.id)
        case ("reminder", id_):
            items = queries.list_items_of(session, int(id_))
            return any(item.milestone_id == row.id for item in items)
        case ("milestone_import", id_):
            return row.import_id == int(id_)
        case ("approval", id_):
            return approvals.find_subject(session, int(id_)) == (TYPE, row.id)
        case _:
            return False


def require_may_change(
    session: Session, actor: Actor, milestone_id: int, *, policy: Policy, clicked: Clicked = None
) -> None:
    """Refuse who may not change it, before they write anything. Raises GovernanceError."""
    row = queries.find(session, milestone_id)
    if row is None:
        raise reads.no_milestone()
    require_answering(session, actor, row, policy=policy, clicked=clicked)


def require_answering(
    session: Session, actor: Actor, row: Milestone, *, policy: Policy, clicked: Clicked = None
) -> None:
    """Refuse whoever neither owns the milestone nor answers for its project, administrators apart.

    Raises NotFound for who may not even read it, as for one that is not there.
    """
    permissions.require_member(actor, "milestone.change", subject=(TYPE, row.id))
    project = queries.load_projects(session, [row.project_id])[row.project_id]
    ids = reads.answering_ids(row.owner_id, project)
    if actor.id in ids or is_administrator(session, actor, policy):
        return
    fact = RefusalFact("milestone.change", TYPE, str(row.id), why="not_answering")
    if not sees(session, actor, row, policy=policy, clicked=clicked):
        raise reads.no_milestone(fact)
    people = lookups.find_people(session, ids)
    names = [people[one].name for one in ids if one in people and people[one].slack_id]
    who = " or ".join(names) or "an administrator"
    raise NotAllowed(
        f"Only those who answer for this milestone can change it. Ask {who}.", audit=fact
    )


def is_administrator(session: Session, actor: Actor, policy: Policy) -> bool:
    """Whether the actor holds the policy's role `admin`, or is mlgov itself or its operator."""
    return actor.kind is not ActorKind.PERSON or "admin" in permissions.list_roles(
        session, actor.id, policy=policy
    )


def may_add_for_others(session: Session, actor: Actor, project: Project, *, policy: Policy) -> bool:
    """Whether the person owns, manages or sponsors the project, or administers."""
    return actor.id in {
        project.owner_id,
        project.manager_id,
        project.sponsor_id,
    } or is_administrator(session, actor, policy)


# --- What people do with milestones
#
# Every change is one function: the record, the ledger, and every copy that follows.


def lock_open(
    session: Session,
    actor: Actor,
    milestone_id: int,
    revision: int,
    *,
    policy: Policy,
    clicked: Clicked = None,
) -> Milestone:
    """The milestone, locked, open, and as it was shown. Raises GovernanceError."""
    row = queries.lock(session, milestone_id)
    if row is None:
        raise reads.no_milestone()
    require_answering(session, actor, row, policy=policy, clicked=clicked)
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


def add_milestone(
    session: Session,
    actor: Actor,
    form: AddMilestone,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> int:
    """Write down a promise; its id. The same `request_key` again changes nothing.

    Whoever sees the project, or stands in its channel with a promise, may add one of their own; for somebody else only
    who answers for the project, or an administrator.
    """
    permissions.require_member(actor, "milestone.add", subject=("project", form.project))
    known = queries.find_by_request(session, form.request_key)
    if known is not None:
        if known.created_by != actor.id:
            raise reads.no_milestone()
        return known.id
    project = queries.load_projects_by_keys(session, [form.project]).get(form.project)
    channel = (form.promise or "").partition(":")[0]
    if project is None or not (
        (channel and channel == project.channel)
        or permissions.sees_project(session, actor, project.id, policy=policy)
        or is_administrator(session, actor, policy)
    ):
        raise NotFound(
            "There is no such project here, so nothing was added.",
            field="project",
            hint="projects.list",
        )
    owner_id = form.owner_id or actor.id
    if owner_id != actor.id and not may_add_for_others(session, actor, project, policy=policy):
        raise NotAllowed(
            f"You can add milestones of your own to {project.name}. For somebody else, ask who owns, manages or sponsors it.",
            field="owner",
        )
    owner = lookups.find_people(session, [owner_id]).get(owner_id)
    if owner is None or not owner.is_member:
        raise InvalidInput(
            "A milestone needs an owner who is a member of the organisation.", field="owner"
        )
    if form.due < reads.today_of(policy, now):
        raise InvalidInput("That day has passed already; pick today or a later day.", field="due")
    same = [
        row
        for row in queries.list_of_projects(session, [project.id])
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
        reminds_from=now,
        promise=form.promise,
        request_key=form.request_key,
        created_by=actor.id,
        created_at=now,
    )
    session.add(row)
    session.flush()
    if form.needs:
        _link(session, actor, row, form.needs, policy=policy)
    audit.record(
        session,
        actor,
        "milestone.added",
        (TYPE, row.id),
        now=now,
        project=project.id,
        type=row.type,
        owner=owner_id,
        due=form.due.isoformat(),
        needs=sorted(form.needs),
    )
    if owner_id != actor.id:
        reminders.notify_owner(
            session, row.id, owner, "named", by=actor, policy=policy, now=now, org_key=org_key
        )
    channel = (form.promise or "").partition(":")[0]
    if channel and is_joined(session, org_key, channel):
        outbox.post(
            session,
            MilestoneCard(row.id, "promised", actor.id),
            to=Destination.channel(org_key, channel),
            dedupe_key=f"milestone:{row.id}:promised",
            subject=Subject.of(TYPE, row.id),
            now=now,
        )
    refresh_copies(session, [row], policy=policy, now=now)
    return row.id


def _link(
    session: Session, actor: Actor, row: Milestone, needs: Iterable[int], *, policy: Policy
) -> None:
    queries.lock_links(session)
    wanted = set(needs)
    there = {
        id_: needed
        for id_, needed in queries.load_by_ids(session, wanted).items()
        if needed.project_id == row.project_id or sees(session, actor, needed, policy=policy)
    }
    if wanted - there.keys():
        raise InvalidInput(
            "There is no such milestone here for this one to need.", field="needs", hint="window"
        )
    all_ = reads.load_net(session, [row, *there.values()], row.forecast).needs
    for needed in sorted(wanted):
        if rules.closes_a_circle(all_, row.id, needed):
            raise InvalidInput(
                f"“{there[needed].title}” needs this milestone itself, directly or through others; that would go round in a circle.",
                field="needs",
            )
    queries.set_needs(session, row.id, wanted)


def complete(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    revision: int,
    proof: str,
    on: date | None = None,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """It is met, with a word or a link as proof; on that day, or today."""
    row = lock_open(session, actor, milestone_id, revision, policy=policy, clicked=clicked)
    if not proof.strip():
        raise InvalidInput("Say in a word how one can see it, or give a link.", field="proof")
    today = reads.today_of(policy, now)
    if on is not None and on > today:
        raise InvalidInput("That day is still to come; pick today or an earlier day.", field="on")
    text = audit.write_text(session, actor, proof.strip(), now=now)
    row.actual, row.proof_id, row.done_by = on or today, text.id, actor.id
    row.revision += 1
    audit.record(
        session,
        actor,
        "milestone.done",
        (TYPE, row.id),
        now=now,
        on=row.actual.isoformat(),
        slip=(row.actual - row.baseline).days,
        proof=audit.text_fact(text),
    )
    refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


def mark_at_risk(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    revision: int,
    reason: str,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """It may not be met in time, and why."""
    row = lock_open(session, actor, milestone_id, revision, policy=policy, clicked=clicked)
    text = audit.write_text(session, actor, _require_reason(reason), now=now)
    row.risk_id = text.id
    row.revision += 1
    audit.record(
        session, actor, "milestone.at_risk", (TYPE, row.id), now=now, reason=audit.text_fact(text)
    )
    refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


def mark_on_track(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    revision: int,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """It is no longer at risk."""
    row = lock_open(session, actor, milestone_id, revision, policy=policy, clicked=clicked)
    if row.risk_id is None:
        return
    row.risk_id = None
    row.revision += 1
    audit.record(session, actor, "milestone.on_track", (TYPE, row.id), now=now)
    refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


def is_decided_elsewhere(policy: Policy, record: MilestoneRecord, new: date) -> bool:
    """Whether the policy wants this other day to be approved: a later one, where it names a gate."""
    return policy.milestones.reschedule is not None and new > record.forecast


def reschedule(
    session: Session,
    actor: Actor,
    form: Reschedule,
    *,
    reason: str,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """Another day, and why. Raises GovernanceError, also for a later day that the policy wants approved."""
    row = lock_open(
        session, actor, form.milestone_id, form.revision, policy=policy, clicked=clicked
    )
    check_new_day(session, row, form.new, policy=policy, now=now)
    if policy.milestones.reschedule is not None and form.new > row.forecast:
        raise GovernanceError(
            "A later day for this milestone has to be approved.", hint="milestones.reschedule"
        )
    text = audit.write_text(session, actor, _require_reason(reason), now=now)
    move(
        session,
        actor,
        row,
        form.new,
        reason_id=text.id,
        policy=policy,
        now=now,
        clicked=clicked,
        reason=audit.text_fact(text),
    )


def check_new_day(
    session: Session,
    row: Milestone,
    new: date,
    *,
    policy: Policy,
    now: datetime,
    replacing: int | None = None,
) -> None:
    """Raise InvalidInput for a day that is none to move to, or while another request than `replacing` is decided."""
    if new == row.forecast:
        raise InvalidInput(f"It is due on {_day(new)} already.", field="new")
    if new < reads.today_of(policy, now):
        raise InvalidInput("That day has passed already; pick today or a later day.", field="new")
    pending = queries.find_move_requests(session, [row.id]).get(row.id)
    if pending is not None and pending.id != replacing:
        raise InvalidInput(
            f"Request #{pending.id} to move this milestone waits for a decision already.",
            field="new",
        )


def move(
    session: Session,
    actor: Actor,
    row: Milestone,
    new: date,
    *,
    policy: Policy,
    now: datetime,
    reason_id: int | None = None,
    approval_id: int | None = None,
    clicked: Clicked = None,
    **facts: object,
) -> None:
    """Put a locked milestone on another day. What was said of its risk goes; reminders count from the new day."""
    old, row.forecast = row.forecast, new
    row.risk_id, row.reminds_from = None, now
    row.revision += 1
    session.add(
        MilestoneMove(
            milestone_id=row.id,
            old=old,
            new=new,
            reason_id=reason_id,
            moved_by=actor.id if actor.kind is ActorKind.PERSON else None,
            approval_id=approval_id,
            created_at=now,
        )
    )
    if approval_id is not None:
        facts["approval"] = approval_id
    audit.record(
        session,
        actor,
        "milestone.rescheduled",
        (TYPE, row.id),
        now=now,
        old=old.isoformat(),
        new=new.isoformat(),
        slip=(new - row.baseline).days,
        **facts,
    )
    refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


def hand_over(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    revision: int,
    to: str,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> None:
    """Somebody else answers for it from now on, and is told. `to` is an opaque id."""
    row = lock_open(session, actor, milestone_id, revision, policy=policy, clicked=clicked)
    owner = lookups.find_people(session, [to]).get(to)
    if owner is None or not owner.is_member:
        raise InvalidInput(
            "Pick a member of the organisation; a guest, a bot or somebody who left cannot own a milestone.",
            field="to",
        )
    if to == row.owner_id:
        raise InvalidInput(f"{owner.name} owns it already; pick somebody else.", field="to")
    old, row.owner_id = row.owner_id, to
    row.revision += 1
    audit.record(session, actor, "milestone.handed_over", (TYPE, row.id), now=now, old=old, new=to)
    session.flush()
    reminders.mark_as_reminded(session, row, owner, policy=policy, now=now)
    if to != actor.id:
        reminders.notify_owner(
            session,
            row.id,
            owner,
            "handed",
            by=actor,
            policy=policy,
            now=now,
            org_key=org_key,
            nth=row.revision,
        )
    refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


def drop(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    revision: int,
    reason: str,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """It is not wanted any more: it leaves every list and reminder, and holds nothing up."""
    row = lock_open(session, actor, milestone_id, revision, policy=policy, clicked=clicked)
    text = audit.write_text(session, actor, _require_reason(reason), now=now)
    row.dropped_at = now
    row.revision += 1
    audit.record(
        session, actor, "milestone.dropped", (TYPE, row.id), now=now, reason=audit.text_fact(text)
    )
    refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)


def _require_reason(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise InvalidInput("Say why in a sentence; those who follow it read this.", field="reason")
    return text


# --- Putting off
#
# one person hears nothing of one milestone for a while, and sees beforehand what that swallows.


def list_choices(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None = None,
) -> tuple[SnoozeChoice, ...]:
    """Until when this person can put off what they hear of a milestone, and which reminders that swallows.

    Raises NotFound, and InvalidInput for somebody whom its reminders never reach.
    """
    row, mine = _lock_reminded(
        session, actor, milestone_id, policy=policy, now=now, clicked=clicked
    )
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


def snooze(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    until: date,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None = None,
) -> None:
    """This person hears nothing of a milestone before `until`; today means that they hear of it again.

    Others still do: nobody silences what somebody else is to hear.
    """
    row, mine = _lock_reminded(
        session, actor, milestone_id, policy=policy, now=now, clicked=clicked
    )
    offered = {one.until for one in _choices(row, mine)}
    if until != mine.today and until not in offered:
        raise Stale("That day is no choice any more. Nothing was changed; choose another.")
    statements.snooze(session, row.id, actor.id, until, now)
    audit.record(
        session, actor, "milestone.snoozed", ("milestone", row.id), now=now, until=until.isoformat()
    )
    latest = statements.find_latest(session, actor.id, [row.id]).get(row.id)
    if latest is not None:
        outbox.refresh(session, Subject.of("reminder", latest), now=now, clicked=clicked)


def snoozed_until(
    session: Session, person_id: str, milestone_id: int, *, today: date
) -> date | None:
    """Until when this person hears nothing of a milestone; None when they do."""
    day = statements.find_snoozes(session, person_id, [milestone_id]).get(milestone_id)
    return day if day is not None and day > today else None


def own_day(session: Session, actor: Actor, *, policy: Policy, now: datetime) -> date:
    """The person's own day."""
    person = lookups.find_people(session, [actor.id])[actor.id]
    return reminders.calendar_of(person, policy).day(now)


def _lock_reminded(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None,
) -> tuple[Milestone, reminders.ReminderRun]:
    permissions.require_member(actor, "milestone.snooze", subject=("milestone", milestone_id))
    row = queries.lock(session, milestone_id)
    person = lookups.find_people(session, [actor.id]).get(actor.id)
    if row is None or person is None:
        raise reads.no_milestone()
    mine = reminders.build_run(session, person, policy=policy, now=now)
    if actor.id not in mine.chain(row):
        if not sees(session, actor, row, policy=policy, clicked=clicked):
            raise reads.no_milestone()
        raise InvalidInput(
            "Reminders of this milestone do not reach you, so there is nothing to put off."
        )
    if row.actual is not None or row.dropped_at is not None:
        raise Stale("This milestone is closed, so nobody is reminded of it any more.")
    return row, mine
