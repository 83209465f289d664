"""What people see and may do, the feed, the clock, and many at once."""

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from slack_sdk import WebClient

from sandbox import GovernedClock, NotPossible, Sandbox
from sandbox.messages import micros_of, ts_of
from tests.sandbox.conftest import MANIFEST, MakeSandbox, client_of


def test_unread_counts_what_others_said(sandbox: Sandbox, client: WebClient) -> None:
    ana, bob = sandbox.seat("U0ANA"), sandbox.seat("U0BOB")
    root = bob.say("C0GENERAL", "hello").ts
    client.chat_postMessage(channel="C0GENERAL", text="in a thread", thread_ts=root)
    client.chat_postMessage(channel="U0ANA", text="for you")
    assert ana.unread() == {"C0GENERAL": 1, ana.dm().id: 1}
    assert bob.unread() == {}
    ana.mark_read("C0GENERAL")
    assert ana.unread() == {ana.dm().id: 1}


def test_people_see_only_their_channels(sandbox: Sandbox) -> None:
    assert {one.id for one in sandbox.seat("U0STRANGER").channels()} == {"C0SHARED"}
    assert sandbox.seat("U0BOB").messages("C0OUTSIDE") == []  # public
    for user, channel in [
        ("U0BOB", "C0SECRET"),
        ("U0GUEST", "C0GENERAL"),
        ("U0STRANGER", "C0GENERAL"),
        ("U0BOB", sandbox.seat("U0ANA").dm().id),
        ("U0BOB", "C0NONE"),
    ]:
        with pytest.raises(NotPossible):
            sandbox.seat(user).messages(channel)
    with pytest.raises(ValueError, match="no user U0NONE"):
        sandbox.seat("U0NONE")
    with pytest.raises(ValueError, match="not in the workspace"):
        sandbox.seat("U0ANA", "T0OTHER")
    with pytest.raises(NotPossible, match="not installed"):
        sandbox.seat("U0STRANGER").open_home()


def test_people_write_where_slack_lets_them(make_sandbox: MakeSandbox) -> None:
    home = {"home_tab_enabled": True, "messages_tab_read_only_enabled": True}
    features = MANIFEST["features"] | {"app_home": home}
    seat = make_sandbox(manifest=MANIFEST | {"features": features}).seat("U0ANA")
    with pytest.raises(NotPossible, match="turned off"):
        seat.say(seat.dm().id, "x")
    with pytest.raises(NotPossible, match="archived"):
        seat.say("C0OLD", "x")
    with pytest.raises(NotPossible, match="no such thread"):
        seat.say("C0GENERAL", "x", thread_ts="1.0")
    assert seat.say("C0GENERAL", "x").text == "x"


def test_messages_are_stamped_by_the_governed_clock(sandbox: Sandbox, client: WebClient) -> None:
    sandbox.clock.set(datetime(2026, 1, 26, 8, 50, tzinfo=UTC))
    first = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    assert datetime.fromtimestamp(float(first), UTC).date().isoformat() == "2026-01-26"
    sandbox.clock.advance(timedelta(days=1))
    second = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    assert 86_400 <= float(second) - float(first) < 86_410
    # Going back keeps the order of a channel.
    sandbox.clock.set(datetime(2025, 1, 1, tzinfo=UTC))
    third = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    assert micros_of(third) == micros_of(second) + 1
    # Trigger ids go by real time.
    one = sandbox.installation.issue_trigger("U0ANA")
    sandbox.clock.advance(timedelta(hours=1))
    sandbox.installation.exchange_trigger(one)
    with pytest.raises(ValueError, match="zone"):
        GovernedClock(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
    assert ts_of(micros_of("12.000003")) == "12.000003"


def test_the_feed_tells_what_changed_to_those_who_wait(sandbox: Sandbox, client: WebClient) -> None:
    feed = sandbox.world.feed
    start = feed.last
    seen: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: seen.extend(feed.since(start, timeout=5)))
    waiting.start()
    time.sleep(0.05)
    ts = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    waiting.join(5)
    assert (seen[0]["type"], seen[0]["ts"]) == ("message", ts)
    client.chat_postEphemeral(channel="C0GENERAL", user="U0BOB", text="psst")
    private = [one for one in feed.since(start) if one["type"] == "ephemeral"]
    assert [one["user"] for one in private] == ["U0BOB"]
    numbers = [one["n"] for one in feed.since(0)]
    assert all(after == before + 1 for before, after in pairwise(numbers))
    heard: list[str] = []
    stop = feed.listen(lambda item: heard.append(item["type"]))
    client.chat_delete(channel="C0GENERAL", ts=ts)
    stop()
    client.chat_postMessage(channel="C0GENERAL", text="y")
    assert heard == ["message_deleted", "exchange"]


