"""Who reads what is sent to a lane."""

from sqlalchemy.orm import Session

from storage.delivery.queries import letters
from workflows.delivery.records import Address


def reader(session: Session, address: Address) -> str | None:
    """The person whose direct message it is, by their opaque id; None for a channel, or for somebody unknown."""
    if not address.is_person:
        return None
    return letters.find_person_id(session, address.org_key, address.slack_id)
