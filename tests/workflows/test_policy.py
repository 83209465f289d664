"""A policy file is read whole or refused with line and reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot import installed
from workflows import policy
from workflows.policy import PolicyRefused

GOOD = installed.resource_path("governance.yml").read_text(encoding="utf-8")


def refusal(text: str) -> str:
    with pytest.raises(PolicyRefused) as caught:
        policy.parse(text)
    return caught.value.sentence


def test_the_file_that_comes_with_mlgov_is_good() -> None:
    found = policy.parse(GOOD).policy
    gate = found.gate("budget_increase")
    assert [stage.name for stage in gate.stages] == ["Budget owner", "Finance"]
    assert gate.stages[1].quorum == 2
    assert gate.expires_after == timedelta(days=7)
    assert found.budgets.thresholds == (50, 80, 100)


def test_the_schema_describes_every_key() -> None:
    schema = policy.json_schema()
    assert set(schema["properties"]) == set(policy.Policy.model_fields)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("quorum: 2", "quorum: two", "quorum: two", "integer"),
        ("approvers: [role:finance]", "approvers: [role:treasury]", "gates", "no role 'treasury'"),
        (
            "approvers: [role:finance]",
            "approvers: [Finance team]",
            "approvers: [Finance",
            "names no approver",
        ),
        ("expires_after: 7d", "expires_after: a week", "expires_after", "like 24h or 7d"),
        ("expires_after: 7d", "expires_after: 1m", "expires_after", "between 5m and 365d"),
        ("timezone: Europe/London", "timezone: London", "timezone", "IANA"),
        ("fiscal_year_starts: january", "fiscal_year_starts: Jan", "fiscal_year_starts", "january"),
        ("thresholds: [50, 80, 100]", "thresholds: [0]", "thresholds", "whole per cents"),
        ("thresholds: [50, 80, 100]", "threshold: [50]", "threshold:", "no such key"),
        ("version: 1", "version: 2", "version: 2", "1"),
    ],
)
def test_a_fault_is_told_with_its_line(old: str, new: str, line: str, words: str) -> None:
    text = GOOD.replace(old, new, 1)
    sentence = refusal(text)
    number = next(i for i, row in enumerate(text.splitlines(), 1) if line in row)
    assert words in sentence
    if line != "gates":
        assert f"governance.yml:{number}:" in sentence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "version: 1\nversion: 1",
        "x: &a [*a]",
        "!!python/object/apply:os.system ['true']",
        "[" * 5000,
        "\x00",
    ],
)
def test_what_is_no_policy_is_refused_in_words(text: str) -> None:
    assert refusal(text).startswith("governance.yml")


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"version: \xe9"])
def test_other_encodings_are_named(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "governance.yml"
    path.write_bytes(raw)
    with pytest.raises(PolicyRefused, match="UTF-8"):
        policy.load(path)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match="mlgov policy example"):
        policy.load(tmp_path / "none.yml")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match="cannot be read"):
        policy.load(tmp_path)


@pytest.mark.parametrize(("stage", "role"), [("me", "admin"), ("pilot", "pilot")])
def test_a_narrow_rollout_needs_somebody_whom_it_reaches(stage: str, role: str) -> None:
    text = f"version: 1\norganisation: {{name: Acme}}\nrollout: {stage}\n"
    with pytest.raises(PolicyRefused, match=f"needs a role '{role}'"):
        policy.parse(text)
    named = policy.parse(text + f"roles: {{{role}: [U0ADA]}}\n").policy
    assert named.rollout == stage


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "its aliases stand for more than"),
        ("a: &a [*a]\n", "refers to itself by an alias"),
        ("a: &a {b: {c: *a}}\n", "refers to itself by an alias"),
        ("? [a, b]\n: c\n", "a key is a list or a mapping"),
        ("? {a: b}\n: c\n", "a key is a list or a mapping"),
        ("version: 2026-13-45\n", "a day that doesn't exist"),
        ("version: !!timestamp x\n", "a day that doesn't exist"),
        ("version: !!bool x\n", "can't read"),
        ("version: !!int x\n", "can't read"),
        ("version: !!python/object/apply:os.system [id]\n", "could not determine"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_odd_yaml_is_refused_in_words(text: str, words: str) -> None:
    assert words in refusal(text)


def test_aliases_that_stand_for_little_are_read() -> None:
    text = GOOD + "\nx-shared: &stage {name: Owner}\nx-again: [*stage, *stage]\n"
    assert "there is no such key here" in refusal(text)
