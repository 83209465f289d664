"""The front door: whom it has met, pages of App Home, readers of the ledger, and messages that were held back."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "meeting",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("met_at", base.UTCDateTime(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_meeting_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_meeting")),
    )
    op.create_table(
        "home_tab",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("pages", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_home_tab_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_home_tab")),
    )
    op.create_table(
        "ledger_reader",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ledger_reader")),
    )
    op.create_table(
        "withheld",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=True),
        sa.Column("subject_id", sa.String(), nullable=True),
        sa.Column("rollout", sa.String(), nullable=False),
        sa.Column("withheld_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_withheld_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withheld")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_withheld_dedupe_key")),
    )
    op.create_index("ix_withheld_person_id", "withheld", ["person_id"])
    op.create_index("ix_withheld_withheld_at", "withheld", ["withheld_at"])
    op.create_index("ix_person_home_opened_at", "person", ["home_opened_at"])
