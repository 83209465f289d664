"""Sends what nobody was offered, by signed HTTP, and gathers what is answered wherever it is answered."""

import dataclasses
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import select, text

from sandbox.outgoing.delivery import signed_headers
from storage.audit.tables import AuditEntry
from tests.sight import forged
from tests.sight.world import MARKS, Planted
from tests.stories.office import SAM, Office

TRIGGER = r"\d+\.\d+\.[0-9a-f]{32}"
FORM = "application/x-www-form-urlencoded"
KEPT_BESIDE = {
    "audit_entry",
    "audit_head",
    "home_tab",
    "inbox",
    "ledger_reader",
    "person",
    "runtime",
}
"""Tables that an answer or a reading of Slack may touch: the page of one's own Home, what was heard, whom mlgov met. The
ledger is looked at by itself."""


class Answered:
    """Takes what the bot answers to response URLs, each of which belongs to one case."""

    def __init__(self) -> None:
        self._bodies: list[tuple[str, str]] = []
        bodies = self._bodies

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                bodies.append((self.path, self.rfile.read(length).decode()))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is written beside the tests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def taken(self) -> list[tuple[str, str]]:
        """Path and body of each since the last time."""
        found = self._bodies[:]
        del self._bodies[: len(found)]
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(slots=True)
class Case:
    """One thing that somebody sends, about what is out of sight or about nothing."""

    kind: str
    name: str
    payload: dict[str, Any]
    answers: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(slots=True)
