"""What came of projects, from programs."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.cases.tables import CaseReturn
from storage.enums import Scope
from tests.api.conftest import Api
from tests.stories.office import FAY, OLA

SENT = {"project": "triage", "starts": "2026-01-01", "ends": "2026-01-25", "amount": 1200.5}


@pytest.fixture
def token(api: Api) -> str:
    return api.token("billing", scopes=(Scope.RETURNS,), projects=("triage",))


def test_a_program_reports_and_corrects(api: Api, token: str) -> None:
    answer = api.post("/returns", token, SENT)
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert kept == {
        "id": kept["id"],
        "project": "triage",
        "amount": "1200.5",
        "currency": "EUR",
        "planned": None,
        "is_attested": False,
    }
    assert api.post("/returns", token, SENT).json() == kept, "the same again changes nothing"
    other = api.post("/returns", token, SENT | {"amount": "7"})
    assert (other.status_code, "1,200 EUR was reported" in other.text) == (422, True), other.text
    changed = api.post("/returns", token, SENT | {"amount": "-7", "replaces": kept["id"]})
    assert (changed.status_code, changed.json()["amount"]) == (201, "-7")
    late = api.post("/returns", token, SENT | {"amount": "9", "replaces": kept["id"]})
    assert late.status_code == 409
    with api.office.db.read() as session:
        first, second = session.execute(select(CaseReturn).order_by(CaseReturn.id)).scalars()
        assert (first.source, second.source) == ("api", "api")
        assert first.withdrawn_at is not None
        assert (second.withdrawn_at, second.attested_by) == (None, None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ends": "2026-12-31"}, 422),
        ({"ends": "2025-12-31"}, 422),
        ({"amount": "lots"}, 422),
        ({"more": 1}, 422),
        ({"project": "other"}, 403),
    ],
)
def test_what_cannot_be_taken(
    api: Api, token: str, changes: dict[str, object], status: int
) -> None:
    answer = api.post("/returns", token, SENT | changes)
    assert answer.status_code == status, answer.text


def test_who_may(api: Api) -> None:
    costs = api.token("costs", scopes=(Scope.COSTS,))
    assert api.post("/returns", costs, SENT).status_code == 403
    anywhere = api.token("all", scopes=(Scope.RETURNS,))
    assert api.post("/returns", anywhere, SENT | {"project": "nothing"}).status_code == 404
    assert api.post("/returns", api.personal(FAY), SENT).status_code == 404
    assert api.post("/returns", api.personal(OLA), SENT).status_code == 201
    api.office.move(timedelta(hours=1))
    with api.office.db.read() as session:
        (row,) = session.execute(select(CaseReturn)).scalars()
        assert row.source == "api"
