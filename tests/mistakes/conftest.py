"""A Slack to be wrong about."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import installed
from sandbox.faults import Faults
from sandbox.server import Sandbox
from sandbox.world import World
from tests.stories.office import POLICY, organisation


@pytest.fixture(scope="module")
def workspace() -> Iterator[Sandbox]:
    with Sandbox(
        World.from_dict(organisation()), installed.load_manifest(), limits=False, faults=Faults()
    ) as running:
        yield running


@pytest.fixture
def slack(workspace: Sandbox) -> Iterator[Sandbox]:
    """The workspace, with nothing wrong in it."""
    yield workspace
    workspace.faults.clear()


@pytest.fixture
def right(slack: Sandbox, tmp_path: Path) -> dict[str, str]:
    """An environment with which `mlgov run` runs over Socket Mode; each test makes one mistake in it."""
    (tmp_path / "governance.yml").write_text(POLICY, encoding="utf-8")
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "MLGOV_DATABASE_URL": f"sqlite:///{tmp_path / 'mlgov.db'}",
        "MLGOV_POLICY": str(tmp_path / "governance.yml"),
    }
