"""Reading apart: bounded in number, seconds and memory; what goes wrong there is a refusal here."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.sources.apart_jobs import DO
from tests.stories.office import eventually
from workflows.errors import GovernanceError, InvalidInput
from workflows.sources.apart import Busy, Pool, TooMuch, pool

LONG = 120.0
"""Seconds that nothing here takes."""


@pytest.fixture
def readers() -> Iterator[Pool]:
    made = Pool(2, waiting=1, patience=0.2)
    yield made
    made.close()


def do(readers: Pool, what: str, data: bytes = b"", seconds: float = LONG) -> str:
    return readers.run(DO, what, data, seconds=seconds)


def test_a_process_reads_and_is_used_again(readers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    assert do(readers, "upper", "grüß".encode()) == "GRÜSS"
    assert do(readers, "print") == "said"
    assert "SLACK_BOT_TOKEN" not in do(readers, "environment")
    first = do(readers, "pid")
    assert do(readers, "pid") == first != str(os.getpid())
    monkeypatch.setattr(pool, "MOST_JOBS", 1)
    last = do(readers, "pid")
    assert do(readers, "pid") != last
    assert not psutil.pid_exists(int(last))


@pytest.mark.parametrize("what", ["sleep", "spin"])
def test_what_takes_too_long_is_ended(readers: Pool, what: str) -> None:
    pid = int(do(readers, "pid"))
    with pytest.raises(TooMuch, match=r"takes longer than 0\.5 seconds"):
        do(readers, what, seconds=0.5)
    assert not psutil.pid_exists(pid)
    assert do(readers, "upper", b"a") == "A"


def test_what_needs_too_much_is_refused_in_words(readers: Pool) -> None:
    with pytest.raises(TooMuch, match="too much memory"):
        do(readers, "hog")
    with pytest.raises(GovernanceError):
        do(readers, "write")
    with pytest.raises(TooMuch, match="ended the process"):
        do(readers, "die")
    with pytest.raises(InvalidInput, match="No such thing") as refused:
        do(readers, "refuse")
    assert refused.value.field == "file"


def test_what_breaks_is_told_to_operators_without_what_was_read(
    readers: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidInput, match=r"mlgov can't read this.* \(ref [0-9a-f]+\)"):
        do(readers, "break", b"a secret")
    assert "in _perform" in caplog.text
    assert "secret" not in caplog.text


def test_no_more_than_so_many_at_a_time_and_few_wait(readers: Pool) -> None:
    with ThreadPoolExecutor(3) as threads:
        held = [threads.submit(do, readers, "sleep") for _ in range(2)]
        eventually(lambda: readers.busy == 2, "both places are taken")
        with pytest.raises(Busy):
            do(readers, "upper")  # waits, and in vain
        waiting = threads.submit(do, readers, "upper")
        refused = 0
        for _ in range(20):
            with suppress(Busy):
                do(readers, "upper")
                raise AssertionError("a third place")
            refused += 1
        assert refused == 20
        readers.close()
        for one in (*held, waiting):
            assert isinstance(one.exception(LONG), Busy)


def test_what_nobody_needs_is_ended(readers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE", 0.05)
    pid = int(do(readers, "pid"))
    eventually(lambda: not psutil.pid_exists(pid), "the process is ended")
    assert do(readers, "upper", b"a") == "A"


def test_nothing_is_left_in_the_folder_of_temporary_files(
    readers: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool.tempfile, "tempdir", str(tmp_path))
    do(readers, "upper", b"a")
    with pytest.raises(TooMuch):
        do(readers, "sleep", seconds=0.1)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() < 50
