"""Every byte of a deployment after an erasure and the next reading of Slack: database, log, anchor, logs, temporary files."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.people.tables import Person
from tests import cli
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, OLA, TIM, Office, eventually, opened
from tests.stories.test_road import ask, decide, over_budget
from workflows import clock
from workflows.people import service as people
from workflows.people.forms import PersonSeen

pytestmark = pytest.mark.slow
NAME, TITLE, EMAIL = "Quirin Vexley", "Chief Xylographer", "quirin.vexley@acme.test"
REASON = "my mother zigzagged into hospital"
TRACES = (NAME, TITLE, EMAIL, "Vexley", REASON, TIM)


@pytest.fixture
def office(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    """A deployment in one folder, temporary files and all that is logged too, with its key in the file beside it."""
    (temporary := tmp_path / "tmp").mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    handler = logging.FileHandler(tmp_path / "mlgov.log")
    for name in ("mlgov", "storage", "bot", "workflows"):
        logging.getLogger(name).addHandler(handler)
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, mlgov_erasure_key=None) as running:
        yield running
    for name in ("mlgov", "storage", "bot", "workflows"):
        logging.getLogger(name).removeHandler(handler)
    handler.close()


def found_in(folder: Path) -> list[tuple[str, str]]:
    """(file, trace) of everything that stands anywhere in a folder."""
    return [
        (path.name, trace)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for content in (path.read_bytes(),)
        for trace in TRACES
        if trace.encode() in content or trace.encode("utf-16-le") in content
    ]


def test_no_byte_of_an_erased_person_is_left(office: Office) -> None:
    folder = office.work
    key = folder / "mlgov.db-erasure-key"
    assert key.stat().st_mode & 0o777 == 0o600
    org = office.bot.deps.team.org_key
    profile = {"real_name": NAME, "name": "Vexley", "email": EMAIL, "title": TITLE}
    office.sandbox.world.update_user(TIM, **profile)
    eventually(lambda: NAME in names(office, org), "the event is followed")
    over_budget(office)
    assert ask(office, reason=REASON).ok
    assert decide(office, OLA).ok
    assert decide(office, FAY).ok
    office.settle()
    crowd(office, org)
    assert {trace for _, trace in found_in(folder)} == set(TRACES)
    office.sandbox.world.update_user(TIM, deleted=True)
    eventually(lambda: has_left(office, org), "the event is followed")
    code, words = cli.run("people", "erase", TIM, "--yes", **given(office))
    assert code == 0, words
    assert "couldn't be written anew" not in words
    for _ in range(2):
        code, words = cli.run("sync", **given(office))
        assert code == 0, words
        office.settle()
    assert key.read_bytes()
    assert found_in(folder) == []
    office.bot.stop()
    assert found_in(folder) == []


def names(office: Office, org: str) -> list[str]:
    with office.db.read() as session:
        row = people.find_by_slack_id(session, org, TIM)
        return [row.name] if row is not None else []


def has_left(office: Office, org: str) -> bool:
    with office.db.read() as session:
        row = people.find_by_slack_id(session, org, TIM)
        return row is not None and row.is_deactivated


def crowd(office: Office, org: str) -> None:
    """Many others come and change, so that rows move from page to page and leave copies behind."""
    with office.db.begin(patient=True) as session:
        now = clock.now(session)
        for number in range(6):
            some = [
                PersonSeen(org, f"U9{n:04d}", org, "y" * (n * 37 * (number + 1) % 190))
                for n in range(300)
            ]
            people.upsert_from_slack(make_context(session, now=now), some, read_at=None)
            row = people.find_by_slack_id(session, org, TIM)
            assert row is not None
            session.get_one(Person, row.id).title = TITLE + " " * number
            session.flush()


def given(office: Office) -> dict[str, str]:
    """What an operator's commands are given."""
    read = office.bot.deps.settings
    assert read.slack_bot_token is not None
    return {
        "SLACK_BOT_TOKEN": read.slack_bot_token.get_secret_value(),
        "SLACK_API_URL": read.slack_api_url,
        "MLGOV_DATABASE_URL": read.mlgov_database_url.get_secret_value(),
        "MLGOV_POLICY": str(read.mlgov_policy),
        "MLGOV_ANCHOR": str(office.anchor),
    }
