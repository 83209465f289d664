"""The inventory: registering models, describing and assessing them."""

import hashlib
import json
from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ModelKind, ModelState, Part
from storage.inventory import queries
from storage.inventory.tables import Model, ModelVersion
from storage.people import lookups
from storage.people import queries as people
from storage.people.lookups import is_joined
from storage.registry import queries as registry
from workflows import outbox, permissions, resting, rollout
from workflows.actors import SYSTEM, Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, RefusalFact, Stale
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory import reads, rules
from workflows.inventory.forms import AddVersion, AssessTier, RegisterModel
from workflows.inventory.notices import ModelShown, StepTold
from workflows.inventory.rules import Who
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy
from workflows.sources.text import skeleton, storable

# --- What follows a change of a model
#
# every copy shows what is true, and whom it concerns is told.

Clicked = tuple[str, str] | None
VERSION = "model_version"
"""The type of subject under which a version is asked about."""


def subject(model_id: int) -> Subject:
    """What every message about a model is a view of."""
    return Subject.of("model", model_id)


def refresh_copies(
    session: Session, model_id: int, *, now: datetime, clicked: Clicked = None
) -> None:
    """Every copy of a model's card shows what is true now, and what waits for a decision about it is looked at again."""
    session.flush()
    resting.recheck_about(
        session, VERSION, [row.id for row in queries.list_versions(session, [model_id])], now=now
    )
    model = queries.find_model(session, model_id)
    if model is not None and model.project_id is not None:
        resting.recheck_projects(session, [model.project_id], now=now, subject_type="release")
    outbox.refresh(session, subject(model_id), now=now, clicked=clicked)


def find_channel(session: Session, model: Model, org_key: str) -> str | None:
    """The Slack id of the model's project's channel, where mlgov can speak there."""
    project = queries.find_project_by_id(session, model.project_id)
    if project is not None and project.channel and is_joined(session, org_key, project.channel):
        return project.channel
    return None


def post_card(session: Session, model: Model, *, org_key: str, now: datetime) -> None:
    """Post the model's card in its project's channel, once."""
    channel = find_channel(session, model, org_key)
    if model.card_id is not None or channel is None:
        return
    model.card_id = outbox.post(
        session,
        ModelShown(model.id),
        to=Destination.channel(org_key, channel),
        dedupe_key=f"model:{model.id}:card:{channel}",
        now=now,
        subject=subject(model.id),
    )


def post_step(
    session: Session, model: Model, step_id: int, *, alone: bool, org_key: str, now: datetime
) -> None:
    """Tell a step under the model's card; `alone`, as an alarm is, beside it."""
    channel = find_channel(session, model, org_key)
    if channel is None:
        return
    outbox.post(
        session,
        StepTold(step_id),
        to=Destination.channel(org_key, channel),
        dedupe_key=f"model:step:{step_id}",
        now=now,
        thread_of=None if alone else model.card_id,
    )


def notify_people(
    session: Session,
    person_ids: Collection[str],
    notice: Notice,
    key: str,
    model_id: int,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    unasked: bool = True,
) -> None:
    """Message these people, each once for this fact; through the rollout where nobody's own deed asks for it."""
    for person_id, person in sorted(lookups.find_people(session, set(person_ids)).items()):
        if not person.slack_id or person.is_deactivated or person.is_bot:
            continue
        to = Destination.person(org_key, person.slack_id)
        name = f"{key}:{person_id}"
        if unasked:
            rollout.message_unasked(
                session,
                person_id,
                notice,
                to=to,
                dedupe_key=name,
                policy=policy,
                now=now,
                subject=subject(model_id),
            )
        else:
            outbox.post(session, notice, to=to, dedupe_key=name, now=now, subject=subject(model_id))


# --- The inventory
#
# registering models, describing and assessing them.

TYPE = "model"


