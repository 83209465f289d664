"""Milestones and their reminders."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "milestone_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.Column("started_at", base.UTCDateTime(), nullable=True),
        sa.Column("started_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_milestone_import_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["started_by"], ["person.id"], name=op.f("fk_milestone_import_started_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone_import")),
        sa.UniqueConstraint(
            "person_id", "sha256", name=op.f("uq_milestone_import_person_id_sha256")
        ),
    )
    op.create_index(
        "ix_milestone_import_started_by", "milestone_import", ["started_by"], unique=False
    )
    op.create_table(
        "milestone",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("baseline", sa.Date(), nullable=False),
        sa.Column("forecast", sa.Date(), nullable=False),
        sa.Column("actual", sa.Date(), nullable=True),
        sa.Column("risk_id", sa.Integer(), nullable=True),
        sa.Column("proof_id", sa.Integer(), nullable=True),
        sa.Column("done_by", sa.String(), nullable=True),
        sa.Column("dropped_at", base.UTCDateTime(), nullable=True),
        sa.Column("reminds_from", base.UTCDateTime(), nullable=True),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("source_at", base.UTCDateTime(), nullable=True),
        sa.Column("promise", sa.String(), nullable=True),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["person.id"], name=op.f("fk_milestone_created_by")
        ),
        sa.ForeignKeyConstraint(["done_by"], ["person.id"], name=op.f("fk_milestone_done_by")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["milestone_import.id"], name=op.f("fk_milestone_import_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["person.id"], name=op.f("fk_milestone_owner_id")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_milestone_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["proof_id"], ["private_text.id"], name=op.f("fk_milestone_proof_id")
        ),
        sa.ForeignKeyConstraint(
            ["risk_id"], ["private_text.id"], name=op.f("fk_milestone_risk_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
        sa.UniqueConstraint("source", name=op.f("uq_milestone_source")),
        sa.UniqueConstraint("request_key", name=op.f("uq_milestone_request_key")),
    )
    op.create_index("ix_milestone_created_by", "milestone", ["created_by"], unique=False)
    op.create_index("ix_milestone_done_by", "milestone", ["done_by"], unique=False)
    op.create_index("ix_milestone_import_id", "milestone", ["import_id"], unique=False)
    op.create_index("ix_milestone_owner_id", "milestone", ["owner_id"], unique=False)
    op.create_index("ix_milestone_project_id", "milestone", ["project_id"], unique=False)
    op.create_index("ix_milestone_proof_id", "milestone", ["proof_id"], unique=False)
    op.create_index("ix_milestone_risk_id", "milestone", ["risk_id"], unique=False)
    op.create_table(
        "milestone_link",
        sa.Column("milestone_id", sa.Integer(), nullable=False),
        sa.Column("needs_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.id"], name=op.f("fk_milestone_link_milestone_id")
        ),
        sa.ForeignKeyConstraint(
            ["needs_id"], ["milestone.id"], name=op.f("fk_milestone_link_needs_id")
        ),
        sa.PrimaryKeyConstraint("milestone_id", "needs_id", name=op.f("pk_milestone_link")),
    )
    op.create_index("ix_milestone_link_needs_id", "milestone_link", ["needs_id"], unique=False)
    op.create_table(
        "milestone_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("milestone_id", sa.Integer(), nullable=False),
        sa.Column("old", sa.Date(), nullable=False),
        sa.Column("new", sa.Date(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("moved_by", sa.String(), nullable=True),
        sa.Column("approval_id", sa.Integer(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_milestone_move_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.id"], name=op.f("fk_milestone_move_milestone_id")
        ),
        sa.ForeignKeyConstraint(
            ["moved_by"], ["person.id"], name=op.f("fk_milestone_move_moved_by")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_milestone_move_reason_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone_move")),
    )
    op.create_index(
        "ix_milestone_move_approval_id", "milestone_move", ["approval_id"], unique=False
    )
    op.create_index(
        "ix_milestone_move_milestone_id", "milestone_move", ["milestone_id"], unique=False
    )
    op.create_index("ix_milestone_move_moved_by", "milestone_move", ["moved_by"], unique=False)
    op.create_index("ix_milestone_move_reason_id", "milestone_move", ["reason_id"], unique=False)
    op.create_table(
        "milestone_snooze",
        sa.Column("milestone_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.id"], name=op.f("fk_milestone_snooze_milestone_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_milestone_snooze_person_id")
        ),
        sa.PrimaryKeyConstraint("milestone_id", "person_id", name=op.f("pk_milestone_snooze")),
    )
    op.create_index(
        "ix_milestone_snooze_person_id", "milestone_snooze", ["person_id"], unique=False
    )
    op.create_table(
        "reminding",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("looked_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_reminding_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_reminding")),
    )
    op.create_table(
        "reminder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_reminder_outbox_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_reminder_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder")),
        sa.UniqueConstraint("person_id", "day", name=op.f("uq_reminder_person_id_day")),
    )
    op.create_index("ix_reminder_outbox_id", "reminder", ["outbox_id"], unique=False)
    op.create_table(
        "reminder_item",
        sa.Column("milestone_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("reminder_id", sa.Integer(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.id"], name=op.f("fk_reminder_item_milestone_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_reminder_item_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["reminder_id"], ["reminder.id"], name=op.f("fk_reminder_item_reminder_id")
        ),
        sa.PrimaryKeyConstraint(
            "milestone_id", "person_id", "due", "step", name=op.f("pk_reminder_item")
        ),
    )
    op.create_index("ix_reminder_item_person_id", "reminder_item", ["person_id"], unique=False)
    op.create_index("ix_reminder_item_reminder_id", "reminder_item", ["reminder_id"], unique=False)
