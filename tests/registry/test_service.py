"""The registry beside the record: baseline, what is new, where it differs, what is written, and trouble."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from storage.db import Database
from storage.enums import ModelState
from storage.people.tables import Person
from tests.contexts import make_context
from tests.inventory.conftest import DEV, OLA, OPS, RISK, VAL, settled
from tests.registry.shelf import Shelf
from workflows.context import OPERATOR
from workflows.errors import GovernanceError, NotAllowed
from workflows.inventory import reads as inventory
from workflows.registry import reads, service
from workflows.sources.mlflow.client import Snapshot


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(settled(database))


def test_the_first_look_is_a_baseline_and_nothing_is_filed_until_it_is_accepted(
    shelf: Shelf,
) -> None:
    shelf.put("fraud", "1", "2", alias="2", tags={"owner": "nobody@else.test"})
    shelf.put("churn", "1")
    shelf.look()
    shelf.alias("churn", "1")
    shelf.look()
    assert shelf.words() == []
    assert shelf.wanted() == []
    (notice,) = shelf.told("registry.baseline")
    assert (notice["models"], notice["versions"], notice["aliases"], notice["unknown"]) == (
        2,
        3,
        1,
        2,
    )
    with pytest.raises(NotAllowed, match="for model risk"):
        shelf.accept(DEV)
    assert (
        shelf.accept()
        == "Accepted. 2 models are new in the inventory; from now on what differs is a finding."
    )
    shelf.look()
    assert shelf.words() == [], "what stood there is accepted"
    with shelf.yard.db.read() as session:
        found, _ = inventory.find_model(
            make_context(session, actor=OPERATOR, policy=shelf.yard.policy), "fraud"
        )
    assert (found.registry_name, found.purpose, found.owner) == ("fraud", "About fraud", None)
    shelf.alias("churn", None)
    shelf.look()
    shelf.alias("churn", "1")
    shelf.look()
    assert shelf.words() == [
        "In the registry, champion stands at version 1, which was not approved"
    ]


def test_nothing_is_accepted_before_it_was_read(shelf: Shelf) -> None:
    with pytest.raises(GovernanceError, match="not read yet"):
        shelf.accept()


def test_what_is_new_is_put_on_the_inventory_with_a_finding(shelf: Shelf) -> None:
    shelf.put("old", "1")
    shelf.accepted()
    shelf.put("Fraud Score (EU)", "1", tags={"mlgov.project": "none-such"})
    shelf.look()
    assert shelf.words() == [
        "The registry has it as Fraud Score (EU), and the inventory did not know it"
    ]
    shelf.look()
    assert len(shelf.words()) == 1, "said once"
    with shelf.yard.db.read() as session:
        found, _ = inventory.find_model(
            make_context(session, actor=OPERATOR, policy=shelf.yard.policy), "fraud-score-eu"
        )
    assert found.own_state is ModelState.INVENTORIED


def _governed(shelf: Shelf) -> int:
    """A model that both sides know, with version 1 in use."""
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1", "2")
    shelf.accepted()
    version = yard.version(model, "1", digest=shelf.digests["fraud", "1"])
    shelf.look()
    yard.complete(version, "validation")
    yard.step(DEV, version, "submit", validator=VAL)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    yard.decide(RISK, yard.ask(VAL, version))
    return version


def _used(shelf: Shelf) -> int:
    version, yard = _governed(shelf), shelf.yard
    shelf.look()
    yard.complete(version, "implementation")
    yard.step(OPS, version, "implement")
    yard.step(OPS, version, "deploy", "It runs.")
    yard.step(OLA, version, "deploy", "I saw it.")
    shelf.look()
    return version


def test_the_registry_follows_approval_use_and_suspension(shelf: Shelf) -> None:
    version = _governed(shelf)
    shelf.look()
    (_, one) = shelf.models["fraud"].versions
    assert one.tags["mlgov.state"] == "approved"
    assert one.tags["mlgov.model_id"] == "fraud"
    assert one.tags["mlgov.risk_tier"] == "2"
    assert one.tags["mlgov.approval_id"] == "1"
    assert one.tags["mlgov.approved_until"].startswith("2027-")
    assert shelf.models["fraud"].aliases == {}, "approved is not in use"
    yard = shelf.yard
    yard.complete(version, "implementation")
    yard.step(OPS, version, "implement")
    yard.step(OPS, version, "deploy", "It runs.")
    yard.step(OLA, version, "deploy", "I saw it.")
    shelf.look()
    assert shelf.models["fraud"].aliases == {"champion": "1"}
    assert shelf.wanted() == []
    yard.step(RISK, version, "suspend", "It is wrong.")
    shelf.look()
    assert shelf.models["fraud"].aliases == {}
    (_, one) = shelf.models["fraud"].versions
    assert one.tags["mlgov.state"] == "suspended"
    assert "mlgov.approval_id" not in one.tags
    assert shelf.words() == []


def test_an_alias_moved_to_what_nobody_approved_is_told_and_left_and_comes_back(
    shelf: Shelf,
) -> None:
    _used(shelf)
    shelf.alias("fraud", "2")
    shelf.look()
    assert shelf.words() == [
        "In the registry, champion stands at version 2, which was not approved"
    ]
    assert len(shelf.told("registry.drift")) == 1
    shelf.look()
    assert shelf.models["fraud"].aliases == {"champion": "2"}, "left, by default"
    assert len(shelf.told("registry.drift")) == 1
    shelf.alias("fraud", "1")
    shelf.look()
    assert shelf.words() == [], "what is put right is settled by what is seen"
    shelf.alias("fraud", "2")
    shelf.look()
    assert len(shelf.words()) == 1, "the second time is another finding"


def test_the_policy_puts_the_alias_back(database: Database) -> None:
    yard = settled(database)
    yard.text += "registry: {restore_alias: true}\n"
    shelf = Shelf(yard)
    _used(shelf)
    shelf.alias("fraud", "2")
    shelf.look()
    assert shelf.models["fraud"].aliases == {"champion": "1"}
    assert len(shelf.told("registry.drift")) == 1
    shelf.look()
    assert shelf.words() == []


def test_contents_that_changed_since_the_approval_end_it(shelf: Shelf) -> None:
    version = _used(shelf)
    shelf.digests["fraud", "1"] = "f" * 64
    shelf.look()
    assert shelf.words() == [
        "In the registry, the contents of version 1 are not those that were approved"
    ]
    assert shelf.yard.at(version).digest_changed
    with shelf.yard.db.read() as session:
        (model,) = inventory.list_models(
            make_context(session, actor=shelf.yard.actor(RISK), policy=shelf.yard.policy)
        )
    assert model.next_review == shelf.yard.now.date(), "that asks for a review"
    shelf.yard.step(RISK, version, "suspend", "Whose weights are these?")
    with pytest.raises(GovernanceError, match="what would be deployed is not what was approved"):
        shelf.yard.step(RISK, version, "resume", "It is fine.")


def test_a_pipelines_own_digest_is_kept_and_the_registry_compared_from_its_approval(
    shelf: Shelf,
) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1")
    shelf.accepted()
    version = yard.version(model, "1", digest="c" * 64)
    shelf.look()
    assert yard.at(version).digest == "c" * 64
    yard.complete(version, "validation")
    yard.step(DEV, version, "submit", validator=VAL)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    yard.decide(RISK, yard.ask(VAL, version))
    shelf.look()
    shelf.look()
    assert (yard.at(version).digest, shelf.words()) == ("c" * 64, [])
    shelf.digests["fraud", "1"] = "f" * 64
    shelf.look()
    assert len(shelf.words()) == 1
    assert yard.at(version).digest_changed


def test_a_version_whose_maker_is_known_starts_by_itself(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    with yard.db.begin() as session:
        session.get_one(Person, "p-dev").email = "dev@acme.test"
    shelf.put("fraud", "1", "2", "3", user="dev@acme.test")
    shelf.accepted()
    shelf.look()
    (one,) = yard.look(model).versions
    assert (one.version, one.state, one.digest) == (
        "3",
        ModelState.DEVELOPMENT,
        shelf.digests["fraud", "3"],
    )
    shelf.put("fraud", "1", "2", "3", "4", "5")
    shelf.look()
    assert len(yard.look(model).versions) == 1, "nobody says who made it: it waits"
    with yard.db.read() as session:
        offered = reads.find_offered(session, "fraud")
    assert offered is not None
    assert offered.version == "5"


def test_only_what_is_governed_is_read_and_read_again(shelf: Shelf) -> None:
    yard = shelf.yard
    model = yard.model("fraud", registry_name="fraud")
    shelf.put("fraud", "1", "2", "3")
    shelf.put("stranger", "1")
    for name, found in shelf.models.items():
        runs = tuple(replace(one, run_id=f"{name}-{one.version}") for one in found.versions)
        shelf.models[name] = replace(found, versions=runs)

    def to_read() -> tuple[list[str], list[tuple[str, str]]]:
        snapshot = Snapshot(tuple(shelf.models.values()))
        with yard.db.read() as session:
            return service.list_to_read(
                make_context(session, policy=yard.policy, now=yard.now), snapshot
            )

    assert to_read() == ([], []), "nothing is known yet, so nothing is fetched"
    shelf.digests = {}
    shelf.look()
    assert to_read() == (["fraud-3"], [("fraud", "3")])
    yard.version(model, "1")
    shelf.look()
    assert to_read() == (["fraud-3", "fraud-1"], [("fraud", "3"), ("fraud", "1")])
    shelf.digests = {("fraud", "1"): "a" * 64, ("fraud", "3"): "b" * 64}
    shelf.runs = {"fraud-1": ({}, ()), "fraud-3": ({"auc": 0.9}, ())}
    shelf.look()
    yard.now += timedelta(days=30)
    assert to_read() == ([], []), (
        "a run without metrics is not asked for again, nor contents of what is not approved"
    )


def test_what_vanishes_is_a_finding_and_nothing_is_retired_in_silence(shelf: Shelf) -> None:
    version = _used(shelf)
    for name in ("a", "b", "c", "d"):
        shelf.put(name, "1")
    shelf.look()
    gone = shelf.models.pop("fraud")
    shelf.look()
    assert "The registry does not have fraud any more" in shelf.words()
    assert shelf.yard.state_of(version) is ModelState.IN_USE
    shelf.models["fraud"] = replace(gone, versions=gone.versions[:-1])
    shelf.look()
    words = shelf.words()
    assert "The registry does not have fraud any more" not in words
    assert "The registry does not have version 1 of fraud any more" not in words, (
        "it went with its model, which was told"
    )
    shelf.models["fraud"] = gone
    shelf.look()
    shelf.models["fraud"] = replace(gone, versions=gone.versions[:-1])
    shelf.look()
    assert "The registry does not have version 1 of fraud any more" in shelf.words()


def test_an_emptied_registry_loses_nothing_and_alarms_once(shelf: Shelf) -> None:
    for name in "abcdef":
        shelf.put(name, "1")
    shelf.accepted()
    kept, shelf.models = shelf.models, {}
    for _ in range(6):
        shelf.look()
    assert len(shelf.told("registry.trouble")) == 1
    with shelf.yard.db.read() as session:
        status = reads.load_status(session)
    assert (status.models, status.is_troubled) == (6, True)
    assert "It shows 0 of 6 models" in status.failure
    assert shelf.words() == []
    shelf.models = kept
    shelf.look()
    with shelf.yard.db.read() as session:
        status = reads.load_status(session)
    assert (status.failure, status.is_troubled) == ("", False)
    shelf.models = {"a": kept["a"]}
    shelf.look()
    shelf.accept()
    shelf.look()
    with shelf.yard.db.read() as session:
        assert reads.load_status(session).models == 1, "a person said that it is meant"


def test_a_registry_that_is_down_alarms_once_and_says_when_it_is_back(shelf: Shelf) -> None:
    shelf.put("a", "1")
    shelf.accepted()
    shelf.fail(2)
    assert shelf.told("registry.trouble") == []
    shelf.fail(10)
    assert len(shelf.told("registry.trouble")) == 1
    assert shelf.wanted() == []
    shelf.look()
    shelf.fail(3)
    assert len(shelf.told("registry.trouble")) == 2


def test_many_moves_at_once_are_one_alarm_and_no_writes(shelf: Shelf) -> None:
    _used(shelf)
    for number in range(5):
        shelf.put(f"m{number}", "1")
        shelf.look()
    filed = len(shelf.words())
    for number in range(5):
        shelf.alias(f"m{number}", "1")
    shelf.alias("fraud", "2")
    shelf.look()
    assert len(shelf.words()) == filed, "nothing is filed one by one"
    assert len(shelf.told("registry.storm")) == 1
    assert shelf.wanted() == []
    shelf.yard.step(RISK, _version_of(shelf, "1"), "suspend", "Stop.")
    shelf.look()
    assert shelf.wanted() == [], "nothing is written while nobody looked"
    assert shelf.accept() == "Accepted as it is. What moves from now on is a finding."
    shelf.look()
    assert len(shelf.words()) == filed
    shelf.alias("m0", None)
    shelf.look()
    shelf.alias("m0", "1")
    shelf.look()
    assert len(shelf.words()) == filed + 1


@pytest.mark.slow
def test_what_vanishes_in_a_storm_is_a_finding_after_it(shelf: Shelf) -> None:
    _used(shelf)
    for name in ("a", "b", "c", "d", "e", "f", "g"):
        shelf.put(name, "1")
    shelf.look()
    model = shelf.models["fraud"]
    shelf.models["fraud"] = replace(model, versions=(), aliases={})
    for number in range(8):
        shelf.put(f"new-{number}", "1")
    shelf.look()
    shelf.look()
    gone = "The registry does not have version 1 of fraud any more"
    assert gone not in shelf.words(), "nothing is filed while too much has moved"
    shelf.accept()
    shelf.look()
    assert gone in shelf.words()
    shelf.look()
    assert shelf.words().count(gone) == 1


def _version_of(shelf: Shelf, name: str) -> int:
    with shelf.yard.db.read() as session:
        found, version = inventory.find_model(
            make_context(session, actor=OPERATOR, policy=shelf.yard.policy), f"fraud:{name}"
        )
    assert found
    assert version is not None
    return version.id


@pytest.mark.slow
def test_writes_are_patient_few_and_given_up(database: Database) -> None:
    yard = settled(database)
    yard.text += "registry: {writes_per_hour: 2}\n"
    shelf = Shelf(yard)
    _governed(shelf)
    shelf.refuses = "MLflow refuses the call (HTTP 403)."
    for _ in range(200):
        shelf.look(timedelta(hours=1))
    assert len(shelf.told("registry.write_given_up")) >= 1
    with yard.db.read() as session:
        given = reads.list_given_up(session)
    assert given[0].error == "MLflow refuses the call (HTTP 403)."
    told = len(shelf.told("registry.write_given_up"))
    shelf.look(timedelta(hours=1))
    assert len(shelf.told("registry.write_given_up")) == told


def test_one_process_looks_at_a_time(shelf: Shelf) -> None:
    yard = shelf.yard

    def begin(force: bool = False, after: timedelta = timedelta(0)) -> bool:
        yard.now += after
        turn = yard.db.run(
            lambda session: service.take_turn(
                make_context(session, policy=yard.policy, now=yard.now),
                real_now=yard.now,
                force=force,
            )
        )
        turns.append(turn)
        return turn is not None

    turns: list[int | None] = []
    assert begin()
    assert not begin(force=True), "another one has the turn"
    yard.db.run(lambda session: service.release_turn(session, turns[0] or 0))
    assert not begin(), "it is not due"
    yard.db.run(lambda session: service.note_hint(session, now=yard.now))
    assert begin()
    assert begin(after=timedelta(minutes=11)), "a turn that nobody gave back ends"


@pytest.mark.parametrize("many", [3, 40])
def test_a_look_that_finds_nothing_new_asks_and_writes_no_more_for_many_versions(
    shelf: Shelf, many: int
) -> None:
    for place in range(many):
        shelf.put(f"model-{place}", "1", "2", "3", alias="3")
    shelf.look()
    shelf.accept()
    shelf.look()
    shelf.digests.clear()
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    engine = shelf.yard.db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        shelf.look()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(said) < 30
    assert not [
        one for one in said if "UPDATE registry_model" in one or "UPDATE registry_version" in one
    ]
