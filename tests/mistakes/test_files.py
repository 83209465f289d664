"""Mistakes with files and addresses: the policy, the rubric, the anchor, ports."""

import errno
import shutil
import socket
from pathlib import Path

import pytest

from bot.web import server
from tests.mistakes.typed import assert_told, typed
from tests.stories.office import POLICY

BAD_POLICIES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "there is no such file. Copy the example with `mlgov policy example >"),
    "empty": (b"", "is empty or no mapping"),
    "not YAML": (b"version: 1\norganisation: {name: [\n", "governance.yml:3: "),
    "a tab": (b"version: 1\n\torganisation: {}\n", "governance.yml:2: "),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\xff", "is not UTF-8; save the file as UTF-8"),
    "zeros": (b"\x00" * 100, "governance.yml"),
    "a list": (b"- version: 1\n", "is empty or no mapping"),
    "another version": (b"version: 2\n", "governance.yml:1: version"),
}


@pytest.mark.parametrize("kind", BAD_POLICIES)
@pytest.mark.parametrize("command", ["run", "doctor", "policy check"])
def test_a_policy_that_cannot_be_read(
    kind: str, command: str, right: dict[str, str], tmp_path: Path
) -> None:
    content, words = BAD_POLICIES[kind]
    file = tmp_path / "governance.yml"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    ended = typed(right, tmp_path, *command.split())
    assert (ended.code, "Traceback" in ended.said) == (1, False)
    assert words in ended.said
    assert "mlgov broke" not in ended.said


def test_a_folder_for_a_policy(right: dict[str, str], tmp_path: Path) -> None:
    right["MLGOV_POLICY"] = str(tmp_path)
    assert_told(typed(right, tmp_path, "run"), "cannot be read (Is a directory)")


def test_a_rubric_that_is_not_there(right: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "governance.yml").write_text(f"{POLICY}maturity: {{rubric: ours.yml}}\n")
    words = f"{tmp_path / 'ours.yml'}: there is no such file"
    assert_told(typed(right, tmp_path, "run"), words)
    assert f"failed  policy: {words}" in typed(right, tmp_path, "doctor").out


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_an_anchor_that_cannot_be_kept(command: str, right: dict[str, str], tmp_path: Path) -> None:
    for place, words in (
        (tmp_path, "MLGOV_ANCHOR names a folder"),
        (tmp_path / "governance.yml" / "heads", "can't be made"),
    ):
        ended = typed(right | {"MLGOV_ANCHOR": str(place)}, tmp_path, command)
        assert (ended.code, words in ended.said) == (1, True), ended


def test_an_anchor_in_a_folder_that_is_not_there_yet(right: dict[str, str], tmp_path: Path) -> None:
    right["MLGOV_ANCHOR"] = str(tmp_path / "mounted" / "heads.jsonl")
    ended = typed(right, tmp_path, "doctor")
    assert ended.code == 0
    assert f"warning anchor: the folder {tmp_path / 'mounted'} isn't there" in ended.out


def test_a_port_that_is_taken(right: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for words in (("run", "--port", port), ("demo", "--empty", "--no-browser", "--port", port)):
            ended = typed(right, tmp_path, *words)
            assert_told(ended, f"Port {port} at 127.0.0.1 is taken by another program", "--port")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("mlgov.invalid", "there is no such address"),
        ("203.0.113.7", "this machine has no such address"),
        ("a..b", "there is no such address"),
    ],
)
def test_a_host_that_is_not_here(
    host: str, words: str, right: dict[str, str], tmp_path: Path
) -> None:
    ended = typed(right, tmp_path, "run", "--host", host, "--port", "0")
    assert_told(ended, f"--host {host}: {words}")


def test_a_port_that_there_is_not(right: dict[str, str], tmp_path: Path) -> None:
    ended = typed(right, tmp_path, "run", "--port", "70000")
    assert (ended.code, "Traceback" in ended.said) == (2, False)
    assert "65535" in ended.err


def test_addresses_that_cannot_be_listened_on() -> None:
    """Whoever runs these tests may be an administrator, so the errors are given."""
    refused = server.explain_failure(PermissionError(errno.EACCES, "Permission denied"), "", 80)
    assert refused.startswith("Port 80 is for administrators. Give a --port of 1024")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://x/y", "--database: names a database that mlgov doesn't speak"),
        ("sqlite:////none/demo.db", "the folder of the database isn't there"),
        ("postgresql://127.0.0.1:1/none", "can't be reached"),
    ],
)
def test_a_database_that_the_demo_cannot_have(url: str, words: str, tmp_path: Path) -> None:
    ended = typed({}, tmp_path, "demo", "--no-browser", "--database", url)
    assert_told(ended, words)


# --- the policy in force


def test_without_a_policy_file_commands_go_by_the_policy_in_force(
    right: dict[str, str], tmp_path: Path, sqlite_template: Path
) -> None:
    """`mlgov run` wrote it to the database; whoever imports from another folder has only the database."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "people.csv").write_text("email,business unit\nola@acme.test,Retail\n")
    del right["MLGOV_POLICY"]
    before = typed(right, elsewhere, "import", "people", "people.csv")
    assert_told(before, "governance.yml: there is no such file")
    shutil.copy(sqlite_template, tmp_path / "mlgov.db")
    assert typed(right, tmp_path, "policy", "apply").code == 0
    after = typed(right, elsewhere, "import", "people", "people.csv")
    assert (after.code, after.err) == (0, ""), after
    assert typed(right, elsewhere, "digest", "render", "--person", "ola@acme.test").code == 0
    named = right | {"MLGOV_POLICY": str(elsewhere / "governance.yml")}
    assert_told(typed(named, elsewhere, "import", "people", "people.csv"), "there is no such file")
    for words in (("policy", "check"), ("policy", "apply"), ("run",)):
        assert_told(typed(right, elsewhere, *words), "there is no such file")
