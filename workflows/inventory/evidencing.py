"""Evidence of a version: who may hand it in, accept, reject and waive it, and what follows."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy.orm import Session

from storage.enums import EvidenceStatus, ModelState
from storage.evidence import queries as evidence_queries
from storage.inventory import queries
from storage.inventory.tables import Model, ModelVersion
from workflows import permissions
from workflows.actors import Actor, ActorKind
from workflows.calendar import local_instant
from workflows.errors import GovernanceError, NotAllowed, RefusalFact
from workflows.evidence import rules as evidence_rules
from workflows.evidence import service as evidence
from workflows.evidence.forms import SubmitEvidence
from workflows.evidence.records import Item
from workflows.inventory import monitoring, reads, rules, standings, telling, versions
from workflows.inventory.records import Check, StepCheck
from workflows.inventory.rules import LIVE, Who
from workflows.inventory.telling import Clicked
from workflows.policy import Policy
from workflows.policy.inventory import Step

_PHASE: dict[ModelState, Step] = {
    ModelState.DEVELOPMENT: "validation",
    ModelState.MODIFICATION: "validation",
    ModelState.VALIDATION: "approval",
    ModelState.APPROVAL: "approval",
    ModelState.APPROVED: "implementation",
    ModelState.IMPLEMENTATION: "implementation",
    ModelState.IN_USE: "retirement",
    ModelState.SUSPENDED: "retirement",
}
"""What the evidence that a version gathers in each state is for."""


def submit_evidence(
    session: Session,
    actor: Actor,
    version_id: int,
    form: SubmitEvidence,
    request_key: str,
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> int:
    """Hand in evidence: who made the version, validates or owns it, model risk, operations, and programs. Its id."""
    version, model = _lock_changeable(session, actor, version_id, policy)
    _require_may_hand_in(session, actor, version, model, form.type, policy)
    kept = evidence.submit_item(
        session, actor, version.id, form, request_key, policy=policy, now=now
    )
    if form.type == monitoring.PLAN and ModelState(version.state) in LIVE:
        monitoring.begin_watching(session, version, now=now)
    telling.refresh_copies(session, model.id, now=now, clicked=clicked)
    return kept


def require_may_hand_in(
    session: Session, actor: Actor, version_id: int, type_: str, *, policy: Policy
) -> None:
    """Raise what `submit_evidence` would, before a file is fetched for it: who may not hand in has nothing read."""
    version, model = _require_changeable(
        session, actor, queries.find_version(session, version_id), policy
    )
    _require_may_hand_in(session, actor, version, model, type_, policy)


def _require_may_hand_in(
    session: Session, actor: Actor, version: ModelVersion, model: Model, type_: str, policy: Policy
) -> None:
    record = reads.load_model(session, model.id)
    standing = standings.find_standing(session, actor, record, version, policy=policy)
    if actor.kind is ActorKind.PERSON and not standing.is_close:
        raise NotAllowed(
            "Evidence is handed in by those who own, make, validate or run this model.",
            audit=RefusalFact(
                "evidence.submit", versions.TYPE, str(version.id), why="not_answering"
            ),
        )
    is_report = type_ == evidence_rules.SELF_MADE
    if is_report and (Who.VALIDATOR not in standing.parts or standing.developed):
        raise NotAllowed(
            "The validation report is its validator's, who did not make it.",
            audit=RefusalFact(
                "evidence.submit", versions.TYPE, str(version.id), why="not_validator"
            ),
        )


def decide_evidence(
    session: Session,
    actor: Actor,
    choices: Sequence[tuple[int, int]],
    *,
    accept: bool,
    word: str,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """Accept or reject items, by id and revision as shown: the version's validator or model risk, never one's own."""
    for evidence_id, revision in choices:
        row = evidence_queries.find_item(session, evidence_id)
        if row is None:
            raise reads.out_of_sight()
        version, model = _lock_changeable(session, actor, row.version_id, policy)
        record = reads.load_model(session, model.id)
        standing = standings.find_standing(session, actor, record, version, policy=policy)
        is_validating = Who.VALIDATOR in standing.parts and version.state == ModelState.VALIDATION
        if standing.developed or standing.contributed or row.produced_by == actor.id:
            raise NotAllowed(
                "You made this, so somebody else has to look at it.",
                audit=RefusalFact(
                    "evidence.decide", evidence.TYPE, str(row.id), why="not_separate"
                ),
            )
        if not is_validating and Who.MODEL_RISK not in standing.parts:
            raise NotAllowed(
                "Evidence is accepted by who validates the version, and by model risk.",
                audit=RefusalFact(
                    "evidence.decide", evidence.TYPE, str(row.id), why="not_validator"
                ),
            )
        evidence.decide_item(
            session, actor, evidence_id, revision, accept=accept, word=word, now=now
        )
        telling.refresh_copies(session, model.id, now=now, clicked=clicked)


def waive_evidence(
    session: Session,
    actor: Actor,
    version_id: int,
    type_: str,
    *,
    reason: str,
    until: date,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> int:
    """Model risk lets a version go on without a type of evidence, through that day."""
    version, model = _lock_changeable(session, actor, version_id, policy)
    record = reads.load_model(session, model.id)
    standing = standings.find_standing(session, actor, record, version, policy=policy)
    if Who.MODEL_RISK not in standing.parts or standing.developed:
        raise NotAllowed(
            "Only model risk waives evidence, and never for what they made themselves.",
            audit=RefusalFact(
                "evidence.waive", versions.TYPE, str(version.id), why="not_model_risk"
            ),
        )
    over = local_instant(until + timedelta(days=1), time(0), policy.organisation.zone)
    kept = evidence.waive_item(
        session, actor, version.id, type_, reason=reason, until=over, policy=policy, now=now
    )
    telling.refresh_copies(session, model.id, now=now, clicked=clicked)
    return kept


def find_item(session: Session, actor: Actor, evidence_id: int, *, policy: Policy) -> Item:
    """An item of a model in the actor's sight. Raises NotFound and NotAllowed."""
    row = evidence_queries.find_item(session, evidence_id)
    version = queries.find_version(session, row.version_id) if row else None
    if row is None or version is None:
        raise reads.out_of_sight()
    reads.require_sight(session, actor, version.model_id, policy=policy)
    return next(one for one in evidence.load_items(session, [version.id]) if one.id == row.id)


