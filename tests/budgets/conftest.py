"""A small organisation with money in it."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy.orm import Session

from storage.db import Database
from storage.people.tables import Person
from storage.projects.tables import Project, ProjectAccount
from tests.contexts import make_context
from workflows import policy
from workflows.budgets import imports
from workflows.budgets.forms import BudgetRow
from workflows.budgets.records import CostReport, Crossing
from workflows.context import OPERATOR, Actor, ActorKind, Occasion
from workflows.policy import Policy
from workflows.sources import focus
from workflows.sources.focus import ReadOptions

NOW = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)
ORG = "T0ACME"
COLUMNS = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingAccountId", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ProviderName", "ServiceName",
    "SubAccountId", "SubAccountName", "Tags",
)  # fmt: skip

OLA = Actor("p_ola", ActorKind.PERSON, "Ola", "U0OLA")
TIM = Actor("p_tim", ActorKind.PERSON, "Tim", "U0TIM")


@dataclass(frozen=True)
class Charge:
    """One row of a bill."""

    day: date
    cost: str
    account: str = "Acme Triage"
    service: str = "GPU"
    currency: str = "EUR"
    tags: str = "{}"


def bill(path: Path, charges: Iterable[Charge]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for charge in charges:
            first = charge.day.replace(day=1)
            following = (first + timedelta(days=32)).replace(day=1)
            writer.writerow(
                [
                    charge.cost,
                    charge.cost,
                    charge.currency,
                    "acme",
                    f"{first}T00:00:00Z",
                    f"{following}T00:00:00Z",
                    f"{charge.day}T00:00:00Z",
                    f"{charge.day + timedelta(days=1)}T00:00:00Z",
                    "Usage",
                    "Cloud",
                    charge.service,
                    charge.account,
                    charge.account,
                    charge.tags,
                ]
            )
    return path


def days(first: date, number: int, cost: str, **more: str) -> list[Charge]:
    return [Charge(first + timedelta(days=n), cost, **more) for n in range(number)]


class RowOutcome(NamedTuple):
    """`created`, `updated`, `unchanged`, or `refused` with a sentence."""

    line: int
    what: str
    changes: dict[str, tuple[str, str]]
    error: str | None


@dataclass
class Money:
    """What a test does: import bills and budgets, as of a moment."""

    db: Database
    work: Path
    policy: Policy
    now: datetime = NOW

    def costs(self, charges: Iterable[Charge], **more: Any) -> CostReport:
        return self.files([bill(self.work / "bill.csv", charges)], **more)

    def files(self, paths: list[Path], **more: Any) -> CostReport:
        options = ReadOptions(tag_keys=self.policy.costs.tag_keys)
        with focus.read(paths, options=options) as read:
            return imports.take_costs(
                self.db, Occasion(self.policy, ORG, self.now, actor=OPERATOR), read, **more
            )

    def budget(self, **row: object) -> list[Crossing]:
        given = {
            "project": "triage",
            "starts": "2026-01-01",
            "amount": "1000",
            "currency": "EUR",
        } | row
        with self.db.begin() as session:
            table = imports.BudgetTable(are_meant=True)
            outcome = table.take_rows(
                make_context(session, OPERATOR, policy=self.policy, org=ORG, now=self.now),
                [(2, BudgetRow.model_validate(given))],
            )
        assert outcome.faults == []
        return list(table.crossings)

    def rows(self, *rows: dict[str, object], are_meant: bool = False) -> list[RowOutcome]:
        """What became of each row of a file, from line 2 on."""
        given = [(line, BudgetRow.model_validate(row)) for line, row in enumerate(rows, start=2)]
        with self.db.begin() as session:
            table = imports.BudgetTable(are_meant=are_meant)
            outcome = table.take_rows(
                make_context(session, OPERATOR, policy=self.policy, org=ORG, now=self.now), given
            )
        changes = {change.line: change for change in outcome.changes}
        faults = {fault.line: f"{fault.field}: {fault.sentence}" for fault in outcome.faults}
        assert outcome.unchanged == len(rows) - len(changes) - len(faults)
        return [
            RowOutcome(
                line,
                "refused"
                if line in faults
                else "unchanged"
                if line not in changes
                else "created"
                if changes[line].is_new
                else "updated",
                {f.field: (f.old, f.new) for f in changes[line].fields} if line in changes else {},
                faults.get(line),
            )
            for line, _ in given
        ]


@pytest.fixture
def money(database: Database, tmp_path: Path) -> Money:
    with database.begin() as session:
        people(session)
    text = "version: 1\norganisation: {name: Acme}\n"
    return Money(database, tmp_path, policy.parse(text).policy)


def people(session: Session) -> None:
    for id_, slack_id, name in [("p_ola", "U0OLA", "Ola"), ("p_tim", "U0TIM", "Tim")]:
        session.add(
            Person(
                id=id_, org_key=ORG, slack_id=slack_id, name=name, email=f"{name.lower()}@acme.test"
            )
        )
    session.flush()
    for key, name, channel in [
        ("triage", "Ticket triage", "C0TRIAGE"),
        ("vision", "Lane vision", None),
    ]:
        project = Project(
            key=key,
            name=name,
            owner_id="p_ola",
            manager_id="p_tim",
            status="in_progress",
            channel=channel,
            created_at=NOW,
        )
        session.add(project)
        session.flush()
        session.add(ProjectAccount(account=f"acme {key}", project_id=project.id))
