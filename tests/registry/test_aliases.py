"""An alias at what may not be in use is a finding whoever put it there; a stopped model's goes first, with room of its own."""

import pytest

from storage.db import Database
from storage.enums import ModelState
from tests.inventory.conftest import DEV, OLA, RISK, VAL, settled
from tests.registry.shelf import Shelf
from tests.registry.test_service import _used


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(settled(database))


def _retired(shelf: Shelf, version: int) -> None:
    yard = shelf.yard
    yard.complete(version, "retirement")
    yard.step(OLA, version, "retire")
    yard.step(RISK, version, "retire")
    assert yard.state_of(version) is ModelState.RETIRED


def _stands(version: str, why: str) -> list[str]:
    return [f"In the registry, champion stands at version {version}, which {why}"]


def test_an_alias_put_back_to_what_mlgov_once_wrote_and_is_retired_since(shelf: Shelf) -> None:
    version = _used(shelf)
    shelf.alias("fraud", "2")
    shelf.look()
    _retired(shelf, version)
    shelf.alias("fraud", "1")
    shelf.look()
    assert shelf.words() == _stands("1", "is retired")


def test_mlgovs_own_alias_at_a_suspended_version_counts_once_it_could_not_be_taken_away(
    shelf: Shelf,
) -> None:
    version = _used(shelf)
    shelf.refuses = "MLflow refuses the call (HTTP 403)."
    shelf.yard.step(RISK, version, "suspend", "It is wrong.")
    shelf.look()
    assert shelf.words() == [], "it is mlgov's to take away, at this look"
    shelf.look()
    assert shelf.words() == _stands("1", "is suspended")
    shelf.look()
    assert len(shelf.told("registry.drift")) == 1
    shelf.refuses = ""
    for _ in range(4):  # what was refused is tried again after a while
        shelf.look()
    assert shelf.models["fraud"].aliases == {}
    assert shelf.words() == []
    shelf.yard.step(RISK, version, "resume", "It is fine.")
    shelf.look()
    assert shelf.models["fraud"].aliases == {"champion": "1"}
    shelf.refuses = "MLflow refuses the call (HTTP 403)."
    shelf.yard.step(RISK, version, "suspend", "It is wrong again.")
    shelf.look()
    shelf.look()
    assert shelf.words() == _stands("1", "is suspended"), "a second time is another"


def test_mlgovs_own_alias_at_a_version_in_validation_again_counts(shelf: Shelf) -> None:
    version, yard = _used(shelf), shelf.yard
    yard.step(OLA, version, "change", "Other features.", change_class="minor")
    shelf.look()
    assert shelf.words() == [], "a version that is being changed is in use"
    yard.complete(version, "validation")
    yard.step(DEV, version, "revalidate", validator=VAL)
    shelf.look()
    shelf.look()
    assert shelf.words() == _stands("1", "was not approved")


def _accepted_at_one(shelf: Shelf) -> int:
    """The baseline's alias stands at version 1, which the inventory gets to know after it; in validation."""
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1", "2", alias="1")
    shelf.accepted()
    version = yard.version(model, "1", digest=shelf.digests["fraud", "1"])
    yard.complete(version, "validation")
    yard.step(DEV, version, "submit", validator=VAL)
    shelf.look()
    assert shelf.words() == [], "where it stands was accepted"
    return version


def test_what_was_accepted_is_excused_until_somebody_rejects_the_version(shelf: Shelf) -> None:
    version, yard = _accepted_at_one(shelf), shelf.yard
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    yard.decide(RISK, yard.ask(VAL, version), "reject")
    shelf.look()
    shelf.look()
    assert shelf.words() == _stands("1", "was rejected")
    assert shelf.models["fraud"].aliases == {"champion": "1"}, "left, by default"


def test_an_accepted_alias_is_taken_away_with_the_suspension_of_its_version(shelf: Shelf) -> None:
    version, yard = _accepted_at_one(shelf), shelf.yard
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    yard.decide(RISK, yard.ask(VAL, version))
    yard.complete(version, "implementation")
    yard.step("ops", version, "implement")
    yard.step("ops", version, "deploy", "It runs.")
    yard.step(OLA, version, "deploy", "I saw it.")
    shelf.look()
    yard.step(RISK, version, "suspend", "It is wrong.")
    shelf.look()
    assert shelf.models["fraud"].aliases == {}


def test_an_alias_at_an_approval_that_ended_counts(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1")
    shelf.accepted()
    version = yard.version(model, "1", digest=shelf.digests["fraud", "1"])
    yard.complete(version, "validation")
    yard.step(DEV, version, "submit", validator=VAL)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    yard.decide(RISK, yard.ask(VAL, version))
    shelf.alias("fraud", "1")
    shelf.look()
    assert shelf.words() == [], "it is approved"
    yard.morning(days=400)
    shelf.look()
    assert shelf.words() == _stands("1", "is approved no more")


def test_a_suspended_models_alias_goes_first_and_has_room_of_its_own(database: Database) -> None:
    yard = settled(database)
    yard.text += "registry: {writes_per_hour: 3}\n"
    shelf = Shelf(yard)
    version = _used(shelf)
    for _ in range(8):
        shelf.look()
    assert shelf.models["fraud"].aliases == {"champion": "1"}
    other = yard.model("churn", registry_name="churn")
    shelf.put("churn", *"123456")
    for name in "123456":
        yard.version(other, name, digest=None)
    shelf.look()
    assert shelf.wanted() == [], "tags have used up the hour"
    yard.step(RISK, version, "suspend", "It is wrong.")
    (first,) = shelf.wanted()
    assert first.kind == "unalias"
    shelf.look()
    assert shelf.models["fraud"].aliases == {}
