"""What was seen in the registry, kept; and what the record knows of it, side by side."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ModelState, Part
from storage.inventory import queries as inventory
from storage.inventory.tables import Model, ModelVersion
from storage.people import queries as people
from storage.registry import queries
from storage.registry.tables import RegistryModelRow, RegistryVersionRow
from workflows.audit import service as audit
from workflows.context import Context
from workflows.inventory import service
from workflows.registry.rules import InventoryVersion, Seen
from workflows.sources.mlflow.client import Digest, RegistryModel, Snapshot
from workflows.sources.text import folded_email

Runs = Mapping[str, tuple[Mapping[str, float], tuple[str, ...]]]
"""Run id → what it measured, and who ran it, as the server names them."""
Digests = Mapping[tuple[str, str], Digest]
"""(model, version) → its contents."""


@dataclass(slots=True)
class Changes:
    """What is different from the last look."""

    gone_models: list[RegistryModelRow]
    gone_versions: list[RegistryVersionRow]
    moved: list[RegistryModelRow]
    """Models whose governed alias stands elsewhere now."""

    def put_off(self) -> None:
        """While nothing is filed, what is gone counts as there, so that a later look finds it gone and files it."""
        for model in self.gone_models:
            model.gone_at = None
        for version in self.gone_versions:
            version.gone_at = None


_OPAQUE = re.compile(r"p[_-][0-9A-Za-z_-]+\Z")

Inventory = Mapping[str, tuple[Model, Mapping[str, ModelVersion]]]
"""Registered name → model of the inventory, and its versions by name."""


class Sight:
    """The registry as last seen beside the inventory, for one transaction. Each row is loaded once, however many there are."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.models = {row.name: row for row in queries.list_models(session)}
        self.versions = {(row.name, row.version): row for row in queries.list_versions(session)}
        self.inventory: Inventory = {}
        self.rejected = queries.list_rejected(session)

    @property
    def strangers(self) -> list[RegistryModelRow]:
        """Registered models that the inventory does not know, by name."""
        return [
            row
            for name, row in sorted(self.models.items())
            if row.gone_at is None and name not in self.inventory
        ]

    def link(self) -> "Sight":
        """Join registered models and versions to the inventory's by name; once more when the inventory has changed."""
        by_id: dict[int, tuple[Model, dict[str, ModelVersion]]] = {}
        for model, version in queries.list_inventory(self._session):
            entry = by_id.setdefault(model.id, (model, {}))
            if version is not None:
                entry[1][version.version] = version
        self.inventory = {
            model.registry_name: (model, versions)
            for model, versions in by_id.values()
            if model.registry_name
        }
        for row in self.models.values():
            known = self.inventory.get(row.name)
            model_id = known[0].id if known else None
            if row.model_id != model_id:
                row.model_id = model_id
        self._session.flush()
        for each in self.versions.values():
            known = self.inventory.get(each.name)
            version = known[1].get(each.version) if known else None
            version_id = version.id if version else None
            if each.version_id != version_id:
                each.version_id = version_id
        self._session.flush()
        return self

    def side_by_side(self, alias: str, *, now: datetime, before: datetime | None) -> list[Seen]:
        """Every registered model that is there, with what the inventory knows.

        `before` is when the registry was looked at before this look; none at the first.
        """
        tags: dict[str, dict[str, dict[str, str]]] = {}
        for row in self.versions.values():
            if row.gone_at is None:
                tags.setdefault(row.name, {})[row.version] = row.tags
        seen = []
        for name, model in sorted(self.models.items()):
            if model.gone_at is not None:
                continue
            known = self.inventory.get(name)
            seen.append(
                Seen(
                    name=name,
                    key=known[0].key if known else None,
                    alias=model.aliases.get(alias),
                    alias_known=model.alias_known,
                    written=model.written_alias,
                    since=model.alias_since,
                    inventory={
                        key: _held_version(
                            known[0],
                            one,
                            is_rejected=one.id in self.rejected,
                            now=now,
                            before=before,
                        )
                        for key, one in known[1].items()
                    }
                    if known
                    else {},
                    tags=tags.get(name, {}),
                )
            )
        return seen


def keep_snapshot(
    ctx: Context, sight: Sight, snapshot: Snapshot, runs: Runs, digests: Digests, *, alias: str
) -> Changes:
    """Bring what was last seen up to date; what is different."""
    changes = Changes([], [], [])
    for model in snapshot.models:
        row = sight.models.get(model.name)
        if row is None:
            row = RegistryModelRow(
                name=model.name,
                tags={},
                aliases={},
                alias_since=ctx.now,
                alias_known=False,
                seen_at=ctx.now,
            )
            ctx.session.add(row)
            sight.models[model.name] = row
            if alias in model.aliases:
                changes.moved.append(row)
        elif row.aliases.get(alias) != model.aliases.get(alias):
            # Also where mlgov itself once pointed it: who put it there says nothing about the version.
            row.alias_since, row.alias_known = ctx.now, False
            changes.moved.append(row)
        _mark_back(row, ctx.now)
        _set(row, tags=dict(model.tags), aliases=dict(model.aliases), description=model.description)
    ctx.session.flush()
    for model in snapshot.models:
        _keep_versions(ctx, sight, model, runs, digests)
    names = set(snapshot.by_name)
    for name, row in sight.models.items():
        if name not in names and row.gone_at is None:
            row.gone_at = ctx.now
            changes.gone_models.append(row)
    seen = {(one.name, version.version) for one in snapshot.models for version in one.versions}
    for key, row_ in sight.versions.items():
        if key not in seen and row_.gone_at is None:
            row_.gone_at = ctx.now
            if key[0] in names:
                changes.gone_versions.append(row_)
    ctx.session.flush()
    return changes


