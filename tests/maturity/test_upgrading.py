"""A check-in that was open over the upgrade: what was told early before it is known after it."""

from importlib import import_module

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import delete, select

from storage.anonymity.tables import Disclosure
from tests.maturity.conftest import House
from tests.maturity.test_groups import all_say, erase

REVISION = import_module("storage.migrations.versions.0017_real_workspace")

Rows = list[tuple[str, str, int, str, list[int], dict[str, object]]]


def rows(house: House) -> Rows:
    with house.db.read() as session:
        return [
            tuple(row)  # type: ignore[misc]
            for row in session.execute(
                select(
                    Disclosure.scope,
                    Disclosure.part,
                    Disclosure.seq,
                    Disclosure.audience,
                    Disclosure.members,
                    Disclosure.figures,
                )
                .where(Disclosure.part != "answered")
                .order_by(Disclosure.part, Disclosure.seq)
            )
        ]


def upgrade(house: House) -> None:
    """As if the release before had told it all."""
    with house.db.begin() as session:
        session.execute(delete(Disclosure))
        context = MigrationContext.configure(session.connection())
        with Operations.context(context):
            REVISION._keep_what_was_told_early()


def test_what_was_told_early_is_known_after_the_upgrade(house: House) -> None:
    house.crowd(2, 12)
    cycle = house.start()
    all_say(house, [f"d{n}" for n in range(5)], "yes")
    house.early(cycle)
    all_say(house, [f"d{n}" for n in range(5, 11)], "no")
    told = house.early(cycle)
    before = rows(house)
    upgrade(house)
    assert rows(house) == before
    erase(house, "d0")
    upgrade(house)
    assert [(row[2], len(row[4])) for row in rows(house)][:2] == [(1, 5), (2, 6)]
    found = house.close(cycle)
    assert found.held_back
    assert found.dimensions == told.dimensions
