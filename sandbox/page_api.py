"""The page and what it asks for, under `/sandbox/`.

The page can act as anybody, so it answers only requests that come from itself: the Host must be
the sandbox's own, and a POST must be JSON from the same origin. A web site that somebody visits
beside it can therefore neither read nor click here.
"""

import base64
import hashlib
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import page_view
from sandbox.blocks.state import Block, elements, has_state
from sandbox.inspector import Exchange, FeedItem
from sandbox.org import User
from sandbox.outgoing import events
from sandbox.page_view import can_see
from sandbox.submission import NotPossible, Outcome

if TYPE_CHECKING:
    from sandbox.seat import Seat
    from sandbox.server import Sandbox

# --- The strip outside Slack's frame
#
# a story told step by step, and what a newcomer may do beside it. Whoever starts a sandbox
# fills these in; the page shows them. All callables are called from a worker thread, never
# while a lock of the sandbox is held.

HOME = "home"
"""In place of a channel: the app's Home tab."""


@dataclass(frozen=True, slots=True)
class Go:
    """Where "Show me" leads: as whom, to which channel (or `HOME`), to which message.

    `channel_id` may be the id of the person's own conversation with the app, too.
    """

    user_id: str
    channel_id: str
    ts: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story. `done` is asked again after every change: it must be quick.

    `go` may be a function, for a place that is known only once the story has come so far.
    """

    id: str
    title: str
    text: str
    done: Callable[[], bool]
    go: Go | Callable[[], Go | None] | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of an action, in words a newcomer understands."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class StripAction:
    """A button beside the story that does something no Slack user could."""

    id: str
    label: str
    help: str
    run: Callable[[], ActionResult]


@dataclass(frozen=True, slots=True)
class Strip:
    """The story, the actions, and how the governed clock is moved.

    `settle` returns when everything that fell due has happened. `move` and `set_to` are for
    somebody who keeps the clock elsewhere; without them the sandbox's own clock is moved.
    """

    headline: str
    steps: Sequence[Step]
    start: Go
    actions: Sequence[StripAction] = ()
    settle: Callable[[], None] = field(default=lambda: None)
    move: Callable[[timedelta], None] | None = None
    set_to: Callable[[datetime], None] | None = None

    def __post_init__(self) -> None:
        for kind, ids in (
            ("step", [step.id for step in self.steps]),
            ("action", [action.id for action in self.actions]),
        ):
            if len(ids) != len(set(ids)):
                raise ValueError(f"two {kind}s of the strip have the same id: {', '.join(ids)}")

    def action(self, id_: str) -> StripAction | None:
        """The action with this id, or None."""
        return next((one for one in self.actions if one.id == id_), None)


# --- What the page asks for once
#
# people, groups, channels by name, the app and its commands.

Json = dict[str, Any]


def boot(sandbox: "Sandbox") -> Json:
    """What rarely changes: people, groups, channels by name, the app and its commands."""
    world, manifest = sandbox.world, sandbox.manifest
    with world.lock:
        known: Json = {
            "users": {one.id: _user(sandbox, one) for one in world.users.values()},
            "groups": {
                one.id: {
                    "id": one.id,
                    "handle": one.handle,
                    "name": one.name,
                    "users": one.user_ids,
                }
                for one in world.usergroups.values()
                if not one.date_delete
            },
            "channels": {
                one.id: {
                    "id": one.id,
                    "name": one.name,
                    "kind": one.kind,
                    "is_archived": one.is_archived,
                }
                for one in world.channels.values()
                if one.kind in ("public", "private")
            },
        }
        version = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]
        info = manifest.data["display_information"]
        known |= {
            "version": version,
            "feed": world.feed.last,
            "now": world.clock.now().isoformat(),
            "app": {
                "id": world.app.id,
                "name": manifest.name,
                "bot_user": world.app.bot_user_id,
                "description": info.get("description") or "",
                "long_description": info.get("long_description") or "",
                "home_tab": manifest.home_tab,
                "messages_tab": manifest.messages_tab,
                "scopes": list(manifest.scopes),
                "commands": [
                    {
                        "command": one.command,
                        "description": one.description,
                        "usage_hint": one.usage_hint,
                    }
                    for one in manifest.commands.values()
                ],
                "shortcuts": [
                    {
                        "callback_id": one.callback_id,
                        "name": one.name,
                        "description": one.description,
                    }
                    for one in manifest.shortcuts.values()
                ],
            },
        }
        return known


def _user(sandbox: "Sandbox", user: User) -> Json:
    world = sandbox.world
    return {
        "id": user.id,
        "name": user.label,
        "handle": user.name,
        "real_name": user.real_name,
        "title": user.title,
        "tz": user.tz,
        "team": user.team_id,
        "team_name": world.teams[user.team_id].name,
        "is_bot": user.is_bot,
        "guest": user.is_restricted or user.is_ultra_restricted,
        "stranger": world.is_foreign(user),
        "deleted": user.deleted,
    }


# --- The inspector's log as the page lists it


def newest(sandbox: "Sandbox", after: int) -> Json:
    """The requests after a number, oldest first, one line each."""
    return {"exchanges": [_line(one) for one in sandbox.inspector.since(after)]}


def whole(sandbox: "Sandbox", n: int) -> Json:
    """One request with its bodies."""
    exchange = sandbox.inspector.find(n)
    if exchange is None:
        raise NotPossible("This request is no longer kept.")
    return _line(exchange) | {
        "headers": exchange.headers,
        "body": exchange.body,
        "answer": exchange.answer,
    }


def _line(exchange: Exchange) -> Json:
    answer = exchange.answer if isinstance(exchange.answer, dict) else {}
    error = str(answer.get("error") or "error") if answer.get("ok") is False else None
    if exchange.status is None and exchange.note in (
        "http_timeout",
        "too_many_redirects",
        "connection_failed",
        "ssl_error",
        "no_app",
    ):
        error = exchange.note
    return {
        "n": exchange.n,
        "at": exchange.at.isoformat(),
        "direction": exchange.direction,
        "transport": exchange.transport,
        "label": exchange.path.removeprefix("/api/"),
        "detail": _detail(exchange),
        "status": exchange.status,
        "error": error,
        "ms": exchange.ms,
        "note": exchange.note,
    }


def _detail(exchange: Exchange) -> str:
    """The few words that tell one request from the next."""
    body = exchange.body if isinstance(exchange.body, dict) else {}
    payload = body.get("payload") if isinstance(body.get("payload"), dict) else body
    if not isinstance(payload, dict):
        return ""
    if actions := payload.get("actions"):
        return str(actions[0].get("action_id", "")) if isinstance(actions[0], dict) else ""
    if "command" in payload:
        return f"{payload['command']} {payload.get('text', '')}".strip()[:80]
    view, event = payload.get("view"), payload.get("event")
    if isinstance(view, dict) and view.get("callback_id"):
        return str(view["callback_id"])
    if isinstance(event, dict):
        return str(event.get("channel") or event.get("user") or "")[:80]
    return str(payload.get("channel") or payload.get("user_id") or payload.get("user") or "")[:80]


# --- What a person does on the page, handed to their `Seat`


class Unreadable(Exception):
    """The page was asked for something in a shape it does not know."""


def text_of(body: Json, name: str) -> str:
    """A required text of a request."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"give `{name}` as text")
    return value


