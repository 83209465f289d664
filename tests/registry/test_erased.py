"""The registry goes on naming people by address; who was erased here stays an opaque id."""

from sqlalchemy import select

from storage.db import Database
from storage.people.tables import Person
from storage.registry.tables import RegistryModelRow, RegistryVersionRow
from tests.inventory.conftest import DEV, settled
from tests.people.test_erasure import everything
from tests.registry.shelf import Shelf
from workflows.actors import OPERATOR
from workflows.people import service as people

EMAIL, ID = "mika@acme.test", f"p-{DEV}"


def test_an_erased_developer_is_not_named_again_by_the_registry(
    database: Database,
) -> None:
    shelf = Shelf(yard := settled(database))
    with yard.db.begin() as session:
        session.get_one(Person, ID).email = EMAIL
    shelf.put("lanes", "1", user=EMAIL, tags={"mlgov.owner": EMAIL.title()})
    shelf.runs["r1"] = ({"auc": 0.9}, (EMAIL,))
    shelf.look()
    with yard.db.begin() as session:
        assert EMAIL in everything(session)
        people.erase(session, OPERATOR, ID, now=yard.now)
    with yard.db.read() as session:
        assert EMAIL not in everything(session).casefold()
    shelf.put("lanes", "1", "2", user=EMAIL, tags={"mlgov.owner": EMAIL.title()})
    shelf.look()
    with yard.db.read() as session:
        assert EMAIL not in everything(session).casefold()
        rows = session.execute(select(RegistryVersionRow.developer)).scalars().all()
        assert rows == [ID, ID]
        (tags,) = session.execute(select(RegistryModelRow.tags)).scalars()
        assert tags["mlgov.owner"] == ID
