"""Which page of each section of App Home somebody is on, so that a Home that follows a change stays where they are."""

from typing import Any

from sqlalchemy.orm import Session

from storage.front import queries
from workflows.errors import InvalidInput
from workflows.status.reads import HOME_SIZES


def find_pages(session: Session, person_id: str) -> dict[str, Any]:
    """Section → page, from 0."""
    return queries.find_pages(session, person_id)


def turn_page(session: Session, person_id: str, section: str, number: int) -> None:
    """The person turned to that page of a section. Raises InvalidInput for a section that there is not."""
    if section not in HOME_SIZES:
        raise InvalidInput("This is from another release of mlgov.", hint="home")
    pages = {**queries.find_pages(session, person_id), section: number}
    queries.set_pages(session, person_id, pages)


def reset_pages(session: Session, person_id: str) -> None:
    """Whoever opens App Home starts on the first pages: what matters most stands there."""
    if queries.find_pages(session, person_id):
        queries.set_pages(session, person_id, {})
