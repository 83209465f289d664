"""Models as they stand, read for others."""

import difflib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.enums import (
    EuClass,
    EvidenceStatus,
    Exposure,
    FindingSource,
    FindingStatus,
    ModelKind,
    ModelState,
    Part,
    PurposeClass,
    Severity,
)
from storage.inventory import queries
from storage.inventory.tables import Finding, Model, ModelPerson, ModelTransition, ModelVersion
from storage.people import lookups
from storage.projects.tables import Project
from workflows import permissions
from workflows.context import Actor, ActorKind, Context
from workflows.errors import InvalidInput, NotFound
from workflows.evidence.rules import SELF_MADE
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory import rules
from workflows.inventory.records import (
    Choice,
    FindingRecord,
    ModelCard,
    ModelRecord,
    Need,
    Reading,
    StepTaken,
    VersionRecord,
)
from workflows.inventory.rules import Who
from workflows.policy import Policy
from workflows.projects.records import PersonRef
from workflows.sources.text import storable

TYPE = "model"
ERASED = "(erased)"
_WEIGHT = {one: index for index, one in enumerate(reversed(Severity))}


def out_of_sight() -> NotFound:
    """What is said of a model, a version, evidence or a finding that is not there, and of one that is not for who asks."""
    return NotFound("You see no such model here.", hint="models.list")


def today_of(policy: Policy, now: datetime) -> date:
    """The organisation's day."""
    return now.astimezone(policy.organisation.zone).date()


@dataclass(frozen=True, slots=True)
class _Names:
    """What ids stand for, each read once for all models of a list."""

    people: Mapping[str, PersonRef]
    texts: Mapping[int, str]
    projects: Mapping[int, Project] = field(default_factory=dict)

    def person(self, person_id: str | None) -> PersonRef | None:
        return self.people.get(person_id) if person_id else None

    def text(self, text_id: int | None) -> str:
        """Empty where there is no text, and ERASED for one whose words are gone."""
        return (self.texts.get(text_id, "") or ERASED) if text_id else ""


def load_models(session: Session, rows: Sequence[Model]) -> list[ModelRecord]:
    """These models with their versions and open findings, in as many statements for a hundred as for one."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    versions = queries.list_versions(session, ids)
    parts = queries.list_parts(session, [row.id for row in versions])
    findings = queries.list_unsettled(session, ids)
    names = _load_names(session, rows, parts, findings)
    model_names = {row.id: row.name for row in rows}
    version_names = {row.id: row.version for row in versions}
    versions_of = _version_records(versions, parts, names)
    findings_of: dict[int, list[FindingRecord]] = defaultdict(list)
    for row in findings:
        findings_of[row.model_id].append(
            _finding_record(row, model_names[row.model_id], version_names, names)
        )
    upstream, downstream = _list_neighbours(session, ids)
    return [
        _model_record(
            row,
            tuple(versions_of[row.id]),
            findings_of[row.id],
            upstream[row.id],
            downstream[row.id],
            names,
        )
        for row in rows
    ]


def _load_names(
    session: Session,
    rows: Sequence[Model],
    parts: Sequence[ModelPerson],
    findings: Sequence[Finding],
) -> _Names:
    people = load_people(
        session,
        [
            *(row.owner_id for row in rows),
            *(row.tier_by for row in rows),
            *(part.person_id for part in parts),
            *(id_ for row in findings for id_ in (row.owner_id, row.accepted_by)),
        ],
    )
    text_ids = {row.tier_reason_id for row in rows}
    text_ids |= {id_ for row in findings for id_ in (row.text_id, row.word_id)}
    texts = lookups.find_texts(session, {id_ for id_ in text_ids if id_})
    projects = queries.find_projects(session, {row.project_id for row in rows if row.project_id})
    return _Names(people, texts, projects)


def _list_neighbours(
    session: Session, ids: Sequence[int]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Names of the models whose output each takes, and of those that take its own, by its id."""
    links = queries.list_links(session, ids)
    linked = queries.list_by_ids(session, {id_ for link in links for id_ in link})
    names = {row.id: row.name for row in linked}
    upstream: dict[int, list[str]] = defaultdict(list)
    downstream: dict[int, list[str]] = defaultdict(list)
    for down, up in links:
        upstream[down].append(names[up])
        downstream[up].append(names[down])
    return upstream, downstream


