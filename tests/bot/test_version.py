"""Everybody can ask which mlgov this is."""

import platform
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from storage import migrate
from tests.api.conftest import served
from tests.cli import run
from tests.conftest import fresh_url


def test_the_command_line_says_it() -> None:
    release, python = metadata.version("mlgov"), platform.python_version()
    assert run("--version") == (
        0,
        f"mlgov {release} (database revision {migrate.newest_revision()}, Python {python})\n",
    )


@pytest.mark.slow
def test_health_metrics_and_the_api_say_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    release, revision = metadata.version("mlgov"), migrate.newest_revision()
    with served(fresh_url("sqlite", request, tmp_path), tmp_path) as api:
        base = api.office.base_url
        health = httpx.get(f"{base}/healthz", trust_env=False).text
        assert health.startswith(f"ok mlgov {release} (database revision {revision}, ")
        assert (
            f'mlgov_build_info{{python="{platform.python_version()}",revision="{revision}",version="{release}"}} 1.0'
            in httpx.get(f"{base}/metrics", trust_env=False).text
        )
        document = api.get("/openapi.json")
        assert document.json()["info"]["version"] == release
        refused = httpx.get(f"{base}/api/v1/approvals", trust_env=False)
        assert (refused.status_code, refused.headers["Mlgov-Version"]) == (401, release)
