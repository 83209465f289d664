"""A model before one reader: what is there, what is missing, and what they can do next."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import EvidenceStatus, ModelState
from storage.inventory import finding_queries, queries
from storage.inventory.tables import ModelTransition
from storage.people import lookups
from workflows.actors import Actor, ActorKind
from workflows.evidence.rules import SELF_MADE
from workflows.inventory import reads, rules, standings
from workflows.inventory.records import (
    Choice,
    ModelCard,
    ModelRecord,
    Reading,
    StepTaken,
    VersionRecord,
)
from workflows.inventory.rules import Who
from workflows.policy import Policy

HISTORY = 12


def load_card(
    session: Session,
    actor: Actor,
    model_id: int,
    version_id: int | None = None,
    *,
    policy: Policy,
    now: datetime,
) -> ModelCard:
    """A model about one version, or its leading one: what is there, what is missing, what the actor can do next."""
    model = reads.load_model(session, model_id)
    version = next((each for each in model.versions if each.id == version_id), model.lead)
    raw = queries.find_version(session, version.id) if version else None
    items = standings.load_items(session, version.id) if version else {}
    at = standings.load_situation(session, model, raw, items, policy=policy, now=now)
    standing = standings.find_standing(session, actor, model, raw, policy=policy)
    source = version.state if version else model.own_state
    # Who validates is named in the window of the step itself.
    offered = rules.assume_validator_named(at)
    choices = tuple(
        Choice(move, rules.list_refusals(move, standing, offered))
        for move in rules.list_moves(source)
    )
    agreed = queries.list_agreed(session, version.id, version.revision) if version else ()
    labels = {each.verb: each.label.rstrip("…") for each in rules.MOVES}
    is_validator = Who.VALIDATOR in standing.parts and source is ModelState.VALIDATION
    is_open = source not in (ModelState.APPROVAL, ModelState.RETIRED)
    accepts = is_open and (is_validator or Who.MODEL_RISK in standing.parts)
    return ModelCard(
        model=model,
        version=version,
        evidence=items,
        lacks={step: tuple(each) for step, each in at.lacks.items()},
        choices=choices,
        readings=_load_readings(session, version),
        history=load_history(session, model, version),
        can_edit=actor.kind is not ActorKind.PERSON
        or bool({Who.OWNER, Who.MODEL_RISK} & standing.parts)
        or standing.developed,
        can_hand_in=version is not None and is_open and standing.is_close,
        can_risk=Who.MODEL_RISK in standing.parts,
        can_accept=tuple(
            item
            for item in items.values()
            if accepts
            and item.status is EvidenceStatus.SUBMITTED
            and item.type != SELF_MADE
            and item.producer_id != actor.id
        ),
        agreed=tuple(
            f"{name} agreed to: {labels.get(step, step).lower()}" for step, name in agreed
        ),
    )


def _load_readings(session: Session, version: VersionRecord | None) -> tuple[Reading, ...]:
    rows = finding_queries.list_metrics(session, [version.id]) if version else ()
    latest = finding_queries.find_latest_readings(session, [row.id for row in rows]) if rows else {}
    return tuple(
        Reading(
            row.name,
            row.threshold,
            row.better,
            row.every_days,
            latest[row.id].value if row.id in latest else None,
            latest[row.id].at if row.id in latest else None,
            row.id in latest and latest[row.id].is_breach,
            row.trouble or "",
        )
        for row in rows
    )


def load_history(
    session: Session, model: ModelRecord, version: VersionRecord | None = None
) -> tuple[StepTaken, ...]:
    """The latest steps, newest first."""
    rows = [
        row
        for row in queries.list_steps(session, model.id, 4 * HISTORY)
        if version is None or row.version_id in (None, version.id)
    ][:HISTORY]
    return _step_records(session, model, rows)


def list_every_step(
    session: Session, model: ModelRecord, version: VersionRecord
) -> list[tuple[StepTaken, str | None]]:
    """All steps of a version, oldest first, each with the digest of the evidence that counted then."""
    rows = [
        row for row in queries.list_steps(session, model.id, 10_000) if row.version_id == version.id
    ]
    rows.reverse()
    return list(
        zip(_step_records(session, model, rows), (row.evidence_digest for row in rows), strict=True)
    )


def _step_records(
    session: Session, model: ModelRecord, rows: Sequence[ModelTransition]
) -> tuple[StepTaken, ...]:
    people = reads.load_people(session, [row.actor_id for row in rows])
    texts = lookups.find_texts(session, {row.reason_id for row in rows if row.reason_id})
    names = {each.id: each.version for each in model.versions}
    return tuple(
        StepTaken(
            names.get(row.version_id, "") if row.version_id else "",
            row.step,
            ModelState(row.source),
            ModelState(row.target),
            people[row.actor_id].name if row.actor_id in people else "mlgov",
            (texts.get(row.reason_id, "") or reads.ERASED) if row.reason_id else "",
            row.created_at,
        )
        for row in rows
    )


def load_version_card(
    session: Session, person_id: str, version_id: int, *, policy: Policy, now: datetime
) -> ModelCard | None:
    """The card of a version before the person whose direct message shows it; None when there is none any more."""
    version = queries.find_version(session, version_id)
    reader = lookups.find_people(session, [person_id]).get(person_id)
    if version is None or reader is None:
        return None
    actor = Actor(reader.id, ActorKind.PERSON, reader.name, reader.slack_id, reader.tz)
    return load_card(session, actor, version.model_id, version_id, policy=policy, now=now)


def find_step(session: Session, step_id: int) -> tuple[ModelRecord, StepTaken] | None:
    """A step as it happened, and its model; None when there is none."""
    row = queries.find_step(session, step_id)
    if row is None:
        return None
    model = reads.load_model(session, row.model_id)
    return model, _step_records(session, model, [row])[0]