def _model_record(
    row: Model,
    versions: tuple[VersionRecord, ...],
    findings: Sequence[FindingRecord],
    upstream: Sequence[str],
    downstream: Sequence[str],
    names: _Names,
) -> ModelRecord:
    lead = rules.find_leading([(version.id, version.state) for version in versions])
    project = names.projects.get(row.project_id) if row.project_id else None
    return ModelRecord(
        id=row.id,
        key=row.key,
        name=row.name,
        kind=ModelKind(row.kind),
        vendor=row.vendor,
        project_id=row.project_id,
        project_key=project.key if project else None,
        project=project.name if project else None,
        owner=names.person(row.owner_id),
        purpose=row.purpose,
        intended_use=row.intended_use,
        out_of_scope=row.out_of_scope,
        technique=row.technique,
        data_sources=tuple(row.data_sources),
        affects_people=row.affects_people,
        exposure=Exposure(row.exposure) if row.exposure else None,
        purpose_class=PurposeClass(row.purpose_class) if row.purpose_class else None,
        eu_class=EuClass(row.eu_class) if row.eu_class else None,
        tier=row.tier,
        tier_follows=_derive_tier(row) if row.tier_override else None,
        tier_reason=names.text(row.tier_reason_id),
        tier_by=names.person(row.tier_by),
        tier_at=row.tier_at,
        own_state=ModelState(row.state),
        versions=versions,
        findings=tuple(
            sorted(
                findings, key=lambda each: (_WEIGHT[each.severity], each.due or date.max, each.id)
            )
        ),
        next_review=row.next_review,
        upstream=tuple(sorted(upstream)),
        downstream=tuple(sorted(downstream)),
        registry_name=row.registry_name,
        revision=row.revision,
        lead=next((version for version in versions if version.id == lead), None),
    )


def _derive_tier(row: Model) -> int | None:
    if not (row.exposure and row.purpose_class and row.eu_class):
        return None
    return rules.derive_tier(
        Exposure(row.exposure), PurposeClass(row.purpose_class), EuClass(row.eu_class)
    )


def load_people(session: Session, ids: Collection[str | None]) -> dict[str, PersonRef]:
    wanted = {one for one in ids if one}
    rows = lookups.find_people(session, wanted) if wanted else {}
    return {one: PersonRef(one, row.slack_id, row.name) for one, row in rows.items()}


def _version_records(
    versions: Sequence[ModelVersion], parts: Sequence[ModelPerson], names: _Names
) -> dict[int, list[VersionRecord]]:
    """Model id → its versions."""
    people_of: dict[int, dict[Part, list[PersonRef]]] = defaultdict(lambda: defaultdict(list))
    for part in parts:
        if (person := names.person(part.person_id)) is not None:
            people_of[part.version_id][Part(part.part)].append(person)
    records: dict[int, list[VersionRecord]] = defaultdict(list)
    for row in versions:
        records[row.model_id].append(
            VersionRecord(
                id=row.id,
                version=row.version,
                state=ModelState(row.state),
                since=row.state_since,
                digest=row.digest,
                approval_id=row.approval_id,
                approved_until=row.approved_until,
                digest_changed=row.approved_digest is not None
                and row.approved_digest != (row.digest or ""),
                people={part: tuple(people) for part, people in people_of[row.id].items()},
                about=row.about,
                run_id=row.run_id,
                revision=row.revision,
            )
        )
    return records


def _finding_record(
    row: Finding, model: str, versions: Mapping[int, str], names: _Names
) -> FindingRecord:
    return FindingRecord(
        id=row.id,
        model_id=row.model_id,
        model=model,
        version=versions.get(row.version_id, "") if row.version_id else "",
        words=names.text(row.text_id) if row.text_id else describe_finding(row.facts),
        severity=Severity(row.severity),
        status=FindingStatus(row.status),
        source=FindingSource(row.source),
        owner=names.person(row.owner_id),
        due=row.due,
        accepter=names.person(row.accepted_by),
        accepted_until=row.accepted_until,
        word=names.text(row.word_id),
        created_at=row.created_at,
        revision=row.revision,
    )


