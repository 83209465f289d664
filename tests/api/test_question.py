"""An answer is to the very question that was asked: no weaker one is joined, whatever differs, over real HTTP."""

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import Result
from sqlalchemy import update
from typer.testing import CliRunner

from bot.cli.main import app
from storage.approvals.tables import Approval
from storage.enums import Part
from storage.inventory.tables import Model, ModelPerson, ModelVersion
from storage.projects.tables import Project
from tests.api.conftest import COMMIT, GATES, Api, served
from tests.conftest import fresh_url
from tests.stories.office import FAY, FRED, OLA, TIM
from workflows.people import service as people
from workflows.releases.forms import AskRelease

POLICY = (
    GATES
    + """\
  prod_env:
    separate: [requester, developer, contributors]
    stages:
      - {name: Owner, approvers: [subject.owner, "@finance"]}
      - {name: Finance, when: environment == "production", approvers: [role:finance]}
    expires_after: 1d
  by_tier:
    stages:
      - {name: Owner, approvers: [subject.owner]}
      - {name: Finance, when: model.tier == 1, approvers: [role:finance]}
    expires_after: 1d
"""
)


def digest() -> str:
    """Contents that no other test asks about."""
    return "sha256:" + uuid.uuid4().hex * 2


def asks(**changes: Any) -> dict[str, Any]:
    return {
        "gate": "prod-env",
        "subject": "lane-model:7",
        "digest": digest(),
        "project": "triage",
        "commit": COMMIT,
        "environment": "staging",
        "tier": 3,
        "data_class": "internal",
        "region": "eu",
        "developer": TIM,
        "validator": FRED,
        "contributors": [TIM],
        "url": "https://ci.acme.test/1",
        "reason": "Recall is up by 4 points.",
    } | changes


ANOTHER: dict[str, Any] = {
    "gate": "production-release",
    "subject": "lane-model:8",
    "digest": "sha256:" + "0" * 64,
    "project": "vision",
    "commit": "aaaaaaa",
    "environment": "production",
    "tier": 1,
    "data_class": "secret",
    "region": "us",
    "developer": OLA,
    "validator": FAY,
    "contributors": [TIM, FAY],
    "url": "https://ci.acme.test/2",
    "reason": "Nothing but words.",
}
"""For each field of the form, something else than what `asks` says."""
BASE = asks()


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-socket"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One running mlgov for all of these tests, on each database: every test asks about contents of its own."""
    backend, over = request.param.split("-")
    work = tmp_path_factory.mktemp("question")
    with served(fresh_url(backend, request, work), work, over, policy=POLICY) as made:
        made.office.project("vision", "Lane vision")
        yield made


def post(api: Api, token: str, body: dict[str, Any], key: str = "") -> httpx.Response:
    return api.post("/approvals", token, body, key=key or uuid.uuid4().hex)


def token(api: Api) -> str:
    """A program's token of a name of its own."""
    return api.token(uuid.uuid4().hex)


def approve(api: Api, slack_id: str, number: int) -> httpx.Response:
    person = api.personal(slack_id)
    revision = api.get(f"/approvals/{number}", person).json()["revision"]
    return api.post(
        f"/approvals/{number}/decisions", person, {"verdict": "approve", "revision": revision}
    )


def model(api: Api, key: str, contents: str, tier: int | None, **parts: str) -> int:
    """A model of the project `triage` with a version 7 in the inventory."""
    deps = api.office.bot.deps
    with deps.db.begin() as session:
        project = session.query(Project).filter_by(key="triage").one()
        row = Model(
            key=key,
            name=key.title(),
            kind="internal",
            project_id=project.id,
            data_sources=[],
            eu_class="high",
            tier=tier,
            state="inventoried",
            created_at=deps.now(session),
        )
        session.add(row)
        session.flush()
        version = ModelVersion(
            model_id=row.id,
            version="7",
            state="development",
            state_since=deps.now(session),
            digest=contents.removeprefix("sha256:"),
            about={},
            created_at=deps.now(session),
        )
        session.add(version)
        session.flush()
        for part, slack_id in parts.items():
            found = people.find_by_slack_id(session, deps.team.org_key, slack_id)
            assert found is not None
            session.add(
                ModelPerson(version_id=version.id, person_id=found.id, part=Part(part).value)
            )
        return row.id


def test_every_field_of_the_form_is_tried() -> None:
    assert ANOTHER.keys() == AskRelease.model_fields.keys() == BASE.keys()


