"""What Slack and the network do to a message: refused, limited, lost, late, and what nobody can tell."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.delivery.loop import Delivery
from sandbox.server import Sandbox
from storage.db import Database
from tests.delivery import workplace
from tests.delivery.workplace import ADMIN, CHANNELS, PACE, Card, Word, channel, retitle
from workflows import clock, outbox
from workflows.outbox import Subject

pytestmark = pytest.mark.slow

Make = Callable[..., Delivery]
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what only Slack and the network decide."""

ROOM, OTHER = CHANNELS[0], CHANNELS[1]


def say(database: Database, word: str, to: str = ROOM, **more: Any) -> int | None:
    """Put a word into the outbox."""
    with database.begin() as session:
        return outbox.post(
            session, Word(word), to=channel(to), dedupe_key=word, now=clock.now(session), **more
        )


def lookups(slack: Sandbox, method: str = "conversations.history") -> int:
    """How often the bot looked."""
    return len(slack.inspector.calls(method))


@pytest.mark.parametrize("fault", ["lose_answer", "fail_after"])
def test_a_lost_answer_is_looked_up_not_repeated(
    database: Database, slack: Sandbox, make: Make, fault: str
) -> None:
    getattr(slack.faults, fault)("chat.postMessage", count=1)
    delivery = make()
    say(database, "once")
    say(database, "after")
    assert delivery.drain(30)
    assert workplace.texts(slack, ROOM) == ["once", "after"]
    assert lookups(slack) >= 1


