"""The rubric that comes with mlgov, and what is said about a bad one."""

from pathlib import Path

import pytest

from workflows import policy
from workflows.maturity import rules
from workflows.maturity.records import minutes
from workflows.policy import PolicyRefused

OWN = rules.OWN.read_text(encoding="utf-8")


def test_ours_is_six_dimensions_of_short_statements() -> None:
    found = rules.load().rubric
    assert [one.key for one in found.dimensions] == list(rules.DIMENSIONS)
    for dimension in found.dimensions:
        for statements in (dimension.medium, dimension.high):
            assert 2 <= len(statements) <= 4
    assert max(len(one.text) for one in found.statements) <= 100
    assert minutes(len(found.statements)) <= 6


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("org.tools,", "org.teams,", r"rubric.yml:\d+: file: two statements have the id org.teams"),
        ("id: data.owner", "id: Data Owner", r"rubric.yml:25: dimensions.1.medium.0.id: an id is"),
        ("key: training", "key: trading", r"rubric.yml:\d+: dimensions.2.key"),
        ("version: 1", "version: 2", r"rubric.yml:\d+: version"),
        ("text: A model must pass", "txt: A model must pass", r"rubric.yml:\d+: dimensions.2.high.2.(text|txt)"),
        ("name: Data\n", "name: Data\n    low: []\n", r"rubric.yml:\d+: dimensions.1.low: there is no such key here"),
        ("  - key: governance", "  - key: data", "the dimensions are organisation, data"),
        ("version: 1", "version: [", "rubric.yml:"),
    ],
)  # fmt: skip
def test_a_bad_one_is_refused_with_line_and_reason(old: str, new: str, fault: str) -> None:
    assert old in OWN
    with pytest.raises(PolicyRefused, match=fault):
        rules.parse(OWN.replace(old, new))


def test_a_policy_names_its_own(tmp_path: Path) -> None:
    own = tmp_path / "our.yml"
    own.write_text(OWN.replace("name: mlgov 2026", "name: Ours"), encoding="utf-8")
    text = policy.parse("version: 1\norganisation: {name: Acme}\nmaturity: {rubric: our.yml}\n")
    place = rules.place(tmp_path / "governance.yml", text.policy.maturity.rubric)
    assert rules.load(place).rubric.name == "Ours"
    with pytest.raises(PolicyRefused, match="there is no such file"):
        rules.load(tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("{minimum_group: 4}", "minimum_group"),
        ("{cycle: monthly}", "cycle"),
        ("{lasts: 1d}", "3d to 60d"),
        ("{leaders: [bosses]}", "invites nobody"),
        ("{leaders: ['role:boss']}", "there is no role 'boss'"),
        ("{answers_seen_by: everyone}", "answers_seen_by"),
    ],
)
def test_a_policy_that_asks_for_too_much_is_refused(section: str, fault: str) -> None:
    with pytest.raises(PolicyRefused, match=fault):
        policy.parse(f"version: 1\norganisation: {{name: A}}\nmaturity: {section}\n")


def test_off_is_a_word() -> None:
    text = "version: 1\norganisation: {name: A}\nmaturity: {cycle: off}\n"
    assert policy.parse(text).policy.maturity.cycle == "off"
