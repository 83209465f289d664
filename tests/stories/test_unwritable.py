"""The database can be read and not written: its disk is full, or the server is read-only. Whoever asks is answered."""

import ctypes
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from bot.errors import CANNOT_WRITE
from storage.db import CannotWrite, Database
from tests.conftest import fresh_url
from tests.stories.office import OLA, TIM, Office, eventually, opened
from tests.stories.test_road import ask, over_budget
from workflows import inbox

Fill = Callable[[], None]


def _mounted(place: Path, size: str) -> bool:
    """A small disk of its own; False where this user may not mount one."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(b"none", bytes(place), b"tmpfs", 0, f"size={size}".encode())
    return bool(done == 0)


def _written_until_full(database: Database) -> None:
    """What room is left in the files that SQLite has already is used up as well."""
    with suppress(CannotWrite):
        for number in range(100_000):
            database.run(
                lambda session, key=f"{number}:{'x' * 2000}": inbox.note_first_seen(  # type: ignore[misc]
                    session, key
                )
            )
        raise AssertionError("the disk was never full")


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Office, Fill]]:
    """A running mlgov, and what makes its database unwritable."""
    work = tmp_path / "work"
    work.mkdir()
    if request.param == "postgres":
        url = fresh_url("postgres", request, tmp_path)

        def close() -> None:
            admin = create_engine(
                make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT"
            )
            name = make_url(url).database
            with admin.connect() as connection:
                connection.execute(
                    text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
                )
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                    ),
                    {"name": name},
                )
            admin.dispose()

        with opened(url, work, has_met=False) as running:
            yield running, close
        return
    disk = tmp_path / "disk"
    disk.mkdir()
    if not _mounted(disk, "12m"):
        pytest.skip("this user may not mount a small disk of its own")
    try:
        path = disk / "mlgov.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        with opened(f"sqlite:///{path}", work, has_met=False) as running:

            def fill() -> None:
                with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
                _written_until_full(running.db)

            yield running, fill
            (disk / "filler").unlink(missing_ok=True)
    finally:
        ctypes.CDLL(None).umount2(bytes(disk), 2)


@pytest.mark.slow
def test_who_asks_is_answered_and_who_changes_is_told(
    office: tuple[Office, Fill], caplog: pytest.LogCaptureFixture
) -> None:
    running, fill = office
    over_budget(running)
    ask(running)
    tim, ola = running.sandbox.seat(TIM), running.sandbox.seat(OLA)
    card = running.card(ola, ola.dm().id, "approvals.approve")
    assert httpx.get(f"{running.base_url}/readyz", trust_env=False).is_success
    fill()
    with caplog.at_level(logging.ERROR):
        # The first answer that somebody gets, before which mlgov would write down that they have met.
        answer = tim.slash("/mlgov", "status triage", "C0TRIAGE").body
        assert "Ticket triage" in str(answer["blocks"])
        tim.say(tim.dm().id, "status triage")
        eventually(
            lambda: "Ticket triage" in str(running.last(tim, tim.dm().id).blocks),
            "the same words in a direct message are answered",
        )
        opened_home = tim.open_home()
        assert opened_home.ok
        eventually(lambda: "You asked for" in str(tim.home()), "the Home tab shows itself")
        pressed = ola.click(channel_id=ola.dm().id, ts=card.ts, action_id="approvals.approve")
        assert pressed.ok
        running.private(ola, CANNOT_WRITE[:40])
    ready = httpx.get(f"{running.base_url}/readyz", trust_env=False)
    assert ready.status_code == 503
    assert "cannot be written" in ready.text
    told = [one for one in caplog.records if "cannot be written" in one.message]
    assert 1 <= len(told) <= 2, "one line a minute"
    broke = [
        error
        for one in caplog.records
        if one.exc_info and "terminating connection" not in str(error := one.exc_info[1])
    ]
    assert broke == [], "and no traceback"
