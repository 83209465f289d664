"""`mlgov digest render`: the same words in three forms, and nothing changed by looking."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from bot.cli.main import app
from storage.digests.tables import Digest
from storage.enums import DigestState
from tests.digests.conftest import FIRST_DAY, NOW, POLICY, Firm

runner = CliRunner()


@pytest.fixture
def ready(firm: Firm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Firm:
    """Lea's digest of week 4 was sent; since then the name of its project has changed."""
    project = firm.project("Ticket triage", owner="ola")
    firm.budget(project, "1000")
    content = firm.digest().stored()
    with firm.db.begin() as session:
        session.add(
            Digest(
                kind="weekly",
                person_id="p-lea",
                week="2026-W05",
                audience="role:leader",
                state=DigestState.SENT,
                first_day=FIRST_DAY,
                tz="Europe/London",
                planned_at=NOW,
                late_at=NOW + timedelta(days=4),
                built_at=NOW,
                content=content,
                created_at=NOW,
            )
        )
        session.execute(text("UPDATE project SET name = 'Renamed'"))
    policy = tmp_path / "governance.yml"
    policy.write_text(POLICY, encoding="utf-8")
    monkeypatch.setenv("MLGOV_POLICY", str(policy))
    monkeypatch.setenv("MLGOV_DATABASE_URL", firm.db.url.render_as_string(hide_password=False))
    return firm


def rendered(*arguments: str) -> str:
    done = runner.invoke(app, ["digest", "render", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_one_that_was_sent_is_printed_as_it_was_sent(ready: Firm) -> None:
    text_ = rendered("--person", "U0LEA", "--at", "2026-01-28")
    assert text_.startswith("Week 4 was quiet: no cost data has come in yet")
    assert "Ticket triage: 0 of 1,000 EUR" in text_
    assert "Renamed" not in text_
    page = rendered("--person", "U0LEA", "--at", "2026-01-26", "--format", "html")
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    blocks = json.loads(rendered("--person", "p-lea", "--at", "2026-01-26", "--format", "slack"))
    assert blocks["blocks"][0]["type"] == "header"


def test_one_that_was_not_sent_is_made_over_what_the_person_may_see(ready: Firm) -> None:
    assert "Renamed" in rendered("--person", "U0LEA", "--at", "2026-02-02")
    hers = rendered("--person", "U0FAY", "--at", "2026-01-26")
    assert "Renamed" not in hers
    assert "you own, sponsor or manage no project yet" in hers
    with ready.db.read() as session:
        assert session.query(Digest).count() == 1
        assert session.execute(text("SELECT count(*) FROM audit_entry")).scalar_one() == 0


def test_what_cannot_be_is_said_in_a_sentence(ready: Firm) -> None:
    done = runner.invoke(app, ["digest", "render", "--person", "U0NOBODY"])
    assert done.exit_code == 1
    assert "Nobody here has the id" in done.output
    done = runner.invoke(app, ["digest", "render", "--person", "U0LEA", "--at", "soon"])
    assert done.exit_code == 2
    assert "like 2026-01-26" in done.output
