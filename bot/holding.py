"""How it is said that nothing is sent."""

from storage.enums import HoldReason
from workflows.delivery.records import HoldRecord

NEXT = "See what waits with `mlgov outbox review`, then let it go with `mlgov outbox release`."


def describe_hold(hold: HoldRecord) -> str:
    """Why nothing is sent, and since when."""
    return f"Nothing is sent: {_why(hold)}."


def _why(hold: HoldRecord) -> str:
    held_at = f"{hold.held_at:%a %d %b %Y, %H:%M} UTC"
    if hold.why is HoldReason.ASKED:
        return f"mlgov was started with --hold on {held_at}"
    copy = f"{hold.copy_seq:,} entries of the ledger"
    ends = f"{hold.window.governed_from:%a %d %b %Y, %H:%M} UTC"
    lacks = f", up to {ends}"
    if hold.known_seq is not None and hold.known_seq > hold.copy_seq:
        lacks = f" of {hold.known_seq:,}: what happened since {ends} is not in it"
    if hold.why is HoldReason.BEHIND:
        return f"the database has {copy}{lacks}. It looks like an old copy"
    return f"a copy was restored on {held_at} with {copy}{lacks}"
