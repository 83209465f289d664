"""The oldest code that runs on a schema, kept in the database where older releases read it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

oldest_revision = "0017"
"""Code of 0016 would run on this schema, but it cannot know: it takes every newer revision for one it cannot read."""


def upgrade() -> None:
    op.add_column(
        "runtime",
        sa.Column(
            "oldest_revision", sa.String(), nullable=False, server_default=revision
        ),
    )


def downgrade() -> None:
    with op.batch_alter_table("runtime") as batch_op:
        batch_op.drop_column("oldest_revision")
