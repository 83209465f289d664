"""What a request asked before its requester changed it."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval_edit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("is_material", sa.Boolean(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("reopened", sa.String(), nullable=True),
        sa.Column("voided", sa.Integer(), nullable=False),
        sa.Column("edited_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_edit_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_approval_edit_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_approval_edit_reason_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_edit")),
    )
    for column in ("approval_id", "person_id", "reason_id"):
        op.create_index(op.f(f"ix_approval_edit_{column}"), "approval_edit", [column], unique=False)


def downgrade() -> None:
    op.drop_table("approval_edit")
