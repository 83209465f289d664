"""The Events API: which happenings the app hears, in which shape, with Slack's three retries."""

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from sandbox import installation as sandbox_installation
from sandbox import render
from sandbox.coverage import EVENTS
from sandbox.ids import new_id
from sandbox.installation import Installation
from sandbox.messages import EVENT_CHANNEL_TYPE, Channel, Ephemeral, Message
from sandbox.org import User
from sandbox.outgoing.delivery import Delivery
from sandbox.submission import Parcel, Retry
from sandbox.views import View
from sandbox.web_api.call import READ_SCOPES
from sandbox.world import Happening

# --- The payloads of interactions and commands, in Slack's shapes

_CHANNEL_NAMES = {"im": "directmessage", "private": "privategroup"}


def channel_name(channel: Channel) -> str:
    """What payloads call a channel; private ones are not named."""
    return _CHANNEL_NAMES.get(channel.kind, channel.name)


def _base(installation: Installation, type_: str, user: User, team_id: str) -> dict[str, Any]:
    world = installation.world
    app, enterprise = world.app, world.enterprise
    team = world.teams[team_id]
    return {
        "type": type_,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": app.id,
        "token": installation.verification_token,
        # An org-wide installation is told of the organisation, not of one workspace.
        "team": None if app.org_wide else render.team(world, team),
        "enterprise": {"id": enterprise.id, "name": enterprise.name}
        if enterprise is not None
        else None,
        "is_enterprise_install": app.org_wide,
    }


def message_action(
    installation: Installation,
    user: User,
    team_id: str,
    channel: Channel,
    message: Message,
    action: dict[str, Any],
    values: dict[str, Any],
) -> dict[str, Any]:
    """block_actions on a message."""
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": False,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return _base(installation, "block_actions", user, team_id) | {
        "container": container,
        "trigger_id": installation.issue_trigger(user.id),
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message": render.message(installation.world, message, base_url=installation.base_url),
        "state": {"values": values},
        "response_url": installation.issue_response_url(
            user.id, channel.id, ts=message.ts, thread_ts=message.thread_ts
        ),
        "actions": [action],
    }


def message_shortcut(
    installation: Installation,
    user: User,
    team_id: str,
    channel: Channel,
    message: Message,
    callback_id: str,
) -> dict[str, Any]:
    """message_action: a shortcut of the app, used on a message that anybody wrote."""
    return _base(installation, "message_action", user, team_id) | {
        "action_ts": f"{time.time():.6f}",
        "callback_id": callback_id,
        "trigger_id": installation.issue_trigger(user.id),
        "response_url": installation.issue_response_url(user.id, channel.id, kind="app"),
        "message_ts": message.ts,
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message": render.message(installation.world, message, base_url=installation.base_url),
    }


def ephemeral_action(
    installation: Installation,
    user: User,
    team_id: str,
    channel: Channel,
    ephemeral: Ephemeral,
    action: dict[str, Any],
    values: dict[str, Any],
) -> dict[str, Any]:
    """block_actions on an ephemeral message; Slack leaves the message itself out."""
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": ephemeral.ts,
        "channel_id": channel.id,
        "is_ephemeral": True,
    }
    if ephemeral.thread_ts:
        container["thread_ts"] = ephemeral.thread_ts
    return _base(installation, "block_actions", user, team_id) | {
        "container": container,
        "trigger_id": installation.issue_trigger(user.id),
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "state": {"values": values},
        "response_url": installation.issue_response_url(
            user.id, channel.id, ephemeral_id=ephemeral.id, thread_ts=ephemeral.thread_ts
        ),
        "actions": [action],
    }


def view_action(
    installation: Installation, user: User, team_id: str, view: View, action: dict[str, Any]
) -> dict[str, Any]:
    """block_actions in a modal or on the Home tab."""
    modal = view.id if view.type == "modal" else None
    return _base(installation, "block_actions", user, team_id) | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": installation.issue_trigger(user.id, modal),
        "view": view.as_json(),
        "actions": [action],
    }


def view_submission(
    installation: Installation, user: User, team_id: str, view: View
) -> dict[str, Any]:
    """view_submission."""
    return _base(installation, "view_submission", user, team_id) | {
        "trigger_id": installation.issue_trigger(user.id, view.id),
        "view": view.as_json(),
        "response_urls": _response_urls(installation, user, view),
    }


def _response_urls(installation: Installation, user: User, view: View) -> list[dict[str, str]]:
    """One for each menu of channels in an input that asks for it, to answer where the person chose."""
    urls = []
    for block in view.blocks:
        element = block.get("element") or {}
        if block["type"] != "input" or not element.get("response_url_enabled"):
            continue
        block_id, action_id = block["block_id"], element["action_id"]
        entered = view.values.get(block_id, {}).get(action_id, {})
        channel_id = entered.get("selected_conversation") or entered.get("selected_channel")
        if channel_id:
            urls.append(
                {
                    "block_id": block_id,
                    "action_id": action_id,
                    "channel_id": channel_id,
                    "response_url": installation.issue_response_url(
                        user.id, channel_id, kind="app"
                    ),
                }
            )
    return urls