class Attack:
    """The running office, and what is sent to it."""

    office: Office
    planted: Planted
    own: int
    own_version: int
    note: tuple[str, str]
    client: httpx.Client
    private: "Answered"
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**6)))

    # --- what is sent

    def fill(self, template: Any, about: Planted) -> Any:
        """A template with the ids of what it is about."""
        if isinstance(template, dict):
            return {
                self.fill(key, about): self.fill(value, about) for key, value in template.items()
            }
        if isinstance(template, list):
            return [self.fill(one, about) for one in template]
        if not isinstance(template, str):
            return template
        known = dataclasses.asdict(about)
        return template.format(**known, own=self.own, own_version=self.own_version)

    def base(self, slack_id: str) -> dict[str, Any]:
        installation = self.office.sandbox.installation
        user = installation.world.users[slack_id]
        team = "T0ELSE" if slack_id == SAM else "T0ACME"
        return {
            "user": {"id": user.id, "name": user.name, "team_id": team},
            "team": {"id": team, "domain": "acme"},
            "api_app_id": "A0MLGOV",
            "trigger_id": "",
            "response_url": "",
        }

    def view(self, callback: str, metadata: str, state: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"V0SWEEP{next(self.numbers)}",
            "type": "modal",
            "callback_id": callback,
            "private_metadata": metadata,
            "hash": "1.a",
            "state": {"values": {key: {"e": value} for key, value in state.items()}},
            "blocks": [
                {
                    "type": "input",
                    "block_id": key,
                    "label": {"type": "plain_text", "text": "?"},
                    "element": {"type": "plain_text_input", "action_id": "e"},
                }
                for key in state
            ],
        }

    def clicks(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, values in sorted(forged.CLICKS.items()):
            for template in values:
                value = self.fill(template, about)
                action = {
                    "action_id": name,
                    "block_id": forged.BLOCKS.get(name, "b"),
                    "type": "button",
                    "action_ts": "1769417400.000100",
                    "value": value,
                }
                yield Case(
                    "click",
                    name,
                    self.base(slack_id)
                    | {
                        "type": "block_actions",
                        "container": {
                            "type": "message",
                            "channel_id": "C0SHARED",
                            "message_ts": "1.2",
                        },
                        "channel": {"id": "C0SHARED"},
                        "actions": [action],
                    },
                )
                windows = forged.WINDOWS.get(name, ("",))
                for window in windows if template == values[0] else ():
                    view = self.view("some.window", self.fill(window, about), {})
                    yield Case(
                        "click in a window",
                        name,
                        self.base(slack_id)
                        | {
                            "type": "block_actions",
                            "container": {"type": "view", "view_id": view["id"]},
                            "view": view,
                            "actions": [action],
                        },
                    )

    def submissions(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, windows in sorted(forged.SUBMISSIONS.items()):
            for window in windows:
                entered = forged.ENTERED | forged.INSTEAD.get(name, {})
                if name == "models.submit_evidence" and window.endswith("{place}:{file}"):
                    entered = entered | {"file": {"files": []}}
                state = self.fill(entered, about)
                view = self.view(name, self.fill(window, about), state)
                yield Case(
                    "submission",
                    name,
                    self.base(slack_id) | {"type": "view_submission", "view": view},
                )

    def searches(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, windows in sorted(forged.SEARCHES.items()):
            for window in windows:
                for query in forged.QUERIES:
                    view = self.view("some.window", self.fill(window, about), {})
                    yield Case(
                        "search",
                        name,
                        self.base(slack_id)
                        | {
                            "type": "block_suggestion",
                            "action_id": name,
                            "block_id": "b",
                            "value": query,
                            "view": view,
                        },
                    )

    def shortcuts(self, slack_id: str) -> Iterator[Case]:
        for name in sorted(forged.SHORTCUTS):
            yield Case(
                "shortcut",
                name,
                self.base(slack_id)
                | {
                    "type": "message_action",
                    "callback_id": name,
                    "channel": {"id": "C0OPEN"},
                    "message_ts": "1.2",
                    "message": {"ts": "1.2", "text": "We promise it.", "user": slack_id},
                },
            )

    def words(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, rest in sorted(forged.WORDS.items()):
            for template in rest:
                typed = f"{name} {self.fill(template, about)}".strip()
                base = self.base(slack_id)
                yield Case(
                    "command",
                    name,
                    {
                        "command": "/mlgov",
                        "text": typed,
                        "user_id": slack_id,
                        "team_id": base["user"]["team_id"],
                        "channel_id": "C0SHARED",
                        "trigger_id": base["trigger_id"],
                        "response_url": base["response_url"],
                    },
                )
                yield self.said("word", name, slack_id, {"text": typed})

    def files(self, slack_id: str, about: Planted) -> Iterator[Case]:
        shared = {"text": "", "subtype": "file_share", "files": [{"id": about.file}]}
        yield self.said("file", "shared", slack_id, shared)

    def replies(self, slack_id: str) -> Iterator[Case]:
        channel, ts = self.note
        for name in sorted(forged.REPLIES):
            yield self.said(
                "reply", name, slack_id, {"text": "Because.", "channel": channel, "thread_ts": ts}
            )

    def said(self, kind: str, name: str, slack_id: str, event: dict[str, Any]) -> Case:
        number = next(self.numbers)
        team = "T0ELSE" if slack_id == SAM else "T0ACME"
        return Case(
            kind,
            name,
            {
                "type": "event_callback",
                "event_id": f"Ev{number}",
                "team_id": team,
                "api_app_id": "A0MLGOV",
                "event": {
                    "type": "message",
                    "channel_type": "im",
                    "user": slack_id,
                    "team": team,
                    "channel": f"D0SWEEP{number}",
                    "ts": f"{number}.1",
                    **event,
                },
            },
        )

    def everything(self, slack_id: str, about: Planted) -> list[Case]:
        return [
            *self.clicks(slack_id, about),
            *self.submissions(slack_id, about),
            *self.searches(slack_id, about),
            *self.shortcuts(slack_id),
            *self.words(slack_id, about),
            *self.files(slack_id, about),
            *self.replies(slack_id),
        ]

    # --- what comes back

    def send(self, cases: list[Case]) -> str:
        """Send them, and give each what was answered to it; the text of whatever else the bot said meanwhile."""
        inspector = self.office.sandbox.inspector
        inspector.clear()
        inspector._items = deque(maxlen=20_000)
        by_mark: dict[str, Case] = {}
        for case in cases:
            payload = case.payload
            marks = [
                (payload.get("view") or {}).get("id"),
                (payload.get("event") or {}).get("channel"),
            ]
            if "trigger_id" in payload:
                marks += self.stamp(payload)
            by_mark |= {mark: case for mark in marks if mark}
            response = self.client.post("/slack/events", **self.signed(case))
            assert response.status_code == 200, (case.where, response.text)
            case.answers.append(response.text)
        self.finish()
        for place, body in self.private.taken():
            by_mark[place].answers.append(body)
        rest = []
        for call in inspector.since(0, limit=20_000):
            whole = f"{call.path} {json.dumps(call.body, default=str)}"
            case = next((by_mark[m] for m in _marks(whole) if m in by_mark), None)
            if case is None:
                rest.append(whole)
            else:
                # A trigger's digits are random, and say nothing.
                case.answers.append(re.sub(TRIGGER, "‹trigger›", whole))
        return "\n".join(rest)

    def stamp(self, payload: dict[str, Any]) -> tuple[str, str]:
        """What lets the bot answer it: a trigger of this moment, and a response URL of its own."""
        installation = self.office.sandbox.installation
        slack_id = payload.get("user_id") or payload["user"]["id"]
        trigger = installation.issue_trigger(slack_id)
        place = f"/answer/{next(self.numbers)}"
        payload |= {"trigger_id": trigger, "response_url": f"{self.private.url}{place}"}
        return trigger, place

    def signed(self, case: Case) -> dict[str, Any]:
        if case.payload.get("type") == "event_callback":
            body, kind = json.dumps(case.payload).encode(), "application/json"
        elif "command" in case.payload:
            body, kind = urlencode(case.payload).encode(), FORM
        else:
            body, kind = urlencode({"payload": json.dumps(case.payload)}).encode(), FORM
        secret = self.office.bot.deps.settings.slack_signing_secret
        assert secret is not None
        return {"content": body, "headers": signed_headers(secret.get_secret_value(), body, kind)}

    def finish(self) -> None:
        """Until everything is answered that is answered in the background."""
        background = self.office.bot.edge._answers._background
        together = threading.Barrier(9)
        for _ in range(8):
            background.submit(together.wait)
        together.wait(60)

    # --- the record

    def record(self) -> dict[str, list[Any]]:
        """Everything that stands in the record, but for what an answer itself may write."""
        with self.office.db.engine.connect() as connection:
            names = sorted(_tables(connection))
            rows = {
                name: sorted(
                    repr(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{name}"'))
                )
                for name in names
                if name not in KEPT_BESIDE
            }
            connection.rollback()
        return rows

    def ledger(self) -> list[str]:
        """The actions on the ledger, in order."""
        with self.office.db.read() as session:
            return list(
                session.execute(select(AuditEntry.action).order_by(AuditEntry.seq)).scalars()
            )


def _tables(connection: Any) -> list[str]:
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
    else:
        found = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
    return [row[0] for row in found if not row[0].startswith("sqlite_")]


def _marks(whole: str) -> Iterator[str]:
    """What in a call says to which case it belongs: a trigger, a response URL, a view or a conversation."""
    yield from re.findall(rf"V0SWEEP\d+|\bD0[A-Z0-9]+|{TRIGGER}", whole)


def told(case: Case, about: Planted) -> list[str]:
    """What was answered, without ids and numbers, so that two answers can be held beside each other."""
    names = sorted(
        {
            str(value)
            for value in dataclasses.asdict(about).values()
            if not str(value).isdigit() and len(str(value)) > 3
        },
        key=len,
        reverse=True,
    )
    found = []
    for answer in case.answers:
        for name in names:
            answer = answer.replace(name, "‹name›")
        answer = re.sub(r"V0SWEEP\d+|D0SWEEP\d+", "‹mark›", answer)
        found.append(re.sub(r"\d+", "#", answer))
    return sorted(found)


def one_each(cases: list[Case]) -> list[Case]:
    """The first of each button, window, menu and word: what else it may carry takes the same way."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.where, case)
    return list(first.values())


def leaks(words: str) -> list[str]:
    """What of that which stands in the secret project alone is in these words."""
    return [mark for mark in MARKS if mark in words]
