"""Introductions to mlgov, pages of App Home, readers of the ledger, and withheld notices."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Meeting(Base):
    """The introduction of somebody to mlgov; once per person."""

    __tablename__ = "meeting"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    met_at: Mapped[datetime]
    way: Mapped[str]
    """By what they were introduced: `command`, `home` or `card`."""


class HomeTab(Base):
    """Which pages of App Home somebody is on: section → page, from 0."""

    __tablename__ = "home_tab"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    pages: Mapped[dict[str, Any]]


class LedgerReader(Base):
    """A part of mlgov that follows the ledger, and the entry up to which it has read."""

    __tablename__ = "ledger_reader"

    name: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]


class Withheld(Base):
    """A notice that the policy's rollout withheld, as nobody had asked for it. It is never sent later."""

    __tablename__ = "withheld"

    id: Mapped[int] = mapped_column(primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    """Names the fact, as in the outbox, so that it isn't announced late when the rollout widens."""
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[str]
    subject_type: Mapped[str | None]
    subject_id: Mapped[str | None]
    rollout: Mapped[str]
    """The stage of the rollout that withheld it."""
    withheld_at: Mapped[datetime] = mapped_column(index=True)
