"""The strip's side of the page: the story as it stands, its actions, and moving the governed clock."""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from sandbox.feed import FeedItem
from sandbox.outcome import NotPossible
from sandbox.page_acts import Unreadable, optional_text
from sandbox.strip import Go, Step, Strip

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Json = dict[str, Any]
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
