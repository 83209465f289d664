"""What follows from one look at the registry, once its baseline is accepted: what is new, and where it differs."""

from collections.abc import Container, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import FindingSource, ModelState, Severity
from storage.inventory import queries
from storage.inventory.tables import Model, ModelVersion
from storage.registry.tables import RegistryModelRow, RegistryState, RegistryVersionRow
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError
from workflows.inventory import findings, service
from workflows.inventory import service as inventory
from workflows.inventory import service as model_telling
from workflows.inventory.forms import AddVersion, slug
from workflows.people import service as people
from workflows.registry import reads, rules, snapshot
from workflows.registry.notices import DriftFound, TooMuchMoved
from workflows.registry.rules import Drift, Seen
from workflows.registry.snapshot import Changes, Inventory, Sight
from workflows.sources.text import folded_email


def compare(ctx: Context, sight: Sight, *, before: datetime | None) -> list[Seen]:
    """The registry beside the inventory, as this look has it; `before` is when it was looked at last."""
    return sight.side_by_side(ctx.policy.registry.alias, now=ctx.now, before=before)


def apply_changes(
    ctx: Context, state: RegistryState, sight: Sight, changes: Changes, *, before: datetime | None
) -> None:
    """File what differs, put what is new on the inventory, resolve what is over; or freeze when too much moved at once."""
    now = ctx.now
    moved = reads.list_moved_since(sight, compare(ctx, sight, before=before), now)
    strangers = sight.strangers
    if rules.is_storm(moved, ctx.policy.registry.storm):
        changes.put_off()
        state.frozen_at = now
        reads.put_offers(ctx, state, moved)
        audit.record(ctx.as_system(), "registry.frozen", ("registry", 1), moved=len(moved))
        reads.post_notice(ctx, TooMuchMoved(now.isoformat()), f"storm:{now.isoformat()}")
        return
    for row in strangers:
        model_id = adopt_model(ctx, row)
        _file_drift(ctx, Drift.UNKNOWN, model_id, None, {"name": row.name}, f"unknown:{row.name}")
    if strangers:
        sight.link()
    if _add_versions(ctx, sight):
        sight.link()
    snapshot.keep_makers(ctx, sight)
    _check_contents(ctx, sight)
    compared = compare(ctx, sight, before=before)
    told_aliases = _list_told_aliases(ctx.session)
    for seen in compared:
        _watch_alias(ctx, seen, sight.inventory, told_aliases)
    _watch_makers(ctx, sight)
    _file_gone(ctx, changes, sight.inventory)
    _resolve_recovered(ctx, compared, sight)


def adopt_model(ctx: Context, row: RegistryModelRow) -> int:
    """Put a registered model on the inventory, with what its tags say; its id."""
    address = folded_email(str(row.tags.get("mlgov.owner") or row.tags.get("owner") or ""))
    owner_id = None
    if address:
        try:
            owner_id = people.look_up(ctx.session, address).id
        except GovernanceError:
            owner_id = None
    return inventory.adopt_model(
        ctx,
        row.name,
        slug(row.name),
        purpose=row.description[:2000],
        owner_id=owner_id,
        project=str(row.tags.get("mlgov.project") or "") or None,
    )


def _add_versions(ctx: Context, sight: Sight) -> int:
    """The newest version of each model that the inventory knows, where the registry says who made it; how many.

    Those before it are history, and others wait for somebody to add them. Whoever ran it and whom a tag names are its
    developers, both.
    """
    newest = {row.name: row for row in sight.versions.values() if row.gone_at is None}
    added = 0
    for row in newest.values():
        known = sight.inventory.get(row.name)
        if known is None or row.version_id is not None:
            continue
        if row.run_id is not None and row.run_users is None:
            continue  # who ran it is not known yet, whoever a tag names
        developers = snapshot.find_developers(ctx.session, row.makers)
        if not developers:
            continue
        try:
            form = AddVersion(
                model_id=known[0].id,
                version=row.version,
                digest=row.digest,
                run_id=row.run_id,
                developers=tuple(sorted(developers)),
            )
            service.add_version(ctx.as_system(), form)
        except (GovernanceError, ValueError):
            continue
        added += 1
    return added


def _check_contents(ctx: Context, sight: Sight) -> None:
    for row in sight.versions.values():
        known = sight.inventory.get(row.name)
        version = known[1].get(row.version) if known else None
        if known is None or version is None or row.digest is None or row.gone_at is not None:
            continue
        if version.digest == row.digest:
            if row.kept_digest != row.digest:
                row.kept_digest = row.digest
        elif version.state != ModelState.RETIRED:
            _note_other_contents(ctx, row, row.digest, known[0], version)


def _note_other_contents(
    ctx: Context, row: RegistryVersionRow, digest: str, model: Model, version: ModelVersion
) -> None:
    """The registry holds something else than the version's digest says."""
    was_approved = version.approved_digest is not None
    is_own = version.digest in (None, row.kept_digest)
    if not is_own and not was_approved:
        # A pipeline's digest is made otherwise; it is what is approved, and the registry is compared from then on.
        return
    if not is_own and row.approved_digest in (None, digest):
        row.approved_digest = digest
        return
    service.observe_contents(ctx, version.id, digest)
    row.kept_digest = digest
    if was_approved and digest != version.approved_digest:
        _file_drift(
            ctx,
            Drift.CONTENTS,
            model.id,
            version.id,
            {"version": row.version},
            f"contents:{row.name}:{row.version}:{digest}",
        )


