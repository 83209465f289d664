"""What docs/evidence.md shows is what holds."""

import re
from pathlib import Path

import pytest

from workflows import policy
from workflows.evidence import explanations as evidence_explanations
from workflows.evidence import fairness
from workflows.policy.sections import DEFAULT, FairnessRules
from workflows.sources import explanations, predictions
from workflows.sources.predictions import Columns

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
HEAD = 'version: 1\norganisation: {name: Acme, timezone: Europe/London}\nchannels: {audit: "#ml-audit"}\n'


def test_the_table_of_types_is_the_default() -> None:
    told = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            tiers = (
                (1, 2, 3)
                if cells[2] == "all"
                else tuple(int(one) for one in re.findall(r"\b[123]\b", cells[2]))
            )
            for name in re.findall(r"`(\w+)`", cells[0]):
                told[name] = (cells[1], tiers, "people" in cells[2])
    assert told == {name: (one.before, one.tiers, one.people) for name, one in DEFAULT.items()}


def test_the_policy_in_the_page_is_the_default() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert policy.parse(HEAD + text).policy.evidence.fairness == FairnessRules()


@pytest.mark.slow
def test_the_example_by_hand() -> None:
    cells = predictions.read(
        Path(__file__).parent / "hired.csv", Columns("truth", "prediction", ("sex",))
    )
    (one,) = fairness.judge_counts(fairness.count_groups(cells, 30), FairnessRules()).compared
    assert one.demographic_parity_difference is not None
    assert f"the difference is {one.demographic_parity_difference:.3f}" in PAGE
    assert f"= {one.demographic_parity_ratio:.3f}, so it is flagged" in PAGE
    assert (
        f"larger difference is {one.equalized_odds_difference}, the smaller ratio is 0.2 ÷ 0.4 = {one.equalized_odds_ratio}"
        in PAGE
    )


def test_the_shapes_of_explanations_are_read() -> None:
    (kept,) = re.findall(r'`(\{"method".*?\})`;', PAGE)
    found = evidence_explanations.Explained.model_validate(
        explanations.read_explanations(kept.encode())
    )
    assert evidence_explanations.describe_drivers(found)[1].startswith(
        "For “applicant A” the answer 0.41 is above"
    )