def optional_text(body: Json, name: str) -> str | None:
    """A text of a request that may be missing."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"`{name}` must be text")
    return value or None


def say(sandbox: "Sandbox", body: Json) -> Json:
    """Write a message."""
    message = _seat(sandbox, body).say(
        text_of(body, "channel"), text_of(body, "text"), optional_text(body, "thread")
    )
    return {"ok": True, "ts": message.ts}


def react(sandbox: "Sandbox", body: Json) -> Json:
    """Put an emoji under a message, or take it away again; twice the same changes nothing."""
    seat = _seat(sandbox, body)
    place = text_of(body, "channel"), text_of(body, "ts"), text_of(body, "name")
    if body.get("add"):
        seat.react(*place)
    else:
        seat.unreact(*place)
    return {"ok": True}


def _bytes(body: Json) -> bytes:
    """A file's bytes, which come as base64."""
    try:
        return base64.b64decode(text_of(body, "data"), validate=True)
    except ValueError:
        raise Unreadable("give `data` as base64") from None


def upload(sandbox: "Sandbox", body: Json) -> Json:
    """Pick a file in a form."""
    return {"ok": True, "file": _seat(sandbox, body).upload(text_of(body, "name"), _bytes(body))}


def share(sandbox: "Sandbox", body: Json) -> Json:
    """Share a file in a conversation."""
    message = _seat(sandbox, body).share(
        text_of(body, "channel"),
        text_of(body, "name"),
        _bytes(body),
        optional_text(body, "text") or "",
    )
    return {"ok": True, "ts": message.ts}


