"""Maturity check-ins."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maturity_rubric",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("adopted_at", base.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_rubric")),
        sa.UniqueConstraint("sha256", name=op.f("uq_maturity_rubric_sha256")),
    )
    op.create_table(
        "maturity_cycle",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.String(), nullable=True),
        sa.Column("business_unit", sa.String(), nullable=True),
        sa.Column("rubric_id", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("open_scope", sa.String(), nullable=True),
        sa.Column("seen_by", sa.String(), nullable=False),
        sa.Column("minimum_group", sa.Integer(), nullable=False),
        sa.Column("opened_at", base.UTCDateTime(), nullable=False),
        sa.Column("closes_at", base.UTCDateTime(), nullable=False),
        sa.Column("closed_at", base.UTCDateTime(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["rubric_id"], ["maturity_rubric.id"], name=op.f("fk_maturity_cycle_rubric_id")
        ),
        sa.ForeignKeyConstraint(
            ["started_by"], ["person.id"], name=op.f("fk_maturity_cycle_started_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_cycle")),
        sa.UniqueConstraint("open_scope", name=op.f("uq_maturity_cycle_open_scope")),
        sa.UniqueConstraint("slot", name=op.f("uq_maturity_cycle_slot")),
    )
    op.create_index(
        op.f("ix_maturity_cycle_rubric_id"), "maturity_cycle", ["rubric_id"], unique=False
    )
    op.create_index(
        op.f("ix_maturity_cycle_started_by"), "maturity_cycle", ["started_by"], unique=False
    )
    op.create_table(
        "maturity_target",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("business_unit", sa.String(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("set_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["set_by"], ["person.id"], name=op.f("fk_maturity_target_set_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_target")),
        sa.UniqueConstraint(
            "business_unit", "dimension", name=op.f("uq_maturity_target_business_unit_dimension")
        ),
    )
    op.create_index(op.f("ix_maturity_target_set_by"), "maturity_target", ["set_by"], unique=False)
    op.create_table(
        "maturity_early",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("made_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["maturity_cycle.id"], name=op.f("fk_maturity_early_cycle_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_early")),
        sa.UniqueConstraint("cycle_id", "seq", name=op.f("uq_maturity_early_cycle_id_seq")),
    )
    op.create_table(
        "maturity_invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("asked_as", sa.String(), nullable=False),
        sa.Column("business_unit", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("salt", sa.String(), nullable=True),
        sa.Column("invited_at", base.UTCDateTime(), nullable=True),
        sa.Column("ended_at", base.UTCDateTime(), nullable=True),
        sa.Column("skip_reason_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["maturity_cycle.id"], name=op.f("fk_maturity_invitation_cycle_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_maturity_invitation_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["skip_reason_id"],
            ["private_text.id"],
            name=op.f("fk_maturity_invitation_skip_reason_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_invitation")),
        sa.UniqueConstraint(
            "cycle_id", "person_id", name=op.f("uq_maturity_invitation_cycle_id_person_id")
        ),
    )
    op.create_index(
        op.f("ix_maturity_invitation_person_id"), "maturity_invitation", ["person_id"], unique=False
    )
    op.create_index(
        op.f("ix_maturity_invitation_skip_reason_id"),
        "maturity_invitation",
        ["skip_reason_id"],
        unique=False,
    )
    op.create_table(
        "maturity_action",
        sa.Column("milestone_id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["maturity_cycle.id"], name=op.f("fk_maturity_action_cycle_id")
        ),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.id"], name=op.f("fk_maturity_action_milestone_id")
        ),
        sa.PrimaryKeyConstraint("milestone_id", name=op.f("pk_maturity_action")),
    )
    op.create_index(
        op.f("ix_maturity_action_cycle_id"), "maturity_action", ["cycle_id"], unique=False
    )
    op.create_table(
        "maturity_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("stamp", sa.String(), nullable=False),
        sa.Column("answered_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["maturity_invitation.id"],
            name=op.f("fk_maturity_answer_invitation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_answer")),
        sa.UniqueConstraint(
            "invitation_id", "statement", name=op.f("uq_maturity_answer_invitation_id_statement")
        ),
    )
    op.create_table(
        "maturity_counted",
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["maturity_invitation.id"],
            name=op.f("fk_maturity_counted_invitation_id"),
        ),
        sa.PrimaryKeyConstraint("invitation_id", "dimension", name=op.f("pk_maturity_counted")),
    )
    op.create_table(
        "maturity_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("comment_id", sa.Integer(), nullable=True),
        sa.Column("link_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["private_text.id"], name=op.f("fk_maturity_note_comment_id")
        ),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["maturity_invitation.id"],
            name=op.f("fk_maturity_note_invitation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["link_id"], ["private_text.id"], name=op.f("fk_maturity_note_link_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maturity_note")),
        sa.UniqueConstraint(
            "invitation_id", "dimension", name=op.f("uq_maturity_note_invitation_id_dimension")
        ),
    )
    op.create_index(
        op.f("ix_maturity_note_comment_id"), "maturity_note", ["comment_id"], unique=False
    )
    op.create_index(op.f("ix_maturity_note_link_id"), "maturity_note", ["link_id"], unique=False)
