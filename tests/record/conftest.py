"""An organisation whose record is whole: every row of it came by a service and has its entry on the ledger."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from storage.db import Database
from storage.enums import Scope
from tests.approvals.conftest import ORG
from tests.conftest import BACKENDS, fresh_url, with_key
from tests.contexts import make_context
from tests.inventory.conftest import DEV, POLICY, TODAY, VAL, Yard, settled
from workflows import policy as policies_text
from workflows.audit import service as audit
from workflows.budgets import imports
from workflows.budgets.forms import BudgetRow
from workflows.context import OPERATOR, SYSTEM
from workflows.people import service as people
from workflows.policies import service as policies
from workflows.record import telling
from workflows.record.records import DescribedFault
from workflows.record.scanning import Look
from workflows.statements import envelopes
from workflows.statements import service as statements
from workflows.tokens import service as tokens
from workflows.tokens.service import NewToken

MORE = """\
  budget_increase:
    stages:
      - {name: Finance, approvers: [role:model_risk]}
    expires_after: 7d
"""


@dataclass
class Whole:
    """The record, and the ids of what stands in it."""

    yard: Yard
    ids: dict[str, Any] = field(default_factory=dict)

    @property
    def db(self) -> Database:
        return self.yard.db


def make(db: Database) -> Whole:
    """Lane keeping 11 is in use, 12 waits; a budget was changed, tokens and keys made and ended, somebody erased."""
    yard = settled(with_key(db))
    whole = Whole(yard)
    ids = whole.ids
    content = POLICY + MORE
    digest = hashlib.sha256(content.encode()).hexdigest()
    with db.begin() as session:
        session.execute(
            text("UPDATE policy_version SET sha256 = :sha256, text = :content"),
            {"sha256": digest, "content": content},
        )
        policies.adopt(
            make_context(session, actor=SYSTEM, now=yard.now), policies_text.parse(content)
        )
    yard.text = content
    project = yard.governed(budget=False)
    ids["model"] = yard.model("lane-keeping", tier=1, project=project, name="Lane keeping")
    ids["project"] = project
    afford(whole, project, 40_000, 52_000)
    yard.now += timedelta(hours=1)
    ids["used"] = yard.in_use(ids["model"], "11")
    yard.now += timedelta(hours=1)
    waiting = yard.version(ids["model"], "12")
    yard.complete(waiting, "validation")
    yard.step(DEV, waiting, "submit", validator=VAL)
    yard.complete(waiting, "approval")
    yard.accept_all(VAL, waiting)
    ids["pending"] = yard.ask(VAL, waiting)
    with db.read() as session:
        ids["approved"] = session.execute(
            text("SELECT approval_id FROM model_version WHERE id = :id"), {"id": ids["used"]}
        ).scalar_one()
    for name in ("live", "ended"):
        with db.begin() as session:
            form = NewToken(name=name, scopes=(Scope.ASK,), lasts=timedelta(days=30))
            _, token = tokens.create(
                make_context(session, actor=OPERATOR, policy=yard.policy, org=ORG, now=yard.now),
                form,
            )
            ids[name] = token.prefix
    with db.begin() as session:
        tokens.revoke(make_context(session, actor=OPERATOR, now=yard.now), ids["ended"])
    for name in ("old_key", "key"):
        with db.begin() as session:
            made = envelopes.load_private_key(envelopes.make_private_pem())
            ids[name] = statements.publish_key(
                make_context(session, actor=SYSTEM, now=yard.now), made
            )
    with db.begin() as session:
        statements.retire_other_keys(
            make_context(session, actor=OPERATOR, now=yard.now), ids["key"]
        )
    _leave(whole)
    return whole


def afford(whole: Whole, project: str, *amounts: int) -> None:
    """A budget, by one file after the other."""
    yard = whole.yard
    for amount in amounts:
        with whole.db.begin() as session:
            row = BudgetRow(
                project=project, starts=TODAY, amount=Decimal(amount), currency="EUR", owner="U0OLA"
            )
            table = imports.BudgetTable()
            table.take_rows(
                make_context(session, OPERATOR, policy=yard.policy, org=ORG, now=yard.now),
                [(2, row)],
            )
    with whole.db.begin() as session:
        whole.ids["budget"] = session.execute(text("SELECT id FROM budget")).scalar_one()


def _leave(whole: Whole) -> None:
    """Ned wrote something and is erased; Otto wrote something and is not."""
    yard = whole.yard
    for name in ("ned", "otto"):
        with whole.db.begin() as session:
            actor = yard.actor(name)
            words = audit.write_text(session, actor, "I had a part.", now=yard.now)
            audit.record(
                make_context(session, actor=actor, now=yard.now),
                "case.noted",
                ("case", 1),
                words=audit.text_fact(words),
            )
            whole.ids[f"{name}_text"] = words.id
    with whole.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=yard.now), "p-ned")
    with whole.db.begin() as session:
        audit.record(make_context(session, actor=SYSTEM, now=yard.now), "case.closed", ("case", 1))


def look(session: Session, yard: Yard, **more: Any) -> list[DescribedFault]:
    """Everything that a look finds, in words."""
    found = Look(**more).all(session, yard.now)
    return telling.describe_faults(session, found.faults)


@contextmanager
def meddling(whole: Whole) -> Iterator[Connection]:
    """What somebody does who has the database and no mlgov: triggers and foreign keys put aside, and put back; undone at the end."""
    engine = whole.db.engine
    with engine.connect() as connection:
        transaction = connection.begin()
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        yield connection
        transaction.rollback()


@contextmanager
def as_seen(connection: Connection) -> Iterator[Session]:
    """A session that sees what was meddled with."""
    with Session(connection) as session:
        yield session


@pytest.fixture(scope="module", params=BACKENDS)
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Whole]:
    """The record on both databases, made once: what meddles with it is undone."""
    url = fresh_url(request.param, request, tmp_path_factory.mktemp("whole"))
    database = Database(url)
    yield make(database)
    database.close()
