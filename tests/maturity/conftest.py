"""People who are asked, without Slack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.db import Database
from storage.enums import Answer
from storage.maturity.tables import MaturityInvitation
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion
from tests.contexts import make_context
from workflows import policy
from workflows.context import SYSTEM, Actor, ActorKind
from workflows.maturity import rules as maturity_rules
from workflows.maturity import service
from workflows.maturity.forms import GiveAnswer
from workflows.maturity.records import CycleResult, MyCheckIn
from workflows.policy import Policy

NOW = datetime(2026, 1, 26, 10, tzinfo=UTC)
ORG = "T0ACME"
POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London, country: GB}
channels: {governance: "#ml-governance"}
roles: {leader: [U0B0], assessor: [U0B1]}
maturity: {leaders: [persona:leader], practitioners: [persona:data scientist]}
"""


@dataclass
class House:
    """What a test does: start, answer, close, each as of a moment."""

    db: Database
    policy: Policy = field(default_factory=lambda: policy.parse(POLICY).policy)
    now: datetime = NOW

    def person(self, name: str, persona: str, unit: str | None, **more: object) -> None:
        """Add somebody."""
        with self.db.begin() as session:
            session.add(
                Person(
                    id=f"p_{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    team_id=ORG,
                    name=name,
                    persona=persona,
                    business_unit=unit,
                    **more,
                )
            )

    def crowd(self, leaders: int, practitioners: int, unit: str | None = "Care") -> None:
        """Leaders b0, b1, … and practitioners d0, d1, …"""
        for n in range(leaders):
            self.person(f"b{n}", "leader", unit)
        for n in range(practitioners):
            self.person(f"d{n}", "Data Scientist", unit)

    def actor(self, name: str) -> Actor:
        """Somebody who acts."""
        return Actor(f"p_{name}", ActorKind.PERSON, name, f"U0{name.upper()}")

    def rules(self, **more: object) -> None:
        """Change the policy's section."""
        self.policy = self.policy.model_copy(
            update={"maturity": self.policy.maturity.model_copy(update=more)}
        )

    def start(self, unit: str | None = None) -> int:
        """The first leader starts a check-in."""
        with self.db.begin() as session:
            return service.start_check_in(
                make_context(
                    session, actor=self.actor("b0"), policy=self.policy, org=ORG, now=self.now
                ),
                unit,
            )

    def mine(self, name: str) -> MyCheckIn:
        """Somebody's check-in."""
        with self.db.read() as session:
            found = service.find_own(
                make_context(session, actor=self.actor(name), policy=self.policy)
            )
        assert found is not None
        return found

    def say(
        self, name: str, answers: Mapping[str, str] | str = "yes", *, parts: int = 6
    ) -> MyCheckIn:
        """Answer the first few parts at once, or single statements by one tap each."""
        self.now += timedelta(seconds=1)
        actor = self.actor(name)
        with self.db.begin() as session:
            mine = service.find_own(make_context(session, actor=actor, policy=self.policy))
            assert mine is not None
            if isinstance(answers, str):
                shown = {
                    one.id: (one.answer and one.answer.value, answers)
                    for part in mine.dimensions[:parts]
                    for one in part.statements
                }
                return service.keep_window_answers(
                    make_context(session, actor=actor, policy=self.policy, now=self.now),
                    mine.id,
                    shown,
                )
            for statement, answer in answers.items():
                mine = service.give_answer(
                    make_context(session, actor=actor, policy=self.policy, now=self.now),
                    GiveAnswer(
                        invitation_id=mine.id,
                        statement=statement,
                        answer=Answer(answer),
                        stamp=f"{self.now.timestamp():.6f}",
                    ),
                )
        return mine

    def close(self, cycle: int) -> CycleResult:
        """The time is over."""
        with self.db.begin() as session:
            service.close_check_in(
                make_context(session, actor=SYSTEM, policy=self.policy, org=ORG, now=self.now),
                cycle,
            )
        with self.db.read() as session:
            found = service.find_of_cycle(session, cycle)
        assert found is not None
        return found

    def early(self, cycle: int) -> CycleResult:
        """A leader looks before it closes."""
        with self.db.begin() as session:
            return service.tell_early(
                make_context(
                    session, actor=self.actor("b0"), policy=self.policy, org=ORG, now=self.now
                ),
                cycle,
            )

    def states(self) -> dict[str, str]:
        """How each person stands."""
        with self.db.read() as session:
            return {
                person.removeprefix("p_"): state
                for person, state in session.execute(
                    select(MaturityInvitation.person_id, MaturityInvitation.state)
                )
            }


@pytest.fixture
def house(database: Database) -> House:
    """An organisation with a rubric in force, that has met mlgov long ago."""
    with database.begin() as session:
        service.adopt_rubric(make_context(session, actor=SYSTEM, now=NOW), maturity_rules.load())
        session.add(PolicyVersion(sha256="x", text="", applied_at=NOW - timedelta(days=400)))
    return House(database)
