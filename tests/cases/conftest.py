"""An organisation in which people propose, and short words for what they do with business cases."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from storage.cases import queries
from storage.cases.tables import BusinessCase, CaseRevision
from storage.db import Database
from storage.enums import Driver, ProjectCategory
from storage.people import readings
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.approvals.conftest import ORG, START, House
from tests.contexts import make_context
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.cases import reads, service
from workflows.cases.forms import (
    AskCase,
    CaseLine,
    KeepCertainty,
    KeepFrame,
    KeepIdea,
    KeepMeasure,
    KeepPeople,
    Propose,
    RemoveLine,
    Step,
)
from workflows.cases.reads import TYPE
from workflows.cases.records import CaseRecord

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
roles:
  finance: ["@finance"]
  leader: [U0LEA]
cases: {discount_rate: 0.10, currency: EUR}
gates:
  business_case:
    stages:
      - {name: Sponsor, approvers: [subject.sponsor]}
      - {name: Finance, when: case.costs > 50000.0, approvers: [role:finance]}
    expires_after: 14d
"""
PIA, OLA, SPO, FIN, LEA, NED = "pia", "ola", "spo", "fin", "lea", "ned"


@dataclass
class Board(House):
    """Pia proposes, Ola owns, Spo sponsors, Fin is finance, Lea leads, and Ned has nothing to do with it."""

    text: str = POLICY
    sees_all: bool = False
    by_hand: ClassVar[Set[str]] = {"policy"}

    def context(self, session: Any, name: str, **more: Any) -> Any:
        return make_context(
            session,
            actor=self.actor(name),
            policy=self.policy,
            policy_id=1,
            now=self.now,
            org=ORG,
            **more,
        )

    def propose(self, name: str = PIA, title: str = "Ticket routing", **more: Any) -> int:
        key = more.pop("request_key", f"key-{next(self.keys)}")
        form = Propose(title=title, request_key=key, **more)
        return self.db.run(lambda session: service.propose(self.context(session, name), form))

    def revision(self, case_id: int) -> int:
        with self.db.read() as session:
            case = queries.find(session, case_id)
            assert case is not None
            return case.revision

    def keep(
        self,
        case_id: int,
        kind: type[Step],
        who: str = PIA,
        /,
        *,
        at: int | None = None,
        **entered: Any,
    ) -> int:
        """Keep a step as it was shown at a revision; at the newest where none is given."""
        form = kind(case_id=case_id, revision=at or self.revision(case_id), **entered)
        return self.db.run(lambda session: service.keep_step(self.context(session, who), form))

    def line(
        self,
        case_id: int,
        driver: Driver,
        who: str = PIA,
        /,
        *,
        at: int | None = None,
        **entered: Any,
    ) -> int:
        form = CaseLine(
            case_id=case_id, revision=at or self.revision(case_id), driver=driver, **entered
        )
        return self.db.run(lambda session: service.keep_line(self.context(session, who), form))

    def remove(self, case_id: int, line_id: int, at: int | None = None) -> int:
        form = RemoveLine(case_id=case_id, revision=at or self.revision(case_id), line_id=line_id)
        return self.db.run(lambda session: service.remove_line(self.context(session, PIA), form))

    def complete(
        self,
        title: str = "Ticket routing",
        *,
        brings: str = "20,000",
        costs: str = "5,000",
        category: ProjectCategory = ProjectCategory.OPTIMIZATION,
        by: str = PIA,
        owner: str = OLA,
        sponsor: str = SPO,
        months: int = 24,
        tier: int | None = 2,
        confidence: str = "80 %",
        feasibility: str = "90 %",
        currency: str = "EUR",
    ) -> int:
        """A case with everything that asking needs."""
        case_id = self.propose(by, title)
        self.keep(case_id, KeepIdea, by, title=title, problem="Tickets are routed by hand.")
        self.keep(
            case_id,
            KeepPeople,
            by,
            owner_id=f"p-{owner}",
            sponsor_id=f"p-{sponsor}",
            business_unit="Care",
            category=category,
        )
        self.keep(case_id, KeepMeasure, by, metric="Minutes a ticket", baseline=12, target=4)
        self.keep(case_id, KeepFrame, by, starts=date(2026, 3, 1), months=months, currency=currency)
        self.line(case_id, Driver.COST_SAVED, by, name="Fewer misrouted tickets", amount=brings)
        self.line(case_id, Driver.COMPUTE, by, amount=costs)
        self.keep(
            case_id, KeepCertainty, by, confidence=confidence, feasibility=feasibility, tier=tier
        )
        return case_id

    def ask(self, case_id: int, name: str = PIA, at: int | None = None, key: str = "") -> int:
        form = SubmitRequest(
            gate="business_case",
            subject_type=TYPE,
            form=AskCase(case_id=case_id, revision=at or self.revision(case_id)),
            reason="The queue doubled.",
            request_key=key or f"key-{next(self.keys)}",
        )
        return self.db.run(
            lambda session: submission.submit_request(self.context(session, name), form)
        )

    def record(self, case_id: int, name: str = PIA) -> CaseRecord:
        with self.db.read() as session:
            return reads.load_record(self.context(session, name), case_id)

    def row(self, case_id: int) -> BusinessCase:
        with self.db.read() as session:
            case = queries.find(session, case_id)
            assert case is not None
            session.expunge(case)
            return case

    def agreed(self, case_id: int) -> CaseRevision:
        with self.db.read() as session:
            case = queries.find(session, case_id)
            assert case is not None
            assert case.agreed is not None
            revision = queries.find_revision(session, case_id, case.agreed)
            assert revision is not None
            session.expunge(revision)
            return revision

    def project_of(self, case_id: int) -> Project:
        with self.db.read() as session:
            case = queries.find(session, case_id)
            assert case is not None
            project = session.get_one(Project, case.project_id)
            session.expunge(project)
            return project

    def approve(self, case_id: int) -> int:
        """Asked and approved by all who have to; the request's id."""
        approval_id = self.ask(case_id, (self.row(case_id).created_by or "").removeprefix("p-"))
        self.decide(SPO, approval_id)
        if self.state(approval_id) == "pending":
            self.decide(FIN, approval_id)
        assert self.state(approval_id) == "approved"
        return approval_id

    def standing(self, key: str = "lane-vision", owner: str = OLA, **more: Any) -> int:
        """A project that goes on already."""
        with self.db.begin() as session:
            project = Project(
                key=key,
                name=more.pop("name", "Lane vision"),
                owner_id=f"p-{owner}",
                status=more.pop("status", "in_progress"),
                created_at=START,
                **more,
            )
            session.add(project)
            session.flush()
            return project.id


CENT = Decimal("0.01")


@pytest.fixture
def board(database: Database) -> Board:
    """The organisation, on both databases."""
    return settled(database)


def settled(database: Database) -> Board:
    """The organisation in an empty database."""
    board = Board(database)
    with database.begin() as session:
        readings.record(session, dict.fromkeys(readings.KINDS, 1), START)
        session.add(PolicyVersion(sha256="0" * 64, text=POLICY, applied_at=START))
    for name in (PIA, OLA, SPO, FIN, LEA, NED):
        board.person(name, business_unit="Care" if name == PIA else None)
    board.person("gus", is_guest=True)
    board.group("finance", FIN)
    return board
