"""What docs/models.md shows is what holds."""

import re
from pathlib import Path

from storage.enums import EuClass, Exposure, PurposeClass
from workflows import policy
from workflows.inventory import rules

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
HEAD = 'version: 1\norganisation: {name: Acme, timezone: Europe/London}\nchannels: {audit: "#ml-audit"}\n'


def test_the_policy_in_the_page_is_taken() -> None:
    found = policy.parse(HEAD + "".join(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))).policy
    assert (
        found.readings.query("fraud-score", "7", "accuracy")
        == 'avg(model_accuracy{model="fraud-score", version="7"})'
    )
    assert "red_team_report" in found.evidence.required("approval", 1, affects_people=False)
    assert "datasheet" not in found.evidence.required("validation", 1, affects_people=False)


def test_the_matrix_and_the_steps_are_those_of_the_page() -> None:
    for exposure in Exposure:
        row = [str(rules.derive_tier(exposure, one, EuClass.MINIMAL)) for one in PurposeClass]
        assert f"| {exposure.value} | {' | '.join(row)} |" in PAGE
    for move in rules.MOVES:
        if rules.Who.REQUEST not in move.who and move.verb != rules.START:
            assert f"`{move.verb}`" in PAGE
