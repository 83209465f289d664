"""Payloads of GitHub's own webhooks, which lie outside the project; skipped where they do not."""

import os
from datetime import date
from pathlib import Path

import pytest

from tests.contexts import make_context
from tests.milestones.conftest import Team
from workflows import clock
from workflows.milestones import service

SAMPLES = (
    Path(os.environ.get("MLGOV_SHARED", Path(__file__).parents[3] / "shared"))
    / "data"
    / "milestones"
)

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the folder of real payloads is not beside the project"
)


def test_every_real_payload_is_read_and_midnight_in_california_is_no_day_early(team: Team) -> None:
    team.project("lane")
    for path in sorted(SAMPLES.glob("*.json")):
        report = team.bring(path.read_text(encoding="utf-8"), path.name, project="lane")
        assert not report.refused, path.name
        with team.db.read() as session:
            found = service.list_for_projects(
                make_context(session, policy=team.policy, now=clock.now(session)), [1]
            )
        days = {one.baseline for one in found.get(1, [])}
        assert days <= {date(2019, 5, 23)}, path.name