def slash(sandbox: "Sandbox", body: Json) -> Json:
    """Use a slash command; what goes wrong is said by Slackbot, in the channel."""
    command = text_of(body, "command").lower()
    if body.get("thread"):
        return {"ok": False, "explanation": f"{command} is not supported in threads. Sorry!"}
    seat = _seat(sandbox, body)
    outcome = seat.slash(command, optional_text(body, "text") or "", text_of(body, "channel"))
    return _told(outcome) | {"explanation": None}


def shortcut(sandbox: "Sandbox", body: Json) -> Json:
    """Use a message shortcut; what goes wrong is said by Slackbot, in the channel."""
    outcome = _seat(sandbox, body).shortcut(
        text_of(body, "callback_id"), text_of(body, "channel"), text_of(body, "ts")
    )
    return _told(outcome)


def click(sandbox: "Sandbox", body: Json) -> Json:
    """Use an element of a message, an ephemeral message or a view."""
    seat, kind = _seat(sandbox, body), text_of(body, "type")
    fields = body.get("fields")
    if not isinstance(fields, dict):
        raise Unreadable("give `fields`: what the element holds now")
    value: str | None = None
    selected: Any = None
    if kind == "overflow":
        selected = (fields.get("selected_option") or {}).get("value")
    elif kind == "feedback_buttons":
        value = fields.get("value")
    elif kind not in ("button", "icon_button", "workflow_button"):
        # A whole state object is taken as it is: an external select's options are known only here.
        selected = fields | {"type": kind}
    outcome = seat.click(
        channel_id=optional_text(body, "channel"),
        ts=optional_text(body, "ts"),
        ephemeral_id=optional_text(body, "ephemeral_id"),
        view_id=optional_text(body, "view_id"),
        action_id=text_of(body, "action_id"),
        block_id=optional_text(body, "block_id"),
        value=value,
        selected=cast(str | None, selected),
        state=_known(_blocks(sandbox, seat, body), body.get("state")),
    )
    return _told(outcome)


def options(sandbox: "Sandbox", body: Json) -> Json:
    """Ask the app for the options of an external select: a block_suggestion."""
    seat, world = _seat(sandbox, body), sandbox.world
    with world.lock:
        payload = _payload(sandbox, seat, body)
    answer = seat.suggested(
        payload,
        text_of(body, "action_id"),
        text_of(body, "block_id"),
        optional_text(body, "query") or "",
    )
    return {"options": answer.get("options"), "option_groups": answer.get("option_groups")}


def _payload(sandbox: "Sandbox", seat: "Seat", body: Json) -> Json:
    """What an interaction with the message or view that a request names says of it."""
    world, app = sandbox.world, sandbox.installation
    user, team_id = seat.user, seat.team_id
    if view_id := optional_text(body, "view_id"):
        view = world.views.find(view_id)
        if view is None or view.user_id != seat.user_id:
            raise NotPossible("This view is no longer open.")
        return events.view_action(app, user, team_id, view, {})
    if ephemeral_id := optional_text(body, "ephemeral_id"):
        for ephemeral in seat.ephemerals():
            if ephemeral.id == ephemeral_id:
                channel = world.channels[ephemeral.channel_id]
                return events.ephemeral_action(app, user, team_id, channel, ephemeral, {}, {})
        raise NotPossible("This message is gone.")
    message = world.messages.find(text_of(body, "channel"), text_of(body, "ts"))
    if message is None:
        raise NotPossible("This message is gone.")
    channel = world.channels[message.channel_id]
    return events.message_action(app, user, team_id, channel, message, {}, {})