def test_a_weaker_question_of_another_token_is_not_joined(api: Api) -> None:
    first, second = token(api), token(api)
    body = asks()
    staging = post(api, first, body)
    assert staging.status_code == 201, staging.text
    assert [one["name"] for one in staging.json()["stages"]] == ["Owner"]
    asked = post(api, second, body | {"environment": "production"})
    assert asked.status_code == 201, asked.text
    production = asked.json()
    assert production["id"] != staging.json()["id"]
    assert [one["name"] for one in production["stages"]] == ["Owner", "Finance"]
    assert production["apart"] == [
        {
            "id": staging.json()["id"],
            "differences": [
                {
                    "field": "environment",
                    "words": "the environment is staging there, and production here",
                }
            ],
        }
    ]
    assert (
        approve(api, OLA, staging.json()["id"]).json()["environment"],
        api.get(f"/approvals/{production['id']}", second).json()["state"],
    ) == ("staging", "pending")
    # The same question, however its people are named and in whichever order, is the same request.
    again = body | {
        "environment": "production",
        "developer": "Tim@ACME.test",
        "contributors": ["tim@acme.test", TIM],
    }
    joined = post(api, first, again)
    assert (joined.status_code, joined.json()["id"]) == (200, production["id"])
    assert joined.json()["question"] == production["question"]
    assert joined.json()["people"] == {
        "Tim@ACME.test": production["people"][TIM],
        "tim@acme.test": production["people"][TIM],
        TIM: production["people"][TIM],
        FRED: production["people"][FRED],
    }


def gate(api: Api, secret: str, body: dict[str, Any], *more: str) -> Result:
    """`mlgov gate` with this question."""
    words = ["gate", "--timeout", "1s", *more]
    for name, value in body.items():
        option = {"contributors": "contributor"}.get(name, name.replace("_", "-"))
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{option}", str(each)]
    env = {"MLGOV_URL": api.office.base_url, "MLGOV_TOKEN": secret, "NO_PROXY": "127.0.0.1"}
    return CliRunner().invoke(app, words, env=env)


def test_a_pipeline_never_passes_by_a_weaker_answer(api: Api) -> None:
    first, second = token(api), token(api)
    body = asks()
    production = body | {"environment": "production"}
    staging = post(api, first, body).json()
    waits = gate(api, second, production)
    assert (waits.exit_code, "staging there, and production here" in waits.stderr) == (13, True), (
        waits.output
    )
    assert approve(api, OLA, staging["id"]).json()["state"] == "approved"
    assert gate(api, first, body, "--run-id", "again").exit_code == 13
    assert gate(api, second, production).exit_code == 13
    # The same run with another word in it is refused, not answered.
    other = gate(api, second, production | {"developer": FAY})
    assert (other.exit_code, "Tim there, and Fay here" in other.stderr) == (1, True)
    for who in (OLA, FAY):
        done = approve(api, who, staging["id"] + 1).json()
    assert done["state"] == "approved"
    passed = gate(api, second, production)
    assert (passed.exit_code, "production" in passed.stdout) == (0, True), passed.output


def test_who_is_named_later_does_not_decide(api: Api) -> None:
    first, second = token(api), token(api)
    body = asks()
    weaker = post(api, first, body).json()
    stricter = post(api, second, body | {"contributors": [TIM, FAY]})
    assert stricter.status_code == 201, stricter.text
    (apart,) = stricter.json()["apart"]
    assert (apart["id"], apart["differences"][0]["words"]) == (
        weaker["id"],
        "the contributors are Tim there, and Fay, Tim here",
    )
    refused = approve(api, FAY, stricter.json()["id"])
    assert (refused.status_code, "contribut" in refused.json()["detail"]) == (403, True)
    assert approve(api, FAY, weaker["id"]).json()["state"] == "approved"
    assert api.get(f"/approvals/{stricter.json()['id']}", second).json()["state"] == "pending"
    developed = post(api, second, body | {"developer": OLA, "contributors": []})
    assert developed.status_code == 201
    assert approve(api, OLA, developed.json()["id"]).status_code == 403


