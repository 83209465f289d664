"""The registry goes on naming people by address; who was erased here stays an opaque id."""

from dataclasses import replace

from sqlalchemy import select

from storage.db import Database
from storage.people.tables import Person
from storage.registry.tables import RegistryModelRow, RegistryVersionRow
from tests.contexts import make_context
from tests.inventory.conftest import DEV, settled
from tests.people.test_erasure import everything
from tests.registry.shelf import Shelf
from workflows.context import OPERATOR
from workflows.people import service as people

EMAIL, ID = "mika@acme.test", f"p-{DEV}"


def _by_a_run(shelf: Shelf) -> None:
    """Every version comes from that run."""
    model = shelf.models["lanes"]
    versions = tuple(replace(one, run_id="r1") for one in model.versions)
    shelf.models["lanes"] = replace(model, versions=versions)


def test_an_erased_developer_is_not_named_again_by_the_registry(database: Database) -> None:
    shelf = Shelf(yard := settled(database))
    with yard.db.begin() as session:
        session.get_one(Person, ID).email = EMAIL
    shelf.put("lanes", "1", user=EMAIL, tags={"mlgov.owner": EMAIL.title()})
    _by_a_run(shelf)
    shelf.runs["r1"] = ({"auc": 0.9}, (EMAIL, "mika"))
    shelf.look()
    with yard.db.begin() as session:
        assert EMAIL in everything(session)
        people.erase(make_context(session, actor=OPERATOR, now=yard.now), ID)
    with yard.db.read() as session:
        assert EMAIL not in everything(session).casefold()
    shelf.put("lanes", "1", "2", user=EMAIL, tags={"mlgov.owner": EMAIL.title()})
    _by_a_run(shelf)
    shelf.look()
    with yard.db.read() as session:
        assert EMAIL not in everything(session).casefold()
        rows = session.execute(select(RegistryVersionRow.developer)).scalars().all()
        assert rows == [ID, ID]
        ran = session.execute(select(RegistryVersionRow.run_users)).scalars().all()
        assert ran == [[ID], [ID]]
        (tags,) = session.execute(select(RegistryModelRow.tags)).scalars()
        assert tags["mlgov.owner"] == ID
