"""A real MLflow server beside a running mlgov: from a registered version to its alias, drift, trouble and recovery."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from storage.enums import ModelState, Scope
from tests import cli
from tests.api.conftest import Api
from tests.conftest import fresh_url
from tests.registry.server import Mlflow, served
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office, eventually, opened
from tests.stories.test_models import MODELS, Person, record, world
from tests.stories.test_road import verified
from workflows.inventory import permissions
from workflows.registry import reads
from workflows.sources.mlflow.client import MlflowClient

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        importlib.util.find_spec("mlflow") is None,
        reason="MLflow is not installed: make test-all installs it",
    ),
]
POLICY = MODELS.replace(
    "    valid_for: 365d\n", "    valid_for: 365d\n    auto_approve: model.tier == 3\n"
).replace("gates:\n", "inventory: {}\ngates:\n")
SECRET = "a-secret-of-ours"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    with served(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Mlflow]:
    """A server of its own, for a story that begins with an empty registry."""
    with served(tmp_path / "mlflow") as running:
        yield running


@contextmanager
def beside(mlflow: Mlflow, url: str, tmp_path: Path) -> Iterator[Office]:
    with opened(
        url,
        tmp_path,
        policy=POLICY,
        world=world(),
        mlgov_mlflow_url=mlflow.url,
        mlgov_mlflow_webhook_secret=SecretStr(SECRET),
    ) as running:
        running.project("ticket-triage", "Ticket triage")
        yield running


def look(office: Office) -> None:
    registrar = office.bot.registrar
    assert registrar is not None
    said: list[str] = []

    def looked() -> bool:
        said.append(registrar.look(force=True))
        return said[-1] == ""

    eventually(looked, "a look at the registry")
    office.settle()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_from_a_run_to_its_alias_drift_and_recovery(
    request: pytest.FixtureRequest, tmp_path: Path, empty: Mlflow, kind: str
) -> None:
    empty.call(
        "registered-models/create",
        name="fraud-score",
        description="Ranks claims.",
        tags=[
            {"key": "mlgov.owner", "value": "ola@acme.test"},
            {"key": "mlgov.project", "value": "ticket-triage"},
        ],
    )
    run_id, source = empty.trained("fraud", b"weights", "tim@acme.test", accuracy=0.91)
    empty.version("fraud-score", source, run_id)
    with beside(empty, fresh_url(kind, request, tmp_path), tmp_path) as office:
        _the_life(office, empty, run_id, source)


def _the_life(office: Office, mlflow: Mlflow, run_id: str, source: str) -> None:
    look(office)
    fred, ola, tim, fay, ada = (Person(office, one) for one in (FRED, OLA, TIM, FAY, ADA))
    card = office.card(fred.seat, "C0GOV", "registry.accept")
    assert card.text == "The model registry was read: 1 model, 1 version"
    assert mlflow.tags("fraud-score", "1") == {}, "nothing is written before somebody accepts"
    assert fred.seat.click(channel_id="C0GOV", ts=card.ts, action_id="registry.accept").ok
    office.private(fred.seat, "Accepted. 1 model is new in the inventory")
    look(office)
    found = record(office)
    assert (found.name, found.purpose, found.owner.name if found.owner else "") == (
        "fraud-score",
        "Ranks claims.",
        "Ola",
    )

    ola.ask("model fraud-score")
    ola.pick("assess")
    assert ola.fill(exposure="low", purpose_class="informational", eu_class="minimal").ok
    look(office)
    (version,) = record(office).versions
    assert (version.version, version.state, version.run_id) == ("1", ModelState.DEVELOPMENT, run_id)
    assert version.digest is not None, "its contents were read"
    with office.db.read() as session:
        offered = reads.find_of_version(session, version.id)
    assert offered is not None
    assert offered.metrics == {"accuracy": "0.91"}

    for type_ in ("model_card", "data_lineage_and_quality"):
        tim.hand_in(type_)
    tim.hand_in("performance_report", metrics="accuracy = 0.91 >= 0.85")
    tim.ask("model fraud-score")
    tim.press("models.step")
    assert tim.fill(validator=FAY).ok
    fay.hand_in("validation_report", outcome="pass")
    fay.ask("model fraud-score")
    fay.press("models.step_look")
    boxes = {
        one["block_id"]: {"pick": ["yes"]}
        for one in fay.seat.modals()[-1].as_json()["blocks"]
        if one["block_id"].startswith("pick:")
    }
    assert fay.seat.submit(fay.seat.modals()[-1].id, boxes).ok
    fay.ask("model fraud-score")
    fay.press("models.step")
    assert fay.fill(reason="It holds.").ok
    assert record(office).versions[0].state is ModelState.APPROVED
    look(office)
    tags = mlflow.tags("fraud-score", "1")
    assert (tags["mlgov.state"], tags["mlgov.model_id"], tags["mlgov.risk_tier"]) == (
        "approved",
        "fraud-score",
        "3",
    )
    assert tags["mlgov.approval_id"] == "1"
    assert mlflow.aliases("fraud-score") == {}

    ada.hand_in("cost_estimate")
    ada.hand_in("monitoring_plan", metrics="accuracy >= 0.85 every 7")
    for person, reason in ((ada, None), (ada, "It answers."), (ola, "I saw it.")):
        person.ask("model fraud-score")
        person.press("models.step")
        assert person.fill(**({"reason": reason} if reason else {})).ok
    look(office)
    assert mlflow.aliases("fraud-score") == {"champion": "1"}
    assert mlflow.tags("fraud-score", "1")["mlgov.state"] == "in_use"

    mlflow.call(
        "webhooks",
        name="mlgov",
        url=f"{office.base_url}/mlflow/webhook",
        events=[{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
        secret=SECRET,
        status="ACTIVE",
    )
    other_run, other = mlflow.trained("fraud-2", b"other weights", "stranger@else.test")
    second = mlflow.version("fraud-score", other, other_run)
    mlflow.alias("fraud-score", second)

    def open_words() -> list[str]:
        return [one.words for one in record(office).findings]

    eventually(
        lambda: any("champion stands at version 2" in one for one in open_words()),
        "the webhook brings the look forward",
    )
    office.settle()
    assert "fraud-score: the registry differs from the record" in str(
        [one.text for one in ola.seat.messages("C0TRIAGE")]
    )
    mlflow.alias("fraud-score", "1")
    look(office)
    assert open_words() == []

    mlflow.upload(source, b"tampered weights")
    office.move(timedelta(days=1, hours=1))
    look(office)
    assert open_words() == [
        "In the registry, the contents of version 1 are not those that were approved"
    ]
    ada.ask("model fraud-score")
    ada.pick("suspend")
    assert ada.fill(reason="Whose weights are these?").ok
    look(office)
    assert mlflow.aliases("fraud-score") == {}
    assert mlflow.tags("fraud-score", "1")["mlgov.state"] == "suspended"
    assert verified(office)


@pytest.mark.parametrize("name", ["it's", 'so "called"', """both ' and \" """.strip()])
def test_names_that_the_filter_cannot_say(mlflow: Mlflow, name: str) -> None:
    mlflow.call("registered-models/create", name=name)
    run_id, source = mlflow.trained(f"of {name}", b"weights", "dev@acme.test")
    mlflow.version(name, source, run_id)
    registry = MlflowClient(mlflow.url)
    assert [(one.version, one.run_id) for one in registry.versions(name)] == [("1", run_id)]
    assert registry.digest(name, "1").sha256 is not None
    registry.set_alias(name, "champion", "1")
    assert registry.snapshot().by_name[name].aliases == {"champion": "1"}
    registry.close()
    mlflow.call("registered-models/delete", "DELETE", name=name)