def describe_finding(facts: dict[str, str]) -> str:
    """What mlgov found, in words."""
    if facts.get("what") == "breach":
        side = "below" if facts.get("better") == "higher" else "above"
        return f"{facts['metric']} is {facts['value']}, {side} the {facts['threshold']} of its monitoring plan"
    if facts.get("what") == "silent":
        return f"No reading of {facts['metric']} has come since {facts['since']}; its plan asks for one every {facts['days']} days"
    if facts.get("what") == "approval_over":
        return f"It is in use, and its approval ended on {facts['on']}"
    if facts.get("what") in _REGISTRY:
        return _REGISTRY[facts["what"]].format(**{"why": _WHY} | facts)
    return "Found by mlgov"


_REGISTRY = {
    "alias": "In the registry, {alias} stands at version {version}, which {why}",
    "contents": "In the registry, the contents of version {version} are not those that were approved",
    "unknown": "The registry has it as {name}, and the inventory did not know it",
    "gone": "The registry does not have {name} any more",
    "developer": "In the registry, a tag names somebody else as developer of version {version} than whoever ran it; both count as its developers",
}
_WHY = "was not approved"
"""Why an alias may not stand where it stands, in findings that don't say."""


def load_model(session: Session, model_id: int) -> ModelRecord:
    """One model. Raises NotFound."""
    row = queries.find_model(session, model_id)
    if row is None:
        raise out_of_sight()
    return load_models(session, [row])[0]


def find_finding(session: Session, finding_id: int) -> FindingRecord | None:
    """One finding as it stands, settled or not; None when there is none."""
    row = queries.find_finding(session, finding_id)
    if row is None:
        return None
    model = load_model(session, row.model_id)
    people = load_people(session, [row.owner_id, row.accepted_by])
    texts = lookups.find_texts(session, {text for text in (row.text_id, row.word_id) if text})
    versions = {each.id: each.version for each in model.versions}
    return _finding_record(row, model.name, versions, _Names(people, texts))


def list_upstream(session: Session, model_id: int) -> list[tuple[str, str]]:
    """Key and name of the models whose output a model takes, by name."""
    rows = queries.list_upstream(session, model_id)
    return [(row.key, row.name) for row in sorted(rows, key=lambda row: row.name)]


def list_models(ctx: Context, words: str = "") -> list[ModelRecord]:
    """The models in the actor's sight that have these words in their name, vendor, technique or owner, by name."""
    permissions.require_member(ctx.actor, "models.read")
    return load_models(ctx.session, _list_in_sight(ctx, storable(words, 80)))


def list_first_models(
    ctx: Context, words: str = "", *, order: Mapping[ModelState, int], most: int
) -> tuple[list[ModelRecord], dict[ModelState, int]]:
    """As `list_models`, the first of them in the order of their states and then by name, and how many are in each state."""
    permissions.require_member(ctx.actor, "models.read")
    within = _project_ids_in_sight(ctx)
    rows, counts = queries.search_first(
        ctx.session,
        storable(words, 80),
        within=within,
        beside=queries.list_concerning_ids(ctx.session, ctx.actor.id) if within is not None else (),
        leading=rules.LEADING,
        order=order,
        most=most,
    )
    return load_models(ctx.session, rows), counts


def list_page(
    ctx: Context,
    words: str = "",
    *,
    only: Collection[str] = (),
    after: str | None = None,
    most: int,
) -> tuple[list[ModelRecord], str | None]:
    """As `list_models`, some of them: those that follow the model with the key `after`, at most so many, and the last one's key
    where more follow. `only` names projects by key to which it is bound, if any. Raises InvalidInput for a key that is not there.
    """
    permissions.require_member(ctx.actor, "models.read")
    rows = _keep_bound(ctx.session, _list_in_sight(ctx, storable(words, 80)), only)
    if after is not None:
        keys = [row.key for row in rows]
        if after not in keys:
            raise InvalidInput(
                "No model of that key is among these any more. Begin again without it.",
                field="after",
            )
        rows = rows[keys.index(after) + 1 :]
    last = rows[most - 1].key if len(rows) > most else None
    return load_models(ctx.session, rows[:most]), last


