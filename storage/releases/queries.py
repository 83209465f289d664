"""Queries of releases, and of the requests that programs follow."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval, Decision
from storage.audit.tables import PrivateText
from storage.enums import ApprovalState
from storage.inventory.tables import Model, ModelPerson, ModelVersion
from storage.people.tables import Person, SlackAlias
from storage.projects.tables import Project
from storage.releases.tables import Release


@dataclass(frozen=True, slots=True)
class ReleaseProject:
    """The project whose release something is: its names and what conditions are told of it."""

    id: int
    key: str
    name: str
    category: str | None
    status: str
    business_unit: str | None


@dataclass(frozen=True, slots=True)
class AskedRow:
    """What a request about a release was asked, and what it was bound to."""

    id: int
    gate: str
    facts: dict[str, Any]
    bound: dict[str, Any] | None
    state: str
    requester_id: str
    project_id: int
    project: str
    """Key of the project."""
    reason_salt: str | None
    """None without a reason, and once its words were erased."""
    reason_sha256: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """Where a request belongs, whatever it is about."""

    gate: str
    project: str
    """Key of the project."""
    requester_id: str
    bound: dict[str, Any] | None
    project_id: int


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def lock_release(
    session: Session, project_id: int, name: str, digest: str, *, now: datetime
) -> int:
    """The id of the release of that name and digest, inserted when it is new, and locked."""
    # Two pipelines may ask at once: the second inserts nothing, gets no id back, and waits for the row below.
    session.execute(
        _INSERT[session.get_bind().dialect.name](Release)
        .values(project_id=project_id, name=name, digest=digest, created_at=now)
        .on_conflict_do_nothing()
    )
    return session.execute(
        select(Release.id)
        .where(Release.project_id == project_id, Release.name == name, Release.digest == digest)
        .with_for_update()
    ).scalar_one()


def lock_by_id(session: Session, release_id: int) -> None:
    """Lock a release's row until the transaction ends."""
    session.execute(select(Release.id).where(Release.id == release_id).with_for_update())


def find_project(session: Session, key: str) -> Project | None:
    """A project by its key (folded)."""
    return session.execute(select(Project).where(Project.key == key)).scalar_one_or_none()


def find_people(session: Session, words: Collection[str]) -> dict[str, str]:
    """Slack id or e-mail address (folded) → person id, for people of the organisation."""
    rows = session.execute(
        select(Person.id, Person.slack_id, Person.email).where(
            or_(Person.slack_id.in_(words), Person.email.in_(words)),
            Person.is_stranger.is_(False),
            Person.erased_at.is_(None),
        )
    ).all()
    by_word = {row.slack_id: row.id for row in rows if row.slack_id in words}
    aliases = session.execute(
        select(SlackAlias.slack_id, Person.id)
        .join(Person, Person.id == SlackAlias.person_id)
        .where(
            SlackAlias.slack_id.in_(words),
            Person.is_stranger.is_(False),
            Person.erased_at.is_(None),
        )
    )
    by_word |= {alias: person_id for alias, person_id in aliases}
    return by_word | {row.email: row.id for row in rows if row.email in words}


def find_project_of(session: Session, release_id: int) -> ReleaseProject | None:
    """The project whose release it is; None for no release."""
    row = session.execute(
        select(
            Project.id,
            Project.key,
            Project.name,
            Project.category,
            Project.status,
            Project.business_unit,
        )
        .join(Release, Release.project_id == Project.id)
        .where(Release.id == release_id)
    ).first()
    return ReleaseProject(*row) if row is not None else None


_ASKED = (
    select(
        Approval.id,
        Approval.gate,
        Approval.facts,
        Approval.bound,
        Approval.state,
        Approval.requester_id,
        Approval.project_id,
        Project.key.label("project"),
        PrivateText.salt.label("reason_salt"),
        PrivateText.sha256.label("reason_sha256"),
        PrivateText.text.label("reason"),
    )
    .join(Project, Project.id == Approval.project_id)
    .outerjoin(PrivateText, PrivateText.id == Approval.reason_id)
    .where(Approval.subject_type == "release")
)
"""The columns of an `AskedRow`, in its order."""


