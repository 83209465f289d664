"""Moving versions through their life: the one place where a step is taken, or refused with everything that is missing."""

from collections.abc import Mapping

from storage.enums import ChangeClass, ModelState, Part
from storage.inventory import queries
from storage.inventory.tables import Model, ModelAgreement, ModelChange, ModelVersion
from storage.projects.tables import Project
from workflows import permissions
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import (
    GovernanceError,
    InvalidInput,
    InvalidInputs,
    NotAllowed,
    RefusalFact,
    Stale,
    refuse,
)
from workflows.evidence import rules as evidence_rules
from workflows.inventory import findings, monitoring, reads, rules, service
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory.forms import AddVersion, TakeStep
from workflows.inventory.notices import AgreementAsked, StepTold, ValidationAsked
from workflows.inventory.rules import Move, Who
from workflows.projects.service import note_live

S = ModelState
_HEARD_BESIDE = frozenset({rules.SUSPEND, "resume", rules.RETIRE})
"""Steps that are news for those who depend on a model."""
NO_REASON = "Say in a sentence why; it stays with the record."


def take_step(ctx: Context, form: TakeStep) -> str:
    """Take a step of a version, as it was shown; a sentence (not escaped) for whoever did.

    A step that asks for approval goes through `approvals.submission.submit_request`. Raises GovernanceError with all that is missing.
    """
    version, model = lock_version(ctx, form.version_id, form.revision)
    move = rules.find_move(S(version.state), form.verb)
    if move is None or Who.REQUEST in move.who:
        raise GovernanceError(
            f"Version {version.version} of {model.name} is {describe_state(S(version.state))}; from there that step does not exist."
        )
    reason = form.reason.strip()
    unexplained = {"reason": NO_REASON} if move.asks_why and not reason else {}
    if move.verb == "reassign" and form.validator_id is None:
        refuse({"validator": "Say who validates it from now on."} | unexplained)
    if move.verb == rules.PASS:
        raise RuntimeError("approval is asked for through submission.submit_request")
    if rules.Guard.VALIDATOR_NAMED in move.guards and form.validator_id is not None:
        _name_validator(ctx, version, form.validator_id)
    require_free(ctx, version, move)
    if move.verb == rules.CHANGE:
        return _change_version(ctx, model, version, move, form, unexplained)
    refuse(unexplained)
    if move.both and not _record_agreement(ctx, model, version, move, reason):
        service.refresh_copies(ctx, model.id)
        both = " and ".join(sorted(rules.WHO_WORDS[one] for one in move.who))
        return f"Noted. This step needs two people, {both}: the other one is asked now."
    apply_step(ctx, model, version, move, reason=reason)
    return f"{model.name} {version.version}: {move.done}."


def lock_version(ctx: Context, version_id: int, revision: int) -> tuple[ModelVersion, Model]:
    """A version and its model, locked, in the actor's sight and as they were shown."""
    permissions.require_member(ctx.actor, "model.step", subject=(service.VERSION_TYPE, version_id))
    version = queries.lock_version(ctx.session, version_id)
    model = queries.find_model(ctx.session, version.model_id) if version else None
    if version is None or model is None:
        raise reads.out_of_sight()
    reads.require_sight(ctx, model.id)
    if version.revision != revision:
        raise Stale(
            f"Version {version.version} of {model.name} is {describe_state(S(version.state))} now: it changed since it was shown to you. "
            "Nothing was changed; look at it again."
        )
    return version, model


def require_free(ctx: Context, version: ModelVersion, move: Move) -> None:
    """Raise everything that stands in the way of a step, in one sentence."""
    record = reads.load_model(ctx.session, version.model_id)
    items = inventory_permissions.load_items(ctx.session, version.id)
    at = inventory_permissions.load_situation(ctx, record, version, items)
    standing = inventory_permissions.find_standing(ctx, record, version)
    refused = rules.list_refusals(move, standing, at)
    if refused:
        raise NotAllowed(
            f"{record.name} {version.version} can't go on yet: {'; '.join(refused)}.",
            audit=RefusalFact("model.step", service.VERSION_TYPE, str(version.id), why=move.verb),
        )


