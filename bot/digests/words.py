"""What the buttons of digests are called, and the words that their cards share."""

OPEN = "digests.open"
SEND = "digests.send"
SKIP = "digests.skip"
DETAIL_VIEW = "digests.detail_view"

EVERYTHING = "all"
"""The part that a button opens when it opens all of them."""


def week_words(week: str) -> str:
    """`2026-W05` as `week 5 of 2026`."""
    year, number = week.split("-W")
    return f"week {int(number)} of {year}"


def audience_words(word: str) -> str:
    """A word of the policy as people say it."""
    if word.startswith("role:"):
        return f"the role {word.removeprefix('role:')}"
    return word
