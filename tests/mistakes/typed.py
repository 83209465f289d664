"""A command as somebody types it, through the very `main()` that the installed `mlgov` calls; mostly in this process."""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.cli import calling, main

NOT_INHERITED = ("MLGOV_", "SLACK_", "SSL_CERT")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def clean(given: Mapping[str, str]) -> dict[str, str]:
    """This environment without settings and proxies, and what is given."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(NOT_INHERITED) and not name.casefold().endswith("_proxy")
    } | dict(given)


def typed(environment: Mapping[str, str], place: Path, *words: str) -> Ended:
    """`mlgov words` in that folder."""
    out, err = _Output(), _Output()
    with (
        _elsewhere(environment, place),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main.main(list(words))
        except SystemExit as error:
            code = error.code
    assert isinstance(code, int)
    return Ended(code, out.text, err.text)


class _Output(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined, no-any-return]


@contextlib.contextmanager
def _elsewhere(environment: Mapping[str, str], place: Path) -> Iterator[None]:
    """What a command changes in its process is as before afterwards."""
    before, folder = dict(os.environ), Path.cwd()
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    levels = {name: logging.getLogger(name).level for name in list(logging.root.manager.loggerDict)}
    os.environ.clear()
    os.environ.update(clean(environment))
    os.chdir(place)
    calling.Caller.has_answered = False
    try:
        yield
    finally:
        logging.captureWarnings(False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)
        for number, handler in signals.items():
            signal.signal(number, handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def process(environment: Mapping[str, str], place: Path, *words: str, shell: str = "") -> Ended:
    """The same in a process of its own; with `shell`, behind a line of shell that ends in `exec "$@"`."""
    command = [sys.executable, "-m", "bot.cli.start", *words]
    if shell:
        command = ["sh", "-c", shell, "sh", *command]
    done = subprocess.run(
        command,
        env=clean(environment),
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def assert_told(ended: Ended, *expected: str, code: int = 1) -> None:
    """One sentence with the mend, that exit code, and no traceback."""
    assert "Traceback" not in ended.said, ended.said
    assert ended.code == code, ended
    for words in expected:
        assert words in ended.err, ended
    assert "mlgov broke" not in ended.said, ended.said
    told = [line for line in ended.err.splitlines() if line.strip()]
    assert len(told) <= 2, ended.err
