"""The first time that somebody meets mlgov, it says in three lines what it does for them: once, and recorded.

It never stands before an answer: after the first command it follows the answer, in the first App Home it stands below
what the tab shows, and the first card in a direct message is followed by it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from sqlalchemy.orm import Session

from storage.front import queries
from workflows import outbox
from workflows.outbox import Destination, Notice

Way = Literal["command", "home", "card"]
SHOWN_IN_HOME = timedelta(days=1)
"""How long a first App Home keeps the three lines, whatever changes in it meanwhile."""


@dataclass(frozen=True, slots=True)
class Introduction(Notice):
    """What mlgov does for somebody who just got their first card."""

    kind: ClassVar[str] = "front.introduction"
    person_id: str


def record_meeting(session: Session, person_id: str, way: Way, *, now: datetime) -> bool:
    """Record that somebody met mlgov; True when it was the first time, so that the three lines are due."""
    return queries.insert_meeting(session, person_id, way, now)


def is_known(session: Session, person_id: str) -> bool:
    """Whether somebody was met before."""
    return queries.find_meeting(session, person_id) is not None


def shows_in_home(session: Session, person_id: str, *, now: datetime) -> bool:
    """Whether App Home is where somebody met mlgov, and not longer ago than a day."""
    meeting = queries.find_meeting(session, person_id)
    return meeting is not None and meeting.way == "home" and now - meeting.met_at <= SHOWN_IN_HOME


def introduce_after_card(session: Session, org_key: str, slack_id: str, *, now: datetime) -> None:
    """A card stands in somebody's direct message: when it is their first sight of mlgov, the three lines follow it."""
    person_id = queries.find_unmet(session, org_key, slack_id)
    if person_id is None or not queries.insert_meeting(session, person_id, "card", now):
        return
    outbox.post(
        session,
        Introduction(person_id),
        to=Destination.person(org_key, slack_id),
        dedupe_key=f"front:introduction:{person_id}",
        now=now,
    )
