"""Foreign text made fit for both databases: nothing that PostgreSQL or JSON cannot hold, and never longer than its place."""

import re
import unicodedata

NAME = 200
"""Characters of a name, title, business unit or persona that are kept."""
EMAIL = 254
"""Characters of an e-mail address (RFC 5321)."""

_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_EMAIL = re.compile(r"^[^\s@<>()\",;:]+@[^\s@<>()\",;:]+\.[^\s@<>()\",;:]+$")


def storable(text: str, limit: int = NAME) -> str:
    """One line of foreign text, cut to `limit` characters. Direction marks stay: whoever shows the text takes them out."""
    kept = _UNSTORABLE.sub(" ", unicodedata.normalize("NFC", text)).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def folded_email(text: str) -> str | None:
    """An e-mail address in lower case, or None for what is no address."""
    address = text.strip().casefold().removeprefix("mailto:")
    return address if len(address) <= EMAIL and _EMAIL.match(address) else None
