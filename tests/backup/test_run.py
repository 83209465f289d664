"""`mlgov run` on a restored copy, as a process: it serves, says that it sends nothing, and needs no option for it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bot import installed
from sandbox.server import Sandbox
from sandbox.world import World
from tests import cli
from tests.serving.test_run import environment, running
from tests.stories.office import organisation

pytestmark = pytest.mark.slow


@pytest.fixture
def slack() -> Iterator[Sandbox]:
    world = World.from_dict(organisation())
    with Sandbox(world, installed.load_manifest(), limits=False) as stand_in:
        yield stand_in


def test_a_restored_copy_is_held_by_itself_and_another_when_asked(
    slack: Sandbox, tmp_path: Path
) -> None:
    env = environment(slack, tmp_path)
    given = {name: value for name, value in env.items() if name.startswith("MLGOV_")}
    copy = tmp_path / "copy.db"
    with running(env, tmp_path, "--http", "--hold") as (process, _url):
        assert process.stdout is not None
        assert "Nothing is sent: mlgov was started with --hold" in (process.stdout.readline())
        code, words = cli.run("backup", str(copy), **given)
        assert code == 0, words
        code, words = cli.run("restore", str(copy), **given)
        assert (code, "in use by another process" in words) == (1, True)
    given.pop("MLGOV_ANCHOR")  # nothing was published yet
    code, words = cli.run("restore", str(copy), **given)
    assert code == 0, words
    with running(env, tmp_path, "--http") as (process, url):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "Nothing is sent: a copy was restored on" in line
        assert "mlgov outbox review" in line
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        code, words = cli.run("outbox", "release", **given)
        assert (code, "Released" in words) == (0, True)
        code, words = cli.run("outbox", "release", **given)
        assert (code, "Nothing is held" in words) == (1, True)
