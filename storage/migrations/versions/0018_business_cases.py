"""Business cases, their revisions, places of the portfolio that somebody chose, and what came of projects."""

import sqlalchemy as sa
from alembic import op

from storage.base import Money, UTCDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

oldest_revision = "0018"
"""Code of 0017 would meet requests about cases, and could neither show nor decide them."""


def upgrade() -> None:
    op.create_table(
        "business_case",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("sponsor_id", sa.String(), nullable=True),
        sa.Column("business_unit", sa.String(), nullable=True),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("agreed", sa.Integer(), nullable=True),
        sa.Column("waiver_id", sa.Integer(), nullable=True),
        sa.Column("promise", sa.String(), nullable=True),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_business_case_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["person.id"], name=op.f("fk_business_case_owner_id")
        ),
        sa.ForeignKeyConstraint(
            ["sponsor_id"], ["person.id"], name=op.f("fk_business_case_sponsor_id")
        ),
        sa.ForeignKeyConstraint(
            ["waiver_id"], ["private_text.id"], name=op.f("fk_business_case_waiver_id")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["person.id"], name=op.f("fk_business_case_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["person.id"], name=op.f("fk_business_case_changed_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_business_case")),
        sa.UniqueConstraint("project_id", name=op.f("uq_business_case_project_id")),
        sa.UniqueConstraint("promise", name=op.f("uq_business_case_promise")),
        sa.UniqueConstraint("request_key", name=op.f("uq_business_case_request_key")),
    )
    for column in ("owner_id", "sponsor_id", "waiver_id", "created_by", "changed_by"):
        op.create_index(op.f(f"ix_business_case_{column}"), "business_case", [column], unique=False)
    op.create_table(
        "case_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("flows", sa.JSON(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("confidence", Money(), nullable=False),
        sa.Column("feasibility", Money(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("likely", sa.JSON(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=True),
        sa.Column("made_by", sa.String(), nullable=True),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("agreed_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["business_case.id"], name=op.f("fk_case_revision_case_id")
        ),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_case_revision_approval_id")
        ),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name=op.f("fk_case_revision_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_revision")),
        sa.UniqueConstraint("case_id", "number", name=op.f("uq_case_revision_case_id_number")),
    )
    for column in ("approval_id", "made_by"):
        op.create_index(op.f(f"ix_case_revision_{column}"), "case_revision", [column], unique=False)
    op.create_table(
        "rank_override",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("made_by", sa.String(), nullable=True),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_rank_override_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_rank_override_reason_id")
        ),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name=op.f("fk_rank_override_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rank_override")),
    )
    for column in ("project_id", "reason_id", "made_by"):
        op.create_index(op.f(f"ix_rank_override_{column}"), "rank_override", [column], unique=False)
    _add_arrival()
    _add_returns()


def _add_arrival() -> None:
    op.create_table(
        "project_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_project_move_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_move")),
    )
    op.create_index(op.f("ix_project_move_project_id"), "project_move", ["project_id"])
    # What is a draft still began as one; of all others nobody knows how they began.
    op.execute(
        "INSERT INTO project_move (project_id, source, target, at) "
        "SELECT id, NULL, status, created_at FROM project "
        "WHERE status IN ('draft', 'submitted', 'under_review') ORDER BY id"
    )
    op.add_column("milestone", sa.Column("proven", sa.String(), nullable=True))
    op.create_table(
        "project_outcome",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("spent", sa.JSON(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("learnt_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_project_outcome_project_id")
        ),
        sa.ForeignKeyConstraint(["by"], ["person.id"], name=op.f("fk_project_outcome_by")),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_project_outcome_reason_id")
        ),
        sa.ForeignKeyConstraint(
            ["learnt_id"], ["private_text.id"], name=op.f("fk_project_outcome_learnt_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_outcome")),
    )
    for column in ("project_id", "by", "reason_id", "learnt_id"):
        op.create_index(op.f(f"ix_project_outcome_{column}"), "project_outcome", [column])
    op.create_table(
        "case_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("standing", sa.JSON(), nullable=False),
        sa.Column("levels", sa.JSON(), nullable=False),
        sa.Column("asked_id", sa.String(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("answered_by", sa.String(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["business_case.id"], name=op.f("fk_case_check_case_id")
        ),
        sa.ForeignKeyConstraint(["asked_id"], ["person.id"], name=op.f("fk_case_check_asked_id")),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["person.id"], name=op.f("fk_case_check_answered_by")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_case_check_reason_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_check")),
    )
    op.create_index("ix_case_check_case_number", "case_check", ["case_id", "number"])
    for column in ("asked_id", "answered_by", "reason_id"):
        op.create_index(op.f(f"ix_case_check_{column}"), "case_check", [column])


def _add_returns() -> None:
    op.add_column("project", sa.Column("live_on", sa.Date(), nullable=True))
    op.create_table(
        "case_return",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("amount", Money(precision=38, scale=18), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("note_id", sa.Integer(), nullable=True),
        sa.Column("replaces_id", sa.Integer(), nullable=True),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("reported_by", sa.String(), nullable=True),
        sa.Column("reported_at", UTCDateTime(), nullable=False),
        sa.Column("attested_by", sa.String(), nullable=True),
        sa.Column("attested_at", UTCDateTime(), nullable=True),
        sa.Column("withdrawn_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_case_return_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["private_text.id"], name=op.f("fk_case_return_note_id")
        ),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["case_return.id"], name=op.f("fk_case_return_replaces_id")
        ),
        sa.ForeignKeyConstraint(
            ["reported_by"], ["person.id"], name=op.f("fk_case_return_reported_by")
        ),
        sa.ForeignKeyConstraint(
            ["attested_by"], ["person.id"], name=op.f("fk_case_return_attested_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_return")),
        sa.UniqueConstraint("request_key", name=op.f("uq_case_return_request_key")),
    )
    for column in ("project_id", "note_id", "replaces_id", "reported_by", "attested_by"):
        op.create_index(op.f(f"ix_case_return_{column}"), "case_return", [column], unique=False)
    op.create_table(
        "return_asking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=True),
        sa.Column("outbox_id", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("skipped_by", sa.String(), nullable=True),
        sa.Column("skipped_at", UTCDateTime(), nullable=True),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_return_asking_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_return_asking_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name=op.f("fk_return_asking_outbox_id")
        ),
        sa.ForeignKeyConstraint(
            ["skipped_by"], ["person.id"], name=op.f("fk_return_asking_skipped_by")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_return_asking_reason_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_asking")),
        sa.UniqueConstraint(
            "project_id", "kind", "starts", name=op.f("uq_return_asking_project_id_kind_starts")
        ),
    )
    for column in ("person_id", "outbox_id", "skipped_by", "reason_id"):
        op.create_index(op.f(f"ix_return_asking_{column}"), "return_asking", [column], unique=False)


def downgrade() -> None:
    op.drop_table("return_asking")
    op.drop_table("case_return")
    op.drop_column("project", "live_on")
    op.drop_table("case_check")
    op.drop_table("project_outcome")
    op.drop_column("milestone", "proven")
    op.drop_table("project_move")
    op.drop_table("rank_override")
    op.drop_table("case_revision")
    op.drop_table("business_case")
