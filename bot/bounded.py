"""A question that must not hold up whoever asks it: asked in a thread of its own, awaited for so long and no longer."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None


class Bounded(Generic[T]):
    """Asks `work`, one question at a time: who asks while one is under way waits for its answer."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._name = name
        self._work = work
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    def ask(self, seconds: float) -> T:
        """The answer. Raises TimeoutError when it takes longer, and whatever `work` raises."""
        with self._lock:
            flight = self._flight
            if flight is None:
                flight = self._flight = _Flight[T]()
                threading.Thread(
                    target=self._run, args=(flight,), name=self._name, daemon=True
                ).start()
        if not flight.landed.wait(seconds):
            raise TimeoutError(f"{self._name}: no answer within {seconds} s")
        if flight.error is not None:
            raise flight.error
        return flight.value  # type: ignore[return-value]

    def _run(self, flight: _Flight[T]) -> None:
        try:
            flight.value = self._work()
        except BaseException as error:
            flight.error = error
        finally:
            with self._lock:
                self._flight = None
            flight.landed.set()
