"""The side that gives orders: how many processes read at a time, who waits for one, and for how long."""

import json
import logging
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from workflows.errors import GovernanceError, InvalidInput
from workflows.sources.apart.work import ANSWER, DATA, Faulty, Job, TooMuch

log = logging.getLogger("mlgov")

A = TypeVar("A")
R = TypeVar("R")

START = 60.0
"""Seconds that a process may take until it is ready; on an idle machine it takes half a second."""
IDLE = 120.0
"""Seconds after which a process that nobody needs is ended, to give back its memory."""
MOST_JOBS = 100
"""Jobs of one process: another takes its place, whatever the libraries in it have come to hold."""
MOST_ANSWERED = 32_000_000
"""Bytes of an answer."""
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "TZ")
"""What the process gets of ours: no credential is among it."""


class Busy(GovernanceError):
    """As much is being read as this machine may read at a time."""

    def __init__(self) -> None:
        super().__init__(
            "mlgov is reading other files just now. Nothing was changed; try again in a few seconds."
        )


class _Gone(Exception):
    """The process ended in the middle of its work."""


class _Late(Exception):
    """The process took longer than it may."""


class _Worker:
    def __init__(self, modules: Sequence[str]) -> None:
        self.jobs = 0
        self._heard = b""
        # Its module is ours, and its arguments are modules of ours.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-m", "workflows.sources.apart.worker", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={one: os.environ[one] for one in _ENVIRONMENT if one in os.environ},
            start_new_session=True,
        )
        try:
            if self._line(START) != b"ready":
                raise _Gone
        except BaseException:
            self.end()
            raise

    def ask(self, order: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What it says about an order. Raises _Gone and _Late; then it is of no more use."""
        self.jobs += 1
        stdin = self._process.stdin
        if stdin is None:
            raise _Gone
        try:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(self._line(seconds))
        except (OSError, ValueError):
            raise _Gone from None
        return answer

    def _line(self, seconds: float) -> bytes:
        stdout = self._process.stdout
        if stdout is None:
            raise _Gone
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as ready:
            ready.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._heard:
                left = end - time.monotonic()
                if left <= 0 or not ready.select(left):
                    raise _Late
                part = os.read(stdout.fileno(), 65_536)
                if not part:
                    raise _Gone
                self._heard += part
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def kill(self) -> None:
        """End its process now; whoever has asked it sees the end of what it says.

        Its pipes stay: one that is closed in another thread vanishes from what that thread waits for, which then waits on.
        """
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """End it now, and give back what it held. Nobody else may be asking it."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()


class Pool:
    """At most so many processes, begun when they are needed. Safe to call from many threads.

    `modules` are those of the jobs, so that a process has them before its first one.
    """

    def __init__(
        self, most: int, *, waiting: int, patience: float, modules: Sequence[str] = ()
    ) -> None:
        self.most = most
        self._most_waiting = waiting
        self._patience = patience
        self._modules = modules
        self._changed = threading.Condition()
        self._idle: list[tuple[float, _Worker]] = []
        self._busy: set[_Worker] = set()
        self._taken = 0
        self._waiting = 0
        self._is_closed = False
        self._reaper: threading.Timer | None = None

    @property
    def busy(self) -> int:
        """Jobs under way."""
        return self._taken

    def run(self, job: Job[A, R], asked: A, data: bytes, *, seconds: float) -> R:
        """What comes of a job with what was sent.

        Raises Busy when no process is free in time, TooMuch beyond a limit, Faulty and InvalidInput for what is wrong
        with it. A process that takes longer than `seconds` is ended.
        """
        with (
            self._turn(),
            tempfile.TemporaryDirectory(
                prefix="mlgov-upload-", ignore_cleanup_errors=True
            ) as folder,
        ):
            place = Path(folder)
            (place / DATA).write_bytes(data)
            order = {
                "job": job.name,
                "asked": job.asked.dump_python(asked, mode="json"),
                "place": folder,
                "seconds": seconds,
            }
            reply = self._asked(order, seconds)
            if reply["ended"] != "done":
                raise _refusal(reply, job.name)
            answer = place / ANSWER
            if answer.stat().st_size > MOST_ANSWERED:
                raise TooMuch("It holds more than mlgov keeps. Send less of it.")
            return job.answered.validate_json(answer.read_bytes())

    def close(self) -> None:
        """End every process; whoever waits for one is told to come back."""
        with self._changed:
            self._is_closed = True
            busy = list(self._busy)
            idle = [worker for _, worker in self._idle]
            self._idle.clear()
            if self._reaper is not None:
                self._reaper.cancel()
            self._changed.notify_all()
        for worker in busy:
            worker.kill()  # whoever asked it gives it back
        for worker in idle:
            worker.end()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold one of the places."""
        with self._changed:
            if self._taken >= self.most:
                if self._waiting >= self._most_waiting:
                    raise Busy
                self._waiting += 1
                try:
                    self._changed.wait_for(
                        lambda: self._is_closed or self._taken < self.most, self._patience
                    )
                finally:
                    self._waiting -= 1
            if self._is_closed or self._taken >= self.most:
                raise Busy
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()

    def _asked(self, order: dict[str, Any], seconds: float) -> dict[str, Any]:
        worker = self._worker()
        try:
            reply = worker.ask(order, seconds)
        except _Late:
            raise TooMuch(
                f"It takes longer than {seconds:g} seconds to read, so it was left unread. Send less of it."
            ) from None
        except _Gone:
            if self._is_closed:
                raise Busy from None
            raise TooMuch(
                "Reading it ended the process that reads, so it needs too much memory or is damaged. Send less of it, or "
                "export it again."
            ) from None
        else:
            if worker.jobs < MOST_JOBS:
                self._rest(worker)
            return reply
        finally:
            with self._changed:
                is_left = worker in self._busy
                self._busy.discard(worker)
            if is_left:
                worker.end()

    def _worker(self) -> _Worker:
        with self._changed:
            if self._idle:
                worker = self._idle.pop()[1]
                self._busy.add(worker)
                return worker
        try:
            worker = _Worker(self._modules)
        except (_Gone, _Late, OSError) as error:
            log.error("a process that reads files did not start: %r", error)
            raise Busy from None
        with self._changed:
            self._busy.add(worker)
            is_late = self._is_closed
        if is_late:
            with self._changed:
                self._busy.discard(worker)
            worker.end()
            raise Busy
        return worker

    def _rest(self, worker: _Worker) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._busy.discard(worker)
            self._idle.append((time.monotonic(), worker))
            self._look_later()

    def _look_later(self) -> None:
        if self._reaper is None:
            self._reaper = threading.Timer(IDLE, self._reap)
            self._reaper.daemon = True
            self._reaper.start()

    def _reap(self) -> None:
        with self._changed:
            since = time.monotonic() - IDLE
            over = [worker for at, worker in self._idle if at <= since]
            self._idle = [(at, worker) for at, worker in self._idle if at > since]
            self._reaper = None
            if self._idle and not self._is_closed:
                self._look_later()
        for worker in over:
            worker.end()


def _refusal(reply: dict[str, Any], job: str) -> GovernanceError:
    sentence, field = reply.get("sentence"), reply.get("field")
    match reply["ended"]:
        case "too_much":
            return TooMuch(
                sentence or "It needs too much memory to read. Send less of it.", field=field
            )
        case "faulty":
            return Faulty(
                [(where, why) for where, why in reply["faults"]], is_json=reply["is_json"]
            )
        case "refused":
            return InvalidInput(str(sentence), field=field)
        case _:
            pass  # it broke
    reference = secrets.token_hex(3)
    log.error(
        "what was sent could not be read by %s (ref %s): %s\n%s",
        job,
        reference,
        reply.get("why"),
        reply.get("trace"),
    )
    return InvalidInput(
        f"mlgov can't read this. Export it again; if it is sound, tell an administrator. (ref {reference})"
    )
