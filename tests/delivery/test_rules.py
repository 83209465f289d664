"""The rules that need no Slack: who may claim what, in which order, at which pace, and whose word counts."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse
from sqlalchemy import text
from sqlalchemy.orm import Session

from bot.slack.errors import EFFECTS, Effect, classify
from storage.db import Database
from storage.delivery import claims
from storage.delivery import outbox as delivery_outbox
from storage.delivery.tables import Message
from tests.contexts import make_context
from tests.delivery import workplace
from tests.delivery.workplace import CHANNELS, ORG, Card, Word, channel, retitle
from workflows import clock, outbox
from workflows.delivery.claiming import Claimer
from workflows.delivery.pace import RATES, Pace
from workflows.delivery.records import Address, Errand
from workflows.delivery.settling import Done, Limited, NotSent, Outcome, Settled, backoff, write
from workflows.outbox import Subject

ROOM = CHANNELS[0]
PACE = Pace()


@pytest.fixture
def claimer(database: Database) -> Claimer:
    """A replica that claims and does nothing else."""
    made = Claimer(ORG, "me", PACE)
    with database.begin() as session:
        made.prepare(session)
        now = clock.now(session)
    workplace.add_people(database, now)
    return made


def take(database: Database, claimer: Claimer, most: int = 10) -> list[Errand]:
    """Claim."""
    with database.begin() as session:
        return list(claimer.claim(session, most).errands)


def end(database: Database, errand: Errand, outcome: Outcome) -> Settled:
    """Settle."""
    with database.begin() as session:
        return write(session, errand, outcome, pace=PACE, org_key=ORG, admin=lambda session: None)


def say(session: Session, word: str, to: str = ROOM, **more: Any) -> int | None:
    """Put a word into the outbox."""
    return outbox.post(
        session, Word(word), to=channel(to), dedupe_key=word, now=clock.now(session), **more
    )


def rest(database: Database) -> None:
    """Let every lane and gate forget its pace."""
    with database.begin() as session:
        never = {"never": 0 if database.is_sqlite else datetime(1970, 1, 1).astimezone()}
        session.execute(
            text("UPDATE lane SET not_before = :never, edit_not_before = :never"), never
        )


def stand(database: Database, number: int, room: str = ROOM) -> None:
    """A copy of Ana's card that stands in Slack already."""
    with database.begin() as session:
        now = clock.now(session)
        outbox.post(
            session,
            Word("lane"),
            to=channel(room),
            dedupe_key=f"lane:{room}",
            now=now,
            due_at=now + timedelta(days=9),
        )
        session.add(
            Message(
                subject_type="person",
                subject_id="p-U0ANA",
                kind=Card.kind,
                notice={"person_id": "p-U0ANA"},
                notice_version=1,
                lane_key=channel(room).key,
                channel=room,
                ts=f"1700000000.{number:06}",
                shown_hash="",
                shown_at=now,
            )
        )


def test_a_lane_is_held_by_one_and_gives_its_oldest(database: Database, claimer: Claimer) -> None:
    with database.begin() as session:
        say(session, "first")
        say(session, "second")
        say(session, "elsewhere", CHANNELS[1])
    found = take(database, claimer)
    assert [errand.notice["word"] for errand in found] == ["first", "elsewhere"]
    assert take(database, claimer) == []


def test_a_message_is_paced_from_the_start_of_its_sending(
    database: Database, claimer: Claimer
) -> None:
    with database.begin() as session:
        say(session, "first")
        say(session, "second")
    began = time.monotonic()
    (errand,) = take(database, claimer)
    settled = end(database, errand, Done(errand.real_now, ROOM, "1700000000.000001"))
    pace, took = timedelta(seconds=1.01), timedelta(seconds=time.monotonic() - began)
    assert pace - took <= settled.ready_in <= pace
    assert take(database, claimer) == []
    with database.read() as session:
        assert timedelta(0) < claimer.sleeps(session) <= timedelta(seconds=1.01)


