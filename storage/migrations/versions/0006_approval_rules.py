"""What the richer rules of approvals need."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("approval", sa.Column("bound", sa.JSON(), nullable=True))
    op.add_column("approval", sa.Column("asked_at", base.UTCDateTime(), nullable=True))
    op.add_column("approval", sa.Column("valid_until", base.UTCDateTime(), nullable=True))
    op.add_column("approval_stage", sa.Column("rules", sa.JSON(), nullable=True))
    op.add_column("decision", sa.Column("parties", sa.JSON(), nullable=True))
    op.create_table(
        "approval_reminder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("told_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_approval_reminder_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_reminder")),
    )
    op.create_index("ix_approval_reminder_last", "approval_reminder", ["person_id", "told_at"])
    op.create_table(
        "approval_reminder_item",
        sa.Column("reminder_id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reminder_id"],
            ["approval_reminder.id"],
            name=op.f("fk_approval_reminder_item_reminder_id"),
        ),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_reminder_item_approval_id")
        ),
        sa.PrimaryKeyConstraint(
            "reminder_id", "approval_id", name=op.f("pk_approval_reminder_item")
        ),
    )
    op.create_index(
        op.f("ix_approval_reminder_item_approval_id"), "approval_reminder_item", ["approval_id"]
    )