def _refuse_look_alike(
    session: Session, actor: Actor, name: str, own_id: int | None, policy: Policy
) -> None:
    """Refuse a name that people can't tell from another model's. Plain ASCII looks like nothing else but itself."""
    if name.isascii():
        return
    look = skeleton(name)
    twin = next(
        (
            known
            for known in queries.list_names(session)
            if known.id != own_id and skeleton(known.name) == look
        ),
        None,
    )
    if twin is not None:
        row = queries.find_model(session, twin.id)
        is_seen = row is not None and reads.is_seen(session, actor, row, policy)
        whose = f"that of `{twin.key}`" if is_seen else "another model's"
        raise InvalidInput(
            f"This name looks the same as {whose}. Find one that people can tell apart.",
            field="name",
        )


def register_model(
    session: Session,
    actor: Actor,
    form: RegisterModel,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    channel: str = "",
) -> int:
    """Put a model on the inventory; its id. The same `request_key` again changes nothing. Every member may.

    `channel` is where the message stands from which somebody registers it: the project of that channel may be named.
    """
    permissions.require_member(actor, "model.register", subject=(TYPE, form.key))
    known = queries.find_by_request(session, form.request_key)
    if known is not None:
        if actor.kind is ActorKind.PERSON and known.created_by != actor.id:
            raise reads.out_of_sight()
        return known.id
    taken = queries.find_by_key(session, form.key)
    if taken is not None:
        is_seen = reads.is_seen(session, actor, taken, policy)
        way_on = "Add a version to it, or find another name." if is_seen else "Find another name."
        raise InvalidInput(
            f"There is a model `{form.key}` already. {way_on}",
            field="name",
            hint="models.show" if is_seen else None,
        )
    _refuse_look_alike(session, actor, form.name, None, policy)
    assessment = (form.exposure, form.purpose_class, form.eu_class)
    if any(assessment) and not all(assessment):
        missing = ("exposure", "purpose_class", "eu_class")[assessment.index(None)]
        raise InvalidInput(
            "Say exposure, purpose and EU class together, or none of them for now.", field=missing
        )
    project = reads.find_project(session, actor, form.project, policy=policy, channel=channel)
    is_person = actor.kind is ActorKind.PERSON
    owner_id = form.owner_id or (actor.id if is_person else project.owner_id if project else None)
    if owner_id is None:
        raise InvalidInput(
            "Say who owns it: an e-mail address, or a member id like U024BE7LH.", field="owner"
        )
    require_people(session, [owner_id], "owner")
    row = Model(
        key=form.key,
        name=form.name,
        kind=form.kind.value,
        vendor=form.vendor,
        project_id=project.id if project else None,
        owner_id=owner_id,
        purpose=form.purpose,
        intended_use=form.intended_use,
        out_of_scope=form.out_of_scope,
        technique=form.technique,
        data_sources=list(form.data_sources),
        affects_people=form.affects_people,
        state=ModelState.INVENTORIED.value,
        registry_name=form.registry_name,
        request_key=form.request_key,
        created_by=actor.id if is_person else None,
        created_at=now,
    )
    session.add(row)
    session.flush()
    link_upstream(session, actor, row, form.upstream, policy=policy)
    audit.record(
        session,
        actor,
        "model.registered",
        (TYPE, row.id),
        now=now,
        key=row.key,
        model_kind=row.kind,
        owner=owner_id,
        project=row.project_id,
        upstream=sorted(form.upstream),
        described=_digest_description(row),
    )
    if form.exposure and form.purpose_class and form.eu_class:
        first = AssessTier(
            model_id=row.id,
            revision=row.revision,
            exposure=form.exposure,
            purpose_class=form.purpose_class,
            eu_class=form.eu_class,
        )
        assess_tier(session, actor, first, policy=policy, now=now)
    post_card(session, row, org_key=org_key, now=now)
    return row.id


