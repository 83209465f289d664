"""What people are to a model, and how a version stands: what the rules of the life cycle ask."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from storage.enums import EuClass, ModelState, Part, Severity
from storage.inventory import queries
from storage.inventory.tables import ModelVersion
from workflows import permissions
from workflows.context import ActorKind, Context
from workflows.evidence import rules as evidence_rules
from workflows.evidence import service as evidence
from workflows.evidence.records import Item
from workflows.inventory.records import FindingRecord, ModelRecord
from workflows.inventory.rules import LIVE, Situation, Standing, Who


def find_policy_parts(ctx: Context) -> tuple[frozenset[Who], frozenset[Who]]:
    """Which parts the policy gives to the actor, and which it gives to nobody at all."""
    parts, unnamed = set(), set()
    for who, words in (
        (Who.MODEL_RISK, ctx.policy.inventory.model_risk),
        (Who.OPERATIONS, ctx.policy.inventory.operations),
    ):
        named = [
            word
            for word in words
            if word.removeprefix("role:") == word
            or ctx.policy.roles.get(word.removeprefix("role:"))
        ]
        if not named:
            unnamed.add(who)
        elif ctx.actor.kind is ActorKind.PERSON and permissions.find_reaching_word(
            ctx.session, ctx.actor.id, named, policy=ctx.policy
        ):
            parts.add(who)
    return frozenset(parts), frozenset(unnamed)


def is_model_risk(ctx: Context) -> bool:
    """Whether the policy makes the actor model risk."""
    return Who.MODEL_RISK in find_policy_parts(ctx)[0]


def find_standing(ctx: Context, model: ModelRecord, version: ModelVersion | None) -> Standing:
    """What the actor is to a version, or to a model that has none.

    Where the policy names nobody for operations, the owner stands for them.
    """
    parts, unnamed = find_policy_parts(ctx)
    roles = set(parts)
    if model.owner is not None and model.owner.id == ctx.actor.id:
        roles.add(Who.OWNER)
        if Who.OPERATIONS in unnamed:
            roles.add(Who.OPERATIONS)
    mine: set[str] = set()
    if version is not None:
        mine = {
            row.part
            for row in queries.list_parts(ctx.session, [version.id])
            if row.person_id == ctx.actor.id
        }
    if Part.DEVELOPER in mine:
        roles.add(Who.DEVELOPER)
    if Part.VALIDATOR in mine:
        roles.add(Who.VALIDATOR)
    return Standing(
        parts=frozenset(roles),
        developed=Part.DEVELOPER in mine,
        contributed=Part.CONTRIBUTOR in mine,
        unnamed=unnamed,
    )


def load_situation(
    ctx: Context, record: ModelRecord, version: ModelVersion | None, items: Mapping[str, Item]
) -> Situation:
    """How a version stands, as far as guards ask."""
    project = queries.find_project_by_id(ctx.session, record.project_id)
    zone = ctx.policy.organisation.zone
    today = ctx.now.astimezone(zone).date()
    until = version.approved_until if version else None
    mine = [one for one in record.findings if one.is_open(today) and concerns(one, version, record)]
    lacks = {
        step: evidence_rules.list_lacks(
            items,
            step,
            record.tier or 1,
            affects_people=record.affects_people,
            rules=ctx.policy.evidence,
            now=ctx.now,
        )
        for step in evidence_rules.STEPS
    }
    validators = version is not None and any(
        row.part == Part.VALIDATOR for row in queries.list_parts(ctx.session, [version.id])
    )
    return Situation(
        now=ctx.now,
        tier=record.tier,
        eu_class=EuClass(record.eu_class) if record.eu_class else None,
        project_status=project.status if project else None,
        lacks=lacks,
        critical=sum(one.severity is Severity.CRITICAL for one in mine),
        high=sum(one.severity is Severity.HIGH for one in mine),
        open_findings=len(mine),
        has_validator=validators,
        approved_until=until.astimezone(zone) if until else None,
        is_approved=version is not None and version.approved_digest is not None,
        digest_changed=version is not None
        and version.approved_digest is not None
        and version.approved_digest != (version.digest or ""),
        was_changing=version is not None
        and version.state == ModelState.SUSPENDED
        and queries.find_suspended_from(ctx.session, version.id) == ModelState.MODIFICATION,
        has_budget=record.project_id is not None
        and queries.has_budget(ctx.session, record.project_id),
        dependants=_list_dependants(ctx.session, record, version),
    )


def concerns(finding: FindingRecord, version: ModelVersion | None, record: ModelRecord) -> bool:
    """A finding of another version does not hold this one up."""
    return not finding.version or (version is not None and finding.version == version.version)


def _list_dependants(
    session: Session, record: ModelRecord, version: ModelVersion | None
) -> tuple[str, ...]:
    """Models in use that take this one's output, when this version is the last of it that works."""
    if version is None:
        return ()
    others = [one for one in record.versions if one.id != version.id and one.state in LIVE]
    if others:
        return ()
    ids = [
        model
        for model, upstream in queries.list_links(session, [record.id])
        if upstream == record.id
    ]
    live = {
        row.model_id for row in queries.list_versions(session, ids) if ModelState(row.state) in LIVE
    }
    return tuple(row.name for row in queries.list_by_ids(session, live))


def load_items(session: Session, version_id: int) -> Mapping[str, Item]:
    """Type → the item of evidence that counts for a version."""
    return evidence.load_counting_items(session, [version_id])[version_id]


def list_holders(ctx: Context, record: ModelRecord, parts: frozenset[Who]) -> set[str]:
    """Everybody who has one of these parts, by person id: the owner, model risk, operations."""
    holders: set[str] = set()
    if Who.OWNER in parts and record.owner is not None:
        holders.add(record.owner.id)
    for who, words in (
        (Who.MODEL_RISK, ctx.policy.inventory.model_risk),
        (Who.OPERATIONS, ctx.policy.inventory.operations),
    ):
        if who in parts:
            for word in words:
                holders |= permissions.list_members(ctx, word).keys()
    return holders
