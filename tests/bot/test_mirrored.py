"""How the state of the mirror is told: its age, what was never read, and refusals that rest on it."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from bot import doctor, settings
from bot.doctor import Check
from storage import runtime
from storage.db import Database
from storage.people import readings
from workflows import operations


def read(database: Database, ago: timedelta) -> None:
    with database.begin() as session:
        at = runtime.real_now(session) - ago
        readings.record(session, dict.fromkeys(readings.KINDS, 12), at)


def ages(session: Session) -> dict[str, float]:
    return {
        one.label: one.value
        for one in operations.list_figures(session)
        if one.name == "mirror_age_seconds"
    }


def checked(database_url: str, tmp_path: Path) -> Check:
    read_ = settings.read({"MLGOV_DATABASE_URL": database_url}, mlgov_policy=tmp_path / "none.yml")
    return next(one for one in doctor.run(read_) if one.name == "mirror")


def test_the_doctor_says_how_old_the_mirror_is(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    found = checked(database_url, tmp_path)
    assert (found.ok, "not read yet" in found.words) == (True, True)
    read(database, timedelta(minutes=7))
    found = checked(database_url, tmp_path)
    assert found.ok
    assert "people (12, 7 min ago), user groups (12, 7 min ago)" in found.words
    read(database, timedelta(hours=3))
    found = checked(database_url, tmp_path)
    assert not found.ok
    assert "channels (12, 3 h ago)" in found.words
    assert "mlgov sync" in found.words


def test_an_age_is_never_less_than_nothing(database: Database) -> None:
    with database.read() as session:
        assert set(ages(session).values()) == {float("inf")}
    read(database, -timedelta(hours=3))
    with database.read() as session:
        assert set(ages(session).values()) == {0.0}
