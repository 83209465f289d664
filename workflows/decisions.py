"""Where every request is opened, acted on and ended: it and its subject change in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from workflows import permissions, resting
from workflows.actors import Actor, ActorKind
from workflows.approvable import SubjectType
from workflows.approvals import (
    actions,
    conditions,
    door,
    editing,
    emergency,
    escalation,
    notifications,
    policy_simulation,
    reads,
    rereading,
    service,
    submission,
)
from workflows.approvals.completion import Circumstances
from workflows.approvals.delegation import Takers
from workflows.approvals.forms import Decide, HandOver, OnRequest, SubmitRequest
from workflows.approvals.policy_simulation import Explained, Rerouted, Simulation
from workflows.approvals.records import Card, Reminder
from workflows.approvals.submission import Route
from workflows.budgets import increase
from workflows.inventory import model_approval
from workflows.milestones import reschedule
from workflows.milestones import service as milestones
from workflows.policy import Policy
from workflows.releases import service as releases
from workflows.statements import service as statements

SUBJECTS: dict[str, SubjectType] = {
    increase.TYPE: increase.BUDGET_INCREASE,
    releases.TYPE: releases.RELEASE,
    milestones.TYPE: reschedule.RESCHEDULE,
    model_approval.TYPE: model_approval.MODEL_APPROVAL,
}
"""What can be asked for, by subject type."""


def submit(
    session: Session,
    actor: Actor,
    form: SubmitRequest,
    *,
    policy: Policy,
    policy_id: int,
    now: datetime,
    org_key: str,
) -> int:
    """Open a request and ask its first stage; its id. The same `request_key` again changes nothing.

    Raises GovernanceError when the subject refuses the form, or when a stage could never pass.
    """
    return submission.submit_request(
        session,
        actor,
        form,
        subjects=SUBJECTS,
        policy=policy,
        policy_id=policy_id,
        now=now,
        org_key=org_key,
    )


def act(
    session: Session,
    actor: Actor,
    form: OnRequest,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
    mirrored_since: datetime | None = None,
    asked: frozenset[str] = frozenset(),
    policy_id: int = 0,
) -> str:
    """Do about a request what the form says, through the door; a sentence (not escaped) for whoever did it.

    `clicked` is the channel and ts of the card: it is redrawn first. With `mirrored_since` (real time) it raises
    Unconfirmed when the act rests on something that Slack told before; `asked` are those whom Slack was
    asked about since. `policy_id` is the version in force, to which a change binds the request. Raises GovernanceError with a sentence for
    everyone who may not do it, or not any more, or on what was shown; nothing is changed then.
    """
    around = Circumstances(
        SUBJECTS,
        policy,
        org_key,
        now,
        clicked,
        mirrored_since,
        asked,
        policy_id,
        _withdraw_statement(now),
    )
    sentence = actions.perform_act(session, actor, form, around)
    if not isinstance(form, Decide):  # which knows whether anything shows the request
        refresh_showing(session, form.approval_id, now=now, clicked=clicked)
    return sentence


def require_entitled(
    session: Session,
    actor: Actor,
    form: OnRequest,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
    mirrored_since: datetime | None = None,
    asked: frozenset[str] = frozenset(),
) -> None:
    """Raise what the door would refuse, before somebody is asked to write anything."""
    around = Circumstances(SUBJECTS, policy, org_key, now, clicked, mirrored_since, asked)
    actions.require_entitled(session, actor, form, around)


def list_takers(
    session: Session,
    actor: Actor,
    form: HandOver,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
    mirrored_since: datetime | None = None,
    asked: frozenset[str] = frozenset(),
    query: str = "",
) -> Takers:
    """Who could take the actor's place in a request, by name. Raises what the door would refuse."""
    around = Circumstances(SUBJECTS, policy, org_key, now, clicked, mirrored_since, asked)
    return actions.list_takers(session, actor, form, around, query=query)


