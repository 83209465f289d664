"""What stands in Slack, by where it stands."""

from typing import Any

from sqlalchemy.orm import Session

from storage.delivery.queries import settle


def shown_at(session: Session, channel: str, ts: str) -> tuple[str, dict[str, Any]] | None:
    """Kind and facts of the notice that this message of ours shows; None for any other message."""
    found = settle.find_copy(session, channel, ts)
    return None if found is None else (found.kind, found.notice)
