"""Requests that wait for decisions, opened through the real service, and the clicks on their cards as Slack sends them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.office import ADMIN, APPROVERS, REQUESTERS, TEAM, Slack, room
from bot import app, settings
from sandbox.messages import Message
from storage.db import Database
from storage.people.tables import Person
from storage.projects.tables import Project
from tests.contexts import make_context
from workflows import clock
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.budgets import imports
from workflows.budgets.forms import BudgetRow, IncreaseBudget
from workflows.budgets.increase import BUDGET_INCREASE, TYPE
from workflows.context import SYSTEM, Actor

APPROVE = "approvals.approve"
"""The button of a card that approves in one click."""
QUICK = 0.02
"""How much faster than Slack allows the cards of the seeded requests are posted."""


def open_requests(slack: Slack, database_url: str, folder: Path, count: int, *, rooms: int) -> None:
    """`count` projects, each with a budget and a pending request for more; all their cards stand in Slack."""
    given = {name.lower(): value for name, value in slack.settings(database_url, folder).items()}
    bot = app.create(
        settings.read(
            {},
            **given,
            mlgov_time_scale=QUICK,
            mlgov_http_timeout_seconds=10 / QUICK,
            mlgov_lease_seconds=60 / QUICK,
        )
    )
    try:
        bot.start()
        _submit_all(bot, count, rooms)
        bot.settle(timeout=300)
    finally:
        bot.stop()


def _submit_all(bot: app.Bot, count: int, rooms: int) -> None:
    deps = bot.deps
    with deps.db.begin(patient=True) as session:
        now = clock.now(session)
        people = {row.slack_id: row.id for row in session.query(Person)}
        for number in range(count):
            session.add(
                Project(
                    key=f"project-{number:04}",
                    name=f"Project {number:04}",
                    owner_id=people[ADMIN],
                    status="active",
                    channel=room(number % rooms),
                    created_at=now,
                )
            )
        session.flush()
        rows = [
            (
                number + 2,
                BudgetRow(
                    project=f"project-{number:04}",
                    starts=date(now.year, now.month, 1),
                    amount=40_000 + number,
                    currency="EUR",
                ),
            )
            for number in range(count)
        ]
        table = imports.BudgetTable(are_meant=True)
        if refused := table.take_rows(
            make_context(session, SYSTEM, policy=deps.policy, org=TEAM, now=now), rows
        ).faults:
            raise RuntimeError(f"a budget was refused: {refused[0].sentence}")
    for number in range(count):
        _submit(bot, number)


def _submit(bot: app.Bot, number: int) -> None:
    deps = bot.deps
    actor = _actor(bot, REQUESTERS[number % len(REQUESTERS)])
    with deps.db.begin() as session:
        submission.submit_request(
            make_context(
                session,
                actor=actor,
                policy=deps.policy,
                policy_id=deps.holder.version_id,
                now=clock.now(session),
                org=TEAM,
            ),
            SubmitRequest(
                gate=BUDGET_INCREASE.gate,
                subject_type=TYPE,
                form=IncreaseBudget(
                    budget_id=number + 1, revision=1, amount=60_000, scope="period"
                ),
                reason="The quarter's training runs cost more than was planned.",
                request_key=f"bench:{number}",
            ),
        )


def _actor(bot: app.Bot, slack_id: str) -> Actor:
    return bot.deps.directory.actor(slack_id, team_id=TEAM, enterprise_id=None)


def cards(slack: Slack, rooms: int) -> list[tuple[str, Message]]:
    """The cards with buttons in the projects' channels: (channel, message)."""
    seat = slack.sandbox.seat(ADMIN)
    return [
        (room(number), message)
        for number in range(rooms)
        for message in seat.messages(room(number))
        if any(block["type"] == "actions" for block in message.blocks or ())
    ]


def clicks(slack: Slack, rooms: int, folder: Path, rounds: int) -> Path:
    """A file with the body of every click, one a line: round after round, each round every card once.

    The first approver really clicks every card, in front of a listener that only keeps what arrives. The other bodies
    are the same with another approver's name: in a round everyone decides another request, and nobody one twice.
    """
    cards_ = cards(slack, rooms)
    with _keeper() as (url, kept):
        slack.sandbox.deliver_to(url)
        seat = slack.sandbox.seat(APPROVERS[0])
        for channel, message in cards_:
            seat.click(channel_id=channel, ts=message.ts, action_id=APPROVE)
        slack.sandbox.deliver_to(None)
    if len(kept) != len(cards_):
        raise RuntimeError(f"{len(kept)} of {len(cards_)} clicks arrived")
    path = folder / "clicks.txt"
    with path.open("wb") as file:
        for turn in range(rounds):
            for number, body in enumerate(kept):
                approver = APPROVERS[(number + turn) % len(APPROVERS)]
                file.write(_by(body, approver) + b"\n")
    return path


def _by(body: bytes, approver: str) -> bytes:
    first = APPROVERS[0]
    return body.replace(first.encode(), approver.encode()).replace(
        first.lower().encode(), approver.lower().encode()
    )


@contextmanager
def _keeper() -> Iterator[tuple[str, list[bytes]]]:
    """A request URL that keeps the bodies it gets."""
    kept: list[bytes] = []

    class Keep(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            kept.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *given: object) -> None:
            return

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def decided(database_url: str) -> int:
    """How many decisions stand committed in the database."""
    from sqlalchemy import text

    database = Database(database_url)
    try:
        with database.read() as session:
            return int(session.execute(text("SELECT count(*) FROM decision")).scalar_one())
    finally:
        database.close()