def test_a_message_that_starts_a_little_late_does_not_put_off_the_next() -> None:
    slot = datetime(2026, 1, 26, tzinfo=UTC)
    gap = timedelta(seconds=PACE.seconds_per_message)

    def after(late: float) -> timedelta:
        return PACE.next_slot(slot, slot + timedelta(seconds=late)) - slot

    assert after(0) == after(PACE.catch_up) == gap
    assert after(0.5) == gap + timedelta(seconds=0.5)
    assert after(-0.1) == gap - timedelta(seconds=0.1)
    assert PACE.next_slot(None, slot) == slot + gap


def test_only_the_holder_settles_and_only_once(database: Database, claimer: Claimer) -> None:
    with database.begin() as session:
        say(session, "first")
    (errand,) = take(database, claimer)
    assert not end(database, replace(errand, epoch=errand.epoch - 1), NotSent("old")).is_ours
    assert end(database, errand, Done(errand.real_now, ROOM, "1700000000.000001")).is_ours
    assert not end(database, errand, NotSent("again")).is_ours
    assert workplace.states(database) == {"first": "sent"}


def test_a_lease_that_ran_out_leaves_a_row_in_doubt(database: Database, claimer: Claimer) -> None:
    with database.begin() as session:
        say(session, "first")
    (errand,) = take(database, claimer)
    assert (errand.is_unknown, errand.attempts) == (False, 1)
    with database.begin() as session:
        past = {"past": 1 if database.is_sqlite else datetime(2020, 1, 1).astimezone()}
        session.execute(text("UPDATE lane SET lease_until = :past"), past)
    (again,) = take(database, claimer)
    assert (again.is_unknown, again.attempts, again.epoch) == (True, 1, errand.epoch + 1)
    assert again.attempt_at == errand.attempt_at
    assert not end(database, errand, Done(errand.real_now, ROOM, "1700000000.000001")).is_ours


def test_edits_go_first_and_the_clicked_card_before_all(
    database: Database, claimer: Claimer
) -> None:
    for number, room in enumerate(CHANNELS[:4]):
        stand(database, number, room)
    with database.begin() as session:
        say(session, "a post", CHANNELS[5])
        clicked = (CHANNELS[1], "1700000000.000001")
        now = clock.now(session)
        outbox.refresh(make_context(session, now=now, card=clicked), Subject("person", "p-U0ANA"))
    found = take(database, claimer)
    lanes = [errand.lane.rpartition(":")[2] for errand in found]
    assert lanes == [CHANNELS[1], CHANNELS[3], CHANNELS[2], CHANNELS[0], CHANNELS[5]]


def test_a_second_refresh_moves_the_edit_that_waits_to_the_front(
    database: Database, claimer: Claimer
) -> None:
    for number, room in enumerate(CHANNELS[:2]):
        stand(database, number, room)
    for clicked in (None, (CHANNELS[0], "1700000000.000000"), None):
        with database.begin() as session:
            outbox.refresh(
                make_context(session, now=clock.now(session), card=clicked),
                Subject("person", "p-U0ANA"),
            )
    found = take(database, claimer, most=1)
    assert [errand.lane.rpartition(":")[2] for errand in found] == [CHANNELS[0]]
    assert len(take(database, claimer)) == 1


def test_edits_are_paced_by_workspace_and_a_clicked_card_may_run_ahead_of_them(
    database: Database, claimer: Claimer
) -> None:
    rate = RATES["chat.update"]
    ordinary = rate.ordinary
    assert ordinary is not None
    for number in range(rate.burst + 5):
        stand(database, number, f"C0MANY{number:02}")
    with database.begin() as session:
        now = clock.now(session)
        retitle(session, "p-U0ANA", "second", now)
    began = time.monotonic()

    def earned() -> int:
        """Edits that the time so far allows beside the burst: none, but on a busy machine."""
        return int((time.monotonic() - began) / 1.2)

    taken = sum(len(take(database, claimer, most=100)) for _ in range(2))
    assert ordinary <= taken <= ordinary + earned()
    with database.read() as session:
        assert claimer.sleeps(session) <= timedelta(seconds=1.2)
        assert claimer.sleeps(session) > timedelta(0) or earned() > taken - ordinary
    with database.begin() as session:
        for copy in delivery_outbox.list_copies(session, "person", "p-U0ANA"):
            outbox.queue_update(session, copy, now=now, priority=outbox.FIRST)
    with database.read() as session:
        assert claimer.sleeps(session) == timedelta(0)
    taken += sum(len(take(database, claimer, most=100)) for _ in range(2))
    assert rate.burst <= taken <= rate.burst + earned()
    with database.read() as session:
        assert claimer.sleeps(session) > timedelta(0) or earned() > taken - rate.burst


