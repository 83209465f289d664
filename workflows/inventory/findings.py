"""Findings: what is wrong with a model, who mends it by when, and what becomes of it."""

from datetime import date, timedelta

from storage.enums import FindingSource, FindingStatus, Severity
from storage.inventory import queries
from storage.inventory.tables import Finding, Model
from workflows import permissions
from workflows.audit import service as audit
from workflows.calendar import last_day
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact, Stale, refuse
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory import reads, rules, service
from workflows.inventory.forms import FileFinding, SettleFinding
from workflows.inventory.notices import FindingFiled, ReviewDue
from workflows.inventory.rules import REVIEWED, Who

TYPE = "finding"


def file_finding(ctx: Context, form: FileFinding) -> int:
    """File what somebody found; its id. Everybody who sees the model may; its owner mends it where nobody is named."""
    permissions.require_member(ctx.actor, "finding.file", subject=("model", form.model_id))
    reads.require_sight(ctx, form.model_id)
    model = queries.lock_model(ctx.session, form.model_id)
    if model is None:
        raise reads.out_of_sight()
    if form.version_id is not None:
        version = queries.find_version(ctx.session, form.version_id)
        if version is None or version.model_id != model.id:
            raise reads.out_of_sight()
    owner_id = form.owner_id or model.owner_id
    service.require_people(ctx.session, [owner_id] if owner_id else [], "owner")
    today = reads.today_of(ctx.policy, ctx.now)
    due = form.due or today + ctx.policy.inventory.finding_due[form.severity.value]
    if due < today:
        raise InvalidInput("That day has passed already.", field="due")
    text = audit.write_text(ctx.session, ctx.actor, form.words, now=ctx.now)
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
        created_by=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
        created_at=ctx.now,
    )
    _add(ctx, row, {"text": audit.text_fact(text)})
    return row.id


def file_detected(
    ctx: Context,
    model_id: int,
    version_id: int | None,
    facts: dict[str, str],
    severity: Severity,
    source: FindingSource,
    key: str,
) -> int | None:
    """File what mlgov found itself, once for a key; its id, None when it was filed before.

    Where the policy says so it makes the model's review due; an approval that ended does in any case.
    """
    if queries.find_by_source(ctx.session, key) is not None:
        return None
    model = queries.lock_model(ctx.session, model_id)
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
        due=reads.today_of(ctx.policy, ctx.now) + ctx.policy.inventory.finding_due[severity.value],
        created_at=ctx.now,
    )
    _add(ctx.as_system(), row, {"found": facts})
    if facts["what"] in ("approval_over", *ctx.policy.inventory.review_on):
        _ask_for_review(ctx, model)
    return row.id


def _ask_for_review(ctx: Context, model: Model) -> None:
    """The review is due today, unless it is already, or nothing of the model is used."""
    today = reads.today_of(ctx.policy, ctx.now)
    states = {one.state for one in queries.list_versions(ctx.session, [model.id])}
    is_due = model.next_review is not None and model.next_review <= today
    if is_due or not states & REVIEWED:
        return
    model.next_review, model.review_asked = today, None
    audit.record(ctx.as_system(), "model.review_triggered", ("model", model.id))


def _add(ctx: Context, row: Finding, facts: dict[str, object]) -> None:
    ctx.session.add(row)
    ctx.session.flush()
    audit.record(
        ctx,
        "finding.filed",
        (TYPE, row.id),
        model=row.model_id,
        version=row.version_id,
        severity=row.severity,
        owner=row.owner_id,
        due=row.due.isoformat() if row.due else None,
        source=row.source,
        **facts,
    )
    if row.owner_id and row.owner_id != ctx.actor.id:
        service.notify_people(
            ctx, [row.owner_id], FindingFiled(row.id), f"finding:{row.id}:filed", row.model_id
        )
    service.refresh_copies(ctx, row.model_id)


