"""Until when somebody's Slack status says that they are away."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("person") as batch_op:
        batch_op.add_column(sa.Column("status_away_until", base.UTCDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("person") as batch_op:
        batch_op.drop_column("status_away_until")