def test_a_gate_lets_an_even_pace_pass(database: Database, claimer: Claimer) -> None:
    second = timedelta(seconds=1)
    key = f"{ORG}:chat.update"
    with database.begin() as session:
        now = clock.real_now(session)

        def waits(at: float) -> float:
            found = claims.take(
                session, key, real_now=now + at * second, interval=second, tolerance=2 * second
            )
            return found.total_seconds()

        assert [waits(0) for _ in range(4)] == [0, 0, 0, 1]
        assert [waits(1), waits(1)] == [0, 1]
        assert [waits(60) for _ in range(4)] == [0, 0, 0, 1]


def test_too_many_posts_close_the_lane_then_the_gate(database: Database, claimer: Claimer) -> None:
    with database.begin() as session:
        for number in range(3):
            say(session, f"word {number}", CHANNELS[number])
    (one,) = take(database, claimer, most=1)
    half = timedelta(seconds=30)
    end(database, one, Limited("chat.postMessage", half, closes=False))
    (two,) = take(database, claimer, most=1)
    assert two.lane != one.lane
    end(database, two, Limited("chat.postMessage", half, closes=True))
    with database.begin() as session:
        outbox.publish_home(session, "p-U0ANA", to=channel("U0ANA"), now=clock.now(session))
    assert {errand.op for errand in take(database, claimer)} == {"home"}
    assert {row[2] for row in workplace.rows(database)} == {0, 1}, "a refusal cost an attempt"


def test_what_a_producer_is_changing_is_left_alone_and_holds_up_nobody(
    database: Database, claimer: Claimer
) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    stand(database, 0)
    with database.begin() as session:
        outbox.refresh(make_context(session, now=clock.now(session)), Subject("person", "p-U0ANA"))
        say(session, "elsewhere", CHANNELS[1])
    with database.begin() as producer:
        retitle(producer, "p-U0ANA", "being written", clock.now(producer))
        say(producer, "into the same lane", ROOM)
        found = take(database, claimer)
        assert [errand.op for errand in found] == ["post"], "rendered before the change is visible"
    rest(database)
    assert [errand.op for errand in take(database, claimer)] == ["update"]