def submit(sandbox: "Sandbox", body: Json) -> Json:
    """Submit a modal."""
    seat = _seat(sandbox, body)
    values = _known(_blocks(sandbox, seat, body), body.get("values"))
    return _told(seat.submit(text_of(body, "view_id"), values))


def close(sandbox: "Sandbox", body: Json) -> Json:
    """Close a modal, or the whole stack."""
    return _told(_seat(sandbox, body).close(text_of(body, "view_id"), bool(body.get("clear"))))


def home(sandbox: "Sandbox", body: Json) -> Json:
    """Open the app's Home or Messages tab."""
    seat = _seat(sandbox, body)
    return _told(seat.open_home() if body.get("tab") == "home" else seat.open_messages())


def read(sandbox: "Sandbox", body: Json) -> Json:
    """Everything in a channel has been seen."""
    seat, channel_id = _seat(sandbox, body), text_of(body, "channel")
    if channel_id not in sandbox.world.channels:
        raise NotPossible(f"there is no channel {channel_id}")
    seat.mark_read(channel_id)
    return {"ok": True}


def dismiss(sandbox: "Sandbox", body: Json) -> Json:
    """Put an ephemeral message away."""
    id_ = text_of(body, "ephemeral_id")
    mine = {one.id for one in _seat(sandbox, body).ephemerals()}
    if id_ in mine:
        sandbox.world.messages.dismiss_ephemeral(id_)
    return {"ok": True}


def join(sandbox: "Sandbox", body: Json) -> Json:
    """Join a public channel."""
    seat = _seat(sandbox, body)
    with sandbox.world.lock:
        channel = sandbox.world.channels.get(text_of(body, "channel"))
        if channel is None or not can_see(sandbox, seat.user, channel) or channel.is_archived:
            raise NotPossible("this channel cannot be joined")
        sandbox.world.join(channel.id, seat.user_id)
    return {"ok": True}


def _seat(sandbox: "Sandbox", body: Json) -> "Seat":
    return sandbox.seat(text_of(body, "user"))


def _told(outcome: Outcome) -> Json:
    return {
        "ok": outcome.ok,
        "status": outcome.status,
        "error": outcome.error,
        "errors": outcome.errors,
        "ms": outcome.ms,
        "explanation": outcome.text,
    }


def _blocks(sandbox: "Sandbox", seat: "Seat", body: Json) -> list[Block]:
    """The blocks of what a request names, as they are now."""
    world = sandbox.world
    with world.lock:
        if view_id := optional_text(body, "view_id"):
            view = world.views.find(view_id)
            return view.blocks if view else []
        if ephemeral_id := optional_text(body, "ephemeral_id"):
            return next((one.blocks for one in seat.ephemerals() if one.id == ephemeral_id), [])
        message = world.messages.find(
            optional_text(body, "channel") or "", optional_text(body, "ts") or ""
        )
        return message.blocks if message else []


def _known(blocks: list[Block], state: Any) -> dict[str, dict[str, Any]]:
    """The entries that the blocks still have a place for: a card may have changed meanwhile."""
    if not isinstance(state, dict):
        return {}
    kept: dict[str, dict[str, Any]] = {}
    for block, element in elements(blocks):
        block_id, action_id = block["block_id"], element.get("action_id")
        value = (state.get(block_id) or {}).get(action_id)
        if has_state(element) and isinstance(value, dict) and value.get("type") == element["type"]:
            kept.setdefault(block_id, {})[element["action_id"]] = value
    return kept


# --- The strip's side of the page
#
# the story as it stands, its actions, and moving the governed clock.

_log = logging.getLogger(__name__)
_FARTHEST = timedelta(days=3660)
_PLACES = 6


