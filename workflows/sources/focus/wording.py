"""How text from a file is shown in a sentence: short, on one line, without control characters."""

MAX_SHOWN = 80


def shown(text: str) -> str:
    """`text` fit for a sentence: control characters as blanks, cut at 80 characters."""
    flat = "".join(c if c.isprintable() else " " for c in text[: MAX_SHOWN + 1])
    return flat if len(flat) <= MAX_SHOWN else flat[:MAX_SHOWN] + "…"
