"""The commands that call the API: what a pipeline and a person at a terminal see, and the codes they end with."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bot.cli.main import app
from tests.api.conftest import COMMIT, DIGEST, Api, served
from tests.conftest import fresh_url
from tests.stories.office import FAY, OLA

GATE = (
    "gate", "--gate", "production-release", "--subject", "fraud-model:7", "--digest", DIGEST, "--project", "triage",
    "--commit", COMMIT, "--environment", "production", "--timeout", "1s",
)  # fmt: skip

Run = Callable[..., Result]


@pytest.fixture
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """On one database: what differs between them is tried where it is decided."""
    with served(fresh_url("sqlite", request, tmp_path), tmp_path) as made:
        yield made


@pytest.fixture
def run(api: Api, tmp_path: Path) -> Run:
    """Run a command against the API; `token` is what it shows."""
    settings = api.office.bot.deps.settings

    def made(token: str | None, *words: str, given: str | None = None) -> Result:
        env = {
            "MLGOV_URL": api.office.base_url,
            "MLGOV_TOKEN": token,
            "MLGOV_DATABASE_URL": settings.mlgov_database_url.get_secret_value(),
            "MLGOV_POLICY": str(settings.mlgov_policy),
            "NO_PROXY": "127.0.0.1",
            "COLUMNS": "250",
        }
        return CliRunner().invoke(app, list(words), env=env, input=given)

    return made


@pytest.mark.slow
def test_each_end_has_its_code(api: Api, run: Run, tmp_path: Path) -> None:
    made = run(
        None,
        "token",
        "create",
        "ci",
        "--scope",
        "approvals:ask",
        "--scope",
        "approvals:read",
        "--expires",
        "30d",
    )
    pipeline = made.stdout.strip()
    assert re.fullmatch(r"mlgov_m_\w{8}_[\w-]{43}", pipeline), made.output
    fay, ola = api.personal(FAY), api.personal(OLA)

    waits = run(pipeline, *GATE)
    assert (waits.exit_code, "Still pending after 1s" in waits.stderr) == (13, True)
    assert "Request 1 at production_release: Ticket triage asks to release" in waits.stderr
    early = run(fay, "approvals", "decide", "1", "approve", "--yes")
    assert (early.exit_code, "not your turn" in early.stderr) == (1, True)
    no = run(ola, "approvals", "decide", "1", "reject", "--reason", "Not today", "--yes")
    assert (no.exit_code, no.stdout) == (0, "Rejected by Ola: Not today\n")
    again = run(pipeline, *GATE)
    assert (again.exit_code, again.stdout) == (10, "Rejected by Ola: Not today\n")

    assert run(pipeline, *GATE, "--run-id", "2").exit_code == 13
    shown = {"revision": 1}
    assert api.post("/approvals/2/withdraw", pipeline, shown).status_code == 200
    assert run(pipeline, *GATE, "--run-id", "2").exit_code == 12

    assert run(pipeline, *GATE, "--run-id", "3").exit_code == 13
    api.office.move(timedelta(days=2))
    assert run(pipeline, *GATE, "--run-id", "3").exit_code == 11

    assert run(pipeline, *GATE, "--run-id", "4").exit_code == 13
    seen = run(ola, "approvals", "list", "--mine")
    assert "fraud-model:7" in seen.stdout
    declined = run(ola, "approvals", "decide", "4", "approve", given="n\n")
    assert (declined.exit_code, f"digest: {DIGEST}" in declined.stderr) == (1, True)
    assert run(ola, "approvals", "decide", "4", "approve", given="y\n").exit_code == 0
    assert "Owner: 1 of 1 approved (passed)" in run(fay, "approvals", "show", "4").stdout
    assert run(fay, "approvals", "decide", "4", "approve", "--yes").exit_code == 0
    file = tmp_path / "statement.json"
    passed = run(pipeline, *GATE, "--run-id", "4", "--statement", str(file), "--json")
    assert (passed.exit_code, json.loads(passed.stdout)["state"]) == (0, "approved")

    keys = tmp_path / "keys.json"
    keys.write_text(api.get("/keys").text)
    check = (
        "verify",
        str(file),
        "--key",
        str(keys),
        "--at",
        api.office.now().isoformat(),
        "--digest",
        DIGEST,
        "--gate",
        "production-release",
    )
    proven = run(None, *check)
    assert (proven.exit_code, proven.stdout[:49]) == (
        0,
        "Holds: fraud-model:7 (sha256:abababababab…) was a",
    )
    # As documented, without a moment: a demonstration's statement is judged by the clock that it names.
    plain = run(None, *check[:4], *check[6:])
    assert (plain.exit_code, plain.stdout.splitlines()[-1]) == (
        0,
        "It is a demonstration's, judged by its own clock: it proves nothing real.",
    ), plain.output
    status = ("--status", str(api.office.base_url))
    assert run(None, *check, *status).exit_code == 0
    (statement,) = re.findall(r"st_\w+", run(None, "statements", "list").stdout)
    for act, words in [("suspend", "suspended"), ("resume", ""), ("withdraw", "withdrawn")]:
        assert run(None, "statements", act, statement).exit_code == 0
        told = run(None, *check, *status)
        assert (told.exit_code, words in told.stderr) == (1 if words else 0, True)
    assert run(None, *check).exit_code == 0
    unasked = run(None, *check, "--status", "http://127.0.0.1:9")
    assert (unasked.exit_code, "could not be asked" in unasked.stderr) == (1, True)

    listed = run(None, "token", "list")
    assert "ci (token mlgov_m_" in listed.stdout
    assert "Fay" in listed.stdout
    assert run(None, "token", "revoke", pipeline[:16]).exit_code == 0
    dead = run(pipeline, *GATE)
    assert (dead.exit_code, "was revoked" in dead.stderr) == (1, True)


def test_wrong_calls(run: Run, api: Api) -> None:
    pipeline = api.token()
    for words in [
        (*GATE[:5], "--digest", "abc"),
        (*GATE, "--timeout", "soon"),
        (*GATE, "--commit", "HEAD"),
        ("gate", "--gate", "x"),
        ("token", "create", "x", "--scope", "approvals:decide"),
        ("token", "create", "x", "--scope", "costs:write", "--expires", "9y"),
        ("approvals", "decide", "1", "maybe"),
    ]:
        done = run(pipeline, *words)
        assert done.exit_code == 2, (words, done.output)
    assert (
        "never decides" in run(None, "token", "create", "x", "--scope", "approvals:decide").stderr
    )
    assert "MLGOV_TOKEN is not set" in run(None, *GATE).stderr
    missing = run(pipeline, *GATE[:2], "no-such", *GATE[3:])
    assert (missing.exit_code, "no gate 'no_such'" in missing.stderr) == (1, True)


def test_keys_are_made_published_and_rotated(run: Run, tmp_path: Path, api: Api) -> None:
    first, second = tmp_path / "one.pem", tmp_path / "two.pem"
    made = run(None, "keys", "new", "--out", str(first))
    assert made.stdout.startswith("-----BEGIN PUBLIC KEY-----")
    assert first.stat().st_mode & 0o777 == 0o600
    assert run(None, "keys", "new", "--out", str(first)).exit_code == 1
    assert "not set" in run(None, "keys", "publish").stderr
    rotated = run(None, "keys", "rotate", "--out", str(second))
    assert "1 retired" in rotated.stderr
    keys = api.get("/keys").json()["keys"]
    assert [("retired_at" in key) for key in keys] == [False, True]
    assert "PRIVATE" not in str(keys)


def test_webhooks_are_added_listed_and_removed(run: Run) -> None:
    refused = run(None, "webhook", "add", "https://x.test/", "--event", "*")
    assert "MLGOV_WEBHOOK_KEY" in refused.stderr
    assert run(None, "webhook", "list").stdout.startswith("Nobody follows")
