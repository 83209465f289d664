"""A whole mlgov in a process of its own, to be killed and started again."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from bot import app, settings
from bot.web.server import WebServer


def main(given: dict[str, Any], told: Connection) -> None:
    """Serve until killed; says where once it serves."""
    logging.disable(logging.CRITICAL)
    bot = app.create(settings.read({}, **given), made_by="demo")
    server = WebServer(bot.web(serve_slack=True), "127.0.0.1", 0)
    server.start()
    bot.start()
    told.send(server.url)
    signal.pause()


class Replica:
    """One running mlgov at a time; `url` is where it serves."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.maturity.replica"])
        self._process: ForkServerProcess | None = None
        self.url = ""

    def start(self) -> str:
        """Start it; where it serves."""
        here, there = self._context.Pipe()
        self._process = self._context.Process(target=main, args=(self._given, there), daemon=True)
        self._process.start()
        if not here.poll(30):
            raise RuntimeError("mlgov did not start")
        self.url = str(here.recv())
        return self.url

    def kill(self) -> None:
        """As if the machine had lost its power."""
        if self._process is not None and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join(10)
            self._process = None


@contextmanager
def replica(given: dict[str, Any]) -> Iterator[Replica]:
    """A replica that is gone in the end."""
    made = Replica(given)
    try:
        yield made
    finally:
        made.kill()
