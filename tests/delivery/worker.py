"""A replica in a process of its own, to be killed, frozen and started again."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import time_machine

from bot import failpoints
from bot.delivery.loop import Delivery
from bot.delivery.sender import Lookup, client
from storage.db import Database
from tests.delivery import workplace
from workflows.delivery.pace import Pace
from workflows.delivery.settling import NotThere

CRASH_PACE = replace(
    workplace.PACE,
    attempts=1000,
    lease=0.6,
    http_timeout=0.1,
    guard_margin=0.1,
    late_accept=0.2,
    poll=0.05,
)
"""A lease of 0.6 s, so that a killed worker delays its lanes for less than a second; kills are many, so attempts do not end."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker connects to, and how it misbehaves."""

    database_url: str
    api_url: str
    token: str
    pace: Pace = CRASH_PACE
    failpoint: str = ""
    skip: int = 0
    freezes: bool = False
    is_naive: bool = False
    """Sends again whatever it finds in doubt: the control that must fail."""
    guards: bool = True
    skew_minutes: float = 0.0
    """How wrong this machine's clock is."""


def freeze() -> None:
    """Stop this process as a suspended machine would."""
    os.kill(os.getpid(), signal.SIGSTOP)


def main(orders: Orders) -> None:
    """Deliver until SIGTERM."""
    logging.disable(logging.CRITICAL)
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())
    with contextlib.ExitStack() as stack:
        if orders.skew_minutes:
            shifted = time.time() + timedelta(minutes=orders.skew_minutes).total_seconds()
            stack.enter_context(time_machine.travel(shifted, tick=True))
        _work(orders, over)


def _work(orders: Orders, over: threading.Event) -> None:
    if orders.is_naive:
        Lookup.find = lambda *given: NotThere()  # type: ignore[method-assign]
    database = Database(orders.database_url)
    delivery = Delivery(
        database,
        lambda: client(orders.token, base_url=orders.api_url, timeout=2.0),
        workplace.RENDERERS,
        org_key=workplace.ORG,
        policy=workplace.policy,
        audience=lambda session, channel: True,
        home=workplace.home,
        pace=orders.pace,
        stamps="governed",
        guards=orders.guards,
    )
    if orders.failpoint:
        act: Callable[[], object] = freeze if orders.freezes else failpoints.die
        failpoints.arm(orders.failpoint, skip=orders.skip, act=act)
    delivery.start()
    over.wait()
    delivery.stop(5)
    database.close()


class Crew:
    """Starts workers from a process that has everything imported already, which takes milliseconds."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.delivery.worker"])
        self._started: list[ForkServerProcess] = []

    def hire(self, orders: Orders) -> ForkServerProcess:
        """Start a worker."""
        process = self._context.Process(target=main, args=(orders,), daemon=True)
        process.start()
        self._started.append(process)
        return process

    def dismiss(self) -> None:
        """Let all workers finish; kill those that do not."""
        for process in self._started:
            if process.is_alive() and process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                    os.kill(process.pid, signal.SIGCONT)
        for process in self._started:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join(5)


@contextlib.contextmanager
def crew() -> Iterator[Crew]:
    """Workers that are gone in the end."""
    hired = Crew()
    try:
        yield hired
    finally:
        hired.dismiss()


def is_frozen(pid: int) -> bool:
    """Whether the kernel says that the process is stopped."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "T"
