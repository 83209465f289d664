"""Bringing the demo to where its story opens, by the very doors that people use: imports, clicks and windows."""

import logging
import shutil
import signal
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text

from bot import app, installed, opening, settings
from bot.approvals.words import APPROVE
from bot.budgets import messages as budget_buttons
from bot.budgets import windows as budget_views
from bot.demo import models, organisation, story
from bot.demo import organisation as org
from bot.digests import messages as digest_buttons
from bot.serving import SocketMode
from bot.web.server import WebServer
from sandbox.messages import Message
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.world import GovernedClock, World
from storage import migrate, runtime
from storage.db import Database
from workflows import clock, timers
from workflows.budgets import imports
from workflows.context import OPERATOR
from workflows.delivery.pace import rest
from workflows.errors import GovernanceError
from workflows.sources import focus
from workflows.statements import envelopes

BEFORE = timedelta(days=8)
"""How long before the story opens mlgov was installed."""


def tell(demo: "Demo", work: Path, opens: datetime) -> None:
    """Play what happened since it was installed, with governed time moving along."""
    _bring_in(demo, work, opens)
    organisation.last_quarter(demo, opens)
    world = demo.sandbox.world
    channels = {channel.name: channel.id for channel in world.channels.values()}
    models.tell(demo)
    _send_first_digests(demo, opens)
    for back in (6, 4, 3):
        _until(demo, opens.replace(hour=7, minute=5) - timedelta(days=back))
    organisation.this_quarter(demo)
    _until(demo, opens.replace(hour=7, minute=40) - timedelta(days=2))
    _ask(
        demo,
        org.AIKO,
        "lane-vision",
        "105000",
        "Night driving needs a second labelled set before the winter tests end.",
    )
    world.archive(channels["battery-health"])
    for back in (0,):
        _until(demo, opens.replace(hour=7, minute=5) - timedelta(days=back))
    _until(demo, opens - timedelta(minutes=38))
    _ask(
        demo,
        org.TOMAS,
        "ticket-triage",
        "52000",
        "Labelling backlog doubled after the recall; two more weeks of GPU.",
    )
    _until(demo, opens - timedelta(minutes=19))
    # What lies behind them is read, so that their conversations open at what is new.
    for user_id in (org.MAYA, org.TOMAS):
        demo.sandbox.seat(user_id).mark_read(demo.sandbox.seat(user_id).dm().id)
    priya = demo.sandbox.seat(org.PRIYA)
    card = _newest(priya, priya.dm().id, APPROVE, holding="Ticket triage")
    priya.click(channel_id=priya.dm().id, ts=card.ts, action_id=APPROVE)
    demo.sandbox.seat(org.LUCAS).slash("/mlgov", "status", channels["warranty-fraud"])
    _until(demo, opens)
    for user_id in org.EVERYONE:
        seat = demo.sandbox.seat(user_id)
        for channel in seat.channels():
            if (user_id, channel.name) not in {
                (org.MAYA, ""),
                (org.MAYA, "ticket-triage"),
            } and not _is_news(user_id, channel):
                seat.mark_read(channel.id)


def _is_news(user_id: str, channel: Any) -> bool:
    """Maya's own conversation with mlgov, and Tomás's, stay unread: the story begins there."""
    return user_id in {org.MAYA, org.TOMAS} and channel.id.startswith("D")


def _bring_in(demo: "Demo", work: Path, opens: datetime) -> None:
    for kind, content in (
        ("people", org.people_csv()),
        ("projects", org.projects_csv()),
        ("budgets", org.budgets_csv(opens.date().replace(day=1).isoformat())),
        ("milestones", organisation.milestones_csv(opens.date())),
        ("cases", org.cases_csv(opens.date().replace(month=1, day=1).isoformat())),
    ):
        path = work / f"{kind}.csv"
        path.write_text(content, encoding="utf-8")
        organisation.bring_in(demo.running.deps, kind, path)
    bill = work / "focus.csv"
    organisation.write(bill, opens.date())
    deps = demo.running.deps
    options = focus.ReadOptions(tag_keys=deps.policy.costs.tag_keys)
    with focus.read([bill], options=options) as read:
        imports.take_costs(deps.db, deps.occasion(OPERATOR), read)
    demo.settle()


def _until(demo: "Demo", moment: datetime) -> None:
    """Let time pass, and what falls due happen."""
    if moment.astimezone(UTC) > demo.clock.now():
        demo.move_to(moment.astimezone(UTC))
    demo.settle()


def _send_first_digests(demo: "Demo", opens: datetime) -> None:
    """A week before the story opens the leaders' first digests are due, and Daniel, who owns them, sends them."""
    week_before = opens - timedelta(days=7)
    _until(demo, week_before.replace(hour=0, minute=10))
    _until(demo, week_before + timedelta(minutes=30))
    daniel = demo.sandbox.seat(org.DANIEL)
    card = _newest(daniel, daniel.dm().id, digest_buttons.SEND, holding="leader")
    daniel.click(channel_id=daniel.dm().id, ts=card.ts, action_id=digest_buttons.SEND)
    demo.settle()
    _until(demo, week_before + timedelta(hours=7))


