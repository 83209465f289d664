"""`mlgov restore`: the copy in place, the database before kept, and what is said of what the copy lacks."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from bot import anchor, opening
from bot.people import erasure
from bot.settings import Settings
from storage import backup, ledger, migrate, triggers
from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.enums import HoldReason
from storage.people.tables import Person
from tests import cli
from tests.backup.place import DYING, add_people, asked, environment, python
from tests.conftest import KEY
from tests.contexts import make_context
from tests.people.test_erasure import NOW, WORDS, everything, seed
from tests.storage.test_host import held_elsewhere
from tests.upgrades import dumps
from workflows import clock
from workflows.audit import heads
from workflows.audit.service import NotedErasure, PublishedHead
from workflows.context import OPERATOR
from workflows.delivery import holding
from workflows.errors import GovernanceError
from workflows.people import service as people

TRACES = ("Ana Costa", "ana@acme.test", "Chief of Labels", WORDS)


@pytest.fixture
def file(sqlite_template: Path, tmp_path: Path) -> Path:
    """A migrated SQLite database of two people."""
    path = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, path)
    with opened(path) as database:
        add_people(database, "ana", "ben")
    return path


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}")
    database.hold_host()
    yield database
    database.close()


def mlgov(file: Path, *words: str, **more: str) -> tuple[int, str]:
    return cli.run(*words, MLGOV_DATABASE_URL=f"sqlite:///{file}", **more)


def copied(file: Path) -> Path:
    target = file.with_name("copy.db")
    code, words = mlgov(file, "backup", str(target), "--force")
    assert code == 0, words
    return target


def people_in(path: Path) -> list[str]:
    with opened(path) as database, database.read() as session:
        return list(session.execute(select(Person.name).order_by(Person.name)).scalars())


def aside(file: Path) -> list[Path]:
    return sorted(file.parent.glob("mlgov.db.before-restore-*"))


def published(file: Path, place: Path) -> None:
    """What delivery does each day: the head goes to the anchor."""
    with opened(file) as database, database.read() as session:
        anchor.keep(str(place), heads.read_current(session, now=NOW))


def test_the_copy_is_in_place_and_the_database_before_is_kept(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "heads.jsonl"
    copy = copied(file)
    with opened(file) as database:
        add_people(database, "cai", "dee")
    published(file, place)
    before = copy.read_bytes()
    code, words = mlgov(file, "restore", str(copy), MLGOV_ANCHOR=str(place))
    assert code == 0, words
    assert people_in(file) == ["ana", "ben"]
    assert copy.read_bytes() == before
    (old,) = aside(file)
    assert people_in(old) == ["ana", "ben", "cai", "dee"]
    assert (
        "The anchor knows 4 entries, the copy has 2: what happened since Mon 26 Jan 2026, 09:00 UTC is not in it."
        in words
    )
    assert str(old) in words
    assert "mlgov outbox review" in words
    with opened(file) as database:
        with database.read() as session:
            hold = holding.find_current(session)
            assert hold is not None
            assert (hold.why, hold.copy_seq, hold.known_seq) == (HoldReason.RESTORED, 2, 4)
        with database.engine.connect() as connection:
            assert triggers.list_expected("sqlite") <= triggers.list_names(connection)
    assert not list(tmp_path.glob("*.restoring*"))


def test_afterwards_the_ledger_verifies_and_says_what_was_lost(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "heads.jsonl"
    copy = copied(file)
    with opened(file) as database:
        add_people(database, "cai", "dee")
    published(file, place)
    assert mlgov(file, "restore", str(copy), MLGOV_ANCHOR=str(place))[0] == 0
    with opened(file) as database:
        add_people(database, "eve", "fay")
    published(file, place)
    code, words = mlgov(file, "audit", "verify", MLGOV_ANCHOR=str(place))
    assert code == 0, words
    assert "entries 3 to 4 that were there before are not in it" in words
    # What was written after the restore is bound as ever: cut it, and it is found.
    shutil.copy(copy, file)
    code, words = mlgov(file, "audit", "verify", MLGOV_ANCHOR=str(place))
    assert (code, "the ledger was cut" in words) == (1, True)


def test_it_does_not_replace_what_somebody_has_open(file: Path) -> None:
    copy = copied(file)
    with opened(file) as database:
        code, words = mlgov(file, "restore", str(copy))
        assert (code, "is in use by another process" in words) == (1, True)
        add_people(database, "cai")  # and whoever has it open goes on undisturbed
    with closing(sqlite3.connect(file)) as somebody:  # no process of ours
        assert somebody.execute("SELECT count(*) FROM person").fetchone() == (3,)
        code, words = mlgov(file, "restore", str(copy))
        assert (code, "is in use by another process" in words) == (1, True)
    assert people_in(file) == ["ana", "ben", "cai"]
    assert aside(file) == []
    with held_elsewhere(file):
        code, words = mlgov(file, "restore", str(copy))
        assert (code, "in use on another machine" in words) == (1, True)


def test_where_there_is_no_database_it_is_made(file: Path, tmp_path: Path) -> None:
    copy = copied(file)
    new = tmp_path / "other" / "mlgov.db"
    new.parent.mkdir()
    code, words = mlgov(new, "restore", str(copy))
    assert code == 0, words
    assert "No anchor is set" in words
    assert people_in(new) == ["ana", "ben"]
    assert aside(new) == []


def broken_copies(file: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no good, and what is said of each."""
    work = file.parent
    copy = copied(file)
    (work / "words.txt").write_text("no database at all " * 20, encoding="utf-8")
    (work / "dump").write_bytes(b"PGDMP" + bytes(200))
    with closing(sqlite3.connect(work / "other.db")) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")
    (work / "cut.db").write_bytes(copy.read_bytes()[:-9000])
    wrong = bytearray(copy.read_bytes())
    wrong[40_000:60_000] = bytes(20_000)
    (work / "wrong.db").write_bytes(wrong)
    shutil.copy(copy, work / "newer.db")
    with closing(sqlite3.connect(work / "newer.db", isolation_level=None)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    shutil.copy(copy, work / "forged.db")
    with closing(sqlite3.connect(work / "forged.db", isolation_level=None)) as forged:
        forged.execute("DROP TRIGGER audit_entry_no_update")
        forged.execute("UPDATE audit_entry SET actor_id = 'p_other' WHERE seq = 1")
    return {
        "none": (work / "none.db", "There is no file"),
        "words": (work / "words.txt", "is no SQLite database"),
        "dump": (work / "dump", "is a dump of a PostgreSQL database"),
        "other": (work / "other.db", "mlgov's tables are not in it"),
        "cut": (work / "cut.db", "is cut off"),
        "wrong": (work / "wrong.db", "is damaged"),
        "newer": (
            work / "newer.db",
            "is at revision 9999, which this release does not know; install a newer mlgov",
        ),
        "forged": (work / "forged.db", "does not hold: entry 1 was changed"),
        "itself": (file, "is the database itself"),
    }


def test_a_file_that_is_no_good_is_one_sentence_and_changes_nothing(file: Path) -> None:
    for name, (path, sentence) in broken_copies(file).items():
        code, words = mlgov(file, "restore", str(path))
        assert (code, sentence in words, words.count("\n")) == (1, True, 1), (name, words)
    assert people_in(file) == ["ana", "ben"]
    assert aside(file) == []
    assert not list(file.parent.glob("*.restoring*"))


def test_a_copy_of_another_ledger_than_the_anchors_is_refused(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "heads.jsonl"
    place.write_text(
        json.dumps({"seq": 1, "hash": "f" * 64, "at": NOW.isoformat()}) + "\n", encoding="utf-8"
    )
    copy = copied(file)
    code, words = mlgov(file, "restore", str(copy), MLGOV_ANCHOR=str(place))
    assert (code, "does not have the hash that was published" in words) == (1, True)
    place.unlink()
    code, words = mlgov(file, "restore", str(copy), MLGOV_ANCHOR=str(place))
    assert (code, "Unset MLGOV_ANCHOR to go on" in words) == (1, True)
    assert aside(file) == []


def test_a_damaged_database_is_put_aside_with_its_log(file: Path) -> None:
    copy = copied(file)
    file.write_bytes(b"damaged" * 1000)
    file.with_name("mlgov.db-wal").write_bytes(b"log")
    code, words = mlgov(file, "restore", str(copy))
    assert code == 0, words
    assert people_in(file) == ["ana", "ben"]
    old, log = aside(file)
    assert old.read_bytes() == b"damaged" * 1000
    assert log.name == f"{old.name}-wal"


def test_a_database_copied_with_cp_comes_back_with_its_log(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "by-hand.db"
    with opened(file) as database:
        add_people(database, "cai")
        shutil.copy(file, other)
        shutil.copy(f"{file}-wal", f"{other}-wal")
    code, words = mlgov(file, "restore", str(other))
    assert code == 0, words
    assert people_in(file) == ["ana", "ben", "cai"]


@pytest.mark.crash
@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("restore.staged", ["ana", "ben", "cai"]),
        ("restore.kept", ["ana", "ben", "cai"]),
        ("restore.before_replace", ["ana", "ben", "cai"]),
        ("restore.after_replace", ["ana", "ben"]),
    ],
)
def test_killed_anywhere_one_of_the_two_is_there_whole(
    file: Path, tmp_path: Path, place: str, there: list[str]
) -> None:
    copy = copied(file)
    with opened(file) as database:
        add_people(database, "cai")
    done = python(DYING, environment(tmp_path), place, "0", "restore", str(copy))
    assert done.returncode == 137, done.stderr
    assert people_in(file) == there
    code, words = mlgov(file, "restore", str(copy))
    assert code == 0, words
    assert people_in(file) == ["ana", "ben"]
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_restore_that_was_killed_before_it_told_the_anchor_is_told_at_the_start(
    file: Path, tmp_path: Path
) -> None:
    place = tmp_path / "heads.jsonl"
    copy = copied(file)
    with opened(file) as database:
        add_people(database, "cai")
    published(file, place)
    env = environment(tmp_path, MLGOV_ANCHOR=str(place))
    done = python(DYING, env, "restore.after_replace", "0", "restore", str(copy))
    assert done.returncode == 137, done.stderr
    assert anchor.read(str(place)).restorations == ()
    with opened(file) as database:
        done_now = opening.reconcile(database, str(place))
        assert done_now.hold is not None
        assert done_now.hold.why is HoldReason.RESTORED
        with database.read() as session:
            assert len(holding.list_holds(session)) == 1
    (noted,) = anchor.read(str(place)).restorations
    assert (noted.seq, noted.known) == (2, 3)


# --- people who were erased after the copy


def erase(database: Database, person_id: str) -> None:
    erasure.attach(database, settings_of(database))
    with database.begin(patient=True) as session:
        people.erase(make_context(session, actor=OPERATOR, now=clock.now(session)), person_id)


def settings_of(database: Database) -> Settings:
    url = database.url.render_as_string(hide_password=False)
    return Settings(mlgov_database_url=SecretStr(url))


def bytes_around(file: Path) -> bytes:
    return b"".join(
        path.read_bytes()
        for path in sorted(file.parent.glob(f"{file.name}*"))
        if ".before-restore-" not in path.name
    )


@pytest.mark.parametrize("knows", ["anchor", "database"])
def test_who_was_erased_after_the_copy_is_erased_from_it_again(
    sqlite_template: Path, tmp_path: Path, knows: str
) -> None:
    """Told by the anchor on another machine, or by the database that was there before."""
    place = tmp_path / "heads.jsonl"
    file = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, file)
    with opened(file) as database:
        with database.begin(patient=True) as session:
            scene = seed(session)
        # Names that were changed before leave nothing in free pages either.
        add_people(database, *(f"n{n}" for n in range(50)), padding=4000)
        copy = copied(file)
        assert all(trace.encode() in copy.read_bytes() for trace in TRACES)
        erase(database, scene.ana)
        opening.reconcile(database, str(place))
    noted = place.read_text(encoding="utf-8")
    assert scene.ana in noted
    assert not any(trace in noted for trace in (*TRACES, "U0ANA"))
    if knows == "anchor":
        backup.fold_log(file)
        file.unlink()
        code, words = mlgov(file, "restore", str(copy), MLGOV_ANCHOR=str(place))
    else:
        code, words = mlgov(file, "restore", str(copy))
    assert code == 0, words
    assert "1 person who was erased after the copy is erased from it once more" in words
    left = bytes_around(file)
    assert not [trace for trace in TRACES if trace.encode() in left]
    with opened(file) as database:
        with database.read() as session:
            assert ledger.verify(session) is None
            assert session.get_one(Person, scene.bo).name == "Bo"
            entry = session.execute(
                select(AuditEntry.body).where(AuditEntry.action == heads.ERASED)
            ).scalar_one()
        assert '"replayed"' in entry
        opening.reconcile(database, str(place))
    # The anchor is told once of each erasure.
    assert place.read_text(encoding="utf-8").count(f'"erased": "{scene.ana}"') == 1


