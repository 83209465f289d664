"""An organisation in a database, and something small of ours that can be decided: whether a project goes live."""

import functools
import itertools
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage import ledger
from storage.approvals.tables import Approval, Decision
from storage.db import Database
from storage.delivery.tables import Message, Outbox, Timer
from storage.enums import Verdict
from storage.people import readings
from storage.people.tables import Channel, Person, UserGroup, UserGroupMember
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.approvals.launch import GoLive, ProjectLaunch
from tests.contexts import make_context
from workflows import approvable, jobs, permissions, policy, timers
from workflows.approvals import actions, reads, service, submission
from workflows.approvals.forms import (
    Answer,
    AskInformation,
    Decide,
    Edit,
    HandOver,
    Nudge,
    OnRequest,
    SubmitRequest,
    TakeBack,
    Terms,
    Withdraw,
)
from workflows.approvals.records import Card
from workflows.context import Actor, ActorKind
from workflows.outbox import Subject
from workflows.policy import Policy
from workflows.record.scanning import Look
from workflows.timers import DueTimer

ORG = "T0ACME"
START = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
channels: {audit: "#ml-audit"}
roles:
  finance: ["@finance", U0EVE]
gates:
  budget_increase:
    stages:
      - {name: Budget owner, approvers: [subject.owner, subject.sponsor]}
      - {name: Finance, approvers: [role:finance], quorum: 2}
    expires_after: 7d
