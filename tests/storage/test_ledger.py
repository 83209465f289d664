"""The ledger finds every change, however careful."""

import json
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage import ledger, triggers
from storage.db import Database
from storage.ledger import Head
from tests.contexts import make_context
from workflows.audit import service as audit
from workflows.context import SYSTEM, Actor, ActorKind

NOW = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)
ADA = Actor(id="p_ada", kind=ActorKind.PERSON, name="Ada")


def write(database: Database, number: int) -> None:
    for n in range(number):
        with database.begin() as session:
            audit.record(
                make_context(session, actor=SYSTEM, now=NOW),
                "budget.imported",
                ("budget", n),
                amount="40000",
                currency="EUR",
            )


def head(database: Database) -> Head:
    with database.read() as session:
        return ledger.head(session)


def verify(database: Database, *published: Head) -> ledger.Broken | None:
    with database.read() as session:
        return ledger.verify(session, published)


def without_triggers(database: Database, *statements: str) -> None:
    """What somebody with all rights on the database can do."""
    with database.engine.begin() as connection:
        for name in triggers.list_names(connection):
            table = "audit_head" if "head" in name else "audit_entry"
            on = "" if database.is_sqlite else f" ON {table}"
            connection.execute(text(f"DROP TRIGGER {name}{on}"))
        for statement in statements:
            connection.execute(text(statement))


def test_an_untouched_chain_holds(database: Database) -> None:
    write(database, 5)
    assert verify(database, head(database)) is None
    assert head(database).seq == 5


def break_off(database: Database) -> None:
    with database.begin() as session:
        audit.record(make_context(session, actor=SYSTEM, now=NOW), "budget.imported", ("budget", 1))
        raise RuntimeError


def test_a_rolled_back_transaction_leaves_no_entry(database: Database) -> None:
    with pytest.raises(RuntimeError):
        break_off(database)
    assert head(database) == Head(0, ledger.GENESIS)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'x' WHERE seq = 1",
        "DELETE FROM audit_entry WHERE seq = 1",
        "DELETE FROM audit_head",
    ],
)
def test_the_database_refuses_to_change_the_ledger(database: Database, statement: str) -> None:
    write(database, 2)
    with pytest.raises(DBAPIError), database.engine.begin() as connection:
        connection.execute(text(statement))
    assert verify(database) is None


def test_postgresql_refuses_truncate(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no TRUNCATE")
    write(database, 1)
    with pytest.raises(DBAPIError), database.engine.begin() as connection:
        connection.execute(text("TRUNCATE audit_entry"))


def test_an_edited_entry_is_named(database: Database) -> None:
    write(database, 8)
    without_triggers(
        database, "UPDATE audit_entry SET body = replace(body, '40000', '90000') WHERE seq = 4"
    )
    broken = verify(database)
    assert broken is not None
    assert broken.seq == 4


def test_an_edited_column_is_named(database: Database) -> None:
    write(database, 3)
    without_triggers(database, "UPDATE audit_entry SET actor_id = 'p_other' WHERE seq = 2")
    broken = verify(database)
    assert broken is not None
    assert (broken.seq, "actor_id" in broken.reason) == (2, True)


def rehash(database: Database, seq: int) -> None:
    """Edit one entry and hash all that follow anew, as someone who read this source would."""
    with database.engine.begin() as connection:
        rows = connection.execute(
            text("SELECT seq, body, hash FROM audit_entry ORDER BY seq")
        ).all()
        previous = ledger.GENESIS
        for number, body, _hash in rows:
            changed = body.replace("40000", "90000") if number == seq else body
            previous = ledger.link(previous, changed)
            connection.execute(
                text("UPDATE audit_entry SET body = :body, hash = :hash WHERE seq = :seq"),
                {"body": changed, "hash": previous, "seq": number},
            )
        connection.execute(text("UPDATE audit_head SET hash = :hash"), {"hash": previous})


def test_a_chain_hashed_anew_is_found_by_a_published_head(database: Database) -> None:
    write(database, 6)
    published = head(database)
    write(database, 4)
    without_triggers(database)
    rehash(database, 3)
    assert verify(database) is None, "the chain alone cannot show it"
    broken = verify(database, published)
    assert broken is not None
    assert broken.seq == published.seq
    assert "anew" in broken.reason


def test_a_cut_tail_is_found_by_a_published_head(database: Database) -> None:
    write(database, 15)
    published = head(database)
    with database.read() as session:
        kept = session.execute(text("SELECT hash FROM audit_entry WHERE seq = 5")).scalar_one()
    without_triggers(
        database,
        "DELETE FROM audit_entry WHERE seq > 5",
        f"UPDATE audit_head SET seq = 5, hash = '{kept}'",
    )
    assert verify(database) is None, "the chain alone cannot show it"
    broken = verify(database, published)
    assert broken is not None
    assert broken.seq == 6


def test_a_cut_tail_without_a_careful_hand_is_found_by_the_head(database: Database) -> None:
    write(database, 12)
    without_triggers(database, "DELETE FROM audit_entry WHERE seq > 2")
    broken = verify(database)
    assert broken is not None
    assert broken.seq == 3


def test_a_missing_entry_is_named(database: Database) -> None:
    write(database, 6)
    without_triggers(database, "DELETE FROM audit_entry WHERE seq = 3")
    broken = verify(database)
    assert broken is not None
    assert broken.seq == 3


def with_text(database: Database, words: str) -> int:
    with database.begin() as session:
        session.execute(
            text(
                "INSERT INTO person (id, org_key, name, title, is_bot, is_guest, is_stranger, is_deactivated) "
                "VALUES ('p_ada', 'T1', 'Ada', '', false, false, false, false) ON CONFLICT DO NOTHING"
            )
        )
        kept = audit.write_text(session, ADA, words, now=NOW)
        audit.record(
            make_context(session, actor=ADA, now=NOW),
            "approval.rejected",
            ("approval", 1),
            reason=audit.text_fact(kept),
        )
        return kept.id


def test_words_stand_beside_the_ledger_and_can_be_erased(database: Database) -> None:
    number = with_text(
        database,
        "Too expensive \ud83d\udcb8 <!channel>".encode("utf-16", "surrogatepass").decode("utf-16"),
    )
    with database.read() as session:
        body = session.execute(text("SELECT body FROM audit_entry")).scalar_one()
    assert "expensive" not in body
    assert json.loads(body)["facts"]["reason"]["text"] == number
    with database.begin() as session:
        session.execute(
            text("UPDATE private_text SET salt = NULL, text = NULL, erased_at = :at"),
            {"at": 1 if database.is_sqlite else NOW},
        )
    assert verify(database) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE private_text SET text = 'Go ahead'",
        "UPDATE private_text SET salt = '00'",
        "UPDATE private_text SET text = NULL, salt = NULL",
        "DELETE FROM private_text",
    ],
)
def test_changed_words_are_found(database: Database, statement: str) -> None:
    with_text(database, "Too expensive")
    with database.begin() as session:
        session.execute(text(statement))
    broken = verify(database)
    assert broken is not None
    assert broken.seq == 1


def test_writers_at_once_make_one_chain(database: Database) -> None:
    threads = [threading.Thread(target=write, args=(database, 10)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert head(database).seq == 60
    assert verify(database) is None
