"""When the mirror of Slack was read, leases, who was joined by an address, and channels that were only named"""

import sqlalchemy as sa
from alembic import op

from storage.types import UTCDateTime

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "mirror_reading",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("read_at", UTCDateTime(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("failed_at", UTCDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_mirror_reading")),
    )
    # Plain columns: a table that others refer to is not copied for them.
    op.add_column("person", sa.Column("linked_at", UTCDateTime(), nullable=True))
    op.add_column("project", sa.Column("channel_name", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("project", "channel_name")
    op.drop_column("person", "linked_at")
    op.drop_table("mirror_reading")
    op.drop_table("lease")
