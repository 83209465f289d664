"""After a copy came back no number is given a second time: what stands in Slack never means something else."""

from datetime import timedelta

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from storage import floors
from storage.approvals import queries as approvals
from storage.approvals.tables import Approval
from storage.db import Database
from storage.delivery.tables import Hold, Outbox
from storage.enums import HoldReason
from storage.people.tables import Person
from tests.contexts import make_context
from tests.people.test_erasure import NOW, ORG, Told, seed
from workflows import outbox
from workflows.audit import service as audit
from workflows.context import OPERATOR, SYSTEM, Actor
from workflows.delivery import holding
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.webhooks import service as webhooks

INSIDE = {"hold", "runtime", "audit_head", "registry_state", "decision"}
"""Tables of one row that numbers itself, and those whose numbers nobody outside knows."""


def restored(database: Database, *, known_seq: int = 0) -> None:
    with database.begin(patient=True) as session:
        holding.begin(
            make_context(session, actor=OPERATOR, now=NOW), HoldReason.RESTORED, known_seq=known_seq
        )


def request(session: Session, key: str) -> int:
    like = session.execute(select(Approval).order_by(Approval.id).limit(1)).scalar_one()
    return approvals.insert_request(
        session,
        {
            "request_key": key,
            "gate": like.gate,
            "subject_type": like.subject_type,
            "subject_id": like.subject_id,
            "project_id": like.project_id,
            "facts": {},
            "requester_id": like.requester_id,
            "policy_id": like.policy_id,
            "state": "approved",
            "created_at": NOW,
            "expires_at": NOW + timedelta(days=1),
        },
        [{"position": 0, "name": "Only", "quorum": 1, "ask": "dm", "approvers": []}],
    )


def test_new_rows_are_numbered_above_what_may_have_been_given(database: Database) -> None:
    with database.begin(patient=True) as session:
        scene = seed(session)
        texts = session.execute(text("SELECT max(id) FROM private_text")).scalar_one()
    assert (scene.approval, texts) == (1, 1)
    restored(database)
    with database.begin(patient=True) as session:
        assert request(session, "a") == 2001  # one statement with RETURNING
        assert request(session, "b") == 2002
        kept = audit.write_text(session, somebody(session), "why", now=NOW)
        assert kept.id == 2001  # through a class
        to = Destination.channel(ORG, "C0GOV")
        first = outbox.post(session, Told("x"), to=to, dedupe_key="n1", now=NOW)
        assert first is not None  # ON CONFLICT DO NOTHING
        assert first > 2000
        assert outbox.post(session, Told("x"), to=to, dedupe_key="n1", now=NOW) is None
    with database.begin(patient=True) as session:
        session.connection().execute(
            Outbox.__table__.insert(),
            [row(f"m{number}") for number in range(3)],  # many at once
        )
        ids = session.execute(
            select(Outbox.id).where(Outbox.dedupe_key.like("m%")).order_by(Outbox.id)
        ).scalars()
        found = list(ids)
        assert found[0] > first
        assert found == list(range(found[0], found[0] + 3))


def row(key: str) -> dict[str, object]:
    return {
        "dedupe_key": key,
        "lane_key": f"slack:{ORG}:C0GOV",
        "op": "post",
        "priority": 1,
        "kind": "told",
        "notice": {},
        "notice_version": 1,
        "state": "cancelled",
        "stale": False,
        "due_at": NOW,
        "attempts": 0,
        "lookups": 0,
        "generation": 0,
        "created_at": NOW,
    }


def somebody(session: Session) -> Actor:
    """Who writes."""
    person = session.execute(select(Person).order_by(Person.id).limit(1)).scalar_one()
    actor = people.actor(session, person.id)
    assert actor is not None
    return actor


def test_many_rows_first_are_numbered_too(database: Database) -> None:
    with database.begin(patient=True) as session:
        seed(session)
    restored(database)
    with database.begin(patient=True) as session:
        session.connection().execute(
            Outbox.__table__.insert(), [row(f"m{number}") for number in range(3)]
        )
        first, *others = session.execute(
            select(Outbox.id).where(Outbox.dedupe_key.like("m%")).order_by(Outbox.id)
        ).scalars()
        assert first > 2000
        assert others == [first + 1, first + 2]


def test_a_row_that_was_rolled_back_costs_no_number_its_floor(database: Database) -> None:
    with database.begin(patient=True) as session:
        seed(session)
    restored(database)

    def fail() -> None:
        with database.begin(patient=True) as session:
            request(session, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.begin(patient=True) as session:
        assert request(session, "a") > 2000


def test_another_process_knows_the_floors(database: Database) -> None:
    with database.begin(patient=True) as session:
        seed(session)
    restored(database, known_seq=5001)
    other = Database(database.url)
    with other.begin(patient=True) as session:
        assert request(session, "a") > 50_000  # each lost entry may stand for ten rows
    other.close()


def test_where_no_copy_came_back_numbers_go_on(database: Database) -> None:
    with database.begin(patient=True) as session:
        seed(session)
        holding.begin(make_context(session, actor=OPERATOR, now=NOW), HoldReason.ASKED)
        assert request(session, "a") == 2


def test_every_table_that_the_database_numbers_has_a_floor(database: Database) -> None:
    names = {table.name for table in floors.list_numbered_tables()}
    assert {"approval", "budget", "milestone", "model", "digest", "outbox"} <= names
    restored(database)
    with database.read() as session:
        (listed,) = session.execute(select(Hold.floors)).scalars()
    assert set(listed) == names
    inspector = inspect(database.engine)
    for table in inspector.get_table_names():
        (key, *more) = inspector.get_pk_constraint(table)["constrained_columns"]
        column = next(c for c in inspector.get_columns(table) if c["name"] == key)
        if not more and str(column["type"]) == "INTEGER" and key == "id":
            assert table in names | INSIDE, table


def test_an_event_of_an_entry_whose_number_was_given_before_has_another_id(
    database: Database,
) -> None:
    with database.begin(patient=True) as session:
        made = webhooks.add(
            make_context(session, actor=OPERATOR, now=NOW), "https://tickets.test", ["*"]
        )
        audit.record(make_context(session, actor=SYSTEM, now=NOW), "thing.done", ("thing", 1))
    with database.read() as session:
        before = webhooks.build_event(session, webhooks.WebhookEvent(made.id, 2))
    assert before is not None
    assert before.id == f"{made.id}_2"
    restored(database, known_seq=9)
    with database.read() as session:
        # One that was in the copy is sent under the id that receivers know.
        again = webhooks.build_event(session, webhooks.WebhookEvent(made.id, 2))
        after = webhooks.build_event(session, webhooks.WebhookEvent(made.id, 3))
    assert again == before
    assert after is not None
    assert after.id.startswith(f"{made.id}_3_")