def _set(row: RegistryModelRow | RegistryVersionRow, **values: object) -> None:
    """Give a row what differs, so that what stayed the same is not written again."""
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)


def _mark_back(row: RegistryModelRow | RegistryVersionRow, now: datetime) -> None:
    if row.gone_at is not None:
        row.seen_at, row.gone_at = now, None


def _keep_versions(
    ctx: Context, sight: Sight, model: RegistryModel, runs: Runs, digests: Digests
) -> None:
    # The oldest first, so that rows have the order of versions.
    for version in reversed(model.versions):
        row = sight.versions.get((model.name, version.version))
        if row is None:
            row = RegistryVersionRow(
                name=model.name, version=version.version, tags={}, seen_at=ctx.now
            )
            ctx.session.add(row)
            sight.versions[model.name, version.version] = row
        _mark_back(row, ctx.now)
        _set(row, tags=dict(version.tags), run_id=version.run_id)
        if version.run_id is not None and version.run_id in runs:
            metrics, users = runs[version.run_id]
            row.metrics = {key: repr(value) for key, value in metrics.items()}
            known = {*(row.run_users or ()), *map(_address_of, users)}
            row.run_users = sorted(version for version in known if version)
        named = version.tags.get("mlgov.developer") or model.tags.get("mlgov.developer")
        _set(row, developer=_address_of(named) or row.developer)
        read = digests.get((model.name, version.version))
        if read is not None:
            row.digest = read.sha256 or row.digest
            row.unverified = read.why or None
            row.verified_at = row.verified_at if read.for_now else ctx.now


def _address_of(word: str | None) -> str | None:
    """The address that a tag or a run gives, or the opaque id of who was erased."""
    is_erased = word is not None and _OPAQUE.match(word) is not None
    return word if is_erased else folded_email(word or "")


def _held_version(
    model: Model,
    version: ModelVersion,
    *,
    is_rejected: bool,
    now: datetime,
    before: datetime | None,
) -> InventoryVersion:
    until = version.approved_until
    return InventoryVersion(
        version_id=version.id,
        version=version.version,
        state=ModelState(version.state),
        tier=model.tier,
        approval_id=version.approval_id,
        approved_until=until,
        holds=version.approved_digest is not None and (until is None or until > now),
        is_rejected=is_rejected,
        had_turn=before is not None and version.state_since < before,
        since=version.state_since,
    )


# --- Who made a version, as the registry tells
#
# whoever ran its run, and whom a tag names. Separation of duties counts both. A tag is
# anybody's who may write into the registry, so it adds and never takes away.

TYPE = "model_version"


def is_contradicted(row: RegistryVersionRow) -> bool:
    """Whether a tag names somebody else than whoever ran it."""
    return bool(row.developer and row.run_users) and row.developer not in (row.run_users or ())


def find_developers(session: Session, addresses: Collection[str]) -> set[str]:
    """Who may be named as a developer of those who have these addresses, by person id."""
    return {
        row.id
        for row in people.list_by_emails(session, addresses)
        if not (row.is_bot or row.is_guest or row.is_stranger or row.is_deactivated)
    }


def keep_makers(ctx: Context, sight: Sight) -> None:
    """Everybody whom the registry names counts as a developer of the versions that the inventory has."""
    rows = [
        row
        for row in sight.versions.values()
        if row.version_id is not None and row.makers and _is_alive(sight, row)
    ]
    if not rows:
        return
    wanted = {address for row in rows for address in row.makers}
    ids: dict[str, set[str]] = {}
    for person in people.list_by_emails(ctx.session, wanted):
        if not person.is_bot and person.email:
            ids.setdefault(person.email, set()).add(person.id)
    have: dict[int, set[str]] = {}
    for part in inventory.list_parts(
        ctx.session, [row.version_id for row in rows if row.version_id is not None]
    ):
        if part.part == Part.DEVELOPER:
            have.setdefault(part.version_id, set()).add(part.person_id)
    for row in rows:
        if row.version_id is None:
            continue
        makers = set[str]().union(*(ids.get(one, set()) for one in row.makers))
        new = makers - have.get(row.version_id, set())
        if new:
            _add(ctx, row.version_id, new, have.get(row.version_id, set()))


def _is_alive(sight: Sight, row: RegistryVersionRow) -> bool:
    version = sight.inventory[row.name][1].get(row.version) if row.name in sight.inventory else None
    return version is not None and version.state != ModelState.RETIRED


def _add(ctx: Context, version_id: int, new: set[str], have: set[str]) -> None:
    version = inventory.lock_version(ctx.session, version_id)
    if version is None:
        return
    inventory.set_part(ctx.session, version_id, Part.DEVELOPER.value, have | new)
    audit.record(
        ctx.as_system(),
        "model_version.made_by",
        (TYPE, version_id),
        model=version.model_id,
        developers=sorted(new),
    )
    service.refresh_copies(ctx, version.model_id)
