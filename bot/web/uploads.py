"""Uploads: taken in once it is known whose they are, read apart, and written by threads that nothing else needs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from pydantic import BaseModel

from bot.background import SECONDS, Readers
from bot.web import server
from bot.web.authentication import LARGE, LARGE_SECONDS, Caller, Door
from workflows.sources.apart import Busy, Faulty, Job

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that an upload waits for others to be read."""


class Upload:
    """One upload that is here as a whole, and has its turn."""

    def __init__(self, data: bytes, readers: Readers, limiter: anyio.CapacityLimiter) -> None:
        self._data = data
        self._readers = readers
        self._limiter = limiter

    async def read(self, job: Job[A, R], asked: A) -> R:
        """What comes of it. Raises as `Pool.run`."""
        run = self._readers.api.run
        return await self.work(lambda: run(job, asked, self._data, seconds=SECONDS))

    async def work(self, work: Callable[[], T]) -> T:
        """Done in a thread of the uploads' own."""
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


class Uploads:
    """Who may upload when. One per process."""

    def __init__(self, door: Door, readers: Readers) -> None:
        self._door = door
        self._readers = readers
        self._turns = asyncio.Semaphore(readers.api.most)
        self._threads: anyio.CapacityLimiter | None = None

    @asynccontextmanager
    async def take(self, request: Request, caller: Caller) -> AsyncIterator[Upload]:
        """The body of a request, and a turn to read it. Raises TooMany, BodyRefused and Busy."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(self._readers.api.most)
        async with self._door.allowance.upload(caller.token.id):
            data = await server.whole(request, LARGE, seconds=LARGE_SECONDS)
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._turns.acquire()
            except TimeoutError:
                raise Busy from None
            try:
                yield Upload(data, self._readers, self._threads)
            finally:
                self._turns.release()


def require_json(request: Request) -> None:
    """Raises Faulty for a body that says it is no JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Faulty([("body", "send JSON, with Content-Type: application/json")])


def describe_form(form: type[BaseModel]) -> dict[str, Any]:
    """How the OpenAPI document tells of a JSON body that is read apart; `application.create` is told of the form too."""
    schema = {"$ref": f"#/components/schemas/{form.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
