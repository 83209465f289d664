"""Asked by a pipeline, decided by people: in Slack by clicks, or by their own tokens; the same record either way."""

import threading
import time
from datetime import timedelta

import httpx
import pytest

from bot.approvals import words
from storage.enums import Scope
from tests.api.conftest import COMMIT, DIGEST, Api
from tests.stories.office import FAY, OLA, TIM, eventually
from workflows.statements import envelopes
from workflows.statements.envelopes import StatementRefused, Wanted


def test_asked_by_a_pipeline_and_approved_by_clicks(api: Api) -> None:
    office, pipeline = api.office, api.token()
    asked = api.ask(pipeline)
    assert asked.status_code == 201, asked.text
    request = asked.json()
    assert asked.headers["location"] == f"/api/v1/approvals/{request['id']}"
    assert request["news"] == "Waiting for Owner (Ola): 0 of 1 approved."
    office.settle()
    ola = office.sandbox.seat(OLA)
    card = office.card(ola, "C0TRIAGE", words.APPROVE)
    for part in ("fraud-model:7 to production", DIGEST[7:19], COMMIT, "mlgov_m_"):
        assert part in str(card.blocks)
    assert ola.click(channel_id="C0TRIAGE", ts=card.ts, action_id=words.APPROVE).ok
    office.settle()
    halfway = api.get(f"/approvals/{request['id']}", pipeline).json()
    assert [stage["state"] for stage in halfway["stages"]] == ["passed", "asked"]
    assert halfway["mark"] != request["mark"]

    answers: list[httpx.Response] = []
    waiting = threading.Thread(
        target=lambda: answers.append(api.get(f"/approvals/{request['id']}?wait=30", pipeline))
    )
    began = time.monotonic()
    waiting.start()
    time.sleep(0.3)
    assert not answers
    fay = office.sandbox.seat(FAY)
    own = office.card(fay, fay.dm().id, words.APPROVE)
    assert fay.click(channel_id=fay.dm().id, ts=own.ts, action_id=words.APPROVE).ok
    waiting.join(25)
    assert time.monotonic() - began < 25
    done = answers[0].json()
    assert (done["state"], done["news"]) == (
        "approved",
        "Approved by Ola, Fay: fraud-model:7 may be released to production.",
    )
    file = api.get(f"/approvals/{request['id']}/statement", pipeline).content
    keys = envelopes.load_public_keys(api.get("/keys").text)
    proven = envelopes.check_statement(file, keys, Wanted(digest=DIGEST), at=office.now())
    assert (proven.subject, proven.deciders) == ("fraud-model:7", 2)
    assert api.get(f"/statements/{proven.id}").json()["state"] == "valid"
    with pytest.raises(StatementRefused, match="expired"):
        envelopes.check_statement(file, keys, Wanted(), at=office.now() + timedelta(days=1))


def test_decided_by_peoples_own_tokens_and_slack_follows(api: Api) -> None:
    office = api.office
    pipeline = api.token()
    request = api.ask(pipeline).json()
    office.settle()
    ola, fay = api.personal(OLA), api.personal(FAY)
    path = f"/approvals/{request['id']}/decisions"
    verdict = {"verdict": "approve", "revision": request["revision"]}

    machine = api.post(path, pipeline, verdict)
    assert (machine.status_code, machine.json()["type"]) == (403, "urn:mlgov:problem:token-scope")
    assert "/mlgov token" in machine.json()["detail"]
    early = api.post(path, fay, verdict)
    assert (early.status_code, "not your turn" in early.json()["detail"]) == (403, True)
    assert api.post(path, ola, verdict).json()["state"] == "pending"
    twice = api.post(path, ola, verdict)
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:mlgov:problem:already-decided")
    assert api.post(path, fay, verdict).status_code == 409  # it showed the first stage
    now = api.get(f"/approvals/{request['id']}", fay).json()["revision"]
    unreasoned = api.post(path, fay, {"verdict": "reject", "revision": now})
    assert (unreasoned.status_code, unreasoned.json()["faults"][0]["where"]) == (422, "reason")
    told = api.post(
        path, fay, {"verdict": "reject", "revision": now, "reason": "The recall set is stale."}
    ).json()
    assert told["news"] == "Rejected by Fay: The recall set is stale."
    office.settle()
    card = office.last(office.sandbox.seat(OLA), "C0TRIAGE")
    assert words.APPROVE not in str(office.sandbox.seat(OLA).messages("C0TRIAGE"))
    assert "Fay" in str(office.sandbox.seat(OLA).messages("C0TRIAGE")), card


