"""Accepting the registry takes what the card listed, by its revision; whatever moves after it was made is asked about again."""

import pytest

from bot.delivery.rendering import Scene
from bot.registry import messages
from storage.db import Database
from tests.contexts import make_context
from tests.inventory.conftest import RISK, settled
from tests.registry.shelf import Shelf
from workflows.context import OPERATOR
from workflows.errors import NotFound, Stale
from workflows.inventory import reads as inventory
from workflows.registry import reads
from workflows.registry.notices import BaselineRead, RegistryTroubled, TooMuchMoved
from workflows.registry.records import RegistryStatus

MOVED = "nothing was accepted. Look at what waits now"


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(settled(database))


def status(shelf: Shelf) -> RegistryStatus:
    with shelf.yard.db.read() as session:
        return reads.load_status(session, alias="champion")


def waits(shelf: Shelf) -> list[str]:
    return [one.words for one in status(shelf).waiting]


def is_known(shelf: Shelf, key: str) -> bool:
    with shelf.yard.db.read() as session:
        try:
            inventory.find_model(
                make_context(session, actor=OPERATOR, policy=shelf.yard.policy), key
            )
        except NotFound:
            return False
    return True


def test_a_baseline_that_moved_after_its_card_is_asked_about_again(shelf: Shelf) -> None:
    shelf.put("fraud", "1", "2", alias="1")
    shelf.look()
    shown = shelf.revision()
    assert waits(shelf) == ["fraud: champion at version 1"]
    shelf.look()
    assert shelf.revision() == shown, "what stayed the same is the same card"
    shelf.yard.deliver()
    shelf.put("churn", "1", alias="1")
    shelf.alias("fraud", "2")
    redrawn = len(shelf.yard.sent("registry.baseline"))
    shelf.look()
    with pytest.raises(Stale, match=MOVED):
        shelf.accept(revision=shown)
    assert not is_known(shelf, "fraud")
    assert not is_known(shelf, "churn")
    assert status(shelf).accepted_at is None
    assert len(shelf.yard.sent("registry.baseline")) > redrawn, "the card is redrawn"
    assert waits(shelf) == ["churn: champion at version 1", "fraud: champion at version 2"]
    assert shelf.accept().startswith("Accepted. 2 models are new")
    shelf.look()
    assert shelf.words() == []
    assert shelf.accept() == "Nothing waits for that."


def test_what_moves_between_the_last_look_and_the_click_is_not_accepted(shelf: Shelf) -> None:
    shelf.put("fraud", "1", "2", alias="1")
    shelf.look()
    shelf.alias("fraud", "2")
    shelf.put("late", "1")
    shelf.accept()
    assert not is_known(shelf, "late")
    shelf.look()
    assert sorted(shelf.words()) == [
        "In the registry, champion stands at version 2, which was not approved",
        "The registry has it as late, and the inventory did not know it",
    ]


def _storm(shelf: Shelf) -> None:
    """One alias stands where nobody approved it, with its finding; six others moved at once after that."""
    for number in range(9):
        shelf.put(f"m{number}", "1", "2")
    shelf.accepted()
    shelf.alias("m8", "1")
    shelf.look()
    assert len(shelf.words()) == 1
    for number in range(6):
        shelf.alias(f"m{number}", "1")
    shelf.look()


def test_a_storm_is_accepted_as_its_card_listed_it_and_nothing_beside(shelf: Shelf) -> None:
    _storm(shelf)
    shown = shelf.revision()
    assert waits(shelf) == [f"m{one}: champion stands at version 1" for one in range(6)]
    shelf.alias("m6", "2")
    shelf.alias("m0", None)
    shelf.put("new", "1")
    shelf.look()
    with pytest.raises(Stale, match=MOVED):
        shelf.accept(revision=shown)
    assert status(shelf).frozen_at is not None
    assert waits(shelf) == [
        *(f"m{one}: champion stands at version 1" for one in range(1, 6)),
        "m6: champion stands at version 2",
        "new is new",
    ]
    shelf.alias("m7", "1")
    assert shelf.accept() == "Accepted as it is. What moves from now on is a finding."
    shelf.look()
    assert (
        shelf.words()
        == ["In the registry, champion stands at version 1, which was not approved"] * 2
    ), "that of m8, which stood before, and of m7, which moved after the card"


def test_a_storm_that_was_put_right_waits_for_somebody_to_go_on(shelf: Shelf) -> None:
    _storm(shelf)
    for number in range(6):
        shelf.alias(f"m{number}", None)
    shelf.look()
    assert waits(shelf) == []
    assert status(shelf).asks
    assert shelf.wanted() == []
    shelf.accept()
    assert not status(shelf).asks


def test_only_the_models_that_were_listed_are_taken_as_gone(shelf: Shelf) -> None:
    for name in "abcdefgh":
        shelf.put(name, "1")
    shelf.accepted()
    kept = dict(shelf.models)
    shelf.models = {name: kept[name] for name in "abc"}
    shelf.look()
    shown = shelf.revision()
    assert waits(shelf) == [f"{name} is gone" for name in "defgh"]
    shelf.models = {}
    shelf.look()
    with pytest.raises(Stale, match=MOVED):
        shelf.accept(revision=shown)
    shelf.models = {name: kept[name] for name in "abc"}
    shelf.look()
    assert shelf.accept() == "Accepted: 5 models are taken as gone."
    shelf.models = {}
    shelf.look()
    assert "It shows 0 of 3 models" in status(shelf).failure
    assert waits(shelf) == [f"{name} is gone" for name in "abc"]


def test_a_registry_that_is_only_down_has_nothing_to_accept(shelf: Shelf) -> None:
    shelf.put("a", "1")
    shelf.accepted()
    shelf.fail(4)
    assert shelf.accept() == "Nothing waits for that."
    assert status(shelf).models == 1


def test_each_card_carries_what_it_lists(shelf: Shelf) -> None:
    for number in range(12):
        shelf.put(f"m{number:02}", "1", alias="1")
    shelf.look()
    scene = Scene(policy=shelf.yard.policy, now=shelf.yard.now, is_closed=True)
    notice = BaselineRead(models=12, versions=12, aliases=12, unknown=12)

    def drawn(made: object) -> str:
        return str(getattr(made, "blocks", made))

    card = drawn(messages.baseline(status(shelf), notice, scene))
    assert f"'value': '{shelf.revision()}'" in card
    assert "m09: champion at version 1" in card
    assert "…and 2 more" in card
    shelf.accept()
    card = drawn(messages.baseline(status(shelf), notice, scene))
    assert "baseline was accepted by Risk" in card
    assert messages.ACCEPT not in card
    for number in range(6):
        shelf.put(f"new{number}", "1")
    shelf.look()
    storm = TooMuchMoved("now")
    card = drawn(messages.storm(status(shelf), storm, scene))
    assert "6 things changed in the model registry at once" in card
    assert f"'value': '{shelf.revision()}'" in card
    shelf.models = {}
    shelf.accept(RISK)
    for _ in range(3):
        shelf.look()
    card = drawn(messages.trouble(status(shelf), RegistryTroubled("now"), scene))
    assert "m00 is gone" in card
    assert f"'value': '{shelf.revision()}'" in card


def test_a_button_of_an_earlier_release_shows_no_revision() -> None:
    assert [messages.read_revision(one) for one in ("-", "", "12", "x1")] == [-1, -1, 12, -1]
