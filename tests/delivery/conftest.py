"""Delivery against a stand-in for Slack over real HTTP, fifty times as fast as in life."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.delivery.loop import Delivery
from bot.delivery.sender import client
from sandbox.server import Sandbox
from storage.db import Database
from tests.delivery import workplace
from workflows import clock
from workflows.delivery.pace import Pace


@pytest.fixture
def slack() -> Iterator[Sandbox]:
    """The stand-in, running."""
    with workplace.sandbox() as running:
        yield running


@pytest.fixture
def told() -> Counter[str]:
    """What delivery counted."""
    return Counter()


@pytest.fixture
def make(
    database: Database, slack: Sandbox, told: Counter[str]
) -> Iterator[Callable[..., Delivery]]:
    """Builds deliveries, and stops them in the end."""
    made: list[Delivery] = []
    with database.begin() as session:
        now = clock.now(session)
    workplace.add_people(database, now)

    def build(
        *, start: bool = True, pace: Pace = workplace.PACE, timeout: float = 1.0, **more: Any
    ) -> Delivery:
        delivery = Delivery(
            database,
            lambda: client(slack.bot_token, base_url=slack.api_url, timeout=timeout),
            workplace.RENDERERS,
            org_key=workplace.ORG,
            policy=workplace.policy,
            audience=lambda session, channel: True,
            home=workplace.home,
            admin=lambda session: workplace.ADMIN,
            pace=pace,
            stamps="governed",
            report=lambda name: told.update([name]),
            **more,
        )
        made.append(delivery)
        if start:
            delivery.start()
        return delivery

    yield build
    for delivery in made:
        delivery.stop(5)