def apply_step(
    ctx: Context, model: Model, version: ModelVersion, move: Move, *, reason: str = ""
) -> None:
    """Write a step that was found free: the record, the ledger, and everybody whom it concerns."""
    text = audit.write_text(ctx.session, ctx.actor, reason, now=ctx.now) if reason else None
    digest = evidence_rules.digest_items(inventory_permissions.load_items(ctx.session, version.id))
    is_person = ctx.actor.kind is ActorKind.PERSON
    version.state, version.state_since = move.target.value, ctx.now
    version.revision += 1
    if move.target in (S.DEVELOPMENT, S.VALIDATION) or move.verb == "revalidate":
        version.approved_digest = version.approved_until = version.approval_id = None
    step_id = queries.add_step(
        ctx.session,
        model_id=model.id,
        version_id=version.id,
        step=move.verb,
        source=move.source.value,
        target=move.target.value,
        actor_id=ctx.actor.id if is_person else None,
        reason_id=text.id if text else None,
        evidence_digest=digest,
        created_at=ctx.now,
    )
    audit.record(
        ctx,
        f"model_version.{move.verb}",
        (service.VERSION_TYPE, version.id),
        model=model.id,
        version=version.version,
        source=move.source.value,
        target=move.target.value,
        evidence=digest,
        digest=version.digest,
        **({"reason": audit.text_fact(text)} if text else {}),
    )
    if move.verb == rules.DEPLOY:
        monitoring.begin_watching(ctx, version)
        findings.plan_review(ctx, model)
        if model.project_id is not None:
            note_live(ctx, ctx.session.get_one(Project, model.project_id))
    elif move.target is S.RETIRED:
        findings.stop_unless_used(ctx, model)
    _notify_step(ctx, model, version, move, step_id)
    service.refresh_copies(ctx, model.id)
    for down, up in queries.list_links(ctx.session, [model.id]):
        if up == model.id:
            service.refresh_copies(ctx, down)


def _notify_step(
    ctx: Context, model: Model, version: ModelVersion, move: Move, step_id: int
) -> None:
    is_alarm = move.verb in _HEARD_BESIDE
    service.post_step(ctx, model, step_id, alone=is_alarm)
    if move.target is S.VALIDATION:
        validators = [
            one.person_id
            for one in queries.list_parts(ctx.session, [version.id])
            if one.part == Part.VALIDATOR
        ]
        service.notify_people(
            ctx,
            validators,
            ValidationAsked(version.id),
            f"model:validation:{version.id}:{version.revision}",
            model.id,
            unasked=False,
        )
    if is_alarm:
        down = [one for one, up in queries.list_links(ctx.session, [model.id]) if up == model.id]
        owners = {row.owner_id for row in queries.list_by_ids(ctx.session, down) if row.owner_id}
        owners |= {model.owner_id} if model.owner_id else set()
        service.notify_people(ctx, owners, StepTold(step_id), f"model:step:{step_id}", model.id)


def _name_validator(ctx: Context, version: ModelVersion, validator_id: str) -> None:
    """Who validates a version is somebody else than who made it; the same person again changes nothing."""
    service.require_people(ctx.session, [validator_id], "validator")
    parts = queries.list_parts(ctx.session, [version.id])
    makers = {one.person_id: one.part for one in parts if one.part != Part.VALIDATOR}
    model = queries.find_model(ctx.session, version.model_id)
    if validator_id in makers or (model is not None and model.owner_id == validator_id):
        part = makers.get(validator_id)
        what = _DID[Part(part)] if part is not None else "owns"
        raise InvalidInput(
            f"That person {what} this, so they may not validate it. Choose somebody else.",
            field="validator",
        )
    queries.set_part(ctx.session, version.id, Part.VALIDATOR.value, [validator_id])


