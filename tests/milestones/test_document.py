"""What docs/milestones.md shows works as it says."""

import re
from pathlib import Path

from tests.milestones.conftest import Team
from workflows.policy import parse

DOCUMENT = (Path(__file__).parents[2] / "docs" / "milestones.md").read_text("utf-8")
HEAD = "version: 1\norganisation: {name: Acme}\n"


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.S)


def test_the_defaults_are_those_of_the_policy() -> None:
    defaults, gated = examples("yaml")
    assert parse(HEAD + defaults).policy.milestones == parse(HEAD).policy.milestones
    assert parse(HEAD + gated).policy.milestones.reschedule == "milestone_reschedule"


def test_the_example_imports(team: Team) -> None:
    team.project("lane")
    (table,) = examples("csv")
    report = team.bring(table)
    assert (report.added, report.refused) == (3, False)
    assert [one.title for one in team.milestone(1).pushes] == ["Validation report", "Launch"]
