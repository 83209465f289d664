"""Holds: nothing is sent after an old copy of the database came back, until somebody has looked"""

import sqlalchemy as sa
from alembic import op

from storage.types import UTCDateTime

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("held_at", UTCDateTime(), nullable=False),
        sa.Column("released_at", UTCDateTime(), nullable=True),
        sa.Column("looks", sa.Boolean(), nullable=False),
        sa.Column("copy_seq", sa.Integer(), nullable=False),
        sa.Column("copy_hash", sa.String(), nullable=False),
        sa.Column("known_seq", sa.Integer(), nullable=True),
        sa.Column("look_from", UTCDateTime(), nullable=False),
        sa.Column("look_until", UTCDateTime(), nullable=False),
        sa.Column("governed_from", UTCDateTime(), nullable=False),
        sa.Column("governed_until", UTCDateTime(), nullable=False),
        sa.Column("floors", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )


def downgrade() -> None:
    op.drop_table("hold")
