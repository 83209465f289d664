"""Databases that cannot be used: where, why, and what to do; the password is never told."""

import shutil
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from storage import migrate, runtime
from storage.db import Database
from tests.mistakes.others import postgres_that_refuses
from tests.mistakes.typed import assert_told, process, typed
from tests.storage.test_host import held_elsewhere

COMMANDS = (("run", "--port", "0"), ("import", "people", "people.csv"), ("doctor",))


def no_folder(place: Path) -> Path:
    return place / "none" / "mlgov.db"


def a_folder(place: Path) -> Path:
    return place


def no_database(place: Path) -> Path:
    file = place / "notes.txt"
    file.write_text("not a database, but longer than its head")
    return file


def a_damaged_one(place: Path) -> Path:
    file = place / "damaged.db"
    file.write_bytes(b"SQLite format 3\x00" + b"\x01" * 5000)
    return file


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (no_folder, "the folder of the database isn't there. Make it (mkdir -p"),
        (a_folder, "MLGOV_DATABASE_URL names a folder"),
        (no_database, "is no SQLite database. Name another file in MLGOV_DATABASE_URL."),
        (a_damaged_one, "is damaged, or no SQLite database"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_place_that_cannot_be(
    made: Callable[[Path], Path],
    words: str,
    command: tuple[str, ...],
    right: dict[str, str],
    tmp_path: Path,
) -> None:
    right["MLGOV_DATABASE_URL"] = f"sqlite:///{made(tmp_path)}"
    ended = typed(right, tmp_path, *command)
    if command == ("doctor",):
        assert ended.code == 1
        assert any(
            line.startswith("failed  database: ") and words in line
            for line in ended.out.splitlines()
        ), ended.out
    else:
        assert_told(ended, words)


def namespaced(mounts: str) -> str:
    """A line of shell that mounts before the command: nothing of it is seen outside, and it takes no rights."""
    return f'exec unshare -rm sh -c \'{mounts} && exec "$@"\' sh "$@"'


may_mount = pytest.mark.skipif(
    shutil.which("unshare") is None
    or process({}, Path("/"), "--help", shell=namespaced("true")).code != 0,
    reason="this machine lets nobody mount in a namespace of their own",
)


@pytest.mark.slow
@may_mount
def test_a_folder_and_a_file_that_may_not_be_written(
    right: dict[str, str], tmp_path: Path, sqlite_template: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    right["MLGOV_DATABASE_URL"] = f"sqlite:///{folder / 'mlgov.db'}"
    read_only = namespaced(f"mount -t tmpfs -o ro none {folder}")
    assert_told(
        process(right, tmp_path, "run", shell=read_only),
        f"{folder}: this user may not write in the folder of the database",
    )
    right["MLGOV_DATABASE_URL"] = f"sqlite:///{tmp_path / 'mlgov.db'}"
    file = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, file)
    bound = namespaced(f"mount --bind {file} {file} && mount -o remount,ro,bind {file}")
    assert_told(
        process(right, tmp_path, "run", shell=bound),
        f"{file}: the database is read-only for this user",
    )


@pytest.mark.slow
@may_mount
def test_a_full_disk(right: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    right["MLGOV_DATABASE_URL"] = f"sqlite:///{folder / 'mlgov.db'}"
    tiny = namespaced(f"mount -t tmpfs -o size=200k none {folder}")
    ended = process(right, tmp_path, "run", "--port", "0", shell=tiny)
    assert_told(ended, "the disk has no room left", "nothing was changed")


@pytest.mark.slow
def test_a_file_that_may_grow_no_more(right: dict[str, str], tmp_path: Path) -> None:
    ended = process(right, tmp_path, "run", "--port", "0", shell='ulimit -f 100; exec "$@"')
    assert_told(ended, "the disk has no room left, or can't be written")


def test_another_machine_has_it_open(right: dict[str, str], tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "mlgov.db"):
        assert_told(typed(right, tmp_path, "run"), "in use on another machine, mlgov-2")


def test_another_program_holds_it(
    right: dict[str, str], tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "mlgov.db")
    holder = sqlite3.connect(tmp_path / "mlgov.db")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        ended = typed(right, tmp_path, "outbox", "cancel", "1")
    finally:
        holder.close()
    assert_told(ended, "Nothing was changed; try again")


@pytest.mark.parametrize("command", [("run",), ("outbox", "list"), ("doctor",)])
def test_a_newer_release_made_it(
    command: tuple[str, ...], right: dict[str, str], tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "mlgov.db")
    later = sqlite3.connect(tmp_path / "mlgov.db")
    later.execute("UPDATE alembic_version SET version_num = '9999'")
    later.execute("UPDATE runtime SET oldest_revision = '9998'")
    later.commit()
    later.close()
    ended = typed(right, tmp_path, *command)
    assert ended.code == 1
    assert "at revision 9999, which needs an mlgov of revision 9998" in ended.said
    assert "install a newer mlgov" in ended.said
    assert "Traceback" not in ended.said


def test_the_demo_made_it(right: dict[str, str], tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "mlgov.db")
    database = Database(right["MLGOV_DATABASE_URL"])
    with database.begin() as session:
        runtime.set_made_by(session, "demo")
        runtime.set_facts(session, {"org_key": "T0"})
    database.close()
    assert_told(typed(right, tmp_path, "run"), "the demo made; give `mlgov run` one of its own")


@pytest.mark.parametrize(
    "words",
    [
        ("outbox", "list"),
        ("audit", "head"),
        ("token", "list"),
        ("people", "export", "U1"),
        ("policy", "diff"),
        ("registry", "status"),
        ("keys", "list"),
    ],
    ids=" ".join,
)
def test_a_command_before_mlgov_ever_ran(
    words: tuple[str, ...], right: dict[str, str], tmp_path: Path
) -> None:
    ended = typed(right, tmp_path, *words)
    assert_told(ended, "There is no database at", "or make one by `mlgov run`")


# --- PostgreSQL


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (
            "28P01",
            'password authentication failed for user "mlgov"',
            "refuses the user or the password",
        ),
        ("28P01", "Passwort-Authentifizierung fehlgeschlagen", "can't be used: "),
        ("28000", 'no pg_hba.conf entry for host "10.0.0.1"', "lets nobody in from here"),
        ("3D000", 'database "governance" does not exist', "has no such database. Make it there"),
        ("28000", 'role "mlgov" does not exist', "has no such role. Make it there"),
        ("53300", "sorry, too many clients already", "has no connection left"),
        ("57P03", "the database system is starting up", "Try again in a moment"),
    ],
)
def test_a_server_that_refuses(
    code: str, message: str, words: str, right: dict[str, str], tmp_path: Path
) -> None:
    with postgres_that_refuses(code, message) as url:
        right["MLGOV_DATABASE_URL"] = url
        for command in COMMANDS:
            ended = typed(right, tmp_path, *command)
            assert ended.code == 1
            assert words in ended.said
            assert ("Traceback" in ended.said, "hush-hush" in ended.said) == (False, False)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://mlgov:hush-hush@127.0.0.1:1/none", "127.0.0.1:1/none can't be reached"),
        ("postgresql://mlgov:hush-hush@mlgov.invalid/none", "can't be resolved (DNS)"),
        ("postgresql:///none?host=/nowhere", "can't be reached"),
    ],
)
def test_a_server_that_is_not_there(
    url: str, words: str, right: dict[str, str], tmp_path: Path
) -> None:
    right["MLGOV_DATABASE_URL"] = url
    for command in (*COMMANDS, ("outbox", "list")):
        ended = typed(right, tmp_path, *command)
        assert ended.code == 1
        assert words in ended.said
        assert ("Traceback" in ended.said, "hush-hush" in ended.said) == (False, False)