def _keep_bound(session: Session, rows: Sequence[Model], only: Collection[str]) -> Sequence[Model]:
    """Those of the projects with these keys; all of them where none is named."""
    if not only:
        return rows
    ids = {row.project_id for row in rows if row.project_id}
    within = {id_ for id_, row in queries.find_projects(session, ids).items() if row.key in only}
    return [row for row in rows if row.project_id in within]


def find_model(
    ctx: Context, word: str, *, only: Collection[str] = ()
) -> tuple[ModelRecord, VersionRecord | None]:
    """The model that `name` or `name:version` means, and the version if one was named. Raises NotFound.

    `only` names projects by key to which it is bound, if any.
    """
    permissions.require_member(ctx.actor, "models.read")
    name, colon, version = storable(word, 160).partition(":")
    wanted = name.strip().casefold()
    seen = _keep_bound(ctx.session, _list_in_sight(ctx, ""), only)
    matches = [row for row in seen if row.key == wanted] or [
        row for row in seen if row.name.casefold() == wanted
    ]
    if len(matches) != 1:
        raise _unknown_model(wanted, seen)
    record = load_models(ctx.session, matches)[0]
    if not colon:
        return record, None
    named = record.version(version.strip().removeprefix("v"))
    if named is None:
        listed = ", ".join(one.version for one in record.versions[:8]) or "none yet"
        raise NotFound(
            f"{record.name} has no version “{version.strip()[:40]}”. It has: {listed}.",
            field="version",
        )
    return record, named


def _unknown_model(word: str, seen: Sequence[Model]) -> NotFound:
    """Says the same whether or not there is such a model out of sight."""
    by_word = {row.name.casefold(): row.key for row in seen} | {row.key: row.key for row in seen}
    near = difflib.get_close_matches(word, by_word, n=1, cutoff=0.5)
    meant = f" Did you mean `{by_word[near[0]]}`?" if near else ""
    return NotFound(
        f"You see no model “{word[:60]}”.{meant}",
        field="model",
        hint=None if near else "models.list",
    )


def _list_in_sight(ctx: Context, words: str) -> Sequence[Model]:
    """Models in sight: all for leaders, model risk, operations and programs; else those of one's projects and parts."""
    within = _project_ids_in_sight(ctx)
    beside = queries.list_concerning_ids(ctx.session, ctx.actor.id) if within is not None else ()
    return queries.search_models(ctx.session, words, within=within, beside=beside)


def _project_ids_in_sight(ctx: Context) -> Collection[int] | None:
    if ctx.actor.kind is not ActorKind.PERSON:
        return None
    parts, _ = inventory_permissions.find_policy_parts(ctx)
    if parts:
        return None
    return permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy).within


def sees_all(ctx: Context) -> bool:
    """Whether every model is in the actor's sight, and with it the name of every project."""
    return _project_ids_in_sight(ctx) is None


def is_seen(ctx: Context, row: Model) -> bool:
    """Whether a model is in the actor's sight."""
    within = _project_ids_in_sight(ctx)
    return (
        within is None
        or row.project_id in within
        or row.id in queries.list_concerning_ids(ctx.session, ctx.actor.id)
    )


def require_sight(ctx: Context, model_id: int) -> None:
    """Refuse who does not see a model. Raises NotFound and NotAllowed."""
    permissions.require_member(ctx.actor, "models.read", subject=(TYPE, model_id))
    row = queries.find_model(ctx.session, model_id)
    if row is None or not is_seen(ctx, row):
        raise out_of_sight()


def find_project(
    ctx: Context, key: str | None, *, channel: str = "", kept: int | None = None
) -> Project | None:
    """The project that was named: one in the actor's sight, any for who sees all models, the one whose channel they
    stand in, or the one that it is already (`kept`). Raises NotFound for any other, as for one that is not there."""
    if not key:
        return None
    row = queries.find_project(ctx.session, key.strip().casefold())
    if row is None or not (
        row.id == kept
        or (channel and row.channel == channel)
        or permissions.sees_project(ctx, row.id)
        or sees_all(ctx)
    ):
        raise NotFound(
            f"There is no project {key[:60]!r} here.", field="project", hint="projects.list"
        )
    return row


# --- What of the inventory waits for somebody