def _ask(demo: "Demo", user_id: str, key: str, amount: str, reason: str) -> None:
    """Somebody asks for more from what `/mlgov budget` shows them, as they would in Slack."""
    seat = demo.sandbox.seat(user_id)
    channel = next(c.id for c in demo.sandbox.world.channels.values() if c.name == key)
    seat.slash("/mlgov", f"budget {key}", channel)
    answer = seat.ephemerals()[-1]
    seat.click(ephemeral_id=answer.id, action_id=budget_buttons.INCREASE)
    _wait(lambda: bool(seat.modals()), f"{user_id} sees the window")
    choice = {
        "text": {"type": "plain_text", "text": f"{_month(demo)} only", "emoji": True},
        "value": "period",
    }
    outcome = seat.submit(
        seat.modals()[-1].id,
        {
            budget_views.AMOUNT: {budget_views.AMOUNT: amount},
            budget_views.SCOPE: {
                budget_views.SCOPE: {"type": "radio_buttons", "selected_option": choice}
            },
            budget_views.REASON: {budget_views.REASON: reason},
        },
    )
    if not outcome.ok:
        raise RuntimeError(f"the demo's story does not hold: {outcome.errors or outcome.error}")
    demo.sandbox.world.messages.dismiss_ephemeral(answer.id)
    demo.settle()


def _month(demo: "Demo") -> str:
    return f"{demo.clock.now():%B}"


def _newest(seat: Seat, channel_id: str, action_id: str, *, holding: str) -> Message:
    for message in reversed(seat.messages(channel_id)):
        if action_id in str(message.blocks) and holding in str(message.blocks):
            return message
    raise RuntimeError(f"the demo's story does not hold: {seat.user_id} sees no {action_id}")


