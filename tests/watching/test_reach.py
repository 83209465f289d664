"""What is made of the calls that are seen: pure, at the pace of life."""

import logging
import time
from datetime import timedelta

import pytest
from slack_sdk.errors import SlackApiError

from bot.background import Seldom
from bot.slack import client as slack_client
from bot.slack.client import APP_TOKEN_METHOD, Reach
from bot.slack.errors import Effect, Failure

SILENT = Failure(Effect.UNKNOWN, "no answer (TimeoutError)")
CUT = Failure(Effect.PASSING, "not connected (ConnectionRefusedError)")
PROXY = Failure(Effect.PASSING, "HTTP 403")
LIMITED = Failure(Effect.LIMITED, "ratelimited", timedelta(seconds=1))
REVOKED = Failure(Effect.TOKEN, "token_revoked")
REFUSED = Failure(Effect.PERMANENT, "channel_not_found")


@pytest.fixture
def reach() -> Reach:
    return Reach()


def after(reach: Reach, seconds: float) -> None:
    """Let it be so much later, as far as the outage goes."""
    assert reach._failing_since is not None
    reach._failing_since -= seconds


@pytest.mark.parametrize("failure", [SILENT, CUT, PROXY], ids=lambda one: one.code)
def test_a_minute_without_an_answer(reach: Reach, failure: Failure) -> None:
    reach.observe("chat.postMessage", failure, 0.1)
    assert reach.trouble() is None, "a moment is nothing yet"
    after(reach, 59)
    assert reach.trouble() is None
    reach.observe("chat.postMessage", failure, 0.1)
    after(reach, 2)
    assert reach.trouble() == f"Slack has been out of reach for 61 seconds ({failure.code})"
    assert reach.away() is not None
    reach.observe("users.info", REFUSED, 0.1)
    assert reach.trouble() is None, "whoever refuses is there"


def test_a_limit_is_an_answer_and_no_proof_of_the_token(reach: Reach) -> None:
    reach.observe("auth.test", REVOKED, 0.1)
    assert "SLACK_BOT_TOKEN (token_revoked)" in str(reach.trouble())
    reach.observe("chat.postMessage", LIMITED, 0.1)
    assert "SLACK_BOT_TOKEN (token_revoked)" in str(reach.trouble())
    reach.observe("auth.test", None, 0.1)
    assert reach.trouble() is None


def test_the_app_token_is_another(reach: Reach) -> None:
    is_up = True
    reach.watch_socket(lambda: is_up)
    reach.observe(APP_TOKEN_METHOD, Failure(Effect.TOKEN, "invalid_auth"), 0.1)
    assert reach.trouble() is None, "the socket that stands goes on standing"
    is_up = False
    assert "SLACK_APP_TOKEN (invalid_auth)" in str(reach.trouble())
    assert reach.away() is None
    reach.observe(APP_TOKEN_METHOD, None, 0.1)
    assert reach.trouble() is None, "it is being opened"
    assert reach._socket_down_since is not None
    reach._socket_down_since -= 61
    assert "socket has been down for 61 seconds" in str(reach.trouble())


def test_it_asks_only_where_nobody_else_does(reach: Reach) -> None:
    assert not reach._wants_probe()
    reach._answered = reach._asked = time.monotonic() - 21
    assert reach._wants_probe()
    reach.observe("chat.postMessage", None, 0.1)
    assert not reach._wants_probe()
    reach.observe("chat.postMessage", CUT, 0.1)
    reach._answered -= 6
    assert reach._wants_probe(), "its return is noticed within seconds"


def test_every_call_is_seen_with_its_end() -> None:
    seen: list[tuple[str, str]] = []

    def observe(method: str, failure: Failure | None, seconds: float) -> None:
        assert seconds >= 0
        seen.append((method, slack_client.call_result(failure)))

    slack = slack_client.web_client(
        "xoxb-1", base_url="http://127.0.0.1:1/", timeout=1, observer=observe
    )
    for client in (slack, slack_client.copy_client(slack, timeout=2)):
        with pytest.raises((SlackApiError, OSError)):
            client.auth_test()
    assert seen == [("auth.test", "failed")] * 2
    assert slack.retry_handlers == []


def test_one_line_of_a_kind_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 1.0, 59.0, 59.5, 61.0, 130.0])
    seldom = Seldom(logging.getLogger("seldom"), clock=lambda: next(times))
    with caplog.at_level(logging.INFO, "seldom"):
        for kind in ("a", "a", "a", "b", "a", "a"):
            seldom.say(logging.WARNING, kind, "%s came", kind)
    assert [record.getMessage() for record in caplog.records] == [
        "a came",
        "b came",
        "a came (and 2 times more since the last such line)",
        "a came",
    ]
