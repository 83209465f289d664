"""Which projects count as ideas in a database that kept no states of theirs before."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, select, text

from storage import migrate
from storage.base import UTCDateTime
from storage.db import Database
from storage.projects.tables import ProjectMove

AT = datetime(2025, 6, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_what_is_a_draft_still_began_as_one(backend: str, empty_url: Callable[[str], str]) -> None:
    database = Database(empty_url(backend))
    migrate.upgrade(database, target="0017")
    insert = text(
        "INSERT INTO project (id, key, name, status, created_at) "
        "VALUES (:id, :status, :status, :status, :at)"
    ).bindparams(bindparam("at", type_=UTCDateTime()))
    with database.begin() as session:
        for id_, status in enumerate(("draft", "under_review", "in_progress", "cancelled"), 1):
            session.execute(insert, {"id": id_, "status": status, "at": AT})
    migrate.upgrade(database)
    with database.read() as session:
        moves = session.execute(select(ProjectMove).order_by(ProjectMove.id)).scalars()
        assert [(each.project_id, each.source, each.target, each.at) for each in moves] == [
            (1, None, "draft", AT),
            (2, None, "under_review", AT),
        ]
    database.close()
