"""From a signed Slack payload to one call, and from its reply back to Slack: the Bolt app and what stands behind it."""

import difflib
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier

from bot import errors, failpoints, freshness, logs
from bot.charts import drawing
from bot.deps import Deps
from bot.settings import SettingsRefused
from bot.slack import blocks
from bot.slack.replies import Answered, Done, FieldErrors, Open, Private, Reply, Send, Show
from bot.slack.requests import (
    Click,
    Command,
    FileShared,
    Kind,
    Router,
    Search,
    Shortcut,
    Submission,
)
from bot.slack.responder import Answers, without_pictures
from bot.web import metrics
from storage.db import CLICK_WAITS, CannotWrite, Database, DatabaseBusy, waiting_until
from workflows import inbox, permissions
from workflows.context import Actor
from workflows.delivery import reads

UNKNOWN_SHORTCUT = "This version of mlgov no longer has that shortcut. Ask an administrator to install the app anew; nothing was changed."

ON_ITS_WAY = "It is on its way: look into your direct conversation with mlgov, under Apps."

ANSWERED_WITHIN = 2.0
"""Seconds for which an answer to a direct message is waited for; Slack asks again after three."""

Payload = Mapping[str, Any]
Greet = Callable[[Actor, Private], Private]
"""Adds to the answer of a command what mlgov does for somebody who has just met it."""


def entered(state: Payload) -> dict[str, Any]:
    """What a view's `state.values` says, flattened: block_id → text, an option's value, ids of people or files, a date, or None."""
    return {block: _value(next(iter(elements.values()), {})) for block, elements in state.items()}


def _value(element: Payload) -> Any:
    if (chosen := element.get("selected_option")) is not None:
        return chosen["value"]
    if (options := element.get("selected_options")) is not None:
        return [option["value"] for option in options]
    if (files := element.get("files")) is not None:
        return [str(file["id"]) for file in files]
    for key in (
        "value",
        "selected_date",
        "selected_time",
        "selected_date_time",
        "selected_user",
        "selected_users",
        "selected_channel",
        "selected_conversation",
    ):
        if key in element:
            return element[key]
    return None


def _trigger(payload: Payload) -> str:
    """What lets a window be opened; Slack refuses the empty one, and the person is told so."""
    return str(payload.get("trigger_id") or "")


