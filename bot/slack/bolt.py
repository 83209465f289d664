"""The Bolt app: one listener per kind of payload, each handing over to the edge."""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier

from bot import errors, failpoints, logs
from bot.deps import Deps
from bot.settings import SettingsRefused
from bot.slack.dispatcher import Edge
from bot.web import metrics
from storage.db import CLICK_WAITS, CannotWrite, Database, DatabaseBusy, waiting_until
from workflows import inbox

log = logging.getLogger("mlgov")

_quiet = logging.getLogger("mlgov.bolt")
_quiet.setLevel(logging.ERROR)
"""Bolt warns that a token in the environment goes unused; here it is used, by us."""

ANY = re.compile(".*", re.DOTALL)

DIRECTORY_EVENTS = (
    "user_change",
    "team_join",
    "subteam_created",
    "subteam_updated",
    "subteam_members_changed",
    "member_joined_channel",
    "member_left_channel",
)
"""Events by which the mirror of people, user groups and channels stays fresh."""


AGAIN = 503
"""What is answered to an event that is being handled: Slack sends it again."""
STARTED = "mlgov.started"
"""In a request's context: the monotonic time at which it arrived, where that was before Bolt got it."""

_TYPES = {
    "block_actions": "click",
    "view_submission": "submission",
    "message_action": "shortcut",
    "block_suggestion": "search",
}
_EVENTS = {"app_home_opened": "home", "message": "message"}


def kind_of(body: dict[str, Any]) -> str:
    """What a request from Slack is, by one of metrics.KINDS."""
    if body.get("command"):
        return "command"
    if body.get("type") == "event_callback":
        name = str((body.get("event") or {}).get("type"))
        return "mirror" if name in DIRECTORY_EVENTS else _EVENTS.get(name, metrics.OTHER)
    return _TYPES.get(str(body.get("type")), metrics.OTHER)


class ObservedApp(App):
    """Bolt, with one line in the log and one count for each request, whichever way it came."""

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        """As Bolt's."""
        began = req.context.get(STARTED) or time.monotonic()
        kind = kind_of(req.body)
        act = logs.Act(kind)
        if kind in {"search", "mirror", metrics.OTHER}:
            act.level = (
                logging.DEBUG
            )  # one for each letter that is typed, and for everybody in the organisation
        with logs.log_act(act, began=began), waiting_until(began + CLICK_WAITS):
            answer = super().dispatch(req)
            if answer.status >= 500 and answer.status != AGAIN:
                act.outcome = logs.FAILED
        metrics.count_slack_request(kind, answer.status, act.outcome, time.monotonic() - began)
        return answer


def build(deps: Deps, edge: Edge, *, open_home: Callable[[str, dict[str, Any]], None]) -> App:
    """A Bolt app that acks only what is committed.

    `process_before_response=True` runs the listener before the answer goes out and saves Bolt's own polling. The
    signature was checked on the raw bytes before Bolt sees them (`bot.web.site`), and Socket Mode has none. Who the app is
    was asked once, at the start: a click never waits for `auth.test`.
    """
    secret = deps.settings.slack_signing_secret
    who = AuthorizeResult(
        enterprise_id=deps.team.enterprise_id,
        team_id=deps.team.team_id,
        bot_user_id=deps.team.bot_user_id,
        bot_token=deps.slack.token,
    )
    app = ObservedApp(
        signing_secret=secret.get_secret_value() if secret else "socket-mode-has-none",
        process_before_response=True,
        request_verification_enabled=False,
        authorize=lambda enterprise_id, team_id: who,
        client=deps.slack,
        logger=_quiet,
        raise_error_for_unhandled_request=False,
    )

    _take_interactions(app, edge)
    _take_events(app, deps, edge, open_home)

    @app.error
    def _broken(error: Exception, body: dict[str, Any]) -> BoltResponse:
        if isinstance(error, UnderWay):
            # Not acknowledged, so that Slack asks again: whoever handles it may die of it.
            return BoltResponse(status=AGAIN, body="")
        words = errors.sentence_for(error, None, None)
        is_event = body.get("type") == "event_callback"
        return BoltResponse(status=500 if is_event else 200, body="" if is_event else words)

    return app


