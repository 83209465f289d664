"""A turn at the registry that somebody else took writes nothing more, whatever its process was in the middle of."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.registry import sync
from storage.db import Database
from storage.inventory.tables import Model, ModelVersion
from storage.registry import queries
from storage.registry.tables import RegistryWrite
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.inventory.conftest import settled
from tests.registry.shelf import Shelf
from tests.registry.test_client import Answer, Server, answer_json
from tests.stories.office import Office, opened
from tests.stories.test_models import MODELS, world
from workflows.registry import reads, service
from workflows.sources.mlflow.client import MlflowClient


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(settled(database))


def begin(shelf: Shelf, after: timedelta = timedelta(0)) -> int | None:
    yard = shelf.yard
    yard.now += after
    return yard.db.run(
        lambda session: service.take_turn(
            make_context(session, policy=yard.policy, now=yard.now), real_now=yard.now, force=True
        )
    )


def keep(shelf: Shelf, turn: int) -> None:
    shelf.yard.db.run(lambda session: service.keep_turn(session, turn, real_now=shelf.yard.now))


def test_who_lost_the_turn_neither_keeps_it_nor_gives_it_back(shelf: Shelf) -> None:
    first = begin(shelf)
    assert first is not None
    assert begin(shelf) is None
    second = begin(shelf, after=service.LEASE + timedelta(seconds=1))
    assert second is not None
    with pytest.raises(service.LostTurn):
        keep(shelf, first)
    shelf.yard.db.run(lambda session: service.release_turn(session, first))
    assert begin(shelf) is None, "the second one's turn goes on"
    keep(shelf, second)


def test_each_step_of_a_look_makes_its_turn_last(shelf: Shelf) -> None:
    turn = begin(shelf)
    assert turn is not None
    for _ in range(4):
        shelf.yard.now += service.LEASE - timedelta(minutes=1)
        keep(shelf, turn)
    assert begin(shelf) is None


def test_a_clock_that_was_set_back_holds_up_nobody(shelf: Shelf) -> None:
    assert begin(shelf) is not None
    assert begin(shelf, after=-timedelta(days=2)) is not None


@pytest.fixture
def mlflow() -> Iterator[Server]:
    """A registry with one model and one version."""
    made = Server()

    def answer(method: str, path: str) -> Answer:
        found: object = {}
        if "registered-models/search" in path:
            found = {"registered_models": [{"name": "fraud"}]}
        elif "model-versions/search" in path:
            found = {"model_versions": [{"name": "fraud", "version": "1"}]}
        elif "get-download-uri" in path:
            found = {"artifact_uri": "s3://bucket/model"}
        return answer_json(found)

    made.answer = answer
    yield made
    made.stop()


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with opened(
        fresh_url("sqlite", request, tmp_path), tmp_path, policy=MODELS, world=world()
    ) as running:
        yield running


@pytest.fixture
def registrar(office: Office, mlflow: Server) -> Iterator[sync.Registrar]:
    """It looks when a test says so."""
    made = sync.Registrar(office.bot.deps, MlflowClient(mlflow.url))
    yield made
    made.stop()


def _taken_over(session: Session) -> None:
    """What another process does when the lease is over."""
    state = queries.lock_state(session)
    state.turn += 1
    state.leased_until = None


@pytest.mark.slow
def test_a_look_that_lost_its_turn_writes_neither_what_it_saw_nor_into_the_registry(
    office: Office, mlflow: Server, registrar: sync.Registrar
) -> None:
    good = mlflow.answer
    lost: list[str] = []

    def taken_over(part: str) -> None:
        """While MLflow answers to this, somebody else takes the turn."""

        def answer(method: str, path: str) -> Answer:
            if part in path:
                lost.append(path)
                office.db.run(_taken_over)
            return good(method, path)

        mlflow.answer = answer

    taken_over("model-versions/search")
    assert registrar.look(force=True) == sync.BUSY
    assert lost
    with office.db.read() as session:
        assert reads.load_status(session).looked_at is None
    mlflow.answer = good
    assert registrar.look(force=True) == ""
    with office.db.begin() as session:
        assert reads.load_status(session).models == 1
        now = office.bot.deps.now(session)
        state = queries.lock_state(session)
        state.accepted_at = now
        model = Model(
            key="fraud",
            name="Fraud",
            kind="internal",
            data_sources=[],
            state="inventoried",
            registry_name="fraud",
            created_at=now,
        )
        session.add(model)
        session.flush()
        session.add(
            ModelVersion(
                model_id=model.id,
                version="1",
                state="development",
                state_since=now,
                about={},
                created_at=now,
            )
        )
    lost.clear()
    mlflow.seen.clear()
    taken_over("set-tag")
    assert registrar.look(force=True) == sync.BUSY
    assert len(lost) == 1, "it writes no more"
    with office.db.read() as session:
        assert session.execute(select(func.count(RegistryWrite.id))).scalar_one() == 0
    mlflow.answer = good
    assert registrar.look(force=True) == ""
    with office.db.read() as session:
        assert session.execute(select(func.count(RegistryWrite.id))).scalar_one() == 2