def test_a_key_names_one_question(api: Api) -> None:
    pipeline, key, body = token(api), uuid.uuid4().hex, asks()
    first = post(api, pipeline, body, key)
    assert first.status_code == 201
    assert post(api, pipeline, body, key).json()["id"] == first.json()["id"]
    for field, value in ANOTHER.items():
        reused = post(api, pipeline, body | {field: value}, key)
        assert (reused.status_code, reused.json()["type"]) == (
            422,
            "urn:mlgov:problem:key-reused",
        ), (field, reused.text)
        assert [one["where"] for one in reused.json()["faults"]] == [field]
        if field not in ("gate", "digest", "reason"):
            unsaid = {name: said for name, said in body.items() if name != field}
            assert post(api, pipeline, unsaid, key).status_code == 422, field
    assert (
        "staging there, and production here"
        in post(api, pipeline, body | {"environment": "production"}, key).json()["detail"]
    )
    approve(api, OLA, first.json()["id"])
    ended = post(api, pipeline, body, key)
    assert (ended.status_code, ended.json()["state"]) == (200, "approved")
    other = post(api, pipeline, body | {"developer": FAY}, key)
    assert (other.status_code, "Tim there, and Fay here" in other.json()["detail"]) == (422, True)


def test_two_who_ask_at_once_under_one_key(api: Api) -> None:
    pipeline, key, body = token(api), uuid.uuid4().hex, asks()
    bodies = [body, body | {"digest": digest()}, body | {"contributors": [FAY]}, body]
    answers: list[httpx.Response] = []
    askings = [
        threading.Thread(target=lambda each=each: answers.append(post(api, pipeline, each, key)))
        for each in bodies
    ]
    for each in askings:
        each.start()
    for each in askings:
        each.join(60)
    told = sorted(answer.status_code for answer in answers)
    assert told[-2:] == [422, 422] or told == [201, 422, 422, 422], told
    assert told.count(201) == 1
    accepted = {
        (answer.json()["id"], answer.json()["question"]) for answer in answers if answer.is_success
    }
    assert len(accepted) == 1


def test_the_record_goes_before_a_tokens_word(api: Api) -> None:
    pipeline, contents = token(api), digest()
    model(api, "fraud-score", contents, 1, developer=TIM, validator=FRED)
    body = {"gate": "by-tier", "subject": "fraud-score:7", "digest": contents, "project": "triage"}
    for field, value, words in (
        ("tier", 3, "at tier 1, and this says tier 3"),
        ("developer", FAY, "says that Tim developed fraud-score:7"),
        ("validator", OLA, "says that Fred validated fraud-score:7"),
        ("project", "vision", "belongs to another project"),
    ):
        refused = post(api, pipeline, body | {field: value})
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True), refused.text
        assert [one["where"] for one in refused.json()["faults"]] == [field]
    # Called otherwise, it is still that model: by its contents, or by a longer name.
    for changes in (
        {"subject": "harmless:1"},
        {"subject": "FRAUD-score:9", "digest": digest()},
        {"subject": "team/fraud-score:7", "digest": digest()},
        {"subject": "fraud-score@prod", "digest": digest()},
        {"subject": "models:/fraud-score/7", "digest": digest()},
        {"subject": "models:/fraud-score@prod", "digest": digest()},
    ):
        renamed = post(api, pipeline, body | changes | {"tier": 3})
        assert "at tier 1" in renamed.text, changes
    asked = post(api, pipeline, body)
    assert asked.status_code == 201, asked.text
    assert [one["name"] for one in asked.json()["stages"]] == ["Owner", "Finance"]
    assert asked.json()["known"] == {"model": "Fraud-Score", "tier": 1, "eu_class": "high"}
    assert "tier" not in asked.json()["asked"]
    api.office.settle()
    ola = api.office.sandbox.seat(OLA)
    (card,) = [one for one in ola.messages("C0TRIAGE") if "fraud-score:7" in str(one.blocks)]
    assert "tier 1 · EU AI Act class high" in str(card.blocks)
    number = asked.json()["id"]
    assert approve(api, OLA, number).json()["state"] == "pending"
    done = approve(api, FAY, number).json()
    assert done["state"] == "approved"
    told = predicate(done)
    assert (told["known"]["tier"], told["question"]) == (1, asked.json()["question"])
    assert "tier" not in told["asked"]


def predicate(answer: dict[str, Any]) -> dict[str, Any]:
    """What the statement in an answer says."""
    told: dict[str, Any] = json.loads(base64.b64decode(answer["statement"]["payload"]))
    return told["predicate"]  # type: ignore[no-any-return]


def test_a_word_in_another_case_is_not_past_its_stage(api: Api) -> None:
    for said in ("Production", "PRODUCTION"):
        refused = post(api, token(api), asks(environment=said))
        assert (refused.status_code, refused.json()["faults"][0]["where"]) == (422, "environment")
        assert "decides by environment 'production'" in refused.json()["detail"]


