"""Whoever ran it developed it, whatever a tag says: a tag adds somebody and takes nobody out."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from storage.db import Database
from storage.enums import ModelState, Part
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion
from tests.contexts import make_context
from tests.inventory.conftest import DEV, RISK, VAL, Yard, settled
from tests.registry.shelf import Shelf
from workflows.context import OPERATOR
from workflows.errors import GovernanceError
from workflows.inventory import reads

RAN, TAGGED = "dev@acme.test", "ned@acme.test"
SAID = (
    "In the registry, a tag names somebody else as developer of version 1 than whoever ran it; "
    "both count as its developers"
)


@pytest.fixture
def shelf(database: Database) -> Shelf:
    yard = settled(database)
    with yard.db.begin() as session:
        for name in (DEV, "ned", "otto"):
            session.get_one(Person, f"p-{name}").email = f"{name}@acme.test"
    return Shelf(yard)


def ran(shelf: Shelf, name: str, *users: str) -> None:
    """Every version of it comes from a run by these."""
    model = shelf.models[name]
    shelf.models[name] = replace(
        model, versions=tuple(replace(one, run_id=f"run-{name}") for one in model.versions)
    )
    shelf.runs[f"run-{name}"] = ({}, users)


def developers(yard: Yard, model: int) -> set[str]:
    (version,) = yard.look(model).versions
    return {one.id for one in version.named(Part.DEVELOPER)}


def test_a_tag_adds_a_developer_and_never_takes_the_runs_own_user_out(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1", user=TAGGED)
    ran(shelf, "fraud", "dana", RAN)
    shelf.accepted()
    assert developers(yard, model) == {f"p-{DEV}", "p-ned"}
    assert shelf.words() == [SAID]
    (version,) = yard.look(model).versions
    yard.complete(version.id, "validation")
    with pytest.raises(GovernanceError, match="That person developed this"):
        yard.step("ned", version.id, "submit", validator=DEV)
    shelf.put("fraud", "1", user=RAN)
    ran(shelf, "fraud", RAN)
    shelf.look()
    assert shelf.words() == [], "the tag was put right"
    assert f"p-{DEV}" in developers(yard, model)


def test_nothing_starts_by_a_tag_before_its_run_was_read(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1", user=TAGGED)
    ran(shelf, "fraud", RAN)
    kept, shelf.runs = shelf.runs, {}
    shelf.accepted()
    assert yard.look(model).versions == ()
    shelf.runs = kept
    shelf.look()
    assert developers(yard, model) == {f"p-{DEV}", "p-ned"}


def test_who_adds_a_version_by_hand_cannot_leave_the_runs_user_out(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud", tier=None)
    shelf.put("fraud", "1")
    ran(shelf, "fraud", RAN)
    shelf.accepted()
    yard.assess(model, 2)
    yard.version(model, "1", developers=("ned",))
    assert developers(yard, model) == {f"p-{DEV}", "p-ned"}


def test_a_run_that_is_read_later_adds_its_user_then(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1")
    shelf.accepted()
    version = yard.version(model, "1", developers=("ned",))
    ran(shelf, "fraud", RAN)
    shelf.look()
    assert developers(yard, model) == {f"p-{DEV}", "p-ned"}
    yard.ledger_holds()
    before = yard.at(version).revision
    shelf.look()
    assert yard.at(version).revision == before


@pytest.mark.parametrize(("user", "decides"), [(RAN, False), ("otto@acme.test", True)])
def test_an_owner_tag_makes_nobody_an_approver_of_their_own_version(
    shelf: Shelf, user: str, decides: bool
) -> None:
    """The gate asks the owner, whom a tag names, and a tag names somebody else as developer than who ran it."""
    yard = shelf.yard
    yard.text = yard.text.replace(
        "{name: Model risk, approvers: [role:model_risk]}",
        "{name: Owner, approvers: [subject.owner, role:model_risk], quorum: 1}",
    )
    with yard.db.begin() as session:
        session.execute(update(PolicyVersion).values(text=yard.text))
    key = yard.governed()
    tags = {"mlgov.owner": RAN, "mlgov.project": key}
    shelf.put("fraud", "1", user=TAGGED, tags=tags)
    ran(shelf, "fraud", user)
    shelf.look()
    shelf.accept()
    with yard.db.read() as session:
        found, _ = reads.find_model(
            make_context(session, actor=OPERATOR, policy=yard.policy), "fraud"
        )
    assert found.owner is not None
    assert found.owner.id == f"p-{DEV}"
    yard.assess(found.id, 2, DEV)
    shelf.look()
    (version,) = yard.look(found.id).versions
    yard.complete(version.id, "validation", by="ned")
    yard.step("ned", version.id, "submit", validator=VAL)
    yard.complete(version.id, "approval", by="ned")
    yard.accept_all(VAL, version.id)
    request = yard.ask(VAL, version.id)
    if not decides:
        with pytest.raises(GovernanceError, match="no such request"):
            yard.decide(DEV, request)
    yard.decide(DEV if decides else RISK, request)
    assert yard.state_of(version.id) is ModelState.APPROVED
