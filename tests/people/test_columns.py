"""Every column of the database: where a person's words and ids could stand, an erasure reaches them."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from storage import ledger
from storage.base import Money, UTCDateTime
from storage.db import Database
from storage.people import erasure
from storage.people.columns import EMPTIED, FREE, SWEPT, is_person, is_text
from storage.people.tables import Person
from storage.tables import Base
from tests.contexts import make_context
from tests.people.test_erasure import Told
from workflows import outbox
from workflows.context import OPERATOR
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.people.forms import PersonSeen

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG, SLACK, EMAIL = "T0ACME", "U0TRACE", "trace.one@acme.test"
WORDS = "words that nobody may read again"
ROW = 900_001
"""The number of every row here, so that each belongs to each."""
OTHERS = {"audit_entry", "audit_head", "alembic_version", "runtime", "tombstone"}
"""Tables that a row of this kind cannot be put in: the ledger's, and those of one row."""


def text_columns() -> list[str]:
    return [
        str(column)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if is_text(column) and not is_person(column)
    ]


def test_somebody_has_decided_about_every_column_that_can_hold_words() -> None:
    decided = [*EMPTIED, *SWEPT, *FREE]
    undecided = sorted(set(text_columns()) - set(decided))
    assert undecided == [], (
        "new columns: put each in EMPTIED, SWEPT or FREE of storage/people/columns.py"
    )
    assert sorted(set(decided) - set(text_columns())) == []
    assert [name for name, times in Counter(decided).items() if times > 1] == []


def value(column: sa.Column[Any], person_id: str) -> Any:
    """What stands in a column of a row that is all about one person."""
    name = str(column)
    if is_person(column):
        return person_id
    if name in {"lane.key", "outbox.lane_key", "message.lane_key"}:
        return f"slack:{ORG}:{SLACK}"
    if name == "schedule.owner":
        return person_id
    if name == "digest_release.contents":
        return {person_id: {"headline": WORDS}}
    if name in EMPTIED:
        return {"said": [WORDS]} if isinstance(column.type, sa.JSON) else WORDS
    if name in SWEPT:
        if isinstance(column.type, sa.JSON):
            return {"who": [SLACK, 7], f"<mailto:{EMAIL.title()}>": {"of": SLACK}}
        return f"files/{SLACK}/F01 from {EMAIL}"
    if isinstance(column.type, sa.JSON):
        return {}
    if isinstance(column.type, sa.Enum):
        return column.type.enums[0]
    if column.nullable:
        return None
    if isinstance(column.type, UTCDateTime):
        return NOW
    if isinstance(column.type, Money):
        return Decimal(1)
    return PLAIN[column.type.python_type]


PLAIN: dict[type, Any] = {str: "x", int: ROW, bool: False, float: 1.0, date: NOW.date()}


def filled(database: Database) -> str:
    """A row of every table about the same person; their opaque id."""
    seen = PersonSeen(ORG, SLACK, WORDS, WORDS, EMAIL, WORDS, WORDS)
    with database.begin() as session:
        done = people.upsert_from_slack(make_context(session, now=NOW), [seen], read_at=NOW)
        person_id = done.ids[ORG, SLACK]
        row = session.get_one(Person, person_id)
        row.business_unit = row.persona = row.country = WORDS
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        off = (
            "PRAGMA foreign_keys=OFF"
            if database.is_sqlite
            else "SET session_replication_role = replica"
        )
        raw.execute(off)
        with connection.begin():
            for table in Base.metadata.sorted_tables:
                if table.name in OTHERS | {"person"}:
                    continue
                row_ = {
                    column.name: ROW
                    if column.primary_key
                    and isinstance(column.type, sa.Integer)
                    and not column.foreign_keys
                    else value(column, person_id)
                    for column in table.columns
                }
                connection.execute(sa.insert(table).values(row_))
        connection.invalidate()
    return person_id


def traced(database: Database) -> set[str]:
    """The columns in which anything of the person stands."""
    traces = [trace.casefold() for trace in (SLACK, EMAIL, WORDS)]
    with database.read() as session:
        return {
            str(column)
            for table in Base.metadata.sorted_tables
            for column in table.columns
            for (held,) in session.execute(sa.select(column))
            if any(trace in str(held).casefold() for trace in traces)
        }


def test_an_erasure_reaches_every_column_that_is_listed(database: Database) -> None:
    person_id = filled(database)
    expected = {
        one
        for one in EMPTIED | SWEPT
        # By their opaque id alone.
        if one not in {"schedule.owner"}
    }
    assert traced(database) >= expected
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
    assert traced(database) == set()
    with database.read() as session:
        assert ledger.verify(session) is None


def test_who_comes_back_can_be_erased_again(database: Database) -> None:
    """What was put away the first time is not in the way."""
    person_id = filled(database)
    for _ in range(3):
        with database.begin() as session:
            people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)
        assert traced(database) == set()
        with database.begin() as session:
            done = people.upsert_from_slack(
                make_context(session, now=NOW),
                [PersonSeen(ORG, SLACK, ORG, "Trace", EMAIL)],
                read_at=datetime.now(UTC),
            )
            assert done.ids[ORG, SLACK] == person_id
            to = Destination.person(ORG, SLACK)
            outbox.post(session, Told(to.key), to=to, dedupe_key=f"a:{to.key}", now=NOW)
            outbox.publish_home(session, person_id, to=to, now=NOW)


@pytest.mark.parametrize(
    ("text", "swept"),
    [
        ("U0TRACE", "p_1"),
        ("slack:T0ACME:U0TRACE", "slack:T0ACME:p_1"),
        ("https://x.slack.com/files/U0TRACE/F1", "https://x.slack.com/files/p_1/F1"),
        ("U0TRACER and AU0TRACE", "U0TRACER and AU0TRACE"),
        ("Trace.One@ACME.test", "p_1"),
        ("mail trace.one@acme.test.", "mail p_1."),
        ("another.trace.one@acme.test", "another.trace.one@acme.test"),
        ("trace.one@acme.test.example", "trace.one@acme.test.example"),
        ("trace.one@acme.testing", "trace.one@acme.testing"),
    ],
)
def test_only_whole_ids_and_addresses_are_theirs(text: str, swept: str) -> None:
    assert erasure.build_swap([SLACK, EMAIL], "p_1")(text) == swept