class Edge:
    """Answers Slack. One instance per process; safe to call from many threads."""

    def __init__(self, deps: Deps, router: Router, greet: Greet) -> None:
        self.deps = deps
        self.router = router
        self._greet = greet
        self._answers = Answers(deps)

    def close(self) -> None:
        """Finish what is being answered."""
        self._answers.close()

    def actor(self, payload: Payload) -> Actor:
        """The person behind a signed payload."""
        user = payload.get("user") or {}
        user_id = user.get("id") or payload["user_id"]
        actor = self.deps.directory.actor(
            user_id,
            team_id=user.get("team_id") or payload.get("team_id"),
            enterprise_id=payload.get("enterprise_id")
            or (payload.get("enterprise") or {}).get("id"),
        )
        logs.name_actor(actor.id)
        return actor

    def _admit(self, actor: Actor, kind: Kind, name: str, *, named: Collection[str] = ()) -> Actor:
        """Whoever acts, as Slack has them now; who is no full, active member is refused, unless this was registered for
        anybody.

        It stands before every handler, so that no listener has to remember it: also that Slack's word on everybody
        whose standing the act rests on is fresh. `named` are people whom they name. Raises NotAllowed, CannotVerify.
        """
        if (kind, name) in self.router.anybody:
            return actor
        actor = freshness.confirm_actor(self.deps, actor, kind, name, named=named)
        # The ledger keeps names of ours alone: nobody writes words of theirs into it by trying.
        known = name if self.router.knows(kind, name) else "unknown"
        permissions.require_member(actor, permissions.MEMBERSHIP, subject=(kind, known))
        return actor

        # --- commands and the same words in a direct message

    def command(self, payload: Payload) -> Private:
        """`/mlgov …`: always answered in words, only to the person who typed it."""
        actor: Actor | None = None
        try:
            actor = self.actor(payload)
            reply = self._words(
                actor,
                str(payload.get("text") or ""),
                payload["channel_id"],
                payload.get("trigger_id"),
            )
        except Exception as error:
            return errors.as_private(error, self.deps, actor)
        if isinstance(reply, Open):
            return self._answers.open(_trigger(payload), reply) or Private("")
        if not isinstance(reply, Private):
            return Private("")
        reply = self._greet(actor, reply)
        if reply.pictures and payload.get("response_url"):
            self._answers.follow(payload["response_url"], reply)
        return Private(reply.text, drawing.split(reply.blocks)[0])

    def _words(self, actor: Actor, text: str, channel: str, trigger_id: str | None) -> Reply:
        words = tuple(text.casefold().split())
        name = words[0] if words else ""
        actor = self._admit(actor, "command", name)
        word = self.router.words.get(name)
        if word is None:
            near = difflib.get_close_matches(
                name, [n for n in self.router.words if n], n=1, cutoff=0.5
            )
            meant = f" Did you mean `{near[0]}`?" if near else ""
            logs.note_refusal()
            return Private(
                f"mlgov doesn't know `{blocks.escape(name, 40)}`.{meant} `/mlgov help` lists what it does."
            )
        logs.name_action(f"/mlgov {name}".strip())
        return word.handler(Command(self.deps, actor, words[1:], channel, trigger_id))

    def direct_message(self, event: Payload, body: Payload) -> None:
        """The words of a command, typed to the bot; its answer is a message in that conversation.

        Returns when the answer stands there, or Slack takes too long: what is acknowledged was answered.
        """
        actor: Actor | None = None
        try:
            actor = self.deps.directory.actor(
                event["user"],
                team_id=event.get("team") or body.get("team_id"),
                enterprise_id=body.get("enterprise_id"),
            )
            logs.name_actor(actor.id)
            text = str(event.get("text") or "").removeprefix("/mlgov").strip()
            reply = (
                self._file(actor, event)
                or self._reply(actor, event, text)
                or self._words(actor, text, event["channel"], None)
            )
            if isinstance(reply, Private):
                reply = self._greet(actor, reply)
        except Exception as error:
            reply = errors.as_private(error, self.deps, actor)
        if isinstance(reply, Private) and (reply.text or reply.blocks):
            self._answers.say(event["channel"], reply).wait(ANSWERED_WITHIN)

    def _file(self, actor: Actor, event: Payload) -> Reply | None:
        """What a file means that came with the message; of several the first is taken, one at a time."""
        files = event.get("files")
        first = files[0] if isinstance(files, list) and files else None
        if not isinstance(first, Mapping) or not self.router.files:
            return None
        actor = self._admit(actor, "file", "shared")
        (handler,) = self.router.files
        logs.name_action("file")
        return handler(FileShared(self.deps, actor, str(first.get("id") or "")))

    def _reply(self, actor: Actor, event: Payload, text: str) -> Reply | None:
        """What a reply in the thread of one of our messages means, where it means something of its own."""
        thread = event.get("thread_ts")
        if not thread or thread == event.get("ts"):
            return None
        with self.deps.db.read() as session:
            notice = reads.find_shown_at(session, event["channel"], str(thread))
        if notice is None:
            return None
        kind, facts = notice
        handler = self.router.replies.get(kind)
        if handler is None:
            return None
        actor = self._admit(actor, "reply", kind)
        logs.name_action(f"reply to {kind}")
        return handler(self.deps, actor, facts, text)

        # --- clicks

    def click(self, payload: Payload) -> None:
        """A button or menu was used; the card follows by itself, a refusal is said in private."""
        action = payload["actions"][0]
        view = payload.get("view")
        actor: Actor | None = None
        reply: Reply
        try:
            actor = self.actor(payload)
            actor = self._admit(
                actor, "click", action["action_id"], named=freshness.list_named(payload)
            )
            handler = self.router.actions.get(action["action_id"])
            if handler is None:
                return
            logs.name_action(action["action_id"])
            container = payload.get("container") or {}
            click = Click(
                deps=self.deps,
                actor=actor,
                action_id=action["action_id"],
                value=str(action.get("value") or _value(action) or ""),
                channel=container.get("channel_id") or (payload.get("channel") or {}).get("id"),
                ts=container.get("message_ts"),
                view=view,
                trigger_id=_trigger(payload),
                payload=dict(payload),
            )
            reply = handler(click)
        except Exception as error:
            in_modal = view is not None and view.get("type") == "modal"
            reply = (
                Open(errors.notice_view("mlgov", errors.sentence_for(error, self.deps, actor)))
                if in_modal
                else errors.as_private(error, self.deps, actor)
            )
        reply = self._sent(actor, reply)
        self._answer_click(payload, view, reply)
        if (
            actor is not None
            and actor.slack_id is not None
            and view is not None
            and view.get("type") == "home"
            and not isinstance(reply, Open)
        ):
            self._answers.show_home(actor.id, actor.slack_id)

    def _answer_click(self, payload: Payload, view: Payload | None, reply: Answered) -> None:
        trigger_id = _trigger(payload)
        instead: Answered | None = None
        if isinstance(reply, Open) and view is not None and view["type"] == "modal":
            instead = self._answers.push(trigger_id, reply)
        elif isinstance(reply, Open):
            instead = self._answers.open(trigger_id, reply)
        elif isinstance(reply, Show) and view is not None:
            instead = self._answers.show(view, reply)
        elif isinstance(reply, Private) and view is not None:
            notice = Open(errors.notice_view("mlgov", reply.text))
            above = view["type"] == "modal"
            instead = (self._answers.push if above else self._answers.open)(trigger_id, notice)
        reply = instead or reply
        if isinstance(reply, Private) and payload.get("response_url"):
            self._answers.whisper(payload["response_url"], reply)

    def _sent(self, actor: Actor | None, reply: Reply) -> Answered:
        """A file is on its way by itself; what is said at once."""
        if not isinstance(reply, Send):
            return reply
        if actor is None or actor.slack_id is None:
            return Done()
        self._answers.send(actor.slack_id, reply)
        return Private(ON_ITS_WAY)

        # --- message shortcuts

    def shortcut(self, payload: Payload) -> None:
        """A shortcut was used on a message: a modal opens, or words answer in private where the person was."""
        actor: Actor | None = None
        reply: Reply
        try:
            actor = self.actor(payload)
            actor = self._admit(actor, "shortcut", payload["callback_id"])
            handler = self.router.shortcuts.get(payload["callback_id"])
            if handler is not None:
                logs.name_action(payload["callback_id"])
            message = payload["message"]
            reply = (
                Private(UNKNOWN_SHORTCUT)
                if handler is None
                else handler(
                    Shortcut(
                        deps=self.deps,
                        actor=actor,
                        callback_id=payload["callback_id"],
                        trigger_id=_trigger(payload),
                        channel=payload["channel"]["id"],
                        ts=message["ts"],
                        text=str(message.get("text") or ""),
                        author=message.get("user"),
                        payload=dict(payload),
                    )
                )
            )
        except Exception as error:
            reply = errors.as_private(error, self.deps, actor)
        if isinstance(reply, Open):
            reply = self._answers.open(_trigger(payload), reply) or Done()
        if isinstance(reply, Private) and payload.get("response_url"):
            self._answers.whisper(payload["response_url"], reply)

            # --- menus that are looked up

    def search(self, payload: Payload) -> list[dict[str, Any]]:
        """The options that fit what was typed into a menu; none where something goes wrong, which Slack says by itself."""
        actor: Actor | None = None
        try:
            actor = self.actor(payload)
            actor = self._admit(actor, "search", payload["action_id"])
            handler = self.router.searches.get(payload["action_id"])
            if handler is None:
                return []
            logs.name_action(payload["action_id"])
            query = str(payload.get("value") or "")[:80].strip()
            metadata = str((payload.get("view") or {}).get("private_metadata") or "")
            matches = handler(Search(self.deps, actor, query, metadata))
        except Exception as error:
            errors.as_private(error, self.deps, actor)
            return []
        return [blocks.option(text, value) for value, text in matches[: blocks.SELECT_OPTIONS]]

        # --- modals

    def submission(self, payload: Payload) -> dict[str, Any] | None:
        """A modal was submitted. The answer is Slack's `response_action`, or None to close it."""
        view = payload["view"]
        actor: Actor | None = None
        reply: Reply
        try:
            actor = self.actor(payload)
            actor = self._admit(
                actor, "submission", view["callback_id"], named=freshness.list_named(payload)
            )
            handler = self.router.submissions.get(view["callback_id"])
            if handler is None:
                return None
            logs.name_action(view["callback_id"])
            reply = handler(
                Submission(
                    deps=self.deps,
                    actor=actor,
                    view=dict(view),
                    metadata=str(view.get("private_metadata") or ""),
                    values=entered((view.get("state") or {}).get("values") or {}),
                )
            )
        except Exception as error:
            reply = errors.as_reply(error, self.deps, actor, view=view)
        reply = self._sent(actor, reply)
        match reply:
            case FieldErrors(faults):
                logs.note_refusal()
                return {"response_action": "errors", "errors": faults}
            case Show():
                self._answers.illustrate(view["id"], reply)
                return {"response_action": "update", "view": without_pictures(reply.view)}
            case Open():
                return {"response_action": "push", "view": without_pictures(reply.view)}
            case Private(text):
                return {"response_action": "update", "view": errors.notice_view("mlgov", text)}
            case Done():
                return None


# --- The Bolt app
#
# one listener per kind of payload, each handing over to the edge.

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
