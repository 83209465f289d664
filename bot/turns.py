"""A process's turn at work that one does for all: a lease in the database, kept by a heart beat for as long as it works."""

import logging
import os
import secrets
import socket
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from storage import leases, runtime
from storage.db import Database, DatabaseBusy

log = logging.getLogger("mlgov")

LENGTH = timedelta(seconds=30)
"""After which time the others take over from a process that died."""


class Turn:
    """`take()` it, work inside `with`, and look at `is_lost` before anything is written.

    One that can't be kept (the process was stopped for longer than `length`, the database was away) is lost, and somebody
    else may have begun.
    """

    def __init__(self, db: Database, name: str, *, length: timedelta = LENGTH) -> None:
        self._db = db
        self._name = name
        self._length = length
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._ended = threading.Event()
        self._kept_at = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"turn-{name}", daemon=True)
        self._taken_by_another = False

    @property
    def is_lost(self) -> bool:
        """Whether somebody else has the turn now, or may have."""
        late = time.monotonic() - self._kept_at > self._length.total_seconds()
        return self._taken_by_another or late

    def take(self) -> bool:
        """Take the turn; False when another process has it."""
        began = time.monotonic()
        if not self._db.run(
            lambda session: leases.take(
                session,
                self._name,
                owner=self._owner,
                length=self._length,
                real_now=runtime.real_now(session),
            )
        ):
            return False
        self._kept_at = began
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self._db.run(lambda session: leases.give_back(session, self._name, owner=self._owner))
        except (DatabaseBusy, SQLAlchemyError):
            log.warning("the lease %s was not given back; it ends by itself", self._name)

    def _beat(self) -> None:
        while not self._ended.wait(self._length.total_seconds() / 3):
            try:
                if not self.take():
                    self._taken_by_another = True
                    return
            except (DatabaseBusy, SQLAlchemyError):
                continue