def list_needs(ctx: Context) -> tuple[Need, ...]:
    """Models that need this person: versions to validate, findings of theirs to mend, reviews that are due."""
    today = today_of(ctx.policy, ctx.now)
    waiting = {row.id for row in queries.list_validating(ctx.session, ctx.actor.id)}
    owned = {row.id for row in queries.list_owned_and_due(ctx.session, ctx.actor.id, today)}
    mending = queries.list_open_of(ctx.session, ctx.actor.id)
    ids = (
        {row.model_id for row in queries.list_validating(ctx.session, ctx.actor.id)}
        | owned
        | {row.model_id for row in mending}
    )
    needs: list[Need] = []
    for record in load_models(ctx.session, queries.list_by_ids(ctx.session, ids)) if ids else ():
        needs += [Need(record, one, "validation") for one in record.versions if one.id in waiting]
        mine = [
            one
            for one in record.findings
            if one.owner and one.owner.id == ctx.actor.id and one.is_open(today)
        ]
        if mine:
            days = [one.due for one in mine if one.due]
            needs.append(Need(record, record.lead, "finding", min(days, default=None)))
        if record.id in owned:
            needs.append(Need(record, record.lead, "review", record.next_review))
    return tuple(needs)


# --- A model before one reader
#
# what is there, what is missing, and what they can do next.

HISTORY = 12


def load_card(ctx: Context, model_id: int, version_id: int | None = None) -> ModelCard:
    """A model about one version, or its leading one: what is there, what is missing, what the actor can do next."""
    model = load_model(ctx.session, model_id)
    version = next((each for each in model.versions if each.id == version_id), model.lead)
    raw = queries.find_version(ctx.session, version.id) if version else None
    items = inventory_permissions.load_items(ctx.session, version.id) if version else {}
    at = inventory_permissions.load_situation(ctx, model, raw, items)
    standing = inventory_permissions.find_standing(ctx, model, raw)
    source = version.state if version else model.own_state
    # Who validates is named in the window of the step itself.
    offered = rules.assume_validator_named(at)
    choices = tuple(
        Choice(move, rules.list_refusals(move, standing, offered))
        for move in rules.list_moves(source)
    )
    agreed = queries.list_agreed(ctx.session, version.id, version.revision) if version else ()
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
        readings=_load_readings(ctx.session, version),
        history=load_history(ctx.session, model, version),
        can_edit=ctx.actor.kind is not ActorKind.PERSON
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
            and item.producer_id != ctx.actor.id
        ),
        agreed=tuple(
            f"{name} agreed to: {labels.get(step, step).lower()}" for step, name in agreed
        ),
    )


def _load_readings(session: Session, version: VersionRecord | None) -> tuple[Reading, ...]:
    rows = queries.list_metrics(session, [version.id]) if version else ()
    latest = queries.find_latest_readings(session, [row.id for row in rows]) if rows else {}
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
    people = load_people(session, [row.actor_id for row in rows])
    texts = lookups.find_texts(session, {row.reason_id for row in rows if row.reason_id})
    names = {each.id: each.version for each in model.versions}
    return tuple(
        StepTaken(
            names.get(row.version_id, "") if row.version_id else "",
            row.step,
            ModelState(row.source),
            ModelState(row.target),
            people[row.actor_id].name if row.actor_id in people else "mlgov",
            (texts.get(row.reason_id, "") or ERASED) if row.reason_id else "",
            row.created_at,
        )
        for row in rows
    )


def load_version_card(ctx: Context, person_id: str, version_id: int) -> ModelCard | None:
    """The card of a version before the person whose direct message shows it; None when there is none any more."""
    version = queries.find_version(ctx.session, version_id)
    reader = lookups.find_people(ctx.session, [person_id]).get(person_id)
    if version is None or reader is None:
        return None
    actor = Actor(reader.id, ActorKind.PERSON, reader.name, reader.slack_id, reader.tz)
    return load_card(replace(ctx, actor=actor), version.model_id, version_id)


def find_step(session: Session, step_id: int) -> tuple[ModelRecord, StepTaken] | None:
    """A step as it happened, and its model; None when there is none."""
    row = queries.find_step(session, step_id)
    if row is None:
        return None
    model = load_model(session, row.model_id)
    return model, _step_records(session, model, [row])[0]
