"""Slack that refuses, is not there, or is something else."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.mistakes.others import untrusted_tls
from tests.mistakes.typed import assert_told, typed
from tests.registry.test_client import Server

REFUSALS = {
    "invalid_auth": "it doesn't know it",
    "account_inactive": "the app was uninstalled",
    "token_revoked": "it was revoked",
    "token_expired": "Turn token rotation off",
    "missing_scope": "it lacks the scope",
    "not_allowed_token_type": "it is another kind of token",
    "access_denied": "Ask its administrators",
    "something_new": "it gives no other reason (something_new)",
}


@pytest.mark.parametrize("code", REFUSALS)
def test_the_bot_token_is_refused(
    code: str, slack: Sandbox, right: dict[str, str], tmp_path: Path
) -> None:
    slack.faults.refuse("auth.test", error=code)
    ended = typed(right, tmp_path, "run", "--port", "0")
    assert_told(ended, "Slack refuses SLACK_BOT_TOKEN", code, REFUSALS[code])
    assert slack.bot_token not in ended.said
    ended = typed(right, tmp_path, "doctor")
    assert ended.code == 1
    assert "failed  token: Slack refuses SLACK_BOT_TOKEN: " in ended.out


@pytest.mark.parametrize("code", ["invalid_auth", "missing_scope", "token_revoked"])
def test_the_app_token_is_refused_before_anything_is_sent(
    code: str, slack: Sandbox, right: dict[str, str], tmp_path: Path
) -> None:
    slack.faults.refuse("apps.connections.open", error=code)
    ended = typed(right, tmp_path, "run", "--port", "0")
    assert_told(ended, "Slack refuses SLACK_APP_TOKEN", code, "connections:write")
    ended = typed(right, tmp_path, "doctor")
    assert ended.code == 1
    assert "failed  transport: Slack refuses SLACK_APP_TOKEN" in ended.out


def test_wrong_tokens(right: dict[str, str], tmp_path: Path) -> None:
    for name, token in (("SLACK_BOT_TOKEN", "xoxb-1-hush"), ("SLACK_APP_TOKEN", "xapp-1-hush")):
        ended = typed(right | {name: token}, tmp_path, "run", "--port", "0")
        assert_told(ended, f"Slack refuses {name}: it doesn't know it (invalid_auth).")
        assert "hush" not in ended.said


def test_slack_in_trouble(slack: Sandbox, right: dict[str, str], tmp_path: Path) -> None:
    slack.faults.fail_before("auth.test", status=503)
    assert_told(typed(right, tmp_path, "run"), "is in trouble (HTTP 503)")


def test_slack_that_limits(slack: Sandbox, right: dict[str, str], tmp_path: Path) -> None:
    slack.faults.rate_limit("auth.test", retry_after=30)
    assert_told(typed(right, tmp_path, "run"), "ratelimited", "Try again in a minute")
    slack.faults.clear()
    slack.faults.rate_limit("apps.connections.open", retry_after=30)
    ended = typed(right, tmp_path, "doctor")
    assert ended.code == 0
    assert "warning transport: Socket Mode; Slack limits how often" in ended.out


def refused(folder: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/api/"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (refused, "connection refused"),
        (lambda _: "http://mlgov.invalid/api/", "its name can't be resolved (DNS)"),
    ],
)
def test_slack_out_of_reach(
    address: Callable[[Path], str], words: str, right: dict[str, str], tmp_path: Path
) -> None:
    right["SLACK_API_URL"] = address(tmp_path)
    for command in ("run", "doctor"):
        ended = typed(right, tmp_path, command)
        assert ended.code == 1
        assert (words in ended.said, "Traceback" in ended.said) == (True, False)


def test_a_certificate_that_nobody_vouches_for(right: dict[str, str], tmp_path: Path) -> None:
    with untrusted_tls(tmp_path) as url:
        right["SLACK_API_URL"] = f"{url}/api/"
        ended = typed(right, tmp_path, "run")
    assert_told(ended, "its certificate isn't trusted", "SSL_CERT_FILE")


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"content-type": "text/html"}, b"<html>Sign in</html>"),
        (200, {"content-type": "application/json"}, b'{"ok": true}'),
        (200, {"content-type": "application/json"}, b"[1]"),
        (302, {"location": "https://login.example.com/"}, b""),
        (407, {}, b"proxy"),
    ],
    ids=["a page", "other JSON", "a list", "a redirect", "a proxy"],
)
def test_something_else_answers(
    answer: tuple[int, dict[str, str], bytes], right: dict[str, str], tmp_path: Path
) -> None:
    server = Server()
    server.answer = lambda method, path: answer if "login" not in path else (200, {}, b"<html>")
    if answer[0] == 302:
        answer[1]["location"] = f"{server.url}/login"
    right["SLACK_API_URL"] = f"{server.url}/api/"
    try:
        ended = typed(right, tmp_path, "run")
    finally:
        server.stop()
    assert_told(ended, "doesn't answer as Slack does")
