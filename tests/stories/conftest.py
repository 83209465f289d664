"""One running mlgov per way it can be run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import fresh_url
from tests.stories.office import Office, opened


@pytest.fixture(params=["sqlite-http", "postgres-http", "sqlite-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """The sandbox and a bot over signed HTTP and over Socket Mode, on both databases."""
    backend, over = request.param.split("-")
    with opened(fresh_url(backend, request, tmp_path), tmp_path, over=over) as running:
        yield running
        running.record_holds()
