"""Slack's rate limits: a token bucket per method and workspace, and one per channel for posting."""

import math
import time
from dataclasses import dataclass, field
from threading import Lock

# Calls a minute, by Slack's tiers.
TIERS = {1: 1, 2: 20, 3: 50, 4: 100}

# "Special" methods stand here with what Slack tolerates of them in practice.
SPECIAL = {"auth.test": 600, "chat.postMessage": None}

METHOD_TIER = {
    "api.test": 4,
    "apps.connections.open": 3,
    "auth.teams.list": 2,
    "bots.info": 3,
    "chat.delete": 3,
    "chat.getPermalink": None,  # documented as special, without a number
    "chat.postEphemeral": 4,
    "chat.unfurl": 3,
    "chat.update": 3,
    "conversations.create": 2,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.invite": 3,
    "conversations.join": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.replies": 3,
    "conversations.setTopic": 2,
    "files.completeUploadExternal": 4,
    "files.delete": 3,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "files.list": 3,
    "migration.exchange": 2,
    "reactions.add": 3,
    "reactions.get": 3,
    "reactions.list": 2,
    "reactions.remove": 2,
    "team.info": 3,
    "usergroups.list": 2,
    "usergroups.users.list": 2,
    "users.conversations": 3,
    "users.info": 4,
    "users.list": 2,
    "users.lookupByEmail": 3,
    "users.profile.get": 4,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


@dataclass
class RateLimits:
    """How strict to be.

    `scale` shortens every period (0.02: fifty times as many calls a second). Posting allows
    `post_burst` messages at once in a channel and one a second after that;
    `workspace_posts_a_minute` caps posting over all channels (Slack does not say its figure).
    `overrides` sets calls a minute for single methods; None there means no limit.
    """

    scale: float = 1.0
    post_burst: int = 3
    workspace_posts_a_minute: int | None = None
    overrides: dict[str, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ValueError("RateLimits(scale=…) must be above 0; use limits=False for none")
        self._buckets: dict[tuple[str, ...], _Bucket] = {}
        self._lock = Lock()

    def rest(self) -> None:
        """Every allowance is whole again, as after hours without a call."""
        with self._lock:
            self._buckets.clear()

    def refusal(self, method: str, team_id: str, channel_id: str | None = None) -> int | None:
        """Count a call; None when it may pass, else the whole seconds of Slack's Retry-After."""
        with self._lock:
            waits: list[float] = []
            a_minute = self._a_minute(method)
            if a_minute is not None:
                waits.append(self._take((method, team_id), a_minute, a_minute / 60))
            if method == "chat.postMessage":
                if channel_id is not None:
                    waits.append(self._take((method, team_id, channel_id), self.post_burst, 1.0))
                if self.workspace_posts_a_minute is not None:
                    cap = self.workspace_posts_a_minute
                    waits.append(self._take((method, team_id, "*"), cap, cap / 60))
            longest = max(waits, default=0.0)
            return max(1, math.ceil(longest)) if longest > 0 else None

    def _a_minute(self, method: str) -> int | None:
        if method in self.overrides:
            return self.overrides[method]
        if method in SPECIAL:
            return SPECIAL[method]
        tier = METHOD_TIER.get(method, 3)
        return None if tier is None else TIERS[tier]

    def _take(self, key: tuple[str, ...], most: float, a_second: float) -> float:
        """Take one from a bucket; returns the seconds to wait when there is none."""
        rate = a_second / self.scale
        now = time.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(float(most), now)
        bucket.level = min(float(most), bucket.level + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.level >= 1:
            bucket.level -= 1
            return 0.0
        return (1 - bucket.level) / rate
