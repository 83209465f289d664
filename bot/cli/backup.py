"""`mlgov backup` and `mlgov restore`: a copy of the governance database, and the way back from one."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, fail, say, settings

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from storage.backup import Contents

ELSEWHERE = 3
"""The exit code of what another program has to do: the commands to run were printed."""

_KEYS = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "MLGOV_SIGNING_KEY",
    "MLGOV_WEBHOOK_KEY",
    "MLGOV_MLFLOW_TOKEN",
    "MLGOV_MLFLOW_PASSWORD",
    "MLGOV_MLFLOW_WEBHOOK_SECRET",
    "MLGOV_PROMETHEUS_TOKEN",
)


def register(app: typer.Typer) -> None:
    """Add these commands to the top of `mlgov`."""
    app.command()(backup)


def backup(
    file: Annotated[
        Path, typer.Argument(help="Where the copy is written; not there yet.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Write over a copy that is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the database into one file, while mlgov runs. Exit 3 for PostgreSQL: it prints what to run."""
    from bot import failpoints
    from storage import backup as copies

    url = _url()
    if url.get_backend_name() != "sqlite":
        _say_dump(url, file)
        raise typer.Exit(ELSEWHERE)
    database = _sqlite_file(url)
    if copies.same_file(file, database):
        raise fail(f"{file} is the database itself; name another file for its copy.")
    if file.is_dir():
        raise fail(f"{file} is a folder; name a file in it.")
    if file.exists() and not force:
        raise fail(f"{file} is there already; --force writes over it.")
    with _host_held(url):
        try:
            found = copies.write(database, file, probe=failpoints.hit)
        except copies.Unusable as error:
            raise fail(str(error)) from None
    broken = copies.ledger_fault(file)
    if as_json:
        say(json.dumps(_as_json(file, found, broken)))
    else:
        say(f"{file} is a copy of {database}: {_holds(found)}.")
        for line in _lacks():
            say(line)
    if broken is not None:
        raise fail(
            f"The copy is written, but the ledger in it does not hold: {broken}. `mlgov audit verify` tells more."
        )


def _url() -> "URL":
    from sqlalchemy.exc import ArgumentError

    from storage.db import normal_url

    try:
        return normal_url(settings().mlgov_database_url.get_secret_value())
    except ArgumentError:
        raise fail(
            "MLGOV_DATABASE_URL is no database URL; write one like sqlite:///mlgov.db."
        ) from None


def _sqlite_file(url: "URL") -> Path:
    if not url.database or url.database == ":memory:":
        raise fail(
            "MLGOV_DATABASE_URL names no file; write one like sqlite:///mlgov.db."
        )
    path = Path(url.database)
    if not path.exists():
        raise fail(
            f"There is no database at {path}. Set MLGOV_DATABASE_URL, or make one by `mlgov run` or an import."
        )
    return path


def _holds(found: "Contents") -> str:
    if found.last_at is None:
        ledger = "an empty ledger"
    else:
        ledger = f"the ledger up to entry {found.entries:,} of {found.last_at:%a %d %b %Y, %H:%M} UTC"
    return (
        f"{_counted(found.people, 'person', 'people')}, {_counted(found.requests, 'request')}, {ledger}, "
        f"{_size(found.size)}, revision {found.revision}"
    )


def _counted(number: int, word: str, words: str | None = None) -> str:
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def _size(size: int) -> str:
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"


def _lacks() -> list[str]:
    """What a copy of the database does not hold, as far as this environment tells."""
    read = settings()
    keys = [name for name in _KEYS if os.environ.get(name)]
    files = [
        f"{name}_FILE ({os.environ[f'{name}_FILE']})"
        for name in _KEYS
        if os.environ.get(f"{name}_FILE")
    ]
    named = ", ".join(keys + files) or "SLACK_BOT_TOKEN, MLGOV_SIGNING_KEY and the like"
    lines = [
        "It holds names and reasons in clear; keep it where only operators read.",
        f"Not in it, so keep these elsewhere: the tokens and keys of the environment ({named}) and the policy file {read.mlgov_policy}.",
    ]
    if read.mlgov_anchor is not None:
        lines.append(
            f"Nor the anchor {read.mlgov_anchor}: it says what a copy lacks, and who was erased after it. Keep it apart from the copies."
        )
    else:
        lines.append(_NO_ANCHOR)
    return lines


_NO_ANCHOR = (
    "No anchor is set: after a restore nobody can tell what the copy lacks, and people who were erased after it come back. "
    "Set MLGOV_ANCHOR to a file on another disk or an address."
)


def _as_json(file: Path, found: "Contents", broken: str | None) -> dict[str, object]:
    return {
        "file": str(file),
        "revision": found.revision,
        "people": found.people,
        "requests": found.requests,
        "entries": found.entries,
        "last_at": found.last_at.isoformat() if found.last_at else None,
        "bytes": found.size,
        "ledger_fault": broken,
    }


@contextmanager
def _host_held(url: "URL") -> Iterator[None]:
    """Refuse a SQLite file that another machine has open."""
    from bot.settings import another_host
    from storage.db import Database
    from storage.host import AnotherHost

    database = Database(url)
    try:
        database.hold_host()
        yield
    except AnotherHost as error:
        raise fail(another_host(error.host)) from None
    finally:
        database.close()


def _libpq(url: "URL") -> str:
    """The URL as PostgreSQL's own programs take it, without the password."""
    bare = url.set(drivername="postgresql")._replace(password=None)
    bare = bare.difference_update_query(["password"])
    return shlex.quote(bare.render_as_string(hide_password=False))


def _say_dump(url: "URL", file: Path) -> None:
    say("The database is PostgreSQL's, whose own program copies it while mlgov runs:")
    say()
    say(
        f"  pg_dump --format=custom --no-owner --file={shlex.quote(str(file))} {_libpq(url)}"
    )
    say()
    if url.password:
        say(
            "The password is left out: pg_dump takes it from PGPASSWORD or ~/.pgpass. pg_dump must not be older than the server."
        )
    else:
        say("pg_dump must not be older than the server.")
    for line in _lacks():
        say(line)
