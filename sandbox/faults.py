"""Faults that a test can order: what goes wrong, for which method, how often.

Each order says how often by `count` (the next so many calls) or by `probability` (of each call,
drawn from the seeded generator); with neither it holds until `clear()`. `method` is a Web API
method, `upload` for the bytes of a file on their way to its URL, or `*` for every one.
"""

import math
import random
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

# --- Slack's rate limits
#
# a token bucket per method and workspace, and one per channel for posting.

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


# --- Faults that a test can order
#
# what goes wrong, for which method, how often. Each order says how often by `count` (the next
# so many calls) or by `probability` (of each call, drawn from the seeded generator); with
# neither it holds until `clear()`. `method` is a Web API method, `upload` for the bytes of a
# file on their way to its URL, or `*` for every one.

FaultKind = Literal[
    "lose_answer",
    "fail_before",
    "fail_after",
    "slow",
    "accept_late",
    "refuse",
    "rate_limit",
    "duplicate_delivery",
    "drop_socket_before",
    "drop_socket_after",
]


@dataclass(slots=True)
class Fault:
    """One order. `seconds`, `status` and `error` mean what the method that made it says."""

    kind: FaultKind
    method: str
    count: int | None = None
    probability: float | None = None
    seconds: float = 0.0
    status: int = 500
    error: str = ""

    def __str__(self) -> str:
        often = "always"
        if self.count is not None:
            often = f"{self.count} more"
        elif self.probability is not None:
            often = f"{self.probability:.0%}"
        return f"{self.kind} {self.method} ({often})"


class Faults:
    """The knobs. Thread-safe; the same seed gives the same luck for the same order of calls."""

    def __init__(self, seed: int = 0, *, dedupe_client_msg_id: bool = False) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible luck, no secret
        self._orders: list[Fault] = []
        self._lock = Lock()
        self.history_lag: float = 0.0
        """Seconds (real) before conversations.history and .replies show a new message."""
        self.file_lag: float = 0.0
        """Seconds (real) after files.completeUploadExternal before files.info knows the type and blocks take the file."""
        self.dedupe_client_msg_id = dedupe_client_msg_id
        """Whether a second chat.postMessage with a known client_msg_id answers with the first."""
        self.token_revoked = False
        """Whether the bot token answers `token_revoked`."""
        self.withheld_scopes: set[str] = set()
        """Scopes of the manifest that were not granted."""

    # --- the Web API ---------------------------------------------------------------------------

    def lose_answer(
        self, method: str = "*", *, count: int | None = None, probability: float | None = None
    ) -> Fault:
        """Do what was asked, then close the connection without a word."""
        return self._order(Fault("lose_answer", method, count, probability))

    def fail_before(
        self,
        method: str = "*",
        *,
        count: int | None = None,
        probability: float | None = None,
        status: int = 503,
    ) -> Fault:
        """Answer with an HTTP error and do nothing."""
        return self._order(Fault("fail_before", method, count, probability, status=status))

    def fail_after(
        self,
        method: str = "*",
        *,
        count: int | None = None,
        probability: float | None = None,
        status: int = 500,
    ) -> Fault:
        """Do what was asked, then answer with an HTTP error."""
        return self._order(Fault("fail_after", method, count, probability, status=status))

    def slow(
        self,
        method: str = "*",
        *,
        seconds: float,
        count: int | None = None,
        probability: float | None = None,
    ) -> Fault:
        """Do what was asked at once, and answer after `seconds`."""
        return self._order(Fault("slow", method, count, probability, seconds=seconds))

    def accept_late(
        self,
        method: str = "*",
        *,
        seconds: float,
        count: int | None = None,
        probability: float | None = None,
    ) -> Fault:
        """Give no answer; do what was asked `seconds` after the client has gone away."""
        return self._order(Fault("accept_late", method, count, probability, seconds=seconds))

    def refuse(
        self,
        method: str = "*",
        *,
        error: str,
        count: int | None = None,
        probability: float | None = None,
    ) -> Fault:
        """Answer `{"ok": false, "error": error}` and do nothing."""
        return self._order(Fault("refuse", method, count, probability, error=error))

    def rate_limit(
        self,
        method: str = "*",
        *,
        retry_after: int = 1,
        count: int | None = None,
        probability: float | None = None,
    ) -> Fault:
        """Answer 429 with this Retry-After (seconds) and do nothing."""
        return self._order(
            Fault("rate_limit", method, count, probability, seconds=float(retry_after))
        )

    # --- to the app ----------------------------------------------------------------------------

    def duplicate_delivery(
        self, payload: str = "*", *, count: int | None = None, probability: float | None = None
    ) -> Fault:
        """Deliver a payload twice: `event_callback`, `slash_commands`, `block_actions`, …"""
        return self._order(Fault("duplicate_delivery", payload, count, probability))

    def drop_socket(
        self,
        payload: str = "*",
        *,
        after_delivery: bool = True,
        count: int | None = None,
        probability: float | None = None,
    ) -> Fault:
        """Close the app's socket just after (or instead of) sending it a payload."""
        kind: FaultKind = "drop_socket_after" if after_delivery else "drop_socket_before"
        return self._order(Fault(kind, payload, count, probability))

    # --- the installation ----------------------------------------------------------------------

    def revoke_token(self) -> None:
        """Every call with the bot token answers `token_revoked` until `restore_token()`."""
        self.token_revoked = True

    def restore_token(self) -> None:
        """The bot token works again."""
        self.token_revoked = False

    def withhold_scope(self, *scopes: str) -> None:
        """Grant everything in the manifest but these scopes."""
        self.withheld_scopes.update(scopes)

    def grant_scope(self, *scopes: str) -> None:
        """Grant scopes that were withheld."""
        self.withheld_scopes.difference_update(scopes)

    # --- playing -------------------------------------------------------------------------------

    def orders(self) -> list[Fault]:
        """What is still ordered."""
        with self._lock:
            return list(self._orders)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._orders.clear()
        self.history_lag = 0.0
        self.file_lag = 0.0
        self.token_revoked = False
        self.withheld_scopes.clear()

    def draw(self, method: str, *kinds: FaultKind) -> Fault | None:
        """The first order of these kinds that strikes this call, counted down; or None."""
        if not self._orders:
            return None
        with self._lock:
            for order in self._orders:
                if order.kind not in kinds or order.method not in ("*", method):
                    continue
                if order.probability is not None and self._random.random() >= order.probability:
                    continue
                if order.count is not None:
                    order.count -= 1
                    if order.count <= 0:
                        self._orders.remove(order)
                return order
        return None

    def _order(self, fault: Fault) -> Fault:
        if fault.count is not None and fault.count < 1:
            raise ValueError("a fault's count must be at least 1")
        if fault.probability is not None and not 0 <= fault.probability <= 1:
            raise ValueError("a fault's probability is between 0 and 1")
        with self._lock:
            self._orders.append(fault)
        return fault