def _take_interactions(app: App, edge: Edge) -> None:
    @app.command("/mlgov")
    def _command(ack: Any, body: dict[str, Any]) -> None:
        reply = edge.command(body)
        if not reply.text and not reply.blocks:
            ack()
            return
        answer: dict[str, Any] = {"response_type": "ephemeral", "text": reply.text}
        if reply.blocks:
            answer["blocks"] = reply.blocks
        ack(answer)

    @app.action(ANY)
    def _action(ack: Any, body: dict[str, Any]) -> None:
        edge.click(body)
        ack()

    @app.message_shortcut(ANY)
    def _shortcut(ack: Any, body: dict[str, Any]) -> None:
        edge.shortcut(body)
        ack()

    @app.options(ANY)
    def _options(ack: Any, body: dict[str, Any]) -> None:
        ack(options=edge.search(body))

    @app.view_submission(ANY)
    def _submission(ack: Any, body: dict[str, Any]) -> None:
        answer = edge.submission(body)
        ack(**answer) if answer else ack()


def _take_events(
    app: App, deps: Deps, edge: Edge, open_home: Callable[[str, dict[str, Any]], None]
) -> None:
    once = Once(deps.db)

    @app.event("app_home_opened")
    def _home(ack: Any, event: dict[str, Any], body: dict[str, Any]) -> None:
        logs.name_action("home.opened")
        if event.get("tab") == "home":
            open_home(event["user"], body)
        ack()

    @app.event("message")
    def _message(ack: Any, event: dict[str, Any], body: dict[str, Any]) -> None:
        spoken = (
            event.get("channel_type") == "im"
            and event.get("subtype") in (None, "file_share")
            and not event.get("bot_id")
        )
        if spoken and event.get("user") != deps.team.bot_user_id:
            once.handle(f"event:{body.get('event_id')}", lambda: edge.direct_message(event, body))
        ack()

    def _mirror(ack: Any, event: dict[str, Any]) -> None:
        logs.name_action(str(event.get("type")))
        deps.directory.handle_event(event)
        ack()

    for name in DIRECTORY_EVENTS:
        app.event(name)(_mirror)


class UnderWay(Exception):
    """An event came again while it is being handled."""


class Once:
    """Handles an event once, however often Slack sends it, and again where whoever handled it died in between."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self._mine: set[str] = set()
        """What this process handles at this moment, however long that takes."""

    def handle(self, key: str, work: Callable[[], None]) -> None:
        """Do `work`, unless that was done. Raises UnderWay while somebody does it."""
        with self._lock:
            if key in self._mine:
                raise UnderWay
            self._mine.add(key)
        try:
            self._handle(key, work)
        finally:
            with self._lock:
                self._mine.discard(key)

    def _handle(self, key: str, work: Callable[[], None]) -> None:
        try:
            turn = self._db.run(lambda session: inbox.begin(session, key))
        except CannotWrite:
            # A question is answered; what would change something is refused by itself.
            work()
            return
        if turn is inbox.Turn.UNDER_WAY:
            raise UnderWay
        if turn is inbox.Turn.DONE:
            return
        failpoints.hit("event.begun")
        work()
        failpoints.hit("event.handled")
        try:
            self._db.run(lambda session: inbox.mark_done(session, key))
        except DatabaseBusy:
            # It is acknowledged, so it hardly comes again.
            log.warning("an event was handled and could not be marked so")


def verifier(deps: Deps) -> SignatureVerifier:
    """Checks that a request was signed by Slack within the last five minutes."""
    secret = deps.settings.slack_signing_secret
    if secret is None:
        raise SettingsRefused("SLACK_SIGNING_SECRET is not set, so no request could be trusted.")
    return SignatureVerifier(secret.get_secret_value())
