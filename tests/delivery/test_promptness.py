"""The card that somebody clicks changes at once, whatever else waits, at Slack's real pace."""

import time
from collections.abc import Callable

import pytest

from bot.delivery.loop import Delivery
from bot.delivery.sender import client
from sandbox.server import Sandbox
from storage.db import Database
from storage.people.tables import Person
from tests.contexts import make_context
from tests.delivery import workplace
from tests.delivery.workplace import CHANNELS, PEOPLE, Card, Word, channel
from workflows import clock, outbox
from workflows.delivery.pace import Pace
from workflows.outbox import Subject

ROOM = CHANNELS[0]


@pytest.mark.slow
def test_a_clicked_card_changes_while_much_else_waits(database: Database) -> None:
    with workplace.sandbox(limits=True) as slack:
        with database.begin() as session:
            now = clock.now(session)
        workplace.add_people(database, now)
        delivery = Delivery(
            database,
            lambda: client(slack.bot_token, base_url=slack.api_url),
            workplace.RENDERERS,
            org_key=workplace.ORG,
            policy=workplace.policy,
            audience=lambda session, channel: True,
            home=workplace.home,
            pace=Pace(),
            stamps="governed",
        )
        delivery.start()
        try:
            waits = sorted(_clicks(database, slack, delivery))
        finally:
            delivery.stop(5)
        assert waits[-1] < 5.0, waits
        refused = [call for call in slack.inspector.since(limit=1000) if call.status == 429]
        assert refused == []


def _clicks(database: Database, slack: Sandbox, delivery: Delivery) -> list[float]:
    cards = [(person, room) for person in PEOPLE for room in CHANNELS[:3]]
    with database.begin() as session:
        now = clock.now(session)
        for person, room in cards:
            subject = Subject("person", f"p-{person}")
            outbox.post(
                session,
                Card(f"p-{person}"),
                to=channel(room),
                dedupe_key=f"card:{person}:{room}",
                now=now,
                subject=subject,
            )
    assert delivery.drain(20)
    with database.begin() as session:
        for number in range(100):
            room = CHANNELS[number % len(CHANNELS)]
            outbox.post(
                session, Word(f"wait {number}"), to=channel(room), dedupe_key=f"w{number}", now=now
            )
    return [_click(database, slack, number) for number in range(8)]


def _click(database: Database, slack: Sandbox, number: int) -> float:
    person, title = f"p-{PEOPLE[number % 3]}", f"click {number}"
    with slack.world.lock:
        messages = list(slack.world.channels[ROOM].messages.values())
    clicked = next(m for m in messages if m.text.startswith(f"{person}:"))
    began = time.monotonic()
    with database.begin() as session:
        found = session.get(Person, person)
        assert found is not None
        found.title = title
        session.flush()
        outbox.refresh(
            make_context(session, now=clock.now(session), card=(ROOM, clicked.ts)),
            Subject("person", person),
        )
    while f"{person}: {title}" not in workplace.texts(slack, ROOM):
        assert time.monotonic() - began < 10
        time.sleep(0.002)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_loop_sleeps_when_there_is_nothing_to_do(
    database: Database, slack: Sandbox, make: Callable[..., Delivery]
) -> None:
    delivery = make(pace=Pace())
    rounds: list[float] = []
    inner = delivery._round

    def counted(free: int) -> None:
        rounds.append(time.monotonic())
        inner(free)

    delivery._round = counted  # type: ignore[method-assign]
    time.sleep(0.3)
    rounds.clear()
    time.sleep(2.0)
    assert 1 <= len(rounds) <= 3
    assert delivery.age() < 2
