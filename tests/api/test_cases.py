"""Business cases and the portfolio over the API: a person's own program proposes, and Slack follows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.enums import Scope
from tests.api.conftest import Api
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, OLA, TIM, opened
from tests.stories.test_cases import GATED

SENT: dict[str, Any] = {
    "title": "Ticket routing",
    "problem": "Half of the tickets go to the wrong team.",
    "sponsor": "ola@acme.test",
    "category": "optimization",
    "metric": "Minutes a ticket",
    "baseline": "12",
    "target": "4",
    "starts": "2026-03-09",
    "months": 24,
    "currency": "eur",
    "lines": [
        {
            "driver": "time_saved",
            "uses": "8,000",
            "minutes": "3",
            "acceptance": "60 %",
            "rate": "45",
        },
        {"driver": "compute", "amount": "1,500"},
    ],
    "confidence": "70 %",
    "feasibility": "0.9",
    "tier": 3,
}


@pytest.fixture(params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=GATED) as office:
        assert office.base_url is not None
        with httpx.Client(base_url=office.base_url, trust_env=False, timeout=70) as http:
            yield Api(office, http)
        office.record_holds()


def send(api: Api, token: str, body: dict[str, Any], key: str = "k1") -> httpx.Response:
    return api.post("/cases", token, body, key=key)


def test_a_case_is_proposed_asked_about_and_ranked(api: Api) -> None:
    token = api.personal(TIM)
    answer = send(api, token, SENT | {"reason": "The queue doubled."})
    assert answer.status_code == 201, answer.text
    case = answer.json()
    assert case["state"] == "waiting"
    assert (case["project"], case["owner"], case["sponsor"]) == ("ticket-routing", "Tim", "Ola")
    assert case["worth"]["benefits"] == "259200"
    assert (case["worth"]["costs"], case["worth"]["multiple"]) == ("36000", "7.2")
    assert (case["place"], case["of"], case["missing"]) == (1, 1, [])
    again = send(api, token, SENT | {"reason": "The queue doubled."})
    assert (again.status_code, again.json()["id"]) == (201, case["id"])
    api.office.settle()
    ola = api.office.sandbox.seat(OLA)
    card = api.office.card(ola, ola.dm().id, "approvals.approve")
    assert "it costs 36,000 EUR and brings 259,200 EUR" in str(card.blocks)
    ola.click(channel_id=ola.dm().id, ts=card.ts, action_id="approvals.approve")
    api.office.settle()
    approved = api.get(f"/cases/{case['id']}", token).json()
    assert (approved["state"], approved["request"]) == ("approved", None)
    listed = api.get("/portfolio", api.personal(ADA)).json()
    assert [each["project"] for each in listed["ranked"]] == ["ticket-routing"]
    assert listed["ranked"][0]["place_by_worth"] == 1
    assert api.get("/portfolio", api.personal(FAY)).json()["ranked"] == []
    assert api.get(f"/cases/{case['id']}", api.personal(FAY)).status_code == 404


def test_a_draft_says_what_it_needs(api: Api) -> None:
    bare = {"title": "Idea", "starts": "2026-03-01", "months": 12, "currency": "EUR"}
    case = send(api, api.personal(TIM), bare).json()
    assert case["state"] == "draft"
    assert any("who sponsors it" in sentence for sentence in case["missing"])
    refused = send(api, api.personal(TIM), bare | {"reason": "Now."}, "k2")
    assert refused.status_code == 422
    assert "who sponsors it" in refused.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sponsor": "nobody@acme.test"}, "Nobody here is"),
        ({"lines": [{"driver": "revenue", "amount": "soon"}]}, "Line 1: "),
        ({"confidence": "140 %"}, "no share"),
        ({"baseline": "1.200"}, "could be an amount in thousands"),
        ({"project": "secret"}, "You can see no project"),
        ({"months": 400}, "120"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_taken_is_said_and_nothing_is_kept(
    api: Api, change: dict[str, Any], says: str
) -> None:
    token = api.personal(TIM)
    answer = send(api, token, SENT | change)
    assert answer.status_code == 422, answer.text
    assert says in answer.text
    assert api.get("/cases/1", token).status_code == 404


def test_programs_propose_nothing(api: Api) -> None:
    program = api.token("ci", scopes=(Scope.ASK, Scope.READ))
    assert send(api, program, SENT).status_code == 403
    assert api.get("/portfolio", program).status_code == 403
