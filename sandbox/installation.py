"""One app as installed in a world: its secrets, what it was granted, its short-lived ids."""

import hashlib
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import urlsplit

from sandbox.blocks.layout import Shows
from sandbox.errors import SlackError
from sandbox.faults import Faults, RateLimits
from sandbox.ids import new_trigger_id
from sandbox.manifest import Manifest
from sandbox.messages import Message
from sandbox.world import World

# --- Links in messages that an app may say more about
#
# which ones, and the id that names a message to it.

_URL = re.compile(r"https?://[^\s<>|]+")
_END = ".,;:!?)'\""


def domain_of(url: str, domains: Collection[str]) -> str | None:
    """The registered domain that a link belongs to, itself or one above it; None for other links."""
    host = (urlsplit(url).hostname or "").lower()
    for domain in domains:
        if host == domain.lower() or host.endswith(f".{domain.lower()}"):
            return domain
    return None


def urls_in(text: str) -> list[str]:
    """The links in a message's text, each once, in order."""
    urls = (match.group().rstrip(_END) for match in _URL.finditer(text))
    return list(dict.fromkeys(urls))


def links(message: Message, domains: Collection[str]) -> list[dict[str, str]]:
    """The links of a message that belong to these domains, as `link_shared` tells them."""
    if not domains:
        return []
    named = [(url, domain_of(url, domains)) for url in urls_in(message.text)]
    return [{"domain": domain, "url": url} for url, domain in named if domain]


def unfurl_id(message: Message) -> str:
    """What `link_shared` calls a message, for chat.unfurl."""
    digest = hashlib.sha256(f"{message.channel_id} {message.ts}".encode()).hexdigest()
    return f"{message.channel_id}.{message.ts}.{digest}"


def place_of(given: str) -> tuple[str, str] | None:
    """Channel and timestamp of a message from its unfurl id; None when it is none of ours."""
    channel_id, _, rest = given.partition(".")
    ts, _, digest = rest.rpartition(".")
    known = hashlib.sha256(f"{channel_id} {ts}".encode()).hexdigest()
    return (channel_id, ts) if digest == known else None


# --- One app as installed in a world
#
# its secrets, what it was granted, its short-lived ids.

ACK_SECONDS = 3.0
TRIGGER_SECONDS = 3.0
RESPONSE_URL_SECONDS = 30 * 60.0
RESPONSE_URL_USES = 5
_KEEP = 50_000


@dataclass(slots=True)
class Trigger:
    """Leave to open one modal for one person, for three seconds after it was sent.

    `view_id` is the modal it came from, if any.
    """

    user_id: str
    view_id: str | None
    at: float
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """Leave to answer where a person acted. `ephemeral_id` or `ts` is the message acted on."""

    id: str
    secret: str
    user_id: str
    channel_id: str
    at: float
    ts: str | None = None
    ephemeral_id: str | None = None
    thread_ts: str | None = None
    uses: int = 0


@dataclass
class Installation:
    """What both sides know of the app. Trigger ids and response URLs live by real time."""

    world: World
    manifest: Manifest
    faults: Faults
    limits: RateLimits | None
    signing_secret: str
    bot_token: str
    app_token: str
    verification_token: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    base_url: str = ""
    socket_url: str = ""
    ack_seconds: float = ACK_SECONDS
    trigger_seconds: float = TRIGGER_SECONDS
    response_url_seconds: float = RESPONSE_URL_SECONDS

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._triggers: dict[str, Trigger] = {}
        self._response_urls: dict[str, ResponseUrl] = {}
        self._tickets: dict[str, float] = {}

    # --- scopes --------------------------------------------------------------------------------

    @property
    def granted(self) -> tuple[str, ...]:
        """The bot scopes in force."""
        withheld = self.faults.withheld_scopes
        if not withheld:
            return self.manifest.scopes
        return tuple(one for one in self.manifest.scopes if one not in withheld)

    def require(self, *any_of: str) -> None:
        """Raise SlackError missing_scope unless one of these scopes was granted."""
        granted = self.granted
        if not any(one in granted for one in any_of):
            raise SlackError("missing_scope", needed=",".join(any_of), provided=",".join(granted))

    # --- what blocks show ----------------------------------------------------------------------

    @property
    def shows(self) -> Shows:
        """The files and videos that the app's blocks may show."""
        return Shows(self.world.files.shows, self._embeds)

    def _embeds(self, url: str) -> bool:
        domains = self.manifest.unfurl_domains
        return (
            "links.embed:write" in self.granted
            and url.startswith("https://")
            and domain_of(url, domains) is not None
        )

    # --- trigger ids ---------------------------------------------------------------------------

    def issue_trigger(self, user_id: str, view_id: str | None = None) -> str:
        """A fresh trigger id for something this person just did."""
        trigger_id = new_trigger_id()
        with self._lock:
            self._triggers[trigger_id] = Trigger(user_id, view_id, time.monotonic())
            if len(self._triggers) > _KEEP:
                del self._triggers[next(iter(self._triggers))]
        return trigger_id

    def exchange_trigger(self, trigger_id: str) -> Trigger:
        """Use a trigger id up; raises SlackError when it is unknown, used or older than 3 s."""
        with self._lock:
            trigger = self._triggers.get(trigger_id)
            if trigger is None:
                raise SlackError("invalid_trigger_id")
            if trigger.used:
                raise SlackError("exchanged_trigger_id")
            if time.monotonic() - trigger.at > self.trigger_seconds:
                raise SlackError("expired_trigger_id")
            trigger.used = True
            return trigger

    # --- response URLs -------------------------------------------------------------------------

    def issue_response_url(
        self,
        user_id: str,
        channel_id: str,
        *,
        ts: str | None = None,
        ephemeral_id: str | None = None,
        thread_ts: str | None = None,
        kind: str = "actions",
    ) -> str:
        """A URL at which the app may answer this person, five times within 30 minutes."""
        link = ResponseUrl(
            secrets.token_hex(8),
            secrets.token_urlsafe(18),
            user_id,
            channel_id,
            time.monotonic(),
            ts,
            ephemeral_id,
            thread_ts,
        )
        with self._lock:
            self._response_urls[link.id] = link
            if len(self._response_urls) > _KEEP:
                del self._response_urls[next(iter(self._response_urls))]
        return f"{self.base_url}/{kind}/{self.world.app.team_id}/{link.id}/{link.secret}"

    def use_response_url(self, link_id: str, secret: str) -> ResponseUrl:
        """Count a use; raises SlackError `expired_url` or `used_url`."""
        with self._lock:
            link = self._response_urls.get(link_id)
            if link is None or not secrets.compare_digest(link.secret, secret):
                raise SlackError("invalid_url")
            if time.monotonic() - link.at > self.response_url_seconds:
                raise SlackError("expired_url")
            if link.uses >= RESPONSE_URL_USES:
                raise SlackError("used_url")
            link.uses += 1
            return link

    # --- Socket Mode tickets -------------------------------------------------------------------

    def issue_ticket(self) -> str:
        """The address of a WebSocket that may be opened once, within 30 seconds."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._tickets[ticket] = time.monotonic()
        return f"{self.socket_url}/link/?ticket={ticket}&app_id={self.world.app.id}"

    def use_ticket(self, ticket: str) -> bool:
        """Whether the ticket was good; it is used up."""
        with self._lock:
            at = self._tickets.pop(ticket, None)
        return at is not None and time.monotonic() - at < 30
