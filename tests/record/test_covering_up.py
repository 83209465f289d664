"""A change outside mlgov stays told, whatever mlgov itself writes about the same subject afterwards."""

import pytest
from sqlalchemy import bindparam, text

from storage.base import UTCDateTime
from storage.db import Database
from tests.approvals.conftest import START
from tests.contexts import make_context
from tests.inventory.conftest import OLA, RISK
from tests.record.conftest import afford, look, make
from workflows.context import OPERATOR
from workflows.tokens import service as tokens


@pytest.mark.slow
def test_a_later_entry_covers_nothing_up(database: Database) -> None:
    whole = make(database)
    yard, ids = whole.yard, whole.ids

    def meddle(sql: str, **values: object) -> None:
        statement = text(sql)
        if ":at" in sql:
            statement = statement.bindparams(bindparam("at", START, UTCDateTime))
        with database.engine.begin() as connection:
            assert connection.execute(statement, values).rowcount == 1

    meddle(
        "UPDATE approval_stage SET quorum = 2 WHERE approval_id = :id AND position = 0",
        id=ids["pending"],
    )
    meddle(
        "INSERT INTO decision (approval_id, person_id, position, verdict, rule, decided_at) "
        "VALUES (:id, 'p-rita', 0, 'approve', 'role:model_risk', :at)",
        id=ids["pending"],
    )
    meddle(
        "UPDATE budget_revision SET amount = '900000' WHERE budget_id = :id AND revision = 2",
        id=ids["budget"],
    )
    meddle("UPDATE model SET tier = 3 WHERE id = :id", id=ids["model"])
    meddle("UPDATE api_token SET projects = '[]', scopes = '[]' WHERE prefix = :id", id=ids["live"])
    with database.read() as session:
        before = {each.sentence for each in look(session, yard)}
    # Two who approve, of whom one never did: mlgov itself goes on to the next stage, and seals what stands there.
    yard.decide(RISK, ids["pending"])
    afford(whole, ids["project"], 60_000)
    yard.assess(ids["model"], 1, OLA)
    with database.begin() as session:
        tokens.revoke(make_context(session, actor=OPERATOR, now=yard.now), ids["live"])
    with database.read() as session:
        after = [each.sentence for each in look(session, yard)]
    for words in (
        "A verdict of Rita of 26 Jan 2026 on the request of Lane keeping 12",
        "in stage 1 how many have to approve is 2 in the database, and 1 on the ledger",
        "revision 2 was changed: its amount is 900000 in the database, and 52000 on the ledger",
        "what it may do is none in the database, and approvals:ask on the ledger",
    ):
        assert any(words in each for each in before), before
        assert any(words in each for each in after), after
