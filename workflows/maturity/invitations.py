"""Whom a check-in asks, by persona and role, and who may start one, set targets or see single answers."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from storage.enums import AskedAs, CycleState, InvitationState
from storage.maturity import queries
from storage.people import queries as people
from storage.people.tables import Person
from workflows import handles, permissions, rollout, timers
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.context import ActorKind, Context
from workflows.errors import NotAllowed, NotFound, RefusalFact
from workflows.maturity import check_ins
from workflows.maturity.notices import CheckInAsked, CheckInReminder
from workflows.outbox import Destination, Subject

LEADER, ASSESSOR = "leader", "assessor"
"""Roles of the policy."""


def folded(text: str) -> str:
    """A persona or unit without what people write differently."""
    return " ".join(text.casefold().replace("-", " ").replace("_", " ").split())


def _members(ctx: Context, names: Collection[str]) -> set[str]:
    """Opaque ids of the people that Slack ids and groups name."""
    meant = set(handles.resolve(ctx.session, ctx.org, names).who(names))
    groups = people.list_groups(ctx.session, ctx.org, {name for name in meant if name[:1] == "S"})
    members = {
        person.id
        for _, person in people.list_members(
            ctx.session, [row.id for row in groups if not row.is_disabled]
        )
    }
    direct = [name for name in names if name[:1] in {"U", "W"}]
    return members | {
        row.id for row in people.find_by_slack_ids(ctx.session, ctx.org, direct).values()
    }


def _chosen(ctx: Context, rules: Iterable[str], everybody: Collection[Person]) -> set[str]:
    personas, names = set(), set()
    for rule in rules:
        if rule.startswith("persona:"):
            personas.add(folded(rule.removeprefix("persona:")))
        elif rule.startswith("role:"):
            names |= set(ctx.policy.roles.get(rule.removeprefix("role:"), ()))
        else:
            names.add(rule)
    by_persona = {row.id for row in everybody if row.persona and folded(row.persona) in personas}
    return by_persona | _members(ctx, names)


def list_invitees(ctx: Context, *, business_unit: str | None) -> list[tuple[Person, AskedAs]]:
    """Whom a cycle of the organisation, or of one unit, would ask; who is both is asked as a leader."""
    everybody = [row for row in people.list_organisation(ctx.session, ctx.org) if row.is_member]
    rules = ctx.policy.maturity
    leaders = _chosen(ctx, rules.leaders, everybody)
    practitioners = _chosen(ctx, rules.practitioners, everybody)
    return [
        (row, AskedAs.LEADER if row.id in leaders else AskedAs.PRACTITIONER)
        for row in everybody
        if row.id in leaders | practitioners
        and (business_unit is None or row.business_unit == business_unit)
    ]


def match_unit(units: Collection[str], words: str) -> str:
    """The business unit that somebody typed. Raises NotFound with those there are."""
    matching = [one for one in units if folded(one) == folded(words)]
    if len(matching) == 1:
        return matching[0]
    if not units:
        raise NotFound(
            "Nobody has a business unit yet. An administrator can import them: `mlgov import people FILE`."
        )
    listed = ", ".join(f"“{one}”" for one in sorted(units)[:12])
    raise NotFound(f"There is no business unit “{words[:60]}”. There are: {listed}.")


def has_role(ctx: Context, role: str) -> bool:
    """Whether the policy gives somebody a role."""
    names = ctx.policy.roles.get(role, ())
    if not names or not ctx.actor.is_member:
        return False
    return ctx.actor.id in _members(ctx, names)


def require_leader(ctx: Context, action: str) -> None:
    """Refuse everyone but people of role `leader`, and mlgov itself."""
    if ctx.actor.kind is ActorKind.SYSTEM:
        return
    permissions.require_member(ctx.actor, action)
    if LEADER not in ctx.policy.roles:
        raise NotAllowed(
            "Only leaders can do that, and the policy names none. An administrator can add the role `leader` to governance.yml."
        )
    if not has_role(ctx, LEADER):
        raise NotAllowed(
            "That is for leaders, whom an administrator names in governance.yml.",
            hint="maturity.possible",
            audit=RefusalFact(action, "maturity", "", why="role"),
        )


# --- Inviting people and reminding them, each in their own working hours; nobody after they
#     have finished

BATCH = 50
"""People in one transaction, so that a large organisation keeps nobody else waiting."""


def invite_some(ctx: Context, cycle_id: int, seq: int) -> None:
    """Invite the next few people of a cycle, each in their own working hours; the cycle is locked."""
    cycle = queries.find_cycle(ctx.session, cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        return
    waiting = queries.list_waiting(ctx.session, cycle_id, BATCH)
    for invitation in waiting:
        invitation.invited_at = ctx.now
        person = queries.find_person(ctx.session, invitation.person_id)
        if person is None or check_ins.mark_left(ctx, invitation, person):
            continue
        if person.slack_id is None:
            continue
        calendar = calendar_for(ctx.policy, tz=person.tz, country=person.country)
        rollout.message_unasked(
            ctx,
            person.id,
            CheckInAsked(invitation.id),
            to=Destination.person(ctx.org, person.slack_id),
            dedupe_key=f"maturity:{cycle_id}:asked:{person.id}",
            subject=check_ins.subject(invitation.id),
            due_at=calendar.next_open(ctx.now),
            expires_at=cycle.closes_at,
        )
        for number, due in enumerate(reminder_moments(calendar, ctx.now, cycle.closes_at), 1):
            timers.start(
                ctx.session, check_ins.subject(invitation.id), "maturity.remind", due, seq=number
            )
    if len(waiting) == BATCH:
        timers.start(
            ctx.session,
            Subject.of("maturity_cycle", cycle_id),
            "maturity.invite",
            ctx.now,
            seq=seq + 1,
        )


def reminder_moments(
    calendar: WorkingCalendar, invited: datetime, closes: datetime
) -> list[datetime]:
    """When somebody is reminded: half-way, and as work starts on the last working day before the day it closes."""
    half = calendar.next_open(invited + (closes - invited) / 2)
    day = calendar.on_or_before(calendar.day(closes) - timedelta(days=1))
    last = calendar.opening(day)
    moments = [half] if invited < half < closes else []
    if last < closes and last > (half if moments else invited) + timedelta(hours=12):
        moments.append(last)
    return moments


def remind_person(ctx: Context, invitation_id: int, number: int) -> None:
    """Remind one person, unless they have finished, skipped or left; their check-in is locked."""
    invitation = queries.find_invitation(ctx.session, invitation_id)
    if invitation is None or invitation.state != InvitationState.INVITED:
        return
    cycle = queries.find_cycle(ctx.session, invitation.cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        return
    person = queries.find_person(ctx.session, invitation.person_id)
    if person is None or check_ins.mark_left(ctx, invitation, person):
        return
    if person.slack_id is None:
        return
    at = calendar_for(ctx.policy, tz=person.tz, country=person.country).next_open(ctx.now)
    if at >= cycle.closes_at:
        return
    rollout.message_unasked(
        ctx,
        person.id,
        CheckInReminder(invitation.id, number),
        to=Destination.person(ctx.org, person.slack_id),
        dedupe_key=f"maturity:{cycle.id}:reminder{number}:{person.id}",
        subject=check_ins.subject(invitation.id),
        due_at=at,
        expires_at=cycle.closes_at,
    )