def test_an_old_copy_put_there_by_hand_is_noticed_at_the_start(
    database: Database, tmp_path: Path
) -> None:
    """`cp`, or pg_restore: nobody said that it is a copy, and the anchor knows better."""
    place = str(tmp_path / "heads.jsonl")
    with database.begin(patient=True) as session:
        scene = seed(session)
    anchor.keep(place, NotedErasure(scene.ana, 40, NOW))
    anchor.keep(place, PublishedHead(41, "a" * 64, NOW))
    done = opening.reconcile(database, place)
    assert done.erased == 1
    assert done.hold is not None
    assert (done.hold.why, done.hold.known_seq) == (HoldReason.BEHIND, 41)
    with database.read() as session:
        assert not [trace for trace in TRACES if trace in everything(session)]
        assert ledger.verify(session, [ledger.Head(*h) for h in anchor.read_heads(place)]) is (None)
    if database.is_sqlite:
        assert database.url.database is not None
        left = bytes_around(Path(database.url.database))
        assert not [trace for trace in TRACES if trace.encode() in left]
    again = opening.reconcile(database, place)
    assert (again.erased, again.hold) == (0, done.hold)


def test_a_current_database_is_not_held(database: Database, tmp_path: Path) -> None:
    place = str(tmp_path / "heads.jsonl")
    with database.begin(patient=True) as session:
        seed(session)
    assert opening.reconcile(database, None).hold is None
    assert opening.reconcile(database, place).hold is None
    with database.read() as session:
        anchor.keep(place, heads.read_current(session, now=NOW))
    assert opening.reconcile(database, place).hold is None


