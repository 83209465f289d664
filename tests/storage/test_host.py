"""One machine at a time has a SQLite file open."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import db
from storage.db import Database


@contextmanager
def held_elsewhere(database: Path, name: str = "mlgov-2") -> Iterator[None]:
    """Another machine holds the file, as a shared file system shows it."""
    with database.with_name(database.name + "-host").open("w+") as file:
        file.write(name)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def test_processes_of_one_machine_share_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mlgov.db'}"
    one, two = Database(url), Database(url)
    one.hold_host()
    two.hold_host()
    one.close()
    two.close()


def test_another_machine_is_refused_by_name_until_it_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "mlgov.db"
    database = Database(f"sqlite:///{file}")
    with held_elsewhere(file), pytest.raises(db.AnotherHost, match="mlgov-2"):
        database.hold_host()
    database.hold_host()
    assert (tmp_path / "mlgov.db-host").read_text() == db.this_host()
    database.close()


def test_a_place_that_is_not_there_is_left_to_sqlite(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'mlgov.db'}")
    database.hold_host()
    database.close()
