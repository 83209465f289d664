"""Models as they stand, read for others."""

import difflib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.enums import (
    EuClass,
    Exposure,
    FindingSource,
    FindingStatus,
    ModelKind,
    ModelState,
    Part,
    PurposeClass,
    Severity,
)
from storage.inventory import finding_queries, queries
from storage.inventory.tables import Finding, Model, ModelVersion
from storage.people import lookups
from storage.projects.tables import Project
from workflows import permissions, visibility
from workflows.actors import Actor, ActorKind
from workflows.errors import InvalidInput, NotFound
from workflows.inventory import rules, standings
from workflows.inventory.records import FindingRecord, ModelRecord, VersionRecord
from workflows.policy import Policy
from workflows.projects.records import PersonRef
from workflows.sources.text import storable

TYPE = "model"
ERASED = "(erased)"
_WEIGHT = {one: index for index, one in enumerate(reversed(Severity))}


OUT_OF_SIGHT = "You see no such model here. `/mlgov models` lists those that you see."
"""Said of a model, a version, evidence or a finding that is not there, and of one that is not for who asks."""


def today_of(policy: Policy, now: datetime) -> date:
    """The organisation's day."""
    return now.astimezone(policy.organisation.zone).date()


def records(session: Session, rows: Sequence[Model]) -> list[ModelRecord]:
    """These models with their versions and open findings."""
    if not rows:
        return []
    models = {row.id: row.name for row in rows}
    ids = list(models)
    versions = queries.versions_of(session, ids)
    parts = queries.parts_of(session, [row.id for row in versions])
    findings = finding_queries.unsettled(session, ids)
    links = queries.links(session, ids)
    names = {
        row.id: row.name for row in queries.by_ids(session, {one for pair in links for one in pair})
    }
    projects = queries.projects(session, {row.project_id for row in rows if row.project_id})
    people = refs(
        session,
        [
            *(row.owner_id for row in rows),
            *(row.tier_by for row in rows),
            *(part.person_id for part in parts),
            *(one for row in findings for one in (row.owner_id, row.accepted_by)),
        ],
    )
    texts = lookups.find_texts(
        session,
        {
            one
            for one in (
                *(row.tier_reason_id for row in rows),
                *(text for row in findings for text in (row.text_id, row.word_id)),
            )
            if one
        },
    )
    by_version: dict[int, dict[Part, list[PersonRef]]] = {}
    for part in parts:
        if part.person_id in people:
            by_version.setdefault(part.version_id, {}).setdefault(Part(part.part), []).append(
                people[part.person_id]
            )
    version_names = {row.id: row.version for row in versions}
    versions_of: dict[int, list[VersionRecord]] = defaultdict(list)
    for each in versions:
        versions_of[each.model_id].append(_version(each, by_version.get(each.id, {})))
    findings_of: dict[int, list[FindingRecord]] = defaultdict(list)
    for one in findings:
        findings_of[one.model_id].append(
            _finding(one, models[one.model_id], version_names, people, texts)
        )
    upstream: dict[int, list[str]] = defaultdict(list)
    downstream: dict[int, list[str]] = defaultdict(list)
    for down, up in links:
        upstream[down].append(names[up])
        downstream[up].append(names[down])
    found = []
    for row in rows:
        own = tuple(versions_of[row.id])
        lead = rules.leading([(one.id, one.state) for one in own])
        project = projects.get(row.project_id) if row.project_id else None
        follows = _follows(row)
        found.append(
            ModelRecord(
                id=row.id,
                key=row.key,
                name=row.name,
                kind=ModelKind(row.kind),
                vendor=row.vendor,
                project_id=row.project_id,
                project_key=project.key if project else None,
                project=project.name if project else None,
                owner=people.get(row.owner_id) if row.owner_id else None,
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
                tier_follows=follows if row.tier_override else None,
                tier_reason=texts.get(row.tier_reason_id, "") or ERASED
                if row.tier_reason_id
                else "",
                tier_by=people.get(row.tier_by) if row.tier_by else None,
                tier_at=row.tier_at,
                own_state=ModelState(row.state),
                versions=own,
                findings=tuple(
                    sorted(
                        findings_of[row.id],
                        key=lambda one: (_WEIGHT[one.severity], one.due or date.max, one.id),
                    )
                ),
                next_review=row.next_review,
                upstream=tuple(sorted(upstream[row.id])),
                downstream=tuple(sorted(downstream[row.id])),
                registry_name=row.registry_name,
                revision=row.revision,
                lead=next((one for one in own if one.id == lead), None),
            )
        )
    return found


