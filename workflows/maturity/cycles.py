"""A check-in from its opening to its close: who is invited when, two reminders, and the result."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from storage.enums import Answer, AskedAs, CycleState, InvitationState, SeenBy
from storage.maturity import queries
from storage.maturity import queries as said
from storage.maturity.tables import MaturityCycle, MaturityInvitation
from storage.people import queries as people
from storage.people.lookups import find_channel
from storage.people.tables import Person
from workflows import outbox, permissions, timers
from workflows.anonymity import service as disclosure
from workflows.audit import service as audit
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound
from workflows.maturity import check_ins, invitations, results
from workflows.maturity import invitations as maturity_invitations
from workflows.maturity import rules as rubrics
from workflows.maturity.notices import CheckInResult
from workflows.maturity.records import CycleResult, CycleStatus, Plan, SingleAnswers, Terms
from workflows.maturity.results import from_json
from workflows.maturity.rules import Rubric
from workflows.outbox import Destination, Subject
from workflows.policy import Policy
from workflows.policy.sections import MONTHS_APART

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


def plan_check_in(ctx: Context, business_unit: str | None) -> Plan:
    """Whom a check-in would ask, for a leader to look at first. Raises NotAllowed, NotFound, InvalidInput."""
    invitations.require_leader(ctx, "maturity.start")
    if business_unit is not None:
        business_unit = invitations.match_unit(
            queries.list_units(ctx.session, ctx.org), business_unit
        )
    asked = invitations.list_invitees(ctx, business_unit=business_unit)
    rules = ctx.policy.maturity
    _refuse_overlap(ctx, business_unit)
    if len(asked) < rules.minimum_group:
        where = f" in {business_unit}" if business_unit else ""
        raise InvalidInput(
            f"Only {len(asked)} people{where} would be asked, and nothing is told of fewer than {rules.minimum_group}. "
            "Personas come from `mlgov import people FILE`; whom a check-in asks stands in governance.yml under `maturity`."
        )
    rubric = queries.find_current_rubric(ctx.session)
    if rubric is None:
        raise InvalidInput("No rubric is in force yet. Restart mlgov to adopt one.")
    leaders = sum(part is AskedAs.LEADER for _, part in asked)
    return Plan(
        business_unit=business_unit,
        leaders=leaders,
        practitioners=len(asked) - leaders,
        closes_at=_closing(ctx.policy, ctx.now),
        statements=len(rubrics.parse(rubric.text).statements),
        terms=Terms(rules.answers_seen_by, rules.minimum_group),
    )


def _refuse_overlap(ctx: Context, business_unit: str | None) -> None:
    """Nobody is asked by two check-ins at once."""
    for other in queries.list_open_cycles(ctx.session):
        if business_unit is None or other.business_unit in (None, business_unit):
            whose = f"of {other.business_unit} " if other.business_unit else ""
            ends = other.closes_at.astimezone(ctx.policy.organisation.zone)
            raise InvalidInput(
                f"A check-in {whose}is open until {ends:%a} {ends.day} {ends:%b}. Wait for it, or close it.",
                hint="maturity.close",
            )


def start_check_in(ctx: Context, business_unit: str | None, *, slot: str | None = None) -> int:
    """Open a check-in; people are invited in their own working hours. Raises as `plan_check_in` does. Its id."""
    queries.lock_rubrics(ctx.session)
    draft = plan_check_in(ctx, business_unit)
    rubric = queries.find_current_rubric(ctx.session)
    if rubric is None:
        raise InvalidInput("No rubric is in force yet. Restart mlgov to adopt one.")
    cycle = MaturityCycle(
        slot=slot,
        business_unit=draft.business_unit,
        rubric_id=rubric.id,
        started_by=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
        state=CycleState.OPEN,
        open_scope=draft.business_unit or "",
        seen_by=draft.terms.seen_by,
        minimum_group=draft.terms.minimum_group,
        opened_at=ctx.now,
        closes_at=draft.closes_at,
    )
    ctx.session.add(cycle)
    ctx.session.flush()
    asked = invitations.list_invitees(ctx, business_unit=draft.business_unit)
    queries.insert_invitations(
        ctx.session,
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
        ctx,
        "maturity.opened",
        (TYPE, cycle.id),
        unit=draft.business_unit,
        people=len(asked),
        leaders=draft.leaders,
        slot=slot,
        rubric=rubric.sha256,
        closes=draft.closes_at.isoformat(),
    )
    timers.start(ctx.session, subject(cycle.id), "maturity.invite", ctx.now)
    timers.start(ctx.session, subject(cycle.id), "maturity.close", cycle.closes_at)
    return cycle.id


def open_scheduled(ctx: Context, today: date) -> int | None:
    """Open the period's check-in when its day has come and nothing is in the way; its id.

    An organisation that met mlgov within the period waits for the next one: nobody is surprised by an invitation on
    the day of the installation.
    """
    every = ctx.policy.maturity.cycle
    if every == "off":
        return None
    begins = period(today, MONTHS_APART[every], ctx.policy.organisation.fiscal_month)
    slot = f"{begins:%Y-%m}"
    opens = _first_working_day(calendar_for(ctx.policy), begins)
    since = queries.first_policy_at(ctx.session)
    if since is None or since.astimezone(ctx.policy.organisation.zone).date() > begins:
        return None
    if not opens <= today <= opens + CATCH_UP or queries.has_slot(ctx.session, slot):
        return None
    try:
        return start_check_in(ctx.as_system(), None, slot=slot)
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


def close_check_in(ctx: Context, cycle_id: int) -> bool:
    """Close a check-in: the result is fixed and told, and nothing can be changed any more. False when it was closed.

    Leaders may; the timer does when the time is over. Raises NotAllowed, NotFound.
    """
    invitations.require_leader(ctx, "maturity.close")
    cycle = queries.lock_cycle(ctx.session, cycle_id)
    if cycle is None:
        raise NotFound("There is no such check-in any more.")
    if cycle.state != CycleState.OPEN:
        return False
    everybody = queries.list_with_people(ctx.session, cycle_id)
    for invitation, person in everybody:
        check_ins.mark_left(ctx, invitation, person)
    ctx.session.flush()
    result = results.compute_final(ctx, cycle)
    cycle.result = results.as_json(result)
    cycle.state, cycle.open_scope, cycle.closed_at = CycleState.CLOSED, None, ctx.now
    ctx.session.flush()
    audit.record(
        ctx,
        "maturity.closed",
        (TYPE, cycle_id),
        invited=result.invited,
        answered=result.answered,
        answers=check_ins.digest_answers(ctx.session, cycle_id),
        overall=result.overall.value if result.overall else None,
        levels={one.key: one.level.value for one in result.told if one.level},
    )
    timers.cancel(ctx.session, subject(cycle_id))
    timers.start(ctx.session, subject(cycle_id), "maturity.farewell", ctx.now)
    wanted = ctx.policy.maturity.channel or ctx.policy.channels.governance
    channel = find_channel(ctx.session, ctx.org, wanted)
    if channel is not None:
        outbox.post(
            ctx.session,
            CheckInResult(cycle_id),
            to=Destination.channel(ctx.org, channel),
            dedupe_key=f"maturity:{cycle_id}:result",
            subject=subject(cycle_id),
            now=ctx.now,
        )
    return True


def say_farewell(ctx: Context, cycle_id: int, after: int) -> None:
    """Let the next few people's messages say that the check-in is closed. `after` is the last one done."""
    ids = queries.list_ids(ctx.session, cycle_id, after=after, most=BATCH)
    for invitation_id in ids:
        timers.cancel(ctx.session, check_ins.subject(invitation_id))
        outbox.refresh(ctx, check_ins.subject(invitation_id))
    if len(ids) == BATCH:
        timers.start(ctx.session, subject(cycle_id), "maturity.farewell", ctx.now, seq=ids[-1])


