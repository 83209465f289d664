"""The inventory: registering models, describing and assessing them."""

import hashlib
import json
from collections.abc import Collection

from sqlalchemy.orm import Session

from storage.enums import ModelKind, ModelState, Part
from storage.inventory import queries
from storage.inventory.tables import Model, ModelVersion
from storage.people import lookups
from storage.people import queries as people
from storage.people.lookups import is_joined
from storage.registry import queries as registry
from workflows import outbox, permissions, resting, rollout
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import (
    GovernanceError,
    InvalidInput,
    NotAllowed,
    NotFound,
    RefusalFact,
    Stale,
    refuse,
)
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory import reads, rules
from workflows.inventory.forms import AddVersion, AssessTier, RegisterModel
from workflows.inventory.notices import ModelShown, StepTold
from workflows.inventory.rules import Who
from workflows.outbox import Destination, Notice, Subject
from workflows.sources.text import skeleton, storable

# --- What follows a change of a model
#
# every copy shows what is true, and whom it concerns is told.

VERSION = "model_version"
"""The type of subject under which a version is asked about."""


def subject(model_id: int) -> Subject:
    """What every message about a model is a view of."""
    return Subject.of("model", model_id)


def refresh_copies(ctx: Context, model_id: int) -> None:
    """Every copy of a model's card shows what is true now, and what waits for a decision about it is looked at again."""
    ctx.session.flush()
    resting.recheck_about(
        ctx.session,
        VERSION,
        [row.id for row in queries.list_versions(ctx.session, [model_id])],
        now=ctx.now,
    )
    model = queries.find_model(ctx.session, model_id)
    if model is not None and model.project_id is not None:
        resting.recheck_projects(
            ctx.session, [model.project_id], now=ctx.now, subject_type="release"
        )
    outbox.refresh(ctx, subject(model_id))


def find_channel(ctx: Context, model: Model) -> str | None:
    """The Slack id of the model's project's channel, where mlgov can speak there."""
    project = queries.find_project_by_id(ctx.session, model.project_id)
    if project is not None and project.channel and is_joined(ctx.session, ctx.org, project.channel):
        return project.channel
    return None


def post_card(ctx: Context, model: Model) -> None:
    """Post the model's card in its project's channel, once."""
    channel = find_channel(ctx, model)
    if model.card_id is not None or channel is None:
        return
    model.card_id = outbox.post(
        ctx.session,
        ModelShown(model.id),
        to=Destination.channel(ctx.org, channel),
        dedupe_key=f"model:{model.id}:card:{channel}",
        now=ctx.now,
        subject=subject(model.id),
    )


def post_step(ctx: Context, model: Model, step_id: int, *, alone: bool) -> None:
    """Tell a step under the model's card; `alone`, as an alarm is, beside it."""
    channel = find_channel(ctx, model)
    if channel is None:
        return
    outbox.post(
        ctx.session,
        StepTold(step_id),
        to=Destination.channel(ctx.org, channel),
        dedupe_key=f"model:step:{step_id}",
        now=ctx.now,
        thread_of=None if alone else model.card_id,
    )


def notify_people(
    ctx: Context,
    person_ids: Collection[str],
    notice: Notice,
    key: str,
    model_id: int,
    *,
    unasked: bool = True,
) -> None:
    """Message these people, each once for this fact; through the rollout where nobody's own deed asks for it."""
    for person_id, person in sorted(lookups.find_people(ctx.session, set(person_ids)).items()):
        if not person.slack_id or person.is_deactivated or person.is_bot:
            continue
        to = Destination.person(ctx.org, person.slack_id)
        name = f"{key}:{person_id}"
        if unasked:
            rollout.message_unasked(
                ctx, person_id, notice, to=to, dedupe_key=name, subject=subject(model_id)
            )
        else:
            outbox.post(
                ctx.session, notice, to=to, dedupe_key=name, now=ctx.now, subject=subject(model_id)
            )


# --- The inventory
#
# registering models, describing and assessing them.

TYPE = "model"


def _refuse_look_alike(ctx: Context, name: str, own_id: int | None) -> None:
    """Refuse a name that people can't tell from another model's. Plain ASCII looks like nothing else but itself."""
    if name.isascii():
        return
    look = skeleton(name)
    twin = next(
        (
            known
            for known in queries.list_names(ctx.session)
            if known.id != own_id and skeleton(known.name) == look
        ),
        None,
    )
    if twin is not None:
        row = queries.find_model(ctx.session, twin.id)
        is_seen = row is not None and reads.is_seen(ctx, row)
        whose = f"that of `{twin.key}`" if is_seen else "another model's"
        raise InvalidInput(
            f"This name looks the same as {whose}. Find one that people can tell apart.",
            field="name",
        )


