"""What people do about a request beside deciding, and decisions that were taken back."""

import sqlalchemy as sa
from alembic import op

from storage import base

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "absence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("stand_in_id", sa.String(), nullable=False),
        sa.Column("since", base.UTCDateTime(), nullable=False),
        sa.Column("until", base.UTCDateTime(), nullable=False),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.Column("ended_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_absence_person_id")),
        sa.ForeignKeyConstraint(
            ["stand_in_id"], ["person.id"], name=op.f("fk_absence_stand_in_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absence")),
    )
    with op.batch_alter_table("absence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_absence_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_absence_stand_in_id"), ["stand_in_id"], unique=False)
        batch_op.create_index("ix_absence_until", ["until"], unique=False)

    op.create_table(
        "approval_handover",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("from_id", sa.String(), nullable=False),
        sa.Column("to_id", sa.String(), nullable=False),
        sa.Column("note_id", sa.Integer(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_handover_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["from_id"], ["person.id"], name=op.f("fk_approval_handover_from_id")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["private_text.id"], name=op.f("fk_approval_handover_note_id")
        ),
        sa.ForeignKeyConstraint(["to_id"], ["person.id"], name=op.f("fk_approval_handover_to_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_handover")),
    )
    with op.batch_alter_table("approval_handover", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_approval_handover_approval_id"), ["approval_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_approval_handover_from_id"), ["from_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_approval_handover_note_id"), ["note_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_approval_handover_to_id"), ["to_id"], unique=False)

    op.create_table(
        "approval_question",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", base.UTCDateTime(), nullable=False),
        sa.Column("answer_id", sa.Integer(), nullable=True),
        sa.Column("ended_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["private_text.id"], name=op.f("fk_approval_question_answer_id")
        ),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_question_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["person.id"], name=op.f("fk_approval_question_asked_by")
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["private_text.id"], name=op.f("fk_approval_question_question_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_question")),
    )
    with op.batch_alter_table("approval_question", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_approval_question_answer_id"), ["answer_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_approval_question_approval_id"), ["approval_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_approval_question_asked_by"), ["asked_by"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_approval_question_question_id"), ["question_id"], unique=False
        )

    op.create_table(
        "approval_review",
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("broken_by", sa.String(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("broken_at", base.UTCDateTime(), nullable=False),
        sa.Column("due_at", base.UTCDateTime(), nullable=False),
        sa.Column("times_late", sa.Integer(), nullable=False),
        sa.Column("reviewed_by", sa.String(), nullable=True),
        sa.Column("is_fine", sa.Boolean(), nullable=True),
        sa.Column("note_id", sa.Integer(), nullable=True),
        sa.Column("reviewed_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_review_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["broken_by"], ["person.id"], name=op.f("fk_approval_review_broken_by")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["private_text.id"], name=op.f("fk_approval_review_note_id")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_approval_review_reason_id")
        ),
        sa.ForeignKeyConstraint(
            ["reviewed_by"], ["person.id"], name=op.f("fk_approval_review_reviewed_by")
        ),
        sa.PrimaryKeyConstraint("approval_id", name=op.f("pk_approval_review")),
    )
    with op.batch_alter_table("approval_review", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approval_review_due_at"), ["due_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_approval_review_broken_by"), ["broken_by"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_approval_review_note_id"), ["note_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_approval_review_reason_id"), ["reason_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_approval_review_reviewed_by"), ["reviewed_by"], unique=False
        )

    op.create_table(
        "approval_condition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("due_at", base.UTCDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proof_id", sa.Integer(), nullable=True),
        sa.Column("claimed_at", base.UTCDateTime(), nullable=True),
        sa.Column("ended_at", base.UTCDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_condition_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decision.id"], name=op.f("fk_approval_condition_decision_id")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["person.id"], name=op.f("fk_approval_condition_owner_id")
        ),
        sa.ForeignKeyConstraint(
            ["proof_id"], ["private_text.id"], name=op.f("fk_approval_condition_proof_id")
        ),
        sa.ForeignKeyConstraint(
            ["set_by"], ["person.id"], name=op.f("fk_approval_condition_set_by")
        ),
        sa.ForeignKeyConstraint(
            ["text_id"], ["private_text.id"], name=op.f("fk_approval_condition_text_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_condition")),
    )
    with op.batch_alter_table("approval_condition", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_approval_condition_approval_id"), ["approval_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_approval_condition_decision_id"), ["decision_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_approval_condition_due_at"), ["due_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_approval_condition_owner_id"), ["owner_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_approval_condition_proof_id"), ["proof_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_approval_condition_set_by"), ["set_by"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_approval_condition_text_id"), ["text_id"], unique=False
        )

    with op.batch_alter_table("approval", schema=None) as batch_op:
        batch_op.add_column(sa.Column("paused_at", base.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("nudged_at", base.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("edition", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(
            sa.Column("has_more", sa.Boolean(), nullable=False, server_default=sa.false())
        )

    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.add_column(sa.Column("for_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("shown", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("taken_back_at", base.UTCDateTime(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_decision_approval_id_person_id"), type_="unique")
        batch_op.create_index(batch_op.f("ix_decision_for_id"), ["for_id"], unique=False)
        batch_op.create_index(
            "ix_decision_once",
            ["approval_id", "person_id"],
            unique=True,
            postgresql_where=sa.text("taken_back_at IS NULL"),
            sqlite_where=sa.text("taken_back_at IS NULL"),
        )
        batch_op.create_foreign_key(batch_op.f("fk_decision_for_id"), "person", ["for_id"], ["id"])

    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.add_column(sa.Column("away_until", base.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("stands_in_until", base.UTCDateTime(), nullable=True))
