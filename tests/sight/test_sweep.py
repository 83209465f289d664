"""Whatever Slack or a program can send, with ids of what is out of sight, as everybody who must not see it.

Every button, window, menu, word, shortcut and reply of the router and every path of the API is tried: by guests, people
of another organisation, other apps and people who left, and by a member who sees nothing of the project. Nothing that
stands there alone may be told, nothing may be changed, and what is out of sight is answered exactly like what there is not.
"""

import dataclasses
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import select, text

from bot import app
from sandbox.outgoing.signing import signed_headers
from storage.audit.tables import AuditEntry
from storage.enums import ModelKind
from tests.conftest import BACKENDS, fresh_url
from tests.sight import forged
from tests.sight.world import (
    ABSENT,
    BOB,
    KEY,
    LEA,
    LIA,
    MARKS,
    NED,
    Planted,
    actor,
    planted,
)
from tests.stories.office import GUS, OLA, SAM, TIM, Office, eventually
from workflows.actors import OPERATOR
from workflows.approvals.forms import AskInformation
from workflows.inventory import service
from workflows.inventory.forms import RegisterModel
from workflows.tokens import service as tokens
from workflows.tokens.forms import MACHINE_SCOPES, NewToken

pytestmark = pytest.mark.slow

TRIGGER = r"\d+\.\d+\.[0-9a-f]{32}"
FORM = "application/x-www-form-urlencoded"
OUTSIDERS = {"guest": GUS, "stranger": SAM, "bot": BOB, "leaver": LEA}
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
                self.fill(key, about): self.fill(value, about)
                for key, value in template.items()
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

    def view(
        self, callback: str, metadata: str, state: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "id": f"V0SWEEP{next(self.numbers)}",
            "type": "modal",
            "callback_id": callback,
            "private_metadata": metadata,
            "hash": "1.a",
            "state": {"values": {key: {"e": value} for key, value in state.items()}},
            "blocks": [
                {
                    "type": "input", "block_id": key, "label": {"type": "plain_text", "text": "?"},
                    "element": {"type": "plain_text_input", "action_id": "e"},
                }
                for key in state
            ],
        }  # fmt: skip

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
                yield Case("click", name, self.base(slack_id) | {
                    "type": "block_actions",
                    "container": {"type": "message", "channel_id": "C0SHARED", "message_ts": "1.2"},
                    "channel": {"id": "C0SHARED"},
                    "actions": [action],
                })  # fmt: skip
                windows = forged.WINDOWS.get(name, ("",))
                for window in windows if template == values[0] else ():
                    view = self.view("some.window", self.fill(window, about), {})
                    yield Case("click in a window", name, self.base(slack_id) | {
                        "type": "block_actions",
                        "container": {"type": "view", "view_id": view["id"]},
                        "view": view,
                        "actions": [action],
                    })  # fmt: skip

    def submissions(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, windows in sorted(forged.SUBMISSIONS.items()):
            for window in windows:
                entered = forged.ENTERED | forged.INSTEAD.get(name, {})
                if name == "models.submit_evidence" and window.endswith(
                    "{place}:{file}"
                ):
                    entered = entered | {"file": {"files": []}}
                state = self.fill(entered, about)
                view = self.view(name, self.fill(window, about), state)
                yield Case("submission", name, self.base(slack_id) | {"type": "view_submission", "view": view})  # fmt: skip

    def searches(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, windows in sorted(forged.SEARCHES.items()):
            for window in windows:
                for query in forged.QUERIES:
                    view = self.view("some.window", self.fill(window, about), {})
                    yield Case("search", name, self.base(slack_id) | {
                        "type": "block_suggestion", "action_id": name, "block_id": "b", "value": query, "view": view,
                    })  # fmt: skip

    def shortcuts(self, slack_id: str) -> Iterator[Case]:
        for name in sorted(forged.SHORTCUTS):
            yield Case("shortcut", name, self.base(slack_id) | {
                "type": "message_action", "callback_id": name, "channel": {"id": "C0OPEN"},
                "message_ts": "1.2", "message": {"ts": "1.2", "text": "We promise it.", "user": slack_id},
            })  # fmt: skip

    def words(self, slack_id: str, about: Planted) -> Iterator[Case]:
        for name, rest in sorted(forged.WORDS.items()):
            for template in rest:
                typed = f"{name} {self.fill(template, about)}".strip()
                base = self.base(slack_id)
                yield Case("command", name, {
                    "command": "/mlgov", "text": typed, "user_id": slack_id, "team_id": base["user"]["team_id"],
                    "channel_id": "C0SHARED", "trigger_id": base["trigger_id"], "response_url": base["response_url"],
                })  # fmt: skip
                yield self.said("word", name, slack_id, {"text": typed})

    def files(self, slack_id: str, about: Planted) -> Iterator[Case]:
        shared = {"text": "", "subtype": "file_share", "files": [{"id": about.file}]}
        yield self.said("file", "shared", slack_id, shared)

    def replies(self, slack_id: str) -> Iterator[Case]:
        channel, ts = self.note
        for name in sorted(forged.REPLIES):
            yield self.said("reply", name, slack_id, {"text": "Because.", "channel": channel, "thread_ts": ts})  # fmt: skip

    def said(self, kind: str, name: str, slack_id: str, event: dict[str, Any]) -> Case:
        number = next(self.numbers)
        team = "T0ELSE" if slack_id == SAM else "T0ACME"
        return Case(kind, name, {
            "type": "event_callback", "event_id": f"Ev{number}", "team_id": team, "api_app_id": "A0MLGOV",
            "event": {
                "type": "message", "channel_type": "im", "user": slack_id, "team": team,
                "channel": f"D0SWEEP{number}", "ts": f"{number}.1", **event,
            },
        })  # fmt: skip

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
        return {
            "content": body,
            "headers": signed_headers(secret.get_secret_value(), body, kind),
        }

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
                    repr(tuple(row))
                    for row in connection.execute(text(f'SELECT * FROM "{name}"'))
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
                session.execute(
                    select(AuditEntry.action).order_by(AuditEntry.seq)
                ).scalars()
            )


def _tables(connection: Any) -> list[str]:
    if connection.dialect.name == "sqlite":
        found = connection.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'table'")
        )
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
        {str(value) for value in dataclasses.asdict(about).values() if not str(value).isdigit() and len(str(value)) > 3},
        key=len,
        reverse=True,
    )  # fmt: skip
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


