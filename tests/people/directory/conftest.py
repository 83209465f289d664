"""A directory that asks a stand-in for Slack over HTTP, and writes a real database."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from slack_sdk import WebClient

from bot import installed
from bot.deps import Team
from bot.people.mirror import Result, WatchGroups
from bot.slack.directory import Directory
from sandbox.faults import RateLimits
from sandbox.server import Sandbox
from sandbox.world import World
from storage.db import Database
from tests.contexts import POLICY

OLA, FAY, FRED, GUS, SAM, BEN = "U0OLA", "U0FAY", "U0FRED", "U0GUS", "U0SAM", "U0BEN"


def one_workspace() -> dict[str, Any]:
    """Ola, Fay and Fred are members, Gus is a guest, Ben left, Sam is of another organisation."""
    return {
        "teams": [
            {"id": "T0ACME", "name": "Acme", "domain": "acme"},
            {"id": "T0ELSE", "name": "Else", "domain": "else", "foreign": True},
        ],
        "app": {"bot_user_id": "U0BOT", "team": "T0ACME"},
        "users": [
            {
                "id": OLA,
                "name": "ola",
                "real_name": "Ola",
                "email": "Ola@Acme.test",
                "team": "T0ACME",
            },
            {"id": FAY, "name": "fay", "real_name": "Fay", "tz": "Asia/Tokyo", "team": "T0ACME"},
            {"id": FRED, "name": "fred", "real_name": "Fred", "team": "T0ACME"},
            {"id": GUS, "name": "gus", "real_name": "Gus", "team": "T0ACME", "is_restricted": True},
            {"id": BEN, "name": "ben", "real_name": "Ben", "team": "T0ACME", "deleted": True},
            {"id": SAM, "name": "sam", "real_name": "Sam", "team": "T0ELSE"},
        ],
        "channels": [
            {"id": "C0GOV", "name": "ml-governance", "members": [OLA, FAY], "app": True},
            {"id": "C0GUEST", "name": "with-a-guest", "members": [OLA, GUS], "app": True},
            {
                "id": "C0SHARED",
                "name": "with-else",
                "members": [OLA, SAM],
                "teams": ["T0ACME", "T0ELSE"],
                "app": True,
            },
            {"id": "C0ALONE", "name": "without-the-bot", "members": [OLA]},
        ],
        "usergroups": [
            {
                "id": "S0FIN",
                "handle": "finance",
                "name": "Finance",
                "users": [FAY, FRED],
                "team": "T0ACME",
            }
        ],
    }


def grid() -> dict[str, Any]:
    """Two workspaces of one enterprise; the bot is installed in the first."""
    return {
        "enterprise": {"id": "E0ACME", "name": "Acme", "domain": "acme"},
        "teams": [
            {"id": "T0ONE", "name": "One", "domain": "one", "enterprise_id": "E0ACME"},
            {"id": "T0TWO", "name": "Two", "domain": "two", "enterprise_id": "E0ACME"},
            {"id": "T0ELSE", "name": "Else", "domain": "else", "foreign": True},
        ],
        "app": {"bot_user_id": "U0BOT", "team": "T0ONE"},
        "users": [
            {
                "id": "W0BOTH",
                "name": "both",
                "real_name": "Both",
                "team": "T0ONE",
                "teams": ["T0ONE", "T0TWO"],
            },
            {"id": "W0TWO", "name": "two", "real_name": "Two", "team": "T0TWO"},
            {"id": SAM, "name": "sam", "real_name": "Sam", "team": "T0ELSE"},
        ],
        "channels": [
            {
                "id": "C0ORG",
                "name": "org-shared",
                "teams": ["T0ONE", "T0TWO"],
                "members": ["W0BOTH", "W0TWO"],
                "app": True,
            }
        ],
    }


@dataclass(slots=True)
class Place:
    """The stand-in, the database and the directory between them."""

    sandbox: Sandbox
    db: Database
    directory: Directory
    team: Team

    @property
    def world(self) -> World:
        """Who is there."""
        return self.sandbox.world

    def asked(self, method: str) -> int:
        """How often the stand-in was asked this."""
        return len(self.sandbox.inspector.calls(f"/api/{method}"))

    def read(self) -> Result:
        """Read everything once, as at a start."""
        result = self.directory.reader.read(10, print)
        assert result is not None
        return result

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """While this lasts, the stand-in's events reach the directory over HTTP."""
        directory = self.directory

        class Hears(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                directory.handle_event(json.loads(body)["event"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        self.sandbox.deliver_to(f"http://127.0.0.1:{server.server_port}/")
        try:
            yield
        finally:
            self.sandbox.deliver_to(None)
            server.shutdown()
            thread.join()
            server.server_close()


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


Opened = Callable[..., Place]


@pytest.fixture
def open_place(database: Database) -> Iterator[Opened]:
    """Start a stand-in for an organisation, and a directory for it."""
    with ExitStack() as stack:

        def opened(
            organisation: dict[str, Any],
            limits: RateLimits | bool = False,
            watch: WatchGroups = lambda ctx, changes: None,
        ) -> Place:
            sandbox = stack.enter_context(
                Sandbox(World.from_dict(organisation), installed.load_manifest(), limits=limits)
            )
            slack = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url, retry_handlers=[])
            slack.proxy = None
            answer = slack.auth_test()
            enterprise = answer.get("enterprise_id")
            team = Team(
                org_key=str(enterprise or answer["team_id"]),
                team_id=str(answer["team_id"]),
                enterprise_id=str(enterprise) if enterprise else None,
                bot_user_id="U0BOT",
                name="Acme",
            )
            directory = Directory(slack, database, team, lambda: POLICY, watch)
            stack.callback(directory.close)
            return Place(sandbox, database, directory, team)

        yield opened


@pytest.fixture
def acme(open_place: Opened) -> Place:
    """One workspace, mirrored."""
    place = open_place(one_workspace())
    place.read()
    return place
