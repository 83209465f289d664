"""Evidence for versions of models: what was handed in, by whom, and what was decided about it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Evidence(Base):
    """One item. The newest item of a type that was not rejected is the one that counts."""

    __tablename__ = "evidence"
    __table_args__ = (Index("ix_evidence_version_type", "version_id", "type"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    type: Mapped[str]
    sha256: Mapped[str | None]
    """SHA-256 of the document's bytes or of the canonical content; None for a waiver, which has neither."""
    uri: Mapped[str | None]
    content: Mapped[dict[str, Any]]
    """The values that mlgov evaluates or draws: metrics with thresholds, a validation's outcome, fairness figures."""
    text_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The summary by who handed it in."""
    status: Mapped[str]
    produced_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None for a program, which `source` names then."""
    source: Mapped[str]
    produced_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    decided_at: Mapped[datetime | None]
    word_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The text of why it was rejected or waived, or the validator's answer to a flag."""
    waiver_owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    request_key: Mapped[str | None] = mapped_column(unique=True)
    revision: Mapped[int] = mapped_column(default=1)


class SharedFile(Base):
    """A file that somebody shared with mlgov, until they say which evidence it is. Its bytes aren't kept."""

    __tablename__ = "shared_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    slack_id: Mapped[str] = mapped_column(unique=True)
    """Slack's id of the file."""
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    name: Mapped[str]
    size: Mapped[int]
    """Bytes."""
    sha256: Mapped[str]
    permalink: Mapped[str]
    content: Mapped[dict[str, Any]]
    """What mlgov read from it: drivers, counts of groups, a model card; empty for a document."""
    created_at: Mapped[datetime] = mapped_column(index=True)