def list_pending(session: Session, gate: str, release_id: int, *, now: datetime) -> list[AskedRow]:
    """The requests at that gate about that release which can still be decided, oldest first."""
    rows = session.execute(
        _ASKED.where(
            Approval.subject_id == release_id,
            Approval.gate == gate,
            Approval.state == ApprovalState.PENDING,
            Approval.expires_at > now,
        ).order_by(Approval.id)
    )
    return [AskedRow(*row) for row in rows]


def find_asked(session: Session, approval_id: int) -> AskedRow | None:
    """What a request about a release was asked; None for any other request."""
    row = session.execute(_ASKED.where(Approval.id == approval_id)).first()
    return AskedRow(*row) if row is not None else None


def lock_key(session: Session, request_key: str) -> None:
    """Let no other transaction open a request under this key before this one ends; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(request_key, 0))))


def find_keyed(session: Session, request_key: str) -> AskedRow | None:
    """The request that was opened under this key; None when there is none."""
    row = session.execute(_ASKED.where(Approval.request_key == request_key)).first()
    return AskedRow(*row) if row is not None else None


def list_models(session: Session, names: Collection[str], contents: str) -> Sequence[Model]:
    """Models that are called one of these (folded), here or in the registry, or that have a version with these contents."""
    return session.scalars(
        select(Model)
        .where(
            or_(
                Model.key.in_(sorted(names)),
                func.lower(Model.registry_name).in_(sorted(names)),
                Model.id.in_(select(ModelVersion.model_id).where(ModelVersion.digest == contents)),
            )
        )
        .order_by(Model.id)
    ).all()


def list_versions(
    session: Session, model_ids: Collection[int], version: str, contents: str
) -> Sequence[ModelVersion]:
    """Versions of these models that are called so, or have these contents."""
    return session.scalars(
        select(ModelVersion)
        .where(
            ModelVersion.model_id.in_(sorted(model_ids)),
            or_(ModelVersion.version == version, ModelVersion.digest == contents),
        )
        .order_by(ModelVersion.id)
    ).all()


def list_parts(session: Session, version_ids: Collection[int]) -> Sequence[tuple[str, str]]:
    """(person_id, part) of all who had one in these versions, each once."""
    return session.execute(
        select(ModelPerson.person_id, ModelPerson.part)
        .where(ModelPerson.version_id.in_(sorted(version_ids)))
        .distinct()
        .order_by(ModelPerson.part, ModelPerson.person_id)
    ).all()


def find_place(session: Session, approval_id: int) -> PlaceRow | None:
    """Where a request belongs; None when there is none."""
    row = session.execute(
        select(
            Approval.gate,
            Project.key.label("project"),
            Approval.requester_id,
            Approval.bound,
            Approval.project_id,
        )
        .join(Project, Project.id == Approval.project_id)
        .where(Approval.id == approval_id)
    ).first()
    return PlaceRow(*row) if row is not None else None


def list_ids(
    session: Session,
    *,
    state: str | None,
    gates: Collection[str],
    projects: Collection[str],
    within: Collection[int] | None,
    before: int | None,
    most: int,
) -> Sequence[int]:
    """Ids of requests, newest first; empty `gates` or `projects` mean all, and so does None for `within`."""
    query = select(Approval.id).join(Project, Project.id == Approval.project_id)
    if state is not None:
        query = query.where(Approval.state == state)
    if gates:
        query = query.where(Approval.gate.in_(sorted(gates)))
    if projects:
        query = query.where(Project.key.in_(sorted(projects)))
    if within is not None:
        query = query.where(Approval.project_id.in_(sorted(within)))
    if before is not None:
        query = query.where(Approval.id < before)
    return session.scalars(query.order_by(Approval.id.desc()).limit(most)).all()


def list_marks(session: Session, ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Request → state, and a mark that changes whenever the request or a verdict on it does."""
    rows = session.execute(
        select(
            Approval.id,
            Approval.state,
            Approval.revision,
            func.count(Decision.id).label("verdicts"),
        )
        .outerjoin(Decision, Decision.approval_id == Approval.id)
        .where(Approval.id.in_(sorted(ids)))
        .group_by(Approval.id, Approval.state, Approval.revision)
    )
    return {row.id: (row.state, f"{row.revision}.{row.verdicts}") for row in rows}