def test_two_replicas_share_the_lanes(database: Database, claimer: Claimer) -> None:
    with database.begin() as session:
        for number in range(40):
            say(session, f"word {number}", f"C0MANY{number:02}")
    other = Claimer(ORG, "other", PACE)
    found: list[Errand] = []

    def work(replica: Claimer) -> None:
        while errands := take(database, replica, most=3):
            found.extend(errands)

    threads = [threading.Thread(target=work, args=(replica,)) for replica in (claimer, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(errand.notice["word"] for errand in found) == sorted(
        f"word {number}" for number in range(40)
    )


def test_a_copy_is_known_once(database: Database, claimer: Claimer) -> None:
    stand(database, 1)
    with database.begin() as session:
        values = {"channel": ROOM, "ts": "1700000000.000001"}
        assert claims.add_copy(session, values) is None


def test_backing_off_doubles_with_full_jitter_up_to_a_quarter_of_an_hour() -> None:
    for attempts, ceiling in ((1, 2), (5, 32), (12, 900)):
        waits = [backoff(attempts, PACE).total_seconds() for _ in range(300)]
        assert 0 <= min(waits) < ceiling / 4
        assert ceiling / 2 < max(waits) <= ceiling


def test_a_pace_is_scaled_but_its_counts_are_not() -> None:
    fast = PACE.scaled(0.02)
    assert (fast.lease, fast.attempts, fast.rate("chat.update").burst) == (1.2, 12, 30)
    assert fast.rate("chat.update").interval == PACE.rate("chat.update").interval * 0.02
    assert PACE.guard == 48.0
    with pytest.raises(ValueError, match="scale"):
        PACE.scaled(0)


@pytest.mark.parametrize("key", ["anchor:", "slack:T1", "mlflow:x:y", "slack::C1", ""])
def test_only_slack_lanes_have_an_address(key: str) -> None:
    assert Address.of("home:slack:T1:U7") == Address("T1", "U7")
    assert Address.of("slack:T1:U7").is_person
    assert not Address.of("slack:T1:C7").is_person
    with pytest.raises(ValueError, match="no conversation"):
        Address.of(key)


def answer(status: int, data: Any, headers: dict[str, str] | None = None) -> SlackApiError:
    """What slack_sdk raises."""
    response = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data=data,
        headers=headers or {},
        status_code=status,
    )
    return SlackApiError("failed", response)  # type: ignore[no-untyped-call]


def errors() -> Iterator[tuple[Exception, Effect, str]]:
    """Errors, what they mean, and the code that is kept."""
    yield (answer(200, {"ok": False, "error": "is_archived"}), Effect.PERMANENT, "is_archived")
    yield (
        answer(200, {"ok": False, "error": "account_inactive"}),
        Effect.TOKEN,
        "account_inactive",
    )
    yield (answer(200, {"ok": False, "error": "missing_scope"}), Effect.SCOPE, "missing_scope")
    yield (
        answer(200, {"ok": False, "error": "brand_new_error"}),
        Effect.PASSING,
        "brand_new_error",
    )
    yield (
        answer(200, {"ok": False, "error": "Received a response in a non-JSON format: <html>"}),
        Effect.UNKNOWN,
        "HTTP 200",
    )
    yield (
        answer(500, {"ok": False, "error": "internal_error"}),
        Effect.UNKNOWN,
        "HTTP 500 internal_error",
    )
    yield (
        answer(200, {"ok": False, "error": "duplicate_message_not_found"}),
        Effect.UNKNOWN,
        "duplicate_message_not_found",
    )
    yield (
        answer(404, {"ok": False, "error": "Received a response in a non-JSON format"}),
        Effect.PASSING,
        "HTTP 404",
    )
    yield (
        answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"}),
        Effect.LIMITED,
        "ratelimited",
    )
    yield (
        URLError(ConnectionRefusedError()),
        Effect.PASSING,
        "not connected (ConnectionRefusedError)",
    )
    yield URLError(TimeoutError()), Effect.UNKNOWN, "no answer (TimeoutError)"
    yield ConnectionResetError(), Effect.UNKNOWN, "no answer (ConnectionResetError)"


@pytest.mark.parametrize(("error", "effect", "code"), list(errors()))
def test_an_error_means(error: Exception, effect: Effect, code: str) -> None:
    found = classify(error)
    assert (found.effect, found.code) == (effect, code)


def test_how_long_to_wait_after_too_many_calls() -> None:
    limited = {"ok": False, "error": "ratelimited"}
    assert classify(answer(429, limited, {"retry-after": "7"})).retry_after == timedelta(seconds=7)
    assert classify(answer(429, limited)).retry_after == timedelta(seconds=30)
    assert classify(answer(429, limited, {"Retry-After": "soon"})).retry_after == timedelta(
        seconds=30
    )
    assert classify(answer(429, limited, {"Retry-After": "-5"})).retry_after == timedelta(0)


def test_no_code_means_two_things() -> None:
    from bot.slack import errors as table

    lists = [
        table._PERMANENT,
        table._SIGNED_OUT,
        table._SCOPE,
        table._GONE,
        table._LIMITED,
        table._PASSING,
        table._UNKNOWN,
    ]
    codes = [code for codes in lists for code in codes.split()]
    assert len(codes) == len(set(codes)) == len(EFFECTS)
