"""Versions of the policy: each text is kept once, and what is put in force stands on the ledger."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.policies.tables import PolicyVersion
from tests.contexts import make_context
from workflows import policy
from workflows.context import OPERATOR
from workflows.errors import NotFound
from workflows.policies import service as policies

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
FIRST = policy.parse("version: 1\norganisation: {name: Acme}\n")
SECOND = policy.parse("version: 1\norganisation: {name: Acme Motors}\n")


def adopt(database: Database, text: policy.PolicyText) -> int:
    with database.begin() as session:
        return policies.adopt(make_context(session, actor=OPERATOR, now=NOW), text)


def adopted(database: Database) -> list[str]:
    with database.read() as session:
        entries = select(AuditEntry.subject_id).where(AuditEntry.action == "policy.adopted")
        return list(session.execute(entries.order_by(AuditEntry.seq)).scalars())


def test_a_text_is_kept_and_told_once(database: Database) -> None:
    ids = {adopt(database, FIRST) for _ in range(3)}
    assert len(ids) == 1
    assert adopted(database) == [str(ids.pop())]


def test_starting_again_and_trying_in_vain_leave_no_hole(database: Database) -> None:
    first = adopt(database, FIRST)
    for _ in range(3):
        adopt(database, FIRST)

    def break_off(session: Session) -> None:
        policies.adopt(make_context(session, actor=OPERATOR, now=NOW), SECOND)
        raise RuntimeError("the start broke off")

    with pytest.raises(RuntimeError):
        database.run(break_off)
    assert adopt(database, SECOND) == first + 1
    assert adopted(database) == ["1", "2"]


def at_once(works: list[Callable[[], int]]) -> list[int]:
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], int]) -> int:
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_replicas_that_adopt_at_once_leave_no_hole(database: Database) -> None:
    texts = [
        policy.parse(f"version: 1\norganisation: {{name: Acme {number}}}\n") for number in range(4)
    ]
    replicas = [Database(database.url) for _ in range(8)]
    try:
        ids = at_once(
            [
                lambda replica=replica, text=texts[place % 4]: adopt(replica, text)  # type: ignore[misc]
                for place, replica in enumerate(replicas)
            ]
        )
    finally:
        for replica in replicas:
            replica.close()
    assert sorted(set(ids)) == [1, 2, 3, 4]
    told = adopted(database)
    assert set(told) == {"1", "2", "3", "4"}
    assert all(before != after for before, after in itertools.pairwise(told))


def test_a_replica_of_the_release_before_finds_a_number_of_its_own(database: Database) -> None:
    """It leaves the number to the database."""
    adopt(database, FIRST)
    adopt(database, SECOND)
    with database.begin() as session:
        session.add(PolicyVersion(sha256="0" * 64, text="", applied_at=NOW))


def test_going_back_is_told_too(database: Database) -> None:
    first, second = adopt(database, FIRST), adopt(database, SECOND)
    assert adopt(database, FIRST) == first
    assert first != second
    assert adopted(database) == [str(first), str(second), str(first)]
    with database.read() as session:
        assert len(session.execute(select(PolicyVersion)).all()) == 2


def test_a_request_reads_the_version_it_is_bound_to(database: Database) -> None:
    first, second = adopt(database, FIRST), adopt(database, SECOND)
    policies._parsed.clear()
    with database.read() as session:
        assert policies.version(session, first).organisation.name == "Acme"
        assert policies.version(session, second) == SECOND.policy
        assert policies.version(session, first) is policies.version(session, first)
        with pytest.raises(NotFound, match="version 999"):
            policies.version(session, 999)


def test_two_databases_never_share_a_version(database: Database) -> None:
    """Versions of different databases have the same numbers; what is remembered goes by the text's digest."""
    first = adopt(database, SECOND)
    with database.read() as session:
        assert policies.version(session, first).organisation.name == "Acme Motors"
