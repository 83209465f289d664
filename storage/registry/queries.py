"""Queries of what was seen in the model registry, and of writes to it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.enums import ModelState
from storage.inventory.tables import Model, ModelTransition, ModelVersion
from storage.registry.tables import (
    RegistryModelRow,
    RegistryState,
    RegistryVersionRow,
    RegistryWrite,
)


def lock_state(session: Session) -> RegistryState:
    """The row about the registry, locked; inserted when it isn't there yet."""
    row = session.execute(
        select(RegistryState)
        .where(RegistryState.id == 1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        row = RegistryState(id=1, failures=0, offered=[], revision=0, turn=0)
        session.add(row)
        session.flush()
    return row


def find_state(session: Session) -> RegistryState | None:
    """The row about the registry, not locked; None before the first look."""
    return session.get(RegistryState, 1)


def list_models(session: Session) -> Sequence[RegistryModelRow]:
    """Every registered model that was seen, by name."""
    return session.scalars(select(RegistryModelRow).order_by(RegistryModelRow.name)).all()


def list_versions(session: Session) -> Sequence[RegistryVersionRow]:
    """Every version that was seen."""
    return session.scalars(select(RegistryVersionRow).order_by(RegistryVersionRow.id)).all()


def list_versions_of(session: Session, name: str) -> Sequence[RegistryVersionRow]:
    """Versions of a registered model that are still there, newest first."""
    return session.scalars(
        select(RegistryVersionRow)
        .where(RegistryVersionRow.name == name, RegistryVersionRow.gone_at.is_(None))
        .order_by(RegistryVersionRow.id.desc())
    ).all()


def find_version(session: Session, name: str, version: str) -> RegistryVersionRow | None:
    """A version as it was last seen."""
    return session.execute(
        select(RegistryVersionRow).where(
            RegistryVersionRow.name == name, RegistryVersionRow.version == version
        )
    ).scalar_one_or_none()


def list_inventory(session: Session) -> list[tuple[Model, ModelVersion | None]]:
    """(model, version) of the whole inventory; version is None for a model without one."""
    rows = session.execute(
        select(Model, ModelVersion)
        .outerjoin(ModelVersion, ModelVersion.model_id == Model.id)
        .order_by(Model.id, ModelVersion.id)
    )
    return [(model, version) for model, version in rows]


def list_rejected(session: Session) -> set[int]:
    """Versions whose last request for approval was rejected, and that nobody has asked about since."""
    last = (
        select(func.max(ModelTransition.id))
        .where(
            ModelTransition.version_id.is_not(None),
            ModelTransition.source == ModelState.APPROVAL.value,
        )
        .group_by(ModelTransition.version_id)
    )
    ids = session.scalars(
        select(ModelTransition.version_id).where(
            ModelTransition.id.in_(last), ModelTransition.step == "reject"
        )
    )
    return {one for one in ids if one is not None}


def find_write(session: Session, what: str) -> RegistryWrite | None:
    """A write by its name."""
    return session.execute(
        select(RegistryWrite).where(RegistryWrite.what == what)
    ).scalar_one_or_none()


def list_open_writes(session: Session) -> Sequence[RegistryWrite]:
    """Writes that are not done: tried again later, or given up."""
    return session.scalars(select(RegistryWrite).where(RegistryWrite.done_at.is_(None))).all()


def find_write_by_id(session: Session, write_id: int) -> RegistryWrite | None:
    """A write by its id."""
    return session.get(RegistryWrite, write_id)


def count_writes_since(session: Session, since: datetime, *, kind: str) -> tuple[int, int]:
    """How many writes were done since: of that kind, and of all others."""
    is_of_kind = RegistryWrite.what.startswith(f"{kind}\n", autoescape=True)
    rows = session.execute(
        select(is_of_kind, func.count()).where(RegistryWrite.done_at >= since).group_by(is_of_kind)
    )
    counts = {bool(of_kind): number for of_kind, number in rows}
    return counts.get(True, 0), counts.get(False, 0)


def list_given_up_writes(session: Session) -> Sequence[RegistryWrite]:
    """Writes that were given up."""
    return session.scalars(
        select(RegistryWrite).where(RegistryWrite.dead_at.is_not(None)).order_by(RegistryWrite.id)
    ).all()
