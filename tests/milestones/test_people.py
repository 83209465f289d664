"""Erasing and exporting people: their words go, what was promised stays."""

import json
from datetime import date, datetime

import pytest
from sqlalchemy import text

from tests.contexts import make_context
from tests.milestones.conftest import Team
from workflows import clock
from workflows.context import OPERATOR
from workflows.milestones import reads, service
from workflows.people import service as people


@pytest.fixture
def lane(team: Team) -> Team:
    """Leo owns two milestones; he was reminded of one, put one at risk, and finished one."""
    team.project("lane")
    risky = team.add("leo", "lane", "Data sheet", date(2026, 1, 7))
    met = team.add("leo", "lane", "Model card", date(2026, 1, 8))
    team.live(datetime.fromisoformat("2026-01-07T12:00+00:00"))
    team.act(service.mark_at_risk, "leo", risky, reason="my mother is ill")
    team.act(service.complete, "leo", met, proof="told by Mum")
    return team


def test_words_go_and_the_milestone_stays(lane: Team) -> None:
    with lane.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=clock.now(session)), "p_leo")
    risky, met = lane.milestone(1), lane.milestone(2)
    assert (risky.risk, risky.status) == ("", "at_risk")
    assert (met.proof, met.status) == ("", "done")
    assert risky.owner is not None
    assert (risky.owner.slack_id, risky.owner.name) == (None, "an erased person")
    with lane.db.read() as session:
        detail = reads.load_detail(
            make_context(session, policy=lane.policy, now=clock.now(session)), 1
        )
        assert detail.milestone.title == "Data sheet"
        kept = session.execute(
            text("SELECT count(*) FROM private_text WHERE text LIKE '%M%m%'")
        ).scalar_one()
    assert kept == 0
    lane.live(datetime.fromisoformat("2026-01-20T00:00+00:00"))
    # Nobody can be told under his name any more; whoever manages the project is the first in the chain now.
    assert {one.person for one in lane.sent if one.at.day > 7} == {"nora", "kiran"}


def test_what_is_kept_about_somebody(lane: Team) -> None:
    with lane.db.read() as session:
        found = people.export(session, "p_leo")
    assert [one["title"] for one in found["milestones"]] == ["Data sheet", "Model card"]
    assert sorted(one["step"] for one in found["reminders"]) == [-1, -1, 0]
    assert "my mother is ill" in json.dumps(found["texts"])
