"""The first schema."""

import sqlalchemy as sa
from alembic import op

from storage import base, triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", base.UTCDateTime(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_entry")),
    )
    op.create_index(
        "ix_audit_entry_subject", "audit_entry", ["subject_type", "subject_id"], unique=False
    )

    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "channel",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("org_key", sa.String(), nullable=False),
        sa.Column("slack_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("is_shared_outside", sa.Boolean(), nullable=False),
        sa.Column("has_guests", sa.Boolean(), nullable=False),
        sa.Column("bot_is_member", sa.Boolean(), nullable=False),
        sa.Column("refreshed_at", base.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
        sa.UniqueConstraint("org_key", "slack_id", name=op.f("uq_channel_org_key_slack_id")),
    )
    op.create_table(
        "cost_load",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("billing_period", sa.Date(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("charges_through", sa.Date(), nullable=False),
        sa.Column("loaded_at", base.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_load")),
        sa.UniqueConstraint(
            "source", "billing_period", name=op.f("uq_cost_load_source_billing_period")
        ),
    )
    op.create_table(
        "gate",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("not_before", base.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_gate")),
    )
    op.create_table(
        "heading_map",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("theirs", sa.String(), nullable=False),
        sa.Column("ours", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "theirs", name=op.f("pk_heading_map")),
    )
    op.create_table(
        "inbox",
        sa.Column("event_key", sa.String(), nullable=False),
        sa.Column("received_at", base.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_key", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("ix_inbox_received_at"), "inbox", ["received_at"], unique=False)

    op.create_table(
        "lane",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("not_before", base.UTCDateTime(), nullable=False),
        sa.Column("edit_not_before", base.UTCDateTime(), nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", base.UTCDateTime(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lane")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("org_key", sa.String(), nullable=False),
        sa.Column("slack_id", sa.String(), nullable=True),
        sa.Column("team_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("tz", sa.String(), nullable=True),
        sa.Column("manager_id", sa.String(), nullable=True),
        sa.Column("business_unit", sa.String(), nullable=True),
        sa.Column("persona", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("is_bot", sa.Boolean(), nullable=False),
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("is_stranger", sa.Boolean(), nullable=False),
        sa.Column("is_deactivated", sa.Boolean(), nullable=False),
        sa.Column("refreshed_at", base.UTCDateTime(), nullable=True),
        sa.Column("home_opened_at", base.UTCDateTime(), nullable=True),
        sa.Column("erased_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["manager_id"], ["person.id"], name=op.f("fk_person_manager_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("org_key", "slack_id", name=op.f("uq_person_org_key_slack_id")),
    )
    op.create_index("ix_person_email", "person", ["email"], unique=False)
    op.create_index(op.f("ix_person_manager_id"), "person", ["manager_id"], unique=False)

    op.create_table(
        "policy_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("applied_at", base.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_version")),
        sa.UniqueConstraint("sha256", name=op.f("uq_policy_version_sha256")),
    )
    op.create_table(
        "runtime",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset_microseconds", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runtime")),
    )
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("local_time", sa.String(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("tz", sa.String(), nullable=False),
        sa.Column("next_at", base.UTCDateTime(), nullable=False),
        sa.Column("last_slot", sa.String(), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
        sa.UniqueConstraint("owner", "kind", name=op.f("uq_schedule_owner_kind")),
    )
    op.create_index("ix_schedule_next", "schedule", ["next_at"], unique=False)

    op.create_table(
        "timer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("due_at", base.UTCDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", base.UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timer")),
        sa.UniqueConstraint(
            "subject_type",
            "subject_id",
            "kind",
            "seq",
            name=op.f("uq_timer_subject_type_subject_id_kind_seq"),
        ),
    )
    op.create_index(
        "ix_timer_due",
        "timer",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'due'"),
        sqlite_where=sa.text("state = 'due'"),
    )

    op.create_table(
        "user_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("org_key", sa.String(), nullable=False),
        sa.Column("slack_id", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("refreshed_at", base.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_group")),
        sa.UniqueConstraint("org_key", "slack_id", name=op.f("uq_user_group_org_key_slack_id")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=True),
        sa.Column("subject_type", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=False),
        sa.Column("notice_version", sa.Integer(), nullable=False),
        sa.Column("lane_key", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("ts", sa.String(), nullable=False),
        sa.Column("shown_hash", sa.String(), nullable=False),
        sa.Column("shown_at", base.UTCDateTime(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["lane_key"], ["lane.key"], name=op.f("fk_message_lane_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("channel", "ts", name=op.f("uq_message_channel_ts")),
    )
    op.create_index(op.f("ix_message_lane_key"), "message", ["lane_key"], unique=False)
    op.create_index("ix_message_subject", "message", ["subject_type", "subject_id"], unique=False)

    op.create_table(
        "private_text",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.String(), nullable=False),
        sa.Column("salt", sa.String(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.Column("erased_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["person.id"], name=op.f("fk_private_text_author_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_private_text")),
    )
    op.create_index(op.f("ix_private_text_author_id"), "private_text", ["author_id"], unique=False)

    op.create_table(
        "project",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("sponsor_id", sa.String(), nullable=True),
        sa.Column("manager_id", sa.String(), nullable=True),
        sa.Column("business_unit", sa.String(), nullable=True),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["manager_id"], ["person.id"], name=op.f("fk_project_manager_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["person.id"], name=op.f("fk_project_owner_id")),
        sa.ForeignKeyConstraint(["sponsor_id"], ["person.id"], name=op.f("fk_project_sponsor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("key", name=op.f("uq_project_key")),
    )
    op.create_index(op.f("ix_project_manager_id"), "project", ["manager_id"], unique=False)
    op.create_index(op.f("ix_project_owner_id"), "project", ["owner_id"], unique=False)
    op.create_index(op.f("ix_project_sponsor_id"), "project", ["sponsor_id"], unique=False)

    op.create_table(
        "user_group_member",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("since", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["user_group.id"], name=op.f("fk_user_group_member_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_user_group_member_person_id")
        ),
        sa.PrimaryKeyConstraint("group_id", "person_id", name=op.f("pk_user_group_member")),
    )
    op.create_index(
        op.f("ix_user_group_member_person_id"), "user_group_member", ["person_id"], unique=False
    )

    op.create_table(
        "allocation_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sub_account_id", sa.String(), nullable=False),
        sa.Column("sub_account_name", sa.String(), nullable=False),
        sa.Column("tags", sa.String(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_allocation_key_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation_key")),
        sa.UniqueConstraint(
            "sub_account_id",
            "sub_account_name",
            "tags",
            name=op.f("uq_allocation_key_sub_account_id_sub_account_name_tags"),
        ),
    )
    op.create_index(
        op.f("ix_allocation_key_project_id"), "allocation_key", ["project_id"], unique=False
    )

    op.create_table(
        "approval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=False),
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("requester_id", sa.String(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("policy_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("card_id", sa.Integer(), nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.Column("expires_at", base.UTCDateTime(), nullable=False),
        sa.Column("decided_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policy_version.id"], name=op.f("fk_approval_policy_id")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_approval_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_approval_reason_id")
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"], ["person.id"], name=op.f("fk_approval_requester_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        sa.UniqueConstraint("request_key", name=op.f("uq_approval_request_key")),
    )
    op.create_index(
        "ix_approval_pending",
        "approval",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index(op.f("ix_approval_policy_id"), "approval", ["policy_id"], unique=False)
    op.create_index(op.f("ix_approval_project_id"), "approval", ["project_id"], unique=False)
    op.create_index(op.f("ix_approval_reason_id"), "approval", ["reason_id"], unique=False)
    op.create_index(op.f("ix_approval_requester_id"), "approval", ["requester_id"], unique=False)
    op.create_index("ix_approval_subject", "approval", ["subject_type", "subject_id"], unique=False)

    op.create_table(
        "budget",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("thresholds", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("baseline_at", base.UTCDateTime(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["person.id"], name=op.f("fk_budget_owner_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_budget_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint(
            "project_id",
            "period",
            "starts",
            "currency",
            "basis",
            name=op.f("uq_budget_project_id_period_starts_currency_basis"),
        ),
    )
    op.create_index(op.f("ix_budget_owner_id"), "budget", ["owner_id"], unique=False)
    op.create_index(op.f("ix_budget_project_id"), "budget", ["project_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column("lane_key", sa.String(), nullable=False),
        sa.Column("op", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=False),
        sa.Column("notice_version", sa.Integer(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=True),
        sa.Column("subject_id", sa.String(), nullable=True),
        sa.Column("file_id", sa.String(), nullable=True),
        sa.Column("thread_of", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("due_at", base.UTCDateTime(), nullable=False),
        sa.Column("expires_at", base.UTCDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt_at", base.UTCDateTime(), nullable=True),
        sa.Column("attempt_governed_at", base.UTCDateTime(), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("ts", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.Column("settled_at", base.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["lane_key"], ["lane.key"], name=op.f("fk_outbox_lane_key")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_outbox_message_id")),
        sa.ForeignKeyConstraint(["thread_of"], ["outbox.id"], name=op.f("fk_outbox_thread_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_outbox_edits",
        "outbox",
        ["priority", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending','sending') AND op IN ('update','delete')"),
        sqlite_where=sa.text("state IN ('pending','sending') AND op IN ('update','delete')"),
    )
    op.create_index(op.f("ix_outbox_message_id"), "outbox", ["message_id"], unique=False)
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending','sending','dead')"),
        sqlite_where=sa.text("state IN ('pending','sending','dead')"),
    )
    op.create_index("ix_outbox_subject", "outbox", ["subject_type", "subject_id"], unique=False)
    op.create_index(op.f("ix_outbox_thread_of"), "outbox", ["thread_of"], unique=False)
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["lane_key", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending','sending')"),
        sqlite_where=sa.text("state IN ('pending','sending')"),
    )
    op.create_index(
        "uq_outbox_one_update",
        "outbox",
        ["message_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending' AND message_id IS NOT NULL"),
        sqlite_where=sa.text("state = 'pending' AND message_id IS NOT NULL"),
    )

    op.create_table(
        "project_account",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_project_account_project_id")
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_project_account")),
    )
    op.create_index(
        op.f("ix_project_account_project_id"), "project_account", ["project_id"], unique=False
    )

    op.create_table(
        "approval_stage",
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("approvers", sa.JSON(), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("ask", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_approval_stage_approval_id")
        ),
        sa.PrimaryKeyConstraint("approval_id", "position", name=op.f("pk_approval_stage")),
    )
    op.create_table(
        "budget_alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("budget_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("amount", base.Money(precision=38, scale=18), nullable=False),
        sa.Column("spent", base.Money(precision=38, scale=18), nullable=False),
        sa.Column("crossed_on", sa.Date(), nullable=False),
        sa.Column("data_through", sa.Date(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.Column("acknowledged_at", base.UTCDateTime(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["acknowledged_by"], ["person.id"], name=op.f("fk_budget_alert_acknowledged_by")
        ),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budget.id"], name=op.f("fk_budget_alert_budget_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_alert")),
        sa.UniqueConstraint(
            "budget_id",
            "revision",
            "period_start",
            "threshold",
            "basis",
            name=op.f("uq_budget_alert_budget_id_revision_period_start_threshold_basis"),
        ),
    )
    op.create_index(
        op.f("ix_budget_alert_acknowledged_by"), "budget_alert", ["acknowledged_by"], unique=False
    )
    op.create_index(op.f("ix_budget_alert_budget_id"), "budget_alert", ["budget_id"], unique=False)

    op.create_table(
        "budget_revision",
        sa.Column("budget_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("amount", base.Money(precision=38, scale=18), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("approval_id", sa.Integer(), nullable=True),
        sa.Column("created_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_budget_revision_approval_id")
        ),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budget.id"], name=op.f("fk_budget_revision_budget_id")
        ),
        sa.PrimaryKeyConstraint("budget_id", "revision", name=op.f("pk_budget_revision")),
    )
    op.create_index(
        op.f("ix_budget_revision_approval_id"), "budget_revision", ["approval_id"], unique=False
    )

    op.create_table(
        "cost_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("charge_date", sa.Date(), nullable=False),
        sa.Column("allocation_key_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("billed", base.Money(precision=38, scale=18), nullable=False),
        sa.Column("effective", base.Money(precision=38, scale=18), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["allocation_key_id"],
            ["allocation_key.id"],
            name=op.f("fk_cost_entry_allocation_key_id"),
        ),
        sa.ForeignKeyConstraint(["load_id"], ["cost_load.id"], name=op.f("fk_cost_entry_load_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_entry")),
    )
    op.create_index(
        "ix_cost_entry_key_day", "cost_entry", ["allocation_key_id", "charge_date"], unique=False
    )
    op.create_index("ix_cost_entry_load", "cost_entry", ["load_id"], unique=False)

    op.create_table(
        "cost_month",
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("allocation_key_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("billed", base.Money(precision=38, scale=18), nullable=False),
        sa.Column("effective", base.Money(precision=38, scale=18), nullable=False),
        sa.ForeignKeyConstraint(
            ["allocation_key_id"],
            ["allocation_key.id"],
            name=op.f("fk_cost_month_allocation_key_id"),
        ),
        sa.ForeignKeyConstraint(["load_id"], ["cost_load.id"], name=op.f("fk_cost_month_load_id")),
        sa.PrimaryKeyConstraint(
            "load_id", "allocation_key_id", "month", "currency", name=op.f("pk_cost_month")
        ),
    )
    op.create_index("ix_cost_month_key", "cost_month", ["allocation_key_id", "month"], unique=False)

    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reason_id", sa.Integer(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("via", sa.String(), nullable=True),
        sa.Column("membership_read_at", base.UTCDateTime(), nullable=True),
        sa.Column("decided_at", base.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_decision_approval_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_decision_person_id")),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["private_text.id"], name=op.f("fk_decision_reason_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint(
            "approval_id", "person_id", name=op.f("uq_decision_approval_id_person_id")
        ),
    )
    op.create_index(op.f("ix_decision_approval_id"), "decision", ["approval_id"], unique=False)
    op.create_index(op.f("ix_decision_person_id"), "decision", ["person_id"], unique=False)
    op.create_index(op.f("ix_decision_reason_id"), "decision", ["reason_id"], unique=False)
    op.execute(f"INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '{'0' * 64}')")
    op.execute(
        "INSERT INTO runtime (id, offset_microseconds, made_by, facts) VALUES (1, 0, 'run', '{}')"
    )
    triggers.create(op.get_bind())


def downgrade() -> None:
    """There is nothing before the first schema; the record is never dropped by a migration."""
    raise RuntimeError("the first schema cannot be taken back")
