"""Two releases on one database: an older one keeps working on a newer schema, for as long as that schema says it may."""

import time
from pathlib import Path

import httpx
import pytest

from bot import installed
from bot.opening import SchemaWatch
from sandbox.server import Sandbox
from sandbox.world import World
from storage import migrate
from storage.db import Database
from tests.cli import run
from tests.conftest import BACKENDS, fresh_url
from tests.serving.test_run import environment, mlgov, running
from tests.stories.office import OLA, Office, opened, organisation
from tests.upgrades import releases

ADDS = 'op.add_column("project", sa.Column("cost_centre", sa.String(), nullable=True))'
BREAKS = 'op.drop_column("project", "category")'

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_newer_release_takes_nobody_out_until_it_says_so(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = fresh_url(backend, request, tmp_path)
    head = migrate.newest_revision()
    with opened(url, tmp_path, scale=1.0) as office:
        office.project("triage", "Ticket triage")
        tree = releases.next_release(tmp_path, oldest=head, body=ADDS)
        done = releases.mlgov(tree, "migrate", MLGOV_DATABASE_URL=url)
        assert f"The database was at revision {head}; it is at 9001 now." in done.stdout, (
            done.stderr
        )
        assert _readiness(office) == (200, "ready")
        assert "Ticket triage" in _status(office)
        code, words = run("migrate", "--check", MLGOV_DATABASE_URL=url)
        assert (code, "where a newer mlgov brought it" in words) == (0, True)
        assert run("outbox", "list", MLGOV_DATABASE_URL=url)[0] == 0
        assert "good for this one" in run("doctor", MLGOV_DATABASE_URL=url)[1]
        # A replica of the older release that starts now, as one that crashed does.
        (tmp_path / "again").mkdir()
        with opened(url, tmp_path / "again", scale=1.0) as other:
            assert _readiness(other) == (200, "ready")
            assert "Ticket triage" in _status(other)

        releases.add_migration(tree, oldest="9002", body=BREAKS)
        assert releases.mlgov(tree, "migrate", MLGOV_DATABASE_URL=url).returncode == 0
        sentence = (
            f"The database is at revision 9002, which needs an mlgov of revision 9002 or newer, and this one is of {head}; "
            "install a newer mlgov."
        )
        assert _readiness(office) == (503, sentence)
        watch = SchemaWatch(office.db)
        watch._next = time.monotonic()
        watch()
        watch._next = time.monotonic()
        watch()
        assert [r.message for r in caplog.records if sentence in r.message] == [
            f"{sentence} This replica is not ready until then."
        ]
    for words in (
        ("migrate",),
        ("migrate", "--check"),
        ("migrate", "--dry-run"),
        ("outbox", "list"),
        ("audit", "verify"),
        ("costs", "summary"),
        ("policy", "apply"),
        ("people", "erase", "p_none"),
    ):
        assert run(*words, MLGOV_DATABASE_URL=url) == (1, f"{sentence}\n"), words
    code, printed = run("doctor", MLGOV_DATABASE_URL=url)
    assert (code, f"database: {sentence}" in printed) == (1, True)
    policy = str(tmp_path / "governance.yml")
    assert run(
        "run",
        "--http",
        MLGOV_DATABASE_URL=url,
        MLGOV_POLICY=policy,
        SLACK_BOT_TOKEN="xoxb-1",
        SLACK_SIGNING_SECRET="0123456789abcdef0123456789abcdef",
    ) == (1, f"{sentence}\n")


def _readiness(office: Office) -> tuple[int, str]:
    answer = httpx.get(f"{office.base_url}/readyz", trust_env=False)
    return answer.status_code, answer.text


def _status(office: Office) -> str:
    return str(office.sandbox.seat(OLA).slash("/mlgov", "status", "C0GOV").body)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_release_before_runs_as_a_process_on_the_schema_of_the_one_after(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The release before this one, by its own code from history, on the schema of this one.

    Until history holds one that knows ranges, and where there is no history, it is this one on that of an invented next.
    """
    url = fresh_url(backend, request, tmp_path)
    tree = releases.release_before(tmp_path)
    if tree is None:
        tree = releases.ROOT
        newer = releases.next_release(tmp_path, oldest=migrate.newest_revision(), body=ADDS)
        assert releases.mlgov(newer, "migrate", MLGOV_DATABASE_URL=url).returncode == 0
    database = Database(url)
    oldest = migrate.read_standing(database).oldest
    database.close()
    with Sandbox(World.from_dict(organisation()), installed.load_manifest(), limits=False) as slack:
        env = environment(slack, tmp_path, MLGOV_DATABASE_URL=url, PYTHONPATH=str(tree))
        if oldest is None or oldest > releases.newest(tree):
            done = mlgov(env, tree, "run", "--http")
            assert (done.returncode, "install a newer mlgov" in done.stderr) == (1, True)
            assert "Traceback" not in done.stderr
            return
        with running(env, tree, "--http") as (_process, address):
            slack.deliver_to(f"{address}/slack/events")
            assert httpx.get(f"{address}/readyz", trust_env=False).text == "ready"
            answer = slack.seat(OLA).slash("/mlgov", "", "C0TRIAGE")
            assert "Nothing waits for you" in str(answer.body)


def test_each_migration_says_which_code_runs_on_it() -> None:
    """In `oldest_revision`, never older than what the one before it says."""
    steps = migrate.list_steps("0016")
    assert [step.revision for step in steps if step.oldest > step.revision] == []
    assert [step.oldest for step in steps] == sorted(step.oldest for step in steps)
    for step in steps:
        (file,) = (releases.ROOT / releases.VERSIONS).glob(f"{step.revision}_*.py")
        assert "\noldest_revision = " in file.read_text(encoding="utf-8"), file.name