def _list_told_aliases(session: Session) -> set[tuple[int, str]]:
    """(model, version) of every alias about which a finding stands."""
    return {
        (row.model_id, str(row.facts.get("version")))
        for row in queries.list_unsettled_from(session, FindingSource.REGISTRY.value)
        if row.facts.get("what") == Drift.ALIAS
    }


def _watch_alias(
    ctx: Context, seen: Seen, by_name: Inventory, told_aliases: Container[tuple[int, str]]
) -> None:
    known = by_name.get(seen.name)
    if known is None or seen.alias is None or not rules.is_unapproved(seen):
        return
    if (known[0].id, seen.alias) in told_aliases:
        return
    version = known[1].get(seen.alias)
    stands = seen.inventory.get(seen.alias)
    moments = [seen.since]
    if stands is not None and stands.is_stopped:
        moments.append(stands.since)  # suspended again is found again
    since = max(one for one in moments if one is not None)
    _file_drift(
        ctx,
        Drift.ALIAS,
        known[0].id,
        version.id if version else None,
        {
            "alias": ctx.policy.registry.alias,
            "version": seen.alias,
            "why": stands.why_not if stands is not None else rules.NOT_APPROVED,
        },
        f"alias:{seen.name}:{seen.alias}:{since.isoformat()}",
    )


def _watch_makers(ctx: Context, sight: Sight) -> None:
    """A tag that names another developer than whoever ran it is shown; it takes nobody out."""
    for row in sight.versions.values():
        known = sight.inventory.get(row.name)
        if known is None or row.version_id is None or not snapshot.is_contradicted(row):
            continue
        version = known[1].get(row.version)
        if version is None or version.state == ModelState.RETIRED:
            continue
        findings.file_detected(
            ctx,
            known[0].id,
            row.version_id,
            {"what": Drift.DEVELOPER.value, "version": row.version},
            Severity.LOW,
            FindingSource.REGISTRY,
            f"registry:developer:{row.name}:{row.version}",
        )


def _file_gone(ctx: Context, changes: Changes, by_name: Inventory) -> None:
    moment = ctx.now.isoformat()
    for row in changes.gone_models:
        if row.model_id is not None:
            _file_drift(
                ctx, Drift.GONE, row.model_id, None, {"name": row.name}, f"gone:{row.name}:{moment}"
            )
    for each in changes.gone_versions:
        known = by_name.get(each.name)
        version = known[1].get(each.version) if known else None
        if known and version is not None and version.state != ModelState.RETIRED:
            name = f"version {each.version} of {each.name}"
            _file_drift(
                ctx,
                Drift.GONE,
                known[0].id,
                version.id,
                {"name": name},
                f"gone:{each.name}:{each.version}:{moment}",
            )


def _file_drift(
    ctx: Context,
    drift: Drift,
    model_id: int,
    version_id: int | None,
    facts: dict[str, str],
    key: str,
) -> None:
    """A finding and an alarm in the model's channel, once for a key."""
    severity = Severity.MEDIUM if drift is Drift.UNKNOWN else Severity.HIGH
    finding_id = findings.file_detected(
        ctx,
        model_id,
        version_id,
        {"what": drift.value, **facts},
        severity,
        FindingSource.REGISTRY,
        f"registry:{key}",
    )
    if finding_id is None:
        return
    model = ctx.session.get_one(Model, model_id)
    reads.post_notice(
        ctx,
        DriftFound(finding_id),
        f"drift:{finding_id}",
        channel=model_telling.find_channel(ctx, model),
        subject=model_telling.subject(model_id),
    )


def _resolve_recovered(ctx: Context, compared: Sequence[Seen], sight: Sight) -> None:
    """Findings about an alias, a developer, or something gone, that no longer hold are resolved by what is seen."""
    by_name = sight.inventory
    seen = {by_name[current.name][0].id: current for current in compared if current.name in by_name}
    contradicted = {
        row.version_id for row in sight.versions.values() if snapshot.is_contradicted(row)
    }
    for row in queries.list_unsettled_from(ctx.session, FindingSource.REGISTRY.value):
        what, current = row.facts.get("what"), seen.get(row.model_id)
        if current is None:
            continue
        if what == Drift.ALIAS:
            is_over = current.alias != row.facts.get("version") or not rules.is_unapproved(current)
        elif what == Drift.GONE:
            name = next(
                (
                    name
                    for name, each in current.inventory.items()
                    if each.version_id == row.version_id
                ),
                None,
            )
            is_over = row.version_id is None or name in current.tags
        elif what == Drift.DEVELOPER:
            is_over = row.version_id not in contradicted
        else:
            continue
        if is_over:
            findings.resolve_detected(ctx, row.id)
