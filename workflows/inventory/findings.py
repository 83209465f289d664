"""Findings: what is wrong with a model, who mends it by when, and what becomes of it."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.enums import FindingSource, FindingStatus, Severity
from storage.inventory import finding_queries, queries
from storage.inventory.tables import Finding, Model
from workflows import permissions
from workflows.actors import SYSTEM, Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotAllowed, RefusalFact, Stale
from workflows.inventory import reads, service, standings, telling
from workflows.inventory.forms import FileFinding, SettleFinding
from workflows.inventory.notices import FindingFiled
from workflows.inventory.rules import REVIEWED, Who
from workflows.inventory.telling import Clicked
from workflows.policy import Policy

TYPE = "finding"


def file_finding(
    session: Session,
    actor: Actor,
    form: FileFinding,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> int:
    """File what somebody found; its id. Everybody who sees the model may; its owner mends it where nobody is named."""
    permissions.require_member(actor, "finding.file", subject=("model", form.model_id))
    reads.require_sight(session, actor, form.model_id, policy=policy)
    model = queries.lock_model(session, form.model_id)
    if model is None:
        raise reads.out_of_sight()
    if form.version_id is not None:
        version = queries.find_version(session, form.version_id)
        if version is None or version.model_id != model.id:
            raise reads.out_of_sight()
    owner_id = form.owner_id or model.owner_id
    service.require_people(session, [owner_id] if owner_id else [], "owner")
    today = reads.today_of(policy, now)
    due = form.due or today + policy.inventory.finding_due[form.severity.value]
    if due < today:
        raise InvalidInput("That day has passed already.", field="due")
    text = audit.write_text(session, actor, form.words, now=now)
    row = Finding(
        model_id=model.id,
        version_id=form.version_id,
        text_id=text.id,
        facts={},
        severity=form.severity.value,
        status=FindingStatus.OPEN.value,
        source=FindingSource.PERSON.value,
        owner_id=owner_id,
        due=due,
        created_by=actor.id if actor.kind is ActorKind.PERSON else None,
        created_at=now,
    )
    _add(
        session,
        actor,
        row,
        {"text": audit.text_fact(text)},
        policy=policy,
        now=now,
        org_key=org_key,
        clicked=clicked,
    )
    return row.id


def file_detected(
    session: Session,
    model_id: int,
    version_id: int | None,
    facts: dict[str, str],
    severity: Severity,
    source: FindingSource,
    key: str,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> int | None:
    """File what mlgov found itself, once for a key; its id, None when it was filed before.

    Where the policy says so it makes the model's review due; an approval that ended does in any case.
    """
    if finding_queries.find_by_source(session, key) is not None:
        return None
    model = queries.lock_model(session, model_id)
    if model is None:
        return None
    row = Finding(
        model_id=model_id,
        version_id=version_id,
        facts=facts,
        severity=severity.value,
        status=FindingStatus.OPEN.value,
        source=source.value,
        source_key=key,
        owner_id=model.owner_id,
        due=reads.today_of(policy, now) + policy.inventory.finding_due[severity.value],
        created_at=now,
    )
    _add(session, SYSTEM, row, {"found": facts}, policy=policy, now=now, org_key=org_key)
    if facts["what"] in ("approval_over", *policy.inventory.review_on):
        _ask_for_review(session, model, policy=policy, now=now)
    return row.id


def _ask_for_review(session: Session, model: Model, *, policy: Policy, now: datetime) -> None:
    """The review is due today, unless it is already, or nothing of the model is used."""
    today = reads.today_of(policy, now)
    states = {one.state for one in queries.list_versions(session, [model.id])}
    is_due = model.next_review is not None and model.next_review <= today
    if is_due or not states & REVIEWED:
        return
    model.next_review, model.review_asked = today, None
    audit.record(session, SYSTEM, "model.review_triggered", ("model", model.id), now=now)


def _add(
    session: Session,
    actor: Actor,
    row: Finding,
    facts: dict[str, object],
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> None:
    session.add(row)
    session.flush()
    audit.record(
        session,
        actor,
        "finding.filed",
        (TYPE, row.id),
        now=now,
        model=row.model_id,
        version=row.version_id,
        severity=row.severity,
        owner=row.owner_id,
        due=row.due.isoformat() if row.due else None,
        source=row.source,
        **facts,
    )
    if row.owner_id and row.owner_id != actor.id:
        telling.notify_people(
            session,
            [row.owner_id],
            FindingFiled(row.id),
            f"finding:{row.id}:filed",
            row.model_id,
            policy=policy,
            org_key=org_key,
            now=now,
        )
    telling.refresh_copies(session, row.model_id, now=now, clicked=clicked)


def settle_finding(
    session: Session,
    actor: Actor,
    form: SettleFinding,
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> str:
    """Say what becomes of a finding; a sentence for whoever did.

    Its owner works on it and resolves it; only model risk accepts one, until a day. Who validates the version resolves
    what was found there as well. Whoever resolved is told, and words are needed for each end.
    """
    permissions.require_member(actor, "finding.settle", subject=(TYPE, form.finding_id))
    row = finding_queries.lock_finding(session, form.finding_id)
    if row is None:
        raise reads.out_of_sight()
    reads.require_sight(session, actor, row.model_id, policy=policy)
    if row.revision != form.revision:
        raise Stale(
            "This finding changed since it was shown to you. Nothing was changed; look at it again."
        )
    record = reads.load_model(session, row.model_id)
    version = queries.find_version(session, row.version_id) if row.version_id else None
    standing = standings.find_standing(session, actor, record, version, policy=policy)
    is_risk = Who.MODEL_RISK in standing.parts
    if form.how == "accept" and not is_risk:
        raise NotAllowed(
            "Only model risk accepts a finding.",
            audit=RefusalFact("finding.accept", TYPE, str(row.id), why="not_model_risk"),
        )
    mends = (
        is_risk
        or actor.id in (row.owner_id, row.created_by)
        or bool({Who.OWNER, Who.VALIDATOR} & standing.parts)
    )
    if not mends:
        raise NotAllowed(
            "This is for who has to mend it, the model's owner, its validator and model risk.",
            audit=RefusalFact("finding.settle", TYPE, str(row.id), why="not_answering"),
        )
    if (
        form.how == "resolve"
        and row.severity in (Severity.HIGH, Severity.CRITICAL)
        and standing.developed
        and not is_risk
    ):
        raise NotAllowed(
            "You developed this version; somebody else has to see that it is mended.",
            audit=RefusalFact("finding.resolve", TYPE, str(row.id), why="not_separate"),
        )
    if form.how != "progress" and not form.word:
        raise InvalidInput(
            "Say how one can see it." if form.how == "resolve" else "Say why.", field="word"
        )
    today = reads.today_of(policy, now)
    if form.how == "accept":
        most = today + policy.inventory.accept_at_most
        if form.until is None or not today < form.until <= most:
            raise InvalidInput(
                f"Choose a day to come, at most {policy.inventory.accept_at_most.days} days ahead.",
                field="until",
            )
    text = audit.write_text(session, actor, form.word, now=now) if form.word else None
    status = {
        "progress": FindingStatus.IN_PROGRESS,
        "resolve": FindingStatus.RESOLVED,
        "accept": FindingStatus.ACCEPTED,
        "reopen": FindingStatus.OPEN,
    }[form.how]
    row.status = status.value
    row.word_id = text.id if text else None
    row.accepted_by = actor.id if form.how == "accept" else None
    row.accepted_until = form.until if form.how == "accept" else None
    row.closed_at = now if status is FindingStatus.RESOLVED else None
    row.revision += 1
    audit.record(
        session,
        actor,
        f"finding.{status.value}",
        (TYPE, row.id),
        now=now,
        model=row.model_id,
        until=row.accepted_until.isoformat() if row.accepted_until else None,
        **({"word": audit.text_fact(text)} if text else {}),
    )
    telling.refresh_copies(session, row.model_id, now=now, clicked=clicked)
    return _SAID[form.how]


_SAID = {
    "progress": "Noted: somebody is on it.",
    "resolve": "Resolved.",
    "accept": "Accepted until that day; then it is open again.",
    "reopen": "Open again.",
}


def resolve_detected(session: Session, finding_id: int, *, now: datetime) -> None:
    """What mlgov found does not hold any more, as it sees itself: the finding is resolved. Again changes nothing."""
    row = finding_queries.lock_finding(session, finding_id)
    if row is None or row.status == FindingStatus.RESOLVED:
        return
    row.status, row.closed_at = FindingStatus.RESOLVED.value, now
    row.revision += 1
    audit.record(
        session, SYSTEM, "finding.resolved", (TYPE, row.id), now=now, model=row.model_id, seen=True
    )
    telling.refresh_copies(session, row.model_id, now=now)


def reopen_accepted(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    """Acceptances that are over: the findings are open again, and their owners are told."""
    today = reads.today_of(policy, now)
    for ended in finding_queries.list_ended_acceptances(session, today):
        row = finding_queries.lock_finding(session, ended.id)
        if row is None or row.status != FindingStatus.ACCEPTED:
            continue
        row.status = FindingStatus.OPEN.value
        row.due = today + timedelta(days=7)
        row.revision += 1
        audit.record(
            session, SYSTEM, "finding.acceptance_over", (TYPE, row.id), now=now, model=row.model_id
        )
        owners = [one for one in (row.owner_id, row.accepted_by) if one]
        telling.notify_people(
            session,
            owners,
            FindingFiled(row.id),
            f"finding:{row.id}:again:{row.revision}",
            row.model_id,
            policy=policy,
            org_key=org_key,
            now=now,
        )
        telling.refresh_copies(session, row.model_id, now=now)
