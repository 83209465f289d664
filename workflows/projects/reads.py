"""Reading projects."""

import difflib
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from storage.enums import ProjectStatus
from storage.people import queries as people_queries
from storage.projects import queries
from storage.projects.tables import Project
from workflows import permissions
from workflows.context import Actor
from workflows.errors import NotFound
from workflows.projects.records import PersonRef, ProjectRecord
from workflows.sources.text import storable

_OVER = {ProjectStatus.CLOSED, ProjectStatus.CANCELLED, ProjectStatus.REJECTED}


def list_for(session: Session, actor: Actor) -> list[ProjectRecord]:
    """The projects that the actor owns, sponsors or manages, by name. Raises NotAllowed for who is no member."""
    permissions.require_member(actor, "projects.read")
    return _records(session, queries.list_of_person(session, actor.id))


def list_all(
    session: Session, actor: Actor, ids: Collection[int] | None = None
) -> list[ProjectRecord]:
    """All projects, or those with these ids, by name. Raises NotAllowed for who is no member."""
    permissions.require_member(actor, "projects.read")
    return _records(session, queries.list_projects(session, ids))


def list_going_on(session: Session) -> list[ProjectRecord]:
    """All projects that are not closed, cancelled or rejected, by name: for operators, who see the database anyway."""
    return [
        one for one in _records(session, queries.list_projects(session)) if one.status not in _OVER
    ]


def get_by_key(session: Session, key: str, actor: Actor) -> ProjectRecord:
    """One project by its key or its exact name, in any case.

    Raises NotFound with the nearest right key, and NotAllowed for who is no member.
    """
    permissions.require_member(actor, "projects.read")
    wanted = storable(key, 200).casefold().removeprefix("#")
    row = queries.find_by_key(session, wanted)
    if row is None:
        names = queries.list_names(session)
        exact = [one for one, name in names if name.casefold() == wanted]
        if len(exact) != 1:
            raise unknown_project(wanted, names)
        row = queries.find_by_key(session, exact[0])
    if row is None:
        raise unknown_project(wanted, [])
    return _records(session, [row])[0]


def unknown_project(key: str, names: Collection[tuple[str, str]]) -> NotFound:
    """The refusal of a key that no project has; `names` are (key, name) of those there are."""
    if not names:
        why = ": none was imported yet. An administrator can, by `mlgov import projects FILE`."
        return NotFound(f"There is no project “{storable(key, 40)}”{why}", field="project")
    return _no_project("There is no project", key, names)


def project_out_of_sight(key: str, names: Collection[tuple[str, str]]) -> NotFound:
    """The refusal of a key that names no project in somebody's sight; `names` are (key, name) of those in sight.

    It says the same whether or not there is such a project, so that nobody learns of projects by guessing.
    """
    if not names:
        why = "You see projects that you, or people who report to you, own, sponsor or manage; there is none yet."
        return NotFound(f"You can see no project “{storable(key, 40)}”. {why}", field="project")
    return _no_project("You can see no project", key, names)


def _no_project(words: str, key: str, names: Collection[tuple[str, str]]) -> NotFound:
    near = _nearest(key, names)
    return NotFound(
        f"{words} “{storable(key, 40)}”." + (f" Did you mean `{near}`?" if near else ""),
        field="project",
        hint=None if near else "projects.list",
    )


def _nearest(key: str, names: Collection[tuple[str, str]]) -> str | None:
    by_word = {one.casefold(): one for one, _ in names}
    by_word |= {name.casefold(): one for one, name in reversed(list(names))} | by_word
    near = difflib.get_close_matches(key[:80].casefold(), by_word, n=1, cutoff=0.5)
    return by_word[near[0]] if near else None


def _records(session: Session, rows: Sequence[Project]) -> list[ProjectRecord]:
    if not rows:
        return []
    involved = {
        one for row in rows for one in (row.owner_id, row.sponsor_id, row.manager_id) if one
    }
    people = {
        row.id: PersonRef(row.id, row.slack_id, row.name)
        for row in people_queries.list_people(session, involved)
    }
    accounts: dict[int, list[str]] = {}
    for project, account in queries.list_accounts(session, [row.id for row in rows]):
        accounts.setdefault(project, []).append(account)

    def ref(person_id: str | None) -> PersonRef | None:
        return people.get(person_id) if person_id else None

    return [
        ProjectRecord(
            id=row.id,
            key=row.key,
            name=row.name,
            status=row.status,
            owner=ref(row.owner_id),
            sponsor=ref(row.sponsor_id),
            manager=ref(row.manager_id),
            business_unit=row.business_unit,
            category=row.category,
            channel=row.channel,
            accounts=tuple(accounts.get(row.id, ())),
        )
        for row in rows
    ]