@pytest.fixture(scope="module", params=BACKENDS)
def attack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attack]:
    work: Path = tmp_path_factory.mktemp("sight")
    with planted(fresh_url(request.param, request, work), work) as (office, secret):
        deps, ned = office.bot.deps, actor(office, NED)
        common = {
            "policy": deps.policy,
            "org_key": deps.team.org_key,
            "now": office.now(),
        }
        with office.db.begin(patient=True) as session:
            own = service.register(
                session, ned,
                RegisterModel(key="neds", name="Ned's score", kind=ModelKind.INTERNAL, owner_id=ned.id, purpose="His own.", request_key="ned"),
                **common,
            )  # fmt: skip
        with office.db.begin(patient=True) as session:
            from storage.inventory.tables import ModelVersion

            version = ModelVersion(
                model_id=own, version="1", state="development", state_since=office.now(),
                digest="ef" * 32, about={}, created_by=ned.id, created_at=office.now(),
            )  # fmt: skip
            session.add(version)
            session.flush()
            own_version = version.id
        from bot import door

        door.act(
            deps, actor(office, OLA),
            AskInformation(approval_id=secret.request, revision=secret.revision, question="Which Nyala?"),
            None,
        )  # fmt: skip
        office.settle()
        ola = office.sandbox.seat(OLA)
        ola.share(ola.dm().id, "Kudu.csv", b"Kudu,1\n")
        eventually(
            lambda: "Kudu.csv" in str(ola.messages(ola.dm().id)[-1]),
            "the file was read",
        )
        with office.db.read() as session:
            row = session.execute(
                text("SELECT channel, ts FROM message WHERE kind = 'approval.note'")
            ).first()
            file = session.execute(text("SELECT slack_id FROM shared_file WHERE slack_id <> 'F0KUDU00001'")).scalar_one()  # fmt: skip
            revision = session.execute(
                text("SELECT revision FROM approval WHERE id = :id"),
                {"id": secret.request},
            ).scalar_one()
        assert row is not None
        secret = dataclasses.replace(secret, file=file, revision=revision)
        with httpx.Client(
            base_url=office.base_url or "", trust_env=False, timeout=60
        ) as client:
            private = Answered()
            try:
                yield Attack(
                    office,
                    secret,
                    own,
                    own_version,
                    (row.channel, row.ts),
                    client,
                    private,
                )
            finally:
                private.close()


