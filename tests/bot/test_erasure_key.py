"""The key of erased people: given, or made in a file for its owner alone; and what is refused without it."""

import errno
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import app, settings
from bot.people import erasure
from bot.people.erasure import KeyUnusable
from storage.db import Database
from storage.people import erasure as stored
from tests import cli
from tests.contexts import make_context
from tests.stories.office import POLICY
from workflows.people import service as people
from workflows.people.erasure import ErasureKeyMissing
from workflows.people.forms import PersonSeen

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG, ANA = "T0ACME", "U0ANA"
GIVEN = "an operator's own key, long enough to count"
MISSING = "1 person was erased from this database under a key"


@pytest.fixture
def env(database_url: str, tmp_path: Path) -> dict[str, str]:
    """What an operator sets; the database holds one person."""
    database = Database(database_url)
    with database.begin() as session:
        seen = PersonSeen(ORG, ANA, ORG, "Ana Costa", "ana@acme.test")
        people.upsert_from_slack(make_context(session, now=NOW), [seen], read_at=NOW)
    database.close()
    (tmp_path / "governance.yml").write_text(POLICY, encoding="utf-8")
    table = tmp_path / "people.csv"
    table.write_text("email,name\nbo@acme.test,Bo\n", encoding="utf-8")
    return {
        "MLGOV_DATABASE_URL": database_url,
        "MLGOV_POLICY": str(tmp_path / "governance.yml"),
        "MLGOV_ERASURE_KEY_FILE": str(tmp_path / "keys.txt"),
        "SLACK_BOT_TOKEN": "xoxb-1-invented",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
    }


def erase(env: dict[str, str]) -> tuple[int, str]:
    return cli.run("people", "erase", ANA, "--yes", **env)


def import_people(env: dict[str, str], tmp_path: Path) -> tuple[int, str]:
    database = Database(env["MLGOV_DATABASE_URL"])
    from storage import runtime

    with database.begin() as session:
        runtime.set_facts(session, {"org_key": ORG, "team_id": ORG})
    database.close()
    return cli.run("import", "people", str(tmp_path / "people.csv"), **env)


def test_the_first_use_makes_the_file_for_its_owner_alone(
    env: dict[str, str], tmp_path: Path
) -> None:
    key = tmp_path / "keys.txt"
    code, words = erase(env)
    assert code == 0, words
    assert "active in Slack as far as mlgov knows" in words
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text(encoding="ascii").strip()) == 64
    assert not list(tmp_path.glob("keys.txt.*"))
    code, words = import_people(env, tmp_path)
    assert code == 0, words


@pytest.mark.parametrize("how", ["gone", "another"])
def test_without_its_key_a_database_reads_nothing_of_people(
    env: dict[str, str], tmp_path: Path, how: str
) -> None:
    key = tmp_path / "keys.txt"
    assert erase(env)[0] == 0
    kept = key.rename(tmp_path / "kept")
    if how == "another":
        key.write_text(GIVEN, encoding="ascii")
    with pytest.raises(ErasureKeyMissing, match=MISSING):
        app.create(settings.read(env))
    for code, words in (import_people(env, tmp_path), erase(env)):
        assert code == 1
        assert MISSING in words
        assert words.count("\n") == 1
    assert key.exists() == (how == "another")
    # Whoever only looks is answered.
    assert cli.run("people", "export", "p_nobody", **env)[1].startswith("Nobody here")
    kept.replace(key)
    assert import_people(env, tmp_path)[0] == 0


def test_a_lost_key_is_given_up_by_a_command(env: dict[str, str], tmp_path: Path) -> None:
    assert erase(env)[0] == 0
    (tmp_path / "keys.txt").unlink()
    code, words = cli.run("people", "new-key", "--yes", **env)
    assert code == 0, words
    assert "1 person who was erased before is a stranger" in words
    assert (tmp_path / "keys.txt").exists()
    assert import_people(env, tmp_path)[0] == 0


def test_a_key_can_be_given(env: dict[str, str], tmp_path: Path) -> None:
    del env["MLGOV_ERASURE_KEY_FILE"]
    env["MLGOV_ERASURE_KEY"] = GIVEN
    assert erase(env)[0] == 0
    assert not list(tmp_path.glob("*erasure-key*"))
    env["MLGOV_ERASURE_KEY"] = GIVEN[::-1]
    code, words = import_people(env, tmp_path)
    assert code == 1
    assert "MLGOV_ERASURE_KEY is another one" in words
    assert GIVEN[::-1] not in words


