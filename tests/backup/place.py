"""A governance database of a few people, and what the tests of its copies ask of one."""

import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.db import Database
from storage.people.tables import Person
from tests.contexts import make_context
from workflows.audit import service as audit
from workflows.context import SYSTEM

ORG = "T0ACME"
NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)


def add_people(database: Database, *names: str, padding: int = 0) -> None:
    """One transaction a person, with one entry on the ledger; `padding` bytes of title make the file grow."""
    for name in names:
        with database.begin(patient=True) as session:
            session.add(
                Person(
                    id=f"p_{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    name=name,
                    title="x" * padding,
                )
            )
            audit.record(
                make_context(session, actor=SYSTEM, now=NOW), "person.seen", ("person", f"p_{name}")
            )


def asked(path: Path, sql: str) -> Any:
    """The first value that a file answers, read as it stands there, without its log."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(sql).fetchone()[0]


def environment(work: Path, **more: str) -> dict[str, str]:
    """What a process is given: this database and nothing of the machine's own settings."""
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("SLACK_", "MLGOV_"))
    }
    return clean | {"MLGOV_DATABASE_URL": f"sqlite:///{work / 'mlgov.db'}"} | more


def python(code: str, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


DYING = """
import sys
from bot import failpoints
from bot.cli.main import app
place, skip, *words = sys.argv[1:]
failpoints.arm(place, skip=int(skip))
app(words)
"""
"""`mlgov`, killed at a named place."""
