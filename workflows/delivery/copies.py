"""What stands in Slack, by where it stands."""

from typing import Any

from sqlalchemy.orm import Session

from storage.delivery.queries import settle


def find_shown_at(session: Session, channel: str, ts: str) -> tuple[str, dict[str, Any]] | None:
    """Kind and facts of the notice that this message of ours shows; None for any other message."""
    copy = settle.find_copy(session, channel, ts)
    return None if copy is None else (copy.kind, copy.notice)
