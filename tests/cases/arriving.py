"""An organisation that proposes projects and makes models for them, over months, by the services that people use."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage import runtime
from storage.budgets.tables import AllocationKey, CostEntry, CostLoad, CostMonth
from storage.db import Database
from storage.enums import MilestoneType
from storage.milestones.tables import Milestone
from storage.policies.tables import PolicyVersion
from tests.approvals.conftest import ORG
from tests.cases.conftest import LEA, OLA
from tests.cases.conftest import settled as settle_board
from tests.inventory.conftest import Yard
from workflows import clock, imports
from workflows.cases import checks, journeys, proving
from workflows.cases.arrival import Stage
from workflows.cases.journeys import Arrival, ProjectJourney
from workflows.milestones import service as milestones
from workflows.milestones.forms import AddMilestone

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
channels: {audit: "#ml-audit", governance: "#ml-governance"}
roles:
  finance: ["@finance"]
  leader: [U0LEA]
  model_risk: ["@model-risk"]
  operations: ["@operations"]
cases: {discount_rate: 0.10, currency: EUR}
gates:
  business_case:
    stages: [{name: Sponsor, approvers: [subject.sponsor]}]
    expires_after: 14d
  model_approval:
    stages: [{name: Model risk, approvers: [role:model_risk]}]
    expires_after: 7d
"""


class Works:
    """Whoever proposes (`board`) and whoever makes models (`yard`), in one database and at one time."""

    def __init__(self, database: Database) -> None:
        self.board = settle_board(database)
        self.yard = Yard(database)
        self.db = database
        self.board.text = self.yard.text = POLICY
        with database.begin() as session:
            session.execute(update(PolicyVersion).values(text=POLICY))
        self.yard.keys = self.board.keys
        for name in ("dev", "val", "risk", "rita", "ops", "otto"):
            self.board.person(name)
        self.board.group("model-risk", "risk", "rita")
        self.board.group("operations", "ops", "otto")
        self.prove()

    @property
    def now(self) -> datetime:
        return self.board.now

    def later(self, **by: int) -> date:
        """So much later; the day that it is then."""
        self.board.later(timedelta(**by))
        self.yard.now = self.board.now
        return self.board.now.date()

    def context(self, session: Session, name: str = OLA) -> Any:
        return self.board.context(session, name)

    def act(self, name: str, verb: Any, *args: Any, **more: Any) -> Any:
        return self.db.run(lambda session: verb(self.context(session, name), *args, **more))

    def see(self, name: str, verb: Any, *args: Any) -> Any:
        with self.db.read() as session:
            return verb(self.context(session, name), *args)

    def prove(self) -> int:
        """The watcher of the ledger, until it has read all of it."""
        count = 0
        while True:
            with self.db.read() as session:
                if not proving.has_news(session):
                    return count
            count += self.db.run(
                lambda session: proving.follow_ledger(self.context(session).as_system())
            )

    def promise(
        self, project: str, type_: MilestoneType, *, days: int = 90, title: str = "", who: str = OLA
    ) -> int:
        """A milestone that is due so many days from now."""
        form = AddMilestone(
            project=project,
            title=title or type_.value,
            type=type_,
            due=self.now.date() + timedelta(days=days),
            request_key=f"key-{next(self.board.keys)}",
        )
        return int(self.act(who, milestones.add_milestone, form))

    def complete(self, milestone_id: int, who: str = OLA, on: date | None = None) -> None:
        self.act(
            who,
            milestones.complete,
            milestone_id,
            revision=self.milestone(milestone_id).revision,
            proof="I saw it.",
            on=on,
        )

    def milestone(self, milestone_id: int) -> Milestone:
        with self.db.read() as session:
            row = session.get_one(Milestone, milestone_id)
            session.expunge(row)
            return row

    def approved_case(self, title: str = "Ticket routing", **more: Any) -> tuple[int, str]:
        """An approved case: its id, and the key of its project."""
        case_id = self.board.complete(title, **more)
        self.board.approve(case_id)
        return case_id, self.board.project_of(case_id).key

    def ways(self) -> dict[str, ProjectJourney]:
        """Every project's way, by its key."""
        loaded: list[ProjectJourney] = self.see(LEA, journeys.load_journeys, None)
        return {way.key: way for way in loaded}

    def reached(self, key: str) -> dict[Stage, date]:
        return dict(self.ways()[key].journey.reached)

    def look(self, name: str) -> Arrival:
        """What somebody is shown, after it was kept that they were."""
        record, telling = self.see(name, journeys.load_arrival)
        assert telling is None or self.act(name, journeys.keep_told, telling)
        return record

    def bring(self, work: Path, text: str, kind: str = "projects") -> None:
        """Import projects, or business cases, now."""
        with self.db.begin() as session:
            real, _ = clock.both(session)
            runtime.set_offset(session, self.now - real)
        path = work / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        imports.run(self.db, imports.Request(kind, path), policy=self.board.policy, org_key=ORG)

    def spend(self, key: str, months: dict[date, str], *, currency: str = "EUR") -> None:
        """Cost of whole months, with its roll-up, as an import leaves it."""
        project_id = self.ways()[key].journey.project_id
        with self.db.begin() as session:
            allocation = AllocationKey(
                sub_account_id=f"a{next(self.board.keys)}",
                sub_account_name="",
                tags="{}",
                project_id=project_id,
            )
            session.add(allocation)
            session.flush()
            for month, amount in months.items():
                last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
                load = session.execute(
                    select(CostLoad).where(CostLoad.billing_period == month)
                ).scalar_one_or_none()
                if load is None:
                    load = CostLoad(
                        source="cloud",
                        billing_period=month,
                        sha256="0",
                        rows=1,
                        charges_through=last,
                        loaded_at=self.now,
                    )
                    session.add(load)
                    session.flush()
                sums = {"billed": Decimal(amount) + 1, "effective": Decimal(amount)}
                session.add(
                    CostEntry(
                        load_id=load.id,
                        charge_date=last,
                        allocation_key_id=allocation.id,
                        service="GPU",
                        category="Usage",
                        currency=currency,
                        rows=1,
                        **sums,
                    )
                )
                session.add(
                    CostMonth(
                        load_id=load.id,
                        allocation_key_id=allocation.id,
                        month=month,
                        currency=currency,
                        **sums,
                    )
                )

    def check_all(self, most: int = 100) -> int:
        """The daily look at approved cases, in batches; how many batches that took."""
        after: int | None = 0
        batches = 0
        while after is not None:
            since, batches = after, batches + 1
            after = self.db.run(
                lambda session, since=since: checks.check_some(
                    self.context(session).as_system(), since, most
                )
            )
        return batches