def _lock_changeable(
    session: Session, actor: Actor, version_id: int, policy: Policy
) -> tuple[ModelVersion, Model]:
    """A version, locked, whose evidence can change: while approvers look at it, and once it is retired, it stands still."""
    permissions.require_member(actor, "evidence.change", subject=(versions.TYPE, version_id))
    version = queries.lock_version(session, version_id)
    return _require_changeable(session, actor, version, policy)


def _require_changeable(
    session: Session, actor: Actor, version: ModelVersion | None, policy: Policy
) -> tuple[ModelVersion, Model]:
    model = queries.find_model(session, version.model_id) if version else None
    if version is None or model is None:
        raise reads.out_of_sight()
    reads.require_sight(session, actor, model.id, policy=policy)
    if version.state == ModelState.APPROVAL:
        raise GovernanceError(
            "Approvers are looking at this evidence, so it stands still. Withdraw the request to change it."
        )
    if version.state == ModelState.RETIRED:
        raise GovernanceError("This version is retired; its record stays as it is.")
    return version, model


def check_version(session: Session, version_id: int, *, policy: Policy, now: datetime) -> Check:
    """What bars each step of a version, whoever takes it: the very list by which the step is refused."""
    version = queries.find_version(session, version_id)
    if version is None:
        raise reads.out_of_sight()
    record = reads.load_model(session, version.model_id)
    items = standings.load_items(session, version.id)
    at = rules.assume_validator_named(
        standings.load_situation(session, record, version, items, policy=policy, now=now)
    )
    state = ModelState(version.state)
    steps = tuple(
        StepCheck(
            move.verb,
            move.label.rstrip("…"),
            rules.list_bars(move, at),
            ("who validates it",) if rules.SAID_WITH_IT & set(move.guards) else (),
        )
        for move in rules.MOVES
        if move.source is state and move.verb not in rules.ENDINGS
    )
    following = rules.NEXT.get(state)
    today = reads.today_of(policy, now)
    return Check(
        model=record.key,
        version=version.version,
        state=state,
        tier=record.tier,
        next_step=_PHASE.get(state, ""),
        missing=next((one.missing for one in steps if one.verb == following), ()),
        steps=steps,
        waived=tuple(one.type for one in items.values() if one.status is EvidenceStatus.WAIVED),
        findings=sum(one.is_open(today) for one in record.findings),
        approval_id=version.approval_id,
    )