def test_many_at_once_keep_their_order_and_lose_nothing(sandbox: Sandbox) -> None:
    def write(number: int) -> None:
        client = client_of(sandbox)
        for line in range(20):
            client.chat_postMessage(channel="C0GENERAL", text=f"{number}:{line}")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    messages = sandbox.seat("U0ANA").messages("C0GENERAL")
    stamps = [one.ts for one in messages]
    assert len(stamps) == 160
    assert stamps == sorted(set(stamps))
    assert len({one.text for one in messages}) == 160


def test_nothing_is_left_behind(make_sandbox: MakeSandbox) -> None:
    before = set(threading.enumerate())
    sandbox = make_sandbox()
    client_of(sandbox).auth_test()
    sandbox.stop()
    sandbox.stop()
    assert set(threading.enumerate()) <= before


def test_the_app_is_invited_as_slack_lets_one(sandbox: Sandbox) -> None:
    """By Slack's own command, which no app hears; the app hears that it came."""
    bot = sandbox.world.app.bot_user_id
    name = sandbox.world.users[bot].name
    ana, bob, guest = (sandbox.seat(one) for one in ("U0ANA", "U0BOB", "U0GUEST"))
    assert bot not in sandbox.world.channels["C0OUTSIDE"].members
    for seat in (ana, bob):
        if seat.user_id not in sandbox.world.channels["C0OUTSIDE"].members:
            refused = seat.slash("/invite", f"@{name}", "C0OUTSIDE")
            assert (refused.ok, "join #" in str(refused.text)) == (False, True)
            sandbox.world.join("C0OUTSIDE", seat.user_id)
    heard: list[dict[str, object]] = []
    stop = sandbox.world.listen(lambda one: heard.append(one.event))
    assert ana.slash("invite", f"@{name}", "C0OUTSIDE").ok
    stop()
    assert bot in sandbox.world.channels["C0OUTSIDE"].members
    assert (heard[-1]["type"], heard[-1]["user"], heard[-1]["inviter"]) == (
        "member_joined_channel",
        bot,
        "U0ANA",
    )
    again = bob.slash("/invite", f"@{name}", "C0OUTSIDE")
    assert (again.ok, "already in" in str(again.text)) == (False, True)
    nobody = bob.slash("/invite", "@nobody-of-this-name", "C0OUTSIDE")
    assert (nobody.ok, "there is nobody" in str(nobody.text)) == (False, True)
    with pytest.raises(NotPossible, match="direct message"):
        ana.invite(ana.dm().id, "U0BOB")
    shared = next(one.id for one in guest.channels() if one.kind in ("public", "private"))
    with pytest.raises(NotPossible, match="guests"):
        guest.invite(shared, "U0BOB")


def test_several_are_invited_at_once_and_elsewhere(sandbox: Sandbox) -> None:
    ana = sandbox.seat("U0ANA")
    members = sandbox.world.channels["C0OUTSIDE"].members
    assert ana.slash("/invite", "@helper @bob #outside", "C0GENERAL").ok
    assert {"U0BOT", "U0BOB"} <= members.keys()
    for words, why in (
        ("@helper #nowhere", "there is no channel #nowhere"),
        ("", "there is nobody called"),
        ("@gus @nobody #outside", "there is nobody called @nobody"),
    ):
        refused = ana.slash("/invite", words, "C0GENERAL")
        assert (refused.ok, why in str(refused.text)) == (False, True)
    assert "U0GUEST" not in members
