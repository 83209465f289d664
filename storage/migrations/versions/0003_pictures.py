"""Pictures that were uploaded to Slack."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("file_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("uploaded_at", base.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_upload")),
    )
    op.create_index("ix_upload_uploaded_at", "upload", ["uploaded_at"], unique=False)