def expire(
    session: Session,
    approval_id: int,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> None:
    """Nobody decided in time. Does nothing when the request has ended or is not due yet."""
    service.expire(
        session,
        approval_id,
        subjects=SUBJECTS,
        policy=policy,
        now=now,
        org_key=org_key,
        clicked=clicked,
    )
    refresh_showing(session, approval_id, now=now, clicked=clicked)


def recheck(
    session: Session,
    approval_id: int,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> bool:
    """Read again what a request is about and rests on, and do what follows; whether anything was different.

    Where the subject isn't what was asked about any more, the requester is asked. Stages that the record demands now are
    added, its cards show what changed, and people are told and asked anew as its gate says. Where nobody is left to
    decide, the fallback is asked, or that is told.
    """
    around = Circumstances(SUBJECTS, policy, org_key, now, clicked)
    looks = (rereading.recheck_subject, rereading.recheck_facts, service.recheck_passable)
    changed = [look(session, approval_id, around) for look in looks]
    if any(changed):
        refresh_showing(session, approval_id, now=now, clicked=clicked)
    return any(changed)


def require_editable(
    session: Session,
    actor: Actor,
    approval_id: int,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> Card:
    """A request of one's own, for the window that changes it. Raises the refusal of who may not, or not any more."""
    around = Circumstances(SUBJECTS, policy, org_key, now, clicked)
    return editing.require_editable(session, actor, approval_id, around)


def plan_reminders(
    session: Session,
    approval_id: int,
    position: int,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> None:
    """A reminder of a stage fell due; each who has not decided is told when they are at work."""
    around = Circumstances(SUBJECTS, policy, org_key, now)
    escalation.plan_reminders(session, approval_id, position, around)


def send_reminder(
    session: Session, person_id: str, *, policy: Policy, now: datetime, org_key: str
) -> None:
    """One message with everything that this person is to be reminded of now."""
    escalation.send_reminder(session, person_id, Circumstances(SUBJECTS, policy, org_key, now))


def read_reminder(
    session: Session, reminder_id: int, *, policy: Policy, now: datetime
) -> Reminder | None:
    """A reminder as it stands now; None when there is none."""
    return escalation.read_reminder(session, reminder_id, Circumstances(SUBJECTS, policy, "", now))


def escalate(
    session: Session,
    approval_id: int,
    position: int,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> None:
    """A stage waited too long. Does nothing when it has been decided, or escalated before."""
    around = Circumstances(SUBJECTS, policy, org_key, now)
    escalation.escalate_stage(session, approval_id, position, around)
    refresh_showing(session, approval_id, now=now, clicked=None)


def end_validity(
    session: Session, approval_id: int, *, policy: Policy, now: datetime, org_key: str
) -> None:
    """An approval holds no longer."""
    around = Circumstances(SUBJECTS, policy, org_key, now)
    escalation.end_validity(session, approval_id, around)


def simulate(session: Session, policy: Policy, *, since: datetime, org_key: str) -> Simulation:
    """What requests since then would have met under another policy. Changes nothing."""
    return policy_simulation.simulate_policy(session, policy, since=since, org_key=org_key)


def reroute(
    session: Session,
    actor: Actor,
    approval_id: int,
    *,
    policy: Policy,
    policy_id: int,
    now: datetime,
    org_key: str,
) -> Rerouted:
    """Move an open request to this version of the policy, or say why it stays on its own."""
    around = Circumstances(SUBJECTS, policy, org_key, now)
    moved = policy_simulation.reroute_request(session, actor, approval_id, policy_id, around)
    if moved.moved:
        resting.recheck(session, [approval_id], at=now)
        refresh_showing(session, approval_id, now=now, clicked=None)
    return moved


def list_open(session: Session) -> tuple[int, ...]:
    """Ids of all requests that wait, oldest first."""
    return tuple(activity.list_open(session))


def explain(
    session: Session, approval_id: int, *, policy: Policy, now: datetime, org_key: str
) -> Explained:
    """Why each person could or could not decide a request. Raises NotFound."""
    card_ = card(session, approval_id, policy=policy, now=now)
    return policy_simulation.explain_request(session, card_, org_key=org_key, now=now)


def preview_route(
    session: Session,
    actor: Actor,
    gate: str,
    people: Mapping[str, str | None],
    *,
    policy: Policy,
    org_key: str,
) -> Route:
    """Who would be asked at this gate, in which order. `people` are the subject's owner, sponsor and so on."""
    return submission.preview_route(
        session, actor, policy.gate(gate), people, policy=policy, org_key=org_key
    )


def remind_review(
    session: Session, approval_id: int, *, policy: Policy, now: datetime, org_key: str
) -> None:
    """Broken glass was to be reviewed by now. Does nothing when it was."""
    around = Circumstances(SUBJECTS, policy, org_key, now)
    emergency.remind_review(session, approval_id, around)


def _withdraw_statement(now: datetime) -> Callable[[Session, int], None]:
    """What rests on an approval goes with it: its signed statement is withdrawn."""
    return lambda session, approval_id: statements.withdraw_for_approval(
        session, approval_id, now=now
    )


def follow_up_condition(
    session: Session,
    approval_id: int,
    condition_id: int,
    kind: str,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> None:
    """The day of a condition comes, or is over. Does nothing for one that has ended."""
    around = Circumstances(SUBJECTS, policy, org_key, now, lapsed=_withdraw_statement(now))
    conditions.follow_up_condition(session, approval_id, condition_id, kind, around)
    refresh_showing(session, approval_id, now=now, clicked=None)


def card(
    session: Session,
    approval_id: int,
    *,
    policy: Policy,
    now: datetime,
    reader_id: str | None = None,
) -> Card:
    """A request as it stands now, and how `reader_id` stands to it. Raises NotFound."""
    return reads.card(
        session, approval_id, subjects=SUBJECTS, policy=policy, now=now, reader_id=reader_id
    )


def list_waiting(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> tuple[Card, ...]:
    """What waits for this person's decision, the most urgent first; at most 20."""
    return reads.list_waiting(session, actor.id, subjects=SUBJECTS, policy=policy, now=now)


def list_asked(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> tuple[Card, ...]:
    """What this person asked for: pending requests, then those that ended within 14 days; at most 20."""
    return reads.list_asked(session, actor, subjects=SUBJECTS, policy=policy, now=now)


def list_waiting_ids(session: Session, actor: Actor, *, now: datetime) -> list[int]:
    """Every request that waits for this person's decision, the most urgent first."""
    return reads.list_waiting_ids(session, actor.id, now=now)


def list_asked_ids(
    session: Session, actor: Actor, *, now: datetime
) -> tuple[list[int], list[datetime]]:
    """Every request of this person, pending ones first, and when each of the pending ones expires."""
    return reads.list_asked_ids(session, actor, now=now)


def cards(
    session: Session,
    ids: Sequence[int],
    *,
    policy: Policy,
    now: datetime,
    reader_id: str | None = None,
) -> tuple[Card, ...]:
    """Several requests as they stand now, in the order of `ids`."""
    return reads.cards(session, ids, subjects=SUBJECTS, policy=policy, now=now, reader_id=reader_id)


def list_pending_of_project(
    session: Session, project_id: int, *, policy: Policy, now: datetime
) -> tuple[Card, ...]:
    """Requests about this project that wait for somebody, oldest first."""
    return reads.cards(
        session,
        queries.list_pending_of_project(session, project_id),
        subjects=SUBJECTS,
        policy=policy,
        now=now,
    )


def list_approver_ids(session: Session, approval_id: int) -> frozenset[str]:
    """Whom the stages of a request name (Slack ids and `@group`s), to be confirmed with Slack before a decision."""
    return reads.list_approver_ids(session, approval_id)


def redraw_card(
    session: Session, approval_id: int, *, now: datetime, clicked: tuple[str, str]
) -> None:
    """Somebody clicked on a card that is not what it was: draw that card, and all others, as they are now."""
    service.redraw_card(session, approval_id, now=now, clicked=clicked)
    refresh_showing(session, approval_id, now=now, clicked=clicked)


def require_card(
    session: Session,
    actor: Actor,
    approval_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None = None,
) -> Card:
    """A request before somebody who may read it. Raises NotFound for everybody else, as for one that is not there.

    `clicked` is the message of ours that they have before them.
    """
    around = Circumstances(SUBJECTS, policy, "", now, clicked)
    return door.require_card(session, actor, approval_id, around)


def list_projects_in_sight(
    session: Session, actor: Actor, *, policy: Policy
) -> frozenset[int] | None:
    """Ids of the projects whose requests are listed for somebody; None for all of them."""
    if actor.kind is ActorKind.PROGRAM:
        return None
    return permissions.sight(session, actor.id, policy=policy).within


def refresh_showing(
    session: Session, approval_id: int, *, now: datetime, clicked: tuple[str, str] | None
) -> None:
    """Digests and reminders that show the request tell how it stands now."""
    notifications.refresh_showing(session, approval_id, now=now, clicked=clicked)