def set_tier(api: Api, model_id: int, tier: int) -> None:
    with api.office.bot.deps.db.begin() as session:
        session.execute(update(Model).where(Model.id == model_id).values(tier=tier))


def test_what_the_record_says_later_is_asked_too(api: Api) -> None:
    first, second, contents = token(api), token(api), digest()
    row = model(api, "churn", contents, 3)
    body = {"gate": "by-tier", "subject": "churn:7", "digest": contents}
    body |= {"project": "triage"}
    key = uuid.uuid4().hex
    waits = post(api, first, body, key).json()
    assert [one["name"] for one in waits["stages"]] == ["Owner"]
    assert post(api, second, body).json()["id"] == waits["id"]
    set_tier(api, row, 1)
    stricter = post(api, second, body)
    assert stricter.status_code == 201, stricter.text
    (apart,) = stricter.json()["apart"]
    assert (apart["id"], apart["differences"][0]["field"]) == (waits["id"], "stages")
    assert "Finance has to decide today" in apart["differences"][0]["words"]
    assert post(api, first, body, key).json()["id"] == waits["id"]
    # Nor does the one that was opened before pass without it; whoever approves it is shown that first.
    shown = approve(api, OLA, waits["id"])
    assert (shown.status_code, "tier 3 → 1" in shown.json()["detail"]) == (409, True)
    anew = api.get(f"/approvals/{waits['id']}", first).json()
    assert anew["changed"] == ["tier 3 → 1"]
    assert approve(api, OLA, waits["id"]).json()["state"] == "pending"
    now = api.get(f"/approvals/{waits['id']}", first).json()
    assert [(one["name"], one["state"]) for one in now["stages"]] == [
        ("Owner", "passed"),
        ("Finance", "asked"),
    ]
    assert now["known"]["tier"] == 1
    # Less than what was asked is joined: what waits asks as much or more.
    set_tier(api, row, 3)
    assert post(api, first, body).json()["id"] in (waits["id"], stricter.json()["id"])
    done = approve(api, FAY, waits["id"]).json()
    assert (done["state"], len(predicate(done)["deciders"])) == ("approved", 2)


def test_who_is_known_later_to_have_had_a_part_does_not_approve(api: Api) -> None:
    pipeline, contents = token(api), digest()
    body = asks(subject="late:7", digest=contents, developer=TIM, contributors=[])
    waits = post(api, pipeline, body).json()
    model(api, "late", contents, 3, contributor=OLA)
    shown = approve(api, OLA, waits["id"])
    assert "EU AI Act class not known → high" in shown.json()["detail"]
    refused = approve(api, OLA, waits["id"])
    assert (refused.status_code, "You contributed to this" in refused.json()["detail"]) == (
        403,
        True,
    ), refused.text
    # The request that waits keeps her apart by now, so the same question joins it.
    joined = post(api, pipeline, body)
    assert (joined.status_code, joined.json()["id"]) == (200, waits["id"])
    assert approve(api, FAY, waits["id"]).json()["state"] == "approved"


def test_what_an_older_release_opened(api: Api) -> None:
    pipeline, key, body = token(api), uuid.uuid4().hex, asks()
    first = post(api, pipeline, body, key).json()
    old = (
        "subject",
        "digest",
        "commit",
        "environment",
        "tier",
        "data_class",
        "region",
        "url",
        "project",
        "token",
    )
    with api.office.bot.deps.db.begin() as session:
        row = session.get_one(Approval, first["id"])
        facts = {name: row.facts[name] for name in old} | {"contributors": 1}
        new = ("way", "known", "known_at", "question")
        assert row.bound is not None
        bound = {name: value for name, value in row.bound.items() if name not in new}
        session.execute(
            update(Approval).where(Approval.id == row.id).values(facts=facts, bound=bound)
        )
    same = post(api, pipeline, body, key)
    assert (same.status_code, same.json()["asked"]) == (200, first["asked"])
    for field in ("environment", "developer", "contributors", "reason"):
        reused = post(api, pipeline, body | {field: ANOTHER[field]}, key)
        assert reused.status_code == 422, field
    other = post(api, pipeline, body)
    assert other.status_code == 201
    (apart,) = other.json()["apart"]
    assert "an older release" in apart["differences"][0]["words"]
    # Its row was changed by hand here, and not by an older release: the ledger knows that, and nothing is stated of it.
    refused = approve(api, OLA, first["id"])
    assert refused.status_code == 409, refused.text
