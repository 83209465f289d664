"""`mlgov migrate`, and what an upgrade does when it goes wrong: nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import migrate, triggers
from storage.db import Database
from tests.cli import run
from tests.conftest import BACKENDS
from tests.upgrades import dumps, releases

HEAD = migrate.newest_revision()

pytestmark = pytest.mark.slow


@pytest.fixture(params=BACKENDS)
def filled(
    request: pytest.FixtureRequest, empty_url: Callable[[str], str]
) -> Iterator[tuple[Database, str]]:
    """A database of this release with rows in every table, and its URL."""
    yield from _filled(empty_url(request.param), request.param)


@pytest.fixture
def filled_file(empty_url: Callable[[str], str]) -> Iterator[tuple[Database, str]]:
    """The same as a SQLite file, where what is tried does not depend on the database."""
    yield from _filled(empty_url("sqlite"), "sqlite")


def _filled(url: str, backend: str) -> Iterator[tuple[Database, str]]:
    database = Database(url)
    dumps.load(database, dumps.read("0016", backend))
    migrate.upgrade(database)
    yield database, url
    database.close()


def test_it_says_what_it_does(empty_url: Callable[[str], str], tmp_path: Path) -> None:
    url = empty_url("sqlite")
    database = Database(url)
    dumps.load(database, dumps.read("0012", "sqlite"))
    before = _rows(database)
    needs = f"The database is at revision 0012, and this mlgov needs {HEAD}; `mlgov migrate` brings it there.\n"
    assert run("migrate", "--check", MLGOV_DATABASE_URL=url) == (1, needs)
    # Whoever looks at a list does not change what replicas run on.
    assert run("outbox", "list", MLGOV_DATABASE_URL=url) == (1, needs)
    policy = tmp_path / "governance.yml"
    policy.write_text(dumps.read("0012", "sqlite").policy, encoding="utf-8")
    assert run(
        "run",
        "--http",
        "--no-migrate",
        MLGOV_DATABASE_URL=url,
        MLGOV_POLICY=str(policy),
        SLACK_BOT_TOKEN="xoxb-1",
        SLACK_SIGNING_SECRET="0123456789abcdef0123456789abcdef",
    ) == (1, needs)
    code, words = run("migrate", "--dry-run", MLGOV_DATABASE_URL=url)
    assert code == 0, words
    assert "0016  Why a measure in use could not be read\n" in words
    assert "Tried and undone: the database is still at revision 0012.\n" in words
    assert (
        "Afterwards only an mlgov of revision 0018 or newer runs on it. Stop older ones first."
        in words
    )
    assert (migrate.read_revision(database), _rows(database)) == ("0012", before)
    code, words = run("migrate", MLGOV_DATABASE_URL=url)
    assert (code, words.splitlines()[-1]) == (
        0,
        f"The database was at revision 0012; it is at {HEAD} now.",
    )
    at_home = (
        f"The database is at revision {HEAD}, as this mlgov needs it; there is nothing to do.\n"
    )
    for option in ([], ["--check"], ["--dry-run"]):
        assert run("migrate", *option, MLGOV_DATABASE_URL=url) == (0, at_home)
    assert run("migrate", "--check", "--dry-run", MLGOV_DATABASE_URL=url)[0] == 2
    database.close()


def test_a_database_that_is_not_there_is_made_by_migrate_alone(tmp_path: Path) -> None:
    file = tmp_path / "mlgov.db"
    url = f"sqlite:///{file}"
    for option in ("--check", "--dry-run"):
        code, words = run("migrate", option, MLGOV_DATABASE_URL=url)
        assert (code, words.startswith("There is no database at ")) == (1, True), words
        assert not file.exists()
    code, words = run("migrate", MLGOV_DATABASE_URL=url)
    assert (code, words.splitlines()[-1]) == (
        0,
        f"The database was empty; it is at revision {HEAD} now.",
    )


LOOSE = 'op.execute("DELETE FROM lane WHERE key IN (SELECT lane_key FROM message)")'
UNARMED = (
    'with op.batch_alter_table("audit_entry", recreate="always") as batch:\n'
    '        batch.add_column(sa.Column("more", sa.String(), nullable=True))'
)
KILLED = 'op.execute("DELETE FROM timer")\n    import os\n    os.kill(os.getpid(), 9)'


def test_rows_that_would_point_nowhere_are_refused(
    filled_file: tuple[Database, str], tmp_path: Path
) -> None:
    database, url = filled_file
    before = _rows(database)
    tree = releases.next_release(tmp_path, oldest=HEAD, body=LOOSE)
    done = releases.mlgov(tree, "migrate", MLGOV_DATABASE_URL=url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    loose = len(before["message"]["rows"])
    assert (
        f"Revision 9001 would leave rows that point nowhere: {loose} of message to lane"
        in done.stderr
    )
    assert "Nothing was changed." in done.stderr
    assert (migrate.read_revision(database), _rows(database)) == (HEAD, before)


def test_a_ledger_without_its_triggers_is_refused(
    filled: tuple[Database, str], tmp_path: Path
) -> None:
    database, url = filled
    tree = releases.next_release(tmp_path, oldest=HEAD, body=UNARMED)
    done = releases.mlgov(tree, "migrate", MLGOV_DATABASE_URL=url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "Revision 9001 would drop audit_entry_no_delete, audit_entry_no_" in done.stderr
    assert migrate.read_revision(database) == HEAD
    with database.read() as session:
        connection = session.connection()
        assert triggers.list_expected(connection.dialect.name) <= triggers.list_names(connection)


def test_a_killed_upgrade_has_changed_nothing(filled: tuple[Database, str], tmp_path: Path) -> None:
    database, url = filled
    before = _rows(database)
    tree = releases.next_release(tmp_path, oldest=HEAD, body=KILLED)
    assert releases.mlgov(tree, "migrate", MLGOV_DATABASE_URL=url).returncode == -9
    assert (migrate.read_revision(database), _rows(database)) == (HEAD, before)


def test_of_two_that_start_at_once_one_upgrades_and_the_other_waits(
    filled: tuple[Database, str], tmp_path: Path
) -> None:
    """The upgrade takes longer than a click would wait for a lock."""
    _database, url = filled
    tree = releases.next_release(
        tmp_path, oldest=HEAD, body="import time\n    time.sleep(4)", words="A slow one"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "bot.cli.main", "migrate"],
            env=releases.environment(tree, MLGOV_DATABASE_URL=url),
            cwd=tree,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert sorted("9001  A slow one" in words for words in printed) == [False, True], printed


def _rows(database: Database) -> dumps.Rows:
    with database.reshaping(keep=False) as connection:
        return dumps.rows(connection)
