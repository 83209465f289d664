"""`mlgov audit`: what it says of a whole record, of a changed one, and since when it looked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from bot.cli.main import app
from storage import ledger, triggers
from storage.db import Database
from tests.conftest import fresh_url
from tests.record.conftest import Whole, make

Audit = Callable[..., Result]


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Whole]:
    """A record of its own: what is done to it stays."""
    database = Database(fresh_url("sqlite", request, tmp_path))
    yield make(database)
    database.close()


@pytest.fixture
def audit(own: Whole) -> Audit:
    """`mlgov audit` on that record."""
    url = own.db.url.render_as_string(hide_password=False)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["audit", *words], env={"MLGOV_DATABASE_URL": url})

    return run


def test_verify_says_what_was_changed_and_guard_puts_triggers_back(
    own: Whole, audit: Audit
) -> None:
    whole = audit("verify")
    assert whole.exit_code == 0, whole.output
    assert "The ledger holds: " in whole.output
    assert "The record agrees with it: " in whole.output
    with own.db.read() as session:
        end = ledger.head(session)
    since = f"{end.seq}:{end.hash}"
    after = audit("verify", "--since", since)
    assert after.exit_code == 0
    assert f"checked after entry {end.seq:,}" in after.output
    wrong = audit("verify", "--since", f"{end.seq}:{'0' * 64}")
    assert wrong.exit_code == 1
    assert f"BROKEN at entry {end.seq}" in wrong.output
    assert audit("verify", "--since", "all").exit_code == 2

    with own.db.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_entry_no_delete"))
        connection.execute(text("UPDATE decision SET verdict = 'reject' WHERE person_id = 'p-spo'"))
    changed = audit("verify")
    assert changed.exit_code == 1
    assert (
        "CHANGED: The verdict of Spo of 26 Jan 2026 on the request of Lane keeping 11"
        in changed.output
    )
    assert "audit_entry_no_delete is missing" in changed.output
    assert "The record agrees" not in changed.output
    told = json.loads(audit("verify", "--json").output)
    assert (told["holds"], told["broken"], len(told["faults"])) == (False, None, 2)
    assert {one["what"] for one in told["faults"]} == {"triggers", "decision_changed"}

    guarded = audit("guard")
    assert guarded.exit_code == 0
    assert "audit_entry_no_delete is missing before" in guarded.output
    with own.db.engine.connect() as connection:
        assert triggers.list_faults(connection) == []
    assert "All triggers are in place." in audit("guard").output
    assert "trigger" not in audit("verify").output