def test_where_no_key_can_be_made_nobody_is_erased(env: dict[str, str], tmp_path: Path) -> None:
    del env["MLGOV_ERASURE_KEY_FILE"]
    if env["MLGOV_DATABASE_URL"].startswith("sqlite"):
        assert erase(env)[0] == 0
        assert (tmp_path / "mlgov.db-erasure-key").exists()
        return
    code, words = erase(env)
    assert code == 1
    assert "Set MLGOV_ERASURE_KEY (32 random characters or more" in words
    assert import_people(env, tmp_path)[0] == 0
    assert cli.run("people", "new-key", "--yes", **env)[0] == 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_second_machine_makes_no_second_key(env: dict[str, str], tmp_path: Path) -> None:
    assert import_people(env, tmp_path)[0] == 0
    elsewhere = env | {"MLGOV_ERASURE_KEY_FILE": str(tmp_path / "elsewhere.txt")}
    code, words = import_people(elsewhere, tmp_path)
    assert code == 1
    assert "Copy the file from that machine." in words
    assert not (tmp_path / "elsewhere.txt").exists()


def test_whoever_starts_at_the_same_time_gets_the_same_key(
    env: dict[str, str], tmp_path: Path
) -> None:
    read = settings.read(env)
    databases = [Database(env["MLGOV_DATABASE_URL"]) for _ in range(6)]
    go = threading.Barrier(len(databases))
    failed: list[BaseException] = []

    def start(database: Database) -> None:
        go.wait()
        try:
            erasure.attach(database, read)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start, args=(one,)) for one in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key = (tmp_path / "keys.txt").read_bytes().strip()
    assert failed == []
    for database in databases:
        with database.read() as session:
            assert session.info[stored.KEY] == key
            assert stored.read_standing(session).is_of(key)
        database.close()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"short\n", "holds no erasure key"),
        (b"", "holds no erasure key"),
        (b"SQLite format 3\0" + b"x" * 64, "holds no erasure key"),
        (b"x" * 5000, "holds no erasure key"),
        (b"a line that is long enough for one\nand another\n", "holds no erasure key"),
    ],
)
def test_a_file_that_holds_no_key_is_refused(
    env: dict[str, str], tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "keys.txt").write_bytes(content)
    code, words = erase(env)
    assert (code, words.count("\n")) == (1, 1)
    assert sentence in words
    assert (tmp_path / "keys.txt").read_bytes() == content


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_place_that_cannot_be_written_is_said(env: dict[str, str]) -> None:
    env["MLGOV_ERASURE_KEY_FILE"] = "/proc/mlgov-erasure-key"
    with pytest.raises(KeyUnusable, match="can't be made in /proc/"):
        erasure.attach(Database(env["MLGOV_DATABASE_URL"]), settings.read(env))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"MLGOV_ERASURE_KEY": "short"}, "MLGOV_ERASURE_KEY: this is too short"),
        (
            {"MLGOV_ERASURE_KEY": GIVEN, "MLGOV_ERASURE_KEY_FILE": "x"},
            "Both MLGOV_ERASURE_KEY and MLGOV_ERASURE_KEY_FILE are set",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(settings.SettingsRefused, match=sentence):
        settings.read(given)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_doctor_looks_at_the_key(env: dict[str, str], tmp_path: Path) -> None:
    key = tmp_path / "keys.txt"

    def line() -> str:
        told = cli.run("doctor", **env)[1].splitlines()
        return next(one for one in told if "erasure key: " in one)

    assert "ok" in line()
    assert "is made at the start" in line()
    assert not key.exists()
    assert erase(env)[0] == 0
    assert "1 erased person is known again by it" in line()
    key.chmod(0o644)
    assert line().startswith("warning")
    assert f"chmod 600 {key}" in line()
    key.unlink()
    assert line().startswith("failed")
    assert MISSING in line()


def test_a_file_system_without_second_names_holds_a_key(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_names: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    assert erase(env)[0] == 0
    assert (tmp_path / "keys.txt").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("keys.txt.*"))
