"""Real time that never runs back: how far it is ahead of the machine's clock, and the latest of it"""

import sqlalchemy as sa
from alembic import op

from storage import types

revision = "0020"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain additions: rebuilding the table would be no good where others hold it.
    for name in ("lead_microseconds", "set_back_microseconds"):
        op.add_column(
            "runtime",
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"),
        )
    for name in ("clock_at", "set_back_at"):
        op.add_column("runtime", sa.Column(name, types.UTCDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runtime", schema=None) as batch_op:
        for name in (
            "set_back_at",
            "clock_at",
            "set_back_microseconds",
            "lead_microseconds",
        ):
            batch_op.drop_column(name)
