"""Work that is looked at again and again in a thread of its own: no timer waits for it, no transaction spans a call."""

import logging
import threading
from collections.abc import Callable

from bot.seldom import Seldom
from storage.db import DatabaseAway, DatabaseBusy

log = logging.getLogger("mlgov")


class Repeating:
    """Calls `work` every `pause` seconds (real), whatever it raises, until it is stopped."""

    def __init__(self, name: str, work: Callable[[], object], pause: float) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._seldom = Seldom(log)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether what is under way should end."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin, after the first pause."""
        self._thread.start()

    def stop(self, timeout: float = 15) -> None:
        """End, after what is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _loop(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self._work()
            except DatabaseAway:
                continue  # told where it was noticed, for everybody at once
            except DatabaseBusy:
                self._seldom.say(logging.INFO, "busy", "%s waits: the database is busy", self._name)
            except Exception:
                log.exception("%s failed; the next round tries again", self._name)
