"""Every command there is, with everything broken that it leans on: one sentence, exit code 1, no traceback.

The arguments are made from what each command asks for, so that a new command is tried by being there.
"""

import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

from bot.cli import base
from bot.cli.main import app
from tests.mistakes.typed import Ended, clean, process, typed

DIGEST = "sha256:" + "a" * 64
VALUES = {
    "digest": DIGEST,
    "subject": "m:1",
    "named": "m:1",
    "model": "m:1",
    "verdict": "approve",
    "url": "https://example.com/hook",
    "scope": "costs:write",
    "expires": "30d",
    "group": "age",
    "prediction": "p",
    "metric": "accuracy",
    "value": "0.9",
}
"""What a command asks for and would not take at random."""
MORE = {
    ("demo",): ("--database", "mysql://x/y", "--no-browser", "--port", "0"),
    ("gate",): ("--timeout", "1s"),
    ("people", "erase"): ("--yes",),
    ("approvals", "decide"): ("--yes",),
    ("explain",): ("--submit", "m:1"),
    ("model", "reading"): ("0.9",),
}
ALONE = {
    ("manifest",),
    ("policy", "schema"),
    ("policy", "example"),
    ("maturity", "rubric", "show"),
    ("maturity", "rubric", "check"),
    ("keys", "new"),
    ("verify",),
}
"""Commands that lean on nothing, and so go well however much is broken."""
BROKEN = {
    "a setting": {"MLGOV_WORKERS": "many"},
    "the database's URL": {"MLGOV_DATABASE_URL": "mysql://x/y"},
    "the database is away": {"MLGOV_DATABASE_URL": "postgresql://127.0.0.1:1/none"},
    "the database is none": {"MLGOV_DATABASE_URL": "sqlite:///given.csv"},
}


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that lead to it."""

    def below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        if not hasattr(command, "commands"):
            yield path, command
            return
        for name, inner in command.commands.items():
            yield from below(inner, (*path, name))

    yield from below(typer.main.get_command(app), ())


def words_for(path: tuple[str, ...], command: Any) -> list[str]:
    """A call of a command that gives all that it asks for."""
    words = list(path)
    hints = get_type_hints(inspect.unwrap(command.callback))
    for each in command.params:
        if not each.required:
            continue
        value = VALUES.get(each.name) or _sample(hints[each.name])
        words += [each.opts[0], value] if each.param_type_name == "option" else [value]
    return words + list(MORE.get(path, ()))


def _sample(kind: Any) -> str:
    if "Path" in str(kind):
        return "given.csv"
    return "1" if kind is int else "x"


COMMANDS = {" ".join(path): (path, words_for(path, command)) for path, command in commands()}


OWN_ENDS = {("backup",): {1, 3}, ("restore",): {1, 2, 3}}
"""With 3 they say what PostgreSQL's own programs do, and with 2 that a copy has to be named."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "given.csv").write_text("a,b\n1,2\n")
    (tmp_path / "governance.yml").write_text("version: 1\norganisation: {name: Acme}\n")
    return tmp_path


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("name", COMMANDS)
def test_with_something_broken(name: str, what: str, folder: Path) -> None:
    path, words = COMMANDS[name]
    environment = {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "SLACK_API_URL": "http://127.0.0.1:1/api/",
        "MLGOV_URL": "http://127.0.0.1:1",
        "MLGOV_TOKEN": "t",
        "MLGOV_MLFLOW_URL": "http://127.0.0.1:1",
    }
    ended = typed(environment | BROKEN[what], folder, *words)
    assert "Traceback" not in ended.said, ended.said
    assert "mlgov broke" not in ended.said, ended.said
    if path in ALONE:
        return
    assert ended.code in OWN_ENDS.get(path, {1}), ended
    assert 1 <= len([line for line in ended.said.splitlines() if line]) <= 14, ended


def test_what_is_said_to_lean_on_nothing_is_there() -> None:
    assert {*MORE, *ALONE} <= {path for path, _ in COMMANDS.values()}


# --- what nobody foresaw


def guarded(error: BaseException, capsys: pytest.CaptureFixture[str]) -> Ended:
    def breaks() -> None:
        raise error

    code = base.run_guarded(breaks)
    out, err = capsys.readouterr()
    return Ended(code, out, err)


