"""Digests as they were sent, subscriptions, and first digests to an audience, which its owner releases."""

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
    """The audience of the policy by which they get it, or `self` for a subscriber."""
    state: Mapped[str]
    first_day: Mapped[date]
    """The first of the seven days it covers, in the reader's zone."""
    tz: Mapped[str]
    planned_at: Mapped[datetime]
    """When it is to be sent: at the policy's time, or on the next working day if that is a day off of the reader's."""
    late_at: Mapped[datetime]
    """The end of the reader's last working day of that week; a digest that isn't built by then is missed."""
    built_at: Mapped[datetime | None]
    content: Mapped[dict[str, Any] | None]
    """The figures and words as sent; never changed, so that a digest keeps saying what people read."""
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
    """Whether a person wants a kind of digest, which goes before the policy."""

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
