"""Whom a check-in asks, by persona and role, and who may start one, set targets or see single answers."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.enums import AskedAs, CycleState, InvitationState
from storage.maturity import queries
from storage.people import queries as people
from storage.people.tables import Person
from workflows import handles, permissions, rollout, timers
from workflows.actors import Actor, ActorKind
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.errors import NotAllowed, NotFound, RefusalFact
from workflows.maturity import check_ins
from workflows.maturity.notices import CheckInAsked, CheckInReminder
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

LEADER, ASSESSOR = "leader", "assessor"
"""Roles of the policy."""


def folded(text: str) -> str:
    """A persona or unit without what people write differently."""
    return " ".join(text.casefold().replace("-", " ").replace("_", " ").split())


def _members(session: Session, org_key: str, names: Collection[str]) -> set[str]:
    """Opaque ids of the people that Slack ids and groups name."""
    meant = set(handles.resolve(session, org_key, names).who(names))
    groups = people.list_groups(session, org_key, {name for name in meant if name[:1] == "S"})
    members = {
        person.id
        for _, person in people.list_members(
            session, [row.id for row in groups if not row.is_disabled]
        )
    }
    direct = [name for name in names if name[:1] in {"U", "W"}]
    return members | {row.id for row in people.find_by_slack_ids(session, org_key, direct).values()}


def _chosen(
    session: Session,
    org_key: str,
    rules: Iterable[str],
    everybody: Collection[Person],
    policy: Policy,
) -> set[str]:
    personas, names = set(), set()
    for rule in rules:
        if rule.startswith("persona:"):
            personas.add(folded(rule.removeprefix("persona:")))
        elif rule.startswith("role:"):
            names |= set(policy.roles.get(rule.removeprefix("role:"), ()))
        else:
            names.add(rule)
    by_persona = {row.id for row in everybody if row.persona and folded(row.persona) in personas}
    return by_persona | _members(session, org_key, names)


def list_invitees(
    session: Session, *, policy: Policy, org_key: str, business_unit: str | None
) -> list[tuple[Person, AskedAs]]:
    """Whom a cycle of the organisation, or of one unit, would ask; who is both is asked as a leader."""
    everybody = [row for row in people.list_organisation(session, org_key) if row.is_member]
    rules = policy.maturity
    leaders = _chosen(session, org_key, rules.leaders, everybody, policy)
    practitioners = _chosen(session, org_key, rules.practitioners, everybody, policy)
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


def has_role(session: Session, actor: Actor, role: str, *, policy: Policy, org_key: str) -> bool:
    """Whether the policy gives somebody a role."""
    names = policy.roles.get(role, ())
    if not names or not actor.is_member:
        return False
    return actor.id in _members(session, org_key, names)


def require_leader(
    session: Session, actor: Actor, action: str, *, policy: Policy, org_key: str
) -> None:
    """Refuse everyone but people of role `leader`, and mlgov itself."""
    if actor.kind is ActorKind.SYSTEM:
        return
    permissions.require_member(actor, action)
    if LEADER not in policy.roles:
        raise NotAllowed(
            "Only leaders can do that, and the policy names none. An administrator can add the role `leader` to governance.yml."
        )
    if not has_role(session, actor, LEADER, policy=policy, org_key=org_key):
        raise NotAllowed(
            "That is for leaders, whom an administrator names in governance.yml.",
            hint="maturity.possible",
            audit=RefusalFact(action, "maturity", "", why="role"),
        )


# --- Inviting people and reminding them, each in their own working hours; nobody after they
#     have finished

BATCH = 50
"""People in one transaction, so that a large organisation keeps nobody else waiting."""


def invite_some(
    session: Session, cycle_id: int, seq: int, *, policy: Policy, org_key: str, now: datetime
) -> None:
    """Invite the next few people of a cycle, each in their own working hours; the cycle is locked."""
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        return
    waiting = queries.list_waiting(session, cycle_id, BATCH)
    for invitation in waiting:
        invitation.invited_at = now
        person = queries.find_person(session, invitation.person_id)
        if person is None or check_ins.mark_left(session, invitation, person, now=now):
            continue
        if person.slack_id is None:
            continue
        calendar = calendar_for(policy, tz=person.tz, country=person.country)
        rollout.message_unasked(
            session,
            person.id,
            CheckInAsked(invitation.id),
            to=Destination.person(org_key, person.slack_id),
            dedupe_key=f"maturity:{cycle_id}:asked:{person.id}",
            policy=policy,
            now=now,
            subject=check_ins.subject(invitation.id),
            due_at=calendar.next_open(now),
            expires_at=cycle.closes_at,
        )
        for number, due in enumerate(reminder_moments(calendar, now, cycle.closes_at), 1):
            timers.start(
                session, check_ins.subject(invitation.id), "maturity.remind", due, seq=number
            )
    if len(waiting) == BATCH:
        timers.start(
            session, Subject.of("maturity_cycle", cycle_id), "maturity.invite", now, seq=seq + 1
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


def remind_person(
    session: Session,
    invitation_id: int,
    number: int,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    """Remind one person, unless they have finished, skipped or left; their check-in is locked."""
    invitation = queries.find_invitation(session, invitation_id)
    if invitation is None or invitation.state != InvitationState.INVITED:
        return
    cycle = queries.find_cycle(session, invitation.cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        return
    person = queries.find_person(session, invitation.person_id)
    if person is None or check_ins.mark_left(session, invitation, person, now=now):
        return
    if person.slack_id is None:
        return
    at = calendar_for(policy, tz=person.tz, country=person.country).next_open(now)
    if at >= cycle.closes_at:
        return
    rollout.message_unasked(
        session,
        person.id,
        CheckInReminder(invitation.id, number),
        to=Destination.person(org_key, person.slack_id),
        dedupe_key=f"maturity:{cycle.id}:reminder{number}:{person.id}",
        policy=policy,
        now=now,
        subject=check_ins.subject(invitation.id),
        due_at=at,
        expires_at=cycle.closes_at,
    )
