"""Reads about the model registry."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from storage.enums import FindingSource
from storage.inventory import finding_queries
from storage.people import lookups
from storage.registry import queries
from storage.registry.tables import RegistryVersionRow, RegistryWrite
from workflows.registry import offers, records


def load_status(session: Session, *, alias: str = "the alias") -> records.RegistryStatus:
    """How the registry stands; `alias` is how the governed one is called in words."""
    state = queries.find_state(session)
    models = [row for row in queries.list_models(session) if row.gone_at is None]
    seen = [row for row in queries.list_versions(session) if row.gone_at is None]
    by = lookups.find_people(session, [state.accepted_by]) if state and state.accepted_by else {}
    return records.RegistryStatus(
        looked_at=state.looked_at if state else None,
        failure=(state.failure or "") if state else "",
        is_troubled=state is not None and state.alarmed_at is not None,
        baseline_at=state.baseline_at if state else None,
        accepted_at=state.accepted_at if state else None,
        accepted_by=next((one.name for one in by.values()), ""),
        waiting=tuple(
            records.Waiting(one.what.value, one.name, one.version, one.words(alias))
            for one in offers.list_waiting(state)
        ),
        revision=state.revision if state else 0,
        frozen_at=state.frozen_at if state else None,
        models=len(models),
        versions=len(seen),
        unknown=sum(row.model_id is None for row in models),
        unverified=sum(row.unverified is not None for row in seen),
        open_drift=len(finding_queries.list_unsettled_from(session, FindingSource.REGISTRY.value)),
        given_up=len(queries.list_given_up_writes(session)),
    )


def find_offered(session: Session, registry_name: str | None) -> records.Found | None:
    """The newest version in the registry that the inventory does not have, to prefill a form from."""
    if not registry_name:
        return None
    rows: Sequence[RegistryVersionRow] = queries.list_versions_of(session, registry_name)
    row = next((one for one in rows if one.version_id is None), None)
    return _offer(row) if row else None


def find_of_version(session: Session, version_id: int) -> records.Found | None:
    """What the registry says of a version of the inventory."""
    row = next(
        (one for one in queries.list_versions(session) if one.version_id == version_id), None
    )
    return _offer(row) if row else None


def _offer(row: RegistryVersionRow) -> records.Found:
    return records.Found(
        row.version,
        row.digest,
        row.unverified or "",
        row.run_id,
        row.developer,
        {key: str(value) for key, value in (row.metrics or {}).items()},
    )


_DOES = {"tag": "tag", "untag": "no tag", "alias": "alias", "unalias": "no alias"}


def find_given_up(session: Session, write_id: int) -> records.GivenUp | None:
    """A write that was given up."""
    row = queries.find_write_by_id(session, write_id)
    return _given_up(row) if row is not None else None


def list_given_up(session: Session) -> list[records.GivenUp]:
    """Everything that was given up, oldest first."""
    return [_given_up(row) for row in queries.list_given_up_writes(session)]


def _given_up(row: RegistryWrite) -> records.GivenUp:
    kind, name, version, key, value = (*row.what.split("\n"), "", "", "", "")[:5]
    what = f"{name} {version}: {_DOES.get(kind, kind)} {key}" + (
        f" = {value}" if kind == "tag" else ""
    )
    return records.GivenUp(what, row.error or "")
