"""Empty databases of both kinds: what is put into them comes from dumps."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.conftest import drop_database


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Gives the URL of a database of this kind in which there is not one table."""

    def url(backend: str) -> str:
        if backend == "sqlite":
            return f"sqlite:///{tmp_path / 'mlgov.db'}"
        server = make_url(request.getfixturevalue("postgres_server"))
        uri = server.set(drivername="postgresql+psycopg")
        name = f"e_{uuid.uuid4().hex[:16]}"
        admin = create_engine(uri, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} STRATEGY file_copy"))
        admin.dispose()
        request.addfinalizer(lambda: drop_database(uri, name))
        return uri.set(database=name).render_as_string(hide_password=False)

    return url
