"""Killed for good while reminders fell due: nothing is lost, and nothing is told twice."""

import multiprocessing
from datetime import date, datetime

import pytest

from bot import failpoints
from storage.db import Database
from tests.milestones.conftest import ORG, Team, policy
from workflows import jobs
from workflows.job_runner import Runner


def tick_and_die(url: str, point: str) -> None:
    """A replica that is killed at a named place."""
    failpoints.arm(point)
    Runner(
        Database(url),
        jobs.REGISTRY,
        policy=lambda: (policy(), 1),
        org_key=ORG,
        probe=failpoints.hit,
    ).run()


@pytest.mark.crash
@pytest.mark.parametrize("point", ["timer.before_commit", "timer.after_commit"])
def test_killed_on_a_morning_on_which_something_was_due(
    team: Team, database_url: str, point: str
) -> None:
    team.project("lane")
    team.add("leo", "lane", "Data sheet", date(2026, 1, 14))
    team.add("leo", "lane", "Model card", date(2026, 1, 21))
    team.at(datetime.fromisoformat("2026-01-07T09:00:01+00:00"))
    process = multiprocessing.get_context("forkserver").Process(
        target=tick_and_die, args=(database_url, point)
    )
    process.start()
    process.join(30)
    assert process.exitcode == failpoints.STATUS
    team.live(datetime.fromisoformat("2026-01-08T00:00+00:00"))
    assert [(one.person, len(one.told)) for one in team.sent] == [("leo", 2)]
    team.live(datetime.fromisoformat("2026-01-15T00:00+00:00"))
    assert [(f"{one.at:%m-%d}", sorted(step for _, _, step in one.told)) for one in team.sent] == [
        ("01-07", [-14, -7]),
        ("01-13", [-1]),
        ("01-14", [-7, 0]),
    ]
