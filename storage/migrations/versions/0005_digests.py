"""Digests, and who was told what under the rollout."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "digest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("week", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("tz", sa.String(), nullable=False),
        sa.Column("planned_at", base.UTCDateTime(), nullable=False),
        sa.Column("late_at", base.UTCDateTime(), nullable=False),
        sa.Column("built_at", base.UTCDateTime(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("outbox_id", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_digest_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest")),
        sa.UniqueConstraint(
            "kind", "person_id", "week", name=op.f("uq_digest_kind_person_id_week")
        ),
    )
    op.create_index(op.f("ix_digest_person_id"), "digest", ["person_id"])
    op.create_index("ix_digest_week", "digest", ["kind", "week"])
    op.create_table(
        "digest_decision",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["digest.id"], name=op.f("fk_digest_decision_digest_id")
        ),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_digest_decision_approval_id")
        ),
        sa.PrimaryKeyConstraint("digest_id", "approval_id", name=op.f("pk_digest_decision")),
    )
    op.create_index(op.f("ix_digest_decision_approval_id"), "digest_decision", ["approval_id"])
    op.create_table(
        "digest_subscription",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_wanted", sa.Boolean(), nullable=False),
        sa.Column("decided_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_digest_subscription_person_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "kind", name=op.f("pk_digest_subscription")),
    )
    op.create_table(
        "digest_release",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("week", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("contents", sa.JSON(), nullable=False),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", base.UTCDateTime(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_digest_release_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest_release")),
        sa.UniqueConstraint(
            "kind", "audience", "week", name=op.f("uq_digest_release_kind_audience_week")
        ),
    )
    op.create_index(op.f("ix_digest_release_decided_by"), "digest_release", ["decided_by"])
