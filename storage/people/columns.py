"""Every text column, and what the erasure of a person does to it.

A test fails for a column in none of the lists, so that somebody decides where a new one belongs. Another erases somebody
whose ids and words are in all columns of `EMPTIED` and `SWEPT`, and looks for what is left.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, String

from storage.base import Base


def _columns(table_columns: dict[str, str]) -> frozenset[str]:
    return frozenset(
        f"{table}.{column}"
        for table, columns in table_columns.items()
        for column in columns.split()
    )


EMPTIED = _columns(
    {
        "person": "slack_id team_id name email title tz business_unit persona country",
        "slack_alias": "slack_id",
        "private_text": "salt text",
        "digest": "tz content last_error",
        "digest_release": "contents",
        "digest_subscription": "kind",
        "maturity_invitation": "business_unit salt",
        "maturity_answer": "statement answer stamp",
        "maturity_note": "dimension",
        "maturity_counted": "dimension answers",
        "schedule": "owner kind local_time tz last_slot",
        "shared_file": "slack_id name sha256 permalink content",
        "home_tab": "pages",
        "meeting": "way",
        "withheld": "dedupe_key kind subject_type subject_id rollout",
        "api_token": "name",
    }
)
"""In rows of the person's own: emptied, or deleted with the row."""

SWEPT = _columns(
    {
        "approval": "request_key facts bound channel",
        "approval_edit": "facts",
        "approval_stage": "approvers rules",
        "approval_review": "role",
        "business_case": "title content promise request_key",
        "case_return": "request_key",
        "case_revision": "content",
        "decision": "rule via parties",
        "evidence": "uri content source request_key",
        "finding": "facts source source_key",
        "inbox": "event_key",
        "lane": "key channel",
        "maturity_cycle": "slot result",
        "maturity_early": "result",
        "message": "subject_id notice lane_key channel",
        "milestone": "title type source promise request_key proven",
        "milestone_import": "file",
        "model": "name vendor purpose intended_use out_of_scope technique data_sources request_key",
        "model_version": "about",
        "outbox": "dedupe_key notice subject_id last_error lane_key",
        "project": "name channel channel_name",
        "registry_model": "description tags aliases",
        "registry_state": "failure frozen offered",
        "registry_version": "developer run_users tags metrics unverified",
        "registry_write": "what error",
        "timer": "subject_id last_error",
        "upload": "key",
    }
)
"""In rows of others, where a Slack id or e-mail address may occur: it is replaced by the opaque id."""

FREE = _columns(
    {
        # Append-only, and hashed: it names people by opaque ids, and texts by salted digests.
        "audit_entry": "actor_id action subject_type subject_id body hash",
        "audit_head": "hash",
        "tombstone": "mark",
        "private_text": "sha256",
        # Opaque ids and figures. Later figures are judged by them, for as long as people may remember those.
        "disclosure": "scope part audience members figures",
        # Signed, so it can't be changed: a statement names people by opaque ids.
        "statement": "id key_id envelope",
        # The operator's files as they were applied; `mlgov people erase` says where these name the person.
        "policy_version": "sha256 text",
        "maturity_rubric": "sha256 text",
        "maturity_action": "statement",
        "webhook": "id url events",
        # Billing as the provider exports it: cost is summed by these words, and every load brings them again.
        "cost_load": "source sha256 state",
        "cost_source": "source token",
        "cost_apart": "first second",
        "cost_entry": "service category currency",
        "cost_month": "currency",
        "allocation_key": "sub_account_id sub_account_name tags",
        "project_account": "account",
        "heading_map": "kind theirs ours",
        # Slack's channels and groups, and ids of the organisation.
        "channel": "org_key slack_id name",
        "user_group": "org_key slack_id handle name",
        "policy_group": "org_key handle group_id fault others",
        "gate": "key",
        "person": "id org_key",
        "slack_alias": "org_key",
        # mlgov's own bookkeeping.
        "hold": "why copy_hash floors",
        "lane": "lease_owner",
        "job_cursor": "name",
        "lease": "name owner",
        "ledger_reader": "name",
        "mirror_reading": "kind failure",
        "runtime": "made_by facts oldest_revision erasure_check",
        "signing_key": "key_id public_pem",
        "api_token": "kind prefix sha256 scopes projects gates",
        # Our own fixed words, digests, names of things, figures.
        "approval": "gate subject_type state moved",
        "approval_condition": "state",
        "approval_edit": "reopened",
        "approval_stage": "name ask",
        "budget": "period currency basis thresholds",
        "budget_alert": "basis",
        "business_case": "business_unit category state",
        "case_check": "standing levels answer",
        "case_return": "currency source",
        "case_revision": "flows currency likely",
        "decision": "verdict shown",
        "digest": "kind week audience state",
        "digest_release": "kind audience week state last_error",
        "evidence": "type sha256 status",
        "finding": "severity status",
        "maturity_cycle": "business_unit state open_scope seen_by",
        "maturity_invitation": "asked_as state",
        "maturity_target": "business_unit dimension level",
        "message": "subject_type kind ts shown_hash",
        "milestone_import": "sha256",
        "model": "key kind exposure purpose_class eu_class state registry_name",
        "model_agreement": "step parts",
        "model_change": "change_class",
        "model_metric": "name better trouble",
        "model_person": "part",
        "model_transition": "step source target evidence_digest",
        "model_version": "version state digest run_id approved_digest",
        "outbox": "op kind subject_type file_id state ts",
        "project": "key business_unit category status",
        "project_move": "source target",
        "project_outcome": "kind spent",
        "registry_model": "name written_alias",
        "registry_version": "name version run_id digest kept_digest approved_digest",
        "release": "name digest",
        "return_asking": "kind",
        "timer": "subject_type kind state",
        "upload": "file_id state",
    }
)
"""Columns without people's words or ids, or in which those have to stay; each group for the reason above it."""


def is_text(column: Any) -> bool:
    """Whether a column can hold words; Money, which is text on SQLite alone, can't."""
    return isinstance(column.type, (String, JSON))


def is_person(column: Any) -> bool:
    """Whether a column holds opaque ids of people, which tell nothing of them."""
    return any(key.column.table.name == "person" for key in column.foreign_keys)


def list_naming_columns() -> Iterator[Any]:
    """The columns, outside `person`, in which a Slack id or address may occur: those of `EMPTIED` and `SWEPT`."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if str(column) in EMPTIED | SWEPT and table.name != "person":
                yield column
