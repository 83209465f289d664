"""People in five zones, projects of theirs, a clock that is moved, and a stand-in for the sending of messages."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from storage import runtime
from storage.db import Database
from storage.delivery.tables import Outbox, Schedule, Timer
from storage.enums import Op
from storage.milestones import queries
from storage.milestones.tables import Milestone
from storage.people.tables import Person
from storage.projects.tables import Project
from storage.status.tables import Meeting
from tests.contexts import make_context
from workflows import clock, imports, jobs, outbox
from workflows.context import Actor, ActorKind
from workflows.delivery import settling
from workflows.delivery.claiming import Claimer
from workflows.delivery.pace import Pace
from workflows.delivery.records import Errand
from workflows.delivery.settling import Done, NotThere, Outcome
from workflows.job_runner import Runner
from workflows.milestones import reads, service
from workflows.milestones.forms import AddMilestone
from workflows.milestones.records import MilestoneRecord
from workflows.policy import Policy, parse

ORG = "T0ACME"
STARTS = datetime(2026, 1, 5, 6, tzinfo=UTC)
NEVER = datetime(2099, 1, 1, tzinfo=UTC)
PACE = Pace(auth_pause=0.0, late_accept=0.0).scaled(0.0005)

PEOPLE = {
    "nora": ("America/New_York", "US"),
    "leo": ("Europe/London", "GB-ENG"),
    "hana": ("Australia/Lord_Howe", "AU-NSW"),
    "kiran": ("Asia/Kathmandu", "NP"),
    "apa": ("Pacific/Apia", "WS"),
}
POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
gates:
  milestone_reschedule:
    stages: [{name: Sponsor, approvers: [subject.sponsor]}]
"""


def policy(more: str = "") -> Policy:
    """Hana and Apa see every project, as people do who work on it; the others see their own."""
    found = parse(POLICY + more).policy
    return found.model_copy(update={"roles": {"leader": ("U0HANA", "U0APA"), **found.roles}})


def actor(name: str) -> Actor:
    return Actor(f"p_{name}", ActorKind.PERSON, name.capitalize(), f"U0{name.upper()}")


class Killed(BaseException):
    """The process ended here, as by `kill -9`: nothing that follows happens."""


@dataclass
class Sent:
    """One reminder as it arrived: who, when, and which reminders it told."""

    person: str
    at: datetime
    told: frozenset[tuple[int, date, int]]


