"""${message}."""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# Code whose newest migration is this one or later runs on the schema after this migration. Keep that of the migration
# before where this one only adds; write `revision` where older code would break. docs/upgrading.md has the rules.
oldest_revision = "0017"


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
