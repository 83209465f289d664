"""Whatever somebody changes in the database without mlgov is found, and told by what, who and when.

Each row is one thing that was done with SQL alone, and the words that it has to be told in.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, text

from storage import ledger, triggers
from storage.base import UTCDateTime
from tests.approvals.conftest import START
from tests.record.conftest import Whole, as_seen, look, meddling
from workflows.audit.service import Kept
from workflows.record.records import Fault
from workflows.record.scanning import Look

DAY = "26 Jan 2026"
MOMENTS = {
    "d18": datetime(2026, 1, 18, 9, tzinfo=UTC),
    "d26": datetime(2026, 1, 26, 12, tzinfo=UTC),
    "d27": datetime(2026, 1, 27, 9, tzinfo=UTC),
    "d36": datetime(2036, 1, 18, 9, tzinfo=UTC),
}


@dataclass(frozen=True)
class Meddled:
    """What was done, and what is told of it."""

    sql: str
    told: str
    mend: str = "Find out who can write to the database"
    also: tuple[str, ...] = ()
    """What is told beside it."""


TABLE = {
    "a waiting request is set to approved": Meddled(
        "UPDATE approval SET state = 'approved', decided_at = created_at WHERE id = :pending",
        f"The request of Lane keeping 12 (request {{pending}}) of {DAY} was changed outside mlgov: its state is approved "
        "in the database, and waiting on the ledger",
        "mlgov signs no statement about it",
    ),
    "an approved request is set to rejected": Meddled(
        "UPDATE approval SET state = 'rejected' WHERE id = :approved",
        f"The approval of Lane keeping 11 (request {{approved}}) of {DAY} was changed outside mlgov: its state is rejected",
    ),
    "the day of the decision is moved": Meddled(
        "UPDATE approval SET decided_at = :d18 WHERE id = :approved",
        f"The approval of Lane keeping 11 (request {{approved}}) of {DAY} was changed outside mlgov: when it was decided is "
        "18 Jan 2026, 09:00 UTC in the database, and 26 Jan 2026",
    ),
    "an approval is made to hold longer": Meddled(
        "UPDATE approval SET valid_until = :d36 WHERE id = :approved",
        "until when the approval holds is 18 Jan 2036, 09:00 UTC in the database",
    ),
    "a waiting request gets more time": Meddled(
        "UPDATE approval SET expires_at = :d36 WHERE id = :pending",
        "until when it counts is 18 Jan 2036, 09:00 UTC in the database",
    ),
    "what was asked is changed": Meddled(
        "UPDATE approval SET facts = '{\"tier\": 3}' WHERE id = :approved",
        f"The request of Lane keeping 11 (request {{approved}}) of {DAY} was changed outside mlgov: what is asked is not "
        "what the ledger proves",
    ),
    "whom the policy keeps apart is changed": Meddled(
        "UPDATE approval SET bound = '{}' WHERE id = :pending",
        "what the policy's rules came to is not what the ledger proves",
    ),
    "the requester is changed": Meddled(
        "UPDATE approval SET requester_id = 'p-ola' WHERE id = :pending",
        "who asked is p-ola in the database, and p-val on the ledger",
    ),
    "another policy version is put under it": Meddled(
        "UPDATE approval SET policy_id = 7 WHERE id = :pending",
        "the policy that it goes by is 7 in the database, and 1 on the ledger",
    ),
    "a stage is skipped": Meddled(
        "UPDATE approval SET stage = 1 WHERE id = :pending",
        "the stage that is asked is 1 in the database, and 0 on the ledger",
    ),
    "a verdict is flipped": Meddled(
        "UPDATE decision SET verdict = 'reject' WHERE approval_id = :approved AND person_id = 'p-spo'",
        f"The verdict of Spo of {DAY} on the request of Lane keeping 11 (request {{approved}}) was changed outside mlgov: "
        "its verdict is reject in the database, and approve on the ledger",
    ),
    "a verdict is given to somebody else": Meddled(
        "UPDATE decision SET person_id = 'p-ned' WHERE approval_id = :approved AND person_id = 'p-spo'",
        f"The verdict of Spo of {DAY} on the request of Lane keeping 11 (request {{approved}}) was changed outside mlgov: "
        "whose it is is p-ned in the database, and p-spo on the ledger",
    ),
    "a verdict is dated back": Meddled(
        "UPDATE decision SET decided_at = :d18 WHERE approval_id = :approved AND person_id = 'p-spo'",
        "its day is 18 Jan 2026, 09:00 UTC in the database",
    ),
    "a verdict is taken back": Meddled(
        "UPDATE decision SET taken_back_at = :d27 WHERE approval_id = :approved AND person_id = 'p-spo'",
        "whether it still counts is 27 Jan 2026, 09:00 UTC in the database, and not so on the ledger",
    ),
    "a verdict is deleted": Meddled(
        "DELETE FROM decision WHERE approval_id = :approved AND person_id = 'p-spo'",
        f"The verdict of Spo of {DAY} on the request of Lane keeping 11 (request {{approved}}), to approve it, was deleted outside mlgov",
    ),
    "a verdict is put in": Meddled(
        "INSERT INTO decision (approval_id, person_id, position, verdict, rule, decided_at) VALUES "
        "(:pending, 'p-risk', 0, 'approve', 'role:model_risk', :d26)",
        f"A verdict of Risk of {DAY} on the request of Lane keeping 12 (request {{pending}}), to approve it, was put into the "
        "database outside mlgov: the ledger has none",
    ),
    "a stage needs fewer people": Meddled(
        "UPDATE approval_stage SET quorum = 0 WHERE approval_id = :pending AND position = 0",
        "in stage 1 how many have to approve is 0 in the database, and 1 on the ledger",
    ),
    "a stage asks somebody else": Meddled(
        "UPDATE approval_stage SET approvers = '[{\"rule\": \"role:model_risk\", \"who\": [\"U0VAL\"]}]' "
        "WHERE approval_id = :pending AND position = 0",
        "in stage 1 whom it asks is not what the ledger proves",
    ),
    "a stage is taken out": Meddled(
        "DELETE FROM approval_stage WHERE approval_id = :pending AND position = 1",
        "it has 1 stage in the database, and 2 on the ledger",
    ),
    "a request is deleted": Meddled(
        "DELETE FROM approval WHERE id = :approved",
        f"Request {{approved}} of {DAY} was deleted outside mlgov",
    ),
    "a request is put in": Meddled(
        "INSERT INTO approval (id, request_key, gate, subject_type, subject_id, project_id, facts, requester_id, policy_id, "
        "state, stage, revision, created_at, expires_at, decided_at, edition, has_more) SELECT 99, 'forged', gate, "
        "subject_type, subject_id, project_id, facts, requester_id, policy_id, 'approved', 0, 1, created_at, expires_at, "
        "created_at, 0, has_more FROM approval WHERE id = :approved",
        f"The request of Lane keeping 11 (request 99) of {DAY} was put into the database outside mlgov: the ledger doesn't know it",
    ),
    "an amount is raised": Meddled(
        "UPDATE budget_revision SET amount = '900000' WHERE budget_id = :budget AND revision = 2",
        "The budget of Lane vision was changed outside mlgov: revision 2 was changed: its amount is 900000 in the database, "
        "and 52000 on the ledger",
    ),
    "a revision is put in": Meddled(
        "INSERT INTO budget_revision (budget_id, revision, amount, valid_from, created_at) VALUES "
        "(:budget, 3, '900000', '2026-01-26', :d26)",
        "revision 3 was put in: its amount is 900000 in the database, and none on the ledger",
    ),
    "a revision is deleted": Meddled(
        "DELETE FROM budget_revision WHERE budget_id = :budget AND revision = 2",
        "revision 2 was deleted",
    ),
    "a budget gets another owner": Meddled(
        "UPDATE budget SET owner_id = 'p-dev' WHERE id = :budget",
        "its owner is p-dev in the database, and p-ola on the ledger",
    ),
    "a version is put in use": Meddled(
        "UPDATE model_version SET state = 'in_use' WHERE version = '12'",
        f"The model version Lane keeping 12 of {DAY} was changed outside mlgov: its state is in use in the database, and "
        "waiting for approval on the ledger",
    ),
    "the contents in use are changed": Meddled(
        "UPDATE model_version SET digest = 'bbbb', approved_digest = 'bbbb' WHERE id = :used",
        "its contents is not what the ledger proves",
        also=("the contents that were approved is not what the ledger proves",),
    ),
    "who validated is changed": Meddled(
        "UPDATE model_person SET person_id = 'p-otto' WHERE version_id = :used AND part = 'validator'",
        "who made and validated it is not what the ledger proves",
    ),
    "a tier is lowered": Meddled(
        "UPDATE model SET tier = 3 WHERE id = :model",
        "The model Lane keeping was changed outside mlgov: its tier is 3 in the database, and 1 on the ledger",
    ),
    "a token comes back": Meddled(
        "UPDATE api_token SET revoked_at = NULL WHERE prefix = :ended",
        f"The token {{ended}} of {DAY} was changed outside mlgov: whether it is revoked is not so in the database, and 26 Jan 2026",
    ),
    "a token gets another secret": Meddled(
        "UPDATE api_token SET sha256 = 'feed' WHERE prefix = :live",
        "The token {live} of 26 Jan 2026 was changed outside mlgov: its secret is not what the ledger proves",
    ),
    "a token may do more": Meddled(
        "UPDATE api_token SET scopes = '[\"approvals:ask\",\"costs:write\"]' WHERE prefix = :live",
        "what it may do is approvals:ask,costs:write in the database, and approvals:ask on the ledger",
    ),
    "a token is put in": Meddled(
        "INSERT INTO api_token (kind, prefix, sha256, name, person_id, scopes, projects, gates, created_at, expires_at) "
        "SELECT kind, 'mlgov_m_forged00', 'feed', 'x', person_id, scopes, projects, gates, created_at, expires_at "
        "FROM api_token WHERE prefix = :live",
        f"The token mlgov_m_forged00 of {DAY} was put into the database outside mlgov",
    ),
    "a token is deleted": Meddled(
        "DELETE FROM api_token WHERE prefix = :ended",
        f"The token {{ended}} of {DAY} was deleted outside mlgov",
    ),
    "a key is put in": Meddled(
        "INSERT INTO signing_key (key_id, public_pem, published_at) VALUES ('feed', 'pem', :d26)",
        f"The signing key feed of {DAY} was put into the database outside mlgov: the ledger doesn't know it",
    ),
    "a key is exchanged": Meddled(
        "UPDATE signing_key SET public_pem = 'mine' WHERE key_id = :key",
        "the key itself is not what the ledger proves",
    ),
    "a retired key comes back": Meddled(
        "UPDATE signing_key SET retired_at = NULL WHERE key_id = :old_key",
        "whether it is retired is not so in the database, and 26 Jan 2026",
    ),
    "words are emptied": Meddled(
        "UPDATE private_text SET text = NULL, salt = NULL, erased_at = :d26 WHERE id = :otto_text",
        f"Words that Otto wrote of {DAY} (text {{otto_text}}) were emptied outside mlgov: the ledger knows of no erasure of theirs",
        "erase their author by `mlgov people erase`",
    ),
    "words are changed": Meddled(
        "UPDATE private_text SET text = 'I had none.' WHERE id = :otto_text",
        "The ledger itself was changed: the text beside entry",
        "restore one from before",
    ),
    "an erasure is undone": Meddled(
        "UPDATE person SET slack_id = 'U0NED', name = 'Ned', erased_at = NULL WHERE id = 'p-ned'",
        f"p-ned was erased of {DAY}",
    ),
    "somebody is marked as erased": Meddled(
        "UPDATE person SET erased_at = :d26 WHERE id = 'p-otto'",
        f"p-otto is marked as erased of {DAY}, and the ledger knows of no erasure",
    ),
    "a policy is changed": Meddled(
        "UPDATE policy_version SET text = text || '# ' WHERE id = 1",
        "The policy version 1 was changed outside mlgov: its text is not what the ledger proves",
    ),
    "a policy is put in": Meddled(
        "INSERT INTO policy_version (id, sha256, text, applied_at) VALUES (2, 'feed', 'version: 1', :d26)",
        "The policy version 2 was put into the database outside mlgov",
    ),
    "an entry is changed": Meddled(
        "UPDATE audit_entry SET actor_id = 'p-ola' WHERE action = 'approval.approved'",
        "The ledger itself was changed: entry",
        "keep a copy of it as it is",
    ),
    "the end is cut off": Meddled(
        "DELETE FROM audit_entry WHERE seq = (SELECT max(seq) FROM audit_entry)",
        "The ledger itself was changed: the ledger was cut or extended",
        "keep a copy of it as it is",
    ),
    "a head is cancelled": Meddled(
        "UPDATE outbox SET state = 'cancelled' WHERE dedupe_key = (SELECT min(dedupe_key) FROM outbox WHERE dedupe_key LIKE 'head:%\\:anchor')",
        f"A head of the ledger that was to be published of {DAY} was cancelled outside mlgov",
        "has no witness outside the database",
    ),
}  # fmt: skip


def test_a_whole_record_holds(whole: Whole) -> None:
    with whole.db.read() as session:
        assert look(session, whole.yard, kept=None) == []


@pytest.mark.parametrize("name", TABLE)
def test_what_was_meddled_with_is_told(whole: Whole, name: str) -> None:
    meddled = TABLE[name]
    values: dict[str, Any] = {
        key: value for key, value in whole.ids.items() if f":{key}" in meddled.sql
    }
    moments = {name: at for name, at in MOMENTS.items() if f":{name}" in meddled.sql}
    with meddling(whole) as connection:
        statement = text(meddled.sql).bindparams(
            *(bindparam(name, type_=UTCDateTime) for name in moments)
        )
        undo = _without_triggers(connection) if "audit_entry" in meddled.sql else None
        done = connection.execute(statement, values | moments)
        assert done.rowcount >= 1
        if undo is not None:
            undo()
        with as_seen(connection) as session:
            kept = _anchor() if "UPDATE outbox" in meddled.sql else None
            found = look(session, whole.yard, kept=kept)
    sentences = [each.sentence for each in found]
    wanted = meddled.told.format(**whole.ids)
    matching = [each for each in found if wanted in each.sentence]
    assert matching, sentences
    assert meddled.mend in matching[0].mend
    for words in meddled.also:
        assert any(words in each for each in sentences)
    assert len(found) == 1 + len(meddled.also), sentences


def _anchor() -> Any:
    return Kept(last_at=START)


def _without_triggers(connection: Any) -> Any:
    """Drop the triggers, and say how they come back."""
    for name in triggers.list_expected(connection.dialect.name):
        table = "audit_head" if "head" in name else "audit_entry"
        on = "" if connection.dialect.name == "sqlite" else f" ON {table}"
        connection.execute(text(f"DROP TRIGGER {name}{on}"))
    return lambda: triggers.create(connection)


OFF = {
    "dropped": {
        "sqlite": "DROP TRIGGER audit_entry_no_update",
        "postgresql": "DROP TRIGGER audit_entry_no_update ON audit_entry",
    },
    "made to do nothing": {
        "sqlite": "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry WHEN 0 BEGIN SELECT 1; END",
        "postgresql": "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    },
    "switched off": {"postgresql": "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_update"},
    "moved to another event": {
        "postgresql": "CREATE TRIGGER audit_entry_no_update BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
    },
}


@pytest.mark.parametrize("how", OFF)
def test_triggers_that_do_not_hold_are_told_and_put_back(whole: Whole, how: str) -> None:
    with meddling(whole) as connection:
        statement = OFF[how].get(connection.dialect.name)
        if statement is None:
            pytest.skip("SQLite knows no such thing")
        if statement.startswith("CREATE TRIGGER"):
            on = "" if connection.dialect.name == "sqlite" else " ON audit_entry"
            connection.execute(text(f"DROP TRIGGER audit_entry_no_update{on}"))
        connection.execute(text(statement))
        with as_seen(connection) as session:
            (found,) = look(session, whole.yard)
        assert "keeps the ledger append-only in the database isn't in place: " in (found.sentence)
        assert "audit_entry_no_update" in found.sentence
        assert "mlgov audit guard" in found.mend
        assert triggers.restore(connection)
        with as_seen(connection) as session:
            assert look(session, whole.yard) == []


def test_no_head_for_days_is_told_by_what_stands_outside(whole: Whole) -> None:
    yard = whole.yard
    last = yard.now - timedelta(days=3)
    with meddling(whole) as connection:
        sent = text(
            "UPDATE outbox SET state = 'sent', settled_at = :at WHERE dedupe_key LIKE 'head:%'"
        ).bindparams(bindparam("at", type_=UTCDateTime))
        connection.execute(sent, {"at": yard.now})
        with as_seen(connection) as session:
            (found,) = look(session, yard, kept=Kept(last_at=last))
            assert look(session, yard, kept=Kept(last_at=yard.now)) == []
    assert "No head of the ledger was published since 23 Jan 2026" in found.sentence


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE approval SET facts = '[[[' WHERE id = :pending",
        "UPDATE approval SET decided_at = 'soon' WHERE id = :pending",
        "UPDATE approval_stage SET approvers = 'x' WHERE approval_id = :pending",
        "UPDATE budget_revision SET amount = 'much' WHERE budget_id = :budget",
        "UPDATE api_token SET scopes = 'x' WHERE prefix = :live",
    ],
)
def test_what_nobody_can_read_any_more_is_told_and_stops_nothing(whole: Whole, sql: str) -> None:
    if not whole.db.is_sqlite:
        pytest.skip("PostgreSQL takes nothing of the kind")
    values = {key: value for key, value in whole.ids.items() if f":{key}" in sql}
    with meddling(whole) as connection:
        connection.execute(text(sql), values)
        connection.execute(
            text("UPDATE model SET tier = 3 WHERE id = :model"), {"model": whole.ids["model"]}
        )
        with as_seen(connection) as session:
            sentences = [each.sentence for each in look(session, whole.yard)]
    assert len(sentences) == 2, sentences
    assert any("can't be read any more" in each for each in sentences)
    assert any("its tier is 3" in each for each in sentences)


def test_since_a_trusted_head_only_what_came_after_is_looked_at(whole: Whole) -> None:
    with whole.db.read() as session:
        end = ledger.head(session)
        half = ledger.Head(
            end.seq // 2,
            session.execute(
                text("SELECT hash FROM audit_entry WHERE seq = :seq"), {"seq": end.seq // 2}
            ).scalar_one(),
        )
        all_of_it = Look().all(session, whole.yard.now)
        later = Look(since=half).all(session, whole.yard.now)
        assert (later.faults, later.at) == ([], end)
        assert 0 < later.subjects < all_of_it.subjects
        (wrong,) = look(session, whole.yard, since=ledger.Head(half.seq, "0" * 64))
        assert "does not have the hash from which on it is checked" in wrong.sentence
        (cut,) = look(session, whole.yard, since=ledger.Head(end.seq + 9, "0" * 64))
        assert "from which on it is checked, is not there" in cut.sentence
    with meddling(whole) as connection:
        connection.execute(
            text("UPDATE api_token SET revoked_at = NULL WHERE prefix = :ended"),
            {"ended": whole.ids["ended"]},
        )
        with as_seen(connection) as session:
            (found,) = look(session, whole.yard, since=half)
    assert "whether it is revoked is not so" in found.sentence


def test_a_look_in_slices_finds_what_a_look_at_once_finds(whole: Whole) -> None:
    with meddling(whole) as connection:
        connection.execute(
            text("UPDATE decision SET verdict = 'reject' WHERE approval_id = :approved"),
            {"approved": whole.ids["approved"]},
        )
        with as_seen(connection) as session:
            at_once = Look().all(session, whole.yard.now)
        sliced, slices = Look(), 0
        while not sliced.is_over:
            with as_seen(connection) as session:
                sliced.step(session, whole.yard.now)
            slices += 1
    assert slices > 15
    assert sliced.faults == at_once.faults
    assert len(sliced.faults) == 2


def test_every_fault_survives_the_ledger(whole: Whole) -> None:
    """What stands in a table may be anybody's words: none of them come onto the ledger."""
    with meddling(whole) as connection:
        connection.execute(
            text("UPDATE approval SET state = 'Otto is ill' WHERE id = :approved"),
            {"approved": whole.ids["approved"]},
        )
        with as_seen(connection) as session:
            (found,) = Look().all(session, whole.yard.now).faults
    kept = Fault.of(json.loads(json.dumps(found.facts())))
    assert (kept.table, kept.ledger, kept.key) == ("something else", "approved", found.key)
    assert "Otto" not in json.dumps(found.facts())
