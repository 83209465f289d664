"""Many who wait cost no thread and no transaction, and hear of the decision at once."""

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from bot.web import site
from storage.db import Database
from tests.api.conftest import Api, bearer, served
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import OLA
from workflows.approvals import actions

T = TypeVar("T")


def ran(work: Coroutine[Any, Any, T]) -> T:
    """What it returns; in a thread of its own, since a browser of other tests may hold this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.mark.slow
def test_many_wait_and_all_hear_of_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    waiting = 20 * site.THREADS
    with served(fresh_url("sqlite", request, tmp_path), tmp_path) as api:
        pipeline, ola = api.token(), api.personal(OLA)
        asked = api.ask(pipeline).json()
        found, seconds = ran(_wait(api, pipeline, ola, asked, waiting))
    assert found == ["rejected"] * waiting
    assert seconds < 55, "they heard of it, and did not wait to the end"


async def _wait(
    api: Api, pipeline: str, ola: str, asked: dict[str, object], many: int
) -> tuple[list[str], float]:
    limits = httpx.Limits(max_connections=many + 10)
    async with httpx.AsyncClient(
        base_url=f"{api.office.base_url}/api/v1", trust_env=False, timeout=90, limits=limits
    ) as http:
        path = f"/approvals/{asked['id']}"
        tasks = [
            asyncio.create_task(http.get(f"{path}?wait=60", headers=bearer(pipeline)))
            for _ in range(many)
        ]
        await asyncio.sleep(3)
        assert not any(task.done() for task in tasks)
        verdict = {"verdict": "reject", "revision": asked["revision"], "reason": "No."}
        # While they wait the API answers others, and the decision itself, as ever.
        began = time.monotonic()
        told = await http.post(f"{path}/decisions", json=verdict, headers=bearer(ola))
        assert told.status_code == 200
        answers = await asyncio.gather(*tasks)
        return [one.json()["state"] for one in answers], time.monotonic() - began


def test_a_request_decided_in_another_process_is_noticed(api: Api) -> None:
    pipeline, ola = api.token(), api.personal(OLA)
    asked = api.ask(pipeline).json()
    settings = api.office.bot.deps.settings
    elsewhere = Database(settings.mlgov_database_url.get_secret_value())
    try:

        async def both() -> str:
            async with httpx.AsyncClient(
                base_url=f"{api.office.base_url}/api/v1", trust_env=False, timeout=90
            ) as http:
                waits = asyncio.create_task(
                    http.get(f"/approvals/{asked['id']}?wait=60", headers=bearer(pipeline))
                )
                await asyncio.sleep(0.5)
                await asyncio.to_thread(_withdraw, api, elsewhere, asked["id"])
                return str((await waits).json()["state"])

        began = time.monotonic()
        assert ran(both()) == "withdrawn"
        assert time.monotonic() - began < 55
        assert api.get("/approvals/1", ola).json()["state"] == "withdrawn"
    finally:
        elsewhere.close()


def _withdraw(api: Api, elsewhere: Database, approval_id: int) -> None:
    from workflows import clock
    from workflows.approvals.forms import Withdraw
    from workflows.context import Actor, ActorKind
    from workflows.tokens import service

    deps = api.office.bot.deps
    with elsewhere.begin() as session:
        (program,) = [
            token.person_id for token in service.list_tokens(session) if token.kind == "machine"
        ]
        actions.perform_act(
            make_context(
                session,
                actor=Actor(program, ActorKind.PROGRAM, "pipeline"),
                policy=deps.policy,
                now=clock.now(session),
                org=deps.team.org_key,
            ),
            Withdraw(approval_id=approval_id, revision=1),
        )