"""


@functools.cache
def _policy(text: str) -> Policy:
    return policy.parse(text).policy


@dataclass
class House:
    """A database with people in it, and short words for what they do."""

    db: Database
    text: str = POLICY
    now: datetime = START
    keys: Iterator[int] = field(default_factory=itertools.count)

    sees_all: bool = True
    """Whether everybody here sees every project: then each is told why their own act does not count."""
    cast: list[str] = field(default_factory=list)
    by_hand: ClassVar[Set[str]] = {"policy"}
    """Kinds of records that are put here without mlgov, so that the ledger knows none."""

    @property
    def policy(self) -> Policy:
        found = _policy(self.text)
        if not self.sees_all or permissions.LEADER in found.roles:
            return found
        everybody = {permissions.LEADER: tuple(self.cast)}
        return found.model_copy(update={"roles": {**found.roles, **everybody}})

    def person(self, name: str, **flags: Any) -> None:
        self.cast.append(f"U0{name.upper()}")
        with self.db.begin() as session:
            session.add(
                Person(
                    id=f"p-{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    name=name.title(),
                    tz="Europe/London",
                    refreshed_at=START,
                    **flags,
                )
            )

    def group(self, handle: str, *members: str) -> None:
        with self.db.begin() as session:
            group = UserGroup(
                org_key=ORG,
                slack_id=f"S0{handle.upper()}",
                handle=handle,
                name=f"{handle.title()} partners",
                refreshed_at=START,
            )
            session.add(group)
            session.flush()
            session.add_all(
                UserGroupMember(group_id=group.id, person_id=f"p-{name}", since=START)
                for name in members
            )

    def leaves(self, handle: str, name: str) -> None:
        with self.db.begin() as session:
            group = session.execute(
                select(UserGroup).where(UserGroup.handle == handle)
            ).scalar_one()
            session.delete(session.get_one(UserGroupMember, (group.id, f"p-{name}")))

    def flag(self, who: str, /, **values: Any) -> None:
        with self.db.begin() as session:
            session.execute(update(Person).where(Person.id == f"p-{who}").values(**values))

    def project(self, channel: str | None = "C0LANE", owner: str | None = "ola") -> int:
        with self.db.begin() as session:
            made = Project(
                key=f"lane-{next(self.keys)}",
                name="Lane vision",
                owner_id=f"p-{owner}" if owner else None,
                sponsor_id=None,
                status="draft",
                channel=channel,
                created_at=START,
            )
            session.add(made)
            session.flush()
            return made.id

    def actor(self, name: str, **flags: Any) -> Actor:
        return Actor(
            f"p-{name}",
            ActorKind.PERSON,
            name.title(),
            f"U0{name.upper()}",
            "Europe/London",
            **flags,
        )

    def submit(
        self,
        name: str,
        project_id: int,
        *,
        key: str | None = None,
        reason: str = "The pilot is over.",
        **asked: Any,
    ) -> int:
        form = SubmitRequest(
            gate="budget_increase",
            subject_type="project",
            form=GoLive(project_id=project_id, **asked),
            reason=reason,
            request_key=key or f"key-{next(self.keys)}",
        )
        return self.db.run(
            lambda session: submission.submit_request(
                make_context(
                    session,
                    actor=self.actor(name),
                    policy=self.policy,
                    policy_id=1,
                    now=self.now,
                    org=ORG,
                ),
                form,
            )
        )

    def decide(
        self,
        name: str,
        approval_id: int,
        verdict: str = "approve",
        *,
        revision: int | None = None,
        reason: str = "",
        actor: Actor | None = None,
        clicked: tuple[str, str] | None = None,
        conditions: tuple[Terms, ...] = (),
    ) -> None:
        form = Decide(
            conditions=conditions,
            approval_id=approval_id,
            revision=revision or self.card(approval_id).revision,
            verdict=Verdict(verdict),
            reason=reason or ("Not yet." if verdict == "reject" else ""),
        )
        self.db.run(
            lambda session: actions.perform_act(
                make_context(
                    session,
                    actor=actor or self.actor(name),
                    policy=self.policy,
                    now=self.now,
                    org=ORG,
                    card=clicked,
                ),
                form,
            )
        )

    def withdraw(self, name: str, approval_id: int) -> None:
        self.act(name, Withdraw(**self.as_shown(approval_id)))

    def as_shown(self, approval_id: int) -> dict[str, int]:
        """The request as whoever acts sees it now."""
        return {"approval_id": approval_id, "revision": self.card(approval_id).revision}

    def act(self, name: str, form: OnRequest, *, actor: Actor | None = None, **more: Any) -> str:
        """Through the door; `more` is what else the context says."""
        return self.db.run(
            lambda session: actions.perform_act(
                make_context(
                    session,
                    actor=actor or self.actor(name),
                    policy=self.policy,
                    policy_id=1,
                    now=self.now,
                    org=ORG,
                    **more,
                ),
                form,
            )
        )

    def question(self, name: str, approval_id: int, text: str = "Why now?") -> str:
        return self.act(
            name,
            AskInformation(
                approval_id=approval_id, revision=self.card(approval_id).revision, question=text
            ),
        )

    def answer(self, name: str, approval_id: int, text: str = "It grew.") -> str:
        return self.act(name, Answer(**self.as_shown(approval_id), answer=text))

    def hand_over(self, name: str, approval_id: int, to: str, note: str = "") -> str:
        return self.act(
            name,
            HandOver(
                approval_id=approval_id,
                revision=self.card(approval_id).revision,
                to=f"U0{to.upper()}",
                note=note,
            ),
        )

    def nudge(self, name: str, approval_id: int) -> str:
        return self.act(name, Nudge(**self.as_shown(approval_id)))

    def take_back(self, name: str, approval_id: int) -> str:
        return self.act(name, TakeBack(**self.as_shown(approval_id)))

    def edit(
        self, name: str, approval_id: int, reason: str = "The pilot is over.", **asked: Any
    ) -> str:
        card = self.card(approval_id)
        known = {key: card.facts[key] for key in ("project_id", "amount", "percent")}
        form = Edit(**self.as_shown(approval_id), form=GoLive(**known | asked), reason=reason)
        return self.act(name, form)

    def condition_shown(self, approval_id: int) -> dict[str, int]:
        """The request's first condition as whoever acts sees it now."""
        (one, *_) = self.card(approval_id).extras.conditions
        condition = {"condition_id": one.id, "condition_revision": one.revision}
        return self.as_shown(approval_id) | condition

    def expire(self, approval_id: int) -> None:
        self.db.run(
            lambda session: service.expire(
                make_context(session, policy=self.policy, now=self.now, org=ORG), approval_id
            )
        )

    def until(self, moment: datetime) -> None:
        """Move the clock, and let every timer run when it falls due, in order."""
        while True:
            with self.db.read() as session:
                timer = session.execute(
                    select(Timer)
                    .where(Timer.state == "due", Timer.due_at <= moment)
                    .order_by(Timer.due_at, Timer.id)
                    .limit(1)
                ).scalar_one_or_none()
                if timer is None:
                    break
                found = DueTimer(
                    timer.id, Subject(timer.subject_type, timer.subject_id), timer.kind, timer.seq
                )
                self.now = max(self.now, timer.due_at)
            self.db.run(functools.partial(self._run, found))
        self.now = moment

    def _run(self, timer: DueTimer, session: Session) -> None:
        if timers.take_timer(session, timer.id, due_now=self.now):
            ctx = make_context(session, policy=self.policy, org=ORG, now=self.now)
            jobs.REGISTRY.timers[timer.kind](ctx, timer)

    def joins(self, handle: str, name: str) -> None:
        with self.db.begin() as session:
            group = session.execute(
                select(UserGroup).where(UserGroup.handle == handle)
            ).scalar_one()
            session.add(UserGroupMember(group_id=group.id, person_id=f"p-{name}", since=self.now))

    def later(self, by: timedelta) -> None:
        self.now += by

    def card(self, approval_id: int, reader: str | None = None) -> Card:
        with self.db.read() as session:
            return reads.card(
                make_context(session, policy=self.policy, now=self.now),
                approval_id,
                reader_id=f"p-{reader}" if reader else None,
            )

    def state(self, approval_id: int) -> str:
        with self.db.read() as session:
            return session.execute(
                select(Approval.state).where(Approval.id == approval_id)
            ).scalar_one()

    def status(self, project_id: int) -> str:
        with self.db.read() as session:
            return session.get_one(Project, project_id).status

    def deciders(self, approval_id: int) -> list[tuple[str, int, str]]:
        with self.db.read() as session:
            return [
                (row.person_id.removeprefix("p-"), row.position, row.verdict)
                for row in session.execute(
                    select(Decision)
                    .where(Decision.approval_id == approval_id, Decision.taken_back_at.is_(None))
                    .order_by(Decision.id)
                ).scalars()
            ]

    def sent(self, kind: str | None = None) -> list[Outbox]:
        with self.db.read() as session:
            found = session.execute(select(Outbox).order_by(Outbox.id)).scalars().all()
            session.expunge_all()
        return [row for row in found if kind is None or row.kind == kind]

    def told(self, kind: str) -> list[str]:
        return [row.lane_key.rsplit(":", 1)[-1] for row in self.sent(kind) if row.op != "update"]

    def deliver(self) -> None:
        """What delivery would have done: everything that waits was sent, and copies stand in Slack."""
        with self.db.begin() as session:
            for row in session.execute(
                select(Outbox).where(Outbox.state == "pending").order_by(Outbox.id)
            ).scalars():
                row.state = "sent"
                if row.op != "post" or row.subject_type is None:
                    continue
                session.add(
                    Message(
                        outbox_id=row.id,
                        subject_type=row.subject_type,
                        subject_id=row.subject_id or "",
                        kind=row.kind,
                        notice=row.notice,
                        notice_version=row.notice_version,
                        lane_key=row.lane_key,
                        channel=row.lane_key.rsplit(":", 1)[-1],
                        ts=f"{row.id}.0001",
                        shown_hash="",
                        shown_at=self.now,
                        live=True,
                    )
                )

    def ledger_holds(self) -> None:
        """The chain holds, and the record is what the ledger proves."""
        with self.db.read() as session:
            assert ledger.verify(session) is None
            compared = Look().all(session, self.now).compared
        # Nobody sends the heads of the ledger here.
        faults = [
            fault
            for fault in compared.faults
            if fault.kind not in self.by_hand and fault.what != "heads_late"
        ]
        assert faults == []

    def entries(self, approval_id: int) -> list[str]:
        from storage.audit.tables import AuditEntry

        with self.db.read() as session:
            return list(
                session.execute(
                    select(AuditEntry.action)
                    .where(
                        AuditEntry.subject_type == "approval",
                        AuditEntry.subject_id == str(approval_id),
                    )
                    .order_by(AuditEntry.seq)
                ).scalars()
            )


