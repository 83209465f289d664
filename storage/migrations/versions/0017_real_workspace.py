"""What running in a real workspace needs.

The oldest code that a schema takes, when the mirror of Slack was read, leases, holds after an old copy came back, a clock that never runs back, whose place
among the approvers a verdict or a hand-over uses, and who delivers a source of cost.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.base import UTCDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

oldest_revision = "0017"
"""Code of 0016 would run on this schema, but it cannot know: it takes every newer revision for one it cannot read."""


def upgrade() -> None:
    op.add_column(
        "runtime",
        sa.Column("oldest_revision", sa.String(), nullable=False, server_default=revision),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("held_at", UTCDateTime(), nullable=False),
        sa.Column("released_at", UTCDateTime(), nullable=True),
        sa.Column("looks", sa.Boolean(), nullable=False),
        sa.Column("copy_seq", sa.Integer(), nullable=False),
        sa.Column("copy_hash", sa.String(), nullable=False),
        sa.Column("known_seq", sa.Integer(), nullable=True),
        sa.Column("look_from", UTCDateTime(), nullable=False),
        sa.Column("look_until", UTCDateTime(), nullable=False),
        sa.Column("governed_from", UTCDateTime(), nullable=False),
        sa.Column("governed_until", UTCDateTime(), nullable=False),
        sa.Column("floors", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.add_column(sa.Column("place_id", sa.String(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_decision_place_id"), "person", ["place_id"], ["id"]
        )
        batch_op.create_index(batch_op.f("ix_decision_place_id"), ["place_id"], unique=False)
    with op.batch_alter_table("approval_handover", schema=None) as batch_op:
        batch_op.add_column(sa.Column("for_id", sa.String(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_approval_handover_for_id"), "person", ["for_id"], ["id"]
        )
        batch_op.create_index(batch_op.f("ix_approval_handover_for_id"), ["for_id"], unique=False)
    with op.batch_alter_table("approval_edit", schema=None) as batch_op:
        batch_op.add_column(sa.Column("revision", sa.Integer(), nullable=True))
    # Plain additions: rebuilding the table would be no good where others hold it.
    for name in ("lead_microseconds", "set_back_microseconds"):
        op.add_column(
            "runtime", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        )
    for name in ("clock_at", "set_back_at"):
        op.add_column("runtime", sa.Column(name, UTCDateTime(), nullable=True))
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "mirror_reading",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("read_at", UTCDateTime(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("failed_at", UTCDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_mirror_reading")),
    )
    # Plain columns: a table that others refer to is not copied for them.
    op.add_column("person", sa.Column("linked_at", UTCDateTime(), nullable=True))
    op.add_column("project", sa.Column("channel_name", sa.String(), nullable=True))
    # Tombstones of erased people.
    op.create_table(
        "tombstone",
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_tombstone_person_id")),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_tombstone")),
    )
    op.create_index(op.f("ix_tombstone_person_id"), "tombstone", ["person_id"], unique=False)
    op.add_column("runtime", sa.Column("erasure_check", sa.String(), nullable=True))
    # Whose each source of cost is.
    op.create_table(
        "cost_source",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=True),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_cost_source")),
    )
    # What was told of people.
    op.create_table(
        "disclosure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("told_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure")),
        sa.UniqueConstraint("scope", "part", "seq", name=op.f("uq_disclosure_scope_part_seq")),
    )
    _name_who_opened_sources()
    _keep_what_was_told_early()
    # Which user group a handle of the policy means, and what is newer: a reading of Slack or an event.
    op.create_table(
        "policy_group",
        sa.Column("org_key", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=True),
        sa.Column("meant_at", UTCDateTime(), nullable=True),
        sa.Column("fault", sa.String(), nullable=True),
        sa.Column("others", sa.JSON(), nullable=False),
        sa.Column("fault_at", UTCDateTime(), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("org_key", "handle", name=op.f("pk_policy_group")),
    )
    for table in ("person", "user_group", "channel"):
        op.add_column(table, sa.Column("heard_at", UTCDateTime(), nullable=True))
    for table in ("person", "user_group"):
        op.add_column(table, sa.Column("slack_updated", sa.BigInteger(), nullable=True))
    _bind_waiting_stages_to_groups()
    _registry()
    _count_costs_by_generations()
    # What a request asks to change, and that it isn't what was shown any more.
    op.add_column("approval", sa.Column("moved", sa.String(), nullable=True))
    # Sources that look like one and are two.
    op.create_table(
        "cost_apart",
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("first", "second", name=op.f("pk_cost_apart")),
    )
    # Who is listed no more.
    op.add_column("person", sa.Column("missing_since", UTCDateTime(), nullable=True))
    # The other ids by which Slack names somebody on a Grid.
    op.create_table(
        "slack_alias",
        sa.Column("org_key", sa.String(), nullable=False),
        sa.Column("slack_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_slack_alias_person_id")
        ),
        sa.PrimaryKeyConstraint("org_key", "slack_id", name=op.f("pk_slack_alias")),
    )
    op.create_index(op.f("ix_slack_alias_person_id"), "slack_alias", ["person_id"], unique=False)


def _bind_waiting_stages_to_groups() -> None:
    """Stages that wait, also for a review, named user groups by handle, which another group can take: they keep the
    group's id from now on.

    A handle that two groups have, or none, stays as it is and means nobody.
    """
    connection = op.get_bind()
    groups: dict[tuple[str, str], list[str]] = {}
    for org_key, handle, slack_id in connection.execute(
        sa.text("SELECT org_key, handle, slack_id FROM user_group WHERE NOT is_disabled")
    ):
        groups.setdefault((org_key, handle), []).append(slack_id)
    person = sa.table("person", sa.column("id"), sa.column("org_key"))
    approval = sa.table("approval", sa.column("id"), sa.column("requester_id"), sa.column("state"))
    review = sa.table("approval_review", sa.column("approval_id"), sa.column("reviewed_at"))
    stage = sa.table(
        "approval_stage",
        sa.column("approval_id"),
        sa.column("position"),
        sa.column("approvers", sa.JSON()),
        sa.column("rules", sa.JSON()),
    )

    def bound(org_key: str, approvers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        def of(words: list[str]) -> list[str]:
            found = (groups.get((org_key, word[1:]), ()) for word in words)
            return [
                ids[0] if word[:1] == "@" and len(ids) == 1 else word
                for word, ids in zip(words, found, strict=True)
            ]

        told = []
        for one in approvers:
            new = {**one, "who": of(one["who"])}
            if new["who"] != one["who"]:
                new["written"] = one["who"]
            if one.get("among") is not None:
                new["among"] = of(one["among"])
            told.append(new)
        return told

    for row in connection.execute(
        sa.select(
            stage.c.approval_id,
            stage.c.position,
            stage.c.approvers,
            stage.c.rules,
            person.c.org_key,
        )
        .join(approval, approval.c.id == stage.c.approval_id)
        .join(person, person.c.id == approval.c.requester_id)
        .where(
            sa.or_(
                approval.c.state == "pending",
                approval.c.id.in_(
                    sa.select(review.c.approval_id).where(review.c.reviewed_at.is_(None))
                ),
            )
        )
    ).all():
        rules = dict(row.rules or {})
        if "escalate" in rules:
            rules["escalate"] = {
                **rules["escalate"],
                "approvers": bound(row.org_key, rules["escalate"]["approvers"]),
            }
        if "fallback" in rules:
            rules["fallback"] = bound(row.org_key, rules["fallback"])
        values = {"approvers": bound(row.org_key, row.approvers), "rules": rules}
        new = {name: value for name, value in values.items() if value != (getattr(row, name) or {})}
        if new:
            connection.execute(
                stage.update()
                .where(stage.c.approval_id == row.approval_id, stage.c.position == row.position)
                .values(**new)
            )


def _registry() -> None:
    """What waits to be accepted in the registry, and whose turn it is; the next look says what waits, and reads runs again."""
    for column in (
        sa.Column("turn", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("offered", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("registry_state", column)
    op.add_column("registry_version", sa.Column("run_users", sa.JSON(), nullable=True))
    op.add_column("inbox", sa.Column("done_at", UTCDateTime(), nullable=True))
    op.execute("UPDATE inbox SET done_at = received_at")


def _name_who_opened_sources() -> None:
    """A source belongs to whoever loaded it first, as the ledger tells; the command line has no token."""
    connection = op.get_bind()
    entries = connection.execute(
        sa.text(
            "SELECT l.source, a.actor_id, a.body FROM cost_load l JOIN audit_entry a ON a.subject_type = 'cost_load'"
            " AND a.subject_id = CAST(l.id AS VARCHAR) WHERE a.action = 'costs.loaded' ORDER BY a.seq"
        )
    )
    opened: dict[str, str] = {}
    for source, actor, body in entries:
        if json.loads(body).get("facts", {}).get("source", source) == source:
            opened.setdefault(source, actor)
    names = {
        person: name
        for person, name in connection.execute(
            sa.text("SELECT person_id, name FROM api_token WHERE kind = 'machine'")
        )
    }
    found = connection.execute(
        sa.text("SELECT source, min(loaded_at) FROM cost_load GROUP BY source")
    )
    for source, loaded_at in found.all():
        connection.execute(
            sa.text(
                "INSERT INTO cost_source (source, token, opened_at) VALUES (:source, :token, :opened_at)"
            ),
            {"source": source, "token": names.get(opened.get(source, "")), "opened_at": loaded_at},
        )


def _keep_what_was_told_early() -> None:
    """Early results of check-ins that are open: the next figure has to know what they counted.

    Whoever was counted and erased since has left a number and no row; they get an id that nobody else has.
    """
    cycle = sa.table("maturity_cycle", sa.column("id"), sa.column("state"))
    invitation = sa.table("maturity_invitation", sa.column("id"), sa.column("cycle_id"))
    counted = sa.table(
        "maturity_counted", sa.column("invitation_id"), sa.column("dimension"), sa.column("seq")
    )
    early = sa.table(
        "maturity_early",
        sa.column("cycle_id"),
        sa.column("seq"),
        sa.column("result", sa.JSON()),
        sa.column("made_at", UTCDateTime()),
    )
    disclosure = sa.table(
        "disclosure",
        *(sa.column(name) for name in ("scope", "part", "seq", "audience")),
        sa.column("members", sa.JSON()),
        sa.column("figures", sa.JSON()),
        sa.column("told_at", UTCDateTime()),
    )
    connection = op.get_bind()
    members: dict[tuple[int, str, int], list[int]] = {}
    for cycle_id, dimension, seq, id_ in connection.execute(
        sa.select(
            invitation.c.cycle_id, counted.c.dimension, counted.c.seq, counted.c.invitation_id
        )
        .join(invitation, invitation.c.id == counted.c.invitation_id)
        .order_by(counted.c.invitation_id)
    ):
        members.setdefault((cycle_id, dimension, seq), []).append(id_)
    so_far: dict[tuple[int, str], int] = {}
    for cycle_id, seq, result, made_at in connection.execute(
        sa.select(early.c.cycle_id, early.c.seq, early.c.result, early.c.made_at)
        .join(cycle, cycle.c.id == early.c.cycle_id)
        .where(cycle.c.state == "open")
        .order_by(early.c.cycle_id, early.c.seq)
    ).all():
        for figures in (result or {}).get("dimensions", ()):
            part = figures["key"]
            new = members.get((cycle_id, part, seq), [])
            before = so_far.get((cycle_id, part), 0)
            gone = figures["people"] - before - len(new)
            new = [*new, *(-before - n for n in range(1, gone + 1))]
            if not new:
                continue
            so_far[cycle_id, part] = before + len(new)
            connection.execute(
                disclosure.insert().values(
                    scope=f"maturity_cycle:{cycle_id}",
                    part=part,
                    seq=seq,
                    audience="leaders",
                    members=new,
                    figures=figures,
                    told_at=made_at,
                )
            )


def _count_costs_by_generations() -> None:
    """Cost is written beside what counts, and takes its place at once; long work goes on where it stopped."""
    op.create_table(
        "job_cursor",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_cursor")),
    )
    with op.batch_alter_table("cost_load", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("state", sa.String(), nullable=False, server_default="current")
        )
        batch_op.add_column(sa.Column("written_at", UTCDateTime(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_cost_load_source_billing_period"), type_="unique")
    op.create_index(
        "uq_cost_load_current",
        "cost_load",
        ["source", "billing_period"],
        unique=True,
        postgresql_where=sa.text("state = 'current'"),
        sqlite_where=sa.text("state = 'current'"),
    )
    op.create_index(
        "ix_cost_load_uncounted",
        "cost_load",
        ["id"],
        postgresql_where=sa.text("state <> 'current'"),
        sqlite_where=sa.text("state <> 'current'"),
    )
    for name, table, column, where in _OLD_ROWS:
        op.create_index(
            name, table, [column], postgresql_where=sa.text(where), sqlite_where=sa.text(where)
        )


_OLD_ROWS = (
    (
        "ix_outbox_settled",
        "outbox",
        "settled_at",
        "state IN ('sent','cancelled') AND notice_version > 0",
    ),
    ("ix_message_ended", "message", "shown_at", "(is_final OR NOT live)"),
)
"""By which what is old is found without looking at everything."""


def _count_costs_once() -> None:
    for name, table, _, _ in _OLD_ROWS:
        op.drop_index(name, table_name=table)
    for table in ("cost_entry", "cost_month"):
        op.execute(
            f"DELETE FROM {table} WHERE load_id IN (SELECT id FROM cost_load WHERE state <> 'current')"
        )
    op.execute("DELETE FROM cost_load WHERE state <> 'current'")
    op.drop_index("ix_cost_load_uncounted", table_name="cost_load")
    op.drop_index("uq_cost_load_current", table_name="cost_load")
    with op.batch_alter_table("cost_load", schema=None) as batch_op:
        batch_op.create_unique_constraint(
            batch_op.f("uq_cost_load_source_billing_period"), ["source", "billing_period"]
        )
        batch_op.drop_column("written_at")
        batch_op.drop_column("state")
    op.drop_table("job_cursor")


def downgrade() -> None:
    _count_costs_once()
    op.drop_table("cost_apart")
    op.drop_column("approval", "moved")
    op.drop_index(op.f("ix_slack_alias_person_id"), table_name="slack_alias")
    op.drop_table("slack_alias")
    op.drop_column("inbox", "done_at")
    op.drop_column("registry_version", "run_users")
    for name in ("revision", "offered", "turn"):
        op.drop_column("registry_state", name)
    for table in ("person", "user_group"):
        op.drop_column(table, "slack_updated")
    for table in ("person", "user_group", "channel"):
        op.drop_column(table, "heard_at")
    op.drop_table("policy_group")
    op.drop_column("person", "missing_since")
    op.drop_table("disclosure")
    op.drop_table("cost_source")
    op.drop_column("runtime", "erasure_check")
    op.drop_index(op.f("ix_tombstone_person_id"), table_name="tombstone")
    op.drop_table("tombstone")
    op.drop_column("project", "channel_name")
    op.drop_column("person", "linked_at")
    op.drop_table("mirror_reading")
    op.drop_table("lease")
    with op.batch_alter_table("runtime", schema=None) as batch_op:
        for name in ("set_back_at", "clock_at", "set_back_microseconds", "lead_microseconds"):
            batch_op.drop_column(name)
    with op.batch_alter_table("approval_edit", schema=None) as batch_op:
        batch_op.drop_column("revision")
    with op.batch_alter_table("approval_handover", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approval_handover_for_id"))
        batch_op.drop_constraint(batch_op.f("fk_approval_handover_for_id"), type_="foreignkey")
        batch_op.drop_column("for_id")
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decision_place_id"))
        batch_op.drop_constraint(batch_op.f("fk_decision_place_id"), type_="foreignkey")
        batch_op.drop_column("place_id")
    op.drop_table("hold")
    with op.batch_alter_table("runtime") as batch_op:
        batch_op.drop_column("oldest_revision")