# --- looking


def list_open_cycles(ctx: Context) -> list[CycleStatus]:
    """How the open check-ins go, for leaders. What is told is kept, so this takes a transaction that may write."""
    return [load_status(ctx, cycle) for cycle in queries.list_open_cycles(ctx.session)]


def load_status(ctx: Context, cycle: MaturityCycle) -> CycleStatus:
    """How one goes, in a count that tells of nobody."""
    fewest = check_ins.terms(cycle, ctx.policy).minimum_group
    invited, finished = results.count_answered(
        ctx, cycle, fewest=fewest, audience=disclosure.LEADERS
    )
    return CycleStatus(
        cycle_id=cycle.id,
        label=check_ins.label(cycle, ctx.policy),
        business_unit=cycle.business_unit,
        state=CycleState(cycle.state),
        opened_at=cycle.opened_at,
        closes_at=cycle.closes_at,
        invited=invited,
        finished=finished,
        fewest=fewest,
    )


# --- Who sees which result, and single answers where the first message of a check-in said so

NO_RESULT = "There is no such result here for you to see."
NO_TARGETS = "There are no such targets here for you to see. They are for those whom the check-in asked, for leaders and for assessors."


def may_see(ctx: Context, cycle_id: int) -> bool:
    """Whether somebody may see a result outside its channel: those who were asked, leaders and assessors."""
    return ctx.actor.is_member and (
        queries.was_invited(ctx.session, cycle_id, ctx.actor.id)
        or any(
            maturity_invitations.has_role(ctx, role)
            for role in (maturity_invitations.LEADER, maturity_invitations.ASSESSOR)
        )
    )


