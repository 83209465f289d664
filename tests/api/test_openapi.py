"""The OpenAPI document is true enough to attack the API with: nothing that follows from it is answered 5xx."""

import json
import re
from collections.abc import Iterator

import pytest
import schemathesis
import schemathesis.specs.openapi.schemas
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from storage.enums import Scope
from tests.api.conftest import Api, bearer, served
from tests.conftest import fresh_url
from tests.stories.office import OLA

# pytest rewrites the modules of its plugins when they are imported. Under a greenlet, as Playwright's, Python 3.11 can
# fail to parse them ("AST constructor recursion depth mismatch"), so all of them are imported when tests are collected.


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    work = tmp_path_factory.mktemp("openapi")
    url = fresh_url("sqlite", request, work)
    with served(url, work, mlgov_api_per_minute=1_000_000) as api:
        yield api


def test_it_describes_every_endpoint(running: Api) -> None:
    document = running.get("/openapi.json").json()
    assert document["servers"] == [{"url": "/api/v1"}]
    told = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert told == {
        "POST /approvals",
        "GET /approvals",
        "GET /approvals/{approval_id}",
        "GET /approvals/{approval_id}/statement",
        "POST /approvals/{approval_id}/decisions",
        "POST /approvals/{approval_id}/withdraw",
        "POST /costs",
        "GET /status/{project}",
        "GET /keys",
        "GET /statements/{statement_id}",
        "POST /cases",
        "GET /cases/{case_id}",
        "GET /portfolio",
        "POST /returns",
        "GET /models",
        "POST /models",
        "GET /models/{key}",
        "POST /models/{key}/versions",
        "GET /models/{key}/versions/{version}/check",
        "POST /models/{key}/versions/{version}/evidence",
        "POST /models/{key}/versions/{version}/predictions",
        "GET /models/{key}/versions/{version}/card",
        "GET /models/{key}/versions/{version}/pack",
        "GET /models/{key}/versions/{version}/pack.html",
        "POST /models/{key}/versions/{version}/steps",
        "POST /models/{key}/versions/{version}/readings",
        "POST /models/{key}/findings",
    }
    for name in set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document))):
        assert name in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in methods.values():
            is_open = path in ("/keys", "/statements/{statement_id}")
            assert bool(method.get("security")) is not is_open, path


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::hypothesis.errors.HypothesisDeprecationWarning"
)  # of schemathesis' own strategies
def test_nothing_that_follows_from_it_breaks_the_api(running: Api) -> None:
    running.office.project("vision", "Lane vision")
    shown = [running.token(), running.personal(OLA), running.token("r", scopes=(Scope.READ,))]
    running.ask(shown[0])
    schema = schemathesis.openapi.from_dict(running.get("/openapi.json").json())
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=12,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def attack(case: schemathesis.Case) -> None:
                nonlocal tried
                tried += 1
                if case.query and "wait" in case.query:
                    case.query["wait"] = 0
                answer = case.call(
                    base_url=f"{running.office.base_url}/api/v1", headers=bearer(shown[tried % 3])
                )
                assert answer.status_code < 500, (case.method, case.path, answer.text)

            try:
                attack()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # nothing can be wrong in it
    assert tried > 100