def test_the_sweep_knows_every_button_window_menu_word_and_path(attack: Attack) -> None:
    router = app.router()
    for what, known, there in (
        ("button to CLICKS", forged.CLICKS, router.actions),
        ("window to SUBMISSIONS", forged.SUBMISSIONS, router.submissions),
        ("menu to SEARCHES", forged.SEARCHES, router.searches),
        ("word to WORDS", forged.WORDS, router.words),
        ("shortcut to SHORTCUTS", forged.SHORTCUTS, router.shortcuts),
        ("kind of notice to REPLIES", forged.REPLIES, router.replies),
        ("path to PATHS, or with its reason to FOR_ANYBODY", {*forged.PATHS, *forged.FOR_ANYBODY}, _paths(attack)),
    ):  # fmt: skip
        new, gone = sorted({*there} - {*known}), sorted({*known} - {*there})
        assert not new, (
            f"add this {what} in tests/sight/forged.py, with what it carries: {new}"
        )
        assert not gone, (
            f"tests/sight/forged.py still has a {what.split(' to ')[0]} that is gone: {gone}"
        )
    assert len(router.files) == 1
    assert router.anybody == {}, (
        "who opens something for people who are no members tests it here"
    )


def _paths(attack: Attack) -> list[str]:
    document = attack.client.get("/api/v1/openapi.json").json()
    return [
        f"{verb.upper()} {path}"
        for path, verbs in document["paths"].items()
        for verb in verbs
    ]


@pytest.mark.parametrize("who", sorted(OUTSIDERS))
def test_who_is_no_member_is_refused_everywhere(attack: Attack, who: str) -> None:
    slack_id = OUTSIDERS[who]
    attack.send(
        [Case("command", "help", next(iter(attack.words(slack_id, ABSENT))).payload)]
    )
    before, entries = attack.record(), attack.ledger()
    everything = attack.everything(slack_id, attack.planted)
    cases = one_each([case for case in everything if case.kind != "click in a window"])
    rest = attack.send(cases)
    assert not leaks(rest), rest
    for case in cases:
        answer = " ".join(case.answers)
        assert not leaks(answer), (case.where, answer)
        if case.kind == "search":
            assert case.answers[0] in ('{"options": []}', '{"options":[]}'), (
                case.where,
                answer,
            )
        else:
            assert SENTENCES[who] in answer, (case.where, answer)
    assert attack.record() == before
    fresh = attack.ledger()[len(entries) :]
    assert set(fresh) <= {"membership.refused"}, fresh
    assert len(fresh) <= 1, "who tries again and again is on the ledger once in a while"


SENTENCES = {
    "guest": "You are a guest in this workspace",
    "stranger": "You are from another organisation",
    "bot": "Bots can't use mlgov from Slack",
    "leaver": "Your account is deactivated",
}


def test_what_is_out_of_sight_is_answered_like_what_there_is_not(
    attack: Attack,
) -> None:
    attack.send(
        [Case("command", "help", next(iter(attack.words(NED, ABSENT))).payload)]
    )
    before, entries = attack.record(), attack.ledger()
    secret, absent = (
        attack.everything(NED, attack.planted),
        attack.everything(NED, ABSENT),
    )
    if not attack.office.db.is_sqlite:
        secret, absent = one_each(secret), one_each(absent)
    rest = attack.send(secret)
    assert not leaks(rest), [line for line in rest.splitlines() if leaks(line)]
    attack.send(absent)
    assert len(secret) == len(absent)
    for one, other in zip(secret, absent, strict=True):
        answer = " ".join(one.answers)
        typed = json.dumps(one.payload)
        told_more = [mark for mark in leaks(answer) if mark not in typed]
        assert not told_more, (one.where, typed, answer)
        if one.kind != "reply":
            assert told(one, attack.planted) == told(other, ABSENT), (one.where, typed)
        assert "omething broke" not in answer, (one.where, typed, answer)
    changed = {
        name for name, rows in attack.record().items() if rows != before.get(name)
    }
    assert not changed, changed
    fresh = attack.ledger()[len(entries) :]
    assert all(one.endswith(".refused") or one == "token.created" for one in fresh), (
        fresh
    )