def test_the_same_asking_opens_one_request(api: Api) -> None:
    pipeline, other = api.token(), api.token("other")
    first = api.ask(pipeline)
    again = api.ask(pipeline)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    rerun = api.ask(other, key="run-2")
    assert (rerun.status_code, rerun.json()["id"]) == (200, first.json()["id"])
    reused = api.ask(pipeline, digest="sha256:" + "0" * 64)
    assert (reused.status_code, reused.json()["type"]) == (422, "urn:mlgov:problem:key-reused")
    path = f"/approvals/{first.json()['id']}/withdraw"
    shown = {"revision": first.json()["revision"]}
    unmarked = api.post(path, pipeline)
    assert (unmarked.status_code, "body" in str(unmarked.json())) == (422, True)
    older = api.post(path, pipeline, {"revision": shown["revision"] + 1})
    assert (older.status_code, older.json()["type"]) == (409, "urn:mlgov:problem:stale")
    assert api.post(path, other, shown).status_code == 403
    assert api.post(path, pipeline, shown).json()["state"] == "withdrawn"
    anew = api.ask(pipeline, key="k2")
    assert (anew.status_code, anew.json()["id"]) == (201, first.json()["id"] + 1)
    listed = api.get("/approvals?state=pending", pipeline).json()["approvals"]
    assert [one["id"] for one in listed] == [anew.json()["id"]]


def test_what_expires_says_so(api: Api) -> None:
    pipeline = api.token()
    request = api.ask(pipeline).json()
    api.office.move(timedelta(days=1, minutes=1))
    ended = api.get(f"/approvals/{request['id']}?wait=30", pipeline).json()
    assert (ended["state"], ended["news"]) == (
        "expired",
        "Expired: fraud-model:7 is not released to production.",
    )
    assert api.get(f"/approvals/{request['id']}/statement", pipeline).status_code == 409


def test_a_leavers_token_dies(api: Api) -> None:
    tim = api.personal(TIM)
    assert api.get("/approvals", tim).status_code == 200
    api.office.sandbox.world.update_user(TIM, deleted=True)
    eventually(lambda: api.get("/approvals", tim).status_code != 200, "Slack's news is heard")
    refused = api.get("/approvals", tim)
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:mlgov:problem:token-left")


def test_a_token_opens_only_what_it_is_for(api: Api) -> None:
    office = api.office
    office.project("vision", "Lane vision")
    bound = api.token("bound", projects=("triage",), gates=("production_release",))
    assert api.ask(bound, project=None).status_code == 201
    assert api.ask(bound, project="vision", key="k2").status_code == 403
    assert api.ask(bound, gate="budget-increase", key="k3").status_code == 403
    assert api.get("/status/vision", bound).status_code == 403
    assert api.get("/status/triage", bound).json()["budgets"][0]["amount"] == "1000"
    reader = api.token("reader", scopes=(Scope.READ,))
    assert api.ask(reader).status_code == 403
    assert api.post("/costs", reader, {"source": "x", "rows": []}).status_code in (403, 422)
    unknown = api.token("none")
    assert api.ask(unknown, project=None, key="k4").status_code == 422
    assert api.ask(unknown, project="no-such", key="k5").status_code == 404
    assert api.ask(unknown, gate="no-such", key="k6").status_code == 422
    assert api.ask(unknown, gate="budget-increase", key="k7").status_code == 422


def test_cost_comes_in_once(api: Api) -> None:
    pipeline = api.token()
    body = {
        "source": "gpu-farm",
        "rows": [
            {"day": "2026-01-20", "amount": "700.10", "currency": "EUR", "project": "triage"},
            {"day": "2026-01-21", "amount": 200, "currency": "EUR", "project": "triage"},
        ],
    }
    first = api.post("/costs", pipeline, body)
    assert first.status_code == 200, first.text
    assert first.json()["months"][0]["what"] == "new"
    assert api.post("/costs", pipeline, body).json()["months"][0]["what"] == "unchanged"
    spent = api.get("/status/triage", pipeline).json()["budgets"][0]["spent"]
    assert spent == "900.1"
    less = body | {"rows": body["rows"][1:]}
    refused = api.post("/costs", pipeline, less)
    assert (refused.status_code, "replace_period" in refused.json()["detail"]) == (409, True)
    focus = {
        "BilledCost": 5,
        "EffectiveCost": "4.5",
        "BillingCurrency": "EUR",
        "BillingAccountId": "a",
        "BillingPeriodStart": "2026-01-01T00:00:00Z",
        "ChargePeriodStart": "2026-01-22T00:00:00Z",
        "ChargeCategory": "Usage",
        "Tags": {"project": "triage"},
    }
    taken = api.post("/costs", pipeline, {"source": "cloud", "focus": [focus]})
    assert taken.status_code == 200, taken.text
    bad = api.post("/costs", pipeline, {"source": "c", "focus": [focus | {"BilledCost": "x"}]})
    assert (bad.status_code, "bad" in bad.json()["detail"]) == (422, True)
    eventually(
        lambda: api.get("/status/triage", pipeline).json()["budgets"][0]["spent"] == "904.6",
        "the sum follows",
    )
