"""Moving versions through their life: the one place where a step is taken, or refused with everything that is missing."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ChangeClass, ModelState, Part
from storage.inventory import queries
from storage.inventory.tables import Model, ModelAgreement, ModelChange, ModelVersion
from workflows import permissions
from workflows.actors import Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact, Stale
from workflows.evidence import rules as evidence_rules
from workflows.inventory import findings, monitoring, reads, rules, service
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory.forms import AddVersion, TakeStep
from workflows.inventory.notices import AgreementAsked, StepTold, ValidationAsked
from workflows.inventory.rules import Move, Who
from workflows.inventory.service import Clicked
from workflows.policy import Policy

S = ModelState
_HEARD_BESIDE = frozenset({rules.SUSPEND, "resume", rules.RETIRE})
"""Steps that are news for those who depend on a model."""


def take_step(
    session: Session,
    actor: Actor,
    form: TakeStep,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> str:
    """Take a step of a version, as it was shown; a sentence (not escaped) for whoever did.

    A step that asks for approval goes through `decisions.submit`. Raises GovernanceError with all that is missing.
    """
    version, model = lock_version(session, actor, form.version_id, form.revision, policy=policy)
    move = rules.find_move(S(version.state), form.verb)
    if move is None or Who.REQUEST in move.who:
        raise GovernanceError(
            f"Version {version.version} of {model.name} is {describe_state(S(version.state))}; from there that step does not exist."
        )
    if move.verb == "reassign" and form.validator_id is None:
        raise InvalidInput("Say who validates it from now on.", field="validator")
    if move.verb == rules.PASS:
        raise RuntimeError("approval is asked for through decisions.submit")
    if rules.Guard.VALIDATOR_NAMED in move.guards and form.validator_id is not None:
        _name_validator(session, actor, version, form.validator_id)
    require_free(session, actor, version, move, policy=policy, now=now)
    reason = form.reason.strip()
    if move.asks_why and not reason:
        raise InvalidInput("Say in a sentence why; it stays with the record.", field="reason")
    if move.verb == rules.CHANGE:
        return _change_version(
            session,
            actor,
            model,
            version,
            move,
            form,
            policy=policy,
            now=now,
            org_key=org_key,
            clicked=clicked,
        )
    if move.both and not _record_agreement(
        session, actor, model, version, move, reason, policy=policy, now=now, org_key=org_key
    ):
        service.refresh_copies(session, model.id, now=now, clicked=clicked)
        both = " and ".join(sorted(rules.WHO_WORDS[one] for one in move.who))
        return f"Noted. This step needs two people, {both}: the other one is asked now."
    apply_step(
        session,
        actor,
        model,
        version,
        move,
        reason=reason,
        policy=policy,
        now=now,
        org_key=org_key,
        clicked=clicked,
    )
    return f"{model.name} {version.version}: {move.done}."


def lock_version(
    session: Session, actor: Actor, version_id: int, revision: int, *, policy: Policy
) -> tuple[ModelVersion, Model]:
    """A version and its model, locked, in the actor's sight and as they were shown."""
    permissions.require_member(actor, "model.step", subject=(service.VERSION_TYPE, version_id))
    version = queries.lock_version(session, version_id)
    model = queries.find_model(session, version.model_id) if version else None
    if version is None or model is None:
        raise reads.out_of_sight()
    reads.require_sight(session, actor, model.id, policy=policy)
    if version.revision != revision:
        raise Stale(
            f"Version {version.version} of {model.name} is {describe_state(S(version.state))} now: it changed since it was shown to you. "
            "Nothing was changed; look at it again."
        )
    return version, model


