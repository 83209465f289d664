"""Channels by the name or id that a policy or a file gives them."""

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from storage.people.tables import Channel

_BY_NAME_OR_ID = (
    select(Channel.slack_id)
    .where(
        Channel.org_key == bindparam("org"),
        Channel.is_archived.is_(False),
        or_(Channel.slack_id == bindparam("id"), Channel.name == bindparam("name")),
    )
    .order_by(Channel.slack_id != bindparam("id"), Channel.id)
    .limit(1)
)


def find_channel(session: Session, org_key: str, name_or_id: str | None) -> str | None:
    """The Slack id of a mirrored channel, given `#name`, `name` or the id itself; None when it is not known."""
    if not name_or_id:
        return None
    return session.execute(
        _BY_NAME_OR_ID, {"org": org_key, "id": name_or_id, "name": name_or_id.lstrip("#")}
    ).scalar_one_or_none()


def is_joined(session: Session, org_key: str, channel: str) -> bool:
    """Whether the bot is in a channel, as far as the mirror knows."""
    return (
        session.execute(
            select(Channel.id).where(
                Channel.org_key == org_key,
                Channel.slack_id == channel,
                Channel.bot_is_member.is_(True),
                Channel.is_archived.is_(False),
            )
        ).first()
        is not None
    )


def is_closed(session: Session, org_key: str, channel: str) -> bool:
    """Whether the mirror says that only full members of the organisation read a channel; False for what it never read."""
    return (
        session.execute(
            select(Channel.id).where(
                Channel.org_key == org_key,
                Channel.slack_id == channel,
                Channel.refreshed_at.is_not(None),
                Channel.is_shared_outside.is_(False),
                Channel.has_guests.is_(False),
            )
        ).first()
        is not None
    )
