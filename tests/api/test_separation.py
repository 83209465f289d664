"""A pipeline says who had a part in a release; they do not decide about it, whatever groups they are in."""

from pathlib import Path

import pytest

from tests.api.conftest import GATES, served
from tests.conftest import fresh_url

APART = (
    GATES
    + """\
  careful_release:
    separate: [requester, developer, validator, contributors]
    stages:
      - {name: Finance, approvers: ["@finance", U0OLA]}
"""
)
OLA, TIM, FAY, FRED = "U0OLA", "U0TIM", "U0FAY", "U0FRED"


def test_who_had_a_part_does_not_decide(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with served(fresh_url("sqlite", request, tmp_path), tmp_path, policy=APART) as api:
        pipeline = api.token()
        gate = {"gate": "careful-release"}
        for said, where in (
            ({}, "developer"),
            ({"developer": TIM}, "validator"),
            ({"developer": TIM, "validator": FRED}, "contributors"),
            ({"developer": "nobody@acme.test", "validator": FRED, "contributors": []}, "developer"),
            ({"developer": TIM, "validator": FRED, "contributors": ["U0NOBODY"]}, "contributors"),
        ):
            refused = api.ask(pipeline, **gate, **said)
            assert refused.status_code == 422, refused.json()
            assert refused.json()["faults"][0]["where"] == where
        same = api.ask(pipeline, **gate, developer=TIM, validator=TIM, contributors=[])
        assert "The same person developed and validated this" in same.json()["detail"]
        asked = api.ask(
            pipeline, **gate, developer=TIM, validator=FRED, contributors=["Fay@ACME.test", TIM]
        )
        assert asked.status_code == 201, asked.json()
        number = asked.json()["id"]
        api.office.settle()
        fay = api.office.sandbox.seat(FAY)
        card = api.office.card(fay, "C0TRIAGE", "approvals.approve")
        fay.click(channel_id="C0TRIAGE", ts=card.ts, action_id="approvals.approve")
        api.office.private(fay, "contribut")
        assert api.get(f"/approvals/{number}", pipeline).json()["state"] == "pending"
        ola = api.office.sandbox.seat(OLA)
        ola.click(channel_id="C0TRIAGE", ts=card.ts, action_id="approvals.approve")
        api.office.settle()
        assert api.get(f"/approvals/{number}", pipeline).json()["state"] == "approved"
