"""Why a measure in use could not be read"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("model_metric", schema=None) as batch_op:
        batch_op.add_column(sa.Column("trouble", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("model_metric", schema=None) as batch_op:
        batch_op.drop_column("trouble")
