"""Whose place a verdict and a hand-over use, and on which revision a change was made"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.add_column(sa.Column("place_id", sa.String(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_decision_place_id"), "person", ["place_id"], ["id"]
        )
        batch_op.create_index(
            batch_op.f("ix_decision_place_id"), ["place_id"], unique=False
        )
    with op.batch_alter_table("approval_handover", schema=None) as batch_op:
        batch_op.add_column(sa.Column("for_id", sa.String(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_approval_handover_for_id"), "person", ["for_id"], ["id"]
        )
        batch_op.create_index(
            batch_op.f("ix_approval_handover_for_id"), ["for_id"], unique=False
        )
    with op.batch_alter_table("approval_edit", schema=None) as batch_op:
        batch_op.add_column(sa.Column("revision", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("approval_edit", schema=None) as batch_op:
        batch_op.drop_column("revision")
    with op.batch_alter_table("approval_handover", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approval_handover_for_id"))
        batch_op.drop_constraint(
            batch_op.f("fk_approval_handover_for_id"), type_="foreignkey"
        )
        batch_op.drop_column("for_id")
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decision_place_id"))
        batch_op.drop_constraint(batch_op.f("fk_decision_place_id"), type_="foreignkey")
        batch_op.drop_column("place_id")