def register_model(ctx: Context, form: RegisterModel, *, channel: str = "") -> int:
    """Put a model on the inventory; its id. The same `request_key` again changes nothing. Every member may.

    `channel` is where the message stands from which somebody registers it: the project of that channel may be named.
    """
    permissions.require_member(ctx.actor, "model.register", subject=(TYPE, form.key))
    known = queries.find_by_request(ctx.session, form.request_key)
    if known is not None:
        if ctx.actor.kind is ActorKind.PERSON and known.created_by != ctx.actor.id:
            raise reads.out_of_sight()
        return known.id
    taken = queries.find_by_key(ctx.session, form.key)
    if taken is not None:
        is_seen = reads.is_seen(ctx, taken)
        way_on = "Add a version to it, or find another name." if is_seen else "Find another name."
        raise InvalidInput(
            f"There is a model `{form.key}` already. {way_on}",
            field="name",
            hint="models.show" if is_seen else None,
        )
    _refuse_look_alike(ctx, form.name, None)
    assessment = (form.exposure, form.purpose_class, form.eu_class)
    if any(assessment) and not all(assessment):
        missing = ("exposure", "purpose_class", "eu_class")[assessment.index(None)]
        raise InvalidInput(
            "Say exposure, purpose and EU class together, or none of them for now.", field=missing
        )
    project = reads.find_project(ctx, form.project, channel=channel)
    is_person = ctx.actor.kind is ActorKind.PERSON
    owner_id = form.owner_id or (
        ctx.actor.id if is_person else project.owner_id if project else None
    )
    if owner_id is None:
        raise InvalidInput(
            "Say who owns it: an e-mail address, or a member id like U024BE7LH.", field="owner"
        )
    require_people(ctx.session, [owner_id], "owner")
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
        created_by=ctx.actor.id if is_person else None,
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    link_upstream(ctx, row, form.upstream)
    audit.record(
        ctx,
        "model.registered",
        (TYPE, row.id),
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
        assess_tier(ctx, first)
    post_card(ctx, row)
    return row.id


def adopt_model(
    ctx: Context,
    registry_name: str,
    key: str,
    *,
    purpose: str,
    owner_id: str | None,
    project: str | None,
) -> int:
    """Put a model that the registry has on the inventory, as far as it is known; its id. Somebody has to say the rest."""
    if queries.find_by_key(ctx.session, key) is not None:
        key = f"{key[:70]}-{hashlib.sha256(registry_name.encode()).hexdigest()[:8]}"
    known = queries.find_project(ctx.session, project.casefold()) if project else None
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
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    audit.record(
        ctx.as_system(), "model.adopted", (TYPE, row.id), key=row.key, registry=registry_name
    )
    post_card(ctx, row)
    return row.id


def edit_model(ctx: Context, model_id: int, revision: int, form: RegisterModel) -> None:
    """Describe a model anew; its key, and what an assessment said, stay."""
    row = lock_model(ctx, model_id, revision)
    require_editor(ctx, row)
    _refuse_look_alike(ctx, form.name, row.id)
    project = reads.find_project(ctx, form.project, kept=row.project_id)
    if row.affects_people and not form.affects_people:
        _require_lighter(ctx, row, "affects_people")
    owner_id = form.owner_id or row.owner_id
    require_people(ctx.session, [owner_id] if owner_id else [], "owner")
    before = _digest_description(row), row.owner_id, row.project_id
    row.name, row.kind, row.vendor = form.name, form.kind.value, form.vendor
    row.project_id = project.id if project else None
    row.owner_id = owner_id
    row.purpose, row.intended_use = form.purpose, form.intended_use
    row.out_of_scope, row.technique = form.out_of_scope, form.technique
    row.data_sources, row.affects_people = list(form.data_sources), form.affects_people
    row.registry_name = form.registry_name or row.registry_name
    link_upstream(ctx, row, form.upstream)
    row.revision += 1
    audit.record(
        ctx,
        "model.described",
        (TYPE, row.id),
        owner=owner_id,
        project=row.project_id,
        upstream=sorted(form.upstream),
        described=_digest_description(row),
        changed=before != (_digest_description(row), row.owner_id, row.project_id),
    )
    post_card(ctx, row)
    refresh_copies(ctx, row.id)


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


def assess_tier(ctx: Context, form: AssessTier) -> int:
    """Say how material a model is; the tier that holds. Its own tier only model risk sets, with a reason."""
    row = lock_model(ctx, form.model_id, form.revision)
    require_editor(ctx, row)
    follows = rules.derive_tier(form.exposure, form.purpose_class, form.eu_class)
    is_override = form.override is not None and form.override != follows
    text = None
    if is_override and form.override is not None:
        if not inventory_permissions.is_model_risk(ctx):
            raise NotAllowed(
                f"From what you say follows tier {follows}. Only model risk can set another.",
                field="override",
                audit=RefusalFact("model.tier", TYPE, str(row.id), why="not_model_risk"),
            )
        faults = {} if form.reason else {"reason": "Say why another tier holds."}
        if form.override > follows and form.eu_class.value in ("high", "prohibited"):
            faults["override"] = "A use of that class under the EU AI Act is tier 1 in any case."
        refuse(faults)
        text = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    held_tier = form.override if is_override and form.override is not None else follows
    if row.tier is not None and held_tier > row.tier:
        _require_lighter(ctx, row, "exposure")
    row.exposure, row.purpose_class = form.exposure.value, form.purpose_class.value
    row.eu_class = form.eu_class.value
    row.tier = held_tier
    row.tier_override = form.override if is_override else None
    row.tier_reason_id = text.id if text else None
    row.tier_by = ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None
    row.tier_at = ctx.now
    row.revision += 1
    audit.record(
        ctx,
        "model.assessed",
        (TYPE, row.id),
        exposure=row.exposure,
        purpose=row.purpose_class,
        eu_class=row.eu_class,
        follows=follows,
        tier=row.tier,
        **({"reason": audit.text_fact(text)} if text else {}),
    )
    refresh_copies(ctx, row.id)
    return held_tier


def _require_lighter(ctx: Context, row: Model, field: str) -> None:
    """Once there are versions, what asks less of them is model risk's to say: not of those whom it spares."""
    if ctx.actor.kind is not ActorKind.PERSON or not queries.list_versions(ctx.session, [row.id]):
        return
    if not inventory_permissions.is_model_risk(ctx):
        raise NotAllowed(
            "It has versions already, and that would ask less of them, so only model risk can say it.",
            field=field,
            audit=RefusalFact("model.lighter", TYPE, str(row.id), why="not_model_risk"),
        )


def has_developed(ctx: Context, row: Model) -> bool:
    """Who developed a version may add the next."""
    ids = [one.id for one in queries.list_versions(ctx.session, [row.id])]
    return any(
        part.person_id == ctx.actor.id and part.part == Part.DEVELOPER
        for part in queries.list_parts(ctx.session, ids)
    )


def classify_entry(
    ctx: Context, model_id: int, revision: int, *, is_model: bool, reason: str
) -> None:
    """Model risk says that an entry is no model (SR 26-2 counts no simple arithmetic and no fixed rules), or that it is."""
    row = lock_model(ctx, model_id, revision)
    if not inventory_permissions.is_model_risk(ctx):
        raise NotAllowed(
            "Only model risk says what is no model.",
            audit=RefusalFact("model.class", TYPE, str(row.id), why="not_model_risk"),
        )
    if queries.list_versions(ctx.session, [row.id]):
        raise GovernanceError("It has versions already. Retire them instead.")
    if not reason:
        raise InvalidInput("Say why.", field="reason")
    text = audit.write_text(ctx.session, ctx.actor, reason, now=ctx.now)
    source = row.state
    row.state = (ModelState.INVENTORIED if is_model else ModelState.NOT_A_MODEL).value
    row.revision += 1
    queries.add_step(
        ctx.session,
        model_id=row.id,
        step="classify",
        source=source,
        target=row.state,
        actor_id=ctx.actor.id,
        reason_id=text.id,
        created_at=ctx.now,
    )
    audit.record(
        ctx, "model.classified", (TYPE, row.id), state=row.state, reason=audit.text_fact(text)
    )
    refresh_copies(ctx, row.id)


def lock_model(ctx: Context, model_id: int, revision: int) -> Model:
    """A model, locked, in the actor's sight and as it was shown. Raises NotFound and Stale."""
    row = queries.lock_model(ctx.session, model_id)
    reads.require_sight(ctx, model_id)
    if row is None:
        raise reads.out_of_sight()
    if row.revision != revision:
        raise Stale(
            "This model changed since it was shown to you. Nothing was changed; look at it again and repeat."
        )
    return row


def require_editor(ctx: Context, row: Model) -> None:
    """Refuse whoever neither owns, develops nor governs a model. Programs may. Raises NotAllowed."""
    permissions.require_member(ctx.actor, "model.edit", subject=(TYPE, row.id))
    if ctx.actor.kind is not ActorKind.PERSON or row.owner_id in (None, ctx.actor.id):
        return
    if inventory_permissions.is_model_risk(ctx) or has_developed(ctx, row):
        return
    owner = lookups.find_people(ctx.session, [row.owner_id] if row.owner_id else []).values()
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


def link_upstream(ctx: Context, row: Model, upstream: Collection[str]) -> None:
    """The models whose output this one takes, each in the actor's sight or taken before; a circle is refused."""
    queries.lock_links(ctx.session)
    kept = {one.key for one in queries.list_upstream(ctx.session, row.id)}
    models = {
        key: one
        for key, one in queries.find_by_keys(ctx.session, set(upstream)).items()
        if key in kept or reads.is_seen(ctx, one)
    }
    missing = sorted(set(upstream) - models.keys())
    if missing:
        raise NotFound(
            f"There is no model {missing[0]!r} to take output from.",
            field="upstream",
            hint="models.list",
        )
    wanted = {one.id for one in models.values()} - {row.id}
    links = queries.find_all_links(ctx.session) | {row.id: wanted}
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
    queries.set_upstream(ctx.session, row.id, wanted)


# --- Adding versions of a model, by people and by pipelines

VERSION_TYPE = "model_version"


def add_version(ctx: Context, form: AddVersion) -> int:
    """Add a version, in development; its id. The first one is where a model's development starts.

    The same version with the same digest again changes nothing, so that a pipeline can repeat itself.
    """
    permissions.require_member(ctx.actor, "model.version", subject=(TYPE, form.model_id))
    row = queries.lock_model(ctx.session, form.model_id)
    reads.require_sight(ctx, form.model_id)
    if row is None:
        raise reads.out_of_sight()
    digest, about = _digest_contents(form)
    same = queries.find_version_named(ctx.session, row.id, form.version)
    if same is not None:
        if same.digest == digest:
            return same.id
        raise InvalidInput(
            f"{row.name} has a version {form.version} already, with other contents. A changed version gets another name.",
            field="version",
        )
    record = reads.load_model(ctx.session, row.id)
    standing = inventory_permissions.find_standing(ctx, record, None)
    move = rules.find_move(ModelState.INVENTORIED, rules.START)
    at = inventory_permissions.load_situation(ctx, record, None, {})
    if record.own_state is ModelState.NOT_A_MODEL:
        raise GovernanceError(f"{row.name} was said to be no model. Model risk can take that back.")
    is_maker = ctx.actor.kind is not ActorKind.PERSON or has_developed(ctx, row)
    if move is None:
        raise RuntimeError("the table has no way into development")
    refused = rules.list_refusals(
        move, rules.Standing(standing.parts | {Who.OWNER}) if is_maker else standing, at
    )
    if refused:
        raise GovernanceError(f"{row.name} can't get a version yet: {'; '.join(refused)}.")
    developers = set(form.developers)
    if not developers and ctx.actor.kind is ActorKind.PERSON:
        developers = {ctx.actor.id}
    require_people(ctx.session, [*developers, *form.contributors], "developers")
    # Whoever ran it, by the registry's word, developed it, whoever is named here.
    developers |= _find_makers(ctx.session, row.registry_name, form.version)
    version = ModelVersion(
        model_id=row.id,
        version=form.version,
        state=ModelState.DEVELOPMENT.value,
        state_since=ctx.now,
        digest=digest,
        about=about,
        run_id=form.run_id,
        created_by=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
        created_at=ctx.now,
    )
    ctx.session.add(version)
    ctx.session.flush()
    queries.set_part(ctx.session, version.id, Part.DEVELOPER.value, developers)
    queries.set_part(
        ctx.session, version.id, Part.CONTRIBUTOR.value, set(form.contributors) - developers
    )
    queries.add_step(
        ctx.session,
        model_id=row.id,
        version_id=version.id,
        step=rules.START,
        source=ModelState.INVENTORIED.value,
        target=version.state,
        actor_id=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
        created_at=ctx.now,
    )
    audit.record(
        ctx,
        "model_version.added",
        (VERSION_TYPE, version.id),
        model=row.id,
        version=version.version,
        digest=digest,
        about=about,
        run=form.run_id,
        developers=sorted(developers),
        contributors=sorted(form.contributors),
    )
    post_card(ctx, row)
    refresh_copies(ctx, row.id)
    return version.id


def _find_makers(session: Session, name: str | None, version: str) -> set[str]:
    """Those who made a version as the registry was last seen, as far as they are known here."""
    row = registry.find_version(session, name, version) if name else None
    known = people.list_by_emails(session, row.makers) if row is not None else ()
    return {person.id for person in known if not person.is_bot}


def observe_contents(ctx: Context, version_id: int, digest: str) -> None:
    """The registry's contents of a version have this digest. Where that is not what was approved, the approval no longer holds."""
    version = lock_version(ctx.session, version_id)
    if version.digest == digest:
        return
    audit.record(
        ctx.as_system(),
        "model_version.contents",
        (VERSION_TYPE, version.id),
        model=version.model_id,
        was=version.digest,
        digest=digest,
    )
    version.digest = digest
    version.revision += 1
    refresh_copies(ctx, version.model_id)


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
