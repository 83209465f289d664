"""`mlgov backup`: one file, whole, of one moment, while others write."""

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from storage import backup
from storage.db import Database
from tests import cli
from tests.backup.place import DYING, add_people, asked, environment, python
from tests.storage.test_host import held_elsewhere

WRITER = """
import sys
from storage.db import Database
from tests.backup.place import add_people
database = Database(sys.argv[1])
database.hold_host()
print("ready", flush=True)
number = 0
while True:
    add_people(database, f"writer{number}", padding=3000)
    number += 1
"""


@pytest.fixture
def file(sqlite_template: Path, tmp_path: Path) -> Path:
    """A migrated, empty SQLite database."""
    path = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, path)
    return path


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def mlgov(file: Path, *words: str, **more: str) -> tuple[int, str]:
    return cli.run(*words, MLGOV_DATABASE_URL=url(file), **more)


def test_a_copy_of_an_open_database_is_one_file_that_holds_everybody(
    file: Path, tmp_path: Path
) -> None:
    database = Database(url(file))
    database.hold_host()
    add_people(database, "ana", "ben", "cai", "dee", "eve")
    # What people do without a command, as found: the log that holds the newest rows stays behind.
    shutil.copy(file, tmp_path / "cp.db")
    assert asked(tmp_path / "cp.db", "SELECT count(*) FROM person") < 5

    target = tmp_path / "copies" / "today.db"
    target.parent.mkdir()
    code, words = mlgov(
        file, "backup", str(target), MLGOV_SIGNING_KEY="k", MLGOV_ANCHOR="heads.jsonl"
    )
    database.close()
    assert code == 0, words
    assert asked(target, "SELECT count(*) FROM person") == 5
    assert [path.name for path in target.parent.iterdir()] == ["today.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "5 people, 0 requests, the ledger up to entry 5 of Mon 26 Jan 2026" in words
    for elsewhere in ("MLGOV_SIGNING_KEY", "governance.yml", "heads.jsonl"):
        assert elsewhere in words


@pytest.mark.slow
def test_copies_taken_while_another_process_writes_are_each_of_one_moment(
    file: Path, tmp_path: Path
) -> None:
    database = Database(url(file))
    add_people(database, *(f"first{number}" for number in range(300)), padding=20_000)
    database.close()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url(file)], stdout=subprocess.PIPE, text=True
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            steps: list[str] = []
            found = [backup.write(file, tmp_path / f"{n}.db", probe=steps.append) for n in range(4)]
        finally:
            writer.kill()
    assert len(steps) > 4 * 4  # in small steps, so that nobody waits for all of it
    counts = [one.people for one in found]
    assert counts[0] >= 300
    assert counts[-1] > counts[0]  # the other process went on writing
    for number, one in enumerate(found):
        copy = tmp_path / f"{number}.db"
        assert one.people == one.entries == asked(copy, "SELECT seq FROM audit_head")
        assert backup.find_ledger_fault(copy) is None


def test_without_an_anchor_it_says_what_that_costs(file: Path, tmp_path: Path) -> None:
    code, words = mlgov(file, "backup", str(tmp_path / "copy.db"))
    assert code == 0
    assert "Set MLGOV_ANCHOR" in words
    assert "people who were erased after it come back" in words


def test_for_programs_it_is_json(file: Path, tmp_path: Path) -> None:
    code, words = mlgov(file, "backup", str(tmp_path / "copy.db"), "--json")
    told = json.loads(words)
    assert (code, told["people"], told["ledger_fault"]) == (0, 0, None)
    assert told["bytes"] == (tmp_path / "copy.db").stat().st_size