def load_result(ctx: Context, cycle_id: int) -> CycleResult:
    """The result of a closed check-in before somebody who may see it, or who has its card before them (`ctx.card`).

    Raises NotFound for everybody else, as for one that is open or not there.
    """
    cycle = queries.find_cycle(ctx.session, cycle_id)
    card = permissions.find_shown(ctx)
    if (
        cycle is None
        or cycle.result is None
        or not (card == (TYPE, str(cycle_id)) or may_see(ctx, cycle_id))
    ):
        raise NotFound(NO_RESULT, hint="maturity.results")
    return from_json(cycle.result)


def resolve_unit(ctx: Context, words: str) -> str | None:
    """The business unit that somebody typed, whose targets they may see; None for no words: the organisation.

    Targets stand beside the newest result, so they are for who may see that: leaders, assessors and those who were asked;
    a unit's are for its own people too, and the organisation's are everybody's until there is a result. Raises NotFound,
    in the same words for a unit that is not there.
    """
    permissions.require_member(ctx.actor, "maturity.read")
    if any(
        maturity_invitations.has_role(ctx, role)
        for role in (maturity_invitations.LEADER, maturity_invitations.ASSESSOR)
    ):
        units = queries.list_units(ctx.session, ctx.org)
        return maturity_invitations.match_unit(units, words) if words else None
    person = people.find_person(ctx.session, ctx.actor.id)
    own = person.business_unit if person is not None else None
    if (
        words
        and own is not None
        and maturity_invitations.folded(own) == maturity_invitations.folded(words)
    ):
        return own
    wanted = next(
        (
            one
            for one in queries.list_units(ctx.session, ctx.org)
            if maturity_invitations.folded(one) == maturity_invitations.folded(words)
        ),
        None,
    )
    last = queries.find_last_closed(ctx.session, wanted) if wanted or not words else None
    was_asked = last is not None and queries.was_invited(ctx.session, last.id, ctx.actor.id)
    if was_asked or (last is None and not words):
        return wanted
    raise NotFound(NO_TARGETS)


def find_visible_result(ctx: Context) -> CycleResult | None:
    """The newest result that somebody may see: the organisation's, else that of a unit they were asked in."""
    for cycle in queries.list_closed(ctx.session):
        if cycle.result is not None and may_see(ctx, cycle.id):
            return from_json(cycle.result)
    return None


