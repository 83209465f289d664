"""The same road in an Enterprise Grid: two workspaces, one organisation, a channel that both share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.enums import ApprovalState
from tests.stories.office import OLA, Office, opened, organisation
from tests.stories.test_road import ask, decide, over_budget, state, verified

FAY_AT_BRANCH = "U0FAY"


def grid() -> dict[str, Any]:
    """The organisation of the other stories as a Grid; Fay and Fred work in a second workspace."""
    world = organisation()
    world["enterprise"] = {"id": "E0ACME", "name": "Acme", "domain": "acme"}
    world["teams"].insert(1, {"id": "T0BRANCH", "name": "Acme Branch", "domain": "branch"})
    for user in world["users"]:
        if user["id"] in {"U0FAY", "U0FRED"}:
            user["team"] = "T0BRANCH"
            user["teams"] = ["T0BRANCH", "T0ACME"]
    for channel in world["channels"]:
        if channel["id"] == "C0TRIAGE":
            channel["teams"] = ["T0ACME", "T0BRANCH"]
    return world


@pytest.fixture
def office(sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    with opened(f"sqlite:///{tmp_path / 'grid.db'}", tmp_path, world=grid()) as running:
        yield running


def test_people_of_another_workspace_of_the_same_organisation_decide(office: Office) -> None:
    assert office.bot.deps.team.org_key == "E0ACME"
    over_budget(office)
    assert ask(office).ok
    assert decide(office, OLA).ok
    assert decide(office, FAY_AT_BRANCH).ok
    assert state(office) is ApprovalState.APPROVED
    assert verified(office)