def test_a_restored_copy_is_not_served_before_the_anchor_could_be_read(
    database: Database, tmp_path: Path
) -> None:
    place = tmp_path / "heads.jsonl"
    place.write_text("no line of ours\n", encoding="utf-8")
    with database.begin(patient=True) as session:
        seed(session)
    opening.reconcile(database, str(place))  # no copy: served, and warned of
    opening.mark(database, known_seq=99)
    with pytest.raises(GovernanceError, match="not served before that"):
        opening.reconcile(database, str(place))


def test_marking_by_hand_is_for_both_databases(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    place = tmp_path / "heads.jsonl"
    with database.begin(patient=True) as session:
        scene = seed(session)
    anchor.keep(str(place), NotedErasure(scene.ana, 40, NOW))
    database.close()
    given = {
        "MLGOV_DATABASE_URL": database_url,
        "MLGOV_ANCHOR": str(place),
        "MLGOV_ERASURE_KEY": KEY.decode(),
    }
    code, words = cli.run("restore", "--mark", **given)
    assert code == 0, words
    assert "is marked as a restored copy of 1 entries" in words
    assert "1 person who was erased after the copy" in words
    with database.read() as session:
        assert not [trace for trace in TRACES if trace in everything(session)]
        hold = holding.find_current(session)
        assert hold is not None
        assert hold.why is HoldReason.RESTORED
    code, words = cli.run("restore", "--mark", **given)
    assert (code, "It is marked already" in words) == (1, True)


def test_for_postgresql_it_says_what_to_run(tmp_path: Path) -> None:
    code, words = cli.run(
        "restore",
        str(tmp_path / "copy.dump"),
        MLGOV_DATABASE_URL="postgresql://mlgov:geheim@db.test/gov",
    )
    assert code == 3
    assert "pg_restore --exit-on-error --no-owner" in words
    assert "mlgov restore --mark" in words
    assert "geheim" not in words
    for wrong in (("restore",), ("restore", "x", "--mark")):
        assert cli.run(*wrong)[0] == 2


def test_heads_before_a_restoration_bind_nobody_and_those_after_do(tmp_path: Path) -> None:
    place = tmp_path / "heads.jsonl"
    at = datetime(2026, 2, 1, tzinfo=UTC)
    lines: list[dict[str, object]] = [
        {"seq": 5, "hash": "a"},
        {"seq": 9, "hash": "b"},
        {"erased": "p_1", "seq": 8},
        {"restored": 6, "hash": "c", "known": 9},
        {"seq": 8, "hash": "d"},
    ]
    place.write_text(
        "\n".join(
            json.dumps(line | {"at": (at + timedelta(hours=n)).isoformat()})
            for n, line in enumerate(lines)
        ),
        encoding="utf-8",
    )
    kept = anchor.read(str(place))
    assert kept.heads == ((5, "a"), (6, "c"), (8, "d"))
    assert [one.person_id for one in kept.erasures] == ["p_1"]
    assert kept.known == 8
    place.write_text('{"erased": "p_1"}\n', encoding="utf-8")
    with pytest.raises(anchor.AnchorUnreachable, match="line 1"):
        anchor.read(str(place))


def test_the_staged_copy_is_brought_to_this_release(file: Path) -> None:
    copy = file.with_name("copy.db")
    with opened(copy) as database:
        dumps.load(database, dumps.read("0016", "sqlite"))
        database.engine.dispose()
    code, words = mlgov(file, "restore", str(copy))
    assert code == 0, words
    assert asked(file, "SELECT version_num FROM alembic_version") == migrate.newest_revision()
