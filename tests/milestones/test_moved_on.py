"""A later day is approved for the milestone as it was shown: where a file has moved it since, the requester is asked."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from storage.approvals.tables import Approval
from storage.delivery.tables import Timer
from storage.enums import Verdict
from storage.milestones.tables import Milestone
from storage.people.tables import Person
from tests.contexts import make_context
from tests.milestones.conftest import ORG, POLICY, Team, actor
from workflows import clock, policy
from workflows.approvable import SubjectMoved
from workflows.approvals import actions, submission
from workflows.approvals.forms import AskAgain, Decide, SubmitRequest
from workflows.context import SYSTEM
from workflows.milestones import service
from workflows.milestones.forms import Reschedule
from workflows.milestones.service import TYPE
from workflows.policies import service as policies
from workflows.resting import RECHECK

FIRST, ASKED = date(2026, 2, 2), date(2026, 2, 9)


@pytest.fixture
def asked(team: Team) -> Team:
    """Nora asks for a week more for what Nora answers for; Kiran sponsors it."""
    team.project("lane")
    milestone = team.add("nora", "lane", "Data sheet", FIRST)
    text = policy.parse(f"{POLICY}milestones: {{reschedule: milestone_reschedule}}\n")
    team.policy = text.policy
    with team.db.begin() as session:
        session.execute(update(Person).values(refreshed_at=clock.real_now(session), team_id=ORG))
        version = policies.adopt(make_context(session, actor=SYSTEM, now=clock.now(session)), text)
        submission.submit_request(
            make_context(
                session,
                actor=actor("nora"),
                policy=text.policy,
                policy_id=version,
                now=clock.now(session),
                org=ORG,
            ),
            SubmitRequest(
                gate="milestone_reschedule",
                subject_type=TYPE,
                form=Reschedule(milestone_id=milestone, revision=1, new=ASKED),
                reason="One of us is ill",
                request_key="a",
            ),
        )
    return team


def act(team: Team, by: str, form: Decide | AskAgain) -> None:
    with team.db.begin() as session:
        actions.perform_act(
            make_context(
                session,
                actor=actor(by),
                policy=team.policy,
                policy_id=1,
                now=clock.now(session),
                org=ORG,
            ),
            form,
        )


def approve(team: Team, revision: int = 1) -> None:
    act(team, "kiran", Decide(approval_id=1, revision=revision, verdict=Verdict.APPROVE))


def loaded(team: Team, day: date) -> None:
    """A file says another day."""
    with team.db.begin() as session:
        row = session.get_one(Milestone, 1)
        service.move(
            make_context(session, actor=SYSTEM, policy=team.policy, now=clock.now(session)),
            row,
            day,
        )


def due(team: Team) -> date:
    with team.db.read() as session:
        return session.get_one(Milestone, 1).forecast


def test_an_approval_does_not_bring_a_milestone_forward(asked: Team) -> None:
    loaded(asked, date(2026, 3, 2))
    with pytest.raises(SubjectMoved, match=r"is due on Mon 2 Mar now; it was due on Mon 2 Feb"):
        approve(asked)
    assert due(asked) == date(2026, 3, 2)
    with asked.db.read() as session:
        waiting = select(Timer.subject_id).where(Timer.kind == RECHECK, Timer.state == "due")
        assert list(session.execute(waiting).scalars()) == ["1"]
    asked.tick()
    with asked.db.read() as session:
        row = session.get_one(Approval, 1)
        stands, revision = row.moved, row.revision
    assert stands is not None
    act(asked, "nora", AskAgain(approval_id=1, revision=revision, stands=stands))
    approve(asked, revision + 1)
    assert due(asked) == date(2026, 3, 9)


def test_what_was_met_is_not_moved(asked: Team) -> None:
    asked.act(service.complete, "nora", 1, proof="done")
    with pytest.raises(SubjectMoved, match="was met on"):
        approve(asked)


def test_what_nobody_touched_is_approved(asked: Team) -> None:
    asked.at(asked.now() + timedelta(days=1))
    asked.act(service.mark_at_risk, "nora", 1, reason="one is ill")
    approve(asked)
    assert due(asked) == ASKED