def settle_finding(ctx: Context, form: SettleFinding) -> str:
    """Say what becomes of a finding; a sentence for whoever did.

    Its owner works on it and resolves it; only model risk accepts one, until a day. Who validates the version resolves
    what was found there as well. Whoever resolved is told, and words are needed for each end.
    """
    permissions.require_member(ctx.actor, "finding.settle", subject=(TYPE, form.finding_id))
    row = queries.lock_finding(ctx.session, form.finding_id)
    if row is None:
        raise reads.out_of_sight()
    reads.require_sight(ctx, row.model_id)
    if row.revision != form.revision:
        raise Stale(
            "This finding changed since it was shown to you. Nothing was changed; look at it again."
        )
    record = reads.load_model(ctx.session, row.model_id)
    version = queries.find_version(ctx.session, row.version_id) if row.version_id else None
    standing = inventory_permissions.find_standing(ctx, record, version)
    is_risk = Who.MODEL_RISK in standing.parts
    if form.how == "accept" and not is_risk:
        raise NotAllowed(
            "Only model risk accepts a finding.",
            audit=RefusalFact("finding.accept", TYPE, str(row.id), why="not_model_risk"),
        )
    mends = (
        is_risk
        or ctx.actor.id in (row.owner_id, row.created_by)
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
    faults = {}
    if form.how != "progress" and not form.word:
        faults["word"] = "Say how one can see it." if form.how == "resolve" else "Say why."
    today = reads.today_of(ctx.policy, ctx.now)
    if form.how == "accept":
        most = today + ctx.policy.inventory.accept_at_most
        if form.until is None or not today < form.until <= most:
            days = ctx.policy.inventory.accept_at_most.days
            faults["until"] = f"Choose a day to come, at most {days} days ahead."
    refuse(faults)
    text = audit.write_text(ctx.session, ctx.actor, form.word, now=ctx.now) if form.word else None
    status = {
        "progress": FindingStatus.IN_PROGRESS,
        "resolve": FindingStatus.RESOLVED,
        "accept": FindingStatus.ACCEPTED,
        "reopen": FindingStatus.OPEN,
    }[form.how]
    row.status = status.value
    row.word_id = text.id if text else None
    row.accepted_by = ctx.actor.id if form.how == "accept" else None
    row.accepted_until = form.until if form.how == "accept" else None
    row.closed_at = ctx.now if status is FindingStatus.RESOLVED else None
    row.revision += 1
    audit.record(
        ctx,
        f"finding.{status.value}",
        (TYPE, row.id),
        model=row.model_id,
        until=row.accepted_until.isoformat() if row.accepted_until else None,
        **({"word": audit.text_fact(text)} if text else {}),
    )
    service.refresh_copies(ctx, row.model_id)
    return _SAID[form.how]


_SAID = {
    "progress": "Noted: somebody is on it.",
    "resolve": "Resolved.",
    "accept": "Accepted until that day; then it is open again.",
    "reopen": "Open again.",
}


def resolve_detected(ctx: Context, finding_id: int) -> None:
    """What mlgov found does not hold any more, as it sees itself: the finding is resolved. Again changes nothing."""
    row = queries.lock_finding(ctx.session, finding_id)
    if row is None or row.status == FindingStatus.RESOLVED:
        return
    row.status, row.closed_at = FindingStatus.RESOLVED.value, ctx.now
    row.revision += 1
    audit.record(ctx.as_system(), "finding.resolved", (TYPE, row.id), model=row.model_id, seen=True)
    service.refresh_copies(ctx, row.model_id)


def reopen_accepted(ctx: Context) -> None:
    """Acceptances that are over: the findings are open again, and their owners are told."""
    today = reads.today_of(ctx.policy, ctx.now)
    for ended in queries.list_ended_acceptances(ctx.session, today):
        row = queries.lock_finding(ctx.session, ended.id)
        if row is None or row.status != FindingStatus.ACCEPTED:
            continue
        row.status = FindingStatus.OPEN.value
        row.due = today + timedelta(days=7)
        row.revision += 1
        audit.record(ctx.as_system(), "finding.acceptance_over", (TYPE, row.id), model=row.model_id)
        owners = [one for one in (row.owner_id, row.accepted_by) if one]
        service.notify_people(
            ctx,
            owners,
            FindingFiled(row.id),
            f"finding:{row.id}:again:{row.revision}",
            row.model_id,
        )
        service.refresh_copies(ctx, row.model_id)


# --- Reviews of models in use
#
# due by tier, asked for in time, told on when nobody did one, and never done by silence.


def plan_review(ctx: Context, model: Model) -> None:
    """The next review is due after the time that its tier gives."""
    span = ctx.policy.inventory.review[model.tier or 1]
    model.next_review = reads.today_of(ctx.policy, ctx.now) + span
    model.review_asked = None
    audit.record(
        ctx, "model.review_planned", ("model", model.id), due=model.next_review.isoformat()
    )


def stop_unless_used(ctx: Context, model: Model) -> None:
    """No review is due any more of a model of which no version is used, or suspended."""
    ctx.session.flush()
    states = {one.state for one in queries.list_versions(ctx.session, [model.id])}
    if model.next_review is None or states & rules.REVIEWED:
        return
    model.next_review = model.review_asked = None
    audit.record(ctx, "model.review_stopped", ("model", model.id))


def ask_for_due_reviews(ctx: Context) -> None:
    """Tell of reviews that are due: the owner on the day, and model risk too with each grace period that passes."""
    today = reads.today_of(ctx.policy, ctx.now)
    grace = ctx.policy.inventory.review_grace
    for model_id in queries.list_due_reviews(ctx.session, today):
        model = queries.lock_model(ctx.session, model_id)
        if model is None or model.next_review is None or model.owner_id is None:
            continue
        record = reads.load_model(ctx.session, model_id)
        late = (today - model.next_review) // max(grace, timedelta(days=1))
        day = model.next_review + late * grace
        if model.review_asked is not None and model.review_asked >= day:
            continue
        model.review_asked = day
        people = {model.owner_id}
        if late:
            people |= inventory_permissions.list_holders(ctx, record, frozenset({Who.MODEL_RISK}))
        service.notify_people(
            ctx,
            people,
            ReviewDue(model.id, bool(late)),
            f"model:review:{model.id}:{model.next_review}:{late}",
            model.id,
        )
        audit.record(
            ctx.as_system(),
            "model.review_due",
            ("model", model.id),
            due=model.next_review.isoformat(),
            late=bool(late),
        )
        service.refresh_copies(ctx, model.id)
    _file_ended_approvals(ctx)


def _file_ended_approvals(ctx: Context) -> None:
    """What is in use after its approval ended is a finding, which asks for a review."""
    for version_id in queries.list_ended_approvals(ctx.session, ctx.now):
        version = queries.find_version(ctx.session, version_id)
        if version is None or version.approved_until is None:
            continue
        day = version.approved_until.astimezone(ctx.policy.organisation.zone).date()
        file_detected(
            ctx,
            version.model_id,
            version.id,
            {
                "what": "approval_over",
                "on": f"{last_day(version.approved_until, ctx.policy.organisation.zone):%d %b %Y}",
            },
            Severity.HIGH,
            FindingSource.REVIEW,
            f"approval_over:{version.id}:{day}",
        )


def record_review(ctx: Context, model_id: int, due: date, *, words: str) -> str:
    """Somebody reviewed a model, and says what they saw; the next one is planned. A sentence for them.

    Its owner or model risk; at tier 1 not its owner alone. Nothing about it is approved anew by that.
    """
    permissions.require_member(ctx.actor, "model.review", subject=("model", model_id))
    model = queries.lock_model(ctx.session, model_id)
    reads.require_sight(ctx, model_id)
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
    record = reads.load_model(ctx.session, model_id)
    standing = inventory_permissions.find_standing(ctx, record, None)
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
    text = audit.write_text(ctx.session, ctx.actor, words.strip(), now=ctx.now)
    audit.record(
        ctx, "model.reviewed", ("model", model_id), due=due.isoformat(), words=audit.text_fact(text)
    )
    plan_review(ctx, model)
    model.revision += 1
    service.refresh_copies(ctx, model_id)
    return f"Reviewed. The next review is due on {model.next_review:%d %b %Y}."
