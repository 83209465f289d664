"""Figures of evidence through the API and the command line: groups leave the team's machine, rows of people do not stay."""

import json
from pathlib import Path

import pytest

from tests.api.conftest import Api
from tests.api.test_models import BOTH, NEW, call, mlgov, on_sqlite
from tests.stories.test_evidence import SHAP, UNFAIR, items

HAND = Path(__file__).parents[1] / "evidence" / "hired.csv"
AT = "/fraud-score/versions/7"


api = on_sqlite


@pytest.fixture
def program(api: Api) -> str:
    token = api.token("ci", scopes=BOTH, projects=("triage",))
    call(api, token, "", NEW)
    call(api, token, "/fraud-score/versions", {"version": "7", "developers": ["tim@acme.test"]})
    return token


def predictions(api: Api, token: str, data: bytes, expected: int = 201, **columns: object) -> dict:  # type: ignore[type-arg]
    answer = api.http.post(
        f"/api/v1/models{AT}/predictions",
        params={"truth": "truth", "prediction": "prediction", "group": "sex"} | columns,  # type: ignore[arg-type]
        content=data,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == expected, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_predictions_are_compared_and_not_kept(api: Api, program: str) -> None:
    told = predictions(api, program, HAND.read_bytes())
    assert predictions(api, program, HAND.read_bytes())["id"] == told["id"]
    kept = items(api.office)["fairness_report"]
    assert kept.fairness is not None
    assert [one.verdict for one in kept.fairness.compared] == ["flagged"]
    assert kept.flags == ("sex: “women” is selected at 0.60 of the rate of “men”, under 0.8",)
    refused = predictions(api, program, HAND.read_bytes(), 422, truth="what")
    assert "The file has no column 'what'. It has: sex, truth, prediction." in refused["detail"]
    assert predictions(api, program, b"", 422)["detail"] == "The file is empty."
    assert predictions(api, program, b"x" * 8_000_001, 413)
    reader = api.token("r", scopes=(BOTH[0],))
    assert predictions(api, reader, HAND.read_bytes(), 403)


def test_groups_are_judged_by_what_is_counted_not_by_what_is_claimed(
    api: Api, program: str
) -> None:
    told = call(
        api, program, f"{AT}/evidence", {"type": "fairness_report", "fairness": UNFAIR["counts"]}
    )
    assert told["id"]
    assert items(api.office)["fairness_report"].flags
    wrong = json.loads(json.dumps(UNFAIR["counts"]))
    wrong["counted"][0]["groups"][0]["tp"] = -1
    assert "greater than or equal to 0" in str(
        call(api, program, f"{AT}/evidence", {"type": "fairness_report", "fairness": wrong}, 422)
    )
    twice = json.loads(json.dumps(UNFAIR["counts"]))
    twice["counted"] *= 2
    assert "the same columns stand twice" in str(
        call(api, program, f"{AT}/evidence", {"type": "fairness_report", "fairness": twice}, 422)
    )
    other = call(
        api, program, f"{AT}/evidence", {"type": "datasheet", "fairness": UNFAIR["counts"]}, 422
    )
    assert other["detail"] == "That belongs to a fairness report."


def test_the_command_line_sends_groups_alone(api: Api, program: str, tmp_path: Path) -> None:
    words = ("--truth", "truth", "--prediction", "prediction", "--group", "sex")
    code, said = mlgov(api, program, "fairness", str(HAND), *words, "--submit", "fraud-score:7")
    assert code == 20
    assert "Verdict: flagged" in said
    assert (
        "demographic parity: difference 0.267, ratio 0.600 · equalized odds: difference 0.200, ratio 0.500"
        in said
    )
    assert "Handed in for fraud-score 7. Still missing for validation: model card" in said
    kept = items(api.office)["fairness_report"]
    assert kept.fairness is not None
    assert kept.fairness.counts.counted[0].groups[1].tp == 30
    code, said = mlgov(api, program, "fairness", str(HAND), *words, "--least", "95", "--json")
    assert (code, json.loads(said)["compared"][0]["verdict"]) == (20, "insufficient")
    code, said = mlgov(
        api,
        program,
        "fairness",
        str(HAND),
        "--truth",
        "t",
        "--prediction",
        "prediction",
        "--group",
        "sex",
    )
    assert (code, said) == (1, "hired.csv has no column 't'. It has: sex, truth, prediction.\n")

    shap = tmp_path / "shap.json"
    shap.write_text(json.dumps(SHAP))
    code, said = mlgov(api, program, "explain", str(shap), "--submit", "fraud-score:7")
    assert code == 0
    assert said.startswith("By SHAP, its answers are moved most by income (67 %) and age (33 %).\n")
    assert items(api.office)["explainability_report"].explained is not None
    shap.write_text("{")
    code, said = mlgov(api, program, "explain", str(shap))
    assert (code, said) == (
        1,
        "shap.json is not whole JSON. docs/evidence.md shows the shapes that are read.\n",
    )


def test_documents_of_a_version(api: Api, program: str, tmp_path: Path) -> None:
    html = tmp_path / "card.html"
    code, said = mlgov(api, program, "model", "card", "fraud-score:7", "-o", str(html))
    assert (code, said) == (0, f"Written to {html}.\n")
    assert "<h1>Fraud score 7</h1>" in html.read_text()
    assert "Missing: Factors, Metrics, Evaluation data" in html.read_text()
    code, said = mlgov(api, program, "model", "card", "fraud-score:7", "--format", "markdown")
    assert code == 0
    assert "- **Owner:** Ola" in said
    code, said = mlgov(api, program, "model", "pack", "fraud-score:7", "--format", "json")
    assert code == 0
    assert json.loads(said)["subject"]["version"] == "7"
    page = tmp_path / "pack.html"
    code, said = mlgov(api, program, "model", "pack", "fraud-score:7", "-o", str(page))
    assert code == 0
    assert "Nobody approved it." in page.read_text()
    assert mlgov(api, program, "model", "pack", "fraud-score:8")[0] == 1
    api.office.project("other", "Other")
    elsewhere = api.token("e", scopes=BOTH, projects=("other",))
    assert api.get(f"/models{AT}/pack", elsewhere).status_code == 404
    assert api.get(f"/models{AT}/card", elsewhere).status_code == 404

    card = tmp_path / "card.md"
    card.write_text("## Intended use\n\nRank claims.\n")
    code, said = mlgov(
        api, program, "model", "evidence", "fraud-score:7", "model_card", "--file", str(card)
    )
    assert code == 0
    kept = items(api.office)["model_card"]
    assert kept.card is not None
    assert kept.card.intended_use == "Rank claims."
    assert kept.sha256 is not None
