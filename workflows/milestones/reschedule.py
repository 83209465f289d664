"""A later day for a milestone, asked for at the gate `milestone_reschedule` and given when it is approved."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.enums import ApprovalState
from storage.milestones import queries
from storage.milestones.tables import Milestone
from storage.projects.tables import Project
from workflows import outbox
from workflows.approvable import (
    Moved,
    Prepared,
    ReadAgain,
    Reread,
    Rest,
    SubjectMoved,
    Words,
    project_facts,
    project_rests,
)
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput
from workflows.milestones import reads, service
from workflows.milestones.forms import Reschedule
from workflows.milestones.service import TYPE, refresh_copies
from workflows.outbox import Subject
from workflows.policy import Policy
from workflows.policy.conditions import Facts
from workflows.wording import counted, day


class MilestoneReschedule:
    """A subject type (see `workflows.approvable`): its subject is a milestone, its form `Reschedule`.

    `subject.owner`, `subject.manager` and `subject.sponsor` are those of the milestone's project: whoever owns the
    milestone is mostly the one who asks.
    """

    gate = "milestone_reschedule"
    is_editable = True

    def prepare(self, ctx: Context, form: Reschedule, *, replacing: int | None = None) -> Prepared:
        """Lock the milestone and say exactly what is asked. One request for another day at a time."""
        row = service.lock_open(ctx, form.milestone_id, form.revision)
        service.check_new_day(ctx, row, form.new, replacing=replacing)
        if form.new < row.forecast:
            raise InvalidInput(
                "An earlier day needs no approval; reschedule it without one.", field="new"
            )
        project = queries.load_projects(ctx.session, [row.project_id])[row.project_id]
        refresh_messages(ctx, row.id)
        return Prepared(
            subject_id=row.id,
            project_id=project.id,
            facts={
                "milestone_id": row.id,
                "revision": row.revision,
                "baseline": row.baseline.isoformat(),
                "old": row.forecast.isoformat(),
                "new": form.new.isoformat(),
            },
            people=_people(project),
            conditions=_conditions(row, form.new, project),
            rests=_rests(row, project),
        )

    def reread(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reread:
        """How far the day that is asked is from the one there is now, and how that differs from what was shown."""
        row = queries.find(ctx.session, subject_id)
        if row is None:
            return Reread(None)
        project = queries.load_projects(ctx.session, [row.project_id])[row.project_id]
        new = date.fromisoformat(facts["new"])
        return Reread(
            ReadAgain(_conditions(row, new, project), rests=_rests(row, project)),
            _describe_drift(row, facts, policy=ctx.policy, now=ctx.now),
        )

    def people(self, session: Session, milestone_id: int) -> dict[str, str | None]:
        """Who owns, sponsors and manages the project of what would be asked for, before it is."""
        row = queries.find(session, milestone_id)
        if row is None:
            raise reads.no_milestone()
        return _people(queries.load_projects(session, [row.project_id])[row.project_id])

    def lock(self, session: Session, subject_id: int) -> None:
        """Lock the milestone's row."""
        queries.lock(session, subject_id)

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        """Approved: the milestone moves. Raises SubjectMoved where it isn't due on the day that was shown any more."""
        row = queries.lock(ctx.session, subject_id)
        if row is None:
            raise reads.no_milestone()
        moved = _describe_drift(row, facts, policy=ctx.policy, now=ctx.now)
        if moved is not None:
            raise SubjectMoved(f"{moved.clause}. Nothing was approved.")
        service.move(
            ctx,
            row,
            date.fromisoformat(facts["new"]),
            reason_id=queries.find_reason_id(ctx.session, approval_id),
            approval_id=approval_id,
        )

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        """Rejected, expired or withdrawn: the milestone stays; its copies say so."""
        refresh_messages(ctx, subject_id)

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        """The milestone goes back to its day, unless it was met, dropped or moved again since."""
        row = queries.lock(ctx.session, subject_id)
        if row is None:
            return
        is_ours = any(
            last.approval_id == approval_id
            for last in queries.list_moves(ctx.session, row.id, most=1)
        )
        if row.actual is not None or row.dropped_at is not None or not is_ours:
            audit.record(ctx, "milestone.kept", (TYPE, row.id), approval=approval_id)
            refresh_copies(ctx, [row])
            return
        service.move(
            ctx, row, date.fromisoformat(facts["old"]), reason_id=None, approval_id=approval_id
        )

    def again(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reschedule | None:
        """As many days later than it is due now; None where that day has passed, or nothing is left to move."""
        row = queries.find(ctx.session, subject_id)
        if row is None or row.actual is not None or row.dropped_at is not None:
            return None
        wanted = _shift_day(row, facts, policy=ctx.policy, now=ctx.now)
        if wanted is None:
            return None
        return Reschedule(milestone_id=row.id, revision=row.revision, new=wanted)

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        """What is asked, in plain words."""
        row = queries.find(ctx.session, subject_id)
        project = (
            queries.load_projects(ctx.session, [row.project_id])[row.project_id] if row else None
        )
        name = project.name if project else "A project"
        title = f"“{row.title}”" if row else "a milestone"
        old, new, baseline = (
            date.fromisoformat(facts[milestone]) for milestone in ("old", "new", "baseline")
        )
        later = counted((new - old).days, "day")
        detail = [
            ("First planned for", f"{day(baseline)} {baseline.year}"),
            ("In all", f"{counted((new - baseline).days, 'day')} after the plan"),
        ]
        if row is not None:
            pushed = reads.pushed_if(ctx, row, new)
            moves = ", ".join(
                f"{milestone.title} to {day(milestone.new)}" for milestone in pushed[:5]
            )
            more = f" and {len(pushed) - 5} more" if len(pushed) > 5 else ""
            detail.append(("Moves", moves + more if moves else "no other milestone"))
        return Words(
            project=name,
            asks=f"move {title}: {day(old)} → {day(new)} (+{later})",
            stays=f"it stays due on {day(row.forecast if row else old)}",
            done=f"{title} of {name} is now due on {day(new)}",
            facts=tuple(detail),
            undone=f"{title} of {name} is due on {day(old)} again",
        )


def _conditions(row: Milestone, new: date, project: Project) -> Facts:
    return {
        "delay.days": (new - row.forecast).days,
        "delay.total_days": (new - row.baseline).days,
        "milestone.type": row.type,
        **project_facts(project),
    }


def _rests(row: Milestone, project: Project) -> tuple[Rest, ...]:
    """What a request for another day rests on beside the day that there is without it: the plan, and whether it is still
    to come."""
    state = "dropped" if row.dropped_at else "met" if row.actual else "open"
    return (
        Rest("plan", "first planned for", row.baseline.isoformat(), day(row.baseline)),
        Rest("state", "the milestone is", state, state),
        Rest("milestone.type", "type", row.type, row.type.replace("_", " ")),
        *project_rests(project),
    )


def _describe_drift(
    row: Milestone, facts: dict[str, Any], *, policy: Policy, now: datetime
) -> Moved | None:
    """Whether the milestone is due on another day than was shown, met or dropped; None where it is as it was."""
    mark, title = f"{row.revision}/{row.forecast}", f"“{row.title}”"
    if row.dropped_at is not None:
        return Moved(f"{title} was dropped since this was asked", mark)
    if row.actual is not None:
        return Moved(f"{title} was met on {day(row.actual)}", mark)
    old = date.fromisoformat(facts["old"])
    if row.forecast == old:
        return None
    sentence = (
        f"{title} is due on {day(row.forecast)} now; it was due on {day(old)} when this was asked"
    )
    keep = f"Keep {day(row.forecast)}"
    wanted = _shift_day(row, facts, policy=policy, now=now)
    if wanted is None:
        return Moved(sentence, mark, keep=keep)
    return Moved(
        sentence,
        mark,
        again=f"Ask for {day(wanted)}",
        asks=f"move {title}: {day(row.forecast)} → {day(wanted)} (+{counted((wanted - row.forecast).days, 'day')})",
        keep=keep,
    )


def _shift_day(
    row: Milestone, facts: dict[str, Any], *, policy: Policy, now: datetime
) -> date | None:
    later = date.fromisoformat(facts["new"]) - date.fromisoformat(facts["old"])
    wanted = row.forecast + later
    return wanted if wanted >= reads.today_of(policy, now) else None


def _people(project: Project) -> dict[str, str | None]:
    return {"owner": project.owner_id, "sponsor": project.sponsor_id, "manager": project.manager_id}


def refresh_messages(ctx: Context, milestone_id: int) -> None:
    """Copies of one milestone follow."""
    for type_, id_ in queries.list_showing_subjects(ctx.session, [milestone_id]):
        outbox.refresh(ctx, Subject(type_, id_))


RESCHEDULE = MilestoneReschedule()