def _wait(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 5
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(f"the demo's story does not hold: {what}")
        time.sleep(0.01)


# --- Running the demo
#
# a sandbox, a bot over Socket Mode, an organisation, and a clean end.

HURRY = 0.01
"""How much less the bot waits between its messages while the story's past is told."""

HOP = timedelta(minutes=10)
"""The least that the strip's clock jumps at once; what falls due within it happens at its end."""
RESTED = timedelta(hours=1)
LIVED = timedelta(days=3)
"""How much of a long way passes hop by hop."""


class NotOurs(GovernanceError):
    """The demo was pointed at a database that it did not make."""


class Demo:
    """A sandbox and a bot in one process. `start()` it, open `url`, `stop()` it."""

    def __init__(
        self,
        *,
        at: datetime,
        port: int = 0,
        url: str | None = None,
        empty: bool = False,
        limits: bool = True,
    ) -> None:
        self._work = Path(tempfile.mkdtemp(prefix="mlgov-demo-"))
        self._policy = self._work / "governance.yml"
        self._url = url or f"sqlite:///{self._work / 'demo.db'}"
        self._at, self._empty = at, empty
        self.anchor = self._work / "anchor.jsonl"
        start = at if empty else at - BEFORE
        self.clock = GovernedClock(start)
        self.sandbox = Sandbox(
            World.from_dict(organisation.world(), self.clock),
            installed.load_manifest(),
            port=port,
            limits=limits,
        )
        self._signing_key = envelopes.make_private_pem()
        self._socket_mode: SocketMode | None = None
        self._web: WebServer | None = None
        self.bot: app.Bot | None = None

    @property
    def url(self) -> str:
        """The page."""
        return self.sandbox.url

    @property
    def running(self) -> app.Bot:
        """The bot, once it was started."""
        if self.bot is None:
            raise RuntimeError("the demo was not started")
        return self.bot

    def start(self) -> None:
        """Make the database, start both sides, and bring the story to where it opens. Raises NotOurs."""
        database = opening.build(settings.read({}, mlgov_database_url=self._url))
        try:
            with opening.translate_errors(database.url):
                _make_ours(database)
                with database.begin() as session:
                    runtime.set_made_by(session, "demo")
                    runtime.set_offset(session, self.clock.offset)
        finally:
            database.close()
        self._policy.write_text(
            organisation.POLICY + organisation.MATURITY_POLICY, encoding="utf-8"
        )
        self.sandbox.prepares = (
            "The story so far is being told; this page opens by itself in a few seconds."
        )
        self.sandbox.start()
        if not self._empty:
            # What happened before is told at once: nobody waits for Slack's pace in the past.
            with self.sandbox.without_limits():
                self._run(hurry=HURRY)
                tell(self, self._work, self._at)
                self.sandbox.wait_idle()
                self._halt()
        self._web = WebServer(self._run().web(serve_slack=False), "127.0.0.1", 0)
        self._web.start()
        self.sandbox.strip = story.strip(self, is_empty=self._empty)
        self.sandbox.prepares = ""

    def _run(self, *, hurry: float = 1.0) -> app.Bot:
        """Start a bot. `hurry` shrinks its waiting; how long it waits for an answer of Slack stays."""
        read = settings.read(
            {},
            slack_bot_token=self.sandbox.bot_token,
            slack_app_token=self.sandbox.app_token,
            slack_signing_secret=self.sandbox.signing_secret,
            slack_api_url=self.sandbox.api_url,
            mlgov_database_url=self._url,
            mlgov_policy=self._policy,
            mlgov_anchor=str(self.anchor),
            mlgov_signing_key=self._signing_key,
            mlgov_time_scale=hurry,
            mlgov_http_timeout_seconds=10 / hurry,
            mlgov_lease_seconds=60 / hurry,
            mlgov_poll_seconds=1.5 / hurry,
        )
        self.bot = app.create(read, made_by="demo")
        self.bot.start()
        self._socket_mode = SocketMode(self.bot)
        self._socket_mode.start()
        return self.bot

    def _halt(self) -> None:
        if self._socket_mode is not None:
            self._socket_mode.stop()
        if self.bot is not None:
            self.bot.stop()
        self._socket_mode = self.bot = None

    @property
    def pipeline(self) -> str:
        """The command by which a pipeline asks, in another terminal."""
        if self._web is None:
            raise RuntimeError("the demo was not started")
        return organisation.command(self.running, self._web.url)

    @property
    def verification(self) -> str:
        """The command by which whoever deploys checks what the pipeline was given."""
        if self._web is None:
            raise RuntimeError("the demo was not started")
        return organisation.verification(self._web.url)

    def move(self, by: timedelta) -> None:
        """Move the governed time of both sides forward. After an hour and more, Slack's allowances are whole again."""
        with self.running.deps.db.begin(patient=True) as session:
            clock.move(session, by)
            if by >= RESTED:
                rest(session)
        self.clock.advance(by)
        if by >= RESTED:
            self.sandbox.rest()

    def move_to(self, moment: datetime) -> None:
        """Move the governed time of both sides forward to a moment. Raises GovernanceError for the past."""
        self.move(moment - self.clock.now())

    def pass_time(self, by: timedelta) -> None:
        """Let time pass as it does for people: from one instant at which something falls due to the next.

        So a message of nine o'clock says nine o'clock, in New York and Tokyo, too. A long way is one leap, and the last
        days of it pass.
        """
        passing = min(by, LIVED)
        if by > passing:
            self.move(by - passing)
            self.settle()
        end = self.clock.now() + passing
        while (due := self._due_before(end)) is not None:
            self.move_to(due)
            self.settle()
        self.move_to(end)

    def _due_before(self, end: datetime) -> datetime | None:
        """The next instant at which something falls due, at least a hop from now; None when that is not before `end`."""
        now = self.clock.now()
        with self.running.deps.db.read() as session:
            due = timers.next_due(session, now)
        hop = max(due, now + HOP) if due is not None else end
        return hop if hop < end else None

    def pass_until(self, moment: datetime) -> None:
        """Let time pass until a moment. Raises GovernanceError for the past."""
        self.pass_time(moment - self.clock.now())

    def settle(self) -> None:
        """Wait until everything that fell due has happened and was sent."""
        self.running.settle()

    def stop(self) -> None:
        """Stop both sides and remove what was made for this run."""
        if self._web is not None:
            self._web.stop()
        self._halt()
        self.sandbox.stop()
        shutil.rmtree(self._work, ignore_errors=True)


def _make_ours(database: Database) -> None:
    """An empty database becomes the demo's; one that an earlier demo made starts anew; any other is refused."""
    tables = set(inspect(database.engine).get_table_names())
    if tables:
        ours = False
        if "runtime" in tables:
            with database.read() as session:
                ours = runtime.made_by(session) == "demo"
        if not ours:
            raise NotOurs(
                "The demo did not make this database, so it leaves it alone. Give it one of its own, or none."
            )
        _clear(database)
    migrate.upgrade(database)


def _clear(database: Database) -> None:
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
            return
        names = inspect(connection).get_table_names()
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for name in names:
            connection.execute(text(f'DROP TABLE "{name}"'))


def run(
    *,
    port: int,
    at: datetime,
    url: str | None,
    empty: bool,
    browser: bool,
    announce: Callable[[str], None],
) -> None:
    """Run the demo until Ctrl+C or SIGTERM."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    # The story holds a dead letter on purpose; administrators read of it in Slack.
    logging.getLogger("bot.delivery").setLevel(logging.CRITICAL)
    # While the story is told, a tick can take longer than the time between two.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    demo = Demo(at=at, port=port, url=url, empty=empty)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: ended.set())
    try:
        demo.start()
        announce(
            f"mlgov in a stand-in for Slack, on this machine alone: {demo.url}  (Ctrl+C stops it; nothing is kept)"
        )
        if not empty:
            announce(f"A pipeline can ask, from another terminal:\n{demo.pipeline}")
            announce(f"Once you approved, check its statement:\n{demo.verification}")
        if browser:
            webbrowser.open(demo.url)
        ended.wait()
    finally:
        demo.stop()
