"""Statements about digests themselves: whose, of which week, and how they stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Outbox, Schedule
from storage.digests.tables import Digest, DigestDecision, DigestRelease, DigestSubscription
from storage.enums import DigestState, OutboxState, ReleaseState

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def add(session: Session, values: dict[str, Any]) -> int | None:
    """A new digest; its id, or None when this person has one of this kind and week."""
    statement = _INSERT[session.get_bind().dialect.name](Digest)
    return session.execute(
        statement.on_conflict_do_nothing().returning(Digest.id), values
    ).scalar_one_or_none()


def lock(session: Session, digest_id: int) -> Digest | None:
    """The digest, locked until the transaction ends."""
    return session.execute(
        select(Digest).where(Digest.id == digest_id).with_for_update()
    ).scalar_one_or_none()


def try_lock(session: Session, digest_id: int) -> str:
    """Lock the digest without waiting: `taken`, `held` by another transaction, or `gone`."""
    statement = select(Digest.id).where(Digest.id == digest_id)
    if session.execute(statement.with_for_update(skip_locked=True)).first():
        return "taken"
    return "held" if session.execute(statement).first() else "gone"


def find(session: Session, digest_id: int) -> Digest | None:
    """The digest, not locked."""
    return session.get(Digest, digest_id)


def find_last_sent(session: Session, person_id: str, kind: str) -> Digest | None:
    """The newest digest that was sent to a person."""
    return session.execute(
        select(Digest)
        .where(Digest.person_id == person_id, Digest.kind == kind, Digest.state == DigestState.SENT)
        .order_by(Digest.week.desc())
        .limit(1)
    ).scalar_one_or_none()


def find_latest(session: Session, person_id: str, kind: str) -> Digest | None:
    """The newest digest of a person, however it stands."""
    return session.execute(
        select(Digest)
        .where(Digest.person_id == person_id, Digest.kind == kind)
        .order_by(Digest.week.desc())
        .limit(1)
    ).scalar_one_or_none()


def find_of_week(session: Session, person_id: str, kind: str, week: str) -> Digest | None:
    """A person's digest of an ISO week."""
    return session.execute(
        select(Digest).where(
            Digest.person_id == person_id, Digest.kind == kind, Digest.week == week
        )
    ).scalar_one_or_none()


def lock_held(session: Session, kind: str, audience: str, week: str) -> Sequence[Digest]:
    """The digests of a week that wait for their audience to be released, locked."""
    return (
        session.execute(
            select(Digest)
            .where(
                Digest.kind == kind,
                Digest.audience == audience,
                Digest.week == week,
                Digest.state == DigestState.HELD,
            )
            .order_by(Digest.id)
            .with_for_update()
        )
        .scalars()
        .all()
    )


def count_states(session: Session, kind: str, week: str) -> dict[DigestState, int]:
    """How many digests of a week stand how."""
    rows = session.execute(
        select(Digest.state, func.count(Digest.id))
        .where(Digest.kind == kind, Digest.week == week)
        .group_by(Digest.state)
    )
    return {DigestState(state): number for state, number in rows}


def list_failing(session: Session, kind: str, week: str) -> Sequence[Digest]:
    """Digests of a week that could not be built so far, the one that failed most first."""
    return (
        session.execute(
            select(Digest)
            .where(
                Digest.kind == kind,
                Digest.week == week,
                Digest.state == DigestState.WAITING,
                Digest.failures > 0,
            )
            .order_by(Digest.failures.desc(), Digest.id)
        )
        .scalars()
        .all()
    )


def list_failing_releases(session: Session, kind: str, week: str) -> Sequence[DigestRelease]:
    """Previews of a week that could not be built so far."""
    return (
        session.execute(
            select(DigestRelease).where(
                DigestRelease.kind == kind,
                DigestRelease.week == week,
                DigestRelease.state == ReleaseState.WAITING,
                DigestRelease.failures > 0,
            )
        )
        .scalars()
        .all()
    )