def view_closed(
    installation: Installation, user: User, team_id: str, view: View, *, cleared: bool
) -> dict[str, Any]:
    """view_closed."""
    return _base(installation, "view_closed", user, team_id) | {
        "view": view.as_json(),
        "is_cleared": cleared,
    }


def slash_command(
    installation: Installation, user: User, team_id: str, channel: Channel, command: str, text: str
) -> dict[str, str]:
    """A slash command's form."""
    world = installation.world
    team, enterprise = world.teams[team_id], world.enterprise
    form = {
        "token": installation.verification_token,
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": world.app.id,
        "is_enterprise_install": "true" if world.app.org_wide else "false",
        "response_url": installation.issue_response_url(user.id, channel.id, kind="commands"),
        "trigger_id": installation.issue_trigger(user.id),
    }
    if enterprise is not None and team.enterprise_id == enterprise.id:
        form |= {"enterprise_id": enterprise.id, "enterprise_name": enterprise.name}
    return form


# --- The Events API
#
# which happenings the app hears, in which shape, with Slack's three retries.

# Slack tries again almost at once, after a minute, after five.
RETRY_SECONDS = (0.5, 60.0, 300.0)
_WORKERS = 4

# Heard wherever they happen, not only where the app is.
_EVERYWHERE = frozenset({"app_home_opened", "channel_archive", "channel_unarchive", "link_shared"})
_SUBSCRIPTION = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


