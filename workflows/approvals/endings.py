"""The end of a request: the subject changes or stays, the timers stop, everybody concerned is told, all at once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import changing, queries
from storage.approvals.queries import RequestRow
from storage.enums import ApprovalState
from workflows import outbox, timers
from workflows.actors import SYSTEM, Actor
from workflows.approvals import announcements, clocks, people, rules, terms
from workflows.audit import heads
from workflows.audit import service as audit
from workflows.policy import Policy
from workflows.subjects import SubjectType

EXPIRE = "approval.expire"
"""The timer that ends a request which nobody decided."""

Subjects = Mapping[str, SubjectType]
"""What can be asked for, by subject type."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What every action needs to know beside the request itself."""

    subjects: Subjects
    policy: Policy
    org_key: str
    now: datetime
    clicked: tuple[str, str] | None = None
    mirrored_since: datetime | None = None
    """Real time; what Slack told before is too old to decide by. None takes the mirror as it is."""
    asked: frozenset[str] = frozenset()
    """About whom and which groups Slack was asked for this act: who is still unread then is not known to it."""
    policy_id: int = 0
    """The version of the policy that is in force."""
    lapsed: Callable[[Session, int], None] = lambda session, approval_id: None
    """Told of an approval that holds no more, in its transaction: what rests on it goes with it."""


def end_request(
    session: Session,
    actor: Actor,
    head: RequestRow,
    request: rules.Request,
    outcome: ApprovalState,
    around: Circumstances,
    *,
    decision_id: int = 0,
) -> None:
    """The subject changes or stays, the timers stop, and everybody who has a copy or asked is told: all at once."""
    subject, now = around.subjects[head.subject_type], around.now
    # The request is locked, then its subject, then timers, lanes and the ledger's head: one order everywhere, so that
    # two transactions never wait for each other.
    subject.lock(session, head.subject_id)
    timers.cancel(session, announcements.subject(head.id))
    valid_seconds = (head.bound or {}).get("valid_for")
    valid_until = (
        now + timedelta(seconds=valid_seconds)
        if valid_seconds is not None and outcome is ApprovalState.APPROVED
        else None
    )
    queries.advance(
        session,
        head.id,
        stage=request.stage,
        state=outcome,
        asked_at=head.asked_at,
        ended_at=now,
        valid_until=valid_until,
    )
    audit.record(
        session,
        actor,
        f"approval.{outcome.value}",
        ("approval", head.id),
        now=now,
        gate=head.gate,
        about=[head.subject_type, head.subject_id],
        policy=head.policy_id,
        by_rule=(head.bound or {}).get("by_rule") or None,
        valid_until=valid_until.isoformat(timespec="microseconds") if valid_until else None,
    )
    if valid_until is not None:
        timers.start(session, announcements.subject(head.id), clocks.LAPSE, valid_until)
    if outcome is ApprovalState.APPROVED:
        subject.apply(
            session, actor, head.id, head.subject_id, head.facts, policy=around.policy, now=now
        )
    else:
        subject.close(
            session,
            actor,
            head.id,
            head.subject_id,
            head.facts,
            outcome=outcome,
            policy=around.policy,
            now=now,
        )
    if head.has_more:
        _wind_up(session, head, outcome, around)
    outbox.refresh(session, announcements.subject(head.id), now=now, clicked=around.clicked)
    post_story(session, head, decision_id, around)
    if outcome is not ApprovalState.WITHDRAWN:
        announcements.notify_requester(
            session, head.id, head.requester_slack_id, org_key=around.org_key, now=now
        )
    heads.publish(
        session,
        reason_key=f"approval:{head.id}",
        policy=around.policy,
        org_key=around.org_key,
        now=now,
    )


def _wind_up(
    session: Session, head: RequestRow, outcome: ApprovalState, around: Circumstances
) -> None:
    """What was still open beside the decision ends with it; only an approval leaves its conditions."""
    question = more.find_open_question(session, head.id)
    if question is not None:
        question.ended_at = around.now
        changing.set_columns(session, head.id, paused_at=None)
    if outcome is not ApprovalState.APPROVED:
        more.drop_conditions(session, head.id, now=around.now)
    else:
        terms.begin_conditions(session, head.id, around)


def pass_by_rule(
    session: Session, approval_id: int, project_id: int, around: Circumstances
) -> None:
    """A request that the policy lets pass without asking anybody: approved as it is opened, and shown as such."""
    head = queries.lock_request(session, approval_id)[0]
    request = rules.Request(
        head.requester_id,
        ApprovalState.PENDING,
        0,
        head.revision,
        head.expires_at,
        (rules.Stage.of(head),),
    )
    announcements.post_passed_card(
        session, approval_id, project_id=project_id, org_key=around.org_key, now=around.now
    )
    end_request(session, SYSTEM, head, request, ApprovalState.APPROVED, around)


def ask_stage(
    session: Session,
    head: RequestRow,
    stage: rules.Stage,
    position: int,
    barred: Collection[str],
    around: Circumstances,
    *,
    expires_at: datetime,
    edition: int,
) -> dict[str, people.Reached]:
    """Ask a later stage, or one anew, without those who are `barred` from it; whom it asks, by id."""
    (asked,) = people.list_reached(session, [stage], around.org_key)
    asked = {id_: person for id_, person in asked.items() if id_ not in barred}
    announcements.ask_stage(
        session,
        head.id,
        stage,
        position,
        asked,
        project_id=head.project_id,
        has_card=head.card_id is not None,
        receipt_to=None,
        expires_at=expires_at,
        policy=around.policy,
        org_key=around.org_key,
        now=around.now,
        edition=edition,
    )
    return asked


def post_story(session: Session, head: RequestRow, decision_id: int, around: Circumstances) -> None:
    """One line in the thread under the channel's card."""
    announcements.post_story(
        session,
        head.id,
        decision_id,
        card_id=head.card_id,
        channel=head.channel,
        org_key=around.org_key,
        now=around.now,
    )


def post_thread_line(
    session: Session,
    head: RequestRow,
    what: str,
    item_id: int,
    around: Circumstances,
    *,
    times: int = 0,
) -> None:
    """One line in the thread about what somebody did beside deciding."""
    announcements.post_thread_line(
        session,
        head.id,
        what,
        item_id,
        card_id=head.card_id,
        channel=head.channel,
        org_key=around.org_key,
        now=around.now,
        times=times,
    )