# --- the API


def _calls(attack: Attack, about: Planted) -> Iterator[tuple[str, dict[str, Any]]]:
    places = {
        "approval_id": about.request, "project": about.project, "key": about.model_key, "version": "7.7",
    }  # fmt: skip
    for name, body in sorted(forged.PATHS.items()):
        verb, _, path = name.partition(" ")
        call: dict[str, Any] = {
            "method": verb,
            "url": f"/api/v1{path.format(**places)}",
        }
        if body == "bytes":
            call |= {
                "content": b"truth,said,sex\n1,1,a\n",
                "params": {"truth": "truth", "prediction": "said", "group": "sex"},
            }
        elif body is not None:
            call["json"] = json.loads(json.dumps(attack.fill(body, about)))
            if str(call["json"]).find("revision") >= 0:
                call["json"]["revision"] = about.revision
            call["headers"] = {"Idempotency-Key": f"k{next(attack.numbers)}"}
        yield name, call


def _called(attack: Attack, token: str, about: Planted) -> dict[str, tuple[int, str]]:
    found = {}
    for name, call in _calls(attack, about):
        headers = {"Authorization": f"Bearer {token}", **call.pop("headers", {})}
        response = attack.client.request(headers=headers, **call)
        found[name] = (response.status_code, response.text)
    return found


def _without_ids(words: str, about: Planted) -> str:
    case = Case("call", "", {}, [words])
    return told(case, about)[0]


@pytest.mark.parametrize("whose", ["member", "program", "leaver"])
def test_the_api_tells_of_nothing_out_of_sight_or_of_bounds(
    attack: Attack, whose: str
) -> None:
    deps = attack.office.bot.deps
    with deps.db.begin(patient=True) as session:
        if whose == "program":
            form = NewToken(
                name="triage", scopes=MACHINE_SCOPES, projects=("other",), lasts=timedelta(days=7)
            )  # fmt: skip
            secret, _ = tokens.create(
                session, OPERATOR, form, policy=deps.policy, org_key=deps.team.org_key, now=deps.now(session),
            )  # fmt: skip
        else:
            person = dataclasses.replace(
                actor(attack.office, NED if whose == "member" else LEA),
                is_deactivated=False,  # when they made it
            )
            secret, _ = tokens.create_personal(
                session, person, lasts=timedelta(days=7), now=deps.now(session)
            )
    before, entries = attack.record(), attack.ledger()
    here, nowhere = (
        _called(attack, secret, about) for about in (attack.planted, ABSENT)
    )
    for name, (status, words) in here.items():
        assert status < 500, (name, words)
        assert not [mark for mark in leaks(words) if mark != KEY], (name, words)
        assert whose != "leaver" or status in (401, 403), (name, status, words)
        assert status == nowhere[name][0], (name, words, nowhere[name][1])
        assert _without_ids(words, attack.planted) == _without_ids(nowhere[name][1], ABSENT), name  # fmt: skip
    after = attack.record()
    changed = {name for name, rows in after.items() if rows != before.get(name)}
    assert not changed - {"api_token"}, changed
    fresh = attack.ledger()[len(entries) :]
    assert all(one.endswith(".refused") for one in fresh), fresh


# --- whether the sweep can tell at all


@pytest.mark.heavy
def test_what_is_forged_reaches_what_it_names(attack: Attack) -> None:
    """Sent by people who may see it, what names the secret is answered otherwise than what names nothing.

    It stands last: what they send counts.
    """
    if not attack.office.db.is_sqlite:
        pytest.skip("what a payload carries is the same on both databases")
    missed: set[str] | None = None
    for slack_id in (OLA, TIM, LIA):
        secret, absent = (
            one_each(
                [
                    case
                    for case in attack.everything(slack_id, about)
                    if case.kind != "click in a window" or case.name in forged.WINDOWS
                ]
            )
            for about in (attack.planted, ABSENT)
        )
        attack.send(absent)
        attack.send(secret)
        same = {one.where for one in secret} - {
            one.where
            for one, other in zip(secret, absent, strict=True)
            if told(one, attack.planted) != told(other, ABSENT)
        }
        missed = same if missed is None else missed & same
    unexplained = sorted((missed or set()) ^ forged.TELL_NOTHING.keys())
    assert not unexplained, "\n".join(unexplained)