@dataclass
class Team:
    """The database of an organisation, and what its people were sent."""

    db: Database
    work: Path
    policy: Policy = field(default_factory=policy)
    arrived: dict[str, datetime] = field(default_factory=dict)
    """Dedupe key of every post → when it arrived; a second time fails the test."""
    sent: list[Sent] = field(default_factory=list)
    probe: Callable[[str], None] = lambda name: None
    is_prepared: bool = False

    # --- time

    def at(self, moment: datetime) -> None:
        """It is `moment` now."""
        with self.db.begin() as session:
            real, _ = clock.both(session)
            runtime.set_offset(session, moment - real)

    def now(self) -> datetime:
        with self.db.read() as session:
            return clock.now(session)

    def runner(self) -> Runner:
        return Runner(
            self.db, jobs.REGISTRY, policy=lambda: (self.policy, 1), org_key=ORG, probe=self.probe
        )

    def tick(self) -> None:
        """What is due happens, and is sent."""
        self.run_due()
        self.deliver()

    def next_moment(self) -> datetime:
        """When the next timer, schedule or waiting message falls due."""
        with self.db.read() as session:
            found = session.execute(
                select(func.min(Timer.due_at))
                .where(Timer.state == "due")
                .union_all(
                    select(func.min(Schedule.next_at)),
                    select(func.min(Outbox.due_at)).where(
                        Outbox.state == "pending", Outbox.op == "post"
                    ),
                )
            ).scalars()
            return min((moment for moment in found if moment), default=NEVER)

    def live(self, until: datetime) -> None:
        """Everything that falls due before `until` happens at its moment."""
        while (moment := max(self.next_moment(), self.now())) < until:
            self.at(moment + timedelta(seconds=1))
            self.tick()
        self.at(until)

    def run_due(self) -> None:
        while self.runner().run():
            pass

    # --- sending

    def deliver(self) -> None:
        """Send what is due by the transactions of delivery; only Slack itself is left out."""
        claimer = Claimer(ORG, "test", PACE)
        if not self.is_prepared:
            with self.db.begin() as session:
                claimer.prepare(session)
            self.is_prepared = True
        while self._waits():
            with self.db.begin() as session:
                claimed = claimer.claim(session, 20)
            self.probe("claim.after_commit")
            for errand in claimed.errands:
                outcome = self._send(errand)
                self.probe("send.after")
                with self.db.begin() as session:
                    settling.write(
                        session, errand, outcome, pace=PACE, org_key=ORG, admin=lambda _: None
                    )
            if not claimed.errands:
                time.sleep(0.002)

    def _waits(self) -> bool:
        with self.db.read() as session:
            return outbox.count_waiting(session, now=clock.now(session)) > 0

    def _send(self, errand: Errand) -> Outcome:
        ts = str(errand.id)
        if errand.op is Op.UPDATE and errand.copy is not None:
            return Done(errand.real_now, errand.copy.channel, errand.copy.ts, "x")
        if errand.is_unknown:
            if errand.dedupe_key in self.arrived:
                return Done(errand.real_now, "D0", ts, "x", was_found=True)
            return NotThere()
        assert errand.dedupe_key not in self.arrived, f"{errand.dedupe_key} twice"
        self.arrived[errand.dedupe_key] = errand.due_now
        if errand.kind == "milestones.reminders_due":
            self._note(errand)
        return Done(errand.real_now, "D0", ts, "x")

    def _note(self, errand: Errand) -> None:
        with self.db.read() as session:
            found = queries.find_reminder(session, errand.notice["reminder_id"])
            assert found is not None
            told = queries.list_items_of(session, found.id)
            self.sent.append(
                Sent(
                    found.person_id.removeprefix("p_"),
                    errand.due_now,
                    frozenset((one.milestone_id, one.due, one.step) for one in told),
                )
            )

    # --- the organisation

    def project(
        self, key: str, *, owner: str = "leo", manager: str = "nora", sponsor: str = "kiran"
    ) -> int:
        with self.db.begin() as session:
            made = Project(
                key=key,
                name=key.capitalize(),
                owner_id=f"p_{owner}",
                manager_id=f"p_{manager}",
                sponsor_id=f"p_{sponsor}",
                status="in_progress",
                created_at=clock.now(session),
            )
            session.add(made)
            session.flush()
            return made.id

    def add(self, by: str, project: str, title: str, due: date, **more: Any) -> int:
        """Somebody adds a milestone of their own, or of `owner`."""
        owner = more.pop("owner", by)
        with self.db.begin() as session:
            return service.add_milestone(
                make_context(
                    session, actor=actor(by), policy=self.policy, now=clock.now(session), org=ORG
                ),
                AddMilestone(
                    project=project,
                    title=title,
                    due=due,
                    owner_id=f"p_{owner}",
                    request_key=f"{project}:{title}:{due}",
                    **more,
                ),
            )

    def act(self, what: Callable[..., Any], by: str, milestone: int, **more: Any) -> Any:
        """Somebody does something with a milestone as it is now."""
        with self.db.begin() as session:
            row = session.get(Milestone, milestone)
            assert row is not None
            ctx = make_context(session, actor(by), policy=self.policy, now=clock.now(session))
            return what(ctx, milestone, **({"revision": row.revision} | more))

    def milestone(self, id_: int) -> MilestoneRecord:
        with self.db.read() as session:
            return reads.load_record(
                make_context(session, policy=self.policy, now=clock.now(session)), id_
            )

    def travels(self, name: str, zone: str) -> None:
        """Slack says that somebody is in another zone now."""
        with self.db.begin() as session:
            person = session.get(Person, f"p_{name}")
            assert person is not None
            person.tz = zone

    def bring(self, text: str, name: str = "plan.csv", **options: Any) -> imports.Report:
        """Import a file of milestones."""
        path = self.work / name
        path.write_text(text, encoding="utf-8")
        return imports.run(
            self.db, imports.Request("milestones", path, **options), policy=self.policy, org_key=ORG
        )


def fill(database: Database) -> None:
    """The five people, as Slack and an import of people would have told of them."""
    with database.begin() as session:
        runtime.set_made_by(session, "demo")
        for name, (zone, country) in PEOPLE.items():
            session.add(
                Person(
                    id=f"p_{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    team_id=ORG,
                    name=name.capitalize(),
                    email=f"{name}@acme.test",
                    tz=zone,
                    country=country,
                )
            )
            session.flush()
            session.add(Meeting(person_id=f"p_{name}", met_at=STARTS, way="command"))


@pytest.fixture
def team(database: Database, tmp_path: Path) -> Team:
    """An organisation on a Monday morning."""
    fill(database)
    made = Team(database, tmp_path)
    made.at(STARTS)
    return made