class StripDesk:
    """Serves one sandbox's strip; the clock is moved by one person at a time."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._moving = Lock()

    def story(self) -> Json:
        """The story with its ticks. A step whose question fails is not done, and the log says why."""
        strip = self._strip
        if strip is None:
            return {"headline": "", "steps": [], "actions": [], "start": None}
        return {
            "headline": strip.headline,
            "start": _place(strip.start),
            "steps": [
                {
                    "id": step.id,
                    "title": step.title,
                    "text": step.text,
                    "done": _done(step),
                    "go": _place(_go(step)),
                }
                for step in strip.steps
            ],
            "actions": [
                {"id": one.id, "label": one.label, "help": one.help} for one in strip.actions
            ],
        }

    def act(self, id_: str) -> Json:
        """Do an action of the strip."""
        action = self._strip.action(id_) if self._strip else None
        if action is None:
            raise NotPossible(f"the strip has no action {id_}")
        try:
            result = action.run()
        except Exception as error:
            _log.exception("The strip's action %s failed", id_)
            return {"ok": False, "text": f"That did not work: {error}"}
        return {"ok": result.ok, "text": result.text}

    def move(self, body: Json) -> Json:
        """Move the governed clock on, and wait until everything that fell due has happened."""
        sandbox, strip = self._sandbox, self._strip
        if not self._moving.acquire(blocking=False):
            raise NotPossible("The clock is being moved already.")
        try:
            before = sandbox.world.feed.last
            now = sandbox.clock.now()
            to = _target(body, now)
            if body.get("to") is None:
                (strip.move if strip and strip.move else sandbox.clock.advance)(to - now)
            else:
                (strip.set_to if strip and strip.set_to else sandbox.clock.set)(to)
            sandbox.world.feed.append("clock")
            if strip is not None:
                strip.settle()
            sandbox.wait_idle()
            happened = sandbox.world.feed.since(before)
        finally:
            self._moving.release()
        return self._told(happened, optional_text(body, "user"))

    @property
    def _strip(self) -> Strip | None:
        return self._sandbox.strip

    def _told(self, happened: list[FeedItem], user_id: str | None) -> Json:
        """What the move led to, in words and as places to look at."""
        new: dict[tuple[str, str], FeedItem] = {}
        changed: dict[tuple[str, str], FeedItem] = {}
        for item in happened:
            key = (item.get("channel", ""), item.get("ts", ""))
            if item["type"] == "message":
                new[key] = item
            elif item["type"] == "message_changed" and key not in new:
                changed[key] = item
        count = len(new) + len(changed)
        if not count:
            words = "Nothing fell due that Slack would show."
        else:
            parts = [
                f"{n} {one if n == 1 else many}"
                for n, one, many in (
                    (len(new), "new message", "new messages"),
                    (len(changed), "card changed", "cards changed"),
                )
                if n
            ]
            words = f"{count} thing{'' if count == 1 else 's'} fell due: {', '.join(parts)}."
        places = Counter(channel for channel, _ in [*new, *changed])
        first: dict[str, str] = {}
        for channel, ts in [*new, *changed]:
            root = (new.get((channel, ts)) or changed[(channel, ts)]).get("thread_ts")
            first.setdefault(channel, root or ts)
        return {
            "now": self._sandbox.clock.now().isoformat(),
            "text": words,
            "places": [
                place
                for channel, n in places.most_common(_PLACES)
                if (place := self._look(channel, n, first[channel], user_id))
            ],
        }

    def _look(self, channel_id: str, count: int, ts: str, user_id: str | None) -> Json | None:
        world = self._sandbox.world
        with world.lock:
            channel = world.channels.get(channel_id)
            if channel is None:
                return None
            people = [one for one in channel.members if not world.users[one].is_bot]
            if not people:
                return None
            seen_by = user_id if user_id in people else people[0]
            if channel.kind in ("im", "mpim"):
                label = f"{world.users[seen_by].label} · {count}"
            else:
                label = f"#{channel.name} · {count}"
            return {"user": seen_by, "place": channel_id, "ts": ts, "label": label}


def _target(body: Json, now: datetime) -> datetime:
    """Where the clock shall stand; only forward, as what has happened stays."""
    seconds, words = body.get("seconds"), body.get("to")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        if not 0 < seconds <= _FARTHEST.total_seconds():
            raise NotPossible("The clock moves forward, at most ten years.")
        return now + timedelta(seconds=seconds)
    if not isinstance(words, str):
        raise Unreadable("give `seconds` to move by, or `to` as a time with its zone")
    try:
        to = datetime.fromisoformat(words)
    except ValueError:
        raise Unreadable(f"{words[:40]!r} is no time like 2026-01-26T08:50:00Z") from None
    if to.tzinfo is None:
        raise Unreadable("`to` needs a zone, like 2026-01-26T08:50:00Z")
    to = to.astimezone(UTC)
    if to <= now:
        raise NotPossible("That is in the past: the clock only moves forward.")
    if to - now > _FARTHEST:
        raise NotPossible("That is more than ten years ahead.")
    return to


def _done(step: Step) -> bool:
    try:
        return bool(step.done())
    except Exception:
        _log.exception("Could not tell whether the step %s is done", step.id)
        return False


def _go(step: Step) -> Go | None:
    if not callable(step.go):
        return step.go
    try:
        return step.go()
    except Exception:
        _log.exception("Could not tell where the step %s leads", step.id)
        return None


def _place(go: Go | None) -> Json | None:
    return {"user": go.user_id, "place": go.channel_id, "ts": go.ts} if go else None


# --- The page and what it asks for, under `/sandbox/`
#
# The page can act as anybody, so it answers only requests that come from itself: the Host must
# be the sandbox's own, and a POST must be JSON from the same origin. A web site that somebody
# visits beside it can therefore neither read nor click here.

PAGE = Path(__file__).with_name("page")
_WAITING = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Opening…</title><link rel="stylesheet" href="/sandbox/page/waiting.css"><p role="status">{}</p><script src="/sandbox/page/waiting.js"></script></html>'
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: http: https:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_WAIT_SECONDS = 10.0
_BIGGEST_BODY = 12_000_000


def routes(sandbox: "Sandbox") -> list[BaseRoute]:
    """The page's routes, for the sandbox's own server."""
    desk = StripDesk(sandbox)
    # Feeds are followed in threads of their own, so that open tabs never use up the others'.
    feeds = anyio.CapacityLimiter(200)
    life = secrets.token_hex(6)

    def of(request: Request, name: str) -> str:
        return text_of(dict(request.query_params), name)

    def number(request: Request, name: str) -> int:
        words = request.query_params.get(name, "0")
        return int(words) if words.isdigit() else 0

    reads: dict[str, Callable[[Request], Json]] = {
        "boot": lambda request: boot(sandbox) | {"life": life},
        "clock": lambda request: {"now": sandbox.clock.now().isoformat()},
        "sidebar": lambda request: page_view.sidebar(sandbox, of(request, "user")),
        "conversation": lambda request: page_view.conversation(
            sandbox, of(request, "user"), of(request, "channel")
        ),
        "thread": lambda request: page_view.thread(
            sandbox, of(request, "user"), of(request, "channel"), of(request, "ts")
        ),
        "views": lambda request: page_view.views(sandbox, of(request, "user")),
        "strip": lambda request: desk.story(),
        "requests": lambda request: newest(sandbox, number(request, "after")),
        "requests/{n:int}": lambda request: whole(sandbox, request.path_params["n"]),
    }
    acts: dict[str, Callable[[Request, Json], Json]] = {
        act.__name__: lambda request, body, act=act: act(sandbox, body)  # type: ignore[misc]
        for act in (
            say,
            react,
            share,
            upload,
            slash,
            shortcut,
            click,
            options,
            submit,
            close,
            home,
            read,
            dismiss,
            join,
        )
    }
    acts["clock"] = lambda request, body: desk.move(body)
    acts["strip/actions/{id}"] = lambda request, body: desk.act(request.path_params["id"])

    async def index(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused is None and sandbox.prepares:
            page = _WAITING.format(escape(sandbox.prepares))
            return HTMLResponse(page, 503, _HEADERS | {"retry-after": "1"})
        return refused or FileResponse(PAGE / "index.html", headers=_HEADERS)

    async def events(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused:
            return refused
        after = number(request, "after")
        return StreamingResponse(
            _follow(sandbox, after, life, feeds), media_type="text/event-stream", headers=_HEADERS
        )

    async def shared(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused:
            return refused
        file = sandbox.world.files.find(request.path_params["id"])
        if file is None or file.data is None:
            return _refused(404, "There is no such file.")
        kept = {
            "cache-control": "private, max-age=3600",
            "cross-origin-resource-policy": "same-origin",
        }
        if not file.is_picture:
            # A page that somebody shared must not run as one of ours.
            kept |= {"content-disposition": "attachment"}
        return Response(
            file.data,
            media_type=file.kind[0] or "application/octet-stream",
            headers=_HEADERS | kept,
        )

    return [
        Route("/", index),
        Route("/sandbox/files/{id}", shared),
        Route("/sandbox/events", events),
        *(Route(f"/sandbox/{path}", _read(sandbox, work)) for path, work in reads.items()),
        *(
            Route(f"/sandbox/{path}", _act(sandbox, work), methods=["POST"])
            for path, work in acts.items()
        ),
        Mount("/sandbox/page", _Files(directory=PAGE)),
    ]


class _Files(StaticFiles):
    """The page's files, asked for afresh after each change."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_HEADERS)
        return response