def _record_agreement(
    ctx: Context, model: Model, version: ModelVersion, move: Move, reason: str
) -> bool:
    """Count the actor's agreement to a step of two; True when it is enough now."""
    record = reads.load_model(ctx.session, model.id)
    standing = inventory_permissions.find_standing(ctx, record, version)
    rows = queries.list_agreements(ctx.session, version.id, move.verb, version.revision)
    given = {row.person_id: frozenset(Who(part) for part in row.parts) for row in rows}
    given[ctx.actor.id] = standing.parts & move.who
    if rules.completes(move, list(given.values()), standing.unnamed):
        return True
    if any(row.person_id == ctx.actor.id for row in rows):
        raise GovernanceError(
            "You have agreed to this already; it waits for the other one whom it needs."
        )
    text = audit.write_text(ctx.session, ctx.actor, reason, now=ctx.now) if reason else None
    ctx.session.add(
        ModelAgreement(
            version_id=version.id,
            step=move.verb,
            revision=version.revision,
            person_id=ctx.actor.id,
            parts=sorted(standing.parts & move.who),
            reason_id=text.id if text else None,
            created_at=ctx.now,
        )
    )
    audit.record(
        ctx,
        "model_version.agreed",
        (service.VERSION_TYPE, version.id),
        step=move.verb,
        parts=sorted(standing.parts & move.who),
        **({"reason": audit.text_fact(text)} if text else {}),
    )
    missing = move.who - frozenset().union(*given.values()) or move.who
    asked = inventory_permissions.list_holders(ctx, record, missing)
    service.notify_people(
        ctx,
        asked - {ctx.actor.id},
        AgreementAsked(version.id, move.verb),
        f"model:agree:{version.id}:{version.revision}:{move.verb}",
        model.id,
        unasked=False,
    )
    return False


def _change_version(
    ctx: Context,
    model: Model,
    version: ModelVersion,
    move: Move,
    form: TakeStep,
    unexplained: Mapping[str, str],
) -> str:
    """A change of what is in use: words only, minor, or material."""
    faults = dict(unexplained)
    if form.change_class is None:
        raise InvalidInputs(faults | {"change_class": "Say how much the change weighs."})
    is_material = form.change_class is ChangeClass.MATERIAL
    if is_material and form.new_version is None:
        faults["new_version"] = "A material change leads to a new version: name it."
    elif is_material and queries.find_version_named(ctx.session, model.id, form.new_version or ""):
        faults["new_version"] = f"There is a version {form.new_version} already."
    refuse(faults)
    result_id = None
    if is_material and form.new_version is not None:
        result_id = service.add_version(
            ctx, AddVersion(model_id=model.id, version=form.new_version)
        )
    text = audit.write_text(ctx.session, ctx.actor, form.reason.strip(), now=ctx.now)
    ctx.session.add(
        ModelChange(
            version_id=version.id,
            change_class=form.change_class.value,
            reason_id=text.id,
            result_id=result_id,
            created_by=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
            created_at=ctx.now,
        )
    )
    audit.record(
        ctx,
        "model_version.change",
        (service.VERSION_TYPE, version.id),
        model=model.id,
        change_class=form.change_class.value,
        result=result_id,
        reason=audit.text_fact(text),
    )
    if form.change_class is ChangeClass.MINOR:
        apply_step(ctx, model, version, move, reason=form.reason.strip())
        return f"{model.name} {version.version} is being modified. It goes to validation again before it counts as in use."
    version.revision += 1
    service.refresh_copies(ctx, model.id)
    if result_id is not None:
        return f"Version {form.new_version} of {model.name} is in development; {version.version} stays in use until then."
    return f"Noted: an editorial change. {model.name} {version.version} stays in use."


def describe_state(state: ModelState) -> str:
    """A state as people read it: `in use`."""
    return {
        S.NOT_A_MODEL: "not a model",
        S.IN_USE: "in use",
        S.DEVELOPMENT: "in development",
        S.VALIDATION: "in validation",
        S.APPROVAL: "waiting for approval",
        S.IMPLEMENTATION: "being implemented",
        S.MODIFICATION: "being modified",
    }.get(state, state.value)


_DID = {
    Part.DEVELOPER: "developed",
    Part.CONTRIBUTOR: "contributed to",
    Part.VALIDATOR: "validated",
}