def adopt_model(
    session: Session,
    registry_name: str,
    key: str,
    *,
    purpose: str,
    owner_id: str | None,
    project: str | None,
    now: datetime,
    org_key: str,
) -> int:
    """Put a model that the registry has on the inventory, as far as it is known; its id. Somebody has to say the rest."""
    if queries.find_by_key(session, key) is not None:
        key = f"{key[:70]}-{hashlib.sha256(registry_name.encode()).hexdigest()[:8]}"
    known = queries.find_project(session, project.casefold()) if project else None
    row = Model(
        key=key,
        name=storable(registry_name, 80),
        kind=ModelKind.INTERNAL.value,
        project_id=known.id if known else None,
        owner_id=owner_id or (known.owner_id if known else None),
        purpose=purpose,
        data_sources=[],
        state=ModelState.INVENTORIED.value,
        registry_name=registry_name,
        created_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        SYSTEM,
        "model.adopted",
        (TYPE, row.id),
        now=now,
        key=row.key,
        registry=registry_name,
    )
    post_card(session, row, org_key=org_key, now=now)
    return row.id


def edit_model(
    session: Session,
    actor: Actor,
    model_id: int,
    revision: int,
    form: RegisterModel,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: Clicked = None,
) -> None:
    """Describe a model anew; its key, and what an assessment said, stay."""
    row = lock_model(session, actor, model_id, revision, policy=policy)
    require_editor(session, actor, row, policy=policy)
    _refuse_look_alike(session, actor, form.name, row.id, policy)
    project = reads.find_project(session, actor, form.project, policy=policy, kept=row.project_id)
    if row.affects_people and not form.affects_people:
        _require_lighter(session, actor, row, "affects_people", policy=policy)
    owner_id = form.owner_id or row.owner_id
    require_people(session, [owner_id] if owner_id else [], "owner")
    before = _digest_description(row), row.owner_id, row.project_id
    row.name, row.kind, row.vendor = form.name, form.kind.value, form.vendor
    row.project_id = project.id if project else None
    row.owner_id = owner_id
    row.purpose, row.intended_use = form.purpose, form.intended_use
    row.out_of_scope, row.technique = form.out_of_scope, form.technique
    row.data_sources, row.affects_people = list(form.data_sources), form.affects_people
    row.registry_name = form.registry_name or row.registry_name
    link_upstream(session, actor, row, form.upstream, policy=policy)
    row.revision += 1
    audit.record(
        session,
        actor,
        "model.described",
        (TYPE, row.id),
        now=now,
        owner=owner_id,
        project=row.project_id,
        upstream=sorted(form.upstream),
        described=_digest_description(row),
        changed=before != (_digest_description(row), row.owner_id, row.project_id),
    )
    post_card(session, row, org_key=org_key, now=now)
    refresh_copies(session, row.id, now=now, clicked=clicked)


def _digest_description(row: Model) -> str:
    """A digest over what describes a model: its words stand in the record, the ledger proves them."""
    # A list, so that no field's name is part of it; the order is that of the entries already in ledgers.
    whole = [
        row.name,
        row.vendor,
        row.purpose,
        row.intended_use,
        row.out_of_scope,
        row.technique,
        row.data_sources,
        row.affects_people,
    ]
    return hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode()).hexdigest()