def require_free(
    session: Session,
    actor: Actor,
    version: ModelVersion,
    move: Move,
    *,
    policy: Policy,
    now: datetime,
) -> None:
    """Raise everything that stands in the way of a step, in one sentence."""
    record = reads.load_model(session, version.model_id)
    items = inventory_permissions.load_items(session, version.id)
    at = inventory_permissions.load_situation(
        session, record, version, items, policy=policy, now=now
    )
    standing = inventory_permissions.find_standing(session, actor, record, version, policy=policy)
    refused = rules.list_refusals(move, standing, at)
    if refused:
        raise NotAllowed(
            f"{record.name} {version.version} can't go on yet: {'; '.join(refused)}.",
            audit=RefusalFact("model.step", service.VERSION_TYPE, str(version.id), why=move.verb),
        )


def apply_step(
    session: Session,
    actor: Actor,
    model: Model,
    version: ModelVersion,
    move: Move,
    *,
    reason: str = "",
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> None:
    """Write a step that was found free: the record, the ledger, and everybody whom it concerns."""
    text = audit.write_text(session, actor, reason, now=now) if reason else None
    digest = evidence_rules.digest_items(inventory_permissions.load_items(session, version.id))
    is_person = actor.kind is ActorKind.PERSON
    version.state, version.state_since = move.target.value, now
    version.revision += 1
    if move.target in (S.DEVELOPMENT, S.VALIDATION) or move.verb == "revalidate":
        version.approved_digest = version.approved_until = version.approval_id = None
    step_id = queries.add_step(
        session,
        model_id=model.id,
        version_id=version.id,
        step=move.verb,
        source=move.source.value,
        target=move.target.value,
        actor_id=actor.id if is_person else None,
        reason_id=text.id if text else None,
        evidence_digest=digest,
        created_at=now,
    )
    audit.record(
        session,
        actor,
        f"model_version.{move.verb}",
        (service.VERSION_TYPE, version.id),
        now=now,
        model=model.id,
        version=version.version,
        source=move.source.value,
        target=move.target.value,
        evidence=digest,
        digest=version.digest,
        **({"reason": audit.text_fact(text)} if text else {}),
    )
    if move.verb == rules.DEPLOY:
        monitoring.begin_watching(session, version, now=now)
        findings.plan_review(session, actor, model, policy=policy, now=now)
    elif move.target is S.RETIRED:
        findings.stop_unless_used(session, actor, model, now=now)
    _notify_step(session, model, version, move, step_id, policy=policy, org_key=org_key, now=now)
    service.refresh_copies(session, model.id, now=now, clicked=clicked)
    for down, up in queries.list_links(session, [model.id]):
        if up == model.id:
            service.refresh_copies(session, down, now=now)


def _notify_step(
    session: Session,
    model: Model,
    version: ModelVersion,
    move: Move,
    step_id: int,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    is_alarm = move.verb in _HEARD_BESIDE
    service.post_step(session, model, step_id, alone=is_alarm, org_key=org_key, now=now)
    if move.target is S.VALIDATION:
        validators = [
            one.person_id
            for one in queries.list_parts(session, [version.id])
            if one.part == Part.VALIDATOR
        ]
        service.notify_people(
            session,
            validators,
            ValidationAsked(version.id),
            f"model:validation:{version.id}:{version.revision}",
            model.id,
            policy=policy,
            org_key=org_key,
            now=now,
            unasked=False,
        )
    if is_alarm:
        down = [one for one, up in queries.list_links(session, [model.id]) if up == model.id]
        owners = {row.owner_id for row in queries.list_by_ids(session, down) if row.owner_id}
        owners |= {model.owner_id} if model.owner_id else set()
        service.notify_people(
            session,
            owners,
            StepTold(step_id),
            f"model:step:{step_id}",
            model.id,
            policy=policy,
            org_key=org_key,
            now=now,
        )


def _name_validator(
    session: Session, actor: Actor, version: ModelVersion, validator_id: str
) -> None:
    """Who validates a version is somebody else than who made it; the same person again changes nothing."""
    service.require_people(session, [validator_id], "validator")
    parts = queries.list_parts(session, [version.id])
    makers = {one.person_id: one.part for one in parts if one.part != Part.VALIDATOR}
    model = queries.find_model(session, version.model_id)
    if validator_id in makers or (model is not None and model.owner_id == validator_id):
        part = makers.get(validator_id)
        what = _DID[Part(part)] if part is not None else "owns"
        raise InvalidInput(
            f"That person {what} this, so they may not validate it. Choose somebody else.",
            field="validator",
        )
    queries.set_part(session, version.id, Part.VALIDATOR.value, [validator_id])


def _record_agreement(
    session: Session,
    actor: Actor,
    model: Model,
    version: ModelVersion,
    move: Move,
    reason: str,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> bool:
    """Count the actor's agreement to a step of two; True when it is enough now."""
    record = reads.load_model(session, model.id)
    standing = inventory_permissions.find_standing(session, actor, record, version, policy=policy)
    rows = queries.list_agreements(session, version.id, move.verb, version.revision)
    given = {row.person_id: frozenset(Who(part) for part in row.parts) for row in rows}
    given[actor.id] = standing.parts & move.who
    if rules.completes(move, list(given.values()), standing.unnamed):
        return True
    if any(row.person_id == actor.id for row in rows):
        raise GovernanceError(
            "You have agreed to this already; it waits for the other one whom it needs."
        )
    text = audit.write_text(session, actor, reason, now=now) if reason else None
    session.add(
        ModelAgreement(
            version_id=version.id,
            step=move.verb,
            revision=version.revision,
            person_id=actor.id,
            parts=sorted(standing.parts & move.who),
            reason_id=text.id if text else None,
            created_at=now,
        )
    )
    audit.record(
        session,
        actor,
        "model_version.agreed",
        (service.VERSION_TYPE, version.id),
        now=now,
        step=move.verb,
        parts=sorted(standing.parts & move.who),
        **({"reason": audit.text_fact(text)} if text else {}),
    )
    missing = move.who - frozenset().union(*given.values()) or move.who
    asked = inventory_permissions.list_holders(
        session, record, missing, policy=policy, org_key=org_key
    )
    service.notify_people(
        session,
        asked - {actor.id},
        AgreementAsked(version.id, move.verb),
        f"model:agree:{version.id}:{version.revision}:{move.verb}",
        model.id,
        policy=policy,
        org_key=org_key,
        now=now,
        unasked=False,
    )
    return False


def _change_version(
    session: Session,
    actor: Actor,
    model: Model,
    version: ModelVersion,
    move: Move,
    form: TakeStep,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked,
) -> str:
    """A change of what is in use: words only, minor, or material."""
    if form.change_class is None:
        raise InvalidInput("Say how much the change weighs.", field="change_class")
    result_id = None
    if form.change_class is ChangeClass.MATERIAL:
        if form.new_version is None:
            raise InvalidInput(
                "A material change leads to a new version: name it.", field="new_version"
            )
        if queries.find_version_named(session, model.id, form.new_version) is not None:
            raise InvalidInput(
                f"There is a version {form.new_version} already.", field="new_version"
            )
        result_id = service.add_version(
            session,
            actor,
            AddVersion(model_id=model.id, version=form.new_version),
            policy=policy,
            now=now,
            org_key=org_key,
        )
    text = audit.write_text(session, actor, form.reason.strip(), now=now)
    session.add(
        ModelChange(
            version_id=version.id,
            change_class=form.change_class.value,
            reason_id=text.id,
            result_id=result_id,
            created_by=actor.id if actor.kind is ActorKind.PERSON else None,
            created_at=now,
        )
    )
    audit.record(
        session,
        actor,
        "model_version.change",
        (service.VERSION_TYPE, version.id),
        now=now,
        model=model.id,
        change_class=form.change_class.value,
        result=result_id,
        reason=audit.text_fact(text),
    )
    if form.change_class is ChangeClass.MINOR:
        apply_step(
            session,
            actor,
            model,
            version,
            move,
            reason=form.reason.strip(),
            policy=policy,
            now=now,
            org_key=org_key,
            clicked=clicked,
        )
        return f"{model.name} {version.version} is being modified. It goes to validation again before it counts as in use."
    version.revision += 1
    service.refresh_copies(session, model.id, now=now, clicked=clicked)
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