def test_what_is_there_already_stays_unless_it_is_forced(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious", encoding="utf-8")
    code, words = mlgov(file, "backup", str(target))
    assert (code, "--force writes over it" in words) == (1, True)
    assert target.read_text(encoding="utf-8") == "precious"
    assert mlgov(file, "backup", str(target), "--force")[0] == 0
    assert backup.read_contents(target).people == 0


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-host"])
def test_it_never_writes_over_the_database_or_what_belongs_to_it(file: Path, suffix: str) -> None:
    before = file.read_bytes()
    for name in (f"{file}{suffix}", f"{file.parent}/./{file.name}{suffix}"):
        code, words = mlgov(file, "backup", name, "--force")
        assert (code, "is the database itself" in words) == (1, True)
    assert file.read_bytes() == before


def test_not_by_way_of_a_link_either(file: Path, tmp_path: Path) -> None:
    (tmp_path / "soft.db").symlink_to(file)
    (tmp_path / "hard.db").hardlink_to(file)
    for name in ("soft.db", "hard.db"):
        code, words = mlgov(file, "backup", str(tmp_path / name), "--force")
        assert (code, "is the database itself" in words) == (1, True)


def test_a_place_that_cannot_be_written_is_one_sentence(file: Path, tmp_path: Path) -> None:
    code, words = mlgov(file, "backup", str(tmp_path / "nowhere" / "copy.db"))
    assert (code, words.count("\n")) == (1, 1)
    assert "nowhere" in words
    code, words = mlgov(file, "backup", str(tmp_path))
    assert (code, "is a folder" in words) == (1, True)
    code, words = mlgov(tmp_path / "none.db", "backup", str(tmp_path / "copy.db"))
    assert (code, "There is no database" in words) == (1, True)
    with held_elsewhere(file):
        code, words = mlgov(file, "backup", str(tmp_path / "copy.db"))
    assert (code, "in use on another machine" in words) == (1, True)


def test_an_older_database_is_copied_as_it_is(file: Path, tmp_path: Path) -> None:
    """The copy before an upgrade is the one that matters most: nothing may be migrated by taking it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0015'")
    code, words = mlgov(file, "backup", str(tmp_path / "copy.db"))
    assert (code, "revision 0015" in words) == (0, True)
    assert asked(tmp_path / "copy.db", "SELECT version_num FROM alembic_version") == ("0015")
    assert backup.fold_log(file)
    assert asked(file, "SELECT version_num FROM alembic_version") == "0015"


def test_a_ledger_that_does_not_hold_is_copied_and_told(file: Path, tmp_path: Path) -> None:
    database = Database(url(file))
    add_people(database, "ana", "ben")
    database.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_entry_no_delete")
        connection.execute("DELETE FROM audit_entry WHERE seq = 2")
    code, words = mlgov(file, "backup", str(tmp_path / "copy.db"))
    assert (code, "does not hold: the ledger was cut" in words) == (1, True)
    assert (tmp_path / "copy.db").exists()


@pytest.mark.crash
def test_killed_in_the_middle_it_leaves_no_half_copy_and_the_next_one_is_whole(
    file: Path, tmp_path: Path
) -> None:
    database = Database(url(file))
    add_people(database, *(f"n{number}" for number in range(200)), padding=20_000)
    database.close()
    target = tmp_path / "copies" / "today.db"
    target.parent.mkdir()
    for place, skip in (("backup.step", "2"), ("backup.before_rename", "0")):
        done = python(DYING, environment(tmp_path), place, skip, "backup", str(target))
        assert done.returncode == 137, done.stderr
        assert not target.exists()
    code, words = mlgov(file, "backup", str(target))
    assert (code, "200 people" in words) == (0, True)
    assert [path.name for path in target.parent.iterdir()] == ["today.db"]


def test_for_postgresql_it_says_what_to_run_without_the_password(tmp_path: Path) -> None:
    code, words = cli.run(
        "backup",
        str(tmp_path / "my copy.dump"),
        MLGOV_DATABASE_URL="postgresql+psycopg://mlgov:geheim@db.test:5433/gov?sslmode=require&password=geheim",
    )
    assert code == 3
    assert (
        f"pg_dump --format=custom --no-owner --file='{tmp_path / 'my copy.dump'}' "
        "'postgresql://mlgov@db.test:5433/gov?sslmode=require'"
    ) in words
    assert "geheim" not in words
    assert "PGPASSWORD" in words