def assess_tier(
    session: Session,
    actor: Actor,
    form: AssessTier,
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> int:
    """Say how material a model is; the tier that holds. Its own tier only model risk sets, with a reason."""
    row = lock_model(session, actor, form.model_id, form.revision, policy=policy)
    require_editor(session, actor, row, policy=policy)
    follows = rules.derive_tier(form.exposure, form.purpose_class, form.eu_class)
    is_override = form.override is not None and form.override != follows
    text = None
    if is_override and form.override is not None:
        if not inventory_permissions.is_model_risk(session, actor, policy):
            raise NotAllowed(
                f"From what you say follows tier {follows}. Only model risk can set another.",
                field="override",
                audit=RefusalFact("model.tier", TYPE, str(row.id), why="not_model_risk"),
            )
        if not form.reason:
            raise InvalidInput("Say why another tier holds.", field="reason")
        if form.override > follows and form.eu_class.value in ("high", "prohibited"):
            raise InvalidInput(
                "A use of that class under the EU AI Act is tier 1 in any case.", field="override"
            )
        text = audit.write_text(session, actor, form.reason, now=now)
    held_tier = form.override if is_override and form.override is not None else follows
    if row.tier is not None and held_tier > row.tier:
        _require_lighter(session, actor, row, "exposure", policy=policy)
    row.exposure, row.purpose_class = form.exposure.value, form.purpose_class.value
    row.eu_class = form.eu_class.value
    row.tier = held_tier
    row.tier_override = form.override if is_override else None
    row.tier_reason_id = text.id if text else None
    row.tier_by = actor.id if actor.kind is ActorKind.PERSON else None
    row.tier_at = now
    row.revision += 1
    audit.record(
        session,
        actor,
        "model.assessed",
        (TYPE, row.id),
        now=now,
        exposure=row.exposure,
        purpose=row.purpose_class,
        eu_class=row.eu_class,
        follows=follows,
        tier=row.tier,
        **({"reason": audit.text_fact(text)} if text else {}),
    )
    refresh_copies(session, row.id, now=now, clicked=clicked)
    return held_tier


def _require_lighter(
    session: Session, actor: Actor, row: Model, field: str, *, policy: Policy
) -> None:
    """Once there are versions, what asks less of them is model risk's to say: not of those whom it spares."""
    if actor.kind is not ActorKind.PERSON or not queries.list_versions(session, [row.id]):
        return
    if not inventory_permissions.is_model_risk(session, actor, policy):
        raise NotAllowed(
            "It has versions already, and that would ask less of them, so only model risk can say it.",
            field=field,
            audit=RefusalFact("model.lighter", TYPE, str(row.id), why="not_model_risk"),
        )


def has_developed(session: Session, row: Model, actor: Actor) -> bool:
    """Who developed a version may add the next."""
    ids = [one.id for one in queries.list_versions(session, [row.id])]
    return any(
        part.person_id == actor.id and part.part == Part.DEVELOPER
        for part in queries.list_parts(session, ids)
    )


def classify_entry(
    session: Session,
    actor: Actor,
    model_id: int,
    revision: int,
    *,
    is_model: bool,
    reason: str,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """Model risk says that an entry is no model (SR 26-2 counts no simple arithmetic and no fixed rules), or that it is."""
    row = lock_model(session, actor, model_id, revision, policy=policy)
    if not inventory_permissions.is_model_risk(session, actor, policy):
        raise NotAllowed(
            "Only model risk says what is no model.",
            audit=RefusalFact("model.class", TYPE, str(row.id), why="not_model_risk"),
        )
    if queries.list_versions(session, [row.id]):
        raise GovernanceError("It has versions already. Retire them instead.")
    if not reason:
        raise InvalidInput("Say why.", field="reason")
    text = audit.write_text(session, actor, reason, now=now)
    source = row.state
    row.state = (ModelState.INVENTORIED if is_model else ModelState.NOT_A_MODEL).value
    row.revision += 1
    queries.add_step(
        session,
        model_id=row.id,
        step="classify",
        source=source,
        target=row.state,
        actor_id=actor.id,
        reason_id=text.id,
        created_at=now,
    )
    audit.record(
        session,
        actor,
        "model.classified",
        (TYPE, row.id),
        now=now,
        state=row.state,
        reason=audit.text_fact(text),
    )
    refresh_copies(session, row.id, now=now, clicked=clicked)


def lock_model(
    session: Session, actor: Actor, model_id: int, revision: int, *, policy: Policy
) -> Model:
    """A model, locked, in the actor's sight and as it was shown. Raises NotFound and Stale."""
    row = queries.lock_model(session, model_id)
    reads.require_sight(session, actor, model_id, policy=policy)
    if row is None:
        raise reads.out_of_sight()
    if row.revision != revision:
        raise Stale(
            "This model changed since it was shown to you. Nothing was changed; look at it again and repeat."
        )
    return row


def require_editor(session: Session, actor: Actor, row: Model, *, policy: Policy) -> None:
    """Refuse whoever neither owns, develops nor governs a model. Programs may. Raises NotAllowed."""
    permissions.require_member(actor, "model.edit", subject=(TYPE, row.id))
    if actor.kind is not ActorKind.PERSON or row.owner_id in (None, actor.id):
        return
    if inventory_permissions.is_model_risk(session, actor, policy) or has_developed(
        session, row, actor
    ):
        return
    owner = lookups.find_people(session, [row.owner_id] if row.owner_id else []).values()
    who = next((one.name for one in owner), "model risk")
    raise NotAllowed(
        f"Only its owner, its developers and model risk can change what stands here. Ask {who}.",
        audit=RefusalFact("model.edit", TYPE, str(row.id), why="not_answering"),
    )


def require_people(session: Session, ids: Collection[str], field: str) -> None:
    people = lookups.find_people(session, set(ids))
    for person_id in ids:
        person = people.get(person_id)
        if (
            person is None
            or person.is_bot
            or person.is_guest
            or person.is_stranger
            or person.is_deactivated
        ):
            raise InvalidInput(
                "Choose full members of the organisation, no guests and no bots.", field=field
            )


def link_upstream(
    session: Session, actor: Actor, row: Model, upstream: Collection[str], *, policy: Policy
) -> None:
    """The models whose output this one takes, each in the actor's sight or taken before; a circle is refused."""
    queries.lock_links(session)
    kept = {one.key for one in queries.list_upstream(session, row.id)}
    models = {
        key: one
        for key, one in queries.find_by_keys(session, set(upstream)).items()
        if key in kept or reads.is_seen(session, actor, one, policy)
    }
    missing = sorted(set(upstream) - models.keys())
    if missing:
        raise NotFound(
            f"There is no model {missing[0]!r} to take output from.",
            field="upstream",
            hint="models.list",
        )
    wanted = {one.id for one in models.values()} - {row.id}
    links = queries.find_all_links(session) | {row.id: wanted}
    seen, waiting = set(), list(wanted)
    while waiting:
        at = waiting.pop()
        if at == row.id:
            raise InvalidInput(
                "That would go round in a circle: one of them takes this model's output already.",
                field="upstream",
            )
        if at not in seen:
            seen.add(at)
            waiting += links.get(at, ())
    queries.set_upstream(session, row.id, wanted)


# --- Adding versions of a model, by people and by pipelines

VERSION_TYPE = "model_version"


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
    permissions.require_member(actor, "model.version", subject=(TYPE, form.model_id))
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
    standing = inventory_permissions.find_standing(session, actor, record, None, policy=policy)
    move = rules.find_move(ModelState.INVENTORIED, rules.START)
    at = inventory_permissions.load_situation(session, record, None, {}, policy=policy, now=now)
    if record.own_state is ModelState.NOT_A_MODEL:
        raise GovernanceError(f"{row.name} was said to be no model. Model risk can take that back.")
    is_maker = actor.kind is not ActorKind.PERSON or has_developed(session, row, actor)
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
    require_people(session, [*developers, *form.contributors], "developers")
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
        (VERSION_TYPE, version.id),
        now=now,
        model=row.id,
        version=version.version,
        digest=digest,
        about=about,
        run=form.run_id,
        developers=sorted(developers),
        contributors=sorted(form.contributors),
    )
    post_card(session, row, org_key=org_key, now=now)
    refresh_copies(session, row.id, now=now, clicked=clicked)
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
        (VERSION_TYPE, version.id),
        now=now,
        model=version.model_id,
        was=version.digest,
        digest=digest,
    )
    version.digest = digest
    version.revision += 1
    refresh_copies(session, version.model_id, now=now)


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
