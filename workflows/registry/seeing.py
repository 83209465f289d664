"""What was seen in the registry, kept; and what the record knows of it, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ModelState
from storage.inventory.tables import Model, ModelVersion
from storage.registry import queries
from storage.registry.tables import RegistryModelRow, RegistryVersionRow
from workflows.registry.rules import Held, Seen
from workflows.sources.mlflow.records import Digest, RegistryModel, Snapshot
from workflows.sources.text import folded_email

Runs = Mapping[str, tuple[Mapping[str, float], str | None]]
"""Run id → what it measured, and who ran it."""
Digests = Mapping[tuple[str, str], Digest]
"""(model, version) → its contents."""


@dataclass(slots=True)
class Changes:
    """What is different from the last look."""

    gone_models: list[RegistryModelRow]
    gone_versions: list[RegistryVersionRow]
    moved: list[RegistryModelRow]
    """Models whose governed alias stands elsewhere now."""


def keep(
    session: Session,
    snapshot: Snapshot,
    runs: Runs,
    digests: Digests,
    *,
    alias: str,
    now: datetime,
) -> Changes:
    """Bring what was last seen up to date; what is different."""
    rows = {row.name: row for row in queries.models(session)}
    versions = {(row.name, row.version): row for row in queries.versions(session)}
    changes = Changes([], [], [])
    for found in snapshot.models:
        row = rows.get(found.name)
        if row is None:
            row = RegistryModelRow(name=found.name, tags={}, aliases={}, alias_since=now, alias_known=False, seen_at=now)  # fmt: skip
            session.add(row)
            if alias in found.aliases:
                changes.moved.append(row)
        elif row.aliases.get(alias) != found.aliases.get(alias):
            row.alias_since = now
            row.alias_known = found.aliases.get(alias) == row.written_alias
            changes.moved.append(row)
        row.tags, row.aliases = dict(found.tags), dict(found.aliases)
        row.description = found.description
        row.seen_at, row.gone_at = now, None
        session.flush()
        _keep_versions(session, found, versions, runs, digests, now=now)
    names = set(snapshot.by_name)
    for name, row in rows.items():
        if name not in names and row.gone_at is None:
            row.gone_at = now
            changes.gone_models.append(row)
    seen = {(one.name, version.version) for one in snapshot.models for version in one.versions}  # fmt: skip
    for key, row_ in versions.items():
        if key not in seen and row_.gone_at is None:
            row_.gone_at = now
            if key[0] in names:
                changes.gone_versions.append(row_)
    session.flush()
    return changes


def _keep_versions(
    session: Session,
    found: RegistryModel,
    versions: dict[tuple[str, str], RegistryVersionRow],
    runs: Runs,
    digests: Digests,
    *,
    now: datetime,
) -> None:
    # The oldest first, so that rows have the order of versions.
    for one in reversed(found.versions):
        row = versions.get((found.name, one.version))
        if row is None:
            row = RegistryVersionRow(name=found.name, version=one.version, tags={}, seen_at=now)  # fmt: skip
            session.add(row)
        row.tags, row.run_id = dict(one.tags), one.run_id
        row.seen_at, row.gone_at = now, None
        if one.run_id is not None and one.run_id in runs:
            metrics, user = runs[one.run_id]
            row.metrics = {key: repr(value) for key, value in metrics.items()}
            row.developer = folded_email(user or "") or row.developer
        named = one.tags.get("mlgov.developer") or found.tags.get("mlgov.developer")
        row.developer = folded_email(named or "") or row.developer
        read = digests.get((found.name, one.version))
        if read is not None:
            row.digest = read.sha256 or row.digest
            row.unverified = read.why or None
            row.verified_at = now


def link(session: Session) -> dict[str, tuple[Model, dict[str, ModelVersion]]]:
    """Join registered models and versions to the inventory's by name; registered name → model and its versions by name."""
    held: dict[int, tuple[Model, dict[str, ModelVersion]]] = {}
    for model, version in queries.inventory(session):
        entry = held.setdefault(model.id, (model, {}))
        if version is not None:
            entry[1][version.version] = version
    by_name = {model.registry_name: (model, versions) for model, versions in held.values() if model.registry_name}  # fmt: skip
    for row in queries.models(session):
        known = by_name.get(row.name)
        row.model_id = known[0].id if known else None
    session.flush()
    for each in queries.versions(session):
        known = by_name.get(each.name)
        version = known[1].get(each.version) if known else None
        each.version_id = version.id if version else None
    session.flush()
    return by_name


def side_by_side(
    session: Session,
    held: Mapping[str, tuple[Model, Mapping[str, ModelVersion]]],
    *,
    alias: str,
) -> list[Seen]:
    """Every registered model that is there, with what the inventory knows."""
    tags: dict[str, dict[str, dict[str, str]]] = {}
    for row in queries.versions(session):
        if row.gone_at is None:
            tags.setdefault(row.name, {})[row.version] = row.tags
    found = []
    for model in queries.models(session):
        if model.gone_at is not None:
            continue
        known = held.get(model.name)
        found.append(
            Seen(
                name=model.name,
                key=known[0].key if known else None,
                alias=model.aliases.get(alias),
                alias_known=model.alias_known,
                written=model.written_alias,
                held={name: _held(known[0], one) for name, one in known[1].items()} if known else {},
                tags=tags.get(model.name, {}),
            )
        )  # fmt: skip
    return found


def _held(model: Model, version: ModelVersion) -> Held:
    return Held(
        version_id=version.id,
        version=version.version,
        state=ModelState(version.state),
        tier=model.tier,
        approval_id=version.approval_id,
        approved_until=version.approved_until,
    )