@dataclass(order=True, slots=True)
class _Due:
    at: float
    order: int
    payload: dict[str, Any]
    retry: Retry | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that the app did not take and that is sent again: which time, why, in how many seconds."""

    event_type: str
    number: int
    reason: str
    seconds: float


class Events:
    """Turns happenings into event callbacks and delivers them from a few threads of its own."""

    def __init__(
        self,
        installation: Installation,
        delivery: Delivery,
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        self._installation = installation
        self._delivery = delivery
        self._retry_seconds = retry_seconds
        self._queue: list[_Due] = []
        self._order = itertools.count()
        self._busy = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._unlisten = installation.world.listen(self.hear)

    def start(self) -> None:
        """Start delivering."""
        for number in range(_WORKERS):
            thread = threading.Thread(
                target=self._work, name=f"sandbox-events-{number}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop delivering; what waits is forgotten."""
        self._unlisten()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def wait_idle(self, timeout: float = 5.0) -> bool:
        """Wait until everything due was delivered (later retries do not count)."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._busy or (self._queue and self._queue[0].at <= time.monotonic()):
                if not self._changed.wait(deadline - time.monotonic()):
                    return False
        return True

    def waiting(self) -> list[Waiting]:
        """What will be sent again, soonest first."""
        now = time.monotonic()
        with self._changed:
            return [
                Waiting(
                    str(due.payload["event"]["type"]),
                    due.retry.number,
                    due.retry.reason,
                    max(0.0, due.at - now),
                )
                for due in sorted(self._queue)
                if due.retry is not None
            ]

    def hasten(self) -> None:
        """Send now what would be sent again later, as if the minutes had passed."""
        with self._changed:
            self._queue = [replace(due, at=min(due.at, time.monotonic())) for due in self._queue]
            heapq.heapify(self._queue)
            self._changed.notify_all()

    def hear(self, happening: Happening) -> None:
        """Queue what the app is subscribed to, allowed to hear, and near enough to hear."""
        if not self._delivery.has_app:
            return
        for event in (happening, *self._implied(happening)):
            if self._hears(event):
                self.put(self.callback(event))

    def _hears(self, happening: Happening) -> bool:
        """Whether the app is subscribed to it, may hear it, and is near enough."""
        subscription = self._subscription(happening)
        installation = self._installation
        if subscription not in installation.manifest.events:
            return False
        channel = installation.world.channels.get(happening.channel_id or "")
        scopes = EVENTS[subscription]
        if subscription.startswith("member_") and channel is not None:
            scopes = (READ_SCOPES[channel.kind],)
        granted = installation.granted
        if scopes and not any(scope in granted for scope in scopes):
            return False
        if channel is None or happening.event["type"] in _EVERYWHERE:
            return True
        return installation.world.app.bot_user_id in channel.members

    def _implied(self, happening: Happening) -> list[Happening]:
        """What a new message of somebody else's is besides: a mention of the app, links of its domains."""
        event, world = happening.event, self._installation.world
        if event["type"] != "message" or "subtype" in event:
            return []
        message: Message = event["message"]
        channel = world.channels[message.channel_id]
        if message.user_id == world.app.bot_user_id:
            return []
        implied: list[dict[str, Any]] = []
        if channel.kind != "im" and world.mentions_app(message):
            implied.append({"type": "app_mention", "message": message})
        is_member = world.app.bot_user_id in channel.members
        links = sandbox_installation.links(message, self._installation.manifest.unfurl_domains)
        if links and (is_member or channel.kind == "public"):
            implied.append(
                {
                    "type": "link_shared",
                    "channel": channel.id,
                    "is_bot_user_member": is_member,
                    "user": message.user_id,
                    "message_ts": message.ts,
                    "unfurl_id": sandbox_installation.unfurl_id(message),
                    "source": "conversations_history",
                    "links": links,
                }
                | ({"thread_ts": message.thread_ts} if message.thread_ts else {})
            )
        return [replace(happening, event=event) for event in implied]

    def put(
        self, payload: dict[str, Any], *, after: float = 0.0, retry: Retry | None = None
    ) -> None:
        """Queue an event callback."""
        with self._changed:
            if not self._stopping:
                due = _Due(time.monotonic() + after, next(self._order), payload, retry)
                heapq.heappush(self._queue, due)
                self._changed.notify_all()

    # --- shapes --------------------------------------------------------------------------------

    def _subscription(self, happening: Happening) -> str:
        kind = str(happening.event["type"])
        if kind != "message" or happening.channel_id is None:
            return kind
        channel = self._installation.world.channels[happening.channel_id]
        return f"message.{_SUBSCRIPTION[EVENT_CHANNEL_TYPE[channel.kind]]}"

    def callback(self, happening: Happening) -> dict[str, Any]:
        """The event callback around a happening."""
        world, app = self._installation.world, self._installation.world.app
        channel = world.channels[happening.channel_id] if happening.channel_id else None
        enterprise_id = world.enterprise.id if world.enterprise else None
        return {
            "token": self._installation.verification_token,
            "team_id": app.team_id,
            "enterprise_id": enterprise_id,
            "context_team_id": app.team_id,
            "context_enterprise_id": enterprise_id,
            "api_app_id": app.id,
            "event": self._event(happening),
            "type": "event_callback",
            "event_id": new_id("Ev"),
            "event_time": world.now_seconds(),
            "authorizations": [
                {
                    "enterprise_id": enterprise_id,
                    "team_id": None if app.org_wide else app.team_id,
                    "user_id": app.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": app.org_wide,
                }
            ],
            "is_ext_shared_channel": bool(channel and channel.is_ext_shared),
            "event_context": new_id("4-"),
        }

    def _event(self, happening: Happening) -> dict[str, Any]:
        world = self._installation.world
        event = dict(happening.event)
        kind = event["type"]
        if kind == "message":
            return self._message_event(event, happening)
        if kind == "app_mention":
            mention: Message = event["message"]
            content = render.message(world, mention, base_url=self._installation.base_url)
            return content | {"type": kind, "channel": mention.channel_id, "event_ts": mention.ts}
        event["event_ts"] = f"{world.clock.now().timestamp():.6f}"
        if kind in ("user_change", "team_join"):
            with_email = "users:read.email" in self._installation.granted
            event["user"] = render.user(world, world.users[event["user"]], with_email=with_email)
            event["cache_ts"] = world.now_seconds()
        elif kind in ("subteam_created", "subteam_updated"):
            group = world.usergroups[event["subteam"]]
            event["subteam"] = render.usergroup(group, with_users=True, with_count=True)
        return event

    def _message_event(self, event: dict[str, Any], happening: Happening) -> dict[str, Any]:
        world = self._installation.world
        assert happening.channel_id is not None  # noqa: S101 - messages are always somewhere
        channel = world.channels[happening.channel_id]
        place = {"channel": channel.id, "channel_type": EVENT_CHANNEL_TYPE[channel.kind]}

        def shown(message: Message) -> dict[str, Any]:
            return render.message(
                world, message, with_metadata=True, base_url=self._installation.base_url
            )

        if "subtype" not in event:
            message: Message = event["message"]
            base = shown(message) | place | {"event_ts": message.ts}
            if channel.is_ext_shared:
                base |= {"user_team": message.team_id, "source_team": message.team_id}
            return base
        base = {
            "type": "message",
            "subtype": event["subtype"],
            "previous_message": shown(event["previous_message"]),
            "hidden": True,
            "ts": event["ts"],
            "event_ts": event["ts"],
        } | place
        if "message" in event:
            base["message"] = shown(event["message"])
        else:
            base["deleted_ts"] = event["deleted_ts"]
        return base

    # --- delivering ----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and (
                    not self._queue or self._queue[0].at > time.monotonic()
                ):
                    self._changed.wait(
                        self._queue[0].at - time.monotonic() if self._queue else None
                    )
                if self._stopping:
                    return
                due = heapq.heappop(self._queue)
                self._busy += 1
            try:
                self._deliver(due)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _deliver(self, due: _Due) -> None:
        kind = str(due.payload["event"]["type"])
        answer = self._delivery.send(Parcel("events_api", kind, due.payload, due.retry))
        if answer.failure is None or answer.failure == "no_app":
            return
        if answer.headers.get("x-slack-no-retry") == "1":
            return
        number = due.retry.number + 1 if due.retry else 1
        if number <= len(self._retry_seconds):
            self.put(
                due.payload,
                after=self._retry_seconds[number - 1],
                retry=Retry(number, answer.failure),
            )
