"""Releases beside this one: its own tree with one migration more, and trees of earlier commits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from storage import migrate
from tests.upgrades.make_dumps import VERSIONS, git, unpack

ROOT = Path(__file__).parents[2]

_MIGRATION = '''"""{words}."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
oldest_revision = "{oldest}"


def upgrade() -> None:
    {body}
'''


def next_release(folder: Path, *, oldest: str, body: str, words: str = "A newer release") -> Path:
    """This tree as the next release would be: with a migration more. `oldest` is the oldest code that it allows."""
    tree = folder / "next"
    for name in ("bot", "storage", "workflows"):
        shutil.copytree(
            ROOT / name,
            tree / name,
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )
    add_migration(tree, oldest=oldest, body=body, words=words)
    return tree


def add_migration(tree: Path, *, oldest: str, body: str, words: str = "A newer release") -> str:
    """Add a migration to a tree; its revision."""
    before = newest(tree)
    revision = f"{max(int(before) + 1, 9001)}"
    (tree / VERSIONS / f"{revision}_invented.py").write_text(
        _MIGRATION.format(words=words, revision=revision, before=before, oldest=oldest, body=body),
        encoding="utf-8",
    )
    return revision


def environment(tree: Path, **settings: str) -> dict[str, str]:
    """The environment of a process that runs a tree's own code."""
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("SLACK_", "MLGOV_"))
    }
    return clean | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"} | settings


def mlgov(tree: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a tree in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bot.cli.main", *words],
        env=environment(tree, **settings),
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def newest(tree: Path) -> str:
    """The newest revision that a tree knows."""
    return max(file.name[:4] for file in (tree / VERSIONS).glob("[0-9]*.py"))


def release_before(folder: Path) -> Path | None:
    """The tree of the newest commit that knows ranges and whose newest migration is older than ours.

    None while there is no such commit, and where there is no history of the repository.
    """
    try:
        commits = git("rev-list", "HEAD").decode().split()
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None
    for commit in commits:
        names = git("ls-tree", "--name-only", commit, VERSIONS).decode().split()
        latest = max(Path(name).name[:4] for name in names if Path(name).name[0].isdigit())
        if latest < migrate.RANGES_SINCE:
            return None
        if latest < migrate.newest_revision():
            unpack(commit, folder / "before")
            return folder / "before"
    return None
