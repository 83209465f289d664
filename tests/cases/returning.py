"""Projects in use, and short words for what is said of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from storage.cases import returns as queries
from storage.cases.tables import CaseReturn, ReturnAsking
from storage.db import Database
from storage.people import readings
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.approvals.conftest import START
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, POLICY, SPO, Board
from workflows.cases import asking, realised, returns
from workflows.cases.realised import ProjectReturns, ReturnsOverview
from workflows.cases.return_forms import AttestReturn, ReportReturn, SkipAsking, WithdrawReturn
from workflows.context import Occasion

MAX, BOSS = "max", "boss"
"""Max manages the project; Spo reports to Boss."""


@dataclass
class Works(Board):
    """The organisation, in which projects come into use and return something."""

    def in_use(
        self, title: str = "Ticket routing", live_on: date = date(2026, 3, 1), **more: Any
    ) -> int:
        """A project with an approved case that brings 20,000 EUR and costs 5,000 EUR a month from March 2026 on."""
        case_id = self.complete(title, **more)
        approval_id = self.ask(case_id, more.get("by", PIA))
        self.decide(SPO, approval_id)
        if self.state(approval_id) == "pending":
            self.decide(FIN, approval_id)
        project = self.project_of(case_id)
        with self.db.begin() as session:
            row = session.get_one(Project, project.id)
            row.status, row.live_on, row.manager_id = "live", live_on, f"p-{MAX}"
        return project.id

    def key_of(self, project_id: int) -> str:
        with self.db.read() as session:
            return session.get_one(Project, project_id).key

    def report(
        self, project_id: int, amount: str, starts: date, ends: date, who: str = OLA, **more: Any
    ) -> int:
        form = ReportReturn(
            project_id=project_id,
            amount=amount,
            starts=starts,
            ends=ends,
            request_key=more.pop("key", f"return-{next(self.keys)}"),
            **more,
        )
        return self.db.run(lambda session: returns.report(self.context(session, who), form))

    def attest(self, return_id: int, who: str = SPO) -> None:
        form = AttestReturn(return_id=return_id)
        self.db.run(lambda session: returns.attest(self.context(session, who), form))

    def take_back(self, return_id: int, who: str = OLA) -> None:
        form = WithdrawReturn(return_id=return_id, reason="It was the wrong project.")
        self.db.run(lambda session: returns.withdraw(self.context(session, who), form))

    def skip(self, asking_id: int, who: str = OLA, reason: str = "No figures yet.") -> None:
        form = SkipAsking(asking_id=asking_id, reason=reason)
        self.db.run(lambda session: returns.skip(self.context(session, who), form))

    def overview(self, who: str = OLA, unit: str | None = None, page: int = 0) -> ReturnsOverview:
        with self.db.read() as session:
            return realised.load_overview(self.context(session, who), unit, page)

    def returns_of(self, project_id: int, who: str = OLA) -> ProjectReturns:
        with self.db.read() as session:
            key = session.get_one(Project, project_id).key
            return realised.load_project(self.context(session, who), key)

    def return_row(self, return_id: int) -> CaseReturn:
        with self.db.read() as session:
            row = session.get_one(CaseReturn, return_id)
            session.expunge(row)
            return row

    def askings(self, project_id: int) -> list[ReturnAsking]:
        with self.db.read() as session:
            rows = queries.list_askings(session, project_id)
            session.expunge_all()
            return rows

    def wake_up(self, day: date) -> None:
        """The daily look of a day, and what follows from it."""
        self.until(datetime.combine(day, time(5), UTC))
        self.db.run(lambda session: asking.begin(self.context(session, OLA).as_system()))
        occasion = Occasion(self.policy, "T0ACME", self.now, 1)
        asking.PART.long[asking.WORK].run(self.db, occasion, 60)
        self.until(self.now)

    def live_through(self, first: date, last: date) -> None:
        """Every day from the first to the last."""
        day = first
        while day <= last:
            self.wake_up(day)
            day += timedelta(days=1)

    def put(self, name: str, **values: Any) -> None:
        """Change what is known of a project's people, or of a person."""
        with self.db.begin() as session:
            person = session.execute(select(Person).where(Person.id == f"p-{name}")).scalar_one()
            for column, value in values.items():
                setattr(person, column, value)


def begin(database: Database, text: str = POLICY) -> Works:
    """The organisation of `Board`, with Max, and Boss to whom Spo reports."""
    works = Works(database, text=text)
    with database.begin() as session:
        readings.record(session, dict.fromkeys(readings.KINDS, 1), START)
        session.add(PolicyVersion(sha256="0" * 64, text=text, applied_at=START))
    for name in (PIA, OLA, SPO, FIN, LEA, NED, MAX, BOSS):
        works.person(name)
    works.person("gus", is_guest=True)
    works.group("finance", FIN)
    works.put(SPO, manager_id=f"p-{BOSS}")
    return works


def euros(amount: str) -> Decimal:
    return Decimal(amount.replace(",", ""))
