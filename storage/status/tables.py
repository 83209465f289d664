"""What the front door remembers: whom it has met, which page of App Home they are on, and what it did not say."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Meeting(Base):
    """Somebody was told what mlgov does for them; once per person."""

    __tablename__ = "meeting"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    met_at: Mapped[datetime]
    way: Mapped[str]
    """Where they met: `command`, `home` or `card`."""


class HomeTab(Base):
    """How far somebody has turned the pages of their App Home: section → page, from 0."""

    __tablename__ = "home_tab"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    pages: Mapped[dict[str, Any]]


class LedgerReader(Base):
    """Who follows the ledger, and the entry up to which they have read."""

    __tablename__ = "ledger_reader"

    name: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]


class Withheld(Base):
    """A message that nobody had asked for and that the policy's rollout held back. It is never sent later."""

    __tablename__ = "withheld"

    id: Mapped[int] = mapped_column(primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    """Names the fact, as in the outbox, so that it is not told belatedly when the rollout widens."""
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[str]
    subject_type: Mapped[str | None]
    subject_id: Mapped[str | None]
    rollout: Mapped[str]
    """The stage of the rollout that held it back."""
    withheld_at: Mapped[datetime] = mapped_column(index=True)
