"""`mlgov registry` and `mlgov doctor`, as an operator types them, against a server that answers like MLflow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import cli
from tests.conftest import fresh_url
from tests.registry.test_client import Answer, Server
from tests.stories.office import Office, opened
from tests.stories.test_models import MODELS, world

pytestmark = pytest.mark.slow


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with opened(
        fresh_url("sqlite", request, tmp_path), tmp_path, policy=MODELS, world=world()
    ) as running:
        yield running


@pytest.fixture
def mlflow() -> Iterator[Server]:
    made = Server()

    def answer(method: str, path: str) -> Answer:
        found: object = {}
        if "registered-models/search" in path:
            found = {
                "registered_models": [
                    {"name": "fraud score", "aliases": [{"alias": "champion", "version": "1"}]}
                ]
            }
        elif "model-versions/search" in path:
            found = {"model_versions": [{"name": "fraud score", "version": "1"}]}
        elif "get-download-uri" in path:
            found = {"artifact_uri": "s3://bucket/model"}
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()

    made.answer = answer
    yield made
    made.stop()


def mlgov(office: Office, *words: str, **more: str) -> tuple[int, str]:
    settings = office.bot.deps.settings
    assert settings.slack_bot_token is not None
    given = {
        "MLGOV_DATABASE_URL": settings.mlgov_database_url.get_secret_value(),
        "MLGOV_POLICY": str(settings.mlgov_policy),
        "SLACK_BOT_TOKEN": settings.slack_bot_token.get_secret_value(),
        "SLACK_API_URL": settings.slack_api_url,
    }
    return cli.run(*words, **given | more)


def test_an_operator_reads_accepts_and_sees_how_it_stands(office: Office, mlflow: Server) -> None:
    where = {"MLGOV_MLFLOW_URL": mlflow.url}
    code, said = mlgov(office, "registry", "status")
    assert (code, "was not read yet" in said) == (0, True)
    code, said = mlgov(office, "registry", "accept")
    assert (code, said) == (1, "The registry was not read yet, so there is nothing to accept.\n")
    code, said = mlgov(office, "registry", "sync")
    assert (code, "MLGOV_MLFLOW_URL is not set" in said) == (1, True)
    code, said = mlgov(office, "registry", "sync", **where)
    assert code == 0, said
    assert "1 model, 1 version." in said
    assert "Its baseline waits for somebody to accept it:\n  fraud score" in said
    code, said = mlgov(office, "registry", "accept")
    assert (code, "Say which list you accept" in said) == (1, True)
    assert "`mlgov registry accept 1` accepts exactly this" in said
    code, said = mlgov(office, "registry", "accept", "7")
    assert (code, "nothing was accepted" in said) == (1, True)
    code, said = mlgov(office, "registry", "accept", "1")
    assert said.startswith("Accepted. 1 model is new in the inventory")
    assert mlgov(office, "registry", "sync", **where)[0] == 0
    code, said = mlgov(office, "registry", "status", "--json")
    found = json.loads(said)
    assert (found["unknown"], found["unverified"], found["open_drift"]) == (0, 1, 0)
    mlflow.answer = lambda method, path: (401, {}, b"")
    code, said = mlgov(office, "registry", "sync", **where)
    assert (code, "MLflow refuses the credentials" in said) == (1, True)


def test_the_doctor_says_whether_mlflow_answers(office: Office, mlflow: Server) -> None:
    assert "registry" not in mlgov(office, "doctor")[1]
    assert (
        "MLflow answers, and has 1 model" in mlgov(office, "doctor", MLGOV_MLFLOW_URL=mlflow.url)[1]
    )
    mlflow.answer = lambda method, path: (200, {}, b"<html>")
    assert "no JSON" in mlgov(office, "doctor", MLGOV_MLFLOW_URL=mlflow.url)[1]
