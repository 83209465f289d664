"""Reviews of models in use: due by tier, asked for in time, told on when nobody did one, and never done by silence."""

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from storage.enums import FindingSource, Severity
from storage.inventory import queries
from storage.inventory.tables import Model
from workflows import permissions
from workflows.actors import SYSTEM, Actor
from workflows.audit import service as audit
from workflows.calendar import last_day
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact, Stale
from workflows.inventory import findings, reads, rules, standings, telling
from workflows.inventory.notices import ReviewDue
from workflows.inventory.rules import Who
from workflows.inventory.telling import Clicked
from workflows.policy import Policy


def plan_review(
    session: Session, actor: Actor, model: Model, *, policy: Policy, now: datetime
) -> None:
    """The next review is due after the time that its tier gives."""
    span = policy.inventory.review[model.tier or 1]
    model.next_review = reads.today_of(policy, now) + span
    model.review_asked = None
    audit.record(
        session,
        actor,
        "model.review_planned",
        ("model", model.id),
        now=now,
        due=model.next_review.isoformat(),
    )


def stop_unless_used(session: Session, actor: Actor, model: Model, *, now: datetime) -> None:
    """No review is due any more of a model of which no version is used, or suspended."""
    session.flush()
    states = {one.state for one in queries.list_versions(session, [model.id])}
    if model.next_review is None or states & rules.REVIEWED:
        return
    model.next_review = model.review_asked = None
    audit.record(session, actor, "model.review_stopped", ("model", model.id), now=now)


def ask_for_due_reviews(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    """Tell of reviews that are due: the owner on the day, and model risk too with each grace period that passes."""
    today = reads.today_of(policy, now)
    grace = policy.inventory.review_grace
    for model_id in queries.list_due_reviews(session, today):
        model = queries.lock_model(session, model_id)
        if model is None or model.next_review is None or model.owner_id is None:
            continue
        record = reads.load_model(session, model_id)
        late = (today - model.next_review) // max(grace, timedelta(days=1))
        day = model.next_review + late * grace
        if model.review_asked is not None and model.review_asked >= day:
            continue
        model.review_asked = day
        people = {model.owner_id}
        if late:
            people |= standings.list_holders(
                session, record, frozenset({Who.MODEL_RISK}), policy=policy, org_key=org_key
            )
        telling.notify_people(
            session,
            people,
            ReviewDue(model.id, bool(late)),
            f"model:review:{model.id}:{model.next_review}:{late}",
            model.id,
            policy=policy,
            org_key=org_key,
            now=now,
        )
        audit.record(
            session,
            SYSTEM,
            "model.review_due",
            ("model", model.id),
            now=now,
            due=model.next_review.isoformat(),
            late=bool(late),
        )
        telling.refresh_copies(session, model.id, now=now)
    _file_ended_approvals(session, policy=policy, org_key=org_key, now=now)


def _file_ended_approvals(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    """What is in use after its approval ended is a finding, which asks for a review."""
    for version_id in queries.list_ended_approvals(session, now):
        version = queries.find_version(session, version_id)
        if version is None or version.approved_until is None:
            continue
        day = version.approved_until.astimezone(policy.organisation.zone).date()
        findings.file_detected(
            session,
            version.model_id,
            version.id,
            {
                "what": "approval_over",
                "on": f"{last_day(version.approved_until, policy.organisation.zone):%d %b %Y}",
            },
            Severity.HIGH,
            FindingSource.REVIEW,
            f"approval_over:{version.id}:{day}",
            policy=policy,
            now=now,
            org_key=org_key,
        )


def record_review(
    session: Session,
    actor: Actor,
    model_id: int,
    due: date,
    *,
    words: str,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> str:
    """Somebody reviewed a model, and says what they saw; the next one is planned. A sentence for them.

    Its owner or model risk; at tier 1 not its owner alone. Nothing about it is approved anew by that.
    """
    permissions.require_member(actor, "model.review", subject=("model", model_id))
    model = queries.lock_model(session, model_id)
    reads.require_sight(session, actor, model_id, policy=policy)
    if model is None:
        raise reads.out_of_sight()
    if model.next_review is None:
        raise GovernanceError(
            "No review of this model is planned: none of its versions was taken into use."
        )
    if model.next_review != due:
        raise Stale(
            f"It was reviewed meanwhile; the next review is due on {model.next_review:%d %b %Y}."
        )
    record = reads.load_model(session, model_id)
    standing = standings.find_standing(session, actor, record, None, policy=policy)
    allowed = (
        {Who.MODEL_RISK}
        if model.tier == 1 and Who.MODEL_RISK not in standing.unnamed
        else {Who.MODEL_RISK, Who.OWNER}
    )
    if not allowed & standing.parts:
        who = (
            "model risk, because it is tier 1" if len(allowed) == 1 else "its owner and model risk"
        )
        raise NotAllowed(
            f"This review is for {who}.",
            audit=RefusalFact("model.review", "model", str(model_id), why="not_reviewer"),
        )
    if not words.strip():
        raise InvalidInput("Say what you looked at and what you saw.", field="words")
    text = audit.write_text(session, actor, words.strip(), now=now)
    audit.record(
        session,
        actor,
        "model.reviewed",
        ("model", model_id),
        now=now,
        due=due.isoformat(),
        words=audit.text_fact(text),
    )
    plan_review(session, actor, model, policy=policy, now=now)
    model.revision += 1
    telling.refresh_copies(session, model_id, now=now, clicked=clicked)
    return f"Reviewed. The next review is due on {model.next_review:%d %b %Y}."
