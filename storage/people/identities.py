"""Two entries for one person becoming one: whom a file named by e-mail turns out to be in Slack."""

from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from storage.budgets.tables import Budget
from storage.people.tables import Person
from storage.projects.tables import Project

_REFERENCES: tuple[tuple[Any, str], ...] = (
    (Project, "owner_id"),
    (Project, "sponsor_id"),
    (Project, "manager_id"),
    (Budget, "owner_id"),
    (Person, "manager_id"),
)
"""Where somebody who was never in Slack can stand: they have asked, decided and written nothing."""


def replace_person(session: Session, old_id: str, new_id: str) -> None:
    """Whatever names `old_id` names `new_id` from now on, and `old_id` is gone."""
    for table, column in _REFERENCES:
        session.execute(
            update(table)
            .where(getattr(table, column) == old_id)
            .values({column: new_id})
            .execution_options(synchronize_session="fetch")
        )
    session.execute(delete(Person).where(Person.id == old_id))
