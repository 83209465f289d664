"""A check-in from its opening to its close: who is invited when, two reminders, and the result."""

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from storage.enums import AskedAs, CycleState, InvitationState
from storage.maturity import queries
from storage.maturity.tables import MaturityCycle
from storage.people.channels import find_channel
from workflows import outbox, timers
from workflows.actors import SYSTEM, Actor, ActorKind
from workflows.audit import service as audit
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.disclosure import service as disclosure
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.maturity import conversation, history, invitees, reading, results
from workflows.maturity import rubric as rubrics
from workflows.maturity.notices import CheckInResult
from workflows.maturity.records import CycleStatus, Plan, Terms
from workflows.outbox import Destination, Subject
from workflows.policy import Policy
from workflows.policy.maturity import MONTHS_APART

TYPE = "maturity_cycle"
BATCH = 50
"""People in one transaction, so that a large organisation keeps nobody else waiting."""
CATCH_UP = timedelta(days=28)
"""How late the schedule still opens a check-in: after downtime, or when another one was in the way."""


def subject(cycle_id: int) -> Subject:
    """The record that the result's messages follow."""
    return Subject.of(TYPE, cycle_id)


def _closing(policy: Policy, now: datetime) -> datetime:
    """The end of work on the last working day within the time that the policy gives."""
    calendar = calendar_for(policy)
    last = now + policy.maturity.lasts
    closes = calendar.closing(calendar.on_or_before(calendar.day(last)))
    return closes if closes > now + timedelta(days=1) else last


# --- opening


