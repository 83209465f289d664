"""Links in messages that an app may say more about: which ones, and the id that names a message to it."""

import hashlib
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from sandbox.channels import Message

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
