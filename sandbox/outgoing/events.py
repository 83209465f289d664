"""The Events API: which happenings the app hears, in which shape, with Slack's three retries."""

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from sandbox import render, unfurling
from sandbox.channels import Message
from sandbox.coverage import EVENTS
from sandbox.ids import new_id
from sandbox.installation import Installation
from sandbox.messages import EVENT_CHANNEL_TYPE
from sandbox.outgoing.answers import Parcel, Retry
from sandbox.outgoing.delivery import Delivery
from sandbox.web_api.call import READ_SCOPES
from sandbox.world import Happening

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
        links = unfurling.links(message, self._installation.manifest.unfurl_domains)
        if links and (is_member or channel.kind == "public"):
            implied.append(
                {
                    "type": "link_shared",
                    "channel": channel.id,
                    "is_bot_user_member": is_member,
                    "user": message.user_id,
                    "message_ts": message.ts,
                    "unfurl_id": unfurling.unfurl_id(message),
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
