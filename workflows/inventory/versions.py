"""Adding versions of a model, by people and by pipelines."""

import hashlib
import json
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ModelState, Part
from storage.inventory import queries
from storage.inventory.tables import ModelVersion
from storage.people import queries as people
from storage.registry import queries as registry
from workflows import permissions
from workflows.actors import SYSTEM, Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput
from workflows.inventory import reads, rules, service, standings, telling
from workflows.inventory.forms import AddVersion
from workflows.inventory.rules import Who
from workflows.inventory.telling import Clicked
from workflows.policy import Policy

TYPE = "model_version"


def add_version(
    session: Session,
    actor: Actor,
    form: AddVersion,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> int:
    """Add a version, in development; its id. The first one is where a model's development starts.

    The same version with the same digest again changes nothing, so that a pipeline can repeat itself.
    """
    permissions.require_member(actor, "model.version", subject=(service.TYPE, form.model_id))
    row = queries.lock_model(session, form.model_id)
    reads.require_sight(session, actor, form.model_id, policy=policy)
    if row is None:
        raise reads.out_of_sight()
    digest, about = _digest_contents(form)
    same = queries.find_version_named(session, row.id, form.version)
    if same is not None:
        if same.digest == digest:
            return same.id
        raise InvalidInput(
            f"{row.name} has a version {form.version} already, with other contents. A changed version gets another name.",
            field="version",
        )
    record = reads.load_model(session, row.id)
    standing = standings.find_standing(session, actor, record, None, policy=policy)
    move = rules.find_move(ModelState.INVENTORIED, rules.START)
    at = standings.load_situation(session, record, None, {}, policy=policy, now=now)
    if record.own_state is ModelState.NOT_A_MODEL:
        raise GovernanceError(f"{row.name} was said to be no model. Model risk can take that back.")
    is_maker = actor.kind is not ActorKind.PERSON or service.has_developed(session, row, actor)
    if move is None:
        raise RuntimeError("the table has no way into development")
    refused = rules.list_refusals(
        move, rules.Standing(standing.parts | {Who.OWNER}) if is_maker else standing, at
    )
    if refused:
        raise GovernanceError(f"{row.name} can't get a version yet: {'; '.join(refused)}.")
    developers = set(form.developers)
    if not developers and actor.kind is ActorKind.PERSON:
        developers = {actor.id}
    service.require_people(session, [*developers, *form.contributors], "developers")
    # Whoever ran it, by the registry's word, developed it, whoever is named here.
    developers |= _find_makers(session, row.registry_name, form.version)
    version = ModelVersion(
        model_id=row.id,
        version=form.version,
        state=ModelState.DEVELOPMENT.value,
        state_since=now,
        digest=digest,
        about=about,
        run_id=form.run_id,
        created_by=actor.id if actor.kind is ActorKind.PERSON else None,
        created_at=now,
    )
    session.add(version)
    session.flush()
    queries.set_part(session, version.id, Part.DEVELOPER.value, developers)
    queries.set_part(
        session, version.id, Part.CONTRIBUTOR.value, set(form.contributors) - developers
    )
    queries.add_step(
        session,
        model_id=row.id,
        version_id=version.id,
        step=rules.START,
        source=ModelState.INVENTORIED.value,
        target=version.state,
        actor_id=actor.id if actor.kind is ActorKind.PERSON else None,
        created_at=now,
    )
    audit.record(
        session,
        actor,
        "model_version.added",
        (TYPE, version.id),
        now=now,
        model=row.id,
        version=version.version,
        digest=digest,
        about=about,
        run=form.run_id,
        developers=sorted(developers),
        contributors=sorted(form.contributors),
    )
    telling.post_card(session, row, org_key=org_key, now=now)
    telling.refresh_copies(session, row.id, now=now, clicked=clicked)
    return version.id


def _find_makers(session: Session, name: str | None, version: str) -> set[str]:
    """Those who made a version as the registry was last seen, as far as they are known here."""
    row = registry.find_version(session, name, version) if name else None
    known = people.list_by_emails(session, row.makers) if row is not None else ()
    return {person.id for person in known if not person.is_bot}


def observe_contents(session: Session, version_id: int, digest: str, *, now: datetime) -> None:
    """The registry's contents of a version have this digest. Where that is not what was approved, the approval no longer holds."""
    version = lock_version(session, version_id)
    if version.digest == digest:
        return
    audit.record(
        session,
        SYSTEM,
        "model_version.contents",
        (TYPE, version.id),
        now=now,
        model=version.model_id,
        was=version.digest,
        digest=digest,
    )
    version.digest = digest
    version.revision += 1
    telling.refresh_copies(session, version.model_id, now=now)


def _digest_contents(form: AddVersion) -> tuple[str | None, dict[str, object]]:
    """What proves a version's contents; a generative use is its model, prompt and tools."""
    given = form.digest.removeprefix("sha256:") if form.digest else None
    if form.generative is None:
        return given, {}
    about = form.generative.model_dump(mode="json")
    about["tools"] = sorted(about["tools"])
    canonical = json.dumps(about, separators=(",", ":"), sort_keys=True)
    return given or hashlib.sha256(canonical.encode()).hexdigest(), about


def lock_version(session: Session, version_id: int) -> ModelVersion:
    """A version, locked. Raises NotFound."""
    version = queries.lock_version(session, version_id)
    if version is None:
        raise reads.out_of_sight()
    return version
