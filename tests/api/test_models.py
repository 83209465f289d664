"""The inventory through the API and the command line: a pipeline hands in, people move, Slack follows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from storage.enums import Scope
from tests import cli
from tests.api.conftest import Api
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, opened
from tests.stories.test_models import MODELS, world
from tests.stories.test_road import verified

BOTH = (Scope.MODELS_READ, Scope.MODELS)
NEW = {
    "name": "Fraud score",
    "project": "triage",
    "purpose": "Scores claims.",
    "exposure": "medium",
    "purpose_class": "decision_support",
    "eu_class": "minimal",
}


@contextmanager
def _served(kind: str, request: pytest.FixtureRequest, work: Path) -> Iterator[Api]:
    """An office with one project, and its API."""
    with opened(fresh_url(kind, request, work), work, policy=MODELS, world=world()) as office:
        office.project("triage", "Ticket triage")
        assert office.base_url is not None
        with httpx.Client(base_url=office.base_url, trust_env=False, timeout=70) as http:
            yield Api(office, http)


@pytest.fixture(params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    with _served(request.param, request, tmp_path) as made:
        yield made


@pytest.fixture
def on_sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """For what is the same on both databases."""
    with _served("sqlite", request, tmp_path) as made:
        yield made


def call(api: Api, token: str, path: str, body: object, expected: int = 201) -> dict:  # type: ignore[type-arg]
    answer = api.post(f"/models{path}", token, body)
    assert answer.status_code == expected, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_pipeline_hands_in_and_people_move_it(api: Api) -> None:
    program = api.token("ci", scopes=BOTH, projects=("triage",))
    made = call(api, program, "", NEW)
    assert (made["key"], made["state"], made["tier"], made["owner"]) == (
        "fraud-score",
        "inventoried",
        2,
        "Ola",
    )
    assert call(api, program, "", NEW) == made, "the same again changes nothing"
    version = {"version": "7", "digest": "sha256:" + "a" * 64, "developers": ["tim@acme.test"]}
    assert call(api, program, "/fraud-score/versions", version)["state"] == "development"
    assert call(api, program, "/fraud-score/versions", version)["developers"] == ["Tim"]
    other = call(api, program, "/fraud-score/versions", version | {"digest": "b" * 64}, 422)
    assert "with other contents" in other["detail"]

    at = "/fraud-score/versions/7"
    found = api.get(f"/models{at}/check", program).json()
    assert (found["is_complete"], found["next_step"]) == (False, "validation")
    assert "performance report" in found["missing"]
    bad = call(
        api,
        program,
        f"{at}/evidence",
        {"type": "performance_report", "metrics": ["accuracy is fine"]},
        422,
    )
    assert "a metric is written like" in str(bad)
    none = call(
        api, program, f"{at}/evidence", {"type": "performance_report", "summary": "Fine"}, 422
    )
    assert "at least one metric" in none["detail"]
    unknown = call(api, program, f"{at}/evidence", {"type": "horoscope", "summary": "Fine"}, 422)
    assert "There is no evidence of the type 'horoscope'" in unknown["detail"]
    for type_ in ("model_card", "datasheet", "data_lineage_and_quality"):
        call(api, program, f"{at}/evidence", {"type": type_, "uri": "https://docs.acme.test/x"})
    told = call(
        api,
        program,
        f"{at}/evidence",
        {"type": "performance_report", "metrics": ["accuracy = 0.91 >= 0.85"]},
    )
    assert told["check"]["is_complete"] is True
    again = call(
        api,
        program,
        f"{at}/evidence",
        {"type": "performance_report", "metrics": ["accuracy = 0.91 >= 0.85"]},
    )
    assert again["id"] == told["id"]

    refused = call(
        api, program, f"{at}/steps", {"step": "submit", "validator": "fay@acme.test"}, 403
    )
    assert "this is for a developer of it" in refused["detail"]
    nobody = call(
        api, api.personal(TIM), f"{at}/steps", {"step": "submit", "validator": "who@acme.test"}, 422
    )
    assert "Nobody here is 'who@acme.test'" in nobody["detail"]
    done = call(api, api.personal(TIM), f"{at}/steps", {"step": "submit", "validator": FAY}, 200)
    assert (done["version"]["state"], done["version"]["validators"]) == ("validation", ["Fay"])
    api.office.settle()
    fay = api.office.sandbox.seat(FAY)
    assert "waits for your validation" in fay.messages(fay.dm().id)[-1].text
    stale = call(
        api,
        api.personal(FAY),
        f"{at}/steps",
        {"step": "pass", "reason": "Good", "revision": 1},
        409,
    )
    assert "changed since it was shown" in stale["detail"]
    missing = call(api, api.personal(FAY), f"{at}/steps", {"step": "pass", "reason": "Good"}, 403)
    assert "missing: model card (not accepted yet)" in missing["detail"]
    grave = call(
        api,
        api.personal(FRED),
        "/fraud-score/findings",
        {"words": "Wrong at night", "severity": "critical", "version": "7"},
    )
    assert grave["id"] == 1
    assert verified(api.office)


def test_a_long_inventory_is_read_in_pages(api: Api) -> None:
    program = api.token("p", scopes=BOTH)
    api.office.project("other", "Other")
    for number in range(5):
        call(api, program, "", NEW | {"name": f"Model {number}", "key": f"m-{number}"})
    call(api, program, "", NEW | {"name": "Elsewhere", "key": "e", "project": "other"})
    bound = api.token("b", scopes=(Scope.MODELS_READ,), projects=("triage",))
    seen, after = [], ""
    while after is not None:
        path = f"/models?limit=2{f'&after={after}' if after else ''}"
        told = api.get(path, bound).json()
        assert len(told["models"]) <= 2
        seen += [one["key"] for one in told["models"]]
        after = told["next"]
    assert seen == [f"m-{number}" for number in range(5)]
    gone = api.get("/models?after=e", bound)
    assert (gone.status_code, gone.json()["detail"]) == (
        422,
        "No model of that key is among these any more. Begin again without it.",
    )
    assert api.get("/models?limit=0", bound).status_code == 422
    code, said = mlgov(api, program, "model", "list", "--json")
    assert (code, len(json.loads(said))) == (0, 6)


def test_tokens_are_for_what_they_say(api: Api) -> None:
    reads_only = api.token("r", scopes=(Scope.MODELS_READ,))
    assert api.post("/models", reads_only, NEW).status_code == 403
    api.office.project("other", "Other")
    elsewhere = api.token("e", scopes=BOTH, projects=("other",))
    assert api.post("/models", elsewhere, NEW).status_code == 403
    program = api.token("p", scopes=BOTH)
    call(api, program, "", NEW)
    beyond = api.get("/models/fraud-score", elsewhere)
    nothing = api.get("/models/no-such-one", elsewhere)
    assert (beyond.status_code, nothing.status_code) == (404, 404)
    assert beyond.text.replace("fraud-score", "no-such-one") == nothing.text
    assert api.get("/models", elsewhere).json() == {"models": [], "next": None}
    assert api.get("/models", api.token("o", scopes=(Scope.STATUS,))).status_code == 403
    assert api.get("/models/nothing", program).status_code == 404
    assert [one["key"] for one in api.get("/models", api.personal(FRED)).json()["models"]] == [
        "fraud-score"
    ]
    half = api.post("/models", program, {"name": "Other", "project": "triage", "exposure": "low"})
    assert half.status_code == 422
    assert "together, or none" in half.json()["detail"]
    loose = api.post("/models", program, {"name": "Loose"})
    assert "Say who owns it" in loose.json()["detail"]


def mlgov(api: Api, token: str, *words: str) -> tuple[int, str]:
    return cli.run(*words, MLGOV_URL=str(api.office.base_url), MLGOV_TOKEN=token)


def test_the_command_line_checks_in_ci_and_moves_as_oneself(api: Api, tmp_path: Path) -> None:
    program = api.token("ci", scopes=BOTH, projects=("triage",))
    code, said = mlgov(
        api,
        program,
        "model",
        "register",
        "Fraud score",
        "--project",
        "triage",
        "--purpose",
        "Scores.",
        "--exposure",
        "low",
        "--use",
        "informational",
        "--eu",
        "minimal",
    )
    assert (code, said) == (0, "Fraud score is in the inventory as fraud-score, tier 3.\n")
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"weights")
    code, said = mlgov(
        api,
        program,
        "model",
        "version",
        "fraud-score:7",
        "--file",
        str(weights),
        "--developer",
        TIM,
    )
    assert (code, said) == (0, "fraud-score 7 is development.\n")
    code, said = mlgov(api, program, "model", "check", "fraud-score:7")
    assert code == 20
    assert (
        "Missing for validation: model card, data lineage and quality, performance report" in said
    )
    for type_ in ("model-card", "data_lineage_and_quality"):
        mlgov(api, program, "model", "evidence", "fraud-score:7", type_, "--file", str(weights))
    code, said = mlgov(
        api,
        program,
        "model",
        "evidence",
        "fraud-score:7",
        "performance_report",
        "--metric",
        "auc = 0.9 >= 0.8",
    )
    assert (code, "Nothing is missing for validation." in said) == (0, True)
    code, said = mlgov(api, program, "model", "check", "fraud-score:7")
    assert code == 0
    code, said = mlgov(
        api, api.personal(TIM), "model", "move", "fraud-score:7", "submit", "--validator", FAY
    )
    assert (code, said) == (0, "Fraud score 7: sent to validation.\n")
    code, said = mlgov(api, api.personal(OLA), "model", "move", "fraud-score:7", "deploy")
    assert code == 1
    assert "is in validation; from there that step does not exist" in said
    code, said = mlgov(api, api.personal(ADA), "model", "list")
    assert "fraud-score" in said
    code, said = mlgov(api, program, "model", "show", "fraud-score")
    assert "7: validation; leads on: return, reassign, pass" in said
    code, said = mlgov(api, program, "model", "reading", "fraud-score:7", "auc", "0.7")
    assert "has no measure 'auc'" in said
    assert mlgov(api, program, "model", "check", "fraud-score")[0] == 2