def _foreign(sandbox: "Sandbox", request: Request) -> Response | None:
    """A refusal for a request that the page itself did not make."""
    own = urlsplit(sandbox.url).hostname or ""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if host != own and not (own in _LOOPBACK and host in _LOOPBACK):
        return _refused(421, f"This sandbox is at {sandbox.url}, not at {host[:80]}.")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return _refused(403, "Only the sandbox's own page may ask this.")
    return None


def _refused(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status_code=status, headers=_HEADERS)


async def _answer(work: Callable[[], Json]) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(work), headers=_HEADERS)
    except Unreadable as error:
        return _refused(400, str(error))
    except NotPossible as error:
        return _refused(409, str(error))
    except ValueError as error:
        return _refused(404, str(error))


def _read(sandbox: "Sandbox", work: Callable[[Request], Json]) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        return _foreign(sandbox, request) or await _answer(lambda: work(request))

    return endpoint


def _act(sandbox: "Sandbox", work: Callable[[Request, Json], Json]) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        refused = _foreign(sandbox, request)
        if refused:
            return refused
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            return _refused(415, "Send JSON.")
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > _BIGGEST_BODY:
                return _refused(413, "That is too much at once.")
        try:
            body = json.loads(raw)
        except ValueError:
            return _refused(400, "That is no JSON.")
        if not isinstance(body, dict):
            return _refused(400, "Send a JSON object.")
        return await _answer(lambda: work(request, body))

    return endpoint


async def _follow(
    sandbox: "Sandbox", after: int, life: str, feeds: anyio.CapacityLimiter
) -> AsyncIterator[str]:
    """The feed as server-sent events, until the sandbox stops."""
    feed = sandbox.world.feed
    known = feed.since(after)
    missed = after > feed.last or bool(known and known[0]["n"] > after + 1)
    hello = {"life": life, "last": feed.last, "missed": missed}
    yield f"retry: 1000\nevent: hello\ndata: {json.dumps(hello)}\n\n"
    n = feed.last if missed else after
    while True:
        started = time.monotonic()
        items = await to_thread.run_sync(
            feed.since, n, _WAIT_SECONDS, limiter=feeds, abandon_on_cancel=True
        )
        if items:
            n = items[-1]["n"]
            yield "".join(
                f"id: {item['n']}\nevent: change\ndata: {json.dumps(item)}\n\n" for item in items
            )
        elif time.monotonic() - started < _WAIT_SECONDS / 2:
            return  # the feed was closed: nothing waits that briefly otherwise
        else:
            yield ": still here\n\n"
