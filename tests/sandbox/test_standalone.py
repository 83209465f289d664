"""`python -m sandbox` in a process of its own."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from slack_sdk import WebClient

from tests.sandbox.conftest import MANIFEST, ORG

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "sandbox"]


def test_it_serves_a_manifest_and_an_organisation(tmp_path: Path) -> None:
    (tmp_path / "manifest.yml").write_text(yaml.safe_dump(MANIFEST))
    (tmp_path / "org.json").write_text(json.dumps(ORG))
    options = ["--manifest", "manifest.yml", "--org", "org.json", "--port", "0"]
    options += ["--at", "2026-01-26T08:50:00+00:00", "--bot-token", "xoxb-given"]
    with subprocess.Popen(
        COMMAND + options, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        settings = dict(line[7:].strip().split("=", 1) for line in lines[1:5])
        assert settings["SLACK_BOT_TOKEN"] == "xoxb-given"
        client = WebClient(
            token=settings["SLACK_BOT_TOKEN"], base_url=settings["SLACK_API_URL"], retry_handlers=[]
        )
        ts = client.chat_postMessage(channel="C0GENERAL", text="hello")["ts"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert ts.startswith("17694174")  # 2026-01-26T08:50 and some seconds


def test_it_starts_alone_with_a_workspace_of_any_size() -> None:
    options = ["--people", "3000", "--port", "0", "--no-limits"]
    with subprocess.Popen(COMMAND + options, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        settings = dict(line[7:].strip().split("=", 1) for line in lines[1:5])
        client = WebClient(
            token=settings["SLACK_BOT_TOKEN"], base_url=settings["SLACK_API_URL"], retry_handlers=[]
        )
        members = [one for page in client.users_list(limit=1000) for one in page["members"]]
        team = client.team_info()["team"]["name"]
        channels = client.conversations_list(limit=1000)["channels"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "3,000 people" in lines[0]
    assert settings["SLACK_SIGNING_SECRET"]
    assert settings["SLACK_APP_TOKEN"].startswith("xapp-")
    present = [one for one in members if not one["deleted"] and not one["is_bot"]]
    assert len(present) == 3000
    assert len({one["profile"]["email"] for one in present}) == 3000
    assert len(channels) > 50
    assert team == "Acme"


def test_what_it_cannot_use_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.yml").write_text("display_information: {name: x}\n")
    (tmp_path / "assistant.yml").write_text(
        "display_information: {name: x}\n"
        "settings: {event_subscriptions: {bot_events: [assistant_thread_started]}}\n"
    )
    (tmp_path / "org.yml").write_text("users: [{name: a, team: T0NONE}]\n")
    for options, words in [
        (["--manifest", "none.yml"], "none.yml"),
        (["--manifest", "manifest.yml", "--org", "org.yml"], "no workspace T0NONE"),
        (["--manifest", "manifest.yml", "--at", "noon"], "noon"),
        (["--people", "0"], "1 to 100000 people"),
        (["--people", "5", "--org", "org.yml"], "not both"),
        (["--manifest", "assistant.yml"], "assistant_thread_started is Slack's"),
    ]:
        done = subprocess.run(
            COMMAND + options, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