def test_a_lost_answer_of_a_reply_is_looked_up_in_its_thread(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    card = say(database, "card")
    assert delivery.drain(5)
    slack.faults.lose_answer("chat.postMessage", count=1)
    say(database, "reply", thread_of=card)
    assert delivery.drain(30)
    assert workplace.everything(slack) == Counter({"card": 1, "reply": 1})
    assert lookups(slack, "conversations.replies") >= 1


@on_one_database
def test_what_slack_did_not_take_is_sent_again(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.fail_before("chat.postMessage", count=2)
    delivery = make(pace=replace(PACE, late_accept=0.2))
    say(database, "in the end")
    assert delivery.drain(20)
    assert workplace.texts(slack, ROOM) == ["in the end"]


@on_one_database
def test_what_slack_takes_late_is_waited_for(
    database: Database, slack: Sandbox, make: Make
) -> None:
    # The call times out; Slack publishes a moment later, within the time for late acceptance.
    slack.faults.accept_late("chat.postMessage", seconds=0.3, count=1)
    delivery = make(pace=replace(PACE, late_accept=1.2), timeout=0.3)
    say(database, "late")
    assert delivery.drain(20)
    assert workplace.texts(slack, ROOM) == ["late"]


@on_one_database
def test_without_waiting_a_late_message_stands_twice(
    database: Database, slack: Sandbox, make: Make
) -> None:
    """The control: the rule above is what keeps it from happening."""
    slack.faults.accept_late("chat.postMessage", seconds=0.8, count=1)
    delivery = make(pace=replace(PACE, late_accept=0.0, backoff=0.001), timeout=0.3)
    say(database, "late")
    assert delivery.drain(20)
    end = time.monotonic() + 5
    while time.monotonic() < end and len(workplace.texts(slack, ROOM)) < 2:
        time.sleep(0.02)
    assert workplace.texts(slack, ROOM) == ["late", "late"]


@on_one_database
def test_a_history_that_lags_is_waited_for(database: Database, slack: Sandbox, make: Make) -> None:
    slack.faults.history_lag = 0.4
    slack.faults.lose_answer("chat.postMessage", count=1)
    delivery = make(pace=replace(PACE, late_accept=0.8))
    say(database, "slow to show")
    assert delivery.drain(20)
    assert workplace.texts(slack, ROOM) == ["slow to show"]
    assert lookups(slack) >= 2


def test_without_the_history_scope_a_message_in_doubt_is_left_to_a_person(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.withhold_scope("channels:history")
    slack.faults.lose_answer("chat.postMessage", count=1)
    delivery = make()
    say(database, "in doubt")
    say(database, "not held up")
    assert delivery.drain(30)
    row = workplace.rows(database)[0]
    assert row[1] == "dead"
    assert row[3] == "unknown: could not look it up (missing_scope)"
    assert workplace.texts(slack, ROOM) == ["in doubt", "not held up"]
    (alert,) = workplace.texts(slack, ADMIN)
    assert "unknown" in alert


@on_one_database
def test_a_look_up_that_keeps_failing_is_given_up(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.fail_before("conversations.history")
    slack.faults.lose_answer("chat.postMessage", count=1)
    # A lease that outlasts a busy machine: who loses it looks again, and that look counts for nothing.
    delivery = make(pace=replace(PACE, lookups=3, lease=60.0))
    say(database, "in doubt")
    assert delivery.drain(60)
    assert workplace.states(database)["in doubt"] == "dead"
    assert lookups(slack) == 3


@on_one_database
def test_too_many_calls_are_waited_out_and_cost_no_attempt(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after=1, count=1)
    delivery = make(pace=replace(PACE, attempts=1))
    began = time.monotonic()
    say(database, "patient")
    assert delivery.drain(30)
    assert time.monotonic() - began >= 1.0
    assert workplace.rows(database)[0][1:3] == ("sent", 1)


def test_a_limit_of_the_whole_workspace_closes_the_gate(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after=1, count=2)
    delivery = make(workers=1)
    for number, room in enumerate(CHANNELS):
        say(database, f"word {number}", room)
    assert delivery.drain(20)
    refused = [call for call in slack.inspector.calls("chat.postMessage") if call.status == 429]
    assert len(refused) == 2
    assert sum(workplace.everything(slack).values()) == len(CHANNELS)
    with database.read() as session:
        closed = session.execute(
            text(
                "SELECT count(*) FROM gate WHERE key = 'T0ACME:chat.postMessage' AND not_before > :never"
            ),
            {"never": 0 if database.is_sqlite else "1970-01-02"},
        ).scalar()
    assert closed == 1


@on_one_database
@pytest.mark.parametrize(
    ("place", "code"),
    [("C0ALONE", "not_in_channel"), ("C0OLD", "is_archived"), ("C0NONE", "channel_not_found")],
)
def test_a_permanent_refusal_is_a_dead_letter_at_once(
    database: Database, slack: Sandbox, make: Make, place: str, code: str, told: Counter[str]
) -> None:
    delivery = make()
    say(database, "never", place)
    assert delivery.drain(30)
    assert workplace.rows(database)[0][1:] == ("dead", 1, code)
    (alert,) = workplace.texts(slack, ADMIN)
    assert code in alert
    assert told["dead"] == 1
    with database.read() as session:
        found = session.execute(text("SELECT action, subject_type FROM audit_entry")).all()
    assert [tuple(entry) for entry in found] == [("outbox.dead", "outbox")]


def test_dead_letters_to_one_place_make_one_alert_which_follows(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    for number in range(3):
        say(database, f"never {number}", "C0OLD")
        assert delivery.drain(30)
    (alert,) = workplace.texts(slack, ADMIN)
    assert alert.startswith("3 messages to <#C0OLD> could not be sent")


@on_one_database
def test_an_alert_that_cannot_be_sent_is_not_alerted(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(start=False)
    delivery._admin = lambda session: "C0ALONE"
    delivery.start()
    say(database, "never", "C0OLD")
    assert delivery.drain(30)
    assert sorted(workplace.states(database).values()) == ["dead", "dead"]


@on_one_database
def test_a_revoked_token_stops_sending_and_costs_nothing(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.revoke_token()
    delivery = make(pace=replace(PACE, auth_pause=0.5, attempts=1), workers=1)
    for number in range(4):
        say(database, f"word {number}", CHANNELS[number])
    assert not delivery.drain(0.4)
    calls = len(slack.inspector.calls("chat.postMessage"))
    assert calls <= 2
    slack.faults.restore_token()
    assert delivery.drain(30)
    assert sum(workplace.everything(slack).values()) == 4
    assert {row[1] for row in workplace.rows(database)} == {"sent"}


@on_one_database
def test_nobody_to_connect_to_is_no_doubt(database: Database, slack: Sandbox, make: Make) -> None:
    slack.faults.withhold_scope("channels:history")
    delivery = make()
    delivery._sender._slack.base_url = "http://127.0.0.1:9/api/"
    say(database, "after the outage")
    assert not delivery.drain(0.3)
    delivery._sender._slack.base_url = slack.api_url
    assert delivery.drain(30)
    assert workplace.texts(slack, ROOM) == ["after the outage"]
    assert lookups(slack) == 0


@on_one_database
def test_attempts_end(database: Database, slack: Sandbox, make: Make) -> None:
    slack.faults.refuse("chat.postMessage", error="service_disabled")
    delivery = make(pace=replace(PACE, attempts=4, backoff=0.001))
    say(database, "never")
    assert delivery.drain(30)
    assert workplace.rows(database)[0][1:] == ("dead", 4, "service_disabled")
    assert len(slack.inspector.calls("chat.postMessage")) >= 4


@on_one_database
def test_a_failing_lane_holds_up_only_itself(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.refuse("conversations.open", error="service_disabled")
    delivery = make(pace=replace(PACE, backoff=60.0))
    say(database, "stuck", "U0ANA")
    for number in range(5):
        say(database, f"word {number}", CHANNELS[number])
    assert not delivery.drain(0.6)
    assert sum(workplace.everything(slack).values()) == 5


def test_an_edit_whose_answer_was_lost_is_made_again(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make()
    with database.begin() as session:
        now = clock.now(session)
        outbox.post(
            session,
            Card("p-U0ANA"),
            to=channel(ROOM),
            dedupe_key="card",
            now=now,
            subject=Subject("person", "p-U0ANA"),
        )
    assert delivery.drain(5)
    slack.faults.lose_answer("chat.update", count=1)
    with database.begin() as session:
        retitle(session, "p-U0ANA", "second", clock.now(session))
    # Back to what the copy is believed to show: only an edit that is made, not skipped, repairs it.
    with database.begin() as session:
        retitle(session, "p-U0ANA", "first", clock.now(session))
    assert delivery.drain(30)
    assert workplace.texts(slack, ROOM) == ["p-U0ANA: first"]


@on_one_database
def test_a_notice_of_a_newer_release_waits_for_it(
    database: Database, slack: Sandbox, make: Make
) -> None:
    say(database, "from tomorrow")
    with database.begin() as session:
        session.execute(text("UPDATE outbox SET kind = 'test.tomorrow'"))
    delivery = make(pace=replace(PACE, backoff=0.05))
    assert not delivery.drain(0.5)
    # It is looked at again and again, and may be in hand at this moment.
    assert workplace.states(database)["from tomorrow"] in {"pending", "sending"}
    with database.begin() as session:
        session.execute(text("UPDATE outbox SET kind = 'test.word'"))
        session.execute(
            text("UPDATE lane SET not_before = :now"),
            {"now": 0 if database.is_sqlite else "1970-01-01"},
        )
    assert delivery.drain(30)
    assert workplace.texts(slack, ROOM) == ["from tomorrow"]


def test_moving_the_governed_clock_sends_nothing_twice(
    database: Database, slack: Sandbox, make: Make
) -> None:
    with database.begin() as session:
        session.execute(text("UPDATE runtime SET made_by = 'demo'"))
    slack.faults.slow("chat.postMessage", seconds=0.5, count=1)
    slack.faults.lose_answer("chat.postMessage", count=1)
    delivery = make()
    say(database, "one")
    say(database, "two", OTHER)
    time.sleep(0.1)
    with database.begin() as session:
        clock.move(session, timedelta(days=1))
    slack.clock.advance(timedelta(days=1))
    assert delivery.drain(20)
    assert workplace.everything(slack) == Counter({"one": 1, "two": 1})


@pytest.mark.parametrize("lane", ["slack::U0ANA", "slack:T0ACME:", "smoke:U0ANA"])
def test_a_row_that_nobody_can_read_holds_up_nobody(
    database: Database, slack: Sandbox, make: Make, lane: str
) -> None:
    say(database, "unreadable")
    say(database, "after it", OTHER)
    with database.begin() as session:
        session.execute(
            text(
                "INSERT INTO lane (key, not_before, edit_not_before, epoch)"
                " SELECT :lane, not_before, edit_not_before, 0 FROM lane LIMIT 1"
            ),
            {"lane": lane},
        )
        session.execute(
            text("UPDATE outbox SET lane_key = :lane WHERE dedupe_key = 'unreadable'"),
            {"lane": lane},
        )
    delivery = make()
    assert delivery.drain(30)
    states = workplace.states(database)
    assert (states["unreadable"], states["after it"]) == ("dead", "sent")
    assert f"dead:{lane}" in str(states)


def test_nothing_goes_to_an_empty_organisation() -> None:
    for org_key, slack_id in (("", "U0ANA"), ("T0ACME", "")):
        with pytest.raises(ValueError, match="of an organisation"):
            outbox.Destination.person(org_key, slack_id)
        with pytest.raises(ValueError, match="of an organisation"):
            outbox.Destination.channel(org_key, slack_id)
