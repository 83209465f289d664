"""What the parts of a digest are called, and how long their words may be."""

MONEY, DELIVERY, APPROVALS, MATURITY = "money", "delivery", "approvals", "maturity"
LABELS = {MONEY: "Money", DELIVERY: "Delivery", APPROVALS: "Approvals", MATURITY: "Maturity"}
"""What each part is called, in the order in which a digest tells them."""

NAME = 40
"""Characters of a project's name in a line; the detail has all of it."""
BARS = 6
BEHIND = 30
"""Rows of detail of one part."""


def short(name: str) -> str:
    """A name that leaves room for the rest of its line."""
    return name if len(name) <= NAME else name[: NAME - 1].rstrip() + "…"