def _follows(row: Model) -> int | None:
    if not (row.exposure and row.purpose_class and row.eu_class):
        return None
    return rules.tier(
        Exposure(row.exposure), PurposeClass(row.purpose_class), EuClass(row.eu_class)
    )


def refs(session: Session, ids: Collection[str | None]) -> dict[str, PersonRef]:
    wanted = {one for one in ids if one}
    rows = lookups.find_people(session, wanted) if wanted else {}
    return {one: PersonRef(one, row.slack_id, row.name) for one, row in rows.items()}


def _version(row: ModelVersion, people: dict[Part, list[PersonRef]]) -> VersionRecord:
    return VersionRecord(
        id=row.id,
        version=row.version,
        state=ModelState(row.state),
        since=row.state_since,
        digest=row.digest,
        approval_id=row.approval_id,
        approved_until=row.approved_until,
        digest_changed=row.approved_digest is not None
        and row.approved_digest != (row.digest or ""),
        people={part: tuple(each) for part, each in people.items()},
        about=row.about,
        run_id=row.run_id,
        revision=row.revision,
    )


def _finding(
    row: Finding,
    model: str,
    versions: dict[int, str],
    people: dict[str, PersonRef],
    texts: dict[int, str],
) -> FindingRecord:
    words = (texts.get(row.text_id, "") or ERASED) if row.text_id else found_words(row.facts)
    return FindingRecord(
        id=row.id,
        model_id=row.model_id,
        model=model,
        version=versions.get(row.version_id, "") if row.version_id else "",
        words=words,
        severity=Severity(row.severity),
        status=FindingStatus(row.status),
        source=FindingSource(row.source),
        owner=people.get(row.owner_id) if row.owner_id else None,
        due=row.due,
        accepter=people.get(row.accepted_by) if row.accepted_by else None,
        accepted_until=row.accepted_until,
        word=(texts.get(row.word_id, "") or ERASED) if row.word_id else "",
        created_at=row.created_at,
        revision=row.revision,
    )


def found_words(facts: dict[str, str]) -> str:
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


def one(session: Session, model_id: int) -> ModelRecord:
    """One model. Raises NotFound."""
    row = queries.find_model(session, model_id)
    if row is None:
        raise NotFound(OUT_OF_SIGHT)
    return records(session, [row])[0]


def finding(session: Session, finding_id: int) -> FindingRecord | None:
    """One finding as it stands, settled or not; None when there is none."""
    row = finding_queries.find(session, finding_id)
    if row is None:
        return None
    model = one(session, row.model_id)
    people = refs(session, [row.owner_id, row.accepted_by])
    texts = lookups.find_texts(session, {text for text in (row.text_id, row.word_id) if text})
    names = {each.id: each.version for each in model.versions}
    return _finding(row, model.name, names, people, texts)


def upstream_of(session: Session, model_id: int) -> list[tuple[str, str]]:
    """Key and name of the models whose output a model takes, by name."""
    rows = queries.upstream(session, model_id)
    return sorted(((row.key, row.name) for row in rows), key=lambda one: one[1])


def list_(session: Session, actor: Actor, words: str = "", *, policy: Policy) -> list[ModelRecord]:
    """The models in the actor's sight that have these words in their name, vendor, technique or owner, by name."""
    permissions.require_member(actor, "models.read")
    return records(session, _seen(session, actor, storable(words, 80), policy))


def first_of(
    session: Session,
    actor: Actor,
    words: str = "",
    *,
    order: Mapping[ModelState, int],
    most: int,
    policy: Policy,
) -> tuple[list[ModelRecord], dict[ModelState, int]]:
    """As `list_`, the first of them in the order of their states and then by name, and how many are in each state."""
    permissions.require_member(actor, "models.read")
    within = _within(session, actor, policy)
    rows, counts = queries.first_of(
        session,
        storable(words, 80),
        within=within,
        beside=queries.concerning(session, actor.id) if within is not None else (),
        leading=rules.LEADING,
        order=order,
        most=most,
    )
    return records(session, rows), counts