def shows_single(ctx: Context, cycle_id: int) -> bool:
    """Whether this person is shown single answers of a closed cycle."""
    cycle = queries.find_cycle(ctx.session, cycle_id)
    return (
        cycle is not None
        and cycle.state == CycleState.CLOSED
        and check_ins.terms(cycle, ctx.policy).seen_by is not SeenBy.NOBODY
        and maturity_invitations.has_role(ctx, maturity_invitations.ASSESSOR)
    )


def list_single_answers(ctx: Context, cycle_id: int) -> tuple[SingleAnswers, ...]:
    """Each person's answers, where the first message of the check-in said that an assessor sees them.

    Without names they come in an order that says nothing about who gave them. Raises NotAllowed, NotFound.
    """
    if not maturity_invitations.has_role(ctx, maturity_invitations.ASSESSOR):
        raise NotAllowed(
            "Single answers are for assessors, whom an administrator names in governance.yml."
        )
    cycle = queries.find_cycle(ctx.session, cycle_id)
    if cycle is None or cycle.state != CycleState.CLOSED:
        raise NotFound("Single answers can be looked at once the check-in is closed.")
    terms = check_ins.terms(cycle, ctx.policy)
    if terms.seen_by is SeenBy.NOBODY:
        raise NotAllowed(
            "Nobody is shown single answers of this check-in; that is what its first message promised."
        )
    named = terms.seen_by is SeenBy.ASSESSOR_BY_NAME
    asked = check_ins.load_rubric(ctx.session, cycle)
    answers: dict[int, dict[str, Answer]] = {}
    for i, statement, answer in said.list_cycle_answers(ctx.session, cycle_id):
        answers.setdefault(i, {})[statement] = Answer(answer)
    invited = queries.list_with_people(ctx.session, cycle_id)
    everybody = [
        (invitation, person)
        for invitation, person in invited
        if invitation.id in answers and invitation.state != InvitationState.LEFT
    ]
    if not named:
        everybody = _tellable(everybody, answers, asked)
        if _was_erased_since(ctx.session, cycle, invited):
            raise NotAllowed(
                "Somebody's answers were erased after results had been told, so single answers aren't shown any more: "
                "which ones are gone would tell whose they were."
            )
        if len(everybody) < terms.minimum_group:
            raise NotAllowed(
                f"Fewer than {terms.minimum_group} people answered everything, so single answers would tell who said what."
            )
    everybody.sort(key=lambda pair: pair[1].name if named else pair[0].salt or "")
    invitations = []
    for invitation, person in everybody:
        notes = {note.dimension: note for note in said.list_notes(ctx.session, invitation.id)}
        ids = [i for n in notes.values() for i in (n.comment_id, n.link_id) if i is not None]
        invitations.append(
            SingleAnswers(
                person.name if named else None,
                check_ins.parts(
                    asked, answers[invitation.id], notes, said.load_texts(ctx.session, ids)
                ),
            )
        )
    return tuple(invitations)


def _tellable(
    everybody: list[tuple[MaturityInvitation, Person]],
    answers: Mapping[int, Mapping[str, Answer]],
    asked: Rubric,
) -> list[tuple[MaturityInvitation, Person]]:
    """Without names, those who answered everything: what somebody left out is known to others, and would name them."""
    return [
        (invitation, person)
        for invitation, person in everybody
        if all(one.id in answers[invitation.id] for one in asked.statements)
    ]


def _was_erased_since(
    session: Session, cycle: MaturityCycle, invited: Iterable[tuple[MaturityInvitation, Person]]
) -> bool:
    """Whether somebody was erased who may stand in a figure that was told, early or in the end."""
    early = said.list_early(session, cycle.id)
    since = early[0].made_at if early else cycle.closed_at
    return since is not None and any(
        person.erased_at is not None and person.erased_at >= since for _, person in invited
    )
