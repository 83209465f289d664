"""Slack's rate limits."""

import time

import pytest
from slack_sdk.errors import SlackApiError

from sandbox import RateLimits
from tests.sandbox.conftest import MakeSandbox, client_of


def test_a_channel_takes_a_burst_and_then_one_message_a_second(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(limits=RateLimits(post_burst=2))
    client = client_of(sandbox)
    client.chat_postMessage(channel="C0GENERAL", text="1")
    client.chat_postMessage(channel="C0GENERAL", text="2")
    with pytest.raises(SlackApiError) as raised:
        client.chat_postMessage(channel="C0GENERAL", text="3")
    assert raised.value.response.status_code == 429
    assert raised.value.response["error"] == "ratelimited"
    assert raised.value.response.headers["retry-after"] == "1"
    # Another channel has a second of its own, and a person's id means their conversation.
    client.chat_postMessage(channel="U0ANA", text="1")
    client.chat_postMessage(channel=sandbox.seat("U0ANA").dm().id, text="2")
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.chat_postMessage(channel="U0ANA", text="3")


def test_time_can_be_scaled(make_sandbox: MakeSandbox) -> None:
    client = client_of(make_sandbox(limits=RateLimits(scale=0.02, post_burst=1)))
    refusals = 0
    for number in range(6):
        time.sleep(0.021)
        try:
            client.chat_postMessage(channel="C0GENERAL", text=str(number))
        except SlackApiError:
            refusals += 1
    assert refusals == 0


def test_methods_have_their_tiers(make_sandbox: MakeSandbox) -> None:
    client = client_of(make_sandbox(limits=True))
    for _ in range(20):
        client.users_list()
    with pytest.raises(SlackApiError) as raised:
        client.users_list()
    assert raised.value.response.headers["retry-after"] == "3"
    client.users_info(user="U0ANA")


def test_limits_can_be_overridden_and_switched_off(make_sandbox: MakeSandbox) -> None:
    limits = RateLimits(overrides={"users.info": 1, "users.list": None}, workspace_posts_a_minute=1)
    client = client_of(make_sandbox(limits=limits))
    client.users_info(user="U0ANA")
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.users_info(user="U0ANA")
    for _ in range(25):
        client.users_list()
    client.chat_postMessage(channel="C0GENERAL", text="1")
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.chat_postMessage(channel="U0ANA", text="2")
    free = client_of(make_sandbox(limits=False))
    for number in range(25):
        free.chat_postMessage(channel="C0GENERAL", text=str(number))
    with pytest.raises(ValueError, match="limits=False"):
        RateLimits(scale=0)


def test_after_a_rest_every_allowance_is_whole_again(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(limits=RateLimits(post_burst=1))
    client = client_of(sandbox)
    client.chat_postMessage(channel="C0GENERAL", text="one")
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.chat_postMessage(channel="C0GENERAL", text="two")
    sandbox.rest()
    client.chat_postMessage(channel="C0GENERAL", text="two")