def is_on_its_way(session: Session, outbox_id: int) -> bool:
    """Whether what was handed to delivery was sent, or may still be."""
    state = session.execute(select(Outbox.state).where(Outbox.id == outbox_id)).scalar_one_or_none()
    return state not in (None, OutboxState.DEAD, OutboxState.CANCELLED)


# --- the requests that digests show


def set_decisions(session: Session, digest_id: int, approval_ids: Sequence[int]) -> None:
    """The requests that a digest shows, in order."""
    session.execute(delete(DigestDecision).where(DigestDecision.digest_id == digest_id))
    session.add_all(
        DigestDecision(digest_id=digest_id, approval_id=id_, position=position)
        for position, id_ in enumerate(approval_ids)
    )
    session.flush()


# --- who wants one


def list_subscriptions(session: Session, kind: str) -> dict[str, bool]:
    """Person id → whether they want this kind of digest, of those who have said so."""
    rows = session.execute(
        select(DigestSubscription.person_id, DigestSubscription.is_wanted).where(
            DigestSubscription.kind == kind
        )
    )
    return {person: wanted for person, wanted in rows}


def find_subscription(session: Session, person_id: str, kind: str) -> bool | None:
    """What a person has said about a kind of digest; None for nothing."""
    return session.execute(
        select(DigestSubscription.is_wanted).where(
            DigestSubscription.person_id == person_id, DigestSubscription.kind == kind
        )
    ).scalar_one_or_none()


def set_subscription(
    session: Session, person_id: str, kind: str, is_wanted: bool, now: datetime
) -> None:
    """Remember what a person says about a kind of digest."""
    statement = _INSERT[session.get_bind().dialect.name](DigestSubscription)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id", "kind"], set_={"is_wanted": is_wanted, "decided_at": now}
        ),
        {"person_id": person_id, "kind": kind, "is_wanted": is_wanted, "decided_at": now},
    )


def list_scheduled(session: Session, kind: str) -> dict[str, tuple[str, int | None, str]]:
    """Person id → (local time, weekday, zone) of the schedules of this kind that are in force."""
    rows = session.execute(
        select(Schedule.owner, Schedule.local_time, Schedule.weekday, Schedule.tz).where(
            Schedule.kind == kind, Schedule.is_enabled.is_(True)
        )
    )
    return {owner: (local_time, weekday, tz) for owner, local_time, weekday, tz in rows}


# --- the first ones to an audience


def is_released(session: Session, kind: str, audience: str) -> bool:
    """Whether an owner has sent this audience its first digests."""
    return (
        session.execute(
            select(DigestRelease.id)
            .where(
                DigestRelease.kind == kind,
                DigestRelease.audience == audience,
                DigestRelease.state == ReleaseState.SENT,
            )
            .limit(1)
        ).first()
        is not None
    )


def add_release(session: Session, values: dict[str, Any]) -> int | None:
    """A new card for the owner; its id, or None when there is one for this audience and week."""
    statement = _INSERT[session.get_bind().dialect.name](DigestRelease)
    return session.execute(
        statement.on_conflict_do_nothing().returning(DigestRelease.id), values
    ).scalar_one_or_none()


def find_release(session: Session, release_id: int) -> DigestRelease | None:
    """The release, not locked."""
    return session.get(DigestRelease, release_id)


def find_release_of(session: Session, kind: str, audience: str, week: str) -> DigestRelease | None:
    """The release of an audience's week."""
    return session.execute(
        select(DigestRelease).where(
            DigestRelease.kind == kind,
            DigestRelease.audience == audience,
            DigestRelease.week == week,
        )
    ).scalar_one_or_none()


def lock_release(session: Session, release_id: int) -> DigestRelease | None:
    """The release, locked until the transaction ends."""
    return session.execute(
        select(DigestRelease).where(DigestRelease.id == release_id).with_for_update()
    ).scalar_one_or_none()


def try_lock_release(session: Session, release_id: int) -> str:
    """Lock the release without waiting: `taken`, `held` by another transaction, or `gone`."""
    statement = select(DigestRelease.id).where(DigestRelease.id == release_id)
    if session.execute(statement.with_for_update(skip_locked=True)).first():
        return "taken"
    return "held" if session.execute(statement).first() else "gone"
