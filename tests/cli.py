"""The command line in this process, as its own tests start it in another: an interpreter a call would cost a second."""

import os

from typer.testing import CliRunner

from bot.cli.main import app


def run(*words: str, **settings: str) -> tuple[int, str]:
    """Exit code, and everything that was printed, of `mlgov words` under these settings and no others."""
    own = {
        name: None
        for name in os.environ
        if name.startswith(("MLGOV_", "SLACK_")) or name.casefold().endswith("_proxy")
    }
    done = CliRunner().invoke(app, list(words), env={**own, "COLUMNS": "160", **settings})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output
