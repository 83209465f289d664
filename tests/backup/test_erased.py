"""A copy that comes back, and the people who were erased: who stays away, who stays, and the key of their tombstones."""

import shutil
from pathlib import Path

from bot import opening
from bot.people import erasure
from storage.people.tables import Person
from tests.backup.test_restore import copied, erase, mlgov, opened, settings_of
from tests.contexts import make_context
from tests.people.test_erasure import NOW, everything, seed
from workflows import clock
from workflows.people import service as people
from workflows.people.forms import PersonSeen


def test_a_replay_makes_the_tombstone_again(sqlite_template: Path, tmp_path: Path) -> None:
    """A leaver stays away from a copy that knew them, and who is active is the same; also after the next starts."""
    place, file = tmp_path / "heads.jsonl", tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, file)
    with opened(file) as database:
        with database.begin(patient=True) as session:
            scene = seed(session)
        copy = copied(file)
        erase(database, scene.ana)
        erase(database, scene.bo)
        opening.reconcile(database, str(place))
    code, words = mlgov(file, "restore", str(copy), MLGOV_ANCHOR=str(place))
    assert code == 0, words
    left = PersonSeen("T0ACME", "U0ANA", "T0ACME", "Ana Costa", is_deactivated=True)
    active = PersonSeen("T0ACME", "U0BO", "T0ACME", "Bo")
    with opened(file) as database:
        erasure.attach(database, settings_of(database))
        with database.begin(patient=True) as session:
            done = people.upsert_from_slack(
                make_context(session, now=NOW), [left, active], read_at=clock.real_now(session)
            )
        assert done.stay_away == ("U0ANA",)
        assert done.ids["T0ACME", "U0BO"] == scene.bo
        # He came back after the erasure that the anchor knows of: it is not done again at each start.
        for _ in range(2):
            assert opening.reconcile(database, str(place)).erased == 0
        with database.read() as session:
            assert session.get_one(Person, scene.bo).name == "Bo"
            assert "Ana Costa" not in everything(session)
        erase(database, scene.bo)
        opening.reconcile(database, str(place))
    noted = place.read_text(encoding="utf-8")
    assert [noted.count(f'"erased": "{one}"') for one in (scene.ana, scene.bo)] == [1, 2]


def test_a_copy_with_tombstones_wants_their_key(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, file)
    with opened(file) as database:
        with database.begin(patient=True) as session:
            scene = seed(session)
        erase(database, scene.ana)
        copy = copied(file)
    code, words = mlgov(file, "backup", str(tmp_path / "another.db"))
    key = tmp_path / "mlgov.db-erasure-key"
    assert f"Nor {key}, the key by which people who were erased" in words
    kept = key.rename(tmp_path / "kept")
    before = file.read_bytes()
    code, words = mlgov(file, "restore", str(copy))
    assert code == 1
    assert "1 person was erased" in words
    assert "Nothing was restored." in words
    assert file.read_bytes() == before
    kept.rename(key)
    code, words = mlgov(file, "restore", str(copy))
    assert code == 0, words