def test_a_role_without_rights_on_postgres(
    right: dict[str, str], tmp_path: Path, postgres_server: str
) -> None:
    uri = make_url(postgres_server).set(drivername="postgresql+psycopg")
    name = f"r_{uuid.uuid4().hex[:12]}"
    admin = create_engine(uri, isolation_level="AUTOCOMMIT")
    inside = create_engine(uri.set(database=name), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
    with inside.connect() as connection:
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    inside.dispose()
    try:
        theirs = uri.set(database=name, username=name)
        right["MLGOV_DATABASE_URL"] = theirs.render_as_string(hide_password=False)
        assert_told(typed(right, tmp_path, "run"), "does not let this role do what mlgov needs")
        ended = typed(right, tmp_path, "doctor")
        assert "failed  database: PostgreSQL, revision none yet" in ended.out
        assert "GRANT CREATE, USAGE ON SCHEMA public" in ended.out
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            connection.execute(text(f"DROP ROLE {name}"))
        admin.dispose()


def test_a_pool_larger_than_postgres_allows(
    right: dict[str, str], tmp_path: Path, postgres_server: str
) -> None:
    uri = make_url(postgres_server).set(drivername="postgresql+psycopg")
    right["MLGOV_DATABASE_URL"] = uri.set(database="template_mlgov").render_as_string(
        hide_password=False
    )
    ended = typed(right | {"MLGOV_DATABASE_POOL": "400"}, tmp_path, "doctor")
    assert ended.code == 0
    assert "warning database: PostgreSQL, revision" in ended.out
    assert "MLGOV_DATABASE_POOL lets each replica open 400" in ended.out


def test_the_pool_is_as_large_as_the_setting_says(database: Database) -> None:
    assert database.engine.pool.size() + database.engine.pool._max_overflow == 30  # type: ignore[attr-defined]
    small = Database(database.url, most_connections=5)
    held = [small.engine.connect() for _ in range(5)]
    with pytest.raises(Exception, match="QueuePool limit"):
        small.engine.connect()
    for connection in held:
        connection.close()
    small.close()


def test_a_migration_that_fails_is_told_under_a_reference(
    right: dict[str, str], tmp_path: Path
) -> None:
    """What no sentence foresees: a table in the way, which somebody made by hand."""
    database = Database(right["MLGOV_DATABASE_URL"])
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE person (id TEXT)")
        connection.commit()
    assert migrate.read_revision(database) is None
    database.close()
    ended = typed(right, tmp_path, "run")
    assert (ended.code, "Traceback" in ended.said) == (1, False)
    assert "mlgov broke where it shouldn't: OperationalError at storage/migrations/" in ended.err
    assert "(ref " in ended.err


def test_a_file_that_others_can_read(
    right: dict[str, str], tmp_path: Path, sqlite_template: Path
) -> None:
    file = tmp_path / "old.db"
    shutil.copy(sqlite_template, file)
    right["MLGOV_DATABASE_URL"] = f"sqlite:///{file}"
    file.chmod(0o644)
    ended = typed(right, tmp_path, "doctor")
    assert ended.code == 0
    assert f"other users of this machine can read {file}" in ended.out
    assert f"chmod 600 {file}*" in ended.out
    file.chmod(0o600)
    ended = typed(right, tmp_path, "doctor")
    assert "ok      database: SQLite, revision" in ended.out
