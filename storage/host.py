"""One host for one SQLite file: its write-ahead log lives in shared memory, which two machines do not share.

Every process that opens the file holds a shared lock beside it for as long as it runs. Whoever finds nobody there
writes down the name of its host; whoever finds others there must be on the same one.
"""

import fcntl
import os
import platform
from pathlib import Path


class AnotherHost(Exception):
    """Processes on another machine have this SQLite file open; `host` is its name."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


def this_host() -> str:
    """The name of this machine."""
    return platform.node() or "unnamed"


class HostLock:
    """Holds the file beside `database` until `release()`. Raises AnotherHost when another machine does."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + "-host")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._hold()
        except BaseException:
            os.close(self._file)
            raise

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, this_host().encode(), 0)
        # Going from one kind of lock to the other is not atomic: the name is read once the shared one is held.
        fcntl.flock(self._file, fcntl.LOCK_SH)
        held_by = os.pread(self._file, 1000, 0).decode("utf-8", "replace")
        if held_by != this_host():
            raise AnotherHost(held_by)

    def release(self) -> None:
        """Let others have it; once released it stays so."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
