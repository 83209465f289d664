"""What follows from one look at the registry, once its baseline is accepted: what is new, and where it differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import FindingSource, ModelState, Severity
from storage.inventory import finding_queries
from storage.inventory.tables import Model, ModelVersion
from storage.registry.tables import (
    RegistryModelRow,
    RegistryState,
    RegistryVersionRow,
)
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.errors import GovernanceError
from workflows.inventory import findings, versions
from workflows.inventory import service as inventory
from workflows.inventory import telling as model_telling
from workflows.inventory.forms import AddVersion, slug
from workflows.people import service as people
from workflows.policy import Policy
from workflows.registry import rules, telling
from workflows.registry.notices import DriftFound, TooMuchMoved
from workflows.registry.rules import Drift, Seen
from workflows.registry.seeing import Changes, Inventory, Sight
from workflows.sources.text import folded_email


@dataclass(frozen=True, slots=True)
class Around:
    """The policy, the organisation, and the moment of a look."""

    policy: Policy
    org_key: str
    now: datetime

    @property
    def alias(self) -> str:
        """The governed alias."""
        return self.policy.registry.alias


def apply(
    session: Session,
    state: RegistryState,
    sight: Sight,
    changes: Changes,
    around: Around,
) -> None:
    """File what differs, put what is new on the inventory, resolve what is over; or freeze when too much moved at once."""
    now = around.now
    by_name = {one.name: one for one in sight.side_by_side(around.alias)}
    moved = [
        f"{row.name}: {around.alias} stands at version {row.aliases[around.alias]}"
        for row in changes.moved
        if row.name in by_name and rules.is_unapproved(by_name[row.name])
    ]
    strangers = sight.strangers
    told = [*moved, *(f"{row.name} is new" for row in strangers)]
    if rules.is_storm(told, around.policy.registry.storm):
        changes.put_off()
        state.frozen_at, state.frozen = now, told[:200]
        audit.record(
            session,
            SYSTEM,
            "registry.frozen",
            ("registry", 1),
            now=now,
            moved=len(told),
        )
        telling.tell(
            session,
            TooMuchMoved(now.isoformat()),
            f"storm:{now.isoformat()}",
            policy=around.policy,
            org_key=around.org_key,
            now=now,
        )
        return
    for row in strangers:
        model_id = adopt(session, row, org_key=around.org_key, now=now)
        _file(
            session,
            Drift.UNKNOWN,
            model_id,
            None,
            {"name": row.name},
            f"unknown:{row.name}",
            around,
        )
    if strangers:
        sight.link()
    if _add_versions(session, sight, around):
        sight.link()
    _contents(session, sight, around)
    compared = sight.side_by_side(around.alias)
    for seen in compared:
        _watch_alias(
            session, seen, sight.held, sight.models[seen.name].alias_since, around
        )
    _gone(session, changes, sight.held, around)
    _recovered(session, compared, sight.held, around)


def adopt(
    session: Session, row: RegistryModelRow, *, org_key: str, now: datetime
) -> int:
    """Put a registered model on the inventory, with what its tags say; its id."""
    address = folded_email(
        str(row.tags.get("mlgov.owner") or row.tags.get("owner") or "")
    )
    owner_id = None
    if address:
        try:
            owner_id = people.look_up(session, address).id
        except GovernanceError:
            owner_id = None
    return inventory.adopt(
        session,
        row.name,
        slug(row.name),
        purpose=row.description[:2000],
        owner_id=owner_id,
        project=str(row.tags.get("mlgov.project") or "") or None,
        now=now,
        org_key=org_key,
    )


def _add_versions(session: Session, sight: Sight, around: Around) -> int:
    """The newest version of each model that the inventory knows, where the registry says who made it; how many.

    Those before it are history, and others wait for somebody to add them.
    """
    newest = {row.name: row for row in sight.versions.values() if row.gone_at is None}
    added = 0
    for row in newest.values():
        known = sight.held.get(row.name)
        if known is None or row.version_id is not None or not row.developer:
            continue
        try:
            maker = people.look_up(session, row.developer)
            form = AddVersion(
                model_id=known[0].id,
                version=row.version,
                digest=row.digest,
                run_id=row.run_id,
                developers=(maker.id,),
            )
            versions.add_version(
                session,
                SYSTEM,
                form,
                policy=around.policy,
                now=around.now,
                org_key=around.org_key,
            )
        except (GovernanceError, ValueError):
            continue
        added += 1
    return added


def _contents(session: Session, sight: Sight, around: Around) -> None:
    for row in sight.versions.values():
        known = sight.held.get(row.name)
        version = known[1].get(row.version) if known else None
        if (
            known is None
            or version is None
            or row.digest is None
            or row.gone_at is not None
        ):
            continue
        if version.digest == row.digest:
            if row.kept_digest != row.digest:
                row.kept_digest = row.digest
        elif version.state != ModelState.RETIRED:
            _other_contents(session, row, row.digest, known[0], version, around)


def _other_contents(
    session: Session,
    row: RegistryVersionRow,
    digest: str,
    model: Model,
    version: ModelVersion,
    around: Around,
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
    versions.observe(session, version.id, digest, now=around.now)
    row.kept_digest = digest
    if was_approved and digest != version.approved_digest:
        _file(
            session,
            Drift.CONTENTS,
            model.id,
            version.id,
            {"version": row.version},
            f"contents:{row.name}:{row.version}:{digest}",
            around,
        )


def _watch_alias(
    session: Session, seen: Seen, held: Inventory, since: datetime, around: Around
) -> None:
    known = held.get(seen.name)
    if known is None or seen.alias is None or not rules.is_unapproved(seen):
        return
    version = known[1].get(seen.alias)
    _file(
        session,
        Drift.ALIAS,
        known[0].id,
        version.id if version else None,
        {"alias": around.alias, "version": seen.alias},
        f"alias:{seen.name}:{seen.alias}:{since.isoformat()}",
        around,
    )


def _gone(session: Session, changes: Changes, held: Inventory, around: Around) -> None:
    moment = around.now.isoformat()
    for row in changes.gone_models:
        if row.model_id is not None:
            _file(
                session,
                Drift.GONE,
                row.model_id,
                None,
                {"name": row.name},
                f"gone:{row.name}:{moment}",
                around,
            )
    for each in changes.gone_versions:
        known = held.get(each.name)
        version = known[1].get(each.version) if known else None
        if known and version is not None and version.state != ModelState.RETIRED:
            name = f"version {each.version} of {each.name}"
            _file(
                session,
                Drift.GONE,
                known[0].id,
                version.id,
                {"name": name},
                f"gone:{each.name}:{each.version}:{moment}",
                around,
            )


def _file(
    session: Session,
    drift: Drift,
    model_id: int,
    version_id: int | None,
    facts: dict[str, str],
    key: str,
    around: Around,
) -> None:
    """A finding and an alarm in the model's channel, once for a key."""
    severity = Severity.MEDIUM if drift is Drift.UNKNOWN else Severity.HIGH
    found = findings.found(
        session,
        model_id,
        version_id,
        {"what": drift.value, **facts},
        severity,
        FindingSource.REGISTRY,
        f"registry:{key}",
        policy=around.policy,
        now=around.now,
        org_key=around.org_key,
    )
    if found is None:
        return
    model = session.get_one(Model, model_id)
    telling.tell(
        session,
        DriftFound(found),
        f"drift:{found}",
        policy=around.policy,
        org_key=around.org_key,
        now=around.now,
        channel=model_telling.channel_of(session, model, around.org_key),
        subject=model_telling.subject(model_id),
    )


def _recovered(
    session: Session, compared: Sequence[Seen], held: Inventory, around: Around
) -> None:
    """Findings about an alias, or about something gone, that no longer hold are resolved by what is seen."""
    seen = {held[one.name][0].id: one for one in compared if one.name in held}
    for row in finding_queries.unsettled_from(session, FindingSource.REGISTRY.value):
        what, one = row.facts.get("what"), seen.get(row.model_id)
        if one is None:
            continue
        if what == Drift.ALIAS:
            is_over = one.alias != row.facts.get("version") or not rules.is_unapproved(
                one
            )
        elif what == Drift.GONE:
            name = next(
                (
                    name
                    for name, each in one.held.items()
                    if each.version_id == row.version_id
                ),
                None,
            )
            is_over = row.version_id is None or name in one.tags
        else:
            continue
        if is_over:
            findings.over(session, row.id, now=around.now)