def page(
    session: Session,
    actor: Actor,
    words: str = "",
    *,
    only: Collection[str] = (),
    after: str | None = None,
    most: int,
    policy: Policy,
) -> tuple[list[ModelRecord], str | None]:
    """As `list_`, some of them: those that follow the model with the key `after`, at most so many, and the last one's key
    where more follow. `only` names projects by key to which it is bound, if any. Raises InvalidInput for a key that is not there.
    """
    permissions.require_member(actor, "models.read")
    rows = _bound(session, _seen(session, actor, storable(words, 80), policy), only)
    if after is not None:
        keys = [row.key for row in rows]
        if after not in keys:
            raise InvalidInput(
                "No model of that key is among these any more. Begin again without it.",
                field="after",
            )
        rows = rows[keys.index(after) + 1 :]
    last = rows[most - 1].key if len(rows) > most else None
    return records(session, rows[:most]), last


def _bound(session: Session, rows: Sequence[Model], only: Collection[str]) -> Sequence[Model]:
    """Those of the projects with these keys; all of them where none is named."""
    if not only:
        return rows
    ids = {row.project_id for row in rows if row.project_id}
    within = {id_ for id_, row in queries.projects(session, ids).items() if row.key in only}
    return [row for row in rows if row.project_id in within]


def find(
    session: Session, actor: Actor, word: str, *, policy: Policy, only: Collection[str] = ()
) -> tuple[ModelRecord, VersionRecord | None]:
    """The model that `name` or `name:version` means, and the version if one was named. Raises NotFound.

    `only` names projects by key to which it is bound, if any.
    """
    permissions.require_member(actor, "models.read")
    name, colon, version = storable(word, 160).partition(":")
    wanted = name.strip().casefold()
    seen = _bound(session, _seen(session, actor, "", policy), only)
    found = [row for row in seen if row.key == wanted] or [
        row for row in seen if row.name.casefold() == wanted
    ]
    if len(found) != 1:
        raise NotFound(_unknown(wanted, seen), field="model")
    record = records(session, found)[0]
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


def _unknown(word: str, seen: Sequence[Model]) -> str:
    """Says the same whether or not there is such a model out of sight."""
    by_word = {row.name.casefold(): row.key for row in seen} | {row.key: row.key for row in seen}
    near = difflib.get_close_matches(word, by_word, n=1, cutoff=0.5)
    meant = (
        f" Did you mean `{by_word[near[0]]}`?"
        if near
        else " `/mlgov models` lists those that you see."
    )
    return f"You see no model “{word[:60]}”.{meant}"


def _seen(session: Session, actor: Actor, words: str, policy: Policy) -> Sequence[Model]:
    """Models in sight: all for leaders, model risk, operations and programs; else those of one's projects and parts."""
    within = _within(session, actor, policy)
    beside = queries.concerning(session, actor.id) if within is not None else ()
    return queries.search(session, words, within=within, beside=beside)


def _within(session: Session, actor: Actor, policy: Policy) -> Collection[int] | None:
    if actor.kind is not ActorKind.PERSON:
        return None
    held, _ = standings.policy_parts(session, actor, policy)
    if held:
        return None
    return visibility.sight(session, actor.id, policy=policy).within


def sees_all(session: Session, actor: Actor, policy: Policy) -> bool:
    """Whether every model is in the actor's sight, and with it the name of every project."""
    return _within(session, actor, policy) is None


def is_seen(session: Session, actor: Actor, row: Model, policy: Policy) -> bool:
    """Whether a model is in the actor's sight."""
    within = _within(session, actor, policy)
    return (
        within is None
        or row.project_id in within
        or row.id in queries.concerning(session, actor.id)
    )


def require_sight(session: Session, actor: Actor, model_id: int, *, policy: Policy) -> None:
    """Refuse who does not see a model. Raises NotFound and NotAllowed."""
    permissions.require_member(actor, "models.read", subject=(TYPE, model_id))
    row = queries.find_model(session, model_id)
    if row is None or not is_seen(session, actor, row, policy):
        raise NotFound(OUT_OF_SIGHT)


def project(
    session: Session,
    actor: Actor,
    key: str | None,
    *,
    policy: Policy,
    channel: str = "",
    kept: int | None = None,
) -> Project | None:
    """The project that was named: one in the actor's sight, any for who sees all models, the one whose channel they
    stand in, or the one that it is already (`kept`). Raises NotFound for any other, as for one that is not there."""
    if not key:
        return None
    found = queries.find_project(session, key.strip().casefold())
    if found is None or not (
        found.id == kept
        or (channel and found.channel == channel)
        or visibility.sees_project(session, actor, found.id, policy=policy)
        or sees_all(session, actor, policy)
    ):
        raise NotFound(
            f"There is no project {key[:60]!r} here. `/mlgov status` lists yours.", field="project"
        )
    return found