def plan_check_in(
    session: Session,
    actor: Actor,
    business_unit: str | None,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> Plan:
    """Whom a check-in would ask, for a leader to look at first. Raises NotAllowed, NotFound, InvalidInput."""
    invitees.require_leader(session, actor, "maturity.start", policy=policy, org_key=org_key)
    if business_unit is not None:
        business_unit = invitees.resolve_unit(queries.list_units(session, org_key), business_unit)
    asked = invitees.list_invitees(
        session, policy=policy, org_key=org_key, business_unit=business_unit
    )
    rules = policy.maturity
    _refuse_overlap(session, business_unit, policy)
    if len(asked) < rules.minimum_group:
        where = f" in {business_unit}" if business_unit else ""
        raise InvalidInput(
            f"Only {len(asked)} people{where} would be asked, and nothing is told of fewer than {rules.minimum_group}. "
            "Personas come from `mlgov import people FILE`; whom a check-in asks stands in governance.yml under `maturity`."
        )
    rubric = queries.find_current_rubric(session)
    if rubric is None:
        raise InvalidInput("No rubric is in force yet. Restart mlgov to adopt one.")
    leaders = sum(part is AskedAs.LEADER for _, part in asked)
    return Plan(
        business_unit=business_unit,
        leaders=leaders,
        practitioners=len(asked) - leaders,
        closes_at=_closing(policy, now),
        statements=len(rubrics.parse(rubric.text).statements),
        terms=Terms(rules.answers_seen_by, rules.minimum_group),
    )


def _refuse_overlap(session: Session, business_unit: str | None, policy: Policy) -> None:
    """Nobody is asked by two check-ins at once."""
    for other in queries.list_open_cycles(session):
        if business_unit is None or other.business_unit in (None, business_unit):
            whose = f"of {other.business_unit} " if other.business_unit else ""
            ends = other.closes_at.astimezone(policy.organisation.zone)
            raise InvalidInput(
                f"A check-in {whose}is open until {ends:%a} {ends.day} {ends:%b}. Wait for it, or close it.",
                hint="maturity.close",
            )


def start_check_in(
    session: Session,
    actor: Actor,
    business_unit: str | None,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    slot: str | None = None,
) -> int:
    """Open a check-in; people are invited in their own working hours. Raises as `plan_check_in` does. Its id."""
    queries.lock_rubrics(session)
    draft = plan_check_in(session, actor, business_unit, policy=policy, org_key=org_key, now=now)
    rubric = queries.find_current_rubric(session)
    if rubric is None:
        raise InvalidInput("No rubric is in force yet. Restart mlgov to adopt one.")
    cycle = MaturityCycle(
        slot=slot,
        business_unit=draft.business_unit,
        rubric_id=rubric.id,
        started_by=actor.id if actor.kind is ActorKind.PERSON else None,
        state=CycleState.OPEN,
        open_scope=draft.business_unit or "",
        seen_by=draft.terms.seen_by,
        minimum_group=draft.terms.minimum_group,
        opened_at=now,
        closes_at=draft.closes_at,
    )
    session.add(cycle)
    session.flush()
    asked = invitees.list_invitees(
        session, policy=policy, org_key=org_key, business_unit=draft.business_unit
    )
    queries.insert_invitations(
        session,
        [
            {
                "cycle_id": cycle.id,
                "person_id": person.id,
                "asked_as": part.value,
                "business_unit": person.business_unit,
                "state": InvitationState.INVITED.value,
            }
            for person, part in asked
        ],
    )
    audit.record(
        session,
        actor,
        "maturity.opened",
        (TYPE, cycle.id),
        now=now,
        unit=draft.business_unit,
        people=len(asked),
        leaders=draft.leaders,
        slot=slot,
        rubric=rubric.sha256,
        closes=draft.closes_at.isoformat(),
    )
    timers.start(session, subject(cycle.id), "maturity.invite", now)
    timers.start(session, subject(cycle.id), "maturity.close", cycle.closes_at)
    return cycle.id


def open_scheduled(
    session: Session, today: date, *, policy: Policy, org_key: str, now: datetime
) -> int | None:
    """Open the period's check-in when its day has come and nothing is in the way; its id.

    An organisation that met mlgov within the period waits for the next one: nobody is surprised by an invitation on
    the day of the installation.
    """
    every = policy.maturity.cycle
    if every == "off":
        return None
    begins = period(today, MONTHS_APART[every], policy.organisation.fiscal_month)
    slot = f"{begins:%Y-%m}"
    opens = _first_working_day(calendar_for(policy), begins)
    since = queries.first_policy_at(session)
    if since is None or since.astimezone(policy.organisation.zone).date() > begins:
        return None
    if not opens <= today <= opens + CATCH_UP or queries.has_slot(session, slot):
        return None
    try:
        return start_check_in(
            session, SYSTEM, None, policy=policy, org_key=org_key, now=now, slot=slot
        )
    except GovernanceError:
        return None


def period(today: date, months: int, first_month: int) -> date:
    """The first day of the period that holds `today`; periods of so many months follow the fiscal year."""
    back = (today.month - first_month) % months
    count = today.year * 12 + today.month - 1 - back
    return date(count // 12, count % 12 + 1, 1)


def _first_working_day(calendar: WorkingCalendar, day: date) -> date:
    return next(
        (
            candidate
            for step in range(14)
            if calendar.is_working_day(candidate := day + timedelta(days=step))
        ),
        day,
    )


# --- closing


def close_check_in(
    session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str, now: datetime
) -> bool:
    """Close a check-in: the result is fixed and told, and nothing can be changed any more. False when it was closed.

    Leaders may; the timer does when the time is over. Raises NotAllowed, NotFound.
    """
    invitees.require_leader(session, actor, "maturity.close", policy=policy, org_key=org_key)
    cycle = queries.lock_cycle(session, cycle_id)
    if cycle is None:
        raise NotFound("There is no such check-in any more.")
    if cycle.state != CycleState.OPEN:
        return False
    everybody = queries.list_with_people(session, cycle_id)
    for invitation, person in everybody:
        conversation.mark_left(session, invitation, person, now=now)
    session.flush()
    result = results.compute_final(session, cycle, policy=policy, now=now)
    cycle.result = results.as_json(result)
    cycle.state, cycle.open_scope, cycle.closed_at = CycleState.CLOSED, None, now
    session.flush()
    audit.record(
        session,
        actor,
        "maturity.closed",
        (TYPE, cycle_id),
        now=now,
        invited=result.invited,
        answered=result.answered,
        answers=conversation.digest_answers(session, cycle_id),
        overall=result.overall.value if result.overall else None,
        levels={one.key: one.level.value for one in result.told if one.level},
    )
    timers.cancel(session, subject(cycle_id))
    timers.start(session, subject(cycle_id), "maturity.farewell", now)
    wanted = policy.maturity.channel or policy.channels.governance
    channel = find_channel(session, org_key, wanted)
    if channel is not None:
        outbox.post(
            session,
            CheckInResult(cycle_id),
            to=Destination.channel(org_key, channel),
            dedupe_key=f"maturity:{cycle_id}:result",
            subject=subject(cycle_id),
            now=now,
        )
    return True


def say_farewell(session: Session, cycle_id: int, after: int, *, now: datetime) -> None:
    """Let the next few people's messages say that the check-in is closed. `after` is the last one done."""
    ids = queries.list_ids(session, cycle_id, after=after, most=BATCH)
    for invitation_id in ids:
        timers.cancel(session, conversation.subject(invitation_id))
        outbox.refresh(session, conversation.subject(invitation_id), now=now)
    if len(ids) == BATCH:
        timers.start(session, subject(cycle_id), "maturity.farewell", now, seq=ids[-1])


# --- looking


def list_open_cycles(session: Session, *, policy: Policy, now: datetime) -> list[CycleStatus]:
    """How the open check-ins go, for leaders. What is told is kept, so this takes a transaction that may write."""
    return [
        load_status(session, cycle, policy=policy, now=now)
        for cycle in queries.list_open_cycles(session)
    ]


def load_status(
    session: Session, cycle: MaturityCycle, *, policy: Policy, now: datetime
) -> CycleStatus:
    """How one goes, in a count that tells of nobody."""
    fewest = reading.terms(cycle, policy).minimum_group
    invited, finished = history.count_answered(
        session, cycle, fewest=fewest, audience=disclosure.LEADERS, now=now
    )
    return CycleStatus(
        cycle_id=cycle.id,
        label=reading.label(cycle, policy),
        business_unit=cycle.business_unit,
        state=CycleState(cycle.state),
        opened_at=cycle.opened_at,
        closes_at=cycle.closes_at,
        invited=invited,
        finished=finished,
        fewest=fewest,
    )
