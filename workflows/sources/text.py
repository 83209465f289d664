"""Foreign text made fit for both databases: nothing that PostgreSQL or JSON cannot hold, and never longer than its place."""

import re
import unicodedata

NAME = 200
"""Characters of a name, title, business unit or persona that are kept."""
EMAIL = 254
"""Characters of an e-mail address (RFC 5321)."""

_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_EMAIL = re.compile(r"^[^\s@<>()\",;:]+@[^\s@<>()\",;:]+\.[^\s@<>()\",;:]+$")


_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by name that show nothing."""
_JOINERS = frozenset("\u200c\u200d")
_SELECTORS = frozenset(chr(point) for point in range(0xFE00, 0xFE10))


def visible(text: str) -> str:
    """The text without characters that show nothing, so that what is kept is what people see.

    Zero-width spaces, soft hyphens, direction marks, tags, fillers (Unicode's default ignorable code points). Joiners
    and variation selectors stay where they mean something: after emoji and in scripts that need them.
    """
    if text.isascii():
        return text
    kept: list[str] = []
    for character in text:
        before = kept[-1] if kept else ""
        if character in _JOINERS or character in _SELECTORS:
            is_needed = bool(before) and not before.isascii() and not _is_latin(before)
            # The keycaps 1️⃣ and the like are the one place where a selector follows a digit.
            if is_needed or (character == "\ufe0f" and before in "0123456789#*"):
                kept.append(character)
        elif not _shows_nothing(character):
            kept.append(character)
    return "".join(kept)


def _shows_nothing(character: str) -> bool:
    point = ord(character)
    return (
        character in _FILLERS
        or unicodedata.category(character) == "Cf"
        or 0x180B <= point <= 0x180F
        or 0xE0000 <= point <= 0xE0FFF
        or 0xFFF0 <= point <= 0xFFF8
        or 0x2060 <= point <= 0x206F
    )


def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN")


_LOOK = str.maketrans(
    dict(zip("авеѕіјкмнорстухԁԛԝһӏαικνορτυχγ", "abesijkmhopctyxdqwhlaikvoptuxy", strict=True))
)
"""Small letters of the Cyrillic and Greek alphabets that look like Latin ones, small or large (after UTS #39's confusables)."""
_WORD = re.compile(r"[^\W\d_]+")
_MIXABLE = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")


def skeleton(text: str) -> str:
    """What a name looks like, folded: two names with the same skeleton can't be told apart by eye."""
    folded = unicodedata.normalize("NFKD", visible(text)).casefold().translate(_LOOK)
    return " ".join("".join(c for c in folded if not unicodedata.combining(c)).split())


def unmixed(text: str) -> str:
    """A name as it is. Raises ValueError when a word mixes Latin letters with look-alikes of another alphabet."""
    for word in _WORD.findall(text):
        if word.isascii():
            continue
        alphabets = {unicodedata.name(c, "").partition(" ")[0] for c in word}
        other = next((one for one in _MIXABLE if one in alphabets), None)
        if other is not None and "LATIN" in alphabets:
            raise ValueError(
                f"the word “{word[:40]}” mixes Latin and {other.capitalize()} letters, which can look the same; write it in one alphabet"
            )
    return text


def storable(text: str, limit: int = NAME) -> str:
    """One line of foreign text, without what shows nothing, cut to `limit` characters."""
    kept = _UNSTORABLE.sub(" ", visible(unicodedata.normalize("NFC", text))).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def folded_email(text: str) -> str | None:
    """An e-mail address in lower case, without characters that show nothing; None for what is no address.

    A part that mixes Latin letters with look-alikes of another alphabet is none: it would be a second person who looks
    the same.
    """
    visible_text = "".join(
        character
        for character in unicodedata.normalize("NFKC", text)
        if not _shows_nothing(character)
        and character not in _JOINERS
        and character not in _SELECTORS
    )
    address = visible_text.strip().casefold().removeprefix("mailto:").strip()
    try:
        unmixed(address)
    except ValueError:
        return None
    return address if len(address) <= EMAIL and _EMAIL.match(address) else None
