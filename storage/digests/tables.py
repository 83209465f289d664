"""Digests as they were sent, who wants them, and the first one to an audience, which its owner sends."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Digest(Base):
    """One person's digest of one ISO week: at most one of a kind, however often its slot comes round."""

    __tablename__ = "digest"
    __table_args__ = (
        UniqueConstraint("kind", "person_id", "week"),
        Index("ix_digest_week", "kind", "week"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    week: Mapped[str]
    """The ISO week in which it is due in the reader's zone, `2026-W05`."""
    audience: Mapped[str]
    """The word of the policy through which it reaches them, or `self` for who subscribed."""
    state: Mapped[str]
    first_day: Mapped[date]
    """First of the seven days that it tells of, in the reader's zone; the last one is six days later."""
    tz: Mapped[str]
    planned_at: Mapped[datetime]
    """When it is to be sent; on the next working day where the policy's day is a day off of the reader."""
    late_at: Mapped[datetime]
    """What is not built by then is missed: the end of the reader's last working day of that week."""
    built_at: Mapped[datetime | None]
    content: Mapped[dict[str, Any] | None]
    """The figures and words as sent, which nothing changes any more."""
    outbox_id: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]


class DigestDecision(Base):
    """A request that a digest shows, so that its outcome follows there."""

    __tablename__ = "digest_decision"

    digest_id: Mapped[int] = mapped_column(ForeignKey("digest.id"), primary_key=True)
    approval_id: Mapped[int] = mapped_column(
        ForeignKey("approval.id"), primary_key=True, index=True
    )
    position: Mapped[int]


class DigestSubscription(Base):
    """A person's own word on a kind of digest, which goes over the policy's."""

    __tablename__ = "digest_subscription"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    is_wanted: Mapped[bool]
    decided_at: Mapped[datetime]


class DigestRelease(Base):
    """The first digests to an audience in one week: held until an owner has seen a preview and sends them."""

    __tablename__ = "digest_release"
    __table_args__ = (UniqueConstraint("kind", "audience", "week"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    audience: Mapped[str]
    week: Mapped[str]
    state: Mapped[str]
    first_day: Mapped[date]
    contents: Mapped[dict[str, Any]]
    """Each owner's own preview, over what they may see, by their opaque id."""
    readers: Mapped[int] = mapped_column(default=0)
    """How many people the audience held when its owner was asked."""
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
