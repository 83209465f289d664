"""The inventory: models, versions, the people of each, steps through the life cycle, findings, and monitoring."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Model(Base):
    """A model, or a use of a vendor's or a generative one. `key` is lower case and what people type.

    Purpose and uses are documentation of the organisation, not somebody's words: they stay when a person is erased.
    """

    __tablename__ = "model"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    vendor: Mapped[str | None]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), index=True)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    purpose: Mapped[str] = mapped_column(Text, default="")
    intended_use: Mapped[str] = mapped_column(Text, default="")
    out_of_scope: Mapped[str] = mapped_column(Text, default="")
    technique: Mapped[str] = mapped_column(default="")
    data_sources: Mapped[list[Any]]
    """Names of its data sources."""
    affects_people: Mapped[bool] = mapped_column(default=False)
    """Whether its output affects single people; fairness evidence is then needed in every tier."""
    exposure: Mapped[str | None]
    purpose_class: Mapped[str | None]
    eu_class: Mapped[str | None]
    tier: Mapped[int | None]
    """1 is the most material; none until it was assessed."""
    tier_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    tier_at: Mapped[datetime | None]
    tier_override: Mapped[int | None]
    """The tier set by model risk instead of the one computed from exposure and purpose."""
    tier_reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    state: Mapped[str]
    """INVENTORIED or NOT_A_MODEL without versions; the state of a model with versions is computed from theirs."""
    next_review: Mapped[date | None]
    review_asked: Mapped[date | None]
    """The review day that its owner was last reminded of."""
    registry_name: Mapped[str | None]
    """Its name in the model registry."""
    card_id: Mapped[int | None]
    """The outbox row of its card in the project's channel, whose thread has its steps."""
    request_key: Mapped[str | None] = mapped_column(unique=True)
    revision: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]


class ModelDependency(Base):
    """One model takes another's output as its input (SR 26-2, aggregate risk)."""

    __tablename__ = "model_dependency"

    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), primary_key=True)
    upstream_id: Mapped[int] = mapped_column(ForeignKey("model.id"), primary_key=True, index=True)


class ModelVersion(Base):
    """A version of a model. Versions, not models, go through the life cycle."""

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("model_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    version: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    state_since: Mapped[datetime]
    digest: Mapped[str | None]
    """SHA-256 over the contents of what is deployed; for a generative use over `about`."""
    about: Mapped[dict[str, Any]]
    """For a generative use the vendor's model id, the prompt's digest and the tools; else empty."""
    run_id: Mapped[str | None]
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approval.id"), index=True)
    """The request under which it was approved, or waits to be."""
    approved_until: Mapped[datetime | None]
    approved_digest: Mapped[str | None]
    """What `digest` was when it was approved."""
    revision: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]


class ModelPerson(Base):
    """Who developed, validated or contributed to a version."""

    __tablename__ = "model_person"

    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    part: Mapped[str] = mapped_column(primary_key=True)


class ModelTransition(Base):
    """One step of a version, or of a model without versions. Never changed; the ledger holds each as well."""

    __tablename__ = "model_transition"

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    version_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"), index=True)
    step: Mapped[str]
    source: Mapped[str]
    target: Mapped[str]
    actor_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None for mlgov itself."""
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    evidence_digest: Mapped[str | None]
    created_at: Mapped[datetime]


class ModelAgreement(Base):
    """The agreement of one of the two people a step needs; it counts for the version's revision it was given for."""

    __tablename__ = "model_agreement"
    __table_args__ = (UniqueConstraint("version_id", "step", "revision", "person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    step: Mapped[str]
    revision: Mapped[int]
    """The version's revision that was agreed to."""
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    parts: Mapped[list[Any]]
    """The person's parts: `owner`, `operations`, `model_risk`."""
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    created_at: Mapped[datetime]


class ModelChange(Base):
    """A request to change a version in use, by class."""

    __tablename__ = "model_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), index=True)
    change_class: Mapped[str]
    reason_id: Mapped[int] = mapped_column(ForeignKey("private_text.id"), index=True)
    result_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"), index=True)
    """The version that a material change led to."""
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]


class Finding(Base):
    """Something wrong with a model or a version, to be mended or accepted for a time."""

    __tablename__ = "finding"
    __table_args__ = (Index("ix_finding_model_status", "model_id", "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    version_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"), index=True)
    text_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The text of who filed it; None for one that mlgov filed."""
    facts: Mapped[dict[str, Any]]
    """Numbers, dates and names of measures, in one that mlgov filed."""
    severity: Mapped[str]
    status: Mapped[str]
    source: Mapped[str]
    source_key: Mapped[str | None] = mapped_column(unique=True)
    """Names what mlgov found, so that finding it again doesn't file it again."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    due: Mapped[date | None]
    accepted_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    accepted_until: Mapped[date | None]
    word_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """Why it is accepted, or how it was resolved."""
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=1)


class ModelMetric(Base):
    """One measure of a monitoring plan, with its threshold."""

    __tablename__ = "model_metric"
    __table_args__ = (UniqueConstraint("version_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    name: Mapped[str]
    threshold: Mapped[Decimal]
    better: Mapped[str]
    """`higher`: below the threshold is a breach; `lower`: above it is one."""
    every_days: Mapped[int]
    """Days within which a reading has to come."""
    trouble: Mapped[str | None]
    """Why mlgov's last attempt to read it failed; None once a reading came."""
    dropped_at: Mapped[datetime | None]


class ModelReading(Base):
    """One value of one measure; the same measure at the same time is kept once."""

    __tablename__ = "model_reading"
    __table_args__ = (UniqueConstraint("metric_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("model_metric.id"))
    at: Mapped[datetime]
    value: Mapped[Decimal]
    is_breach: Mapped[bool]
    created_at: Mapped[datetime]