def populated(db: Database, text: str = POLICY) -> House:
    """Ola owns, Tim asks, Fay, Fred and Eve are finance; a guest, a stranger, a bot and a leaver are there too."""
    house = House(db, text)
    with db.begin() as session:
        readings.record(session, dict.fromkeys(readings.KINDS, 1), START)
        session.add(PolicyVersion(sha256="0" * 64, text=text, applied_at=START))
        session.add_all(
            Channel(org_key=ORG, slack_id=id_, name=name, bot_is_member=True, refreshed_at=START)
            for id_, name in (("C0LANE", "lane-vision"), ("C0AUDIT", "ml-audit"))
        )
    for name in ("ola", "tim", "fay", "fred", "eve", "ned"):
        house.person(name)
    house.person("gus", is_guest=True)
    house.person("sam", is_stranger=True)
    house.person("bob", is_bot=True)
    house.person("lea", is_deactivated=True)
    house.group("finance", "fay", "fred", "gus", "sam", "bob", "lea")
    return house


@pytest.fixture(autouse=True)
def launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects can go live by a decision, in these tests."""
    monkeypatch.setitem(approvable.SUBJECTS, "project", ProjectLaunch())


@pytest.fixture
def house(database: Database) -> House:
    """The organisation, on both databases."""
    return populated(database)
