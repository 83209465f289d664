"""An organisation whose weeks can be quiet, busy or terrible, written straight into both databases."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from storage.anonymity.tables import Disclosure
from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.budgets.tables import (
    AllocationKey,
    Budget,
    BudgetAlert,
    BudgetRevision,
    CostEntry,
    CostLoad,
    CostMonth,
)
from storage.db import Database
from storage.milestones.tables import Milestone, MilestoneMove
from storage.money import exact_sum
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.contexts import make_context
from workflows import policy
from workflows.anonymity.service import DisclosureBatch
from workflows.context import Actor, ActorKind
from workflows.digests import service
from workflows.digests.records import Content
from workflows.policy import Policy

ORG = "T0ACME"
NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
"""Monday of week 5, when the digest of week 4 comes."""
FIRST_DAY = date(2026, 1, 19)
LONDON = ZoneInfo("Europe/London")

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
roles: {leader: [U0LEA], admin: [U0ADA], finance: [U0FAY]}
gates:
  budget_increase:
    stages: [{name: Budget owner, approvers: [subject.owner]}, {name: Finance, approvers: [role:finance]}]
digests:
  weekly: {audience: role:leader, at: Mon 09:00, owner: role:admin}
"""


@dataclass
class Firm:
    """Short words for what there is: people, projects, budgets, cost, requests."""

    db: Database
    policy: Policy = field(default_factory=lambda: policy.parse(POLICY).policy)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def person(self, name: str, **more: Any) -> str:
        with self.db.begin() as session:
            session.add(
                Person(
                    id=f"p-{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    name=name.title(),
                    tz=more.pop("tz", "Europe/London"),
                    refreshed_at=NOW,
                    **more,
                )
            )
        return f"p-{name}"

    def project(self, name: str, **parts: str) -> int:
        with self.db.begin() as session:
            made = Project(
                key=f"k{next(self.numbers)}",
                name=name,
                status="live",
                created_at=NOW,
                **{f"{part}_id": f"p-{who}" for part, who in parts.items()},
            )
            session.add(made)
            session.flush()
            return made.id

    def budget(self, project: int, amount: str, **more: Any) -> int:
        values = {
            "period": "month",
            "starts": date(2025, 1, 1),
            "ends": None,
            "currency": "EUR",
            "basis": "effective",
        } | more
        with self.db.begin() as session:
            made = Budget(project_id=project, thresholds=[50, 80, 100], created_at=NOW, **values)
            session.add(made)
            session.flush()
            session.add(
                BudgetRevision(
                    budget_id=made.id,
                    revision=1,
                    amount=Decimal(amount),
                    valid_from=values["starts"],
                    valid_until=None,
                    created_at=NOW,
                )
            )
            return made.id

    def revision(
        self, budget: int, number: int, amount: str, first: date, last: date | None = None
    ) -> None:
        with self.db.begin() as session:
            session.add(
                BudgetRevision(
                    budget_id=budget,
                    revision=number,
                    amount=Decimal(amount),
                    valid_from=first,
                    valid_until=last,
                    created_at=NOW,
                )
            )

    def cost(
        self, project: int, days: dict[date, str], *, currency: str = "EUR", source: str = "cloud"
    ) -> None:
        """Cost by day, with its roll-up, as an import leaves it."""
        with self.db.begin() as session:
            by_month: dict[date, list[date]] = {}
            for day in days:
                by_month.setdefault(day.replace(day=1), []).append(day)
            key = AllocationKey(
                sub_account_id=f"a{next(self.numbers)}",
                sub_account_name="",
                tags="{}",
                project_id=project,
            )
            session.add(key)
            session.flush()
            for month, its in sorted(by_month.items()):
                load = (
                    session.query(CostLoad).filter_by(source=source, billing_period=month).first()
                )
                if load is None:
                    load = CostLoad(
                        source=source,
                        billing_period=month,
                        sha256="0",
                        rows=0,
                        charges_through=max(its),
                        loaded_at=NOW,
                    )
                    session.add(load)
                    session.flush()
                load.charges_through = max(load.charges_through, *its)
                for day in its:
                    amount = Decimal(days[day])
                    session.add(
                        CostEntry(
                            load_id=load.id,
                            charge_date=day,
                            allocation_key_id=key.id,
                            service="GPU",
                            category="Usage",
                            currency=currency,
                            billed=amount + 1,
                            effective=amount,
                            rows=1,
                        )
                    )
                amounts = [Decimal(days[day]) for day in its]
                session.add(
                    CostMonth(
                        load_id=load.id,
                        allocation_key_id=key.id,
                        month=month,
                        currency=currency,
                        billed=exact_sum(one + 1 for one in amounts),
                        effective=exact_sum(amounts),
                    )
                )

    def crossed(self, budget: int, threshold: int, at: datetime) -> None:
        with self.db.begin() as session:
            session.add(
                BudgetAlert(
                    budget_id=budget,
                    revision=1,
                    period_start=date(2026, 1, 1),
                    period_end=date(2026, 1, 31),
                    threshold=threshold,
                    basis="effective",
                    amount=Decimal(1),
                    spent=Decimal(1),
                    crossed_on=at.date(),
                    data_through=at.date(),
                    told=True,
                    created_at=at,
                )
            )

    def request(
        self,
        project: int,
        *,
        state: str = "pending",
        asked: datetime = NOW - timedelta(days=3),
        stages: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (),
        asks: str | None = None,
        by: str = "tim",
        budget: int | None = None,
    ) -> int:
        """A request; `stages` are (name, ((who decided, hours after asking), …)); `asks` names whom a pending one asks."""
        hours = [hour for _, votes in stages for _, hour in votes]
        ended = asked + timedelta(hours=max(hours, default=1.0))
        with self.db.begin() as session:
            made = Approval(
                request_key=f"r{next(self.numbers)}",
                gate="budget_increase",
                subject_type="budget",
                subject_id=budget or 0,
                project_id=project,
                facts={
                    "budget_id": budget or 0,
                    "from_revision": 1,
                    "old": "1",
                    "new": "2",
                    "currency": "EUR",
                    "basis": "effective",
                    "scope": "period",
                    "period": "January",
                    "period_start": "2026-01-01",
                    "period_end": "2026-01-31",
                },
                requester_id=f"p-{by}",
                policy_id=1,
                state=state,
                stage=0,
                revision=1,
                created_at=asked,
                expires_at=NOW + timedelta(days=2),
                decided_at=None if state == "pending" else ended,
            )
            session.add(made)
            session.flush()
            named = stages or (("Finance", ()),)
            for position, (name, votes) in enumerate(named):
                who = [f"person:p-{asks}"] if asks else ["role:finance"]
                session.add(
                    ApprovalStage(
                        approval_id=made.id,
                        position=position,
                        name=name,
                        quorum=1,
                        ask="dm",
                        approvers=[{"rule": "subject.owner", "who": who}],
                    )
                )
                for person, hour in votes:
                    session.add(
                        Decision(
                            approval_id=made.id,
                            person_id=f"p-{person}",
                            position=position,
                            verdict="approve",
                            rule="x",
                            decided_at=asked + timedelta(hours=hour),
                        )
                    )
            return made.id

    def milestone(
        self,
        project: int,
        title: str,
        forecast: date,
        *,
        actual: date | None = None,
        moved: tuple[date, date] | None = None,
        moved_at: datetime = NOW - timedelta(days=2),
        **more: Any,
    ) -> int:
        """A milestone, and a move of its forecast when one is told."""
        with self.db.begin() as session:
            made = Milestone(
                project_id=project,
                title=title,
                type=more.pop("type", "other"),
                baseline=more.pop("baseline", forecast),
                forecast=forecast,
                actual=actual,
                created_at=NOW,
                **more,
            )
            session.add(made)
            session.flush()
            if moved is not None:
                session.add(
                    MilestoneMove(
                        milestone_id=made.id, old=moved[0], new=moved[1], created_at=moved_at
                    )
                )
            return made.id

    def actor(self, name: str) -> Actor:
        return Actor(
            f"p-{name}", ActorKind.PERSON, name.title(), f"U0{name.upper()}", "Europe/London"
        )

    def digest(self, name: str = "lea", now: datetime = NOW) -> Content:
        """What this person's digest of week 4 says, as it is sent."""
        telling = DisclosureBatch()
        with self.db.read() as session:
            content = service.make_content(
                make_context(session, actor=self.actor(name), policy=self.policy, now=now),
                first_day=FIRST_DAY,
                zone=LONDON,
                telling=telling,
            )
        with self.db.begin() as session:
            assert telling.keep(session)
        return content

    def undo(self, approval_id: int) -> None:
        """A request is open again: its last verdict was taken back."""
        with self.db.begin() as session:
            row = session.get_one(Approval, approval_id)
            row.state, row.decided_at = "pending", None

    def redo(self, approval_id: int, at: datetime) -> None:
        """It is decided once more."""
        with self.db.begin() as session:
            row = session.get_one(Approval, approval_id)
            row.state, row.decided_at = "approved", at

    def blocks(self, name: str) -> list[list[int]]:
        """The blocks of requests that this person's figures of pace have counted so far."""
        with self.db.read() as session:
            return list(
                session.scalars(
                    select(Disclosure.members)
                    .where(Disclosure.scope == f"pace:p-{name}")
                    .order_by(Disclosure.seq)
                )
            )

    def sql(self, statement: str, **values: Any) -> Any:
        """An independent look, in plain SQL; `SUM(` is exact on both databases."""
        if self.db.is_sqlite:
            statement = statement.replace("SUM(", "money_sum(")
            values = {
                name: int(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value
                for name, value in values.items()
            }
        with self.db.read() as session:
            found = session.execute(text(statement), values).scalar_one()
        return found

    def money(self, statement: str, **values: Any) -> Decimal:
        """The same for an amount."""
        return Decimal(str(self.sql(statement, **values) or 0)).normalize()


def founded(db: Database) -> Firm:
    """Lea leads, Ola owns, Tim manages and asks, Max is Ola's manager; Fay is finance, Ada administers."""
    with db.begin() as session:
        session.add(PolicyVersion(id=1, sha256="0" * 64, text=POLICY, applied_at=NOW))
    firm = Firm(db)
    firm.person("max")
    for name in ("lea", "tim", "fay", "ada"):
        firm.person(name)
    firm.person("ola", manager_id="p-max")
    return firm


@pytest.fixture
def firm(database: Database) -> Firm:
    """The organisation, on both databases."""
    return founded(database)


def told(content: Content) -> str:
    """Everything that a digest says or shows, as one text."""
    return json.dumps(content.stored(), ensure_ascii=False)