def test_a_server_that_goes_away_and_comes_back(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    work = tmp_path / "registry"
    with served(work) as first:
        port = int(first.url.rsplit(":", 1)[1])
        first.call("registered-models/create", name="churn")
        with opened(
            url,
            tmp_path,
            policy=POLICY,
            world=world(),
            mlgov_mlflow_url=first.url,
            mlgov_http_timeout_seconds=2,
        ) as office:
            registrar = office.bot.registrar
            assert registrar is not None
            look(office)
            stopped = _pids(port)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            for _ in range(4):
                assert "MLflow takes too long to answer" in registrar.look(force=True)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            office.settle()
            ada = office.sandbox.seat(ADA)
            texts = [one.text for one in ada.messages("C0GOV")]
            assert texts.count("The model registry cannot be read") == 1
            look(office)
            texts = [one.text for one in ada.messages("C0GOV")]
            assert "The model registry cannot be read" not in texts
            assert "The model registry can be read again" in texts
            with office.db.read() as session:
                assert reads.load_status(session).models == 1


def _pids(port: int) -> list[int]:
    """Every process of the server at that port."""
    found = []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdigit() and f"--port\0{port}" in (one / "cmdline").read_text():
                found.append(os.getpgid(int(one.name)))
        except OSError:
            continue
    group = found[0]
    return [
        int(one.name)
        for one in Path("/proc").iterdir()
        if one.name.isdigit() and _group(int(one.name)) == group
    ]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


LOGGED = """
import sys, mlflow, pandas
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri(sys.argv[1])
frame = pandas.read_csv(sys.argv[2])
with mlflow.start_run():
    mlflow.sklearn.log_model(LogisticRegression().fit(frame[["income", "age"]], frame["fraud"]), name="model", registered_model_name="scored")
"""


def test_a_model_that_mlflow_itself_saved_is_tried_and_handed_in(
    request: pytest.FixtureRequest, mlflow: Mlflow, tmp_path: Path
) -> None:
    with beside(mlflow, fresh_url("sqlite", request, tmp_path), tmp_path) as office:
        _tried(office, mlflow, tmp_path)


def _tried(office: Office, mlflow: Mlflow, tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_text(
        "income,age,fraud\n"
        + "".join(f"{one % 17},{one % 5},{int(one % 17 > 8)}\n" for one in range(200))
    )
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": "127.0.0.1",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    logged = subprocess.run(
        [sys.executable, "-c", LOGGED, mlflow.url, str(table)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert logged.returncode == 0, logged.stderr
    registry = MlflowClient(mlflow.url)
    digest = registry.digest("scored", "1").sha256
    registry.close()

    ola = Person(office, OLA)
    ola.ask("models")
    ola.press("models.register")
    assert ola.fill(
        name="Fraud score",
        purpose="Scores claims.",
        exposure="medium",
        purpose_class="decision_support",
        eu_class="minimal",
        project="ticket-triage",
    ).ok
    ola.ask("model fraud-score")
    ola.pick("version")
    assert ola.fill(version="1", developers=TIM, digest=digest).ok

    with httpx.Client(base_url=str(office.base_url)) as http:
        api = Api(office, http)
        token = api.token("ci", scopes=(Scope.MODELS_READ, Scope.MODELS))
        code, said = cli.run(
            "importance",
            str(table),
            "--model",
            "scored:1",
            "--target",
            "fraud",
            "--submit",
            "fraud-score:1",
            MLGOV_URL=str(office.base_url),
            MLGOV_TOKEN=token,
            MLGOV_MLFLOW_URL=mlflow.url,
        )
    if "has no bubblewrap" in said:
        pytest.skip("bubblewrap isn't here, or may not work")
    assert code == 0, said
    assert said.startswith("scored:1: LogisticRegression, made with scikit-learn ")
    assert "its answers are moved most by income (" in said
    assert "Handed in for fraud-score 1." in said
    (version,) = record(office).versions
    with office.db.read() as session:
        item = permissions.load_items(session, version.id)["explainability_report"]
    assert item.explained is not None
    assert item.explained.drivers[0].feature == "income"
    assert (
        item.summary
        == f"Of scored:1 in MLflow, whose contents are those on the record (sha256:{digest[:12]}…)."
    )  # type: ignore[index]
