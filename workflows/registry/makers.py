"""Who made a version, as the registry tells: whoever ran its run, and whom a tag names.

Separation of duties counts both. A tag is anybody's who may write into the registry, so it adds and never takes away.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ModelState, Part
from storage.inventory import queries as inventory
from storage.people import queries as people
from storage.registry.tables import RegistryVersionRow
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.inventory import telling
from workflows.registry.seeing import Sight

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


def keep_makers(session: Session, sight: Sight, *, now: datetime) -> None:
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
    for person in people.list_by_emails(session, wanted):
        if not person.is_bot and person.email:
            ids.setdefault(person.email, set()).add(person.id)
    have: dict[int, set[str]] = {}
    for part in inventory.list_parts(
        session, [row.version_id for row in rows if row.version_id is not None]
    ):
        if part.part == Part.DEVELOPER:
            have.setdefault(part.version_id, set()).add(part.person_id)
    for row in rows:
        if row.version_id is None:
            continue
        makers = set[str]().union(*(ids.get(one, set()) for one in row.makers))
        new = makers - have.get(row.version_id, set())
        if new:
            _add(session, row.version_id, new, have.get(row.version_id, set()), now)


def _is_alive(sight: Sight, row: RegistryVersionRow) -> bool:
    version = sight.inventory[row.name][1].get(row.version) if row.name in sight.inventory else None
    return version is not None and version.state != ModelState.RETIRED


def _add(session: Session, version_id: int, new: set[str], have: set[str], now: datetime) -> None:
    version = inventory.lock_version(session, version_id)
    if version is None:
        return
    inventory.set_part(session, version_id, Part.DEVELOPER.value, have | new)
    audit.record(
        session,
        SYSTEM,
        "model_version.made_by",
        (TYPE, version_id),
        now=now,
        model=version.model_id,
        developers=sorted(new),
    )
    telling.refresh_copies(session, version.model_id, now=now)
