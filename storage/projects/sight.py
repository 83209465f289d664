"""Which projects are a person's own, or of people below them."""

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from storage.people.tables import Person
from storage.projects.tables import Project

_below = select(Person.id).where(Person.id == bindparam("person")).cte("below", recursive=True)
# UNION and not UNION ALL: people who manage each other, by mistake in an import, end the recursion.
_below = _below.union(select(Person.id).join(_below, Person.manager_id == _below.c.id))
_ids = select(_below.c.id)
_OF_PEOPLE_BELOW = (
    select(Project.id)
    .where(
        or_(Project.owner_id.in_(_ids), Project.sponsor_id.in_(_ids), Project.manager_id.in_(_ids))
    )
    .order_by(Project.id)
)


def list_of_person_and_reports(session: Session, person_id: str) -> list[int]:
    """Ids of the projects that the person, or somebody who reports to them at any remove, owns, sponsors or manages."""
    return list(session.execute(_OF_PEOPLE_BELOW, {"person": person_id}).scalars())