def test_the_unforeseen_is_a_sentence_with_a_reference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLGOV_LOG", raising=False)
    first = guarded(KeyError("hush-hush"), capsys)
    assert first.code == 1
    assert re.fullmatch(
        r"mlgov broke where it shouldn't: KeyError at bot/cli/base\.py:\d+ \(ref [0-9a-f]{6}\)\. "
        r"MLGOV_LOG=debug shows all of it; please report it with the reference\.\n",
        first.err,
    ), first.err
    assert guarded(KeyError("another"), capsys).err == first.err, "the same fault"
    assert guarded(ValueError("x"), capsys).err != first.err
    monkeypatch.setenv("MLGOV_LOG", "debug")
    assert "Traceback (most recent call last)" in guarded(KeyError("hush"), capsys).err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
        (OSError(28, "No space left on device", "/x/y"), 1, "/x/y: there's no room left to write."),
        (OSError(28, "No space left on device"), 1, "The disk: there's no room left to write."),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "/x/y: Permission denied."),
        (ModuleNotFoundError("x", name="duckdb.core"), 1, "The library duckdb is missing"),
        (MemoryError(), 1, "no memory left"),
        (SystemExit("in words"), 1, "in words"),
        (SystemExit(3), 3, ""),
    ],
    ids=repr,
)
def test_kinds_of_trouble_that_can_meet_any_command(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = guarded(error, capsys)
    assert (ended.code, words in ended.err, "broke" in ended.err) == (code, True, False)


def test_the_unforeseen_in_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks() -> None:
        raise KeyError("hush-hush")

    def command() -> None:
        thread = threading.Thread(target=breaks)
        thread.start()
        thread.join()

    assert base.run_guarded(command) == 0, "the command itself went on"
    err = capsys.readouterr().err
    assert ("KeyError" in err, "Traceback" in err, "hush" in err) == (True, False, False)


@pytest.mark.slow
def test_no_room_left_for_the_output(folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    ended = process({}, folder, "policy", "schema", shell='exec "$@" > /dev/full')
    assert ended.code == 1
    assert ended.err == "The disk: there's no room left to write. Make room, then run it again.\n"


@pytest.mark.slow
def test_a_reader_that_has_gone(folder: Path) -> None:
    ended = process({}, folder, "policy", "schema", shell='"$@" | head -1 > /dev/null')
    assert ended.err == ""


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Where the tests run in the background, a shell has them ignore it, and so whatever they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [("run", "--http"), ("gate", "--gate", "g", "--subject", "m:1", "--digest", DIGEST)],
    ids=lambda one: one[0],
)
def test_ctrl_c(words: tuple[str, ...], folder: Path, ctrl_c: None) -> None:
    """While it waits for a server that never answers: at the start of `run`, and in the middle of a command."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        running = subprocess.Popen(
            [sys.executable, "-m", "bot.cli.start", *words],
            env=clean(
                {
                    "SLACK_BOT_TOKEN": "xoxb-1",
                    "SLACK_SIGNING_SECRET": "a" * 32,
                    "SLACK_API_URL": f"{url}/api/",
                    "MLGOV_URL": url,
                    "MLGOV_TOKEN": "t",
                    "PYTHONPATH": os.getcwd(),
                }
            ),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        silent.settimeout(60)
        connection, _ = silent.accept()
        running.send_signal(signal.SIGINT)
        out = running.communicate(timeout=60)[0]
        connection.close()
    assert (running.returncode, "Traceback" in out) == (130, False), out


@pytest.mark.slow
def test_ctrl_c_while_the_commands_are_loaded(folder: Path, ctrl_c: None) -> None:
    """What stands before the first line of a command, too."""
    script = (
        "import os, signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'bot.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from bot.cli.start import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"],
        env=clean({"PYTHONPATH": os.getcwd()}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (130, "")


# --- help


def test_help_is_cut_nowhere(tmp_path: Path) -> None:
    """At 80 columns: each command stands in the list of its group with its first sentence as a whole."""
    groups = {path[:length] for path, _ in COMMANDS.values() for length in range(len(path))}
    for path in sorted([*groups, *(path for path, _ in COMMANDS.values())]):
        ended = typed({"COLUMNS": "80"}, tmp_path, *path, "--help")
        assert ended.code == 0
        for line in ended.out.splitlines():
            assert len(line) <= 80 or "[default" in line or "[" in line, line
            assert not re.search(r"\w[,;:]?\.\.\.$", line.rstrip()), line
