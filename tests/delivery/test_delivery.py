"""Posts, edits, replies, direct messages, App Homes and anchors arrive, once, in order, and show what is true."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.delivery.loop import Delivery
from bot.delivery.sender import Anchor, client
from sandbox.server import Sandbox
from storage.db import Database
from tests.contexts import make_context
from tests.delivery import workplace
from tests.delivery.workplace import CHANNELS, Card, Word, channel, retitle
from workflows import clock, outbox
from workflows.outbox import Subject

pytestmark = pytest.mark.slow

Make = Callable[..., Delivery]


def test_ten_channels_get_their_messages_in_order(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    for number in range(8):
        with database.begin() as session:
            now = clock.now(session)
            for room in CHANNELS:
                word = Word(f"{room} {number}")
                outbox.post(session, word, to=channel(room), dedupe_key=f"{room}:{number}", now=now)
    assert delivery.drain(20)
    for room in CHANNELS:
        assert workplace.texts(slack, room) == [f"{room} {number}" for number in range(8)]
    assert not [call for call in slack.inspector.calls("chat.postMessage") if call.status == 429]


def test_a_fact_is_announced_once(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make()
    for _ in range(3):
        with database.begin() as session:
            outbox.post(
                session,
                Word("once"),
                to=channel(CHANNELS[0]),
                dedupe_key="fact",
                now=clock.now(session),
            )
    assert delivery.drain(5)
    assert workplace.everything(slack) == Counter({"once": 1})


def test_a_reply_waits_for_its_card_and_joins_its_thread(
    database: Database, slack: Sandbox, make: Make
) -> None:
    with database.begin() as session:
        now = clock.now(session)
        card = outbox.post(
            session, Word("card"), to=channel(CHANNELS[0]), dedupe_key="card", now=now
        )
        outbox.post(
            session,
            Word("reply"),
            to=channel(CHANNELS[0]),
            dedupe_key="reply",
            now=now,
            thread_of=card,
        )
        outbox.post(session, Word("next"), to=channel(CHANNELS[0]), dedupe_key="next", now=now)
    assert make().drain(5)
    with slack.world.lock:
        messages = {m.text: m for m in slack.world.channels[CHANNELS[0]].messages.values()}
    assert messages["reply"].thread_ts == messages["card"].ts
    assert not messages["next"].is_reply


def test_a_direct_message_is_opened_once(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make()
    for number in range(3):
        with database.begin() as session:
            outbox.post(
                session,
                Word(f"dm {number}"),
                to=channel("U0ANA"),
                dedupe_key=f"dm{number}",
                now=clock.now(session),
            )
    assert delivery.drain(5)
    assert len(slack.inspector.calls("conversations.open")) == 1
    assert list(workplace.everything(slack)) == ["dm 0", "dm 1", "dm 2"]


def test_every_copy_follows_its_record(
    database: Database, slack: Sandbox, make: Make, told: Counter[str]
) -> None:
    delivery = make()
    places = [*CHANNELS[:3], "U0BEN"]
    with database.begin() as session:
        now = clock.now(session)
        for place in places:
            outbox.post(
                session,
                Card("p-U0ANA"),
                to=channel(place),
                dedupe_key=f"card:{place}",
                now=now,
                subject=Subject("person", "p-U0ANA"),
            )
    assert delivery.drain(5)
    for title in ("second", "third"):
        with database.begin() as session:
            retitle(session, "p-U0ANA", title, clock.now(session))
    assert delivery.drain(5)
    assert workplace.everything(slack) == Counter({"p-U0ANA: third": len(places)})
    calls = len(slack.inspector.calls("chat.update"))
    told.clear()
    with database.begin() as session:
        outbox.refresh(make_context(session, now=clock.now(session)), Subject("person", "p-U0ANA"))
    assert delivery.drain(5)
    assert len(slack.inspector.calls("chat.update")) == calls, "an equal message was edited"
    assert told["unchanged"] == len(places)


def test_a_change_while_a_card_is_being_posted_still_reaches_it(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.slow("chat.postMessage", seconds=0.3, count=1)
    delivery = make()
    with database.begin() as session:
        outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(CHANNELS[0]),
            dedupe_key="card",
            now=clock.now(session),
            subject=Subject("person", "p-U0ANA"),
        )
    while not workplace.texts(slack, CHANNELS[0]):
        pass
    with database.begin() as session:
        retitle(session, "p-U0ANA", "changed meanwhile", clock.now(session))
    assert delivery.drain(5)
    assert workplace.texts(slack, CHANNELS[0]) == ["p-U0ANA: changed meanwhile"]


def test_an_edit_does_not_wait_for_the_pace_of_posting(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(pace=replace(workplace.PACE, seconds_per_message=30.0))
    with database.begin() as session:
        outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(CHANNELS[0]),
            dedupe_key="card",
            now=clock.now(session),
            subject=Subject("person", "p-U0ANA"),
        )
    assert delivery.drain(5)
    with database.begin() as session:
        outbox.post(
            session,
            Word("paced"),
            to=channel(CHANNELS[0]),
            dedupe_key="paced",
            now=clock.now(session),
        )
        retitle(session, "p-U0ANA", "at once", clock.now(session))
    for _ in range(200):
        if workplace.texts(slack, CHANNELS[0]) == ["p-U0ANA: at once"]:
            break
        delivery.drain(0.01)
    assert workplace.texts(slack, CHANNELS[0]) == ["p-U0ANA: at once"]


def test_a_home_is_published_and_publications_that_wait_are_one(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(start=False)
    for _ in range(3):
        with database.begin() as session:
            outbox.publish_home(session, "p-U0ANA", to=channel("U0ANA"), now=clock.now(session))
    delivery.start()
    assert delivery.drain(5)
    assert len(slack.inspector.calls("views.publish")) == 1
    view = slack.seat("U0ANA").home()
    assert view is not None
    assert view.blocks[0]["text"]["text"] == "first"


def test_the_anchor_keeps_the_head_as_it_is_when_it_is_sent(
    database: Database, make: Make, tmp_path: Path
) -> None:
    kept = tmp_path / "heads"
    tries = iter([OSError("away"), None])

    def keep(head: int) -> None:
        if (error := next(tries)) is not None:
            raise error
        kept.write_text(json.dumps(head))

    anchor = Anchor(
        lambda session, errand, now: session.execute(
            text("SELECT seq FROM audit_head")
        ).scalar_one(),
        keep,
    )
    with database.begin() as session:
        outbox.anchor_head(session, Word("daily"), dedupe_key="head:1", now=clock.now(session))
    assert make(anchor=anchor).drain(5)
    assert json.loads(kept.read_text()) == 0


def test_what_is_due_later_waits_and_blocks_nothing(
    database: Database, slack: Sandbox, make: Make
) -> None:
    with database.begin() as session:
        now = clock.now(session)
        later = now + timedelta(hours=9)
        outbox.post(
            session,
            Word("digest"),
            to=channel(CHANNELS[0]),
            dedupe_key="digest",
            now=now,
            due_at=later,
        )
        outbox.post(session, Word("now"), to=channel(CHANNELS[0]), dedupe_key="now", now=now)
        session.execute(text("UPDATE runtime SET made_by = 'demo'"))
    delivery = make()
    assert delivery.drain(5)
    assert workplace.texts(slack, CHANNELS[0]) == ["now"]
    with database.begin() as session:
        clock.move(session, timedelta(hours=10))
    slack.clock.advance(timedelta(hours=10))
    assert delivery.drain(5)
    assert workplace.texts(slack, CHANNELS[0]) == ["now", "digest"]


def test_what_expired_is_dropped_and_said_so_on_the_ledger(
    database: Database, slack: Sandbox, make: Make
) -> None:
    with database.begin() as session:
        now = clock.now(session)
        card = outbox.post(
            session,
            Word("stale"),
            to=channel(CHANNELS[0]),
            dedupe_key="stale",
            now=now,
            expires_at=now - timedelta(seconds=1),
        )
        outbox.post(
            session,
            Word("reply"),
            to=channel(CHANNELS[0]),
            dedupe_key="reply",
            now=now,
            thread_of=card,
        )
    assert make().drain(5)
    assert workplace.texts(slack, CHANNELS[0]) == []
    assert workplace.states(database) == {"stale": "cancelled", "reply": "cancelled"}
    with database.read() as session:
        actions = (
            session.execute(text("SELECT action FROM audit_entry ORDER BY seq")).scalars().all()
        )
    assert actions == ["outbox.cancelled", "outbox.cancelled"]


def test_a_record_that_is_gone_is_not_announced(
    database: Database, slack: Sandbox, make: Make
) -> None:
    with database.begin() as session:
        outbox.post(
            session,
            Card("p-NOBODY"),
            to=channel(CHANNELS[0]),
            dedupe_key="card",
            now=clock.now(session),
        )
    assert make().drain(5)
    assert workplace.states(database) == {"card": "cancelled"}
    assert workplace.texts(slack, CHANNELS[0]) == []


def test_a_deleted_copy_is_not_edited_again(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make()
    with database.begin() as session:
        outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(CHANNELS[0]),
            dedupe_key="card",
            now=clock.now(session),
            subject=Subject("person", "p-U0ANA"),
        )
    assert delivery.drain(5)
    slack.faults.refuse("chat.update", error="message_not_found", count=1)
    for title in ("second", "third"):
        with database.begin() as session:
            retitle(session, "p-U0ANA", title, clock.now(session))
        assert delivery.drain(5)
    assert len(slack.inspector.calls("chat.update")) == 1
    assert "dead" not in workplace.states(database).values()


def test_stop_finishes_what_is_under_way_and_gives_leases_back(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.slow("chat.postMessage", seconds=0.4, count=1)
    delivery = make()
    with database.begin() as session:
        outbox.post(
            session,
            Word("last"),
            to=channel(CHANNELS[0]),
            dedupe_key="last",
            now=clock.now(session),
        )
    while not workplace.texts(slack, CHANNELS[0]):
        pass
    assert delivery.stop(5)
    assert workplace.states(database) == {"last": "sent"}
    with database.read() as session:
        assert (
            session.execute(
                text("SELECT count(*) FROM lane WHERE lease_until IS NOT NULL")
            ).scalar()
            == 0
        )


def test_delivery_refuses_a_client_that_repeats_calls(database: Database, slack: Sandbox) -> None:
    from slack_sdk import WebClient

    assert client("xoxb-1").retry_handlers == []
    assert client("xoxb-1").timeout == 10.0
    with pytest.raises(ValueError, match="retry_handlers"):
        Delivery(
            database,
            lambda: WebClient("xoxb-1"),
            (),
            org_key="T1",
            policy=workplace.policy,
            audience=lambda session, channel: True,
            home=workplace.home,
        )


def test_a_persons_card_knows_its_reader(database: Database, slack: Sandbox, make: Make) -> None:
    make(start=False)
    seen: set[tuple[str | None, bool]] = set()
    from bot.delivery.rendering import Rendered, Renderer, Scene

    def show(record: str, notice: Word, scene: Scene) -> Rendered:
        seen.add((scene.reader_id, scene.is_closed))
        return Rendered(record, [])

    renderer = Renderer(Word, lambda session, notice, scene: notice.word, show)
    delivery = Delivery(
        database,
        lambda: client(slack.bot_token, base_url=slack.api_url),
        (renderer,),
        org_key=workplace.ORG,
        policy=workplace.policy,
        audience=lambda session, channel: channel != CHANNELS[1],
        home=workplace.home,
        pace=workplace.PACE,
    )
    with database.begin() as session:
        now = clock.now(session)
        for number, place in enumerate(("U0ANA", CHANNELS[0], CHANNELS[1])):
            outbox.post(
                session,
                Word("hello"),
                to=channel(place),
                dedupe_key=place,
                now=now,
                due_at=now + timedelta(microseconds=number),
            )
    delivery.start()
    assert delivery.drain(5)
    delivery.stop()
    assert seen == {("p-U0ANA", True), (None, True), (None, False)}
